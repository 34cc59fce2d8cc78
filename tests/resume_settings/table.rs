//! What each setting does when it is changed on a resumed run.

/// How a setting shows.
#[derive(Debug, Clone, Copy)]
pub enum Shown {
    /// The command fails with a message that has these words, and the run keeps its configuration.
    Refused(&'static str),
    /// The parameters at the end are others.
    Parameters,
    /// These numbers of the metrics are others.
    Metric(&'static str),
    /// Other checkpoints are kept.
    Checkpoints,
    /// The next evaluation writes the best checkpoint, although its return is lower.
    Best,
    /// The log has these words, which it does not have otherwise.
    Log(&'static str),
    /// The training, which succeeds otherwise, ends with these words.
    Error(&'static str),
    /// No worker is far ahead of another any more.
    Pace,
    /// The process has more threads.
    Threads,
    /// Several ranks, as in `tests/ranks.rs`: one alone ends with the same parameters.
    Ranks,
}

use Shown::{Best, Checkpoints, Error, Log, Metric, Pace, Parameters, Ranks, Refused, Threads};

/// A run, by the settings that it has over [`CONFIG`], and what is changed when it is resumed.
pub struct Base {
    pub name: &'static str,
    /// Whether it is trained by the binary, which has workers, and not within the test.
    pub has_workers: bool,
    pub sets: &'static [&'static str],
    /// `--set` of the resumed run.
    pub rows: &'static [(&'static str, Shown)],
}

/// Four iterations of 64 steps, each with a checkpoint. The deviation grows: entropy counts most.
pub const CONFIG: &str = "env: {name: Pendulum-v1, time_limit: 10}
rows: 4
workers: 0
threads: 2
steps: 256
rollout: {steps: 16}
network: {hidden: [8]}
normalize: {observation: true, reward: true}
algorithm: {ppo: {epochs: 2, minibatch: 32, learning_rate: 0.01, entropy_coefficient: 1}}
evaluation: {every: 128, episodes: 2}
checkpoint: {every: 64, keep: 9}
";

const OTHER_SPACE: Shown = Refused("`env` was changed");
const PIXELS: [&str; 3] = [
    "normalize={observation: false}",
    "evaluation.episodes=0",
    "network.convolutions=[{filters: 2, kernel: 2, stride: 1}]",
];

/// Two layers, in place of hidden ones.
const LAYERS: &str = "network={layers: {a: {dense: 8}, b: {dense: 7}}, hidden: [64, 64]}";

pub const BASES: [Base; 22] = [
    Base {
        name: "plain",
        has_workers: false,
        sets: &[],
        rows: &[
            ("env=CartPole-v1", OTHER_SPACE),
            ("env.name=heavy", Parameters),
            ("env.params={g: 5}", Parameters),
            ("env.time_limit=7", Parameters),
            ("rows=2", Refused("`rows` is 4 in this run")),
            ("steps=320", Metric("step")),
            ("seed=1", Refused("`seed` decides how a run starts")),
            ("device=cuda:9", Refused("no device cuda:9")),
            ("threads=17", Threads),
            ("action_scaling=clip", Refused("action_scaling rescale, not clip")),
            ("rollout.steps=8", Metric("step")),
            ("network.hidden.0=9", Refused("network.hidden [8], not [9]")),
            ("network.activation=relu", Refused("network.activation tanh, not relu")),
            ("network.shared=true", Refused("network.shared false, not true")),
            ("network.layer_norm=true", Refused("network.layer_norm false, not true")),
            ("network.initial_weights=normal", Refused("`network.initial_weights` decides how a run starts")),
            ("network.output_gain=0.5", Refused("`network.output_gain` decides how a run starts")),
            ("network.initial_std=0.5", Refused("`network.initial_std` decides how a run starts")),
            ("network.init_from=base.safetensors", Refused("`network.init_from` decides how a run starts")),
            ("network.max_std=1", Parameters),
            ("network.std=output", Refused("network.std parameter, not output")),
            ("normalize.observation=false", Refused("normalize.observation true, not false")),
            ("normalize.observation_clip=0.5", Parameters),
            ("normalize.reward=false", Parameters),
            ("normalize.reward_clip=0.1", Parameters),
            ("normalize.value=true", Refused("normalize.value false, not true")),
            ("algorithm.ppo.discount=0.5", Parameters),
            ("algorithm.ppo.gae_lambda=0.5", Parameters),
            ("algorithm.ppo.epochs=1", Metric("gradient_steps")),
            ("algorithm.ppo.minibatch=64", Metric("gradient_steps")),
            ("algorithm.ppo.learning_rate=0.02", Metric("learning_rate")),
            ("algorithm.ppo.adam_epsilon=0.1", Parameters),
            ("algorithm.ppo.objective.clip.range=1e-3", Metric("clip_fraction")),
            ("algorithm.ppo.value_coefficient=0.1", Parameters),
            ("algorithm.ppo.value_clip=1e-3", Parameters),
            ("algorithm.ppo.entropy_coefficient=0", Parameters),
            ("algorithm.ppo.max_gradient_norm=1e-3", Parameters),
            ("algorithm.ppo.target_kl=1e-9", Metric("gradient_steps")),
            ("algorithm.ppo.normalize_advantage=false", Parameters),
            ("evaluation.every=64", Metric("evaluation_return_mean")),
            ("evaluation.episodes=3", Metric("evaluation_return_mean")),
            ("evaluation.env=heavy", Metric("evaluation_return_mean")),
            ("checkpoint.every=128", Checkpoints),
            ("checkpoint.keep=1", Checkpoints),
            ("mesh.backend=gloo", Ranks),
            ("mesh.shape='rows:1'", Ranks),
            ("mesh.layout='env:rows,h1:rows'", Error("both dimensions")),
            ("mesh.preempt=0.5", Ranks),
            ("mesh.arrival_deadline=1", Ranks),
            ("mesh.silence_deadline=1", Ranks),
            ("resume.replay_deadline=0", Log("4 of 4 rows begin a new episode")),
        ],
    },
    Base {
        name: "linear",
        has_workers: false,
        sets: &[
            "algorithm.ppo.learning_rate={from: 0.02, to: 0.01}",
            "algorithm.ppo.value_coefficient={from: 0.5, to: 0.4}",
            "algorithm.ppo.entropy_coefficient={from: 0.02, to: 0.01}",
            "algorithm.ppo.objective.clip.range={from: 0.2, to: 0.1}",
        ],
        rows: &[
            ("algorithm.ppo.learning_rate.from=0.03", Metric("learning_rate")),
            ("algorithm.ppo.learning_rate.to=0", Metric("learning_rate")),
            ("algorithm.ppo.value_coefficient.from=9", Parameters),
            ("algorithm.ppo.value_coefficient.to=9", Parameters),
            ("algorithm.ppo.entropy_coefficient.from=1", Parameters),
            ("algorithm.ppo.entropy_coefficient.to=1", Parameters),
            ("algorithm.ppo.objective.clip.range.from=0", Metric("clip_fraction")),
            ("algorithm.ppo.objective.clip.range.to=0", Metric("clip_fraction")),
        ],
    },
    Base {
        name: "cosine",
        has_workers: false,
        sets: &[
            "algorithm.ppo.learning_rate={cosine: {from: 0.02, to: 0.01}}",
            "algorithm.ppo.value_coefficient={cosine: {from: 0.5, to: 0.4}}",
            "algorithm.ppo.entropy_coefficient={cosine: {from: 0.02, to: 0.01}}",
            "algorithm.ppo.objective.clip.range={cosine: {from: 0.2, to: 0.1}}",
        ],
        rows: &[
            ("algorithm.ppo.learning_rate.cosine.from=0.03", Metric("learning_rate")),
            ("algorithm.ppo.learning_rate.cosine.to=0", Metric("learning_rate")),
            ("algorithm.ppo.value_coefficient.cosine.from=9", Parameters),
            ("algorithm.ppo.value_coefficient.cosine.to=9", Parameters),
            ("algorithm.ppo.entropy_coefficient.cosine.from=1", Parameters),
            ("algorithm.ppo.entropy_coefficient.cosine.to=1", Parameters),
            ("algorithm.ppo.objective.clip.range.cosine.from=0", Metric("clip_fraction")),
            ("algorithm.ppo.objective.clip.range.cosine.to=0", Metric("clip_fraction")),
        ],
    },
    Base {
        name: "piecewise",
        has_workers: false,
        sets: &[
            "algorithm.ppo.learning_rate={piecewise: [{at: 0, value: 0.02}, {at: 1, value: 0.01}]}",
            "algorithm.ppo.value_coefficient={piecewise: [{at: 0, value: 0.5}, {at: 1, value: 0.4}]}",
            "algorithm.ppo.entropy_coefficient={piecewise: [{at: 0, value: 0.02}, {at: 1, value: 0.01}]}",
            "algorithm.ppo.objective.clip.range={piecewise: [{at: 0, value: 0.2}, {at: 1, value: 1e-3}]}",
        ],
        rows: &[
            ("algorithm.ppo.learning_rate.piecewise.0.at=0.9", Metric("learning_rate")),
            ("algorithm.ppo.learning_rate.piecewise.1.value=0", Metric("learning_rate")),
            ("algorithm.ppo.value_coefficient.piecewise.0.at=0.9", Parameters),
            ("algorithm.ppo.value_coefficient.piecewise.1.value=9", Parameters),
            ("algorithm.ppo.entropy_coefficient.piecewise.0.at=0.9", Parameters),
            ("algorithm.ppo.entropy_coefficient.piecewise.1.value=1", Parameters),
            ("algorithm.ppo.objective.clip.range.piecewise.0.at=0.9", Metric("clip_fraction")),
            ("algorithm.ppo.objective.clip.range.piecewise.1.value=1", Metric("clip_fraction")),
        ],
    },
    Base {
        name: "fields",
        has_workers: false,
        // An action that is one field has the empty path.
        sets: &["algorithm.ppo.entropy_coefficient={fields: {\"\": 0.02}}"],
        rows: &[("algorithm.ppo.entropy_coefficient.fields={\"\": 1}", Parameters)],
    },
    Base {
        name: "penalty",
        has_workers: false,
        sets: &["algorithm.ppo.objective={kl_penalty: {target: 1e-6}}"],
        rows: &[
            ("algorithm.ppo.objective.kl_penalty.target=1", Metric("kl_penalty")),
            (
                "algorithm.ppo.objective.kl_penalty.initial_penalty=2",
                Refused("`algorithm.ppo.objective.kl_penalty.initial_penalty` decides how a run starts"),
            ),
            ("algorithm.ppo.objective.kl_penalty.cutoff_factor=0", Parameters),
            ("algorithm.ppo.objective.kl_penalty.cutoff_coefficient=1", Parameters),
        ],
    },
    Base {
        name: "episodes",
        has_workers: false,
        sets: &["rollout={episodes: 4, max_length: 10}", "steps=160", "checkpoint.every=40"],
        rows: &[
            ("rollout.episodes=8", Metric("step")),
            ("rollout.max_length=5", Error("an episode is longer than rollout.max_length")),
        ],
    },
    Base {
        name: "evaluated",
        has_workers: false,
        sets: &["evaluation.env={name: Pendulum-v1, time_limit: 7}"],
        rows: &[
            ("evaluation.env.name=heavy", Metric("evaluation_return_mean")),
            ("evaluation.env.params={g: 5}", Metric("evaluation_return_mean")),
            ("evaluation.env.time_limit=5", Metric("evaluation_length_mean")),
            ("evaluation.env.time_limit=100", Best),
            ("evaluation.env.wrappers=[{clip_reward: {limit: 0.1}}]", Metric("evaluation_return_mean")),
        ],
    },
    Base {
        name: "short",
        has_workers: false,
        sets: &["env={name: short}", "algorithm.ppo.entropy_coefficient=0"],
        rows: &[
            // The deviation has shrunk below the one that it began with.
            ("network.min_std=1", Parameters),
            // 128 episodes are over when it is resumed, and the next iteration is the last.
            ("stop_at_return=-1000", Metric("step")),
        ],
    },
    Base {
        name: "wrapped",
        has_workers: false,
        sets: &["env.wrappers=[finite_check, {action_repeat: {times: 2}}, {random_start: {max_steps: 3}}, \
             {range_normalize: {observation: true, action: true}}, {frame_history: {past: [0, 1]}}, \
             {limit_duration: {steps: 9}}, {clip_reward: {limit: 5}}]"],
        rows: &[
            ("env.wrappers.0=frame_delta", Parameters),
            // Environments clip actions that leave their bounds: it changes these alone, which the wrapper around it requires.
            ("env.wrappers.0=clip_action", Error("range_normalize cannot work with")),
            ("env.wrappers.1.action_repeat.times=3", Parameters),
            ("env.wrappers.1.action_repeat.max_pool=true", Parameters),
            ("env.wrappers.2.random_start.max_steps=8", Parameters),
            ("env.wrappers.3.range_normalize.observation=false", Parameters),
            ("env.wrappers.3.range_normalize.action=false", Refused("action_scaling clip, not rescale")),
            ("env.wrappers.4.frame_history.past.1=2", Parameters),
            ("env.wrappers.4.frame_history.flatten=true", OTHER_SPACE),
            ("env.wrappers.5.limit_duration.steps=4", Parameters),
            ("env.wrappers.6.clip_reward.limit=1", Parameters),
        ],
    },
    Base {
        name: "hollow",
        has_workers: false,
        sets: &["env={name: hollow, wrappers: [range_normalize]}", "normalize.observation=false"],
        rows: &[("env.wrappers.0=finite_check", Error("observation[0] is NaN: not a finite number"))],
    },
    Base {
        name: "selected",
        has_workers: false,
        sets: &[
            "env={name: PictureAndNumbers-v0, time_limit: 10, wrappers: [{select: [numbers]}]}",
            "normalize.observation=false",
        ],
        rows: &[("env.wrappers.0.select.0=picture", OTHER_SPACE), ("env.wrappers.0=flatten", OTHER_SPACE)],
    },
    Base {
        name: "gru",
        has_workers: false,
        sets: &["network.memory={gru: 4}", "network.freeze=[value]", "algorithm.ppo.sequence=4"],
        rows: &[
            ("network.memory.gru=5", Refused("network.memory {")),
            ("network.freeze.0=actor", Parameters),
            ("algorithm.ppo.sequence=3", Parameters),
            ("algorithm.ppo.burn_in=2", Parameters),
        ],
    },
    Base {
        name: "started",
        has_workers: false,
        sets: &[
            "network.init_from={path: agents/tests/golden/state_dict.safetensors, names: {value: value}}",
        ],
        rows: &[
            ("network.init_from.path=base.yaml", Refused("`network.init_from` decides how a run starts")),
            (
                "network.init_from.names={action: value}",
                Refused("`network.init_from` decides how a run starts"),
            ),
        ],
    },
    Base {
        name: "lstm",
        has_workers: false,
        sets: &["network.memory={lstm: 4}"],
        rows: &[("network.memory.lstm=5", Refused("network.memory {"))],
    },
    Base {
        name: "layers",
        has_workers: false,
        sets: &[LAYERS, "network.actor=[a, b]", "network.critic=a"],
        rows: &[
            ("network.layers.a.dense=9", Refused("network.layers [")),
            ("network.actor.0=b", Refused("network.layers [")),
            ("network.critic=b", Refused("network.layers [")),
        ],
    },
    Base {
        name: "critic",
        has_workers: false,
        sets: &[LAYERS, "network.actor=a", "network.critic=[a, b]"],
        rows: &[
            ("network.actor=b", Refused("network.layers [")),
            ("network.critic.0=b", Refused("network.layers [")),
        ],
    },
    Base {
        name: "game",
        has_workers: false,
        sets: &[
            PIXELS[0],
            PIXELS[1],
            PIXELS[2],
            "env={name: game, wrappers: [finite_check, {resize: {height: 6, width: 6}}, {fire_start: {action: 1}}]}",
        ],
        rows: &[
            ("network.convolutions.0.filters=3", Refused("network.convolutions [")),
            ("network.convolutions.0.kernel=3", Refused("network.convolutions [")),
            ("network.convolutions.0.stride=2", Refused("network.convolutions [")),
            ("network.convolutions.0.padding=1", Refused("network.convolutions [")),
            ("network.convolutions.0.dilation=2", Refused("network.convolutions [")),
            ("network.channels=first", Refused("network.channels last, not first")),
            ("env.wrappers.0=episodic_life", Parameters),
            ("env.wrappers.1.resize.height=7", OTHER_SPACE),
            ("env.wrappers.1.resize.width=7", OTHER_SPACE),
            ("env.wrappers.2.fire_start.action=2", Parameters),
        ],
    },
    Base {
        name: "cameras",
        has_workers: false,
        sets: &[
            PIXELS[0],
            PIXELS[1],
            "env={name: cameras, wrappers: [{grayscale: {field: left}}, {resize: {height: 6, width: 6, field: left}}, \
             {frame_history: {past: [0], field: left}}]}",
        ],
        rows: &[
            ("env.wrappers.0.grayscale.field=right", OTHER_SPACE),
            ("env.wrappers.1.resize.field=right", OTHER_SPACE),
            ("env.wrappers.2.frame_history.field=right", OTHER_SPACE),
        ],
    },
    Base {
        name: "atari",
        has_workers: false,
        sets: &[
            PIXELS[0],
            PIXELS[1],
            PIXELS[2],
            "env={name: game, wrappers: [atari: {frame_skip: 2, random_start: 3, size: 6, stack: 2}]}",
        ],
        rows: &[
            ("env.wrappers.0.atari.frame_skip=3", Parameters),
            ("env.wrappers.0.atari.random_start=5", Parameters),
            ("env.wrappers.0.atari.size=7", OTHER_SPACE),
            ("env.wrappers.0.atari.stack=3", OTHER_SPACE),
            ("env.wrappers.0.atari.episodic_life=false", Parameters),
            ("env.wrappers.0.atari.clip_reward=false", Parameters),
        ],
    },
    Base {
        name: "slow",
        has_workers: true,
        sets: &[
            "env={name: \"dylib:libslow.so\"}",
            "workers=2",
            // Whole episodes: their rows are reset by commands.
            "rollout={episodes: 4, max_length: 8}",
            "steps=128",
            "checkpoint.every=32",
            "evaluation.episodes=0",
        ],
        rows: &[
            ("workers=1", Log("training: 4 rows in 1 workers")),
            ("pipelined=false", Pace),
            ("faults.construct_deadline=0.01", Error("did not answer within its deadline of 10ms")),
            ("faults.command_deadline=0.01", Error("did not answer within its deadline of 10ms")),
            ("faults.step_deadline=0.001", Error("did not answer within its deadline of 1ms")),
        ],
    },
    Base {
        name: "crash",
        has_workers: true,
        sets: &[
            "env={name: \"dylib:libslow.so\", params: {crash: true}}",
            "workers=2",
            "rollout.steps=8",
            "steps=128",
            "checkpoint.every=32",
            "faults.on_worker_loss={respawn: {at_most: 1000}}",
            "evaluation.episodes=0",
        ],
        rows: &[
            ("faults.on_worker_loss=fail", Error("exit code 3")),
            ("faults.on_worker_loss.respawn.at_most=1", Error("1 lost workers may be replaced")),
        ],
    },
];
