//! Combinations of settings that fit one by one but not together.
//!
//! Environments are made by [`environments`] alone; trainings make them in workers.

use anyhow::Context;
use phalanx_agents::{Graph, Head, describe};
use phalanx_algorithms::{AlgorithmError, EpisodesRollout, RolloutSettings, StepsRollout, TrainingMemory};
use phalanx_envs::{BatchError, Env, EnvError, EnvSpec, Layout, Registry, RegistryError, Workers};

use super::schema::Path;
use super::{AlgorithmSettings, Config};
use crate::setup;

/// More transitions than this fit into no machine's memory, and their bytes not into its numbers.
const MOST_TRANSITIONS: usize = 1 << 31;

/// Settings that do not go together.
#[derive(Debug)]
pub struct Conflict {
    /// The settings, the one to change first.
    pub paths: Vec<Path>,
    /// Whether the first one's key is marked instead of its value.
    pub at_key: bool,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything about `config` that cannot work.
pub fn check(config: &Config, registry: &Registry) -> Vec<Conflict> {
    let conflicts = [
        env("env.name", &config.env, registry),
        config.evaluation.env.as_ref().and_then(|env| self::env("evaluation.env.name", env, registry)),
        workers(config),
        episodes(config),
        memory(config),
        minibatch(config),
        length(config),
        trunk(config),
        deviation(config),
        schedules(config),
    ];
    conflicts.into_iter().flatten().collect()
}

/// What a training starts from and cannot be read; environments that cannot be made with their parameters and wrappers, or that the network cannot observe. Those of providers are left out: programs and libraries
/// would be started.
pub fn environments(config: &Config, registry: &Registry) -> Vec<Conflict> {
    let specs = [("env", Some(&config.env)), ("evaluation.env", config.evaluation.env.as_ref())];
    let built_in = specs.into_iter().filter_map(|(path, spec)| Some((path, spec?)));
    let built_in = built_in.filter(|(_, spec)| !spec.name.contains(':'));
    let check_env = |(path, spec)| match registry.build(spec) {
        Ok(env) if path == "env" => {
            network(config, &*env).or_else(|| too_large(config, &*env)).or_else(|| entropy(config, &*env))
        }
        Ok(env) => network(config, &*env),
        Err(error) => Some(not_made(path, spec, &error)),
    };
    built_in.filter_map(check_env).chain(init_from(config)).collect()
}

/// A run or a file to start from that is not there.
fn init_from(config: &Config) -> Option<Conflict> {
    let from = config.network.init_from.as_ref()?;
    let error = setup::tensors(from).err()?;
    Some(conflict(&["network.init_from"], format!("{error:#}")))
}

/// What a training takes of memory; nothing where the environment cannot be made here, or is a provider's.
pub fn training_memory(config: &Config, registry: &Registry) -> Option<TrainingMemory> {
    reckon(config, &*built_in(config, registry)?).ok()
}

/// The networks of a training, whose environment is made for its spaces.
///
/// # Errors
/// Those of the environment; those of the description when there can be no such network.
pub fn networks(config: &Config, registry: &Registry) -> anyhow::Result<Graph> {
    let env = registry.build(&config.env).with_context(|| format!("cannot make {}", config.env.name))?;
    Ok(describe(&config.network, env.observation_space(), env.action_space())?)
}

fn built_in(config: &Config, registry: &Registry) -> Option<Box<dyn Env>> {
    if config.env.name.contains(':') { None } else { registry.build(&config.env).ok() }
}

fn reckon(config: &Config, env: &dyn Env) -> Result<TrainingMemory, AlgorithmError> {
    let (rows, steps) = (config.rows, config.rollout.steps(config.rows));
    let layout = Layout::new(rows, steps, env.observation_space().clone(), env.action_space().clone())?;
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    TrainingMemory::new(&layout, &config.network, ppo.sequence)
}

/// More memory than this machine has.
fn too_large(config: &Config, env: &dyn Env) -> Option<Conflict> {
    if memory(config).is_some() {
        return None;
    }
    let error = reckon(config, env).and_then(TrainingMemory::check).err()?;
    let rollout = ["rollout.steps", "rollout.max_length", "rows"];
    match error {
        AlgorithmError::Batch(error @ BatchError::Memory { .. }) => {
            Some(conflict(&rollout, error.to_string()))
        }
        AlgorithmError::Memory { memory, .. } if memory.network > memory.rollout => {
            Some(conflict(&["network.hidden"], error.to_string()))
        }
        AlgorithmError::Memory { .. } => Some(conflict(&rollout, error.to_string())),
        // What else there is has been found before.
        _ => None,
    }
}

/// Networks that cannot be described for these spaces, or lack a name of `init_from`, at the layer or setting that the error begins with.
fn network(config: &Config, env: &dyn Env) -> Option<Conflict> {
    let error = match describe(&config.network, env.observation_space(), env.action_space()) {
        Ok(graph) => config.network.init_from.as_ref()?.check_own_names(&graph).err()?.to_string(),
        Err(error) => error.to_string(),
    };
    let first = error.split([' ', ':']).next().unwrap_or_default();
    let node = first.split('.').next().unwrap_or_default();
    let path = if first.starts_with("network.") {
        first.to_owned()
    } else if config.network.layers.contains_key(node) {
        format!("network.layers.{node}")
    } else {
        return Some(conflict(&["network.channels", "network.convolutions"], error));
    };
    Some(Conflict { at_key: true, ..conflict(&[&path], error) })
}

/// Coefficients of the entropy of fields that the actions do not have.
fn entropy(config: &Config, env: &dyn Env) -> Option<Conflict> {
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let head = Head::new(env.action_space(), &config.network).ok()?;
    let error = ppo.entropy_coefficient.check(&head).err()?;
    Some(conflict(&["algorithm.ppo.entropy_coefficient"], error.to_string()))
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

fn conflict(paths: &[&str], message: String) -> Conflict {
    let paths = paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
    Conflict { paths, at_key: false, message }
}

fn env(path: &'static str, env: &EnvSpec, registry: &Registry) -> Option<Conflict> {
    registry.check_name(&env.name).err().map(|error| conflict(&[path], error.to_string()))
}

fn workers(config: &Config) -> Option<Conflict> {
    let rows = config.rows;
    match config.workers {
        Workers::Count(n) if n > rows => {
            let message =
                format!("{n} workers have nothing to share among {rows} rows; at most one worker a row");
            Some(conflict(&["workers", "rows"], message))
        }
        _ => None,
    }
}

fn episodes(config: &Config) -> Option<Conflict> {
    let RolloutSettings::Episodes(EpisodesRollout { episodes, .. }) = config.rollout else { return None };
    let rows = config.rows;
    if episodes % rows == 0 {
        return None;
    }
    let near = episodes.next_multiple_of(rows);
    let message = format!("{episodes} episodes are not the same number in each of {rows} rows; take {near}");
    Some(conflict(&["rollout.episodes", "rows"], message))
}

fn memory(config: &Config) -> Option<Conflict> {
    let (path, steps) = match config.rollout {
        RolloutSettings::Steps(_) => ("rollout.steps", config.rollout.steps(config.rows)),
        RolloutSettings::Episodes(_) => ("rollout.episodes", config.rollout.steps(config.rows)),
    };
    if config.rows.saturating_mul(steps) <= MOST_TRANSITIONS {
        return None;
    }
    let message = format!(
        "a rollout holds at most {MOST_TRANSITIONS} transitions, these are {} rows × {steps}",
        config.rows
    );
    Some(conflict(&[path, "rollout.max_length", "rows"], message))
}

fn minibatch(config: &Config) -> Option<Conflict> {
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let (Some(minibatch), RolloutSettings::Steps(StepsRollout { steps })) = (ppo.minibatch, config.rollout)
    else {
        return None;
    };
    let (rows, transitions) = (config.rows, config.rows.saturating_mul(steps));
    if minibatch <= transitions {
        return None;
    }
    let message = format!(
        "minibatches of {minibatch} transitions (algorithm.ppo.minibatch) cannot be cut from a rollout of {rows} rows \
         × {steps} steps = {transitions}"
    );
    Some(conflict(&["algorithm.ppo.minibatch", "rollout.steps", "rows"], message))
}

fn length(config: &Config) -> Option<Conflict> {
    let RolloutSettings::Steps(StepsRollout { steps }) = config.rollout else { return None };
    let (rows, iteration) = (config.rows as u64, (config.rows as u64).saturating_mul(steps as u64));
    if config.steps >= iteration {
        return None;
    }
    let message = format!(
        "a training of {} steps is shorter than its first rollout of {rows} rows × {steps} steps = {iteration}",
        config.steps
    );
    Some(conflict(&["steps", "rollout.steps", "rows"], message))
}

fn deviation(config: &Config) -> Option<Conflict> {
    let error = config.network.log_std_bounds().err()?;
    let paths = ["network.initial_std", "network.min_std", "network.max_std"];
    Some(conflict(&paths, error.to_string()))
}

/// Piecewise schedules whose points are not in the order of time.
fn schedules(config: &Config) -> Option<Conflict> {
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let (path, _) = ppo.schedules().into_iter().find(|(_, schedule)| !schedule.is_ordered())?;
    let message = "the points of a piecewise schedule must be in the order of `at`".to_owned();
    Some(conflict(&[&path], message))
}

fn trunk(config: &Config) -> Option<Conflict> {
    if !config.network.shared || !config.network.hidden.is_empty() {
        return None;
    }
    let message = "actor and critic cannot share hidden layers when there are none".to_owned();
    Some(conflict(&["network.shared", "network.hidden"], message))
}
