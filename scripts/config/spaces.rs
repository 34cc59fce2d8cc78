//! What a configuration's environment must be made for: whether networks fit its spaces, and what a training takes of memory.

use phalanx_agents::{Graph, Head, check_normalize, describe, divide, network_mistakes};
use phalanx_algorithms::{AlgorithmError, EpisodesRollout, RolloutSettings, TrainingMemory, same_spaces};
use phalanx_envs::{BatchError, EnvError, EnvInfo, EnvSpec, Layout, Registry, RegistryError};

use super::check::{Conflict, conflict, memory, of_network, unknown_layers};
use super::schema::Path;
use super::{AlgorithmSettings, Config};
use crate::mesh::is_automatic;
use crate::setup;

/// Which environments are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Those that are built in: programs, libraries and Python are not started.
    BuiltIn,
    /// That of the training, whichever it is.
    All,
}

/// The networks of a training.
#[derive(Debug)]
pub struct Networks {
    /// They.
    pub graph: Graph,
    /// What a training takes of memory.
    pub memory: TrainingMemory,
}

/// The networks, or why a provider did not make the environment; nothing where it was not asked to.
pub type Made = Result<Option<Networks>, RegistryError>;

/// What cannot work with the environments of `config`, of which what did not fit was at the paths `taken`; and the networks.
pub fn check(config: &Config, taken: &[Path], registry: &Registry, make: Make) -> (Vec<Conflict>, Made) {
    let is_built_in = |spec: &EnvSpec| !spec.name.contains(':');
    let mut conflicts: Vec<Conflict> = init_from(config).into_iter().collect();
    let evaluation = config.evaluation.env.as_ref().filter(|spec| is_built_in(spec));
    let evaluation = evaluation.and_then(|spec| made("evaluation.env", spec, registry, &mut conflicts));
    if !is_built_in(&config.env) {
        return match make {
            Make::BuiltIn => (conflicts, Ok(None)),
            Make::All => match registry.info_of(&config.env) {
                Ok(info) => {
                    conflicts.extend(with_spaces(config, taken, &info));
                    (conflicts, Ok(networks(config, &info)))
                }
                Err(error) => (conflicts, Err(error)),
            },
        };
    }
    let Some(info) = made("env", &config.env, registry, &mut conflicts) else { return (conflicts, Ok(None)) };
    conflicts.extend(with_spaces(config, taken, &info));
    let spaces = |info: &EnvInfo| [info.observation_space.clone(), info.action_space.clone()];
    let differs = evaluation.and_then(|evaluation| same_spaces(&spaces(&info), &spaces(&evaluation)).err());
    conflicts.extend(differs.map(|error| conflict(&["evaluation.env", "env"], error.to_string())));
    (conflicts, Ok(networks(config, &info)))
}

/// What is known of an environment once it was made.
fn made(
    path: &'static str,
    spec: &EnvSpec,
    registry: &Registry,
    conflicts: &mut Vec<Conflict>,
) -> Option<EnvInfo> {
    registry.info_of(spec).map_err(|error| conflicts.push(not_made(path, spec, &error))).ok()
}

fn networks(config: &Config, info: &EnvInfo) -> Option<Networks> {
    let graph = describe(&config.network, &info.observation_space, &info.action_space).ok()?;
    let memory = reckon(config, info, &part(config, &graph).ok()?).ok()?;
    Some(Networks { graph, memory })
}

/// What does not go with these spaces.
fn with_spaces(config: &Config, taken: &[Path], info: &EnvInfo) -> Vec<Conflict> {
    // Without these, other spaces or any network may be meant.
    let unknown = ["env", "env.name", "env.params", "env.wrappers", "network", "network.layers"];
    if taken.iter().any(|path| unknown.iter().any(|unknown| path.iter().take(2).eq(unknown.split('.')))) {
        return Vec::new();
    }
    let (observations, actions) = (&info.observation_space, &info.action_space);
    let mistakes = network_mistakes(&config.network, &unknown_layers(taken), observations, actions);
    let mut conflicts: Vec<Conflict> = mistakes.into_iter().map(of_network).collect();
    if let Ok(graph) = describe(&config.network, observations, actions) {
        let error = check_normalize(&graph, observations, &config.normalize).err();
        conflicts.extend(error.map(|error| conflict(&["normalize.observation"], error.to_string())));
        let unknown = config.network.init_from.as_ref().map(|from| from.unknown_names(&graph));
        let names = unknown.iter().flatten();
        conflicts.extend(names.map(|(name, message)| at(&["network", "init_from", "names", name], message)));
        conflicts.extend(match part(config, &graph) {
            Ok(part) => too_large(config, info, &part),
            Err(error) => Some(conflict(&["mesh.layout", "mesh.shape"], error.to_string())),
        });
    }
    if let Ok(head) = Head::new(actions, &config.network) {
        let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
        let fields = ["algorithm", "ppo", "entropy_coefficient", "fields"];
        let unknown = ppo.entropy_coefficient.unknown_fields(&head);
        let names = unknown.iter();
        conflicts.extend(names.map(|(name, message)| at(&[&fields[..], &[*name]].concat(), message)));
    }
    conflicts.extend(longest(config, info));
    conflicts
}

/// A conflict at a key.
fn at(path: &[&str], message: &str) -> Conflict {
    let path = path.iter().map(ToString::to_string).collect();
    Conflict { paths: vec![path], at_key: true, message: message.to_owned() }
}

/// A run or a file to start from that is not there.
fn init_from(config: &Config) -> Option<Conflict> {
    let from = config.network.init_from.as_ref()?;
    let error = setup::tensors(from).err()?;
    Some(conflict(&["network.init_from"], format!("{error:#}")))
}

/// Episodes that may be longer than `rollout.max_length`, which stop a training.
fn longest(config: &Config, info: &EnvInfo) -> Option<Conflict> {
    let RolloutSettings::Episodes(EpisodesRollout { max_length, .. }) = config.rollout else { return None };
    let wrappers = &config.env.wrappers;
    let steps = wrappers.iter().fold(info.time_limit, |steps, wrapper| wrapper.longest(steps))?;
    if steps as usize <= max_length {
        return None;
    }
    let message = format!(
        "episodes of {} have up to {steps} steps, and a training stops at one that has more than rollout.max_length, {max_length}: \
         raise it to {steps}, or set a lower `env.time_limit`",
        config.env.name
    );
    Some(conflict(&["rollout.max_length"], message))
}

/// What each rank of the mesh has of a network.
fn part(config: &Config, graph: &Graph) -> Result<Graph, AlgorithmError> {
    if is_automatic(config) {
        return Ok(graph.clone());
    }
    let (axes, rules) = config.mesh.network_rules(config.mesh.shape.size())?;
    Ok(divide(graph, &axes, &rules)?)
}

fn reckon(config: &Config, info: &EnvInfo, graph: &Graph) -> Result<TrainingMemory, AlgorithmError> {
    let (rows, steps) = (config.rows, config.rollout.steps(config.rows));
    let layout = Layout::new(rows, steps, info.observation_space.clone(), info.action_space.clone())?;
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    Ok(TrainingMemory::new(&layout, graph, ppo.sequence))
}

/// More memory than this machine has.
fn too_large(config: &Config, info: &EnvInfo, graph: &Graph) -> Option<Conflict> {
    if memory(config).is_some() {
        return None;
    }
    let error = reckon(config, info, graph).and_then(TrainingMemory::check).err()?;
    let rollout = ["rollout.steps", "rollout.max_length", "rows"];
    match error {
        AlgorithmError::Batch(error @ BatchError::Memory { .. }) => {
            Some(conflict(&rollout, error.to_string()))
        }
        AlgorithmError::Memory { memory, .. } if memory.network > memory.rollout => {
            Some(conflict(&["network.hidden", "network.layers"], error.to_string()))
        }
        AlgorithmError::Memory { .. } => Some(conflict(&rollout, error.to_string())),
        // What else there is has been found before.
        _ => None,
    }
}

/// An environment that was not made, at the parameter that the error names first.
fn not_made(path: &'static str, spec: &EnvSpec, error: &RegistryError) -> Conflict {
    let mut conflict = conflict(&[path], error.to_string());
    let part = match error {
        RegistryError::Env(EnvError::Params { name, .. }) if *name == spec.name => "params",
        RegistryError::Env(EnvError::Params { .. } | EnvError::Space(_)) => "wrappers",
        _ => "name",
    };
    conflict.paths[0].push(part.to_owned());
    if part == "params" {
        let message = conflict.message.strip_prefix(&format!("parameters of {}", spec.name));
        let words = message.unwrap_or_default().split(|c: char| !c.is_alphanumeric() && c != '_');
        let named = words.map(str::to_owned).find(|word| spec.params.0.contains_key(word));
        conflict.paths[0].extend(named);
        conflict.at_key = true;
    }
    conflict
}
