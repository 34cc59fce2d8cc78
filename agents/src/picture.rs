//! Which axes of an observation are the height, width and channels of a picture.

use crate::Channels;

/// The shape of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Height, width and channels.
    pub size: [usize; 3],
    /// Where the channels are.
    pub channels: Channels,
}

impl Picture {
    /// The picture of observations of this shape, whose channels are where `channels` has them, or else along the first or last axis if
    /// that one is shorter than both others. `[height, width]` has one channel.
    ///
    /// # Errors
    /// Why not, when it is no picture, or the shape does not show where the channels are.
    pub fn new(shape: &[usize], channels: Option<Channels>) -> Result<Self, String> {
        let (a, b, c) = match *shape {
            [height, width] => return Ok(Self { size: [height, width, 1], channels: Channels::Last }),
            [a, b, c] => (a, b, c),
            _ => {
                return Err("convolutions and pools need pictures: [height, width] with or without channels"
                    .to_owned());
            }
        };
        let channels = match channels {
            Some(channels) => channels,
            None if a < b.min(c) => Channels::First,
            None if c < a.min(b) => Channels::Last,
            None => {
                return Err(format!(
                    "it does not show which axis of a picture are the channels; set network.channels to `first` ([{a}] channels of \
                     {b} × {c} pixels) or `last` ({a} × {b} pixels of [{c}] channels)"
                ));
            }
        };
        let size = match channels {
            Channels::First => [b, c, a],
            Channels::Last => [a, b, c],
        };
        Ok(Self { size, channels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_inferred_where_the_shape_shows_them_alone() {
        use Channels::{First, Last};
        for (shape, channels, size) in [
            (&[84, 84, 4][..], Last, [84, 84, 4]),
            (&[4, 84, 84], First, [84, 84, 4]),
            (&[210, 160, 3], Last, [210, 160, 3]),
            (&[3, 64, 4], First, [64, 4, 3]),
            (&[5, 5, 3], Last, [5, 5, 3]),
            (&[1, 8, 8], First, [8, 8, 1]),
            (&[96, 1], Last, [96, 1, 1]),
        ] {
            assert_eq!(
                Picture::new(shape, None).expect("a picture"),
                Picture { size, channels },
                "{shape:?}"
            );
        }
        for shape in [[3, 64, 3], [4, 4, 4], [4, 4, 16], [16, 4, 4], [1, 64, 1], [64, 3, 64]] {
            let error = Picture::new(&shape, None).expect_err("an open question");
            assert!(error.contains("set network.channels to"), "{error}");
            let [a, b, c] = shape;
            let size = |channels| Picture::new(&shape, Some(channels)).expect("a picture").size;
            assert_eq!((size(First), size(Last)), ([b, c, a], [a, b, c]));
        }
    }

    #[test]
    fn other_shapes_are_no_pictures() {
        for shape in [&[][..], &[4], &[2, 3, 4, 5]] {
            for channels in [None, Some(Channels::Last)] {
                let error = Picture::new(shape, channels).expect_err("no picture");
                assert!(error.contains("convolutions and pools need pictures"), "{error}");
            }
        }
    }
}
