//! Combinations of settings that fit one by one but not together.
//!
//! What depends on the spaces of an environment is in `spaces.rs`.

use phalanx_agents::{Mistake, check_network};
use phalanx_algorithms::{EpisodesRollout, RolloutSettings, StepsRollout};
use phalanx_envs::{EnvSpec, Registry, Workers};

use super::schema::Path;
use super::{AlgorithmSettings, Config};

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

/// Everything about `config` that cannot work, whichever spaces its environment has. What was at the paths `taken` did not fit.
pub fn check(config: &Config, taken: &[Path], registry: &Registry) -> Vec<Conflict> {
    let conflicts = [
        env("env.name", &config.env, registry),
        config.evaluation.env.as_ref().and_then(|env| self::env("evaluation.env.name", env, registry)),
        workers(config),
        episodes(config),
        memory(config),
        minibatch(config),
        length(config),
        schedules(config),
    ];
    let network = check_network(&config.network, &unknown_layers(taken));
    conflicts.into_iter().flatten().chain(network.into_iter().map(of_network)).collect()
}

/// Layers that something was taken out of.
pub fn unknown_layers(taken: &[Path]) -> Vec<String> {
    let layer = |path: &Path| match &path[..] {
        [network, layers, name, ..] if network == "network" && layers == "layers" => Some(name.clone()),
        _ => None,
    };
    taken.iter().filter_map(layer).collect()
}

/// A mistake in the network, which also may be one of the environment.
pub fn of_network(Mistake { paths, message }: Mistake) -> Conflict {
    let network = |path: Vec<String>| ["network".to_owned()].into_iter().chain(path).collect();
    Conflict { paths: paths.into_iter().map(network).collect(), at_key: false, message }
}

/// One about these settings.
pub fn conflict(paths: &[&str], message: String) -> Conflict {
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

/// More transitions than any machine has memory for.
pub fn memory(config: &Config) -> Option<Conflict> {
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

/// Piecewise schedules whose points are not in the order of time.
fn schedules(config: &Config) -> Option<Conflict> {
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let (path, _) = ppo.schedules().into_iter().find(|(_, schedule)| !schedule.is_ordered())?;
    let message = "the points of a piecewise schedule must be in the order of `at`".to_owned();
    Some(conflict(&[&path], message))
}
