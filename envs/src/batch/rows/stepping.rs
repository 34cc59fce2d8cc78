//! The step of a slice of rows: actions within their bounds, steps, and the resets that follow ends of episodes.

use serde_json::Value;

use super::{Rows, Slot};
use crate::{
    Action, ActionFields, ActionScale, BatchError, Block, Env, EnvError, Episode, Infos, Phase, Row, Space,
    Step, StepView, Watch,
};

/// How far a step of some rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Remote rows have no result yet.
    Waiting,
    /// A part of it is done.
    Going,
    /// All of it is done.
    Over,
}

/// Parts of a step.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stage {
    /// The steps of all active rows.
    Steps,
    /// The resets of remote rows whose episodes the step has ended.
    Resets,
}

impl Slot {
    /// The environment, and the action as it sees it.
    ///
    /// # Errors
    /// [`BatchError::Action`] when it is none of the space's.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the batch's innermost loop: calls would be a fifth of it
    fn given<'a>(
        &'a mut self,
        row: usize,
        action: Action<'a>,
        (space, scale): (&Space, &ActionScale),
    ) -> Result<(&'a mut dyn Env, Action<'a>), BatchError> {
        // P4: the environment sees scaled numbers within their bounds.
        let given = match action {
            Action::Box(numbers) => {
                scale.apply(numbers, &mut self.scaled);
                Action::Box(&self.scaled)
            }
            Action::Fields(fields) => {
                scale.apply(fields.numbers, &mut self.scaled);
                Action::Fields(ActionFields { numbers: &self.scaled, ..fields })
            }
            Action::Discrete(_) | Action::MultiDiscrete(_) => action,
        };
        if space.contains(given) { Ok((&mut *self.env, given)) } else { Err(no_action(row, action, space)) }
    }
}

#[cold]
fn no_action(row: usize, action: Action<'_>, space: &Space) -> BatchError {
    BatchError::Action { row, action: action.to_string(), space: space.to_string() }
}

impl<W: Watch> Rows<W> {
    /// Starts the next episode of `row` and writes `observation[t]`.
    ///
    /// # Errors
    /// [`BatchError::Row`].
    pub fn reset(&mut self, block: &mut Block, t: usize, row: usize) -> Result<(), BatchError> {
        self.count_episode(row);
        self.reset_row(row, block.observation_row_mut(t, row))
    }

    /// Steps every active row of this slice with `action[t]`.
    ///
    /// # Errors
    /// [`BatchError::Action`] and [`BatchError::Row`]; the rows before the failing one have been stepped.
    pub fn step(&mut self, block: &mut Block, t: usize) -> Result<(), BatchError> {
        self.begin(block, t)?;
        let mut view = block.step_view(t, self.range());
        while self.advance(&mut view)? != Progress::Over {}
        Ok(())
    }

    /// Begins the step of time `t`: remote rows compute from now on.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn begin(&mut self, block: &mut Block, t: usize) -> Result<(), BatchError> {
        self.stage = Stage::Steps;
        if self.remote {
            let view = block.step_view(t, self.range());
            for row in self.range().filter(|&row| view.active(row)) {
                self.prepare_row(&view, row)?;
            }
            self.is_ready(&view);
        }
        Ok(())
    }

    /// Continues the step that has begun, unless remote rows have no result yet.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn poll(&mut self, block: &mut Block, t: usize) -> Result<Progress, BatchError> {
        let mut view = block.step_view(t, self.range());
        if self.is_ready(&view) { self.advance(&mut view) } else { Ok(Progress::Waiting) }
    }

    fn is_ready(&mut self, view: &StepView<'_>) -> bool {
        let stage = self.stage;
        let awaited =
            |row: &usize| view.active(*row) && (stage == Stage::Steps || view.episode(*row).is_over());
        // They answer in their order, so the last one is asked.
        let last = if self.remote { self.range().rev().find(awaited) } else { None };
        last.is_none_or(|row| self.slot(row).env.is_ready())
    }

    /// Waits for a part of the step that has begun: the steps, or the resets that follow them where rows are remote.
    fn advance(&mut self, view: &mut StepView<'_>) -> Result<Progress, BatchError> {
        let mut progress = Progress::Over;
        for row in self.range() {
            if !view.active(row) {
                continue;
            }
            if self.stage == Stage::Resets {
                if view.episode(row).is_over() {
                    self.reset_row(row, view.observation(row))?;
                }
            } else if self.step_row(view, row)?.is_over() {
                // P3: the final observation is kept, the row starts anew.
                view.keep_final_observation(row);
                self.take_info(row)?;
                self.count_episode(row);
                if self.remote {
                    self.prepare_reset(row)?;
                    progress = Progress::Going;
                } else {
                    self.reset_row(row, view.observation(row))?;
                }
            }
        }
        self.stage = Stage::Resets;
        if progress == Progress::Going {
            self.is_ready(view);
        }
        Ok(progress)
    }

    /// The infos of episodes that have ended since the last call.
    pub fn take_infos(&mut self) -> Infos {
        std::mem::take(&mut self.infos)
    }

    /// Whether there are infos of episodes that have ended.
    pub fn has_infos(&self) -> bool {
        !self.infos.is_empty()
    }

    /// Counts in the info of the episode of `row` that has just ended.
    fn take_info(&mut self, row: usize) -> Result<(), BatchError> {
        if self.informs {
            self.watch(row, Phase::Call);
            match self.slot(row).env.call("info", &Value::Null) {
                Ok(info) => self.infos.count(&info),
                Err(EnvError::NoMethod(_)) => self.informs = false,
                Err(EnvError::Failed(why)) => {
                    let why = EnvError::Failed(format!("info: {why}"));
                    return Err(self.at_row(row, Phase::Call, "", why));
                }
                Err(e) => return Err(self.at_row(row, Phase::Call, "", e)),
            }
        }
        Ok(())
    }

    /// Makes the next episode of `row` its running one.
    fn count_episode(&mut self, row: usize) {
        let seeds = self.seeds;
        let slot = self.slot(row);
        slot.seed = seeds.episode(row, slot.episode);
        slot.episode += 1;
        slot.step = 0;
    }

    /// Starts the running episode of `row`, and writes its first observation.
    fn reset_row(&mut self, row: usize, observation: Row<'_>) -> Result<(), BatchError> {
        self.watch(row, Phase::Reset);
        let slot = self.slot(row);
        slot.env.reset(Some(slot.seed), observation).map_err(|e| self.at_row(row, Phase::Reset, "", e))
    }

    /// Lets the reset of a remote environment begin.
    fn prepare_reset(&mut self, row: usize) -> Result<(), BatchError> {
        self.watch(row, Phase::Reset);
        let slot = self.slot(row);
        slot.env.prepare_reset(Some(slot.seed)).map_err(|e| self.at_row(row, Phase::Reset, "", e))
    }

    /// Lets the step of a remote environment begin.
    fn prepare_row(&mut self, view: &StepView<'_>, row: usize) -> Result<(), BatchError> {
        self.watch(row, Phase::Step);
        let action = view.action(row);
        let (env, given) = self.slot(row).given(row, action, (view.action_space(), view.action_scale()))?;
        env.prepare(given).map_err(|e| self.at_row(row, Phase::Step, &action.to_string(), e))
    }

    /// Steps one row, without the reset that may have to follow.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(in crate::batch) fn step_row(
        &mut self,
        view: &mut StepView<'_>,
        row: usize,
    ) -> Result<Episode, BatchError> {
        self.watch(row, Phase::Step);
        let action = view.action(row);
        let (env, given) = self.slot(row).given(row, action, (view.action_space(), view.action_scale()))?;
        match env.step(given, view.observation(row)) {
            Ok(Step { reward, episode }) => {
                self.slot(row).step += 1;
                view.set_outcome(row, reward, episode);
                Ok(episode)
            }
            Err(e) => Err(self.at_row(row, Phase::Step, &action.to_string(), e)),
        }
    }

    /// Starts the episode number `episode` of `row` and writes `observation[0]`.
    ///
    /// # Errors
    /// [`BatchError::Row`].
    pub(in crate::batch) fn begin_episode(
        &mut self,
        block: &mut Block,
        row: usize,
        episode: u64,
    ) -> Result<(), BatchError> {
        self.slot(row).episode = episode;
        self.reset(block, 0, row)
    }
}
