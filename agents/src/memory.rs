//! Hidden states of the rows of a batch.

use std::ops::Range;

use crate::{AgentError, Array, Checkpoint};

/// Hidden states of recurrent networks before the coming step, `[N, S]`; empty for networks without.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    states: Vec<f32>,
    width: usize,
}

impl Memory {
    /// The memory of `rows` rows at the start of their episodes, of `width` numbers each.
    pub fn new(rows: usize, width: usize) -> Self {
        Self { states: vec![0.0; rows * width], width }
    }

    /// Whether networks have no hidden states.
    pub fn is_empty(&self) -> bool {
        self.width == 0
    }

    /// All states.
    pub fn states(&self) -> &[f32] {
        &self.states
    }

    /// States of a row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.states[row * self.width..(row + 1) * self.width]
    }

    /// States of these rows, to be replaced.
    pub fn rows_mut(&mut self, rows: Range<usize>) -> &mut [f32] {
        &mut self.states[rows.start * self.width..rows.end * self.width]
    }

    /// Forgets all of a row, whose episode begins.
    pub fn begin_episode(&mut self, row: usize) {
        for state in self.rows_mut(row..row + 1) {
            *state = 0.0;
        }
    }

    /// Puts the states of all rows of a run, `[N, S]` as these are of a part of them, into a checkpoint.
    pub fn save(&self, all: Vec<f32>, checkpoint: &mut Checkpoint) {
        if let Some(rows) = all.len().checked_div(self.width) {
            checkpoint.put_array("memory", Array::F32(vec![rows, self.width], all));
        }
    }

    /// Takes those of `rows` from a checkpoint of `all` rows.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when it is missing or of another shape.
    pub fn restore(
        &mut self,
        checkpoint: &Checkpoint,
        rows: Range<usize>,
        all: usize,
    ) -> Result<(), AgentError> {
        if self.is_empty() {
            return Ok(());
        }
        let wanted = [all, self.width];
        let part = rows.start * self.width..rows.end * self.width;
        match checkpoint.array("memory")? {
            Array::F32(shape, states) if *shape == wanted => self.states.copy_from_slice(&states[part]),
            _ => {
                let reason = format!("is not of {} rows × {} numbers", wanted[0], wanted[1]);
                return Err(AgentError::Entry { name: "memory".to_owned(), reason });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_states_of_their_own_and_begin_with_zeros() {
        let mut memory = Memory::new(3, 2);
        memory.rows_mut(0..3).copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        memory.begin_episode(1);
        assert_eq!(memory.states(), [1.0, 2.0, 0.0, 0.0, 5.0, 6.0]);
        let mut checkpoint = Checkpoint::new();
        memory.save(memory.states().to_vec(), &mut checkpoint);
        let mut restored = Memory::new(3, 2);
        restored.restore(&checkpoint, 0..3, 3).expect("the same shape");
        assert_eq!(restored, memory);
        let mut last = Memory::new(1, 2);
        last.restore(&checkpoint, 2..3, 3).expect("a part");
        assert_eq!(last.states(), [5.0, 6.0]);
        let error = Memory::new(2, 3).restore(&checkpoint, 0..2, 2).expect_err("another shape").to_string();
        assert!(error.contains("is not of 2 rows × 3 numbers"), "{error}");
        Memory::new(5, 0).restore(&Checkpoint::new(), 0..5, 5).expect("nothing to restore");
    }
}
