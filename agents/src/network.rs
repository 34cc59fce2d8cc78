//! The actor-critic network: multi-layer perceptrons over one flat buffer of parameters.
//!
//! All parameters lie in one buffer and all gradients in another, so that the optimiser, the norm of the gradient and
//! checkpoints each are one pass, whatever the number of layers.

use std::ops::{Range, RangeInclusive};

use phalanx_envs::{Generator, Space, check_memory};
use phalanx_graph::{Graph, Node, Op, Source, len};
use rand::RngExt;
use rand_distr::StandardNormal;
use tch::Device;

use crate::bytes::ByteScale;
use crate::describe::{ACTION, LOG_STD, VALUE, describe, input_name};
use crate::divided::{Compute, Divided};
use crate::engine::{Batch, Cpu, Pass, Sequence, Sequences, Tensors};
use crate::observations::{Inputs, Observations};
use crate::operation::operation;
use crate::orthogonal::orthogonal;
use crate::plan::{Plan, Tower};
use crate::{AgentError, Head, InitialWeights, NetworkSettings};

/// An actor that maps observations to the parameters of an action distribution, and a critic that maps them to a value.
pub struct ActorCritic {
    divided: Divided,
    plan: Plan,
    /// Least and largest log standard deviation of a Gaussian policy.
    log_std_bounds: RangeInclusive<f32>,
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    /// Observations of the rollout that is trained on, `[M, inputs]`.
    loaded: Observations,
    engine: Engine,
}

enum Engine {
    Cpu(Cpu),
    Tensors(Tensors),
}

impl ActorCritic {
    /// The networks that `settings` describe for these spaces.
    ///
    /// # Errors
    /// As [`describe`](crate::describe()); [`AgentError::Settings`] when settings contradict each other; [`AgentError::Memory`] when they
    /// do not fit into this machine's; [`AgentError::Torch`] when the device refuses.
    pub fn new(
        settings: &NetworkSettings,
        observations: &Space,
        actions: &Space,
        generator: &mut Generator,
        compute: &Compute,
    ) -> Result<Self, AgentError> {
        let grid = &compute.grid;
        let divided = Divided::new(describe(settings, observations, actions)?, grid.clone())?;
        let log_std_bounds = settings.log_std_bounds()?;
        let parameters = divided.part().parameters();
        // These and their gradient.
        let bytes = (parameters as u64).saturating_mul(2 * size_of::<f32>() as u64);
        check_memory(bytes).map_err(|cause| AgentError::Memory { parameters, cause })?;
        let mut parameters = initial(&divided, settings, generator)?;
        let outputs = Head::new(actions, settings)?.initial_outputs(settings.initial_std);
        let graph = divided.part().clone();
        set_biases(&graph, &outputs, &mut parameters);
        let leaves = observations.leaves();
        let space =
            |name: &str| leaves.iter().find(|(path, _)| input_name(path) == name).map(|(_, space)| *space);
        let scales = graph.inputs.iter().filter_map(|input| space(&input.name)).map(ByteScale::new).collect();
        let plan = Plan::new(graph, scales, grid.clone())?;
        let engine = match compute.device {
            Device::Cpu => Engine::Cpu(Cpu::default()),
            _ if plan.parts().is_some() => {
                return Err(AgentError::Settings(
                    "mesh.layout divides layers, which are computed on the CPU alone: use `device: cpu`"
                        .into(),
                ));
            }
            device => Engine::Tensors(Tensors::new(&plan, device)?),
        };
        let gradient = vec![0.0; plan.len()];
        let mut network = Self {
            divided,
            plan,
            log_std_bounds,
            parameters,
            gradient,
            loaded: Observations::default(),
            engine,
        };
        network.change(|_, _| Ok(()))?;
        Ok(network)
    }

    /// The network, and this rank's part of it, where ranks have divided it: the numbers below are those of its part.
    pub fn divided(&self) -> &Divided {
        &self.divided
    }

    /// All parameters `[P]`.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The gradient `[P]` that [`Self::learn`] computed.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Floating-point operations of one row's pass through actor and critic: two for each weight and window.
    pub fn flop_per_row(&self) -> f64 {
        let multiplications: usize = self.plan.graph.nodes.iter().map(Node::multiplications).sum();
        2.0 * multiplications as f64
    }

    /// The graph of both, undivided.
    pub fn graph(&self) -> &Graph {
        self.divided.whole()
    }

    /// How the bytes of each of the graph's inputs are scaled, where they are bytes.
    pub(crate) fn byte_scales(&self) -> &[ByteScale] {
        &self.plan.bytes
    }

    /// Log standard deviations `[A]` of a Gaussian policy; empty without one.
    pub fn log_std(&self) -> &[f32] {
        &self.parameters[self.plan.log_std.clone()]
    }

    /// Calls `write`, which changes the parameters `[P]`, its first argument, by the gradient `[P]`, its second; then clamps the standard
    /// deviations to their bounds.
    ///
    /// # Errors
    /// Those of `write`; [`AgentError::Torch`] when the device refuses.
    pub fn change(
        &mut self,
        write: impl FnOnce(&mut [f32], &[f32]) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        write(&mut self.parameters, &self.gradient)?;
        let (low, high) = (*self.log_std_bounds.start(), *self.log_std_bounds.end());
        for log_std in &mut self.parameters[self.plan.log_std.clone()] {
            // P31: the parameter itself is bounded, so that all that reads it agrees.
            *log_std = log_std.clamp(low, high);
        }
        match &mut self.engine {
            Engine::Cpu(_) => Ok(()),
            Engine::Tensors(tensors) => tensors.set_parameters(&self.parameters),
        }
    }

    /// Sets the parameters to this rank's part of those of the whole network.
    ///
    /// # Errors
    /// [`AgentError::Torch`] when the device refuses.
    pub fn set_whole(&mut self, whole: &[f32]) -> Result<(), AgentError> {
        let mut part = vec![0.0; self.parameters.len()];
        self.divided.take_part(whole, &mut part);
        self.change(|parameters, _| {
            parameters.copy_from_slice(&part);
            Ok(())
        })
    }

    /// Parameters of the action distribution, or values in reward units.
    ///
    /// # Shapes
    /// B rows of `x`; `out [B, …]` is made as long as it must be; hidden states `[B, S]` are replaced by those after it.
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn infer(
        &mut self,
        tower: Tower,
        x: Inputs<'_>,
        rows: Range<usize>,
        states: &mut [f32],
        out: &mut Vec<f32>,
    ) -> Result<(), AgentError> {
        let Self { plan, parameters, engine, .. } = self;
        out.resize(rows.len() * plan.outputs(tower), 0.0);
        match engine {
            Engine::Cpu(cpu) => {
                cpu.infer((plan, parameters), tower, x, rows, states, out);
                Ok(plan.grid.parts.check()?)
            }
            Engine::Tensors(tensors) => tensors.infer(plan, tower, x, rows, states, out),
        }
    }

    /// Stores the observations of a rollout, `[M, …]` for each input.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn load(&mut self, observations: Observations) -> Result<(), AgentError> {
        self.loaded = observations;
        match &mut self.engine {
            Engine::Cpu(_) => Ok(()),
            Engine::Tensors(tensors) => tensors.load(&self.plan, Inputs::All(&self.loaded)),
        }
    }

    /// Takes the observations that [`Self::load`] stored, to use their memory again.
    pub fn unload(&mut self) -> Observations {
        std::mem::take(&mut self.loaded)
    }

    /// [`Self::infer`] for the loaded rows `index`, or for all of them.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn infer_loaded(&mut self, tower: Tower, index: Option<&[i64]>) -> Result<Vec<f32>, AgentError> {
        let mut out = Vec::new();
        let loaded = std::mem::take(&mut self.loaded);
        let result = match index {
            None => {
                let rows = loaded.rows(self.plan.input(0));
                self.infer(tower, Inputs::All(&loaded), 0..rows, &mut [], &mut out)
            }
            Some(index) => self.infer_index(tower, &loaded, index, &mut [], &mut out),
        };
        self.loaded = loaded;
        result.map(|()| out)
    }

    /// [`Self::infer`] for the rows `index` of `loaded`.
    fn infer_index(
        &mut self,
        tower: Tower,
        loaded: &Observations,
        index: &[i64],
        states: &mut [f32],
        out: &mut Vec<f32>,
    ) -> Result<(), AgentError> {
        let mut rows = Observations::default();
        for input in 0..self.plan.graph.inputs.len() {
            let width = self.plan.input(input);
            for &i in index {
                let range = i as usize * width..(i as usize + 1) * width;
                rows.add(input, Inputs::All(loaded).part(input, range), None);
            }
        }
        self.infer(tower, Inputs::All(&rows), 0..index.len(), states, out)
    }

    /// The hidden states before the first transitions of `sequences`, `[B, S]`, computed through those of their burn-in.
    fn burn_in(&mut self, sequences: Sequences<'_>) -> Result<Vec<f32>, AgentError> {
        let (width, mut out) = (self.plan.graph.state(), Vec::new());
        let mut states = vec![0.0; sequences.list.len() * width];
        let place = |i: usize| i * width..(i + 1) * width;
        for (i, sequence) in sequences.list.iter().enumerate() {
            if let Some(state) = sequence.state {
                states[place(i)].copy_from_slice(&sequences.states[place(state)]);
            }
        }
        let longest = sequences.list.iter().map(|sequence| sequence.burn_in).max().unwrap_or(0);
        for back in (1..=longest).rev() {
            let has_begun = |(_, sequence): &(usize, &Sequence)| sequence.burn_in >= back;
            let begun: Vec<(usize, &Sequence)> =
                sequences.list.iter().enumerate().filter(has_begun).collect();
            let index: Vec<i64> =
                begun.iter().map(|(_, s)| s.start - (back * sequences.rows) as i64).collect();
            let mut some: Vec<f32> = begun.iter().flat_map(|(i, _)| &states[place(*i)]).copied().collect();
            let loaded = std::mem::take(&mut self.loaded);
            // Its schedule computes all recurrent layers.
            let result = self.infer_index(Tower::Critic, &loaded, &index, &mut some, &mut out);
            self.loaded = loaded;
            result?;
            for ((i, _), state) in begun.iter().zip(some.chunks_exact(width)) {
                states[place(*i)].copy_from_slice(state);
            }
        }
        Ok(states)
    }

    /// [`Self::infer`] for these loaded rows.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn infer_loaded_rows(
        &mut self,
        tower: Tower,
        rows: Range<usize>,
        states: &mut [f32],
        out: &mut Vec<f32>,
    ) -> Result<(), AgentError> {
        let loaded = std::mem::take(&mut self.loaded);
        let result = self.infer(tower, Inputs::All(&loaded), rows, states, out);
        self.loaded = loaded;
        result
    }

    /// Computes the gradient of the sum of `loss` over the loaded transitions `batch`, which [`Self::sum_gradient`] takes.
    ///
    /// `loss` is called for some of the rows at a time, from several threads, each time with sums of its own; all of
    /// these are returned.
    ///
    /// # Errors
    /// [`AgentError::Torch`].
    pub fn learn<S: Default + Send>(
        &mut self,
        batch: Batch<'_>,
        loss: impl Fn(&mut S, Pass<'_>) + Sync,
    ) -> Result<Vec<S>, AgentError> {
        if let Batch::Sequences(sequences) = batch
            && sequences.list.iter().any(|sequence| sequence.burn_in > 0)
        {
            let states = self.burn_in(sequences)?;
            let begin =
                |(i, sequence): (usize, &Sequence)| Sequence { state: Some(i), burn_in: 0, ..*sequence };
            let list: Vec<Sequence> = sequences.list.iter().enumerate().map(begin).collect();
            let batch = Batch::Sequences(Sequences { list: &list, states: &states, ..sequences });
            return self.learn(batch, loss);
        }
        let Self { plan, parameters, gradient, loaded, engine, .. } = self;
        if batch.count() == 0 {
            gradient.fill(0.0);
            return Ok(Vec::new());
        }
        let sums = match engine {
            Engine::Cpu(cpu) => {
                let sums = cpu.learn((plan, parameters), Inputs::All(loaded), batch, gradient, loss);
                plan.grid.parts.check()?;
                sums
            }
            Engine::Tensors(tensors) => vec![tensors.learn(plan, batch, gradient, loss)?],
        };
        Ok(sums)
    }

    /// Calls `sum`, which adds the gradients of other ranks; what comes of it is [`Self::gradient`]. Where a deviation is at a bound, a slope that would push
    /// it further is 0 then, and one that pulls it back stays.
    ///
    /// # Errors
    /// Those of `sum`.
    pub fn sum_gradient<E>(&mut self, sum: impl FnOnce(&mut [f32]) -> Result<(), E>) -> Result<(), E> {
        let Self { plan, log_std_bounds, parameters, gradient, .. } = self;
        sum(gradient)?;
        if plan.graph.nodes.iter().any(|node| node.name == LOG_STD && !node.trainable) {
            gradient[plan.log_std.clone()].fill(0.0);
        }
        for i in plan.log_std.clone() {
            let (log_std, slope) = (parameters[i], &mut gradient[i]);
            let (low, high) = (log_std <= *log_std_bounds.start(), log_std >= *log_std_bounds.end());
            if low && *slope > 0.0 || high && *slope < 0.0 {
                *slope = 0.0;
            }
        }
        Ok(())
    }
}

/// This rank's parameters at the start: orthogonal or normal weights, normal embeddings, scales of one, biases of zero, and what operations of one's own have.
fn initial(
    divided: &Divided,
    settings: &NetworkSettings,
    generator: &mut Generator,
) -> Result<Vec<f32>, AgentError> {
    let graph = divided.whole();
    let mut parameters = vec![0.0; divided.part().parameters()];
    let (heads, value) = (heads(graph), graph.output(VALUE));
    for (i, node) in graph.nodes.iter().enumerate() {
        // All of the node's, of which the rank keeps its part.
        let mut own = vec![0.0; node.parameters.len()];
        let gain = if heads.contains(&i) {
            settings.output_gain
        } else if matches!(node.op, Op::Recurrent(_)) || value == Some(Source::Node(i)) {
            1.0
        } else {
            std::f64::consts::SQRT_2
        };
        match &node.op {
            Op::Parameter => own.fill(settings.initial_std.ln() as f32),
            Op::LayerNorm => own[..len(&node.dims)].fill(1.0),
            Op::Embedding(_) => own.fill_with(|| generator.sample(StandardNormal)),
            Op::Own(op) => operation(op, graph.dims(node.reads[0]))?.initialize(&mut own, generator),
            // P9: orthogonal with its gain.
            _ => {
                for (range, shape) in node.weights() {
                    let start = node.parameters.start;
                    let weight = &mut own[range.start - start..range.end - start];
                    match settings.initial_weights {
                        InitialWeights::Orthogonal => orthogonal(weight, shape.into(), gain, generator),
                        InitialWeights::Normal => {
                            let deviation = (gain / (shape[1] as f64).sqrt()) as f32;
                            weight.fill_with(|| deviation * generator.sample::<f32, _>(StandardNormal));
                        }
                    }
                }
            }
        }
        divided.take_node(i, &own, &mut parameters);
    }
    Ok(parameters)
}

/// The nodes that compute the parameters of the action distribution, one for each field of an action.
fn heads(graph: &Graph) -> Vec<usize> {
    let Some(Source::Node(action)) = graph.output(ACTION) else { return Vec::new() };
    match &graph.nodes[action] {
        Node { op: Op::Concat, reads, .. } => reads.iter().filter_map(|read| read.node()).collect(),
        _ => vec![action],
    }
}

/// Sets the biases of the layers that compute the parameters of the action distribution.
fn set_biases(graph: &Graph, mut biases: &[f32], parameters: &mut [f32]) {
    for node in heads(graph).into_iter().map(|i| &graph.nodes[i]) {
        let (own, rest) = biases.split_at(len(&node.dims));
        parameters[node.parameters.end - own.len()..node.parameters.end].copy_from_slice(own);
        biases = rest;
    }
}

#[cfg(test)]
mod tests;
