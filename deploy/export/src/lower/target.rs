//! What a format must have.

use phalanx_graph::{Activation, Window};

/// A tensor of a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor(pub usize);

/// Operations on each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// An activation function.
    Activation(Activation),
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// The largest whole number that is not larger.
    Floor,
    /// |x|.
    Abs,
    /// 1 where positive, 0 elsewhere: whole numbers.
    IsPositive,
}

/// Operations on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// The sum.
    Add,
    /// The difference.
    Sub,
    /// The product.
    Mul,
    /// The quotient.
    Div,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

impl Binary {
    /// The second number with which the result is the first one.
    pub fn neutral(self) -> f32 {
        match self {
            Self::Add | Self::Sub => 0.0,
            Self::Mul | Self::Div => 1.0,
            Self::Min => f32::INFINITY,
            Self::Max => f32::NEG_INFINITY,
        }
    }
}

/// A weight `[outputs, inputs]`, row-major, and a bias `[outputs]`.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// The weight.
    pub weight: &'a [f32],
    /// The bias.
    pub bias: &'a [f32],
    /// Whether negative results become 0.
    pub is_relu: bool,
}

/// A format with these operations. Tensors have floats, or whole numbers where that is written, and a first axis of rows.
pub trait Target {
    /// What follows belongs to this node.
    fn node(&mut self, name: &str);
    /// An input of this shape, which has no axis of rows, as one number after the other.
    fn input(&mut self, name: &str, shape: &[usize], is_bytes: bool) -> Tensor;
    /// Gives a result its name and its shape, which has no axis of rows.
    fn output(&mut self, name: &str, x: Tensor, shape: &[usize]);
    /// Numbers that are the same in all rows.
    fn constant(&mut self, numbers: &[f32]) -> Tensor;
    /// An operation on each number.
    fn unary(&mut self, op: Unary, x: Tensor) -> Tensor;
    /// An operation on numbers of the same place; one number beside several is used for each.
    fn binary(&mut self, op: Binary, a: Tensor, b: Tensor) -> Tensor;
    /// `len` numbers from `start` on, each `stride` after the one before.
    fn slice(&mut self, x: Tensor, start: usize, len: usize, stride: usize) -> Tensor;
    /// The numbers of all, one after the other.
    fn concat(&mut self, all: &[Tensor]) -> Tensor;
    /// A dense layer.
    fn dense(&mut self, x: Tensor, weights: Weights<'_>) -> Tensor;
    /// A convolution.
    fn conv(&mut self, x: Tensor, window: &Window, weights: Weights<'_>) -> Tensor;
    /// The largest number of each channel in every window, or the mean, padding included.
    fn pool(&mut self, x: Tensor, window: &Window, is_max: bool) -> Tensor;
    /// A layer normalisation.
    fn layer_norm(&mut self, x: Tensor, scale: &[f32], shift: &[f32]) -> Tensor;
    /// The row of a table `[rows, columns]` that a whole number has.
    fn row(&mut self, table: &[f32], columns: usize, x: Tensor) -> Tensor;
    /// The index of the largest number, the first of several, plus `start`: a whole number.
    fn largest(&mut self, x: Tensor, start: i32) -> Tensor;
    /// A step of the schedule that is not computed in floats.
    fn other(&mut self, step: usize, window: Option<&Window>, x: Tensor) -> Option<Tensor>;
}
