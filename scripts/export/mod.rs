//! From a run to a policy file, and a policy file that plays.

mod about;
mod player;
mod record;

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use phalanx_agents::{ACTION, Agent, InputScale, PartKind, input_name};
use phalanx_envs::{Dtype, Layout, Role};
use phalanx_export::{ExportError, Input, Kind, Mask, Part, Policy, Record, Recorded};
use phalanx_micro::{self as micro, FormatError};

pub use self::about::About;
pub use self::player::FilePolicy;
pub use self::record::record;

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
    Differs(String),
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
        inputs: inputs(agent, layout),
        parts: parts(agent, layout),
        action: about.action.iter().map(about::Field::exported).collect(),
        time_step: 0.0,
        text: serde_json::to_string(about).expect("plain data"),
        records: records.to_vec(),
    }
}

/// The fields of an observation that the actor reads, and masks.
fn inputs(agent: &Agent, layout: &Layout) -> Vec<Input> {
    let scales = agent.input_scales();
    let inputs = layout.fields().iter().map(|field| {
        let name = input_name(&field.path);
        let scale = scales.iter().find(|(input, _)| *input == name);
        // Masks that no network reads.
        let scale = scale.map_or(InputScale::Same, |(_, scale)| scale.clone());
        Input { name, is_bytes: field.dtype == Dtype::U8, shape: field.shape.clone(), scale }
    });
    inputs.collect()
}

/// The parts of an action: those of the head, one for each of several choices.
fn parts(agent: &Agent, layout: &Layout) -> Vec<Part> {
    let masks: Vec<(usize, usize)> = layout
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.role == Role::Mask)
        .flat_map(|(i, field)| (0..field.len).map(move |option| (i, option)))
        .collect();
    let mask = |option: usize| masks.get(option).map(|&(input, start)| Mask { input, start });
    let scales: Vec<[f32; 4]> = layout.action_scale.elements().collect();
    let (mut parts, mut action) = (Vec::new(), 0);
    for part in agent.head().parts() {
        let (mut outputs, mut option) = (part.outputs().start, part.options().start);
        match part.kind() {
            PartKind::Choices(options) => {
                for &len in options {
                    parts.push(Part { kind: Kind::Choice, outputs, len, mask: mask(option), action });
                    (outputs, option, action) = (outputs + len, option + len, action + 1);
                }
            }
            PartKind::Bits(len) => {
                parts.push(Part { kind: Kind::Bits, outputs, len, mask: mask(option), action });
                action += len;
            }
            PartKind::Numbers { len, is_squashed } => {
                let kind = Kind::Numbers { tanh: is_squashed, scale: scales[part.numbers()].to_vec() };
                parts.push(Part { kind, outputs, len, mask: None, action });
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

/// What a file does for recorded observations.
pub struct Replay {
    /// Outputs of its network for each.
    outputs: Vec<Vec<f32>>,
    /// Which of the trained network's they are.
    read: Vec<usize>,
    /// Its actions.
    pub actions: Vec<Vec<f32>>,
}

impl Replay {
    /// Of the file with these bytes.
    ///
    /// # Errors
    /// [`PolicyError`] where there is no action.
    pub fn new(bytes: &[u8], policy: &Policy<'_>, records: &[Record]) -> Result<Self, PolicyError> {
        let mut memory = Vec::new();
        let file = phalanx_export::aligned(bytes, &mut memory);
        let mut arena = vec![0.0; micro::Policy::arena(file).map_err(ExportError::from)?];
        let mut micro = micro::Policy::new(file, &mut arena).map_err(ExportError::from)?;
        let mut action = vec![0.0; micro.action_len()];
        let (mut outputs, mut actions) = (Vec::new(), Vec::new());
        for (step, record) in records.iter().enumerate() {
            if record.begins {
                micro.reset();
            }
            let elements: Vec<_> = record.observation.iter().map(Recorded::elements).collect();
            let acted = micro.act(&elements, &mut action);
            acted.map_err(|error| PolicyError::Differs(format!("step {step}: {error}")))?;
            outputs.push(micro.outputs().collect());
            actions.push(action.clone());
        }
        // The file has the outputs of one part of an action after the other, and no deviations.
        let read = policy.parts.iter().flat_map(|part| part.outputs..part.outputs + part.len).collect();
        Ok(Self { outputs, read, actions })
    }

    /// Fails unless outputs are within `tolerance` of the largest one of the trained network's, and actions are the recorded ones.
    ///
    /// # Errors
    /// [`PolicyError::Differs`].
    pub fn check(&self, records: &[Record], trained: &[Vec<f32>], tolerance: f32) -> Result<(), PolicyError> {
        let difference = self.difference(trained);
        if difference > tolerance {
            let step =
                (0..trained.len()).find(|&step| self.difference_at(trained, step..step + 1) > tolerance);
            let step = step.unwrap_or(0);
            let there: Vec<f32> = self.read.iter().map(|&i| trained[step][i]).collect();
            let here = &self.outputs[step];
            let message = format!(
                "outputs of step {step} are {here:?}, and {there:?} when it was recorded, {difference:e} of the largest one apart where \
                 {tolerance:e} is allowed. This is a fault of the export, or of an operation of one's own: please report it with the run's config.yaml"
            );
            return Err(PolicyError::Differs(message));
        }
        for (step, (here, record)) in self.actions.iter().zip(records).enumerate() {
            let differs = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-5 * b.abs().max(1.0);
            if here.iter().zip(&record.action).any(differs) {
                let message = format!("its action of step {step} is {here:?}, and was {:?}", record.action);
                return Err(PolicyError::Differs(message));
            }
        }
        Ok(())
    }

    /// The largest difference of an output from those of the trained network, as a part of the largest one.
    pub fn difference(&self, trained: &[Vec<f32>]) -> f32 {
        self.difference_at(trained, 0..trained.len().min(self.outputs.len()))
    }

    /// That of some steps, as a part of the largest output of all.
    fn difference_at(&self, trained: &[Vec<f32>], steps: Range<usize>) -> f32 {
        let pairs_at = |steps: Range<usize>| {
            let steps = self.outputs[steps.clone()].iter().zip(&trained[steps]);
            steps.flat_map(|(here, there)| here.iter().zip(self.read.iter().map(|&i| &there[i])))
        };
        let pairs = || pairs_at(steps.clone());
        let all = pairs_at(0..trained.len().min(self.outputs.len()));
        let largest = all.fold(1.0, |most: f32, (_, x)| most.max(x.abs()));
        // NaN is as far away as can be.
        let difference = |(here, there): (&f32, &f32)| {
            let difference = (here - there).abs() / largest;
            if difference.is_nan() { f32::INFINITY } else { difference }
        };
        pairs().map(difference).fold(0.0, f32::max)
    }
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
