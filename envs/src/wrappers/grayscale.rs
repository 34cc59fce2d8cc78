//! Shows colours as shades of grey: a third of the numbers, and most games can be played so.

use super::pictures::{Retouch, Retouched};
use super::pixels;
use crate::{Env, EnvError, SpaceError};

/// Shows the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, of bytes `[H, W, 3]` as bytes `[H, W]`.
pub type Grayscale = Retouched<Luma>;

/// Shades of colours.
pub struct Luma;

impl Grayscale {
    /// `inner` without colours.
    ///
    /// # Errors
    /// [`EnvError::Space`] when observations are not bytes `[H, W, 3]`.
    pub fn new(inner: Box<dyn Env>) -> Result<Self, EnvError> {
        let space = inner.observation_space();
        let &[height, width, 3] = pixels(space, "grayscale")? else {
            let reason = "pixels of three colours, [H, W, 3], are needed";
            return Err(SpaceError::new("grayscale", space, reason).into());
        };
        Ok(Self::of(inner, vec![height, width], Luma))
    }
}

impl Retouch for Luma {
    fn retouch(&mut self, picture: &[u8], shown: &mut [u8]) {
        // In 32768ths, as OpenCV has it.
        let luma = |[r, g, b]: [u8; 3]| 9_798 * u32::from(r) + 19_235 * u32::from(g) + 3_735 * u32::from(b);
        for (grey, &colour) in shown.iter_mut().zip(picture.as_chunks::<3>().0) {
            *grey = ((luma(colour) + 16_384) >> 15) as u8;
        }
    }
}
