//! `phalanx train`: a new run, or the rest of an earlier one.

use std::cell::RefCell;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use phalanx_agents::TensorFile;
use phalanx_algorithms::{
    AlgorithmError, Checkpoints, Console, DeviationWatch, JsonLines, Logger, Objective, Outcome, Record,
    TensorBoard, Which,
};
use phalanx_envs::contract::action_scale_warning;
use phalanx_envs::{Chosen, Registry, Workers, Zygote};

use super::config::Overrides;
use super::resume::replay;
use super::{Usage, eprint_line, shell};
use crate::config::{self, AlgorithmSettings, Config, DeviceSetting};
use crate::run::{Log, RunFolder};
use crate::setup;
use crate::signals::StopRequest;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file (YAML); `phalanx config show FILE` prints it with all settings.
    #[arg(value_name = "CONFIG", required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Folder in which the folder of the run is made.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    logdir: PathBuf,
    /// Name of the run, whose folder is `<time>-<name>` [default: the name of the configuration file].
    #[arg(long, conflicts_with = "resume")]
    name: Option<String>,
    /// Seed of all random numbers of the run [default: `seed` of the configuration].
    #[arg(long, conflicts_with = "resume")]
    seed: Option<u64>,
    /// Number of worker processes; `auto` chooses one, 0 steps the environments in this process [default: `workers` of the configuration].
    #[arg(long, value_name = "auto|N")]
    workers: Option<Workers>,
    /// Device that computes the networks [default: `device` of the configuration].
    #[arg(long, value_name = "cpu|cuda|cuda:N")]
    device: Option<DeviceSetting>,
    #[command(flatten)]
    overrides: Overrides,
    /// Folder of an earlier run, which is continued from its newest checkpoint.
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    resume: Option<PathBuf>,
}

impl Arguments {
    /// See [`super::enter_working_directory`].
    pub fn enter_working_directory(&mut self) -> anyhow::Result<()> {
        self.resume.as_mut().map_or(Ok(()), |run| super::enter_working_directory(run, None))
    }

    /// All settings of the command line as overrides; those with an option of their own come last.
    fn sets(&self) -> Vec<String> {
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        let workers = self.workers.map(|workers| format!("workers={workers}"));
        let device = self.device.map(|device| format!("device={device}"));
        self.overrides.sets.iter().cloned().chain([seed, workers, device].into_iter().flatten()).collect()
    }

    /// The run, its configuration, and what it begins with.
    fn prepare(&self, registry: &Registry) -> anyhow::Result<(RunFolder, Config, Start)> {
        let sets = self.sets();
        if let Some(path) = &self.resume {
            let run = RunFolder::open(path).map_err(|error| Usage(error.to_string()))?;
            let config = run.config(&sets, registry)?;
            let before = run.config(&[], registry)?;
            refuse_starts(&before, &config)?;
            return Ok((run, config, Start::Resumed(Box::new(before))));
        }
        let file = self.config.as_deref().context("a configuration or --resume RUN is needed")?;
        let config = config::load(file, &sets, registry)?;
        let name = self.name.clone().unwrap_or_else(|| RunFolder::name_from(file));
        let from = config.network.init_from.as_ref().map(|from| setup::tensors(from.path())).transpose()?;
        Ok((RunFolder::create(&self.logdir, &name)?, config, Start::New(from)))
    }
}

/// What a training begins with.
enum Start {
    /// New parameters, or those of a file.
    New(Option<TensorFile>),
    /// The checkpoint of a run, which had this configuration.
    Resumed(Box<Config>),
}

/// Listens for signals that stop a training.
pub(super) fn listen() -> anyhow::Result<StopRequest> {
    let stop = StopRequest::listen(|| {
        eprint_line("stopping after this iteration; a second signal stops at once, without a checkpoint");
    });
    stop.context("cannot listen for signals")
}

/// Trains; `listen` begins to listen for signals.
pub(super) fn run(
    arguments: &Arguments,
    registry: &Registry,
    zygote: Option<&Zygote>,
    listen: impl FnOnce() -> anyhow::Result<StopRequest>,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let (run, config, start) = arguments.prepare(registry)?;
    let _held = run.hold()?;
    if let Start::New(_) = start {
        run.write_config(&config)?;
    }
    let mut log = run.log()?;
    let words: Vec<_> = std::env::args_os().collect();
    let command = shell::command(words.iter().map(AsRef::as_ref));
    log.write(&format!("phalanx {}: {command}", env!("CARGO_PKG_VERSION")))?;
    let result = listen().and_then(|stop| train(&run, &config, &start, registry, zygote, &stop, &mut log));
    if let Err(error) = &result {
        log.write(&format!("failed: {error:#}"))?;
    }
    let code = result?;
    // For scripts: the folder of the run is the only line on standard output. When it is closed, the exit code is the same.
    match writeln!(out, "{}", run.path().display()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot print where the run is")
        }
        _ => Ok(code),
    }
}

fn train(
    run: &RunFolder,
    config: &Config,
    start: &Start,
    registry: &Registry,
    zygote: Option<&Zygote>,
    stop: &StopRequest,
    log: &mut Log,
) -> anyhow::Result<ExitCode> {
    let checkpoints = run.checkpoints(config.checkpoint.keep);
    let device = setup::device(config)?;
    let notes = RefCell::new(Vec::<String>::new());
    let note = |rows, chosen: &Chosen| {
        let mut notes = notes.borrow_mut();
        // The batch that is trained on is made first.
        let what = if notes.is_empty() { "training" } else { "evaluation" };
        notes.push(format!("{what}: {rows} rows in {} workers ({})", chosen.workers, chosen.why));
    };
    let mut trainer = setup::trainer(config, registry, zygote, device, &note)?;
    let mut say = |text: &str| {
        let written = log.write(text);
        eprint_line(text);
        written
    };
    for note in notes.take() {
        say(&note)?;
    }
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let (actions, scaling) = (trainer.batch_mut().action_space(), config.action_scaling);
    let mut deviation = DeviationWatch::new(actions, scaling, &config.network, ppo);
    if let Some(warning) = action_scale_warning(actions, scaling, config.network.initial_std) {
        say(&format!("warning: {warning}"))?;
    }
    if let (Start::New(Some(file)), Some(from)) = (start, &config.network.init_from) {
        say(&trainer.init_from(file, from)?.to_string())?;
    }
    if let Start::Resumed(before) = start {
        let found = checkpoints.load(Which::Latest)?;
        for damaged in &found.damaged {
            say(&format!("skipped: {damaged}"))?;
        }
        let limit = config.resume.replay_deadline;
        say(&format!("replaying the running episodes, for {limit} s at most"))?;
        let notes = replay(&mut trainer, &found, Duration::from_secs_f64(limit), config);
        let notes = if before.env == config.env { notes } else { notes.context("`env` was changed") }?;
        for note in notes {
            say(&note)?;
        }
        for note in schedule_notes(before, config, trainer.step()) {
            say(&note)?;
        }
        if config.evaluation.episodes > 0 && before.evaluation_env() != config.evaluation_env() {
            trainer.forget_best();
            say("evaluations are of another environment now: the next one writes the best checkpoint anew")?;
        }
        // Only now: a run that cannot continue with these settings keeps its own.
        run.write_config(config)?;
        checkpoints.remove_after(trainer.step())?;
        say(&format!("continues after step {} from {}", trainer.step(), found.path.display()))?;
        if trainer.is_finished() {
            say("it has taken all its steps; to train it longer, add --set steps=N")?;
        }
    }
    let outcome = {
        let mut json = JsonLines::open(&run.metrics_file(), trainer.step())?;
        let mut board = TensorBoard::open(&run.events_file(), trainer.step())?;
        if let Start::New(_) = start {
            board.text("config", &config.to_yaml()?)?;
        }
        say(&format!("run {}", run.path().display()))?;
        let mut console = Console::new(config.steps, trainer.step());
        let mut record = |record: &Record| -> Result<(), AlgorithmError> {
            json.record(record)?;
            board.record(record)?;
            console.record(record)?;
            for loss in &record.losses {
                console.suspend(|| say(&format!("warning: a worker was lost and replaced: {loss}")))?;
            }
            if let Some(warning) = deviation.warning(record) {
                console.suspend(|| say(&format!("warning: {warning}")))?;
            }
            Ok(())
        };
        let outcome = trainer.run(&checkpoints, &mut record, &|| stop.exit_code().is_some());
        console.finish();
        outcome
    };
    let closed = trainer.close();
    if outcome.is_err() {
        say(&how_to_continue(&checkpoints, run))?;
    }
    let outcome = outcome?;
    if let Err(error) = closed {
        // The checkpoint is written already.
        say(&format!("the environments did not end in order: {:#}", anyhow::Error::from(error)))?;
    }
    let folder = run.path();
    match outcome {
        Outcome::Finished => {
            say(&format!("finished after {} steps; the run is in {}", trainer.step(), folder.display()))?;
            say(&format!("to evaluate it: {}", shell::phalanx(&["evaluate"], folder)))?;
            say(&format!("to see it: {}", shell::phalanx(&["visualize"], folder)))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stopped => {
            let (step, command) = (trainer.step(), shell::phalanx(&["train", "--resume"], folder));
            say(&format!("stopped after {step} steps; continue with: {command}"))?;
            Ok(ExitCode::from(stop.exit_code().unwrap_or(1)))
        }
    }
}

/// What is left of a training that failed.
fn how_to_continue(checkpoints: &Checkpoints, run: &RunFolder) -> String {
    match checkpoints.newest_step() {
        Some(step) => {
            let command = shell::phalanx(&["train", "--resume"], run.path());
            format!("it can continue after step {step}, once the cause is mended: {command}")
        }
        None => "no checkpoint was written: it can only begin anew".to_owned(),
    }
}

/// Refuses what cannot differ from the run's, and what only decides how a run starts: it would have no effect.
fn refuse_starts(before: &Config, now: &Config) -> Result<(), Usage> {
    if before.rows != now.rows {
        let (was, is) = (before.rows, now.rows);
        return Err(Usage(format!(
            "`rows` is {was} in this run, whose episodes are those of its rows, and cannot become {is}: leave it out, or begin a new run"
        )));
    }
    let (was, is) = (&before.network, &now.network);
    let (AlgorithmSettings::Ppo(ppo_was), AlgorithmSettings::Ppo(ppo_is)) =
        (&before.algorithm, &now.algorithm);
    // The penalty of the run continues; another objective begins with its own.
    let penalty_differs = match (&ppo_was.objective, &ppo_is.objective) {
        (Objective::KlPenalty(was), Objective::KlPenalty(is)) => was.initial_penalty != is.initial_penalty,
        _ => false,
    };
    let changed = [
        ("seed", before.seed != now.seed),
        ("network.initial_std", was.initial_std != is.initial_std),
        ("network.output_gain", was.output_gain != is.output_gain),
        ("network.init_from", was.init_from != is.init_from),
        ("algorithm.ppo.objective.kl_penalty.initial_penalty", penalty_differs),
    ];
    match changed.iter().find(|(_, changed)| *changed) {
        Some((name, _)) => Err(Usage(format!(
            "`{name}` decides how a run starts, and has no effect on a resumed one: leave it out, or begin a new run"
        ))),
        None => Ok(()),
    }
}

/// What another number of steps does to the schedules of a run that has taken `step`: a line for each that jumps.
fn schedule_notes(before: &Config, now: &Config, step: u64) -> Vec<String> {
    let AlgorithmSettings::Ppo(was) = &before.algorithm;
    let AlgorithmSettings::Ppo(is) = &now.algorithm;
    let share = |steps: u64| step as f64 / steps as f64;
    let (was, is) = (was.schedules(), is.schedules());
    let pairs =
        is.iter().filter_map(|(name, is)| Some((name, was.iter().find(|(other, _)| other == name)?.1, is)));
    pairs
        .map(|(name, was, is)| (name, was.at(share(before.steps)), is.at(share(now.steps))))
        .filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| {
            format!(
                "{name} continues at {is:.3e} instead of {was:.3e}: of {} steps, {step} are taken (before: of {})",
                now.steps, before.steps
            )
        })
        .collect()
}
