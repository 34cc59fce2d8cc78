//! The trained thing: what turns observations into actions.

use phalanx_envs::{Block, Dtype, Generator, Space};
use tch::{Device, Kind, Tensor};

use crate::normalizer::FrozenNormalizer;
use crate::{ActorCritic, AgentError, Checkpoint, Head, NetworkSettings, NormalizeSettings, Normalizer};

/// How an action is taken from its distribution.
pub enum Mode<'a> {
    /// Drawn, with this generator's noise.
    Sample(&'a mut Generator),
    /// The most probable one.
    Greedy,
}

/// Network, action distribution and observation normaliser.
pub struct Agent {
    network: ActorCritic,
    head: Head,
    normalizer: Option<Normalizer>,
}

impl Agent {
    /// An untrained agent for these spaces.
    ///
    /// # Errors
    /// [`AgentError::Space`] when no distribution covers the actions or pixels are to be normalised.
    pub fn new(
        observation_space: &Space,
        action_space: &Space,
        network: &NetworkSettings,
        normalize: &NormalizeSettings,
        generator: &mut Generator,
        device: Device,
    ) -> Result<Self, AgentError> {
        let head = Head::new(action_space)?;
        let len = observation_space.len();
        if normalize.observation && !matches!(observation_space, Space::Box { dtype: Dtype::F32, .. }) {
            return Err(AgentError::Space {
                space: observation_space.to_string(),
                reason: "normalize.observation is for f32 observations; bytes are divided by 255".into(),
            });
        }
        let normalizer = normalize.observation.then(|| Normalizer::new(len, normalize.observation_clip));
        let network = ActorCritic::new(network, len, head.outputs(), head.is_gaussian(), generator, device);
        Ok(Self { network, head, normalizer })
    }

    /// The networks, to be trained.
    pub fn network_mut(&mut self) -> &mut ActorCritic {
        &mut self.network
    }

    /// The networks.
    pub fn network(&self) -> &ActorCritic {
        &self.network
    }

    /// The distribution of actions.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Log standard deviations `[A]` of a Gaussian policy, otherwise nothing.
    pub fn log_std(&self) -> Vec<f32> {
        self.network.log_std().map_or_else(Vec::new, |log_std| {
            let mut numbers = vec![0.0; log_std.numel()];
            log_std.copy_data(&mut numbers, log_std.numel());
            numbers
        })
    }

    /// The statistics of observations, when they are normalised.
    pub fn normalizer_mut(&mut self) -> Option<&mut Normalizer> {
        self.normalizer.as_mut()
    }

    /// This agent with its statistics frozen, ready to act.
    pub fn actor(&self) -> Actor<'_> {
        let normalizer = self.normalizer.as_ref().map(|n| n.freeze(self.network.device()));
        // P5: frozen for as long as this actor lives.
        Actor { agent: self, normalizer, log_std: self.log_std(), outputs: Vec::new() }
    }

    /// Puts everything that acting needs into a checkpoint.
    pub fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.put_tensor("parameters", self.network.flat());
        checkpoint.put_state("normalizer", &self.normalizer);
    }

    /// Takes everything that acting needs from a checkpoint.
    ///
    /// # Errors
    /// [`AgentError::Entry`] when it was made for another network.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), AgentError> {
        checkpoint.copy_tensor("parameters", self.network.flat())?;
        self.normalizer = checkpoint.state("normalizer")?;
        Ok(())
    }
}

/// An [`Agent`] whose statistics stand still, as they do for the length of a rollout.
pub struct Actor<'a> {
    agent: &'a Agent,
    normalizer: Option<FrozenNormalizer>,
    log_std: Vec<f32>,
    outputs: Vec<f32>,
}

impl Actor<'_> {
    /// What the networks see of observations: floats, on their device, normalised.
    ///
    /// # Shapes
    /// `[B, O]` → `[B, O]`.
    pub fn input(&self, observation: &Tensor) -> Tensor {
        let x = observation.to_device(self.agent.network.device());
        // P10: bytes become fractions of 255.
        let x = if x.kind() == Kind::Uint8 { x.to_kind(Kind::Float) / 255.0 } else { x };
        self.normalizer.as_ref().map_or(x.shallow_clone(), |n| n.apply(&x))
    }

    /// Takes the actions of time `t` for `observation [N, O]` and writes them into the block, their log
    /// probabilities into `log_prob [N]`.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn act(
        &mut self,
        observation: &Tensor,
        mode: Mode<'_>,
        block: &Block,
        t: usize,
        log_prob: &mut [f32],
    ) -> Result<(), AgentError> {
        match &self.agent.head {
            Head::Categorical { .. } => self.choose(observation, mode, block.discrete_actions(t), log_prob),
            Head::Gaussian { .. } => self.draw(observation, mode, block.continuous_actions(t), log_prob),
        }
    }

    /// Choices `[N, choices]` for `observation [N, O]`; only for discrete actions.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn choose(
        &mut self,
        observation: &Tensor,
        mode: Mode<'_>,
        actions: &mut [i64],
        log_prob: &mut [f32],
    ) -> Result<(), AgentError> {
        self.infer(observation)?;
        if let Head::Categorical { options } = &self.agent.head {
            Head::choose(options, &self.outputs, mode.generator(), actions, log_prob);
        }
        Ok(())
    }

    /// Numbers `[N, A]` for `observation [N, O]`; only for continuous actions.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn draw(
        &mut self,
        observation: &Tensor,
        mode: Mode<'_>,
        actions: &mut [f32],
        log_prob: &mut [f32],
    ) -> Result<(), AgentError> {
        self.infer(observation)?;
        Head::draw(&self.log_std, &self.outputs, mode.generator(), actions, log_prob);
        Ok(())
    }

    fn infer(&mut self, observation: &Tensor) -> Result<(), AgentError> {
        let outputs = self.agent.network.actor(&self.input(observation));
        self.outputs.resize(outputs.numel(), 0.0);
        Ok(outputs.f_copy_data(&mut self.outputs, outputs.numel())?)
    }
}

impl<'a> Mode<'a> {
    fn generator(self) -> Option<&'a mut Generator> {
        match self {
            Self::Sample(generator) => Some(generator),
            Self::Greedy => None,
        }
    }
}
