//! `phalanx train`: a new run, or the rest of an earlier one.

use std::cell::RefCell;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use phalanx_agents::{Graph, TensorFile};
use phalanx_algorithms::{
    AlgorithmError, Checkpoints, Console, DeviationWatch, JsonLines, Logger, Objective, Outcome, Record,
    TensorBoard, Trainer, Which,
};
use phalanx_envs::contract::action_scale_warning;
use phalanx_envs::{Chosen, Registry, Workers, Zygote};
use phalanx_mesh::{Grid, Mesh};

use super::config::Overrides;
use super::mesh::MeshOverrides;
use super::ranks::Voice;
use super::resume::replay;
use super::{Usage, eprint_line, ranks, shell};
use crate::config::{self, AlgorithmSettings, Config, DeviceSetting};
use crate::mesh::{self, choose, is_automatic};
use crate::run::RunFolder;
use crate::setup;
use crate::signals::StopRequest;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file (YAML); `phalanx config show FILE` prints it with all settings.
    #[arg(value_name = "CONFIG", required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Folder in which the folder of the run is made [default: runs].
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    logdir: Option<PathBuf>,
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
    mesh: MeshOverrides,
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
        let own = [seed, workers, device].into_iter().flatten().chain(self.mesh.sets());
        self.overrides.sets.iter().cloned().chain(own).collect()
    }

    /// The configuration, and what the training begins with.
    fn configure(&self, registry: &Registry) -> anyhow::Result<(Config, Start)> {
        let sets = self.sets();
        if let Some(path) = &self.resume {
            let run = RunFolder::open(path).map_err(|error| Usage(error.to_string()))?;
            let config = run.config(&sets, registry)?;
            let before = run.config(&[], registry)?;
            refuse_starts(&before, &config)?;
            return Ok((config, Start::Resumed(run, Box::new(before))));
        }
        let file = self.config.as_deref().context("a configuration or --resume RUN is needed")?;
        let name = self.name.clone().unwrap_or_else(|| RunFolder::name_from(file));
        Ok((config::load(file, &sets, registry)?, Start::New(name)))
    }

    /// The configuration.
    ///
    /// # Errors
    /// Those of its file.
    pub fn config(&self, registry: &Registry) -> anyhow::Result<Config> {
        self.configure(registry).map(|(config, _)| config)
    }

    /// The folder of the run, and the tensors that it begins with.
    fn folder(&self, config: &Config, start: &Start) -> anyhow::Result<(RunFolder, Option<TensorFile>)> {
        match start {
            Start::Resumed(run, _) => Ok((run.clone(), None)),
            Start::New(name) => {
                let from = config.network.init_from.as_ref();
                let from = from.map(setup::tensors).transpose()?;
                Ok((RunFolder::create(self.logdir.as_deref().unwrap_or(Path::new("runs")), name)?, from))
            }
        }
    }
}

/// What a training begins with.
enum Start {
    /// New parameters, or those of a file, in a run of this name.
    New(String),
    /// The newest checkpoint of a run, which had this configuration.
    Resumed(RunFolder, Box<Config>),
}

/// Listens for signals that stop a training; `leads` where this process speaks for it.
pub(super) fn listen(leads: bool) -> anyhow::Result<StopRequest> {
    let stop = StopRequest::listen(move || {
        if leads {
            eprint_line("stopping after this iteration; a second signal stops at once, without a checkpoint");
        }
    });
    stop.context("cannot listen for signals")
}

/// Trains, as a rank of several where a launcher has started them; `listen` begins to listen for signals.
pub(super) fn run(
    arguments: &Arguments,
    registry: &Registry,
    zygote: Option<&Zygote>,
    listen: impl FnOnce(bool) -> anyhow::Result<StopRequest>,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let (config, start) = arguments.configure(registry)?;
    let mesh = ranks::join(&config)?;
    let result = divide(config, registry, &mesh).and_then(|(config, grid)| {
        lead_or_follow(arguments, (&config, &start), (registry, zygote), listen, out, &Arc::new(grid))
    });
    if let Err(error) = &result
        && !ranks::is_others(error)
    {
        mesh.leave(&format!("{error:#}"));
    }
    result
}

/// The ranks along the axes of the mesh, and the configuration with the layout that they choose where it is theirs to choose.
fn divide(mut config: Config, registry: &Registry, mesh: &Mesh) -> anyhow::Result<(Config, Grid)> {
    if is_automatic(&config) {
        let (layout, why) = choose(&config, registry, mesh)?;
        if mesh.rank() == 0 {
            eprint_line(&format!("layout {layout}; reckoned for an iteration: {why}"));
        }
        config.mesh.layout = layout;
    }
    if mesh.rank() == 0 {
        // Before there is the folder of a run.
        mesh::check(&config, registry, mesh.size())?;
    }
    let grid = Grid::new(mesh, &config.mesh)?;
    Ok((config, grid))
}

/// Rank 0 makes and holds the folder of the run, and prints; the others train with it.
fn lead_or_follow(
    arguments: &Arguments,
    (config, start): (&Config, &Start),
    (registry, zygote): (&Registry, Option<&Zygote>),
    listen: impl FnOnce(bool) -> anyhow::Result<StopRequest>,
    out: &mut impl Write,
    grid: &Arc<Grid>,
) -> anyhow::Result<ExitCode> {
    let mesh = &grid.all;
    let leads = mesh.rank() == 0;
    let (folder, from) = if leads {
        arguments.folder(config, start).map(|(run, from)| (Some(run), from))?
    } else {
        (None, None)
    };
    let run = ranks::share_folder(mesh, folder)?;
    let _held = if leads { Some(run.hold()?) } else { None };
    if leads && let Start::New(_) = start {
        run.write_config(config)?;
    }
    let mut voice = Voice::new(if leads { Some(run.log()?) } else { None });
    let words: Vec<_> = std::env::args_os().collect();
    let command = shell::command(words.iter().map(AsRef::as_ref));
    voice.note(&format!("phalanx {}: {command}", env!("CARGO_PKG_VERSION")))?;
    let training = Training { run: &run, config, start, from: from.as_ref(), grid };
    let result = listen(leads).and_then(|stop| training.train((registry, zygote), &stop, &mut voice));
    if let Err(error) = &result {
        voice.note(&format!("failed: {error:#}"))?;
    }
    let code = result?;
    // For scripts: the folder of the run is the only line on standard output. When it is closed, the exit code is the same.
    match leads.then(|| writeln!(out, "{}", run.path().display())) {
        Some(Err(error)) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot print where the run is")
        }
        _ => Ok(code),
    }
}

/// What a training is made of.
struct Training<'a> {
    run: &'a RunFolder,
    config: &'a Config,
    start: &'a Start,
    from: Option<&'a TensorFile>,
    grid: &'a Arc<Grid>,
}

impl Training<'_> {
    fn train(
        &self,
        (registry, zygote): (&Registry, Option<&Zygote>),
        stop: &StopRequest,
        voice: &mut Voice,
    ) -> anyhow::Result<ExitCode> {
        let Self { run, config, grid, .. } = *self;
        let mesh = &grid.all;
        let checkpoints = run.checkpoints(config.checkpoint.keep);
        let device = setup::device(config, mesh.local_size())?;
        let notes = RefCell::new(Vec::<String>::new());
        let note = |rows, chosen: &Chosen| {
            let mut notes = notes.borrow_mut();
            // The batch that is trained on is made first.
            let what = if notes.is_empty() { "training" } else { "evaluation" };
            notes.push(format!("{what}: {rows} rows in {} workers ({})", chosen.workers, chosen.why));
        };
        let mut trainer = setup::trainer(config, registry, zygote, (device, grid.clone()), &note)?;
        if !mesh.is_alone() {
            voice.say(&format!("rank 0 of {}; what follows is of each", mesh.size()))?;
        }
        for note in notes.take() {
            voice.say(&note)?;
        }
        voice.say(&networks(trainer.agent_mut().network().graph(), run))?;
        let (actions, scaling) = (trainer.batch_mut().action_space(), config.action_scaling);
        if let Some(warning) = action_scale_warning(actions, scaling, config.network.initial_std) {
            voice.say(&format!("warning: {warning}"))?;
        }
        match self.start {
            Start::New(_) => {
                if let Some(from) = &config.network.init_from
                    && let Some(matches) = trainer.init_from(self.from, from)?
                {
                    voice.say(&matches.to_string())?;
                }
            }
            Start::Resumed(_, before) => self.resume(&mut trainer, &checkpoints, before, voice)?,
        }
        let outcome = self.iterate(&mut trainer, &checkpoints, stop, voice);
        let closed = trainer.close();
        if outcome.is_err() {
            voice.say(&how_to_continue(&checkpoints, run))?;
        }
        let outcome = outcome?;
        if let Err(error) = closed {
            // The checkpoint is written already.
            voice.say(&format!("the environments did not end in order: {:#}", anyhow::Error::from(error)))?;
        }
        let folder = run.path();
        match outcome {
            Outcome::Finished => {
                let step = trainer.step();
                voice.say(&format!("finished after {step} steps; the run is in {}", folder.display()))?;
                voice.say(&format!("to evaluate it: {}", shell::phalanx(&["evaluate"], folder)))?;
                voice.say(&format!("to see it: {}", shell::phalanx(&["visualize"], folder)))?;
                Ok(ExitCode::SUCCESS)
            }
            Outcome::Stopped => {
                let (step, command) = (trainer.step(), shell::phalanx(&["train", "--resume"], folder));
                voice.say(&format!("stopped after {step} steps; continue with: {command}"))?;
                // Not every rank need have had the signal.
                let codes = mesh.gather(&[stop.exit_code().unwrap_or(1)])?;
                Ok(ExitCode::from(codes.concat().into_iter().max().unwrap_or(1)))
            }
        }
    }

    /// Continues from the newest checkpoint, which rank 0 reads.
    fn resume(
        &self,
        trainer: &mut Trainer,
        checkpoints: &Checkpoints,
        before: &Config,
        voice: &mut Voice,
    ) -> anyhow::Result<()> {
        let (&Self { run, config, .. }, mesh) = (self, &self.grid.all);
        let found = if mesh.rank() == 0 { Some(checkpoints.load(Which::Latest)?) } else { None };
        for damaged in found.iter().flat_map(|found| &found.damaged) {
            voice.say(&format!("skipped: {damaged}"))?;
        }
        let (path, checkpoint) = ranks::share_checkpoint(mesh, found)?;
        let limit = config.resume.replay_deadline;
        voice.say(&format!("replaying the running episodes, for {limit} s at most"))?;
        let notes = replay(trainer, (&path, &checkpoint), Duration::from_secs_f64(limit), config);
        let notes = if before.env == config.env { notes } else { notes.context("`env` was changed") }?;
        for note in notes {
            voice.say(&note)?;
        }
        for note in schedule_notes(before, config, trainer.step()) {
            voice.say(&note)?;
        }
        if config.evaluation.episodes > 0 && before.evaluation_env() != config.evaluation_env() {
            trainer.forget_best();
            voice.say(
                "evaluations are of another environment now: the next one writes the best checkpoint anew",
            )?;
        }
        if mesh.rank() == 0 {
            // Only now: a run that cannot continue with these settings keeps its own.
            run.write_config(config)?;
            checkpoints.remove_after(trainer.step())?;
        }
        voice.say(&format!("continues after step {} from {}", trainer.step(), path.display()))?;
        if trainer.is_finished() {
            voice.say("it has taken all its steps; to train it longer, add --set steps=N")?;
        }
        Ok(())
    }

    /// Trains until it is finished or stopped; rank 0 writes the metrics.
    fn iterate(
        &self,
        trainer: &mut Trainer,
        checkpoints: &Checkpoints,
        stop: &StopRequest,
        voice: &mut Voice,
    ) -> anyhow::Result<Outcome> {
        let (&Self { run, config, start, .. }, mesh) = (self, &self.grid.all);
        let stop = || stop.exit_code().is_some();
        if mesh.rank() > 0 {
            return Ok(trainer.run(checkpoints, &mut |_| Ok(()), &stop)?);
        }
        let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
        let actions = trainer.batch_mut().action_space();
        let mut deviation = DeviationWatch::new(actions, config.action_scaling, &config.network, ppo);
        let mut json = JsonLines::open(&run.metrics_file(), trainer.step())?;
        let mut board = TensorBoard::open(&run.events_file(), trainer.step())?;
        if let Start::New(_) = start {
            board.text("config", &config.to_yaml()?)?;
        }
        voice.say(&format!("run {}", run.path().display()))?;
        let mut console = Console::new(config.steps, trainer.step());
        let mut record = |record: &Record| -> Result<(), AlgorithmError> {
            json.record(record)?;
            board.record(record)?;
            console.record(record)?;
            for loss in &record.losses {
                console.suspend(|| voice.say(&format!("warning: a worker was lost and replaced: {loss}")))?;
            }
            if let Some(warning) = deviation.warning(record) {
                console.suspend(|| voice.say(&format!("warning: {warning}")))?;
            }
            Ok(())
        };
        let outcome = trainer.run(checkpoints, &mut record, &stop);
        console.finish();
        Ok(outcome?)
    }
}

/// The size of the networks, and what prints their nodes.
fn networks(graph: &Graph, run: &RunFolder) -> String {
    let (all, trained) = (graph.parameters(), graph.trained_parameters());
    let frozen = if trained < all { format!(", {} of them frozen", all - trained) } else { String::new() };
    let show = shell::phalanx(&["config", "show"], &run.config_file());
    format!("networks: {all} parameters{frozen}; their nodes: {show}")
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
        ("network.initial_weights", was.initial_weights != is.initial_weights),
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
