//! From the outputs of a network to an action.

use phalanx_graph::Activation;

use super::{Binary, Lowering, Target, Tensor, Unary};
use crate::{Kind, Part};

/// Added to outputs of options that are not legal.
const FORBIDDEN: f32 = -1e38;

impl<T: Target> Lowering<'_, T> {
    /// Names the fields of the action that the outputs of the network give: whole numbers of choices and bits, floats of a box.
    pub(super) fn act(&mut self, outputs: Tensor) {
        let policy = self.policy;
        let mut start = 0;
        for field in &policy.action {
            self.target.node(&field.name);
            let end = start + field.shape.iter().product::<usize>();
            let own = policy.parts.iter().filter(|part| (start..end).contains(&part.action));
            let all: Vec<Tensor> = own.map(|part| self.part(part, outputs)).collect();
            let action = if let [one] = all[..] { one } else { self.target.concat(&all) };
            self.target.output(&field.name, action, &field.shape);
            start = end;
        }
    }

    fn part(&mut self, part: &Part, outputs: Tensor) -> Tensor {
        let x = self.target.slice(outputs, part.outputs, part.len, 1);
        match &part.kind {
            Kind::Choice => self.choice(part, x),
            Kind::Bits => self.bits(part, x),
            Kind::Numbers { tanh, scale, .. } => self.numbers(*tanh, scale, x),
        }
    }

    /// 0 for a legal option, [`FORBIDDEN`] for another one.
    fn mask(&mut self, part: &Part, offset: usize, stride: usize) -> Option<Tensor> {
        let mask = part.mask?;
        let all = self.inputs[mask.input].expect("masks are read");
        let x = self.target.slice(all, mask.start + offset, part.len, stride);
        let x = self.apply(Binary::Min, x, &[1.0]);
        let x = self.apply(Binary::Sub, x, &[1.0]);
        Some(self.apply(Binary::Mul, x, &[-FORBIDDEN]))
    }

    fn choice(&mut self, part: &Part, x: Tensor) -> Tensor {
        let mask = self.mask(part, 0, 1);
        let x = mask.map_or(x, |mask| self.target.binary(Binary::Add, x, mask));
        self.target.largest(x, part.start)
    }

    /// A bit is 1 where its output is positive; a mask has two numbers for each.
    fn bits(&mut self, part: &Part, x: Tensor) -> Tensor {
        let x = match (self.mask(part, 0, 2), self.mask(part, 1, 2)) {
            (Some(zero), Some(one)) => {
                let x = self.target.binary(Binary::Add, x, one);
                self.target.binary(Binary::Sub, x, zero)
            }
            _ => x,
        };
        self.target.unary(Unary::IsPositive, x)
    }

    fn numbers(&mut self, tanh: bool, scale: &[[f32; 4]], x: Tensor) -> Tensor {
        let x = if tanh { self.target.unary(Unary::Activation(Activation::Tanh), x) } else { x };
        let [centre, factor, least, largest] =
            [0, 1, 2, 3].map(|i| scale.iter().map(|s| s[i]).collect::<Vec<_>>());
        let x = self.apply(Binary::Mul, x, &factor);
        let x = self.apply(Binary::Add, x, &centre);
        let x = self.apply(Binary::Max, x, &least);
        self.apply(Binary::Min, x, &largest)
    }
}
