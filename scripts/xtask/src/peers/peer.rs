//! The libraries that are measured in each setting, and the ways to run each of them.

use super::setting::{CARTPOLE, Policy, Setting, Suite};

/// The runs of a library that differ in their arguments: label and arguments.
pub type Ways = &'static [(&'static str, &'static [&'static str])];

const THREADS: Ways = &[("1 torch thread", &["--threads", "1"]), ("2 torch threads", &["--threads", "2"])];
pub const OUR_THREADS: Ways =
    &[("1 thread", &["--set", "threads=1"]), ("2 threads", &["--set", "threads=2"])];
const ONE_WAY: Ways = &[("one thread", &[])];
const A_PROCESS_EACH: Ways = &[("a process for each row", &[])];
pub const OUR_WORKERS: Ways = &[
    ("workers: 0", &["--workers", "0"]),
    ("workers: 1", &["--workers", "1"]),
    ("workers: 2", &["--workers", "2"]),
    ("workers: auto", &["--workers", "auto"]),
];
/// One interpreter for all rows is nothing to compare with a process for each.
pub const OUR_PYTHONS: Ways =
    &[("workers: 2", &["--workers", "2"]), ("workers: auto", &["--workers", "auto"])];
const ENVPOOL_TRAIN: Ways = &[
    ("1 torch thread, 1 of its own", &["--threads", "1", "--env-threads", "1"]),
    ("1 torch thread, 2 of its own", &["--threads", "1", "--env-threads", "2"]),
    ("2 torch threads, 1 of its own", &["--threads", "2", "--env-threads", "1"]),
    ("2 torch threads, 2 of its own", &["--threads", "2", "--env-threads", "2"]),
];
const ENVPOOL_ENVS: Ways = &[
    ("1 thread, all rows in step", &["--env-threads", "1", "--batch", "all"]),
    ("2 threads, all rows in step", &["--env-threads", "2", "--batch", "all"]),
    ("1 thread, the first half that is ready", &["--env-threads", "1", "--batch", "half"]),
    ("2 threads, the first half that is ready", &["--env-threads", "2", "--batch", "half"]),
];

const SB3_CONTRIB: Ways = &[
    ("DummyVecEnv, 1 torch thread", &["--vector", "dummy", "--threads", "1"]),
    ("DummyVecEnv, 2 torch threads", &["--vector", "dummy", "--threads", "2"]),
    ("SubprocVecEnv, 1 torch thread", &["--vector", "subproc", "--threads", "1"]),
    ("SubprocVecEnv, 2 torch threads", &["--vector", "subproc", "--threads", "2"]),
];

/// A peer: its name, its script and the script's own arguments, and the ways to run it.
pub struct Peer {
    pub name: &'static str,
    pub script: &'static str,
    pub more: &'static [&'static str],
    pub ways: Ways,
}

const fn peer(name: &'static str, script: &'static str, more: &'static [&'static str], ways: Ways) -> Peer {
    Peer { name, script, more, ways }
}

/// It can run nothing else than CartPole-v1.
pub const C_CARTPOLE: &str = "PufferLib, its own C CartPole";

const TRAIN: [Peer; 5] = [
    peer("Stable-Baselines3, DummyVecEnv", "sb3_train.py", &[], THREADS),
    peer("CleanRL's loop, SyncVectorEnv", "cleanrl_train.py", &["--vector", "sync"], THREADS),
    peer("CleanRL's loop, EnvPool", "cleanrl_train.py", &["--vector", "envpool"], ENVPOOL_TRAIN),
    peer("PufferLib, Serial", "puffer_train.py", &["--vector", "serial"], THREADS),
    peer(C_CARTPOLE, "puffer_train.py", &["--vector", "c"], THREADS),
];

const RECURRENT: [Peer; 1] =
    [peer("sb3-contrib, RecurrentPPO", "sb3_train.py", &["--algorithm", "recurrent"], SB3_CONTRIB)];

const MASKED: [Peer; 1] =
    [peer("sb3-contrib, MaskablePPO", "sb3_train.py", &["--algorithm", "maskable"], SB3_CONTRIB)];

const ENVS: [Peer; 4] = [
    peer("Gymnasium, SyncVectorEnv", "gymnasium_envs.py", &["--vector", "sync"], ONE_WAY),
    peer("EnvPool", "envpool_envs.py", &[], ENVPOOL_ENVS),
    peer("PufferLib, Serial", "puffer_envs.py", &["--vector", "serial"], ONE_WAY),
    peer(C_CARTPOLE, "puffer_envs.py", &["--vector", "c"], ONE_WAY),
];

const GYMNASIUM: [Peer; 2] = [
    peer("Gymnasium, AsyncVectorEnv", "gymnasium_envs.py", &["--vector", "async"], A_PROCESS_EACH),
    peer("Stable-Baselines3, SubprocVecEnv", "sb3_envs.py", &[], A_PROCESS_EACH),
];

/// Those that can run a setting.
pub fn peers(setting: &Setting) -> impl Iterator<Item = &'static Peer> {
    let peers: &[Peer] = match (setting.suite, setting.policy) {
        (Suite::Train, Policy::Plain) => &TRAIN,
        (Suite::Train, Policy::Recurrent) => &RECURRENT,
        (Suite::Train, Policy::Masked) => &MASKED,
        (Suite::Envs, _) => &ENVS,
        (Suite::Gymnasium, _) => &GYMNASIUM,
    };
    let cartpole = setting.env == CARTPOLE;
    peers.iter().filter(move |peer| peer.name != C_CARTPOLE || cartpole)
}

impl Peer {
    /// Whether it runs in `PufferLib`'s virtual environment.
    pub fn is_puffer(&self) -> bool {
        self.script.starts_with("puffer")
    }
}

/// Our trainings in a setting: the name of each, and its arguments beside the configuration.
pub fn our_trainings(policy: Policy) -> Ways {
    match policy {
        Policy::Plain => &[("Phalanx", &[])],
        Policy::Recurrent => &[
            ("Phalanx, GRU", &[]),
            (
                "Phalanx, LSTM",
                &[
                    "--set",
                    "network.layers.remembered={lstm: 64, of: observation}",
                    "--set",
                    "network.layers.recalled={lstm: 64, of: observation}",
                ],
            ),
        ],
        Policy::Masked => &[
            ("Phalanx, environment in C", &[]),
            (
                "Phalanx, environment in Python",
                &[
                    "--set",
                    "env.name=gymnasium:masked_cartpole:MaskedCartPole-v0",
                    "--set",
                    "env.params.flatten=false",
                ],
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::super::install::scripts;
    use super::super::setting::SETTINGS;
    use super::*;
    use crate::process::root;

    #[test]
    fn only_cartpole_is_written_in_c() {
        for setting in &SETTINGS {
            let in_c = peers(setting).any(|peer| peer.name == C_CARTPOLE);
            let wanted = setting.env == CARTPOLE
                && setting.policy == Policy::Plain
                && setting.suite != Suite::Gymnasium;
            assert_eq!(in_c, wanted, "{setting}");
        }
    }

    #[test]
    fn every_script_and_every_config_exists() {
        for setting in &SETTINGS {
            for peer in peers(setting) {
                assert!(scripts().join(peer.script).exists(), "{}", peer.script);
            }
            let config = root().join(format!("configs/bench/{}.yaml", setting.name));
            assert!(setting.suite != Suite::Train || config.exists(), "{setting}");
        }
    }
}
