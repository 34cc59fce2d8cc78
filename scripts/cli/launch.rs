//! `phalanx launch`: the ranks of a training on this machine.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use phalanx_algorithms::Which;
use phalanx_envs::Registry;
use phalanx_mesh::free_port;

use super::ranks::{self, FOLDER_FILE};
use super::{Usage, eprint_line, shell};
use crate::run::RunFolder;
use crate::signals::StopRequest;

/// How long the other ranks may take to save and stop after one has failed.
const GRACE: Duration = Duration::from_secs(20);

/// How long a rank may take to end after SIGTERM.
const TERMINATION: Duration = Duration::from_secs(5);

/// Time between two looks at the ranks.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: phalanx launch -n 4 -- train configs/cartpole.yaml

Each rank has an equal part of the rows. On several machines, start `phalanx train` with torchrun, srun or mpirun; docs/mesh.md.")]
pub(super) struct Arguments {
    /// Number of ranks, each a process with workers of its own.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    ranks: u32,
    /// How often ranks are started again, from the newest checkpoint, after one has failed.
    #[arg(long, default_value_t = 0, value_name = "N")]
    max_restarts: u32,
    /// Port of 127.0.0.1 where ranks meet [default: a free one].
    #[arg(long)]
    port: Option<u16>,
    /// The command of each rank: `train` and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Arguments {
    /// Finds mistakes of the command before there are ranks, each of which would tell them.
    fn check(&self, registry: &Registry) -> anyhow::Result<()> {
        let Some((_, rest)) = self.command.split_first().filter(|(first, _)| *first == "train") else {
            let words = shell::command(self.command.iter().map(AsRef::as_ref));
            let example = "phalanx launch -n 2 -- train CONFIG";
            return Err(Usage(format!("only `train` has ranks, not `{words}`: {example}")).into());
        };
        let train = super::train_arguments(rest).unwrap_or_else(|error| error.exit());
        ranks::check_rows(&train.config(registry)?, self.ranks as usize)
    }
}

/// Starts the ranks and waits for their end; the exit code is that of rank 0, or of one that failed.
pub(super) fn run(arguments: &Arguments, registry: &Registry) -> anyhow::Result<ExitCode> {
    arguments.check(registry)?;
    let stop = StopRequest::listen(|| ()).context("cannot listen for signals")?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let told = folder.path().join("run");
    let mut command = arguments.command.clone();
    for restarts in 0.. {
        let ranks = Ranks::start(arguments, &command, &told)?;
        let Some(failed) = ranks.wait(&stop)? else { return Ok(ExitCode::SUCCESS) };
        let can_restart = stop.exit_code().is_none() && failed != ExitCode::from(2);
        if restarts == arguments.max_restarts || !can_restart {
            return Ok(failed);
        }
        command = resumed(&told).unwrap_or_else(|| arguments.command.clone());
        let words = shell::command(command.iter().map(AsRef::as_ref));
        let (now, most) = (restarts + 1, arguments.max_restarts);
        eprint_line(&format!("starting all ranks again ({now} of {most}): phalanx {words}"));
    }
    unreachable!("restarts are bounded")
}

/// The command that continues the run whose folder the ranks have told; nothing where it has no checkpoint.
fn resumed(told: &PathBuf) -> Option<Vec<OsString>> {
    let folder = PathBuf::from(std::fs::read_to_string(told).ok()?);
    RunFolder::open(&folder).ok()?.checkpoints(1).load(Which::Latest).ok()?;
    Some(vec!["train".into(), "--resume".into(), folder.into()])
}

/// Running ranks; those that run when this is dropped are killed.
struct Ranks(Vec<Child>);

impl Ranks {
    fn start(arguments: &Arguments, command: &[OsString], told: &PathBuf) -> anyhow::Result<Self> {
        let port = match arguments.port {
            Some(port) => port,
            None => free_port()?,
        };
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut ranks = Self(Vec::new());
        for rank in 0..arguments.ranks {
            let mut child = Command::new(&program);
            child.args(command).env("MASTER_ADDR", "127.0.0.1").env(FOLDER_FILE, told);
            for (name, number) in [
                ("RANK", rank),
                ("LOCAL_RANK", rank),
                ("WORLD_SIZE", arguments.ranks),
                ("LOCAL_WORLD_SIZE", arguments.ranks),
                ("MASTER_PORT", port.into()),
            ] {
                child.env(name, number.to_string());
            }
            if rank > 0 {
                child.stdin(Stdio::null());
            }
            ranks.0.push(child.spawn().with_context(|| format!("cannot start rank {rank}"))?);
        }
        Ok(ranks)
    }

    /// Waits for all. The code of the first that failed, if one did.
    fn wait(mut self, stop: &StopRequest) -> anyhow::Result<Option<ExitCode>> {
        let mut codes: Vec<Option<u8>> = vec![None; self.0.len()];
        let mut failed: Option<(u8, Instant)> = None;
        let (mut passed_on, mut terminated) = (false, false);
        while codes.contains(&None) {
            for (rank, code) in codes.iter_mut().enumerate().filter(|(_, code)| code.is_none()) {
                let Some(status) = self.0[rank].try_wait().context("cannot wait for a rank")? else {
                    continue;
                };
                *code = Some(exit_code(status));
                if let Some(signal) = status.signal() {
                    let name =
                        Signal::try_from(signal).map_or_else(|_| signal.to_string(), |s| s.to_string());
                    eprint_line(&format!("rank {rank} was ended by {name}"));
                }
                if *code != Some(0) && failed.is_none() {
                    failed = Some((exit_code(status), Instant::now()));
                }
            }
            if stop.exit_code().is_some() && !passed_on {
                // A terminal has sent it to all of them, too: signals that come together count once.
                self.signal(&codes, Signal::SIGTERM);
                passed_on = true;
            }
            if let Some((_, since)) = failed {
                if since.elapsed() > GRACE && !terminated {
                    eprint_line("ranks did not stop after one had failed: they are ended");
                    self.signal(&codes, Signal::SIGTERM);
                    terminated = true;
                } else if since.elapsed() > GRACE + TERMINATION {
                    self.signal(&codes, Signal::SIGKILL);
                }
            }
            std::thread::sleep(LOOK);
        }
        let first = codes[0].filter(|&code| code != 0);
        Ok(first.or(failed.map(|(code, _)| code)).map(ExitCode::from))
    }

    /// Sends a signal to those that run.
    fn signal(&self, codes: &[Option<u8>], signal: Signal) {
        for (child, _) in self.0.iter().zip(codes).filter(|(_, code)| code.is_none()) {
            // One that has ended meanwhile needs none.
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
        }
    }
}

impl Drop for Ranks {
    fn drop(&mut self) {
        for child in &mut self.0 {
            if child.try_wait().is_ok_and(|status| status.is_none()) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// The code of a process that has ended, as a shell gives it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
