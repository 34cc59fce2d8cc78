//! Weights in the order in which the interpreter reads them.

use phalanx_micro::format::LANES;

/// A matrix `[rows, columns]` as blocks `[rows/LANES, columns, LANES]`, then the rows of the rest.
pub fn blocked<T: Copy>(matrix: &[T], columns: usize) -> Vec<T> {
    let block = LANES * columns;
    let blocks = matrix.chunks_exact(block.max(1));
    let rest = blocks.remainder();
    let of_block = |block| (0..LANES * columns).map(move |i| (block, i));
    let transposed =
        blocks.flat_map(of_block).map(|(block, i): (&[T], _)| block[i % LANES * columns + i / LANES]);
    transposed.chain(rest.iter().copied()).collect()
}

/// Parameters `[gates·width, inputs]`, `[gates·width, width]` and biases, the matrix of each gate in blocks.
pub fn recurrent(parameters: &[f32], gates: usize, inputs: usize, width: usize) -> Vec<f32> {
    let (input, rest) = parameters.split_at(gates * width * inputs);
    let (hidden, biases) = rest.split_at(gates * width * width);
    let all = |matrices: &[f32], columns: usize| -> Vec<f32> {
        matrices.chunks_exact((width * columns).max(1)).flat_map(|gate| blocked(gate, columns)).collect()
    };
    [all(input, inputs), all(hidden, width), biases.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_eight_outputs_lie_side_by_side() {
        // Nine outputs of two numbers: weight 10·output + number.
        let matrix: Vec<usize> = (0..9).flat_map(|y| [10 * y, 10 * y + 1]).collect();
        let expected = [0, 10, 20, 30, 40, 50, 60, 70, 1, 11, 21, 31, 41, 51, 61, 71, 80, 81];
        assert_eq!(blocked(&matrix, 2), expected);
    }
}
