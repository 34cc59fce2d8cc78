//! The tables of a file.

use bytemuck::cast_slice;

use crate::format::{header, input, part, step};
use crate::policy::Elements;

/// A file, and the tables of it that an action needs.
#[derive(Clone, Copy)]
pub struct File<'a> {
    words: &'a [u32],
    pub steps: &'a [[u32; step::WORDS]],
    pub parts: &'a [[u32; part::WORDS]],
    pub floats: &'a [f32],
}

/// The words of a table, whose first byte and number of entries are two words of the header; nothing where the file does not have it.
#[cfg_attr(feature = "simd", inline(always))]
#[cfg_attr(not(feature = "simd"), inline(never))]
fn table(words: &[u32], at: usize, width: usize) -> Option<&[u32]> {
    let [start, n] = *words.get(at..)?.first_chunk()?;
    let from = words.get(start as usize / 4..).filter(|_| start % 16 == 0)?;
    from.get(..(n as usize).checked_mul(width)?)
}

impl<'a> File<'a> {
    /// The file of these words, where it has the tables that an action needs.
    pub fn of(words: &'a [u32]) -> Option<Self> {
        table(words, header::INPUTS, input::WORDS)?;
        Some(Self {
            words,
            steps: table(words, header::STEPS, step::WORDS)?.as_chunks().0,
            parts: table(words, header::PARTS, part::WORDS)?.as_chunks().0,
            floats: cast_slice(table(words, header::FLOATS, 1)?),
        })
    }

    /// A word of the header.
    pub fn word(&self, at: usize) -> u32 {
        self.words.get(at).copied().unwrap_or(0)
    }

    pub fn inputs(&self) -> &'a [[u32; input::WORDS]] {
        table(self.words, header::INPUTS, input::WORDS).unwrap_or_default().as_chunks().0
    }

    /// JSON; nothing where it is none.
    pub fn text(&self) -> Option<&'a str> {
        let bytes = cast_slice::<u32, u8>(self.words).get(self.word(header::TEXT) as usize..)?;
        core::str::from_utf8(bytes.get(..self.word(header::TEXT + 1) as usize)?).ok()
    }

    /// Numbers of results in the arena, before the hidden state.
    pub fn results(&self) -> usize {
        self.word(header::RESULTS) as usize
    }

    /// Numbers of the arena.
    pub fn arena(&self) -> usize {
        self.results() + self.word(header::STATE) as usize
    }

    /// Words of the recorded observation of an input.
    fn recorded_words(words: &[u32; input::WORDS]) -> usize {
        let len = words[input::LEN] as usize;
        if words[input::DTYPE] == 0 { len } else { len.div_ceil(4) }
    }

    /// Recorded steps, each of which has whether an episode begins, the observation and the action; nothing where there are fewer than the header says.
    pub fn recorded(&self) -> Option<impl Iterator<Item = &'a [u32]> + use<'a>> {
        let own = self.inputs().iter().map(Self::recorded_words);
        let width = own.fold(self.word(header::ACTION) as usize, usize::saturating_add).saturating_add(1);
        let records = table(self.words, header::RECORDS, 1)?;
        let all = width.checked_mul(self.word(header::RECORDED) as usize)?;
        (all == records.len()).then(|| records.chunks_exact(width))
    }

    /// Observation and action of a recorded step.
    pub fn split(&self, words: &'a [u32]) -> Option<(&'a [u32], &'a [u32])> {
        words.split_at_checked(words.len().checked_sub(self.word(header::ACTION) as usize)?)
    }

    /// The inputs in a recorded observation.
    pub fn observe(&self, mut words: &'a [u32], elements: &mut [Elements<'a>]) {
        for (input, into) in self.inputs().iter().zip(elements) {
            let (own, rest) = words.split_at_checked(Self::recorded_words(input)).unwrap_or_default();
            *into = if input[input::DTYPE] == 0 {
                Elements::F32(cast_slice(own))
            } else {
                Elements::U8(cast_slice(own).get(..input[input::LEN] as usize).unwrap_or_default())
            };
            words = rest;
        }
    }
}
