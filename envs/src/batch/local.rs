//! A batch in the learner's own process: the fastest choice for environments that cost next to nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::{BatchEnv, Block, EnvError, EnvSpec, Frame, Layout, Registry, Rows, RunningEpisode, Space};

/// N environments stepped in turn by the caller's thread.
///
/// A panic of an environment becomes an error; an abort, an exit or an endless loop does not: workers are for that.
pub struct LocalBatch {
    block: Block,
    rows: Rows,
}

impl LocalBatch {
    /// Makes `rows` environments over a block of `steps` steps.
    ///
    /// # Errors
    /// What the registry or the constructor says, and [`EnvError::Space`].
    pub fn new(
        registry: &Registry,
        spec: &EnvSpec,
        rows: usize,
        steps: usize,
        run_seed: u64,
    ) -> Result<Self, EnvError> {
        let slice = guard(|| Rows::new(registry, spec, 0, run_seed, &vec![0; rows]))?;
        let (observation_space, action_space) = slice.spaces()?;
        let layout = Layout::new(rows, steps, observation_space, action_space)?;
        Ok(Self { block: Block::local(layout), rows: slice })
    }
}

impl BatchEnv for LocalBatch {
    fn observation_space(&self) -> &Space {
        &self.block.layout().observation_space
    }

    fn action_space(&self) -> &Space {
        &self.block.layout().action_space
    }

    fn block(&self) -> &Block {
        &self.block
    }

    fn reset(&mut self, rows: Option<&[usize]>) -> Result<(), EnvError> {
        let Self { block, rows: slice } = self;
        let all: Vec<usize>;
        let chosen = if let Some(rows) = rows {
            rows
        } else {
            all = slice.range().collect();
            &all
        };
        chosen.iter().try_for_each(|&row| guard(|| slice.reset(block, 0, row)))
    }

    fn step(&mut self, t: usize) -> Result<(), EnvError> {
        let Self { block, rows } = self;
        let mut current = 0;
        match catch_unwind(AssertUnwindSafe(|| rows.step(block, t, |row| current = row))) {
            Ok(result) => result,
            Err(panic) => {
                let action = block.action(t, current).to_string();
                Err(rows.at_row(current, "step", &action, &panic_message(&*panic)))
            }
        }
    }

    fn replay(&mut self, running: &[RunningEpisode]) -> Result<(), EnvError> {
        let Self { block, rows } = self;
        running.iter().enumerate().try_for_each(|(row, r)| guard(|| rows.replay(block, row, r)))
    }

    fn call(&mut self, row: usize, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        guard(|| self.rows.call(row, name, arguments))
    }

    fn render(&mut self, row: usize) -> Result<Frame, EnvError> {
        guard(|| self.rows.render(row))
    }

    fn close(&mut self) -> Result<(), EnvError> {
        Ok(())
    }
}

/// Runs environment code and turns its panic into an error.
fn guard<T>(work: impl FnOnce() -> Result<T, EnvError>) -> Result<T, EnvError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(EnvError::failed(format!("panicked: {}", panic_message(&*panic)))))
}

/// The text of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
