//! The ranks of a training along the axes of its mesh, and what is divided along which.

use std::sync::{Mutex, PoisonError};

use crate::shape::ENV;
use crate::{Axis, Layout, Mesh, MeshError, MeshSettings, Race, Rule, Shape};

/// The ranks of a training, as one of them sees them. One rank alone has all of everything.
#[derive(Default)]
pub struct Grid {
    /// All of them.
    pub all: Mesh,
    /// Those that have the same part of the network, and other rows of environments.
    pub data: Mesh,
    /// Those that have the other parts of the network, and the same rows.
    pub parts: Parts,
    /// Ends late rollouts, where that is wished for.
    pub race: Option<Race>,
}

impl Grid {
    /// One rank.
    pub fn alone() -> Self {
        Self::default()
    }

    /// The ranks of `all` along the axes of `settings`, which every one of them calls once.
    ///
    /// # Errors
    /// [`MeshError::Layout`]; those of a connection.
    pub fn new(all: &Mesh, settings: &MeshSettings) -> Result<Self, MeshError> {
        let (axes, rules) = settings.rules(all.size())?;
        let place = coordinates(&axes, all.rank());
        // Ranks that have other coordinates on the axes that are `free`, and this one's on the others.
        let along = |name: &str, free: &dyn Fn(&Axis) -> bool| {
            let is_there = |rank: &usize| {
                let other = coordinates(&axes, *rank);
                (0..axes.len()).all(|i| free(&axes[i]) || other[i] == place[i])
            };
            let members: Vec<usize> = (0..all.size()).filter(is_there).collect();
            all.subset(&members, &format!("{name}/{}", members.first().unwrap_or(&0)))
        };
        let env = rules.iter().find(|rule| rule.dimension == ENV).map(|rule| rule.axis.clone());
        let is_data = |axis: &Axis| env.as_ref() == Some(&axis.name);
        let model: Vec<usize> = (0..axes.len()).filter(|&i| !is_data(&axes[i])).collect();
        let data = along("data", &is_data)?;
        let parts = Parts {
            along: model
                .iter()
                .map(|&i| along(&format!("axis-{i}"), &|axis| axis.name == axes[i].name))
                .collect::<Result<_, _>>()?,
            all: along("model", &|axis| !is_data(axis))?,
            place: model.iter().map(|&i| place[i]).collect(),
            axes: model.iter().map(|&i| axes[i].clone()).collect(),
            rules: settings.network_rules(all.size())?.1,
            failed: Mutex::default(),
        };
        let race = match settings.preempt {
            Some(_) if parts.is_divided() => {
                let reason = "mesh.preempt is for layouts that divide env alone: ranks with parts of one network take the same steps";
                return Err(MeshError::Layout(reason.into()));
            }
            Some(share) => Race::new(&data, share)?,
            None => None,
        };
        Ok(Self { all: all.clone(), data, parts, race })
    }

    /// Bytes of gradients and results of layers that this rank gave to sums since the last call.
    pub fn take_bytes(&self) -> u64 {
        let along = self.parts.along.iter().map(Mesh::take_bytes).sum::<u64>();
        self.data.take_bytes() + along
    }
}

/// The ranks among which a network is divided, as one of them sees them.
#[derive(Default)]
pub struct Parts {
    /// The axes along which it is.
    pub axes: Vec<Axis>,
    /// This rank's number along each.
    pub place: Vec<usize>,
    /// Dimensions that are divided along these axes.
    pub rules: Vec<Rule>,
    /// All ranks that have a part.
    pub all: Mesh,
    /// Those along each axis.
    along: Vec<Mesh>,
    failed: Mutex<Option<MeshError>>,
}

impl Parts {
    /// Replaces `numbers` by their sums over the ranks along an axis. After a failure, which [`Self::check`] returns, it does nothing.
    pub fn sum(&self, axis: usize, numbers: &mut [f32]) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none() {
            *failed = self.along[axis].all_reduce(numbers).err();
        }
    }

    /// Has [`Self::check`] return an error of another exchange between these ranks.
    pub fn fail(&self, error: MeshError) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Why a sum failed, where one did: what was computed of it means nothing.
    ///
    /// # Errors
    /// Those of the mesh.
    pub fn check(&self) -> Result<(), MeshError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// Whether the network is divided.
    pub fn is_divided(&self) -> bool {
        !self.rules.is_empty()
    }
}

/// The number of a rank along each of these axes.
pub fn coordinates(axes: &[Axis], rank: usize) -> Vec<usize> {
    let mut rest = rank;
    let mut place: Vec<usize> = axes
        .iter()
        .rev()
        .map(|axis| {
            let own = rest % axis.size;
            rest /= axis.size;
            own
        })
        .collect();
    place.reverse();
    place
}

impl MeshSettings {
    /// The axes and rules for so many ranks.
    ///
    /// # Errors
    /// [`MeshError::Layout`] where they do not fit each other or the ranks.
    pub fn rules(&self, ranks: usize) -> Result<(Vec<Axis>, Vec<Rule>), MeshError> {
        check(&self.shape, &self.layout, ranks)
    }

    /// The axes for so many ranks, and the rules that divide the network: those of more than one part.
    ///
    /// # Errors
    /// As [`Self::rules`].
    pub fn network_rules(&self, ranks: usize) -> Result<(Vec<Axis>, Vec<Rule>), MeshError> {
        let (axes, mut rules) = self.rules(ranks)?;
        let is_one = |rule: &Rule| axes.iter().any(|axis| axis.name == rule.axis && axis.size == 1);
        rules.retain(|rule| rule.dimension != ENV && !is_one(rule));
        Ok((axes, rules))
    }

    /// Parts into which `ranks` ranks divide the rows of environments.
    pub fn data_size(&self, ranks: usize) -> usize {
        let Layout::Rules(rules) = &self.layout else { return ranks };
        let axis = rules.iter().find(|rule| rule.dimension == ENV).map(|rule| &rule.axis);
        let axes = self.shape.axes(ranks);
        axes.iter().find(|known| Some(&known.name) == axis).map_or(1, |axis| axis.size)
    }
}

fn check(shape: &Shape, layout: &Layout, ranks: usize) -> Result<(Vec<Axis>, Vec<Rule>), MeshError> {
    let wrong = |reason: String| Err(MeshError::Layout(reason));
    if !shape.0.is_empty() && shape.size() != ranks {
        let n = shape.size();
        let started = if ranks == 1 { "one was started".into() } else { format!("{ranks} were started") };
        return wrong(format!(
            "mesh.shape is {shape}, which is {n} ranks, and {started}: start {n} (phalanx launch -n {n} -- train …), or give --mesh another shape"
        ));
    }
    let axes = shape.axes(ranks);
    let Layout::Rules(rules) = layout else {
        return wrong("mesh.layout is auto, which is chosen before ranks divide anything".into());
    };
    let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
    for Rule { dimension, axis } in rules {
        if !names.contains(&axis.as_str()) {
            let names = names.join(", ");
            return wrong(format!(
                "mesh.layout divides {dimension} along {axis}, and the mesh has the axes {names}"
            ));
        }
    }
    let env = rules.iter().find(|rule| rule.dimension == ENV).map(|rule| &rule.axis);
    if let Some(Rule { dimension, axis }) =
        rules.iter().find(|rule| rule.dimension != ENV && Some(&rule.axis) == env)
    {
        return wrong(format!(
            "mesh.layout ({layout}): both dimensions of what {dimension} gives, {ENV} and {dimension}, are divided along {axis}"
        ));
    }
    let is_used = |axis: &&Axis| axis.size > 1 && rules.iter().all(|rule| rule.axis != axis.name);
    if let Some(Axis { name, size }) = axes.iter().find(is_used) {
        return wrong(format!(
            "mesh.layout ({layout}) divides nothing along {name}, whose {size} ranks would all do the same: add a rule, such as env:{name} or h1:{name}"
        ));
    }
    Ok((axes, rules.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(shape: &str, layout: &str) -> MeshSettings {
        let (shape, layout) = (shape.parse().expect("axes"), layout.parse().expect("rules"));
        MeshSettings { shape, layout, ..MeshSettings::default() }
    }

    #[test]
    fn neighbours_are_along_the_last_axis() {
        let (axes, _) = settings("rows:2,cols:3", "env:rows,h1:cols").rules(6).expect("legal");
        assert_eq!(coordinates(&axes, 0), [0, 0]);
        assert_eq!(coordinates(&axes, 2), [0, 2]);
        assert_eq!(coordinates(&axes, 4), [1, 1]);
    }

    #[test]
    fn shapes_and_layouts_that_do_not_fit_are_refused() {
        for (shape, layout, ranks, expected) in [
            ("rows:2,cols:2", "env:rows,h1:cols", 2, "which is 4 ranks, and 2 were started"),
            ("rows:2", "env:rows", 1, "and one was started: start 2"),
            ("rows:2", "env:row", 2, "divides env along row, and the mesh has the axes rows"),
            ("rows:2,cols:2", "env:rows", 4, "divides nothing along cols, whose 2 ranks"),
            ("rows:2", "auto", 2, "is auto"),
            (
                "rows:2",
                "env:rows,h1:rows",
                2,
                "both dimensions of what h1 gives, env and h1, are divided along rows",
            ),
        ] {
            let reason = settings(shape, layout).rules(ranks).expect_err(expected).to_string();
            assert!(reason.contains(expected), "{reason}");
        }
        assert!(MeshSettings::default().rules(8).is_ok());
        assert!(settings("cols:1", "").rules(1).is_ok());
    }
}
