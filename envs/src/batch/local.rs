//! A batch in the learner's own process: the fastest choice for environments that cost next to nothing.

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{check_rows, check_running, shortest_first};
use crate::{
    ActionScaling, BatchEnv, BatchError, Block, EnvError, EnvSpec, Frame, Infos, Layout, Phase, Place,
    Registry, Replayed, Rows, RunningEpisode, Seeds, Space, Watch,
};

/// N environments stepped in turn by the caller's thread.
///
/// A panic of an environment becomes an error; an abort, an exit or an endless loop does not: workers are for that.
pub struct LocalBatch {
    block: Block,
    rows: Rows<Seen>,
    /// All rows.
    group: Range<usize>,
    /// Whether a step was taken that nobody has finished.
    begun: bool,
    place: Seen,
}

/// The place where work began last; it outlives a panic there.
#[derive(Clone, Default)]
struct Seen(Rc<Cell<Place>>);

impl Watch for Seen {
    #[inline]
    fn begin(&mut self, place: Place) {
        self.0.set(place);
    }
}

impl LocalBatch {
    /// Makes `rows` environments over a block of `steps` steps.
    ///
    /// # Errors
    /// [`BatchError::Registry`], [`BatchError::Beside`] and [`BatchError::Space`]; [`BatchError::NoRows`], [`BatchError::Size`] or
    /// [`BatchError::Memory`] when there can be no such block.
    pub fn new(
        registry: &Registry,
        spec: &EnvSpec,
        rows: usize,
        steps: usize,
        seeds: impl Into<Seeds>,
    ) -> Result<Self, BatchError> {
        let (place, seeds) = (Seen::default(), seeds.into());
        let watch = place.clone();
        let slice =
            catch_unwind(AssertUnwindSafe(|| Rows::new(registry, spec, 0, seeds, &vec![0; rows], watch)))
                .unwrap_or_else(|panic| {
                    let row = place.0.get().row;
                    Err(EnvError::failed(format!("row {row}: new panicked: {}", panic_message(&*panic)))
                        .into())
                })
                .map_err(|e| BatchError::of_constructor(e, place.0.get().row, 0))?;
        let (observation_space, action_space) = Rows::common_spaces(std::slice::from_ref(&slice))?;
        let layout = Layout::new(rows, steps, observation_space, action_space)?;
        Ok(Self { block: Block::local(layout), rows: slice, group: 0..rows, begun: false, place })
    }

    /// The same batch, with another scaling of the numbers of actions than [`ActionScaling::Clip`].
    ///
    /// # Errors
    /// [`BatchError::Space`] when the action space cannot be scaled so.
    pub fn with_action_scaling(mut self, scaling: ActionScaling) -> Result<Self, BatchError> {
        self.block.set_action_scaling(scaling)?;
        Ok(self)
    }

    /// Runs environment code, with the actions of time `t`, and turns its panic into an error.
    fn guard<T>(
        &mut self,
        t: usize,
        work: impl FnOnce(&mut Rows<Seen>, &mut Block) -> Result<T, BatchError>,
    ) -> Result<T, BatchError> {
        let Self { block, rows, place, .. } = self;
        catch_unwind(AssertUnwindSafe(|| work(rows, block))).unwrap_or_else(|panic| {
            let Place { row, phase, .. } = place.0.get();
            let action = match phase {
                Phase::Step => block.action(t, row).to_string(),
                _ => String::new(),
            };
            let cause = EnvError::Failed(format!("panicked: {}", panic_message(&*panic)));
            Err(rows.at_row(row, phase, &action, cause))
        })
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

    fn block_mut(&mut self) -> &mut Block {
        &mut self.block
    }

    fn reset(&mut self, rows: Option<&[usize]>) -> Result<(), BatchError> {
        check_rows(&self.block, rows.unwrap_or_default())?;
        self.guard(0, |slice, block| match rows {
            Some(rows) => rows.iter().try_for_each(|&row| slice.reset(block, 0, row)),
            None => slice.range().try_for_each(|row| slice.reset(block, 0, row)),
        })
    }

    fn groups(&self) -> &[Range<usize>] {
        std::slice::from_ref(&self.group)
    }

    fn begin(&mut self, _group: usize, t: usize) -> Result<(), BatchError> {
        self.begun = true;
        self.guard(t, |rows, block| rows.step(block, t))
    }

    fn finish(&mut self, _group: usize) -> Result<(), BatchError> {
        self.begun = false;
        Ok(())
    }

    fn finish_some(&mut self, finished: &mut Vec<usize>) -> Result<(), BatchError> {
        if std::mem::take(&mut self.begun) {
            finished.push(0);
        }
        Ok(())
    }

    fn replay(
        &mut self,
        running: &[RunningEpisode],
        limit: Duration,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Replayed>, BatchError> {
        check_running(running, self.block.layout().rows)?;
        let started = Instant::now();
        self.guard(0, |rows, block| {
            let mut replayed = vec![Replayed::Restored; running.len()];
            for (i, row) in shortest_first(0..running.len(), running).into_iter().enumerate() {
                // Each row has its share of the time that is left.
                let share = limit.saturating_sub(started.elapsed()) / (running.len() - i) as u32;
                replayed[row] = rows.replay(block, row, &running[row], Instant::now() + share)?;
                progress(i + 1);
            }
            Ok(replayed)
        })
    }

    fn call(&mut self, row: usize, name: &str, arguments: &Value) -> Result<Value, BatchError> {
        check_rows(&self.block, &[row])?;
        self.guard(0, |rows, _| rows.call(row, name, arguments))
    }

    fn take_infos(&mut self) -> Result<Infos, BatchError> {
        Ok(self.rows.take_infos())
    }

    fn render(&mut self, row: usize) -> Result<Frame, BatchError> {
        check_rows(&self.block, &[row])?;
        self.guard(0, |rows, _| rows.render(row))
    }

    fn close(&mut self) -> Result<(), BatchError> {
        self.guard(0, |rows, _| rows.close())
    }
}

/// The text of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
