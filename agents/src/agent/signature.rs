//! What the parameters of an agent depend on.

use std::collections::BTreeMap;

use phalanx_envs::{ActionScale, ActionScaling, Space};
use phalanx_graph::Graph;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{AgentError, Channels, NetworkSettings, NormalizeSettings};

/// The setting that scales actions, by its path.
const SCALING: &str = "action_scaling";

/// What parameters depend on, by the names of the settings: an agent of another signature cannot use them.
#[derive(Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Signature(BTreeMap<String, Value>);

impl Signature {
    /// That of an agent for observations and actions of these spaces.
    pub fn new(
        [observation, action]: [&Space; 2],
        graph: &Graph,
        network: &NetworkSettings,
        normalize: &NormalizeSettings,
        scale: &ActionScale,
    ) -> Self {
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
        let layers =
            (!network.layers.is_empty()).then_some((&network.layers, &network.actor, &network.critic));
        // The scaling, or the one that does the same without a setting.
        let scaling = if scale.only_clips() { ActionScaling::Clip } else { scale.scaling() };
        let entries = [
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
            ("normalize.value", json!(normalize.value)),
            (SCALING, json!(scaling)),
        ];
        Self(entries.map(|(what, value)| (what.to_owned(), value)).into())
    }

    /// Fails where parameters that were trained under another signature mean something else.
    ///
    /// # Errors
    /// [`AgentError::Signature`] with the first difference: spaces come before what follows from them, and how actions are scaled comes last.
    pub fn accept(&self, mut trained: Self) -> Result<(), AgentError> {
        // Checkpoints of the first versions do not have it.
        trained.0.entry(SCALING.to_owned()).or_insert_with(|| json!(ActionScaling::Clip));
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(what, _)| match what.as_str() {
            "observations" | "actions" => 0,
            SCALING => 2,
            _ => 1,
        });
        for (what, given) in entries {
            match trained.0.get(what) {
                Some(trained) if trained != given => {
                    let (what, [trained, given]) = (what.clone(), [trained, given].map(plain));
                    return Err(AgentError::Signature { what, trained, given });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The value without quotation marks.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use phalanx_envs::Dtype;
    use tch::Device;

    use super::*;
    use crate::{Agent, Checkpoint, Convolution, stream};

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
            let trained = agent(shape, trained);
            trained.save(trained.network().parameters(), &mut checkpoint);
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
