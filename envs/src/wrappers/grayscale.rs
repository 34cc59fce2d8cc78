//! Shows colours as shades of grey: a third of the numbers, and most games can be played so.

use super::{Wrapper, pixels};
use crate::{Action, Dtype, Env, EnvError, Row, Space, Step};

/// Shows the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, of bytes `[H, W, 3]` as bytes `[H, W]`.
pub struct Grayscale {
    inner: Box<dyn Env>,
    observation_space: Space,
    colours: Vec<u8>,
}

impl Grayscale {
    /// `inner` without colours.
    ///
    /// # Errors
    /// [`EnvError::Space`] when observations are not bytes `[H, W, 3]`.
    pub fn new(inner: Box<dyn Env>) -> Result<Self, EnvError> {
        let space = inner.observation_space();
        let &[height, width, 3] = pixels(space, "grayscale")? else {
            return Err(EnvError::Space {
                what: "grayscale".to_owned(),
                space: space.to_string(),
                reason: "pixels of three colours, [H, W, 3], are needed".to_owned(),
            });
        };
        let count = height * width;
        let observation_space = Space::Box {
            shape: vec![height, width],
            low: vec![0.0; count],
            high: vec![255.0; count],
            dtype: Dtype::U8,
        };
        Ok(Self { colours: vec![0; space.len()], observation_space, inner })
    }

    fn show(&self, observation: Row<'_>) {
        // In 32768ths, as OpenCV has it.
        let luma = |[r, g, b]: [u8; 3]| 9_798 * u32::from(r) + 19_235 * u32::from(g) + 3_735 * u32::from(b);
        for (grey, &colour) in observation.u8().iter_mut().zip(self.colours.as_chunks::<3>().0) {
            *grey = ((luma(colour) + 16_384) >> 15) as u8;
        }
    }
}

impl Wrapper for Grayscale {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn outer_observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn on_reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.inner.reset(seed, Row::U8(&mut self.colours))?;
        self.show(observation);
        Ok(())
    }

    fn on_step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let step = self.inner.step(action, Row::U8(&mut self.colours))?;
        self.show(observation);
        Ok(step)
    }
}
