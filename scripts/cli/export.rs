//! `phalanx export`: the policy of a run as a file that acts without libtorch.

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;
use phalanx_agents::ACTION;
use phalanx_algorithms::{Which, checkpoint_step, digits, evaluate, evaluation_shape};
use phalanx_envs::{Registry, Workers};
use phalanx_export::Quantization;
use phalanx_micro::Policy;

use super::Usage;
use crate::config::Config;
use crate::export::{self, About, FilePolicy, PolicyError, Replay};
use crate::run::RunFolder;
use crate::setup;

/// Largest difference of an output of the network, as a part of the largest one.
const TOLERANCE: f32 = 1e-6;

/// Episodes over which a policy in 8 bits is measured.
const EPISODES: usize = 100;

/// Steps after which such an episode is cut off.
const MOST_STEPS: u64 = 10_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 8 bits, as in TensorFlow Lite.
    Int8,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of the run, as printed by `phalanx train`.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Checkpoint whose policy is written: the newest, the one with the best evaluation, or the one of a step.
    #[arg(long, default_value = "latest", value_name = "latest|best|STEP")]
    checkpoint: Which,
    /// File that is written.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Numbers in which dense layers and convolutions are computed.
    ///
    /// With int8, weights and results take a quarter of the memory; the return is measured before and after.
    #[arg(long, value_enum, default_value_t, value_name = "DTYPE")]
    dtype: Dtype,
    /// Number of steps over which int8 measures the range of each result.
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    calibrate: u32,
    /// Number of steps whose observations and actions are recorded in the file.
    #[arg(long, default_value_t = 256, value_name = "N")]
    records: usize,
    /// Most bytes of the file, as in 32KiB, or 32K for 32,000; a larger one is not written.
    #[arg(long, value_name = "SIZE")]
    max_flash: Option<ByteSize>,
    /// Most bytes of memory that the policy may need while it acts; one that needs more is not written.
    #[arg(long, value_name = "SIZE")]
    max_ram: Option<ByteSize>,
}

impl Arguments {
    /// See [`super::enter_working_directory`].
    pub fn enter_working_directory(&mut self) -> anyhow::Result<()> {
        super::enter_working_directory(&mut self.run, Some(&mut self.out))
    }
}

pub(super) fn run(arguments: &Arguments, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let run = RunFolder::open(&arguments.run).map_err(|error| Usage(error.to_string()))?;
    let config = Config { workers: Workers::Count(0), ..run.config(&[], registry)? };
    let found = run.checkpoints(config.checkpoint.keep).load(arguments.checkpoint)?;
    let device = setup::device(&config)?;
    let env = config.evaluation_env();
    let shape = (1, 1, setup::trial_seed(config.seed));
    let mut batch = setup::batch(&config, env, registry, None, shape)?.batch;
    let mut agent = setup::agent(&config, batch.block().layout(), device, &found.checkpoint)?;
    let calibrate = if arguments.dtype == Dtype::Int8 { arguments.calibrate as usize } else { 0 };
    let (played, outputs) = export::record(&mut agent, &mut *batch, arguments.records.max(calibrate))?;
    batch.close()?;
    let (about, layout) = (
        About::new(env, batch.block().layout(), checkpoint_step(&found.checkpoint)?),
        batch.block().layout(),
    );
    let records = &played[..arguments.records];
    let mut policy = export::policy(&agent, layout, &about, records);
    let mut bytes = phalanx_export::write(&policy, None)?;
    let replay = Replay::new(&bytes, &policy, records)?;
    let difference = replay.difference(&outputs[..arguments.records]);
    if difference > TOLERANCE {
        return Err(PolicyError::Differs(format!("an output by {difference:e} of the largest one")).into());
    }
    let mut notes = Vec::new();
    if arguments.dtype == Dtype::Int8 {
        let int8 = Quantization::new(&mut policy, &played)?;
        let replay = Replay::new(&phalanx_export::write(&policy, Some(&int8))?, &policy, records)?;
        let bound = replay.difference(&outputs[..arguments.records]);
        policy.records.iter_mut().zip(replay.actions).for_each(|(record, action)| record.action = action);
        let floats = std::mem::replace(&mut bytes, phalanx_export::write(&policy, Some(&int8))?);
        let [before, after] =
            [floats, bytes.clone()].map(|bytes| measure(&bytes, arguments, &config, registry));
        notes = vec![
            format!("  outputs in 8 bits differ by {bound:.4} of the largest one at most"),
            format!("  return over {EPISODES} episodes: {} in 8 bits, {} in floats", after?, before?),
        ];
    }

    let mut memory = Vec::new();
    let ram = 4 * Policy::arena(phalanx_export::aligned(&bytes, &mut memory))?;
    for (what, size, most) in
        [("file", bytes.len(), arguments.max_flash), ("memory while it acts", ram, arguments.max_ram)]
    {
        if let Some(most) = most.filter(|most| size as u64 > most.as_u64()) {
            let message = format!(
                "the {what} takes {size} bytes, more than {} bytes; nothing was written",
                most.as_u64()
            );
            return Err(Usage(message).into());
        }
    }
    export::save(&arguments.out, &bytes)?;
    let graph = agent.network().graph();
    let actor = graph.output(ACTION).map(|action| graph.order(&[action])).unwrap_or_default();
    let multiplications: usize = actor.iter().map(|&i| graph.nodes[i].multiplications()).sum();
    let (file, steps) = (arguments.out.display(), about.steps);
    writeln!(
        out,
        "{file}: the policy of {} after {steps} steps, {} bytes with {} recorded steps",
        about.env.name,
        bytes.len(),
        records.len()
    )?;
    writeln!(
        out,
        "  {ram} bytes of memory while it acts, {multiplications} multiplications with weights a step"
    )?;
    notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
    writeln!(out, "to evaluate it: phalanx evaluate --policy {file}")?;
    Ok(())
}

/// Mean return of a policy file.
fn measure(
    bytes: &[u8],
    arguments: &Arguments,
    config: &Config,
    registry: &Registry,
) -> anyhow::Result<String> {
    let (rows, steps) = evaluation_shape(EPISODES);
    let shape = (rows, steps, setup::trial_seed(0));
    let mut batch = setup::batch(config, config.evaluation_env(), registry, None, shape)?.batch;
    let mut policy = FilePolicy::new(bytes, &arguments.out)?;
    let evaluation = evaluate(&mut policy, &mut *batch, (EPISODES, MOST_STEPS), |_| (), &|| false)?;
    batch.close()?;
    Ok(digits(evaluation.expect("nothing stops it").return_mean(), 2))
}
