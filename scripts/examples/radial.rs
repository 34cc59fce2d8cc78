//! A layer of one's own: registered once, then used by name in a configuration, trained and checked like any other.

use phalanx::agents::{Backward, Operation, register_operation};
use phalanx::envs::{Generator, Params, Registry};
use rand::RngExt;
use serde::Deserialize;

/// Radial basis functions: `y_j = exp(−Σᵢ (xᵢ − cⱼᵢ)²/2)` for each of the centres c, which are learned.
struct Radial {
    /// Numbers of a row.
    inputs: usize,
    centres: usize,
}

/// As in the configuration: `params: {centres: 32}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    centres: usize,
}

impl Radial {
    fn make(shape: &[usize], params: &Params) -> Result<Box<dyn Operation>, phalanx::envs::EnvError> {
        let Settings { centres } = params.parse()?;
        Ok(Box::new(Self { inputs: shape.iter().product(), centres }))
    }
}

impl Operation for Radial {
    fn shape(&self) -> Vec<usize> {
        vec![self.centres]
    }

    fn parameters(&self) -> usize {
        self.centres * self.inputs
    }

    fn initialize(&self, parameters: &mut [f32], generator: &mut Generator) {
        // Normalised observations lie here.
        parameters.fill_with(|| generator.random_range(-2.0..2.0));
    }

    fn forward(&self, x: &[f32], parameters: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks_exact(self.inputs).zip(y.chunks_exact_mut(self.centres)) {
            for (centre, y) in parameters.chunks_exact(self.inputs).zip(y) {
                let square: f32 = x.iter().zip(centre).map(|(x, c)| (x - c) * (x - c)).sum();
                *y = (-0.5 * square).exp();
            }
        }
    }

    fn backward(&self, back: Backward<'_>) {
        let Backward { x, y, parameters, d_y, mut d_x, mut d_parameters } = back;
        for row in 0..x.len() / self.inputs {
            for centre in 0..self.centres {
                let slope = d_y[row * self.centres + centre] * y[row * self.centres + centre];
                for i in 0..self.inputs {
                    let (at, of) = (row * self.inputs + i, centre * self.inputs + i);
                    let gradient = slope * (x[at] - parameters[of]);
                    if let Some(d_x) = &mut d_x {
                        d_x[at] -= gradient;
                    }
                    if let Some(d_parameters) = &mut d_parameters {
                        d_parameters[of] += gradient;
                    }
                }
            }
        }
    }
}

fn main() -> std::process::ExitCode {
    register_operation("radial", Radial::make);
    phalanx::cli::main(Registry::standard())
}

#[test]
fn gradients_are_those_of_the_results() {
    phalanx::agents::check_operation(&Radial { inputs: 3, centres: 5 }, 3).unwrap();
}
