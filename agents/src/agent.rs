//! The agent, which maps observations to actions and is trained.

use std::collections::BTreeMap;
use std::ops::Range;

use phalanx_envs::{ActionScale, ActionScaling, Block, Generator, Role, Space};
use phalanx_graph::Graph;
use serde_json::json;
use tch::Device;

use crate::observations::{Inputs, Observations};
use crate::reader::{Reader, Statistics};
use crate::{
    Actions, ActorCritic, AgentError, Channels, Checkpoint, Distribution, Head, Memory, NetworkSettings,
    NormalizeSettings, Normalizer, Rollout, Tower,
};

/// How an action is taken from its distribution.
pub enum Mode<'a> {
    /// Drawn with this noise, which [`Actor::add_noise`] gives.
    Sample(&'a [f32]),
    /// The most probable one.
    Greedy,
}

/// Network, action distribution and observation normaliser.
pub struct Agent {
    network: ActorCritic,
    head: Head,
    reader: Reader,
    normalizer: Option<Normalizer>,
    signature: Signature,
}

/// What parameters depend on, by the names of the settings: an agent of another signature cannot use them.
type Signature = BTreeMap<String, serde_json::Value>;

impl Agent {
    /// An untrained agent for these spaces, whose actions are scaled by `scale` before an environment sees them.
    ///
    /// # Errors
    /// [`AgentError::Space`] when no distribution covers the actions or pixels are to be normalised;
    /// [`AgentError::Torch`] when the device refuses.
    pub fn new(
        observation_space: &Space,
        action_space: &Space,
        network: &NetworkSettings,
        normalize: &NormalizeSettings,
        scale: &ActionScale,
        generator: &mut Generator,
        device: Device,
    ) -> Result<Self, AgentError> {
        let head = Head::new(action_space, network)?.scaled(scale);
        let settings = network;
        let network = ActorCritic::new(settings, observation_space, action_space, generator, device)?;
        let spaces = [observation_space, action_space];
        let mut signature = signature(spaces, network.graph(), settings, normalize);
        signature.insert(SCALING.to_owned(), json!(effective(scale)));
        let reader = Reader::new(network.graph(), observation_space, normalize.observation);
        if normalize.observation && reader.normalized() == 0 {
            return Err(AgentError::Space {
                space: format!("observations of {observation_space}"),
                reason: "normalize.observation is for boxes of floats; bytes are scaled by their bounds"
                    .into(),
            });
        }
        let clip = normalize.observation_clip;
        let normalizer = normalize.observation.then(|| Normalizer::new(reader.normalized(), clip));
        Ok(Self { network, head, reader, normalizer, signature })
    }

    /// The networks, to be trained.
    pub fn network_mut(&mut self) -> &mut ActorCritic {
        &mut self.network
    }

    /// The distribution of actions, and the networks to be trained.
    pub fn parts_mut(&mut self) -> (&Head, &mut ActorCritic) {
        (&self.head, &mut self.network)
    }

    /// The networks.
    pub fn network(&self) -> &ActorCritic {
        &self.network
    }

    /// The distribution of actions.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Updates the statistics of observations with those of the transitions `index`, where they are normalised.
    pub fn update_statistics(&mut self, block: &Block, index: &[i64]) {
        if let Some(normalizer) = &mut self.normalizer {
            self.reader.update(normalizer, block, index);
        }
    }

    /// This agent with its statistics frozen, ready to act.
    pub fn actor(&mut self) -> Actor<'_> {
        // P5: frozen for the lifetime of this actor.
        let statistics = self.reader.freeze(self.normalizer.as_ref());
        let (input, outputs, mask) = (Observations::default(), Vec::new(), Vec::new());
        Actor { agent: self, statistics, input, outputs, mask }
    }

    /// Loads the observations of a rollout into the networks, normalised as they were when acting.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn load(&mut self, block: &Block, rollout: &Rollout) -> Result<(), AgentError> {
        let statistics = self.reader.freeze(self.normalizer.as_ref());
        let mut observations = self.network.unload();
        observations.clear();
        self.reader.read(
            |field| block.observation_field(field, 0..rollout.len + 1),
            &statistics,
            &mut observations,
        );
        self.network.load(observations)
    }

    /// Hidden states of `rows` rows at the start of their episodes.
    pub fn memory(&self, rows: usize) -> Memory {
        Memory::new(rows, self.network.graph().state())
    }

    /// Values of the final observations of the steps `index` (as t·N + row), in reward units, from the hidden states `[B, S]` after
    /// these steps.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn final_values(
        &mut self,
        block: &Block,
        index: &[i64],
        states: &mut [f32],
    ) -> Result<Vec<f32>, AgentError> {
        let (mut input, mut values, rows) = (Observations::default(), Vec::new(), block.layout().rows);
        let statistics = self.reader.freeze(self.normalizer.as_ref());
        for &i in index {
            self.reader.read_final(block, (i as usize / rows, i as usize % rows), &statistics, &mut input);
        }
        self.network.infer(Tower::Critic, Inputs::All(&input), 0..index.len(), states, &mut values)?;
        Ok(values)
    }

    /// Puts everything that acting needs into a checkpoint.
    pub fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.put_vector("parameters", self.network.parameters());
        checkpoint.put_state("normalizer", &self.normalizer);
        checkpoint.put_state("form", &self.signature);
    }

    /// Takes everything that acting needs from a checkpoint.
    ///
    /// # Errors
    /// [`AgentError::Signature`] when it was made for other spaces or another network.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), AgentError> {
        // Checkpoints of the first versions do not have it.
        let mut trained: Signature = checkpoint.state("form").unwrap_or_default();
        trained.entry(SCALING.to_owned()).or_insert_with(|| json!(ActionScaling::Clip));
        // What the spaces are comes first.
        let scaling = self.signature.get_key_value(SCALING);
        for (what, given) in self.signature.iter().filter(|(what, _)| *what != SCALING).chain(scaling) {
            match trained.get(what) {
                Some(trained) if trained != given => {
                    let (what, [trained, given]) = (what.clone(), [trained, given].map(plain));
                    return Err(AgentError::Signature { what, trained, given });
                }
                _ => {}
            }
        }
        self.network.change(|parameters, _| checkpoint.copy_vector("parameters", parameters))?;
        let restored: Option<Normalizer> = checkpoint.state("normalizer")?;
        if let (Some(normalizer), Some(restored)) = (&mut self.normalizer, restored) {
            normalizer.take_statistics(restored);
        }
        Ok(())
    }
}

/// The setting that scales actions, by its path.
const SCALING: &str = "action_scaling";

/// The scaling, or the one that does the same without a setting.
fn effective(scale: &ActionScale) -> ActionScaling {
    if scale.only_clips() { ActionScaling::Clip } else { scale.scaling() }
}

fn signature(
    [observation, action]: [&Space; 2],
    graph: &Graph,
    network: &NetworkSettings,
    normalize: &NormalizeSettings,
) -> Signature {
    // Bounds do not count: parameters of the environment may have moved them.
    let kind = |space: &Space| match space {
        Space::Box { shape, dtype, .. } => format!("Box({shape:?}, {dtype:?})"),
        choices => choices.to_string(),
    };
    // Where they are, whether set or inferred.
    let mut pictures = graph.inputs.iter().filter(|input| input.dims.len() == 3);
    let channels = pictures.next().map(|input| match input.dims[0].name.as_str() {
        "channels" => Channels::First,
        _ => Channels::Last,
    });
    let layers = (!network.layers.is_empty()).then_some((&network.layers, &network.actor, &network.critic));
    [
        ("observations", json!(kind(observation))),
        ("actions", json!(kind(action))),
        ("network.convolutions", json!(network.convolutions)),
        ("network.channels", json!(channels)),
        ("network.hidden", json!(network.hidden)),
        ("network.activation", json!(network.activation)),
        ("network.shared", json!(network.shared)),
        ("network.layer_norm", json!(network.layer_norm)),
        ("network.memory", json!(network.memory)),
        ("network.layers", json!(layers)),
        ("network.std", json!(network.std)),
        ("normalize.observation", json!(normalize.observation)),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .into()
}

/// Appends the action masks of `rows` at time `t`, `[rows, K]`, to `masks`: 1 for each legal option, 0 for others. Returns false, and appends
/// nothing, where observations have none.
pub fn add_masks(block: &Block, t: usize, rows: Range<usize>, masks: &mut Vec<u8>) -> bool {
    let fields = block.layout().fields().iter().enumerate();
    let fields = || fields.clone().filter(|(_, field)| field.role == Role::Mask);
    if fields().next().is_none() {
        return false;
    }
    for row in rows {
        for (i, field) in fields() {
            let mask = block.observation_row(t, row).field_at(i);
            masks.extend((0..field.len).map(|option| u8::from(mask.number(option) != 0.0)));
        }
    }
    true
}

/// The value without quotation marks.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An [`Agent`] whose statistics are frozen, as they are for the length of a rollout.
pub struct Actor<'a> {
    agent: &'a mut Agent,
    statistics: Statistics,
    input: Observations,
    outputs: Vec<f32>,
    mask: Vec<u8>,
}

impl Actor<'_> {
    /// Takes the actions of time `t` for the observations of `rows` there and writes them into the block, their log
    /// probabilities into `log_prob [N]`. The hidden states of these rows in `memory` are replaced by those after it.
    ///
    /// # Errors
    /// [`AgentError::Mask`] when a mask leaves a row no legal option; [`AgentError::Torch`].
    /// # Panics
    /// When time or rows lie outside the block.
    pub fn act(
        &mut self,
        block: &mut Block,
        t: usize,
        rows: Range<usize>,
        mode: Mode<'_>,
        memory: &mut Memory,
        log_prob: &mut [f32],
    ) -> Result<(), AgentError> {
        self.infer(block, t, rows.clone(), memory.rows_mut(rows.clone()))?;
        let noise = mode.noise();
        let log_prob = &mut log_prob[rows.clone()];
        let head = &self.agent.head;
        self.mask.clear();
        let is_masked = add_masks(block, t, rows.clone(), &mut self.mask);
        if is_masked {
            for (row, mask) in rows.clone().zip(self.mask.chunks_exact(head.options())) {
                if let Some(part) = head.without_option(mask) {
                    return Err(AgentError::Mask { row, step: t, field: part.path().to_owned() });
                }
            }
        }
        let (log_std, mask) = (self.agent.network.log_std(), is_masked.then_some(&self.mask[..]));
        let distribution = Distribution { outputs: &self.outputs, log_std, mask };
        let (choices, numbers) = block.actions_mut(t, rows);
        head.act(distribution, noise, Actions { choices, numbers, log_prob });
        Ok(())
    }

    /// Random numbers that the action of a row takes.
    pub fn noise(&self) -> usize {
        self.agent.head.noise()
    }

    /// Appends the noise of actions in `rows` rows, `[rows, D + C]`.
    pub fn add_noise(&self, rows: usize, generator: &mut Generator, noise: &mut Vec<f32>) {
        self.agent.head.add_noise(rows, generator, noise);
    }

    /// Parameters of the action distribution for the observations of `rows` at time `t`; filled are `[B, P]` numbers.
    fn infer(
        &mut self,
        block: &Block,
        t: usize,
        rows: Range<usize>,
        states: &mut [f32],
    ) -> Result<(), AgentError> {
        let Self { agent, statistics, input, outputs, .. } = self;
        let Agent { network, reader, .. } = &mut **agent;
        let count = 0..rows.len();
        if let Some(observations) = reader.direct(block, t, rows.clone()) {
            return network.infer(Tower::Actor, Inputs::One(observations), count, states, outputs);
        }
        input.clear();
        reader.read(|field| block.observation_field_rows(field, t, rows.clone()), statistics, input);
        network.infer(Tower::Actor, Inputs::All(input), count, states, outputs)
    }
}

impl<'a> Mode<'a> {
    fn noise(self) -> Option<&'a [f32]> {
        match self {
            Self::Sample(noise) => Some(noise),
            Self::Greedy => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use phalanx_envs::Dtype;

    use super::*;
    use crate::{AgentError, Channels, Convolution, stream};

    fn agent(shape: [usize; 3], channels: Option<Channels>) -> Agent {
        let len = shape.iter().product();
        let (low, high, shape) = (vec![0.0; len], vec![255.0; len], shape.to_vec());
        let space = Space::Box { shape, low, high, dtype: Dtype::U8 };
        let convolutions = vec![Convolution::new(2, 2, 1)];
        let network = NetworkSettings { convolutions, channels, ..NetworkSettings::default() };
        let normalize = NormalizeSettings::default();
        let generator = &mut stream(1, "initialisation");
        let actions = Space::Discrete { n: 2 };
        let scale = ActionScale::new(&actions, ActionScaling::Clip).expect("a scale");
        Agent::new(&space, &actions, &network, &normalize, &scale, generator, Device::Cpu).expect("an agent")
    }

    /// Parameters of one arrangement mean nothing in the other, of which there are as many for `[4, 4, 4]`.
    #[test]
    fn channels_elsewhere_than_in_training_are_refused_and_may_be_named_later() {
        let restored = |shape, trained, given| {
            let mut checkpoint = Checkpoint::new();
            agent(shape, trained).save(&mut checkpoint);
            agent(shape, given).restore(&checkpoint)
        };
        let (first, last) = (Some(Channels::First), Some(Channels::Last));
        let error = restored([4, 4, 4], first, last).expect_err("another arrangement");
        assert!(
            matches!(&error, AgentError::Signature { what, .. } if what == "network.channels"),
            "{error}"
        );
        restored([4, 4, 4], first, first).expect("the same");
        restored([3, 6, 6], None, first).expect("what was inferred");
        restored([3, 6, 6], None, last).expect_err("another arrangement");
    }
}
