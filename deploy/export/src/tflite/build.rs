//! Tensors and operators of a model that is being made.

use super::schema::{Builtin, Field, Model, Operator, Options, TensorInfo, Type, options};
use crate::Quantization;
use crate::lower::Tensor;

/// A model that is being made.
pub struct TfLite<'a> {
    pub model: Model,
    pub quantization: Option<&'a Quantization>,
    /// The same result in floats or in 8 bits, where both are there.
    pub other_form: Vec<(Tensor, Tensor)>,
    /// The name of what operators belong to.
    pub node: String,
}

/// The options of an operator with a fused activation alone.
pub fn fused(is_relu: bool) -> Field {
    Field::I8(i8::from(is_relu))
}

impl<'a> TfLite<'a> {
    pub fn new(quantization: Option<&'a Quantization>) -> Self {
        Self { model: Model::default(), quantization, other_form: Vec::new(), node: String::new() }
    }

    pub fn tensor(&mut self, info: TensorInfo) -> Tensor {
        self.model.tensors.push(info);
        Tensor(self.model.tensors.len() - 1)
    }

    pub fn info(&self, x: Tensor) -> &TensorInfo {
        &self.model.tensors[x.0]
    }

    pub fn shape(&self, x: Tensor) -> &[usize] {
        &self.info(x).shape
    }

    pub fn len(&self, x: Tensor) -> usize {
        self.shape(x).iter().product()
    }

    /// Adds an operator whose result is like `like`, but has this shape.
    pub fn add_like(
        &mut self,
        builtin: Builtin,
        reads: &[Tensor],
        like: &TensorInfo,
        shape: &[usize],
        options: Options,
    ) -> Tensor {
        let name = format!("{}/{builtin:?}_{}", self.node, self.model.operators.len());
        let writes = self.tensor(TensorInfo { name, shape: shape.to_vec(), data: None, ..like.clone() });
        let reads = reads.iter().map(|read| read.0).collect();
        self.model.operators.push(Operator { builtin, reads, writes: writes.0, options });
        writes
    }

    /// Adds an operator with a result of this type and shape.
    pub fn add_typed(
        &mut self,
        builtin: Builtin,
        reads: &[Tensor],
        (dtype, shape): (Type, &[usize]),
        options: Options,
    ) -> Tensor {
        let like = TensorInfo { name: String::new(), dtype, shape: vec![], data: None, quantized: None };
        self.add_like(builtin, reads, &like, shape, options)
    }

    /// Adds an operator with a result in floats.
    pub fn add(&mut self, builtin: Builtin, reads: &[Tensor], shape: &[usize], options: Options) -> Tensor {
        self.add_typed(builtin, reads, (Type::Float32, shape), options)
    }

    pub fn constant_of(&mut self, dtype: Type, dims: &[usize], data: Vec<u8>) -> Tensor {
        let name = format!("{}/constant_{}", self.node, self.model.tensors.len());
        self.tensor(TensorInfo { name, dtype, shape: dims.to_vec(), data: Some(data), quantized: None })
    }

    pub fn floats(&mut self, dims: &[usize], numbers: &[f32]) -> Tensor {
        self.constant_of(Type::Float32, dims, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    pub fn whole(&mut self, dims: &[usize], numbers: &[i32]) -> Tensor {
        self.constant_of(Type::Int32, dims, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// The same numbers in another shape.
    pub fn reshaped(&mut self, x: Tensor, shape: &[usize]) -> Tensor {
        if self.shape(x) == shape { x } else { self.copied(x, shape) }
    }

    pub fn copied(&mut self, x: Tensor, shape: &[usize]) -> Tensor {
        let sizes: Vec<i32> = [-1].into_iter().chain(shape.iter().map(|&size| size as i32)).collect();
        let sizes = self.whole(&[sizes.len()], &sizes);
        let like = self.info(x).clone();
        self.add_like(Builtin::Reshape, &[x, sizes], &like, shape, Options(options::RESHAPE, vec![]))
    }

    /// In floats, with one axis beside that of rows.
    pub fn flat(&mut self, x: Tensor) -> Tensor {
        let x = self.in_floats(x);
        if self.info(x).data.is_some() {
            return x;
        }
        let len = self.len(x);
        self.reshaped(x, &[len])
    }

    pub fn cast(&mut self, x: Tensor, to: Type) -> Tensor {
        let shape = self.shape(x).to_vec();
        let types = [self.info(x).dtype, to].map(|dtype| Field::I8(dtype as i8));
        let options = Options(options::CAST, vec![(0, types[0]), (1, types[1])]);
        self.add_typed(Builtin::Cast, &[x], (to, &shape), options)
    }

    /// Numbers from, to and each so many of all axes but that of rows.
    pub fn strided(&mut self, x: Tensor, ranges: &[(usize, usize, usize)]) -> Tensor {
        let shape: Vec<usize> =
            ranges.iter().map(|(start, end, stride)| (end - start).div_ceil(*stride)).collect();
        let mut bounds = [vec![0], vec![0], vec![1]];
        for (start, end, stride) in ranges {
            let range = [start, end, stride];
            bounds.iter_mut().zip(range).for_each(|(bound, &number)| bound.push(number as i32));
        }
        let [start, end, stride] = bounds.map(|bound| self.whole(&[bound.len()], &bound));
        // All rows.
        let options = Options(options::STRIDED_SLICE, vec![(0, Field::I32(1)), (1, Field::I32(1))]);
        self.add(Builtin::StridedSlice, &[x, start, end, stride], &shape, options)
    }
}
