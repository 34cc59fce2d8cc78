//! What was taken of a file, and what was not.

use std::fmt;
use std::path::PathBuf;

use phalanx_graph::Graph;

use super::layout::Layout;
use super::placed::{Misfit, Placed, order};
use super::{InitFrom, TensorFile, earlier, first};
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
    /// Writes the tensors of `file` that have the names and shapes of those of `graph`, whose pictures are `inputs`, into `parameters`.
    ///
    /// # Errors
    /// [`AgentError::Settings`] when nothing matches, a name is that of nothing, or the order of a tensor's numbers is not known;
    /// [`AgentError::Checkpoint`] when a number is not finite.
    pub(crate) fn take(
        (graph, inputs): (&Graph, &[Option<Placed>]),
        file: &TensorFile,
        from: &InitFrom,
        parameters: &mut [f32],
    ) -> Result<Self, AgentError> {
        first(from.unknown_names(graph))?;
        from.check_names(file)?;
        let tensors = graph.tensors();
        let mut matches = Self { path: file.path.clone(), ..Self::default() };
        matches.parameters[1] = parameters.len();
        let before = file.checkpoint.as_ref().map(|checkpoint| earlier(checkpoint, graph, inputs));
        let there =
            Layout { graph, inputs: before.as_deref().unwrap_or(inputs), is_pytorch: before.is_none() };
        let here = Layout { graph, inputs, is_pytorch: false };
        let mut unused: Vec<&String> = file.tensors.keys().collect();
        for tensor in &tensors {
            let name = from.theirs(&tensor.name);
            let Some(theirs) = file.tensors.get(&name) else {
                matches.missing.push(tensor.name.clone());
                continue;
            };
            unused.retain(|&unused| *unused != name);
            let wanted = there.shape(tensor);
            if !alike(&wanted, &theirs.shape) {
                matches.other_shape.push((tensor.name.clone(), [wanted, theirs.shape.clone()]));
                continue;
            }
            if let Some(number) = theirs.numbers.iter().find(|number| !number.is_finite()) {
                let (path, reason) =
                    (file.path.clone(), format!("{name} holds {number}: not a finite number"));
                return Err(AgentError::Checkpoint { path, reason });
            }
            let into = &mut parameters[tensor.range.clone()];
            let width = if let [_, columns] = tensor.shape[..] { columns } else { into.len() };
            let pictures = theirs.pictures.clone().unwrap_or_else(|| there.pictures(tensor));
            let order = match order(width, &here.pictures(tensor), &pictures) {
                Ok(order) => order,
                Err(Misfit::Size(shapes)) => {
                    let shape = |picture| [&tensor.shape[..tensor.shape.len() - 1], picture].concat();
                    matches.other_shape.push((tensor.name.clone(), shapes.each_ref().map(|s| shape(s))));
                    continue;
                }
                Err(Misfit::Unknown(shapes)) => return Err(unknown(&tensor.name, shapes)),
            };
            let rows = theirs.numbers.chunks_exact(width.max(1));
            for (into, numbers) in into.chunks_exact_mut(width.max(1)).zip(rows) {
                into.iter_mut().zip(&order).for_each(|(into, &i)| *into = numbers[i]);
            }
            matches.parameters[0] += into.len();
            matches.taken.push(tensor.name.clone());
        }
        matches.unused = unused.into_iter().cloned().collect();
        if matches.taken.is_empty() {
            let ours = tensors.into_iter().map(|tensor| tensor.name).collect();
            return Err(matches.nothing(file.tensors.keys().cloned().collect(), ours));
        }
        Ok(matches)
    }

    /// Reports statistics of `what`, which are kept here or not, and are in the file or not: those that are in both were taken.
    pub fn report_statistics(&mut self, what: &'static str, here: bool, there: bool) {
        match (here, there) {
            (true, true) => self.statistics.push(what),
            (true, false) => self.fresh.push((what, "the file has none")),
            (false, true) => self.unused.push(format!("statistics of {what}")),
            (false, false) => {}
        }
    }

    /// The error where nothing was taken.
    fn nothing(&self, theirs: Vec<String>, ours: Vec<String>) -> AgentError {
        let list = |names: Vec<String>| if names.is_empty() { "none".into() } else { names.join(", ") };
        let shapes = match &self.other_shape[..] {
            [] => String::new(),
            other => format!("; of another shape are {}", shapes(other)),
        };
        AgentError::Settings(format!(
            "network.init_from: no tensor of {} has the name and the shape of one of this network; there are {}, and here {}{shapes}; \
             network.init_from.names gives names in the file",
            self.path.display(),
            list(theirs),
            list(ours)
        ))
    }
}

/// The error for a tensor whose numbers are in an order that is not known.
fn unknown(name: &str, [here, there]: [[usize; 3]; 2]) -> AgentError {
    AgentError::Settings(format!(
        "network.init_from: {name} reads numbers of shape {here:?} here and {there:?} in the file, and which of them are the same is not known: \
         set network.channels where a shape does not show them; operations of one's own need the same shape; a layer of another name is not taken"
    ))
}

/// Names with the shapes here and there.
fn shapes(other: &[(String, [Vec<usize>; 2])]) -> String {
    let each = other.iter().map(|(name, [ours, theirs])| format!("{name} {ours:?} (there {theirs:?})"));
    each.collect::<Vec<_>>().join(", ")
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
        if !other_shape.is_empty() {
            write!(f, "\n  of another shape in the file, hence initialised: {}", shapes(other_shape))?;
        }
        if !unused.is_empty() {
            write!(f, "\n  in the file and not used: {}", unused.join(", "))?;
        }
        Ok(())
    }
}
