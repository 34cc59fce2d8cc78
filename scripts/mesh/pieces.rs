//! What a mesh is made of, measured on the spot: arithmetic, environments, exchanges.

use std::time::{Duration, Instant};

use phalanx_agents::product_speed;
use phalanx_envs::{BatchEnv, BatchError, Registry, WorkerOptions, Workers};
use phalanx_mesh::{Backend, JoinOptions, Mesh, MeshError, MeshSettings, Place, free_port};

use super::Plan;
use crate::bench::stepping;
use crate::config::Config;

/// How long environments and exchanges are measured.
const TIME: Duration = Duration::from_millis(200);

/// Rows of the batch that is measured.
const ROWS: usize = 8;

/// Floats of the sum that shows how long bytes take.
const MANY: usize = 250_000;

/// Times of the parts of an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pieces {
    /// Floating-point operations a second on one thread.
    pub flops: f64,
    /// Threads of a rank.
    pub threads: usize,
    /// Seconds of a step of one environment.
    pub step: f64,
    /// Seconds of a sum of few numbers.
    pub latency: f64,
    /// Seconds of a byte in a sum of many.
    pub byte: f64,
}

impl Pieces {
    /// Measures them; all ranks call it.
    ///
    /// # Errors
    /// Those of the environment and the mesh.
    pub fn measure(config: &Config, registry: &Registry, mesh: &Mesh) -> anyhow::Result<Self> {
        let threads = rayon::current_num_threads();
        let flops = product_speed(config.network.hidden.iter().copied().max().unwrap_or(64)) / threads as f64;
        let mut batch = batch(config, registry, (ROWS, 16))?;
        let step = 1.0 / stepping(&mut *batch, TIME)?.median;
        batch.close()?;
        let latency = sum(mesh, 1)?;
        let many = sum(mesh, MANY)?;
        Ok(Self { flops, threads, step, latency, byte: (many - latency).max(0.0) / (4 * MANY) as f64 })
    }

    /// Measures them with sums over TCP between two ranks of this machine.
    ///
    /// # Errors
    /// Those of the environment and the mesh.
    pub fn over_tcp(config: &Config, registry: &Registry) -> anyhow::Result<Self> {
        let port = free_port()?;
        let join = move |rank| {
            let host = "127.0.0.1".to_owned();
            let place = Place { rank, size: 2, local_rank: rank, host, port, is_served: false, restarts: 0 };
            let settings = MeshSettings { backend: Backend::Gloo, ..MeshSettings::default() };
            Mesh::join(&place, &JoinOptions { settings, identity: String::new() }, &mut |_| ())
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                let mesh = join(1)?;
                sum(&mesh, 1).and_then(|_| sum(&mesh, MANY))
            });
            let own = join(0).map_err(anyhow::Error::from);
            let pieces = own.and_then(|mesh| Self::measure(config, registry, &mesh));
            let _ = other.join();
            pieces
        })
    }

    /// Seconds of an iteration of a plan, whose environments each rank steps one after the other.
    pub fn seconds(&self, plan: &Plan, steps: usize) -> f64 {
        let is_divided = plan.parameters[0] != plan.parameters[1];
        let threads = if is_divided { 1 } else { self.threads };
        let bytes = plan.gradient_bytes + plan.layer_bytes;
        // The ranks with one part each have the results of the first one's environments.
        let copies = if is_divided { steps } else { 0 };
        let sums = plan.sums[0] + plan.sums[1] + copies;
        plan.flops / (self.flops * threads as f64)
            + (steps * plan.rows[1]) as f64 * self.step
            + sums as f64 * self.latency
            + bytes as f64 * self.byte
    }
}

/// Environments that this process steps.
pub(super) fn batch(
    config: &Config,
    registry: &Registry,
    (rows, steps): (usize, usize),
) -> Result<Box<dyn BatchEnv>, BatchError> {
    let options = WorkerOptions { workers: Workers::Count(0), ..config.worker_options() };
    Ok(phalanx_envs::batch(None, registry, &config.env, rows, steps, config.seed, &options)?.batch)
}

/// Median seconds of a sum of `len` floats.
fn sum(mesh: &Mesh, len: usize) -> Result<f64, MeshError> {
    let (mut numbers, mut times, begin) = (vec![0.0f32; len], Vec::new(), Instant::now());
    while !mesh.any(begin.elapsed() > TIME)? {
        let begin = Instant::now();
        mesh.all_reduce(&mut numbers)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
