//! The tables of TensorFlow Lite's schema that a policy needs, with the numbers of their fields.

use flatbuffers::{UnionWIPOffset, WIPOffset};

/// Types of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Type {
    Float32 = 0,
    Int32 = 2,
    Uint8 = 3,
    Bool = 6,
    Int8 = 9,
}

/// Operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Builtin {
    Add = 0,
    AveragePool2d = 1,
    Concatenation = 2,
    Conv2d = 3,
    Dequantize = 6,
    Floor = 8,
    FullyConnected = 9,
    Logistic = 14,
    MaxPool2d = 17,
    Mul = 18,
    Relu = 19,
    Reshape = 22,
    Tanh = 28,
    Pad = 34,
    Gather = 36,
    Transpose = 39,
    Mean = 40,
    Sub = 41,
    Div = 42,
    StridedSlice = 45,
    Exp = 47,
    Cast = 53,
    Maximum = 55,
    ArgMax = 56,
    Minimum = 57,
    PadV2 = 60,
    Greater = 61,
    Rsqrt = 76,
    LeakyRelu = 98,
    SquaredDifference = 99,
    Abs = 101,
    Elu = 111,
    Quantize = 114,
}

/// Types of the tables of options.
pub mod options {
    pub const NONE: u8 = 0;
    pub const CONV_2D: u8 = 1;
    pub const POOL_2D: u8 = 5;
    pub const FULLY_CONNECTED: u8 = 8;
    pub const CONCATENATION: u8 = 10;
    pub const ADD: u8 = 11;
    pub const RESHAPE: u8 = 17;
    pub const MUL: u8 = 21;
    pub const PAD: u8 = 22;
    pub const GATHER: u8 = 23;
    pub const TRANSPOSE: u8 = 26;
    pub const REDUCER: u8 = 27;
    pub const SUB: u8 = 28;
    pub const DIV: u8 = 29;
    pub const STRIDED_SLICE: u8 = 32;
    pub const CAST: u8 = 37;
    pub const DEQUANTIZE: u8 = 38;
    pub const ARG_MAX: u8 = 40;
    pub const PAD_V2: u8 = 43;
    pub const LEAKY_RELU: u8 = 75;
    pub const QUANTIZE: u8 = 89;
}

/// A field of a table.
#[derive(Clone, Copy)]
pub enum Field {
    Bool(bool),
    I8(i8),
    I32(i32),
    U32(u32),
    F32(f32),
    Offset(WIPOffset<UnionWIPOffset>),
}

/// Options of an operator: the type of their table, and fields by their number.
#[derive(Clone, Default)]
pub struct Options(pub u8, pub Vec<(u16, Field)>);

/// Units and zero points of a tensor in 8 bits, or of its biases, one or one for each of its first axis.
#[derive(Debug, Clone)]
pub struct Quantized {
    pub scale: Vec<f32>,
    pub zero: Vec<i64>,
}

/// A tensor.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    pub name: String,
    pub dtype: Type,
    /// Without the axis of rows.
    pub shape: Vec<usize>,
    /// Bytes of numbers that are the same in all rows.
    pub data: Option<Vec<u8>>,
    pub quantized: Option<Quantized>,
}

/// An operator with the indices of the tensors that it reads and writes.
#[derive(Clone)]
pub struct Operator {
    pub builtin: Builtin,
    pub reads: Vec<usize>,
    pub writes: usize,
    pub options: Options,
}

/// A model: tensors, the operators in order, and which tensors are inputs and outputs.
#[derive(Default)]
pub struct Model {
    pub tensors: Vec<TensorInfo>,
    pub operators: Vec<Operator>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}
