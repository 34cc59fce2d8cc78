//! Layouts of trainings over meshes, without running them: what each rank has, computes and sends.

mod auto;
mod pieces;
mod scaling;

use std::fmt;

use anyhow::Context;
use bytesize::ByteSize;
use phalanx_agents::{Cost, Costs, Graph, describe, divide, matching};
use phalanx_algorithms::{Objective, RolloutSettings};
use phalanx_envs::Registry;
use phalanx_mesh::{Axis, Layout, MeshSettings, Rule, Shape};

pub use self::auto::{choose, is_automatic};
pub use self::pieces::Pieces;
pub use self::scaling::{Scaling, scaling};
use crate::config::{AlgorithmSettings, Config};

/// Bytes of a parameter: itself, its gradient and Adam's two moments.
const BYTES: usize = 4 * size_of::<f32>();

/// A tensor and the part of it that each rank has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Its name.
    pub tensor: String,
    /// Its shape.
    pub whole: Vec<usize>,
    /// Shape of the part.
    pub part: Vec<usize>,
    /// The rules that divide it.
    pub rules: Vec<String>,
}

/// A training over a mesh.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The axes.
    pub axes: Vec<Axis>,
    /// What is divided along which.
    pub rules: Vec<Rule>,
    /// All tensors.
    pub slices: Vec<Slice>,
    /// Parameters of the network, and those that each rank has.
    pub parameters: [usize; 2],
    /// Rows of environments, and those that each rank has.
    pub rows: [usize; 2],
    /// Optimiser steps of an iteration.
    pub gradient_steps: usize,
    /// Floating-point operations of each rank in an iteration.
    pub flops: f64,
    /// Bytes of gradients that each rank gives to sums in an iteration.
    pub gradient_bytes: u64,
    /// Bytes of results of layers, and of their gradients, that it gives to sums.
    pub layer_bytes: u64,
    /// Bytes for each episode that is truncated, whose last observation has its value computed.
    pub truncation_bytes: u64,
    /// Sums in an iteration: over rows and over parts of the network.
    pub sums: [usize; 2],
    /// Whether an iteration may take less: whole episodes, or early stops.
    pub is_most: bool,
}

/// The plan of `config` for its mesh, or for one rank where it has none.
///
/// # Errors
/// Those of the environment, which is made for its spaces; layouts that do not fit.
pub fn plan(config: &Config, registry: &Registry) -> anyhow::Result<Plan> {
    let graph = networks(config, registry)?;
    plan_of(config, &graph, &config.mesh)
}

/// The networks of `config`, whose environment is made for its spaces.
fn networks(config: &Config, registry: &Registry) -> anyhow::Result<Graph> {
    let info = registry.info_of(&config.env).with_context(|| format!("cannot make {}", config.env.name))?;
    Ok(describe(&config.network, &info.observation_space, &info.action_space)?)
}

/// Fails where the layout does not fit the networks of `config`, whose environment is made for its spaces.
///
/// # Errors
/// Those of the environment; layouts that do not fit.
pub fn check(config: &Config, registry: &Registry, ranks: usize) -> anyhow::Result<()> {
    let (axes, rules) = config.mesh.network_rules(ranks)?;
    if !rules.is_empty() {
        divide(&networks(config, registry)?, &axes, &rules)?;
    }
    Ok(())
}

/// The plan of `config` with these networks for a mesh.
///
/// # Errors
/// Layouts that do not fit.
pub fn plan_of(config: &Config, graph: &Graph, mesh: &MeshSettings) -> anyhow::Result<Plan> {
    let ranks = mesh.shape.size();
    let (_, rules) = mesh.rules(ranks)?;
    let (axes, network) = mesh.network_rules(ranks)?;
    let part = divide(graph, &axes, &network)?;
    let data = mesh.data_size(ranks);
    if !config.rows.is_multiple_of(data) {
        anyhow::bail!("`rows` is {}, which {data} ranks along one axis cannot share equally", config.rows);
    }
    let costs = Costs::new(&part).context("the layers' costs")?;
    let AlgorithmSettings::Ppo(ppo) = &config.algorithm;
    let (rows, steps) = (config.rows / data, config.rollout.steps(config.rows));
    let transitions = rows * steps;
    let minibatches = (config.rows * steps).div_ceil(ppo.minibatch.unwrap_or(usize::MAX)).max(1);
    let gradient_steps = ppo.epochs * minibatches;
    let learned = transitions * ppo.epochs;
    // Of each pass: its cost, how often it is taken, and its rows in an iteration.
    let mut passes = vec![
        (costs.actor, steps, transitions),
        (costs.critic, if graph.state() > 0 { steps + 1 } else { 1 }, transitions + rows),
        (costs.learn, gradient_steps, learned),
    ];
    if let Objective::KlPenalty(_) = ppo.objective {
        // Outputs before the update, before each step and after all.
        passes.extend([(costs.actor, gradient_steps, learned), (costs.actor, 2, 2 * transitions)]);
    }
    let sums = |(cost, times, rows): &(Cost, usize, usize)| {
        times * rows.div_ceil(*times).div_ceil(costs.tile) * cost.sums
    };
    let step = size_of::<f32>() * (part.parameters() + usize::from(ppo.target_kl.is_some()));
    let gradient_bytes = if data > 1 { (gradient_steps * step) as u64 } else { 0 };
    Ok(Plan {
        slices: slices(graph, &part, &axes, &network),
        parameters: [graph.parameters(), part.parameters()],
        rows: [config.rows, rows],
        gradient_steps,
        flops: passes.iter().map(|(cost, _, rows)| cost.flops * *rows as f64).sum(),
        gradient_bytes,
        layer_bytes: passes.iter().map(|(cost, _, rows)| cost.bytes as u64 * *rows as u64).sum(),
        truncation_bytes: costs.critic.bytes as u64,
        sums: [if data > 1 { gradient_steps } else { 0 }, passes.iter().map(sums).sum()],
        is_most: matches!(config.rollout, RolloutSettings::Episodes(_)) || ppo.target_kl.is_some(),
        axes,
        rules,
    })
}

fn slices(graph: &Graph, part: &Graph, axes: &[Axis], rules: &[Rule]) -> Vec<Slice> {
    let along = |node: usize, axis: usize| {
        let rule = rules
            .iter()
            .find(|rule| rule.axis == axes[axis].name && matching(graph, &rule.dimension).contains(&node));
        rule.map(Rule::to_string)
    };
    let tensors = graph.tensors().into_iter().zip(part.tensors());
    tensors
        .map(|(whole, own)| {
            let (node, division) = (&part.nodes[own.node], part.nodes[own.node].division);
            // What it reads is an activation of the node that a rule names, or that node.
            let below = || {
                let mut at = node.reads.first()?.node()?;
                while part.nodes[at].parameters.is_empty() {
                    at = part.nodes[at].reads.first()?.node()?;
                }
                Some(at)
            };
            let outputs = division.outputs.and_then(|axis| along(own.node, axis));
            let inputs = division.inputs.filter(|_| own.shape.len() > 1);
            let inputs = inputs.and_then(|axis| along(below()?, axis));
            Slice {
                tensor: whole.name,
                whole: whole.shape,
                part: own.shape,
                rules: outputs.into_iter().chain(inputs).collect(),
            }
        })
        .collect()
}

impl fmt::Display for Plan {
    /// The mesh; a line for each tensor; what each rank has, computes and sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, layout) = (Shape(self.axes.clone()), Layout::Rules(self.rules.clone()));
        let (ranks, plural) = (shape.size(), if shape.size() == 1 { "" } else { "s" });
        writeln!(f, "mesh {shape} ({ranks} rank{plural}), layout {layout}")?;
        let cell = |shape: &[usize]| format!("{shape:?}");
        let mut lines = vec![["tensor", "shape", "part", "divided by"].map(str::to_owned)];
        lines.extend(self.slices.iter().map(|slice| {
            let rules = if slice.rules.is_empty() { "–".to_owned() } else { slice.rules.join(", ") };
            [slice.tensor.clone(), cell(&slice.whole), cell(&slice.part), rules]
        }));
        let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
        let [a, b, c] = [0, 1, 2].map(width);
        for [tensor, whole, part, rules] in &lines {
            writeln!(f, "{tensor:a$}  {whole:b$}  {part:c$}  {rules}")?;
        }
        let Self { parameters: [all, own], rows: [rows, own_rows], .. } = *self;
        let bytes = |bytes: u64| ByteSize(bytes).to_string();
        writeln!(
            f,
            "each rank: {own} of {all} parameters, {} with their gradient and Adam's moments; {own_rows} of {rows} rows",
            bytes((own * BYTES) as u64)
        )?;
        let most = if self.is_most { "at most " } else { "" };
        writeln!(
            f,
            "an iteration: {most}{} optimiser steps, {:.3} Gflop of each rank",
            self.gradient_steps,
            self.flops / 1e9
        )?;
        let Self { gradient_bytes, layer_bytes, truncation_bytes, sums: [gradients, layers], .. } = *self;
        write!(
            f,
            "summed over ranks: {most}{} bytes ({} of gradients in {gradients} sums, {} of layers in {layers} sums)",
            gradient_bytes + layer_bytes,
            bytes(gradient_bytes),
            bytes(layer_bytes)
        )?;
        if truncation_bytes > 0 {
            write!(f, ", and {truncation_bytes} bytes for each episode that is truncated")?;
        }
        Ok(())
    }
}
