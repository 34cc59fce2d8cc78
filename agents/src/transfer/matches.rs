//! What was taken of a file, and what was not.

use std::fmt;
use std::path::PathBuf;

use phalanx_graph::Graph;

use super::layout::Theirs;
use super::{InitFrom, TensorFile};
use crate::AgentError;

/// What was taken of a file, by names of this network's tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matches {
    /// The file.
    pub path: PathBuf,
    /// Those that were taken.
    pub taken: Vec<String>,
    /// Those that the file does not have.
    pub missing: Vec<String>,
    /// Those of another shape in the file: the shapes here and there.
    pub other_shape: Vec<(String, [Vec<usize>; 2])>,
    /// What the file has and this network does not, by its names there.
    pub unused: Vec<String>,
    /// Parameters that were taken, and all.
    pub parameters: [usize; 2],
    /// Statistics that were taken: of `observations`, `rewards` and `values`.
    pub statistics: Vec<&'static str>,
    /// Statistics that are kept here and were not taken, each with the reason.
    pub fresh: Vec<(&'static str, &'static str)>,
}

impl Matches {
    /// Writes the tensors of `file` that have the names and shapes of those of `graph` into `parameters`.
    ///
    /// # Errors
    /// [`AgentError::Settings`] when nothing matches, or a name is that of nothing; [`AgentError::Checkpoint`] when a number is not finite.
    pub(crate) fn take(
        graph: &Graph,
        file: &TensorFile,
        from: &InitFrom,
        parameters: &mut [f32],
    ) -> Result<Self, AgentError> {
        let ours = graph.tensors();
        from.check(&ours, file)?;
        let mut matches = Self { path: file.path.clone(), ..Self::default() };
        matches.parameters[1] = parameters.len();
        let theirs =
            file.checkpoint.as_ref().map_or(Theirs::PyTorch, |checkpoint| Theirs::of_run(checkpoint, graph));
        let mut unused: Vec<&String> = file.tensors.keys().collect();
        for tensor in &ours {
            let name = from.theirs(&tensor.name);
            let Some((their_shape, numbers)) = file.tensors.get(&name) else {
                matches.missing.push(tensor.name.clone());
                continue;
            };
            unused.retain(|&unused| *unused != name);
            let wanted = theirs.shape(graph, tensor);
            if !alike(&wanted, their_shape) {
                matches.other_shape.push((tensor.name.clone(), [wanted, their_shape.clone()]));
                continue;
            }
            if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
                let (path, reason) =
                    (file.path.clone(), format!("{name} holds {number}: not a finite number"));
                return Err(AgentError::Checkpoint { path, reason });
            }
            let into = &mut parameters[tensor.range.clone()];
            into.copy_from_slice(&theirs.convert(graph, tensor, numbers)?);
            matches.parameters[0] += into.len();
            matches.taken.push(tensor.name.clone());
        }
        matches.unused = unused.into_iter().cloned().collect();
        if matches.taken.is_empty() {
            let list = |names: Vec<String>| if names.is_empty() { "none".into() } else { names.join(", ") };
            let ours = ours.into_iter().map(|tensor| tensor.name).collect();
            return Err(AgentError::Settings(format!(
                "network.init_from: no tensor of {} has the name and the shape of one of this network; there are {}, and here {}; \
                 network.init_from.names gives names in the file",
                matches.path.display(),
                list(file.tensors.keys().cloned().collect()),
                list(ours)
            )));
        }
        Ok(matches)
    }
}

/// Whether shapes differ at most in axes of one element.
fn alike(a: &[usize], b: &[usize]) -> bool {
    let axes = |shape: &[usize]| shape.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    axes(a) == axes(b)
}

impl fmt::Display for Matches {
    /// What was taken; then a line for each kind of tensor that was not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, taken, missing, other_shape, unused, parameters: [some, all], statistics, fresh } =
            self;
        let tensors = taken.len() + missing.len() + other_shape.len();
        write!(
            f,
            "starts from {}: {} of {tensors} tensors, {some} of {all} parameters",
            path.display(),
            taken.len()
        )?;
        if !statistics.is_empty() {
            write!(f, ", and the statistics of {}", statistics.join(" and "))?;
        }
        for (what, why) in fresh {
            write!(f, "\n  statistics of {what} begin anew: {why}")?;
        }
        if !missing.is_empty() {
            write!(f, "\n  not in the file, hence initialised: {}", missing.join(", "))?;
        }
        let shapes = |(name, [ours, theirs]): &(String, [Vec<usize>; 2])| {
            format!("{name} {ours:?} (there {theirs:?})")
        };
        if !other_shape.is_empty() {
            let each: Vec<String> = other_shape.iter().map(shapes).collect();
            write!(f, "\n  of another shape in the file, hence initialised: {}", each.join(", "))?;
        }
        if !unused.is_empty() {
            write!(f, "\n  in the file and not used: {}", unused.join(", "))?;
        }
        Ok(())
    }
}
