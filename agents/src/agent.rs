//! The agent, which maps observations to actions and is trained.

mod actor;
mod signature;

use phalanx_envs::{ActionScale, Block, Generator, Space};
use phalanx_graph::{Dtype, Graph, Input, InputScale, len};

pub use self::actor::{Actor, Mode, add_masks};
use self::signature::Signature;
use crate::bytes::ByteScale;
use crate::divided::Compute;
use crate::normalizer::{FrozenNormalizer, Gather};
use crate::observations::{Inputs, Observations};
use crate::reader::Reader;
use crate::transfer::{self, InitFrom, Matches, Placed, TensorFile};
use crate::{
    ActorCritic, AgentError, Checkpoint, Head, Memory, NetworkSettings, NormalizeSettings, Normalizer,
    Rollout, Tower,
};

/// The list in a checkpoint of what is normalised.
const NORMALIZED: &str = "normalized";

/// The list in a checkpoint of the pictures among the numbers that are normalised.
const NORMALIZED_PICTURES: &str = "normalized_pictures";

/// Network, action distribution and observation normaliser.
pub struct Agent {
    network: ActorCritic,
    head: Head,
    reader: Reader,
    normalizer: Option<Normalizer>,
    signature: Signature,
    /// How each input of the network lies where it has three axes.
    pictures: Vec<Option<Placed>>,
}

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
        compute: impl Into<Compute>,
    ) -> Result<Self, AgentError> {
        let head = Head::new(action_space, network)?.scaled(scale);
        let settings = network;
        let compute = compute.into();
        let network = ActorCritic::new(settings, observation_space, action_space, generator, &compute)?;
        let spaces = [observation_space, action_space];
        let signature = Signature::new(spaces, network.graph(), settings, normalize, scale);
        let reader = reader(network.graph(), observation_space, normalize)?;
        let numbers = reader.normalized().iter().map(|(_, numbers)| numbers).sum();
        let clip = normalize.observation_clip;
        let normalizer = normalize.observation.then(|| Normalizer::new(numbers, clip));
        let pictures = transfer::inputs(network.graph(), observation_space, settings.channels);
        Ok(Self { network, head, reader, normalizer, signature, pictures })
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

    /// Updates the statistics of observations with those of the transitions `index` and of other ranks, where they are normalised.
    ///
    /// # Errors
    /// Those of `gather`.
    pub fn update_statistics<E>(
        &mut self,
        block: &Block,
        index: &[i64],
        gather: impl Gather<E>,
    ) -> Result<(), E> {
        match &mut self.normalizer {
            Some(normalizer) => self.reader.update(normalizer, block, index, gather),
            None => Ok(()),
        }
    }

    /// How the elements of each input of the networks become the numbers that they read, with the input's name.
    pub fn input_scales(&self) -> Vec<(&str, InputScale)> {
        let statistics = self.reader.freeze(self.normalizer.as_ref());
        let inputs = self.network.graph().inputs.iter().zip(self.network.byte_scales()).zip(&statistics);
        inputs
            .map(|((input, bytes), statistics)| {
                (input.name.as_str(), input_scale(input, statistics.as_ref(), bytes))
            })
            .collect()
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

    /// Takes the parameters of `file` that have the names and shapes of this agent's, into `parameters`, which are those of the whole network and of
    /// which it takes its part; and the statistics of observations where a checkpoint has those of the same parts.
    ///
    /// # Errors
    /// [`AgentError::Settings`] when nothing matches, or it is not known how a picture lies there.
    pub fn init_from(
        &mut self,
        file: &TensorFile,
        from: &InitFrom,
        parameters: &mut [f32],
    ) -> Result<Matches, AgentError> {
        let network = (self.network.graph(), &self.pictures[..]);
        let mut matches = Matches::take(network, file, from, parameters)?;
        self.network.set_whole(parameters)?;
        let theirs: Option<Normalizer> =
            file.checkpoint().map(|checkpoint| checkpoint.state("normalizer")).transpose()?.flatten();
        let (what, here, there) = ("observations", self.normalizer.is_some(), theirs.is_some());
        let fit = match (file.checkpoint(), theirs) {
            (Some(checkpoint), Some(theirs)) if here => self.take_statistics(checkpoint, theirs),
            _ => true,
        };
        if fit {
            matches.report_statistics(what, here, there);
        } else {
            matches.fresh.push((what, "those of the file are of other parts or sizes"));
        }
        Ok(matches)
    }

    /// Takes the statistics of observations of the same parts in a checkpoint; returns whether they are.
    fn take_statistics(&mut self, checkpoint: &Checkpoint, theirs: Normalizer) -> bool {
        let parts: Option<Vec<(String, usize)>> = checkpoint.state(NORMALIZED).ok();
        let Some(normalizer) = &mut self.normalizer else { return false };
        if parts.as_deref() != Some(self.reader.normalized()) {
            return false;
        }
        let pictures = checkpoint.state(NORMALIZED_PICTURES).unwrap_or_else(|_| {
            self.reader.pictures(&transfer::earlier(checkpoint, self.network.graph(), &self.pictures))
        });
        let numbers = self.reader.normalized().iter().map(|(_, numbers)| numbers).sum();
        let order = transfer::order(numbers, &self.reader.pictures(&self.pictures), &pictures);
        order.map(|order| normalizer.take_reordered(theirs, &order)).is_ok()
    }

    /// Puts everything that acting needs into a checkpoint, with the `parameters` of the whole network.
    pub fn save(&self, parameters: impl Into<Vec<f32>>, checkpoint: &mut Checkpoint) {
        checkpoint.put_vector("parameters", parameters);
        self.save_around(checkpoint);
    }

    /// Puts everything that acting needs besides parameters into a checkpoint.
    pub fn save_around(&self, checkpoint: &mut Checkpoint) {
        checkpoint.put_state("normalizer", &self.normalizer);
        checkpoint.put_state("form", &self.signature);
        checkpoint.put_state(NORMALIZED, &self.reader.normalized());
        checkpoint.put_state(NORMALIZED_PICTURES, &self.reader.pictures(&self.pictures));
        transfer::list(self.network.graph(), &self.pictures, checkpoint);
    }

    /// Takes everything that acting needs from a checkpoint.
    ///
    /// # Errors
    /// [`AgentError::Signature`] when it was made for other spaces or another network.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), AgentError> {
        self.signature.accept(checkpoint.state("form").unwrap_or_default())?;
        if self.head.parts().len() > 1 {
            // Heads of several fields were one before there was this list.
            checkpoint.state::<serde_json::Value>(transfer::TENSORS)?;
        }
        self.network.set_whole(checkpoint.vector("parameters", self.network.graph().parameters())?)?;
        let restored: Option<Normalizer> = checkpoint.state("normalizer")?;
        if let (Some(normalizer), Some(restored)) = (&mut self.normalizer, restored) {
            normalizer.take_statistics(restored);
        }
        Ok(())
    }
}

/// Whether observations that are to be normalised have something to normalise.
///
/// # Errors
/// [`AgentError::Space`] when the networks read no floats of a box.
pub fn check_normalize(
    graph: &Graph,
    observations: &Space,
    normalize: &NormalizeSettings,
) -> Result<(), AgentError> {
    reader(graph, observations, normalize).map(drop)
}

/// The reader of the graph's inputs.
fn reader(graph: &Graph, observations: &Space, normalize: &NormalizeSettings) -> Result<Reader, AgentError> {
    let reader = Reader::new(graph, observations, normalize.observation);
    if normalize.observation && reader.normalized().iter().all(|(_, numbers)| *numbers == 0) {
        return Err(AgentError::Space {
            space: format!("observations of {observations}"),
            reason: "normalize.observation is for boxes of floats; bytes are scaled by their bounds".into(),
        });
    }
    Ok(reader)
}

/// How an input is scaled: by statistics, or from bytes.
fn input_scale(input: &Input, statistics: Option<&FrozenNormalizer>, bytes: &ByteScale) -> InputScale {
    if let Some(statistics) = statistics {
        let (mean, factor, bound) = statistics.numbers();
        return InputScale::Normalize { mean: mean.to_vec(), factor: factor.to_vec(), bound };
    }
    match (input.dtype, bytes) {
        (Dtype::F32, _) => InputScale::Same,
        (Dtype::U8, ByteScale::All { low, range }) => {
            let all = |x: f32| vec![x; len(&input.dims)];
            InputScale::Fraction { low: all(*low), range: all(*range) }
        }
        (Dtype::U8, ByteScale::Each { low, range }) => {
            InputScale::Fraction { low: low.clone(), range: range.clone() }
        }
    }
}
