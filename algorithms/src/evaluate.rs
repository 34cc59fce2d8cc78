//! Evaluation: whole episodes of a fixed policy, without learning.

use std::time::Duration;

use phalanx_agents::{Actor, Agent, AgentError, Memory, Mode};
use phalanx_envs::{BatchEnv, Block, Generator, Infos, RunningEpisode};

use crate::AlgorithmError;

/// Rows of an evaluation that many episodes are spread over.
const ROWS: usize = 16;

/// Returns and lengths of the episodes of an evaluation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// Undiscounted return of each episode, in reward units.
    pub returns: Vec<f64>,
    /// Steps of each episode.
    pub lengths: Vec<u64>,
    /// Episodes among them that had not ended after as many steps as they may take.
    pub cut_off: usize,
    /// Info that the environments returned about the episodes.
    pub infos: Infos,
}

impl Evaluation {
    /// Mean return.
    pub fn return_mean(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len() as f64
    }

    /// Standard deviation of the returns (population).
    pub fn return_std(&self) -> f64 {
        let mean = self.return_mean();
        let squares: f64 = self.returns.iter().map(|r| (r - mean).powi(2)).sum();
        (squares / self.returns.len() as f64).sqrt()
    }

    /// Mean length.
    pub fn length_mean(&self) -> f64 {
        self.lengths.iter().sum::<u64>() as f64 / self.lengths.len() as f64
    }
}

/// Steps after which an episode of a training's evaluation is cut off: without a time limit, a good or an idle policy may never end one.
pub(crate) const LONGEST: u64 = 100_000;

/// Rows and steps of the batch that [`evaluate`] needs for this many episodes.
pub fn evaluation_shape(episodes: usize) -> (usize, usize) {
    (episodes.clamp(1, ROWS), 1)
}

/// A policy that plays in the rows of a batch.
pub trait Policy {
    /// Begins an episode in each of `rows` rows.
    fn begin(&mut self, rows: usize);

    /// Begins the next episode in a row.
    fn begin_episode(&mut self, row: usize);

    /// Takes the actions of time 0 for the observations there, in all rows.
    ///
    /// # Errors
    /// [`AlgorithmError`].
    fn act(&mut self, block: &mut Block) -> Result<(), AlgorithmError>;
}

impl<P: Policy + ?Sized> Policy for &mut P {
    fn begin(&mut self, rows: usize) {
        (**self).begin(rows);
    }

    fn begin_episode(&mut self, row: usize) {
        (**self).begin_episode(row);
    }

    fn act(&mut self, block: &mut Block) -> Result<(), AlgorithmError> {
        (**self).act(block)
    }
}

/// An agent that plays: the most probable actions, or drawn ones with a generator.
pub struct AgentPolicy<'a> {
    actor: Actor<'a>,
    memory: Memory,
    generator: Option<&'a mut Generator>,
    noise: Vec<f32>,
    log_prob: Vec<f32>,
}

impl<'a> AgentPolicy<'a> {
    /// The policy of `agent` with its present statistics.
    pub fn new(agent: &'a mut Agent, generator: Option<&'a mut Generator>) -> Self {
        let memory = agent.memory(0);
        Self { actor: agent.actor(), memory, generator, noise: Vec::new(), log_prob: Vec::new() }
    }

    /// Outputs of the network for the rows of the latest step, `[B, P]`.
    pub fn outputs(&self) -> &[f32] {
        self.actor.outputs()
    }
}

impl Policy for AgentPolicy<'_> {
    fn begin(&mut self, rows: usize) {
        self.memory = self.actor.memory(rows);
        self.log_prob.resize(rows, 0.0);
    }

    fn begin_episode(&mut self, row: usize) {
        self.memory.begin_episode(row);
    }

    fn act(&mut self, block: &mut Block) -> Result<(), AlgorithmError> {
        let Self { actor, memory, generator, noise, log_prob } = self;
        let rows = log_prob.len();
        // P29
        let mode = generator.as_deref_mut().map_or(Mode::Greedy, |generator| {
            noise.clear();
            actor.add_noise(rows, generator, noise);
            Mode::Sample(noise)
        });
        Ok(actor.act(block, 0, 0..rows, mode, memory, log_prob)?)
    }
}

/// Plays `episodes` whole episodes.
///
/// An episode that does not end is cut off after `max_steps` steps. Every row plays its share, so that short episodes are not
/// preferred; and every call plays the same episodes of the batch's seed, so that policies are compared on equal terms.
/// `played` is called with the evaluation after each episode, without infos, and `stop` before each step: once it returns true, there is no
/// result.
///
/// # Errors
/// [`AlgorithmError::Batch`] and [`AlgorithmError::Agent`].
pub fn evaluate(
    policy: &mut dyn Policy,
    batch: &mut dyn BatchEnv,
    (episodes, max_steps): (usize, u64),
    mut played: impl FnMut(&Evaluation),
    stop: &dyn Fn() -> bool,
) -> Result<Option<Evaluation>, AlgorithmError> {
    let rows = batch.block().layout().rows;
    policy.begin(rows);
    let mut left: Vec<usize> = (0..rows).map(|row| (episodes + rows - 1 - row) / rows).collect();
    let (mut returns, mut lengths) = (vec![0.0; rows], vec![0; rows]);
    let mut evaluation = Evaluation::default();
    // Every row begins its first episode: there is no action to replay.
    batch.replay(&vec![RunningEpisode::default(); rows], Duration::ZERO, &mut |_| ())?;
    for (row, &left) in left.iter().enumerate() {
        batch.block_mut().set_active(row, left > 0);
    }
    while left.iter().any(|&left| left > 0) {
        if stop() {
            return Ok(None);
        }
        policy.act(batch.block_mut()).map_err(|error| match error {
            AlgorithmError::Agent(AgentError::Mask { row, field, .. }) => {
                AgentError::Mask { row, step: lengths[row] as usize, field }.into()
            }
            AlgorithmError::Agent(AgentError::MaskValue { row, element, value, .. }) => {
                AgentError::MaskValue { row, step: lengths[row] as usize, element, value }.into()
            }
            error => error,
        })?;
        batch.step(0)?;
        let block = batch.block_mut();
        let mut cut = Vec::new();
        for row in 0..rows {
            if left[row] == 0 {
                continue;
            }
            returns[row] += f64::from(block.reward(0, row));
            lengths[row] += 1;
            let over = block.episode(0, row).is_over();
            if over || lengths[row] == max_steps {
                policy.begin_episode(row);
                evaluation.cut_off += usize::from(!over);
                evaluation.returns.push(std::mem::take(&mut returns[row]));
                evaluation.lengths.push(std::mem::take(&mut lengths[row]));
                played(&evaluation);
                left[row] -= 1;
                block.set_active(row, left[row] > 0);
                if !over && left[row] > 0 {
                    cut.push(row);
                }
            }
        }
        block.carry_over(1);
        if !cut.is_empty() {
            batch.reset(Some(&cut))?;
        }
    }
    evaluation.infos = batch.take_infos()?;
    Ok(Some(evaluation))
}
