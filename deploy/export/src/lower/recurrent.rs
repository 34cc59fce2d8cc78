//! Recurrent layers by their gates: a step reads the input `state.NODE` and gives the output `next_state.NODE`.

use phalanx_graph::{Activation, Step};

use super::{Binary, Lowering, Target, Tensor, Unary, Weights};

impl<T: Target> Lowering<'_, T> {
    /// Dense layers of `gates` gates over the input and over the hidden state.
    fn gates(&mut self, parameters: &[f32], gates: usize, step: &Step, reads: [Tensor; 2]) -> [Tensor; 2] {
        let rows = gates * step.len;
        let (input, rest) = parameters.split_at(rows * step.reads[0].len);
        let (hidden, biases) = rest.split_at(rows * step.len);
        let (input_bias, hidden_bias) = biases.split_at(rows);
        let dense =
            |target: &mut T, x, weight, bias| target.dense(x, Weights { weight, bias, is_relu: false });
        [dense(self.target, reads[0], input, input_bias), dense(self.target, reads[1], hidden, hidden_bias)]
    }

    fn state(&mut self, node: &str, len: usize) -> Tensor {
        self.target.input(&format!("state.{node}"), &[len], false)
    }

    /// A gated recurrent unit.
    pub(super) fn gru(&mut self, node: &str, x: Tensor, parameters: &[f32], step: &Step) -> Tensor {
        let n = step.len;
        let state = self.state(node, n);
        let [of_x, of_state] = self.gates(parameters, 3, step, [x, state]);
        let target = &mut *self.target;
        let [x_rz, state_rz] = [of_x, of_state].map(|of| target.slice(of, 0, 2 * n, 1));
        let rz = target.binary(Binary::Add, x_rz, state_rz);
        let rz = target.unary(Unary::Sigmoid, rz);
        let [r, z] = [0, n].map(|start| target.slice(rz, start, n, 1));
        let [x_new, state_new] = [of_x, of_state].map(|of| target.slice(of, 2 * n, n, 1));
        let reset = target.binary(Binary::Mul, r, state_new);
        let new = target.binary(Binary::Add, x_new, reset);
        let new = target.unary(Unary::Activation(Activation::Tanh), new);
        let one = target.constant(&[1.0]);
        let rest = target.binary(Binary::Sub, one, z);
        let new = target.binary(Binary::Mul, rest, new);
        let old = target.binary(Binary::Mul, z, state);
        let result = target.binary(Binary::Add, new, old);
        self.states.push((format!("next_state.{node}"), result, n));
        result
    }

    /// A long short-term memory; its state is h, then c.
    pub(super) fn lstm(&mut self, node: &str, x: Tensor, parameters: &[f32], step: &Step) -> Tensor {
        let n = step.len;
        let state = self.state(node, 2 * n);
        let [h, c] = [0, n].map(|start| self.target.slice(state, start, n, 1));
        let [of_x, of_h] = self.gates(parameters, 4, step, [x, h]);
        let target = &mut *self.target;
        let gates = target.binary(Binary::Add, of_x, of_h);
        let mut gate = |i: usize, op| {
            let gate = target.slice(gates, i * n, n, 1);
            target.unary(op, gate)
        };
        let [take, forget, give] = [0, 1, 3].map(|i| gate(i, Unary::Sigmoid));
        let new = gate(2, Unary::Activation(Activation::Tanh));
        let kept = target.binary(Binary::Mul, forget, c);
        let taken = target.binary(Binary::Mul, take, new);
        let c = target.binary(Binary::Add, kept, taken);
        let shown = target.unary(Unary::Activation(Activation::Tanh), c);
        let h = target.binary(Binary::Mul, give, shown);
        let next = target.concat(&[h, c]);
        self.states.push((format!("next_state.{node}"), next, 2 * n));
        h
    }
}
