//! The ranks of a training: how they meet, and who prints and writes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use anyhow::Context;
use phalanx_agents::{AgentError, Checkpoint};
use phalanx_algorithms::{AlgorithmError, Found, LogError};
use phalanx_mesh::{JoinOptions, Mesh, MeshError, Place};

use super::{Usage, eprint_line};
use crate::config::Config;
use crate::mesh::is_automatic;
use crate::run::{Log, RunFolder};

/// Variable of the environment that names a file to which rank 0 writes where its run is, for the program that started it.
pub(super) const FOLDER_FILE: &str = "PHALANX_FOLDER_FILE";

/// Meets the other ranks, where a launcher has started several.
pub(super) fn join(config: &Config) -> anyhow::Result<Mesh> {
    let Some(place) = Place::from_env().map_err(|error| Usage(error.to_string()))? else {
        check_rows(config, 1)?;
        return Ok(Mesh::alone());
    };
    check_rows(config, place.size)?;
    end_with_the_launcher();
    let identity = format!("phalanx {}\n{}", env!("CARGO_PKG_VERSION"), config.to_yaml()?);
    let options = JoinOptions { settings: config.mesh.clone(), identity };
    let mut waiting = |missing: &[usize]| {
        if place.rank == 0 {
            eprint_line(&format!("waiting at {} for ranks {missing:?} of {}", place.address(), place.size));
        }
    };
    Ok(Mesh::join(&place, &options, &mut waiting)?)
}

/// Fails unless the mesh is one of this many ranks, and they can have equal parts of the rows.
pub(super) fn check_rows(config: &Config, ranks: usize) -> anyhow::Result<()> {
    if is_automatic(config) {
        return Ok(());
    }
    config.mesh.rules(ranks).map_err(|error| Usage(error.to_string()))?;
    let (rows, ranks) = (config.rows, config.mesh.data_size(ranks));
    if rows.is_multiple_of(ranks) {
        return Ok(());
    }
    let message =
        format!("`rows` is {rows}, which {ranks} ranks cannot share equally: choose a multiple of {ranks}");
    Err(Usage(message).into())
}

/// Has the system stop this rank, in order, when a launcher on this machine dies.
fn end_with_the_launcher() {
    #[cfg(target_os = "linux")]
    if std::env::var_os(FOLDER_FILE).is_some() {
        // Without it, the rank would only go on.
        let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM);
    }
}

/// Gives all ranks the folder that rank 0 has.
pub(super) fn share_folder(mesh: &Mesh, run: Option<RunFolder>) -> anyhow::Result<RunFolder> {
    let path = run.as_ref().map(|run| std::path::absolute(run.path())).transpose()?;
    let path = share_path(mesh, path)?;
    if let (Some(file), 0) = (std::env::var_os(FOLDER_FILE), mesh.rank()) {
        std::fs::write(file, path.as_os_str().as_encoded_bytes())
            .context("cannot tell the launcher where the run is")?;
    }
    Ok(run.unwrap_or_else(|| RunFolder::at(path)))
}

/// Gives all ranks the checkpoint that rank 0 has found, and where.
pub(super) fn share_checkpoint(mesh: &Mesh, found: Option<Found>) -> anyhow::Result<(PathBuf, Checkpoint)> {
    if mesh.is_alone()
        && let Some(found) = found
    {
        return Ok((found.path, found.checkpoint));
    }
    let (path, checkpoint) = found.map(|found| (found.path, found.checkpoint)).unzip();
    let path = share_path(mesh, path)?;
    let mut bytes = checkpoint.map_or(Vec::new(), |checkpoint| checkpoint.to_bytes());
    mesh.broadcast(&mut bytes)?;
    let checkpoint = Checkpoint::from_bytes(&bytes)
        .map_err(|reason| AlgorithmError::from(AgentError::Checkpoint { path: path.clone(), reason }))?;
    Ok((path, checkpoint))
}

/// Gives all ranks a path that rank 0 has.
fn share_path(mesh: &Mesh, path: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let mut bytes = path.map_or(Vec::new(), |path| path.into_os_string().into_vec());
    mesh.broadcast(&mut bytes)?;
    Ok(OsString::from_vec(bytes).into())
}

/// Whether an error is about another rank, which has told all of it.
pub(super) fn is_others(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<MeshError>() || matches!(cause.downcast_ref(), Some(AlgorithmError::Mesh(_))))
}

/// What a training says, on the terminal and in the log of its run. Of several ranks, the first one speaks.
pub(super) struct Voice(Option<Log>);

impl Voice {
    /// That of the rank that has the log.
    pub fn new(log: Option<Log>) -> Self {
        Self(log)
    }

    /// Says a line.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn say(&mut self, text: &str) -> Result<(), LogError> {
        let Some(log) = &mut self.0 else { return Ok(()) };
        let written = log.write(text);
        eprint_line(text);
        written
    }

    /// Writes a line to the log alone.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn note(&mut self, text: &str) -> Result<(), LogError> {
        self.0.as_mut().map_or(Ok(()), |log| log.write(text))
    }
}
