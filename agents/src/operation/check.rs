//! Whether an operation of one's own keeps what engines rely on.

use phalanx_envs::Generator;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::{Backward, Operation};

/// Rows that are tried.
const ROWS: usize = 3;

/// What is added to a number on both sides.
const STEP: f32 = 1e-2;

/// Largest difference of a slope, as a part of the largest slope.
const TOLERANCE: f64 = 2e-2;

/// What is wrong with an operation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A result that depends on the rows beside it.
    #[error("result {element} of row {row} is {beside} beside other rows, and {alone} alone")]
    Row {
        /// The row.
        row: usize,
        /// The element of its result.
        element: usize,
        /// Beside others.
        beside: f32,
        /// Alone.
        alone: f32,
    },
    /// A gradient that is not that of the results.
    #[error("the gradient over {of} {element} is {gradient}, and results change by {slope}")]
    Gradient {
        /// `number` of what is read, or `parameter`.
        of: &'static str,
        /// The number or the parameter.
        element: usize,
        /// As `backward` has it.
        gradient: f32,
        /// As `forward` has it.
        slope: f64,
    },
    /// A gradient that replaces what was there.
    #[error("`backward` does not add to the gradient over {of} {element}")]
    Replaced {
        /// `number` of what is read, or `parameter`.
        of: &'static str,
        /// The number or the parameter.
        element: usize,
    },
}

/// Tries an operation on three rows of `len` normal numbers: whether results depend on the rows beside them, and whether gradients are those of
/// the results, by differences in 32 bits, and are added to.
///
/// # Errors
/// What is wrong first.
pub fn check_operation(operation: &dyn Operation, len: usize) -> Result<(), OperationError> {
    let mut generator = Generator::seed_from_u64(0);
    let mut normal = |n: usize| -> Vec<f32> { (0..n).map(|_| generator.sample(StandardNormal)).collect() };
    let outputs = operation.shape().iter().product::<usize>();
    let (x, d_y, noise) = (normal(ROWS * len), normal(ROWS * outputs), normal(operation.parameters()));
    let mut parameters = vec![0.0; operation.parameters()];
    operation.initialize(&mut parameters, &mut generator);
    // Zeros hide much.
    parameters.iter_mut().zip(noise).for_each(|(parameter, noise)| *parameter += 0.1 * noise);
    let forward = |x: &[f32], parameters: &[f32]| {
        let mut y = vec![f32::NAN; x.len() / len * outputs];
        operation.forward(x, parameters, &mut y);
        y
    };
    let y = forward(&x, &parameters);
    check_rows(&y, |row| forward(&x[row * len..(row + 1) * len], &parameters))?;
    let (mut d_x, mut d_parameters) = (vec![1.0; x.len()], vec![1.0; parameters.len()]);
    for _ in 0..2 {
        operation.backward(Backward {
            x: &x,
            y: &y,
            parameters: &parameters,
            d_y: &d_y,
            d_x: Some(&mut d_x),
            d_parameters: Some(&mut d_parameters),
        });
    }
    let loss = |x: &[f32], parameters: &[f32]| -> f64 {
        forward(x, parameters).iter().zip(&d_y).map(|(y, d)| f64::from(*y) * f64::from(*d)).sum()
    };
    check_gradient("number", &d_x, &x, |x| loss(x, &parameters))?;
    check_gradient("parameter", &d_parameters, &parameters, |parameters| loss(&x, parameters))
}

fn check_rows(y: &[f32], alone: impl Fn(usize) -> Vec<f32>) -> Result<(), OperationError> {
    for (row, beside) in y.chunks_exact((y.len() / ROWS).max(1)).enumerate() {
        let alone = alone(row);
        if let Some(element) = (0..alone.len()).find(|&i| alone[i].to_bits() != beside[i].to_bits()) {
            return Err(OperationError::Row { row, element, beside: beside[element], alone: alone[element] });
        }
    }
    Ok(())
}

/// `twice` is 1 and the gradient added to it two times.
fn check_gradient(
    of: &'static str,
    twice: &[f32],
    at: &[f32],
    loss: impl Fn(&[f32]) -> f64,
) -> Result<(), OperationError> {
    let slope = |i: usize| {
        let moved = |by: f32| {
            let mut moved = at.to_vec();
            moved[i] += by;
            (loss(&moved), f64::from(moved[i]))
        };
        let ((above, right), (below, left)) = (moved(STEP), moved(-STEP));
        (above - below) / (right - left)
    };
    let slopes: Vec<f64> = (0..at.len()).map(slope).collect();
    let tolerance = TOLERANCE * slopes.iter().fold(0.1, |most: f64, slope| most.max(slope.abs()));
    for (element, (&twice, &slope)) in twice.iter().zip(&slopes).enumerate() {
        let gradient = (twice - 1.0) / 2.0;
        if (f64::from(gradient) - slope).abs() <= tolerance {
            continue;
        }
        // Written instead of added, `twice` is the gradient itself.
        if (f64::from(twice) - slope).abs() <= tolerance {
            return Err(OperationError::Replaced { of, element });
        }
        return Err(OperationError::Gradient { of, element, gradient, slope });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = a·x, with one of several faults.
    struct Scale(Fault);

    #[derive(PartialEq)]
    enum Fault {
        None,
        Sign,
        Replaces,
        MeanOfRows,
        Parameter,
    }

    impl Operation for Scale {
        fn shape(&self) -> Vec<usize> {
            vec![2]
        }

        fn parameters(&self) -> usize {
            1
        }

        fn initialize(&self, parameters: &mut [f32], _generator: &mut Generator) {
            parameters[0] = 2.0;
        }

        fn forward(&self, x: &[f32], parameters: &[f32], y: &mut [f32]) {
            let of_rows = if self.0 == Fault::MeanOfRows { x[0] } else { 0.0 };
            y.iter_mut().zip(x).for_each(|(y, x)| *y = parameters[0] * x + of_rows);
        }

        fn backward(&self, back: Backward<'_>) {
            let sign = if self.0 == Fault::Sign { -1.0 } else { 1.0 };
            for (to, d) in back.d_x.unwrap_or_default().iter_mut().zip(back.d_y) {
                let before = if self.0 == Fault::Replaces { 0.0 } else { *to };
                *to = before + sign * back.parameters[0] * d;
            }
            let sum: f32 = back.x.iter().zip(back.d_y).map(|(x, d)| x * d).sum();
            if let (Some(to), true) = (back.d_parameters, self.0 != Fault::Parameter) {
                to[0] += sum;
            }
        }
    }

    #[test]
    fn each_fault_is_found() {
        let error = |fault| check_operation(&Scale(fault), 2).err();
        assert_eq!(error(Fault::None), None);
        assert!(matches!(
            error(Fault::Sign),
            Some(OperationError::Gradient { of: "number", element: 0, .. })
        ));
        assert_eq!(error(Fault::Replaces), Some(OperationError::Replaced { of: "number", element: 0 }));
        assert!(matches!(error(Fault::MeanOfRows), Some(OperationError::Row { row: 1, element: 0, .. })));
        let parameter = error(Fault::Parameter);
        assert!(matches!(parameter, Some(OperationError::Gradient { of: "parameter", .. })), "{parameter:?}");
    }
}
