//! A slice of a batch's rows: the loop that every process runs over its own environments.

use serde_json::Value;

use crate::{
    Action, BatchError, Block, Env, EnvError, EnvSpec, Episode, Frame, Infos, Phase, Place, Registry,
    RegistryError, Row, Space, SpaceError, Step, StepView, Watch, episode_seed,
};

/// One environment and where it stands.
struct Slot {
    env: Box<dyn Env>,
    episode: u64,
    step: u64,
    seed: u64,
    /// The action within its bounds, when they are finite.
    clipped: Vec<f32>,
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
        space: &Space,
    ) -> Result<(&'a mut dyn Env, Action<'a>), BatchError> {
        let given = match (action, space) {
            // P4: the environment sees a number within its bounds.
            (Action::Box(numbers), Space::Box { low, high, .. }) => {
                for (((c, a), l), h) in self.clipped.iter_mut().zip(numbers).zip(low).zip(high) {
                    *c = a.clamp(*l, *h);
                }
                Action::Box(&self.clipped)
            }
            _ => action,
        };
        if space.contains(given) { Ok((&mut *self.env, given)) } else { Err(no_action(row, action, space)) }
    }
}

#[cold]
fn no_action(row: usize, action: Action<'_>, space: &Space) -> BatchError {
    BatchError::Action { row, action: action.to_string(), space: space.to_string() }
}

/// How far a step of some rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Remote rows have nothing to show yet.
    Waiting,
    /// A part of it is done.
    Going,
    /// All of it is done.
    Over,
}

/// Parts of a step.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// The steps of all active rows.
    Steps,
    /// The resets of remote rows whose episodes the step has ended.
    Resets,
}

/// Rows `first..first + len` of a batch, stepped in the order of their numbers.
pub struct Rows<W = Box<dyn FnMut(Place)>> {
    slots: Vec<Slot>,
    /// Whether some of them compute their steps elsewhere.
    remote: bool,
    /// What the step that has begun is about.
    stage: Stage,
    /// Whether they may have something to tell of an episode that has ended; they are of one kind.
    informs: bool,
    infos: Infos,
    first: usize,
    run_seed: u64,
    watch: W,
}

impl<W: Watch> Rows<W> {
    /// Makes the environments of these rows. A row that is made anew begins with the episode `episodes[i]`.
    ///
    /// `watch` is told what is about to be done to which row, so that a crash can name it.
    ///
    /// # Errors
    /// That of the first row that cannot be made.
    pub fn new(
        registry: &Registry,
        spec: &EnvSpec,
        first: usize,
        run_seed: u64,
        episodes: &[u64],
        mut watch: W,
    ) -> Result<Self, RegistryError> {
        let slots = episodes
            .iter()
            .enumerate()
            .map(|(i, &episode)| {
                watch.begin(Place { row: first + i, phase: Phase::New, episode, step: 0 });
                let env = registry.build(spec)?;
                let clipped = match env.action_space() {
                    Space::Box { low, .. } => vec![0.0; low.len()],
                    _ => Vec::new(),
                };
                Ok(Slot { env, episode, step: 0, seed: 0, clipped })
            })
            .collect::<Result<Vec<_>, RegistryError>>()?;
        let remote = slots.iter().any(|slot: &Slot| slot.env.is_remote());
        Ok(Self {
            slots,
            remote,
            stage: Stage::Steps,
            informs: true,
            infos: Infos::default(),
            first,
            run_seed,
            watch,
        })
    }

    /// Numbers of these rows.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.slots.len()
    }

    /// Spaces that every row of these slices shares: observation, action.
    ///
    /// # Errors
    /// [`BatchError::Space`] when two rows differ; [`BatchError::NoRows`] when there is none.
    pub fn common_spaces(slices: &[Self]) -> Result<(Space, Space), BatchError> {
        let mut rows = slices.iter().flat_map(|slice| slice.range().zip(&slice.slots));
        let spaces = |slot: &Slot| (slot.env.observation_space().clone(), slot.env.action_space().clone());
        let Some((first_row, slot)) = rows.next() else {
            return Err(BatchError::NoRows);
        };
        let first = spaces(slot);
        for (row, slot) in rows {
            let other = spaces(slot);
            if other != first {
                let space = format!("{} and {}", other.0, other.1);
                let reason = format!("row {first_row} has {} and {}", first.0, first.1);
                return Err(SpaceError::new(format!("row {row}"), space, reason).into());
            }
        }
        Ok(first)
    }

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
        while self.go_on(&mut view)? != Progress::Over {}
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

    /// Goes on with the step that has begun, unless remote rows have nothing to show yet.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn poll(&mut self, block: &mut Block, t: usize) -> Result<Progress, BatchError> {
        let mut view = block.step_view(t, self.range());
        if self.is_ready(&view) { self.go_on(&mut view) } else { Ok(Progress::Waiting) }
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
    fn go_on(&mut self, view: &mut StepView<'_>) -> Result<Progress, BatchError> {
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

    /// What was told of episodes that have ended, since the last time this was asked.
    pub fn take_infos(&mut self) -> Infos {
        std::mem::take(&mut self.infos)
    }

    /// Whether something was told.
    pub fn has_infos(&self) -> bool {
        !self.infos.is_empty()
    }

    /// Takes in what `row` has to tell of the episode that has just ended.
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

    /// Goes on to the next episode of `row`.
    fn count_episode(&mut self, row: usize) {
        let run_seed = self.run_seed;
        let slot = self.slot(row);
        slot.seed = episode_seed(run_seed, row, slot.episode);
        slot.episode += 1;
        slot.step = 0;
    }

    /// Starts the episode that `row` has gone on to, and writes its first observation.
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
        let (env, given) = self.slot(row).given(row, action, view.action_space())?;
        env.prepare(given).map_err(|e| self.at_row(row, Phase::Step, &action.to_string(), e))
    }

    /// Steps one row, without the reset that may have to follow.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(super) fn step_row(&mut self, view: &mut StepView<'_>, row: usize) -> Result<Episode, BatchError> {
        self.watch(row, Phase::Step);
        let action = view.action(row);
        let (env, given) = self.slot(row).given(row, action, view.action_space())?;
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
    pub(super) fn begin_episode(
        &mut self,
        block: &mut Block,
        row: usize,
        episode: u64,
    ) -> Result<(), BatchError> {
        self.slot(row).episode = episode;
        self.reset(block, 0, row)
    }

    /// Calls a method or reads an attribute of `row`.
    ///
    /// # Errors
    /// [`BatchError::Row`] around the environment's error.
    pub fn call(&mut self, row: usize, name: &str, arguments: &Value) -> Result<Value, BatchError> {
        self.watch(row, Phase::Call);
        self.slot(row).env.call(name, arguments).map_err(|e| self.at_row(row, Phase::Call, "", e))
    }

    /// Draws `row`.
    ///
    /// # Errors
    /// [`BatchError::Row`] around the environment's error.
    pub fn render(&mut self, row: usize) -> Result<Frame, BatchError> {
        self.watch(row, Phase::Render);
        self.slot(row).env.render().map_err(|e| self.at_row(row, Phase::Render, "", e))
    }

    /// Closes every environment; the first error.
    ///
    /// # Errors
    /// [`BatchError::Row`] around the environment's error.
    pub fn close(&mut self) -> Result<(), BatchError> {
        let mut outcome = Ok(());
        for row in self.range() {
            self.watch(row, Phase::Close);
            let closed = self.slot(row).env.close();
            outcome = outcome.and(closed.map_err(|e| self.at_row(row, Phase::Close, "", e)));
        }
        outcome
    }

    /// Episode (of the running one) and step within it.
    pub fn position(&self, row: usize) -> (u64, u64) {
        let slot = &self.slots[row - self.first];
        (slot.episode.saturating_sub(1), slot.step)
    }

    /// `cause` with all that is known about `row`.
    #[cold]
    pub fn at_row(&self, row: usize, phase: Phase, action: &str, cause: EnvError) -> BatchError {
        let slot = &self.slots[row - self.first];
        BatchError::Row {
            row,
            phase: phase.to_string(),
            step: slot.step,
            episode: slot.episode.saturating_sub(1),
            seed: slot.seed,
            action: action.to_owned(),
            cause,
            backtrace: String::new(),
        }
    }

    #[inline]
    fn watch(&mut self, row: usize, phase: Phase) {
        let (episode, step) = self.position(row);
        self.watch.begin(Place { row, phase, episode, step });
    }

    #[inline]
    fn slot(&mut self, row: usize) -> &mut Slot {
        &mut self.slots[row - self.first]
    }
}

impl<W> Drop for Rows<W> {
    fn drop(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.env.prepare_drop());
    }
}
