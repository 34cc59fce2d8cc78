//! 256 colours for an animation whose later frames are not known yet.

use std::cmp::Reverse;
use std::collections::HashMap;

use phalanx_envs::Frame;

type Colour = [u8; 3];

/// Levels of each channel in the part of the palette that serves colours not seen in the first frame.
const LEVELS: u32 = 5;

/// The most frequent colours of the first frame, exact, and a cube of evenly spread ones.
///
/// Drawn frames use few colours, nearly all of them from the start, so that most pixels are exact.
pub(super) struct Palette {
    colours: Vec<Colour>,
    exact: HashMap<Colour, u8>,
    /// The nearest palette colour of every colour, at 5 bits a channel.
    nearest: Vec<u8>,
    last: (Colour, u8),
}

impl Palette {
    pub(super) fn new(first: &Frame) -> Self {
        let mut colours = frequent(first, 256 - LEVELS.pow(3) as usize);
        let level = |i: u32| (i % LEVELS * 255 / (LEVELS - 1)) as u8;
        colours.extend((0..LEVELS.pow(3)).map(|i| [level(i / LEVELS.pow(2)), level(i / LEVELS), level(i)]));
        let mut exact = HashMap::new();
        for (i, &colour) in colours.iter().enumerate() {
            exact.entry(colour).or_insert(i as u8);
        }
        let nearest = (0..1_u32 << 15)
            .map(|i| {
                let wanted = [i >> 10, i >> 5 & 31, i & 31].map(|bits| bits << 3 | bits >> 2);
                let distance =
                    |c: &Colour| (0..3).map(|k| wanted[k].abs_diff(c[k].into()).pow(2)).sum::<u32>();
                let best = colours.iter().enumerate().min_by_key(|(_, colour)| distance(colour));
                best.map_or(0, |(i, _)| i as u8)
            })
            .collect();
        let last = (colours[0], 0);
        Self { colours, exact, nearest, last }
    }

    /// Red, green and blue of every colour in turn.
    pub(super) fn bytes(&self) -> &[u8] {
        self.colours.as_flattened()
    }

    /// The number of the palette's colour that shows `colour` best.
    pub(super) fn index(&mut self, colour: Colour) -> u8 {
        if colour != self.last.0 {
            let index = self.exact.get(&colour).copied().unwrap_or_else(|| {
                let [r, g, b] = colour.map(|channel| usize::from(channel >> 3));
                self.nearest[r << 10 | g << 5 | b]
            });
            self.last = (colour, index);
        }
        self.last.1
    }
}

/// The `most` most frequent colours of a frame, the first one first.
fn frequent(frame: &Frame, most: usize) -> Vec<Colour> {
    let mut counts: HashMap<Colour, u32> = HashMap::new();
    for pixel in frame.pixels.as_chunks::<3>().0 {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut colours: Vec<_> = counts.into_iter().collect();
    // By the colour where counts are equal: the file must not depend on the order of a hash map.
    colours.sort_unstable_by_key(|&(colour, count)| (Reverse(count), colour));
    colours.truncate(most);
    colours.into_iter().map(|(colour, _)| colour).collect()
}
