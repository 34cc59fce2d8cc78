//! `phalanx export`: the policy of a run as a file that acts without libtorch.

mod summary;

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::ValueEnum;
use phalanx_agents::Checkpoint;
use phalanx_algorithms::{Which, checkpoint_step, digits, evaluate, evaluation_shape};
use phalanx_envs::{EnvSpec, Registry, Workers};
use phalanx_export::{Quantization, Sources};
use phalanx_micro::Policy;
use serde_json::{Map, Value};

use super::{Usage, flattened, played};
use crate::config::Config;
use crate::export::{self, About, FilePolicy, Replay};
use crate::run::RunFolder;
use crate::setup;

/// Largest difference of an output of the network, as a part of the largest one.
const TOLERANCE: f32 = 1e-6;

/// The same with a hidden state, in which differences of rounding add up over the steps of an episode.
const RECURRENT_TOLERANCE: f32 = 1e-5;

/// Episodes over which a policy in 8 bits is measured.
const EPISODES: usize = 100;

/// Steps after which such an episode is cut off.
const MOST_STEPS: u64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A policy file, which `phalanx evaluate --policy`, the C library and microcontrollers run.
    Phx,
    /// C99 without a library.
    C,
    /// A model of ONNX, in floats.
    Onnx,
    /// A model of TensorFlow Lite.
    Tflite,
}

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
    /// File that is written; for C also a header beside it.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Format of the file [default: by the ending of FILE, or phx].
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Numbers in which dense layers and convolutions are computed.
    ///
    /// With int8, weights and results take a quarter of the memory, for microcontrollers with little of it; the return is measured before and
    /// after. GRU and LSTM stay in floats and gain little, and a processor with vector registers is faster in floats (docs/deploy.md).
    #[arg(long, value_enum, default_value_t, value_name = "DTYPE")]
    dtype: Dtype,
    /// Override a setting of the run's configuration, as in `--set env.params.g=1.6`; may be repeated.
    ///
    /// Where the configuration has an environment of its own for evaluations, that is the one to set: `--set evaluation.env.params.g=1.6`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Unit of a field's numbers, as in `--unit observation.levels=m`, or of each, as in `--unit observation=m,m/s`; may be repeated.
    ///
    /// It takes the place of what the environment itself declares.
    #[arg(long = "unit", value_name = "FIELD=UNIT", value_parser = unit)]
    units: Vec<(String, Value)>,
    /// Number of steps over which int8 measures the range of each result.
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calibrate: u32,
    /// Number of steps whose observations and actions are recorded in the file.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    records: u32,
    /// Seconds from one action to the next, for programs that read them from the file; 0: not known.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    time_step: f32,
    /// Most bytes of the file, as in 32KiB, or 32K for 32,000; a larger one is not written.
    #[arg(long, value_name = "SIZE")]
    max_flash: Option<ByteSize>,
    /// Most bytes of memory that the policy may need while it acts; one that needs more is not written.
    #[arg(long, value_name = "SIZE")]
    max_ram: Option<ByteSize>,
}

impl Arguments {
    fn format(&self) -> Format {
        let ending = self.out.extension().and_then(|ending| ending.to_str());
        let of_ending = ending.and_then(|ending| Format::from_str(ending, true).ok());
        self.format.or(of_ending).unwrap_or(Format::Phx)
    }

    /// What formats do not have.
    fn check(&self) -> Result<(), Usage> {
        let is_model = matches!(self.format(), Format::Onnx | Format::Tflite);
        if self.format() == Format::Onnx && self.dtype == Dtype::Int8 {
            return Err(Usage(
                "models of ONNX are in floats: leave out --dtype int8, or write a .tflite, .phx or .c file"
                    .into(),
            ));
        }
        if is_model && self.max_ram.is_some() {
            return Err(Usage(
                "what runs a model decides on its memory: --max-ram is for .phx and .c files".into(),
            ));
        }
        if self.format() == Format::C && self.out.extension().is_some_and(|ending| ending == "h") {
            return Err(Usage("the header is written beside the source: name a file that ends in .c".into()));
        }
        if let Some(folder) =
            self.out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        {
            return Err(Usage(format!("there is no folder {}: make it first", folder.display())));
        }
        if self.format() == Format::C && self.max_flash.is_some() {
            return Err(Usage(
                "the compiler decides on the bytes of C: --max-flash is for other files".into(),
            ));
        }
        Ok(())
    }

    /// See [`super::enter_working_directory`].
    pub fn enter_working_directory(&mut self) -> anyhow::Result<()> {
        super::enter_working_directory(&mut self.run, Some(&mut self.out))
    }
}

pub(super) fn run(arguments: &Arguments, registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    arguments.check()?;
    let run = RunFolder::open(&arguments.run).map_err(|error| Usage(error.to_string()))?;
    let config = played::configuration(&run, &arguments.sets, registry)?;
    let config = Config { workers: Workers::Count(0), ..config };
    let found = run.checkpoints(config.checkpoint.keep).load(arguments.checkpoint)?;
    let device = setup::device(&config, 1)?;
    let env = config.evaluation_env();
    let shape = (1, 1, setup::trial_seed(config.seed));
    let mut batch = setup::batch(&config, env, registry, None, shape, 1)?.batch;
    let mut agent = setup::agent(&config, batch.block().layout(), device, &found.checkpoint)
        .map_err(|e| flattened::explain(e, env, config.evaluation_env_path()))?;
    let records = arguments.records as usize;
    let calibrate = if arguments.dtype == Dtype::Int8 { arguments.calibrate as usize } else { 0 };
    let (played, outputs) = export::record(&mut agent, &mut *batch, records.max(calibrate))?;
    batch.close()?;
    let (about, layout) = (about(arguments, env, registry, &found.checkpoint)?, batch.block().layout());
    let played = about.numbered(played);
    let records = &played[..records];
    let mut policy = export::policy(&agent, layout, &about, records);
    policy.time_step = arguments.time_step;
    let mut bytes = phalanx_export::write(&policy, None)?;
    let replay = Replay::new(&bytes, &policy, records)?;
    let is_recurrent = agent.network().graph().state() > 0;
    replay.check(records, &outputs, if is_recurrent { RECURRENT_TOLERANCE } else { TOLERANCE })?;
    let (mut int8, mut notes) = (None, Vec::new());
    if arguments.dtype == Dtype::Int8 {
        let quantization = int8.insert(Quantization::new(&mut policy, &played)?);
        let replay = Replay::new(&phalanx_export::write(&policy, Some(quantization))?, &policy, records)?;
        let bound = replay.difference(&outputs, 0.0).map_or(0.0, |difference| difference.share);
        // Its self test is about its own actions.
        policy.records.iter_mut().zip(replay.actions).for_each(|(record, action)| record.action = action);
        let floats = std::mem::replace(&mut bytes, phalanx_export::write(&policy, Some(quantization))?);
        let [before, after] = [&floats, &bytes].map(|bytes| measure(bytes, arguments, &config, registry));
        notes.push(format!("outputs in 8 bits differ by {bound:.4} of the largest one at most"));
        notes.push(format!("return over {EPISODES} episodes: {} in 8 bits, {} in floats", after?, before?));
    }

    let mut memory = Vec::new();
    let ram = 4 * Policy::arena(phalanx_export::aligned(&bytes, &mut memory))?;
    let files = files(arguments, &policy, int8.as_ref(), bytes)?;
    let size: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let recorded = policy.recorded_bytes();
    check_budgets(arguments, [size, recorded, ram]).map_err(Usage)?;
    files.iter().try_for_each(|(path, bytes)| export::save(path, bytes))?;
    let (file, steps, name) = (arguments.out.display(), about.steps, &about.env.name);
    let is_file = arguments.format() == Format::Phx;
    let recorded = if is_file { format!(" with {} recorded steps", records.len()) } else { String::new() };
    writeln!(out, "{file}: the policy of {name} after {steps} steps, {size} bytes{recorded}")?;
    summary::signature(arguments.format(), &policy, &about, out)?;
    if matches!(arguments.format(), Format::Phx | Format::C) {
        writeln!(out, "  {ram} bytes of memory while it acts")?;
    }
    writeln!(out, "  {}", summary::operations(&policy))?;
    notes.iter().try_for_each(|note| writeln!(out, "  {note}"))?;
    match arguments.format() {
        Format::Phx => writeln!(out, "to evaluate it: phalanx evaluate --policy {file}")?,
        Format::C => writeln!(out, "its functions: {}", files[1].0.display())?,
        Format::Onnx | Format::Tflite => {}
    }
    Ok(())
}

/// What the file holds about itself.
fn about(
    arguments: &Arguments,
    env: &EnvSpec,
    registry: &Registry,
    checkpoint: &Checkpoint,
) -> anyhow::Result<About> {
    let mut info = registry.info_of(env)?;
    let units = arguments.units.iter().cloned().collect::<Map<String, Value>>().into();
    let labels = info.labels.with_units(&units, &info.observation_space, &info.action_space);
    info.labels = labels.map_err(|error| Usage(format!("--unit: {error}")))?;
    Ok(About::new(env, &info, checkpoint_step(checkpoint)?)?)
}

/// Fails where the file of `size` bytes, `recorded` of them for recorded steps, or the `ram` bytes of memory are more than what was asked for.
fn check_budgets(arguments: &Arguments, [size, recorded, ram]: [usize; 3]) -> Result<(), String> {
    let is_more = |size: usize, most: Option<ByteSize>| {
        most.map(|most| most.as_u64()).filter(|&most| size as u64 > most)
    };
    if let Some(most) = is_more(size, arguments.max_flash) {
        let records = match (arguments.format(), arguments.records) {
            (Format::Phx, 1..) => format!(
                "; {recorded} of them are the {} recorded steps, of which `--records N` writes less",
                arguments.records
            ),
            _ => String::new(),
        };
        return Err(format!(
            "the file takes {size} bytes, more than {most} bytes{records}; nothing was written"
        ));
    }
    if let Some(most) = is_more(ram, arguments.max_ram) {
        let message = format!("the memory while it acts takes {ram} bytes, more than {most} bytes");
        return Err(format!("{message}; nothing was written"));
    }
    Ok(())
}

/// A field with its unit, or the unit of each of its numbers.
fn unit(text: &str) -> Result<(String, Value), String> {
    let (field, units) = text.split_once('=').ok_or("a field and its unit are needed, as in action=N")?;
    let each: Vec<Value> = units.split(',').map(|unit| unit.trim().into()).collect();
    Ok((field.to_owned(), each.into()))
}

/// A number of seconds that is one.
fn seconds(text: &str) -> Result<f32, String> {
    let seconds: f32 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds >= 0.0 && seconds.is_finite() {
        Ok(seconds)
    } else {
        Err("seconds are finite and not negative".into())
    }
}

/// The files of a policy whose policy file has these bytes, each with its path.
fn files(
    arguments: &Arguments,
    policy: &phalanx_export::Policy<'_>,
    int8: Option<&Quantization>,
    bytes: Vec<u8>,
) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let out = arguments.out.clone();
    Ok(match arguments.format() {
        Format::Phx => vec![(out, bytes)],
        Format::Onnx => vec![(out, phalanx_export::onnx(policy)?)],
        Format::Tflite => vec![(out, phalanx_export::tflite(policy, int8)?)],
        Format::C => {
            let name = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let Sources { source, header } = phalanx_export::c(policy, int8, &name)?;
            let beside = out.with_extension("h");
            vec![(out, source.into_bytes()), (beside, header.into_bytes())]
        }
    })
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
    let mut batch = setup::batch(config, config.evaluation_env(), registry, None, shape, 1)?.batch;
    let mut policy = FilePolicy::new(bytes, &arguments.out)?;
    let evaluation = evaluate(&mut policy, &mut *batch, (EPISODES, MOST_STEPS), |_| (), &|| false)?;
    batch.close()?;
    Ok(digits(evaluation.expect("nothing stops it").return_mean(), 2))
}
