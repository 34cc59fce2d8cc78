//! Steps and results of a file before their places are known.

use phalanx_micro::format::step;

use crate::place::{Value, place};

/// A step before its places are known.
struct Draft {
    words: [u32; step::WORDS],
    /// The value that is read, from this number on.
    read: Option<(usize, usize)>,
    /// The value that is written, from this number on.
    write: (usize, usize),
}

/// Steps, the values that they read and write, and parameters.
#[derive(Default)]
pub struct Drafts {
    all: Vec<Draft>,
    values: Vec<Value>,
    /// Parameters.
    pub floats: Vec<f32>,
}

impl Drafts {
    /// A value of so many numbers of the arena, which steps write in parts.
    pub fn value(&mut self, len: usize) -> usize {
        let at = self.all.len();
        self.values.push(Value { len, first: at, last: at });
        self.values.len() - 1
    }

    /// Words of an operation that reads `len` numbers, and whose parameters follow.
    pub fn words(&self, op: u32, len: usize) -> [u32; step::WORDS] {
        let mut words = [0; step::WORDS];
        words[step::OP] = op;
        words[step::READ_LEN] = len as u32;
        words[step::PARAMETERS] = self.floats.len() as u32;
        words
    }

    /// Adds a step that writes a value of its own, of `len` floats.
    pub fn write(&mut self, words: [u32; step::WORDS], read: Option<usize>, len: usize) -> usize {
        let value = self.value(len);
        self.step(words, read.map(|read| (read, 0)), (value, 0), len);
        value
    }

    /// Adds a step that writes a value of its own, of `len` bytes.
    pub fn write_bytes(&mut self, words: [u32; step::WORDS], read: usize, len: usize) -> usize {
        let value = self.value(len.div_ceil(4));
        self.step(words, Some((read, 0)), (value, 0), len);
        value
    }

    /// Adds a step that writes `len` numbers of a value.
    pub fn step(
        &mut self,
        mut words: [u32; step::WORDS],
        read: Option<(usize, usize)>,
        write: (usize, usize),
        len: usize,
    ) {
        words[step::WRITE_LEN] = len as u32;
        let at = self.all.len();
        for value in [read, Some(write)].into_iter().flatten() {
            self.values[value.0].last = at;
        }
        self.all.push(Draft { words, read, write });
    }

    /// Keeps a value to the end.
    pub fn keep(&mut self, value: usize) {
        self.values[value].last = self.all.len();
    }

    /// The same for all of them.
    pub fn keep_all(&mut self) {
        (0..self.values.len()).for_each(|value| self.keep(value));
    }

    /// The words of all steps, the place of each value, and the numbers of all places.
    pub fn place(&self) -> (Vec<[u32; step::WORDS]>, Vec<usize>, usize) {
        let (offsets, total) = place(&self.values);
        let words = self.all.iter().map(|draft| {
            let mut words = draft.words;
            if let Some((value, start)) = draft.read {
                words[step::READ] = (offsets[value] + start) as u32;
            }
            words[step::WRITE] = (offsets[draft.write.0] + draft.write.1) as u32;
            words
        });
        (words.collect(), offsets, total)
    }
}
