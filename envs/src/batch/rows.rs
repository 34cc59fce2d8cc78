//! A slice of a batch's rows: the loop that every process runs over its own environments.

mod stepping;

pub use stepping::Progress;

use serde_json::Value;

use self::stepping::Stage;
use crate::{
    BatchError, Env, EnvError, EnvSpec, Frame, Infos, Phase, Place, Registry, RegistryError, Seeds, Space,
    SpaceError, Watch,
};

/// One environment and where it stands.
struct Slot {
    env: Box<dyn Env>,
    episode: u64,
    step: u64,
    seed: u64,
    /// The numbers of the action as the environment is given them, `[C]`.
    scaled: Vec<f32>,
}

/// Rows `first..first + len` of a batch, stepped in the order of their numbers.
pub struct Rows<W = Box<dyn FnMut(Place)>> {
    slots: Vec<Slot>,
    /// Whether some of them compute their steps elsewhere.
    remote: bool,
    /// What the step that has begun is about.
    stage: Stage,
    /// Whether they return an info for an episode that has ended; they are of one kind.
    informs: bool,
    infos: Infos,
    first: usize,
    seeds: Seeds,
    watch: W,
}

impl<W: Watch> Rows<W> {
    /// Makes the environments of these rows. A row that is made anew begins with the episode `episodes[i]`.
    ///
    /// `watch` is called with what is about to be done to which row, so that a crash can name it.
    ///
    /// # Errors
    /// That of the first row that cannot be made.
    pub fn new(
        registry: &Registry,
        spec: &EnvSpec,
        first: usize,
        seeds: Seeds,
        episodes: &[u64],
        mut watch: W,
    ) -> Result<Self, RegistryError> {
        let slots = episodes
            .iter()
            .enumerate()
            .map(|(i, &episode)| {
                watch.begin(Place { row: first + i, phase: Phase::New, episode, step: 0 });
                let env = registry.build(spec)?;
                let scaled = vec![0.0; env.action_space().numbers_len()];
                Ok(Slot { env, episode, step: 0, seed: 0, scaled })
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
            seeds,
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
