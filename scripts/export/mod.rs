//! From a run to a policy file, and a policy file that plays.

mod about;
mod player;
mod record;
mod replay;

use std::io::Write;
use std::path::{Path, PathBuf};

use phalanx_agents::{ACTION, Agent, InputScale, PartKind, input_name};
use phalanx_envs::{Dtype, Layout, Role};
use phalanx_export::{Deviations, ExportError, Input, Kind, Mask, Part, Policy, Record};
use phalanx_micro::{ActError, FormatError};

pub use self::about::{About, Field};
pub use self::player::FilePolicy;
pub use self::record::record;
pub use self::replay::{Difference, Replay};

/// Why a policy file cannot be written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The policy cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A file could not be read or written.
    #[error("cannot {action} {}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no policy file, or damaged.
    #[error("{}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
    /// It is one for other programs.
    #[error("{} is for other programs: policies that play here are written by `phalanx export --format phx`", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// Its text is not what this version writes.
    #[error("{}: its description cannot be read: {reason}", .path.display())]
    About {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file acts otherwise than the run.
    #[error("the written policy acts otherwise than the trained one: {0}; nothing was written")]
    Differs(Difference),
    /// The file does not act where the run did.
    #[error("the written policy does not act in record {record}: {reason}; nothing was written")]
    NoAction {
        /// The recorded step.
        record: usize,
        /// Why.
        reason: ActError,
    },
    /// A choice whose options have numbers that no file holds.
    #[error("{field} has options from {start} on, and policy files hold whole numbers up to {most}")]
    Start {
        /// Its field.
        field: String,
        /// The number of its first option.
        start: i64,
        /// The largest one.
        most: u64,
    },
    /// A file that does not act as it did when it was written.
    #[error("{}: its self test fails, {reason}; export it again", .path.display())]
    SelfTest {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// It was trained for another environment.
    #[error("{} is for {file}, and {env} has {given}", .path.display())]
    Spaces {
        /// The file.
        path: PathBuf,
        /// What the file was made for.
        file: String,
        /// The environment.
        env: String,
        /// What that has.
        given: String,
    },
}

/// What a policy file holds: the actor of `agent`, for environments of this layout.
///
/// # Panics
/// When the agent has no actor, which every agent has.
pub fn policy<'a>(agent: &'a Agent, layout: &Layout, about: &About, records: &[Record]) -> Policy<'a> {
    let network = agent.network();
    Policy {
        graph: network.graph(),
        parameters: network.parameters().into(),
        output: network.graph().output(ACTION).expect("an actor"),
        inputs: inputs(agent, layout, about),
        parts: parts(agent, layout, about),
        action: about.action.iter().map(about::Field::exported).collect(),
        time_step: 0.0,
        text: serde_json::to_string(about).expect("plain data"),
        records: records.to_vec(),
    }
}

/// The fields of an observation that the actor reads, and masks.
fn inputs(agent: &Agent, layout: &Layout, about: &About) -> Vec<Input> {
    let scales = agent.input_scales();
    let inputs = layout.fields().iter().zip(&about.observation).map(|(field, Field { start, .. })| {
        let name = input_name(&field.path);
        let scale = scales.iter().find(|(input, _)| *input == name);
        // Masks that no network reads.
        let scale = scale.map_or(InputScale::Same, |(_, scale)| scale.clone());
        let start: Vec<f32> = start.iter().map(|&start| start as f32).collect();
        let scale = match scale {
            InputScale::Same if !start.is_empty() => {
                InputScale::Normalize { factor: vec![1.0; start.len()], mean: start, bound: f32::INFINITY }
            }
            scale => scale,
        };
        Input { name, is_bytes: field.dtype == Dtype::U8, shape: field.shape.clone(), scale }
    });
    inputs.collect()
}

/// The parts of an action: those of the head, one for each of several choices.
fn parts(agent: &Agent, layout: &Layout, about: &About) -> Vec<Part> {
    let masks: Vec<(usize, usize)> = layout
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.role == Role::Mask)
        .flat_map(|(i, field)| (0..field.len).map(move |option| (i, option)))
        .collect();
    let mask = |option: usize| masks.get(option).map(|&(input, start)| Mask { input, start });
    let scales: Vec<[f32; 4]> = layout.action_scale.elements().collect();
    let starts: Vec<f32> = about.action_starts().collect();
    let log_std = agent.network().log_std();
    let (mut parts, mut action) = (Vec::new(), 0);
    for part in agent.head().parts() {
        let (mut outputs, mut option) = (part.outputs().start, part.options().start);
        match part.kind() {
            PartKind::Choices(options) => {
                for &len in options {
                    let start = starts[action] as i32;
                    parts.push(Part { kind: Kind::Choice, outputs, len, mask: mask(option), start, action });
                    (outputs, option, action) = (outputs + len, option + len, action + 1);
                }
            }
            PartKind::Bits(len) => {
                parts.push(Part { kind: Kind::Bits, outputs, len, mask: mask(option), start: 0, action });
                action += len;
            }
            PartKind::Numbers { len, is_squashed } => {
                let deviations = part
                    .output_bounds()
                    .map_or_else(|| Deviations::Fixed(log_std[part.log_std()].to_vec()), Deviations::Output);
                let scale = scales[part.numbers()].to_vec();
                let kind = Kind::Numbers { tanh: is_squashed, scale, deviations };
                parts.push(Part { kind, outputs, len, mask: None, start: 0, action });
                action += len;
            }
        }
    }
    parts
}

/// Reads a policy file.
///
/// # Errors
/// [`PolicyError::File`].
pub fn read(path: &Path) -> Result<Vec<u8>, PolicyError> {
    std::fs::read(path).map_err(|source| PolicyError::File { action: "read", path: path.into(), source })
}

/// Writes a file that is whole or not there.
///
/// # Errors
/// [`PolicyError::File`].
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), PolicyError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = |source| PolicyError::File { action: "write", path: path.to_owned(), source };
    let mut temporary = tempfile::Builder::new().prefix(".policy-").tempfile_in(folder).map_err(file)?;
    temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all()).map_err(file)?;
    // Everyone may read what is to be copied elsewhere.
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(everyone).map_err(file)?;
    temporary.persist(path).map_err(|error| file(error.error))?;
    Ok(())
}
