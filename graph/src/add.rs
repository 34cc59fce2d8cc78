//! Adding nodes: shapes are checked, and those of results found.

use alloc::string::String;
use alloc::vec::Vec;

use crate::shape::text;
use crate::window::span;
use crate::{Activation, Convolution, Dim, Graph, GraphError, Op, Own, Recurrent, Source, Window, len};

/// How a pool reduces a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// To its largest number.
    Max,
    /// To its mean.
    Average,
}

impl Graph {
    /// Adds a dense layer over all numbers of `reads`.
    ///
    /// # Errors
    /// [`GraphError::Name`], as of all that follow.
    pub fn add_dense(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        outputs: Dim,
    ) -> Result<Source, GraphError> {
        let inputs = len(self.dims(reads));
        let parameters = inputs.saturating_add(1).saturating_mul(outputs.size);
        self.add(name.into(), Op::Dense, &[reads], Vec::from([outputs]), parameters)
    }

    /// Adds a convolution over a picture: dimensions `height`, `width` and `channels`, the last one first or last.
    ///
    /// # Errors
    /// [`GraphError::Picture`] and [`GraphError::Kernel`].
    pub fn add_conv(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        convolution: Convolution,
    ) -> Result<Source, GraphError> {
        let name = name.into();
        let window = self.window(&name, reads, convolution)?;
        let parameters = window.width().saturating_add(1).saturating_mul(convolution.filters);
        let dims = picture(&window, convolution.filters);
        self.add(name, Op::Conv(window), &[reads], dims, parameters)
    }

    /// Adds a pool over a picture, with the windows of `convolution`, whose filters do not count.
    ///
    /// # Errors
    /// Those of [`Self::add_conv`].
    pub fn add_pool(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        pool: Pool,
        convolution: Convolution,
    ) -> Result<Source, GraphError> {
        let name = name.into();
        let window = self.window(&name, reads, convolution)?;
        if 2 * window.padding > window.kernel {
            return Err(GraphError::Padding { node: name, padding: window.padding, kernel: window.kernel });
        }
        let dims = picture(&window, window.picture[2]);
        let op = match pool {
            Pool::Max => Op::MaxPool(window),
            Pool::Average => Op::AveragePool(window),
        };
        self.add(name, op, &[reads], dims, 0)
    }

    /// Adds a normalisation of all numbers of a row.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_layer_norm(&mut self, name: impl Into<String>, reads: Source) -> Result<Source, GraphError> {
        let dims = self.dims(reads).to_vec();
        let parameters = len(&dims).saturating_mul(2);
        self.add(name.into(), Op::LayerNorm, &[reads], dims, parameters)
    }

    /// Adds an activation function.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_activation(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        activation: Activation,
    ) -> Result<Source, GraphError> {
        let dims = self.dims(reads).to_vec();
        self.add(name.into(), Op::Activation(activation), &[reads], dims, 0)
    }

    /// Adds a recurrent layer over all numbers of `reads`.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_recurrent(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        recurrent: Recurrent,
        outputs: Dim,
    ) -> Result<Source, GraphError> {
        let columns = len(self.dims(reads)).saturating_add(outputs.size).saturating_add(2);
        let parameters = columns.saturating_mul(outputs.size).saturating_mul(recurrent.gates());
        self.add(name.into(), Op::Recurrent(recurrent), &[reads], Vec::from([outputs]), parameters)
    }

    /// Adds what it reads, one after the other.
    ///
    /// # Errors
    /// [`GraphError::Nothing`] when it reads nothing.
    pub fn add_concat(&mut self, name: impl Into<String>, reads: &[Source]) -> Result<Source, GraphError> {
        let name = name.into();
        if reads.is_empty() {
            return Err(GraphError::Nothing { node: name });
        }
        let numbers = reads.iter().fold(0, |sum: usize, &read| sum.saturating_add(len(self.dims(read))));
        self.add(name, Op::Concat, reads, Vec::from([Dim::new("numbers", numbers)]), 0)
    }

    /// Adds the sum of what it reads, of one shape; pictures also have their channels along the same axis.
    ///
    /// # Errors
    /// [`GraphError::Nothing`] when it reads nothing, [`GraphError::Shapes`] when shapes differ.
    pub fn add_sum(&mut self, name: impl Into<String>, reads: &[Source]) -> Result<Source, GraphError> {
        let node = name.into();
        let Some(&first) = reads.first() else { return Err(GraphError::Nothing { node }) };
        let dims = self.dims(first).to_vec();
        if let Some(&other) = reads.iter().find(|&&read| !is_alike(&dims, self.dims(read))) {
            let [a, b] = [first, other].map(|source| self.name(source).into());
            let shapes = [text(&dims), text(self.dims(other))];
            return Err(GraphError::Shapes { node, reads: [a, b], shapes });
        }
        self.add(node, Op::Add, reads, dims, 0)
    }

    /// Adds a one for each choice's option. It reads an input of one number for each choice.
    ///
    /// # Errors
    /// [`GraphError::Options`] when it does not.
    pub fn add_one_hot(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        options: Vec<usize>,
    ) -> Result<Source, GraphError> {
        let name = self.options(name.into(), reads, options.len())?;
        let dims = Vec::from([Dim::new("options", options.iter().sum())]);
        self.add(name, Op::OneHot(options), &[reads], dims, 0)
    }

    /// Adds a vector of parameters for each of `options` options. It reads an input of one number.
    ///
    /// # Errors
    /// [`GraphError::Options`] when it does not.
    pub fn add_embedding(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        options: usize,
        outputs: Dim,
    ) -> Result<Source, GraphError> {
        let name = self.options(name.into(), reads, 1)?;
        let parameters = options.saturating_mul(outputs.size);
        self.add(name, Op::Embedding(options), &[reads], Vec::from([outputs]), parameters)
    }

    /// Adds parameters that depend on no input.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_parameter(&mut self, name: impl Into<String>, dims: Vec<Dim>) -> Result<Source, GraphError> {
        let parameters = len(&dims);
        self.add(name.into(), Op::Parameter, &[], dims, parameters)
    }

    /// Adds an operation of one's own with a result of these dimensions and this many parameters.
    ///
    /// # Errors
    /// [`GraphError::Name`].
    pub fn add_own(
        &mut self,
        name: impl Into<String>,
        reads: Source,
        own: Own,
        dims: Vec<Dim>,
        parameters: usize,
    ) -> Result<Source, GraphError> {
        self.add(name.into(), Op::Own(own), &[reads], dims, parameters)
    }

    /// The windows of `convolution` over the picture `reads`.
    fn window(&self, node: &str, reads: Source, convolution: Convolution) -> Result<Window, GraphError> {
        let names = |dims: &[Dim], order: [&str; 3]| dims.iter().map(|dim| dim.name.as_str()).eq(order);
        let (node, dims) = (String::from(node), self.dims(reads));
        let (picture, channels_first) = match dims {
            [a, b, c] if names(dims, ["height", "width", "channels"]) => ([a.size, b.size, c.size], false),
            [a, b, c] if names(dims, ["channels", "height", "width"]) => ([b.size, c.size, a.size], true),
            _ => return Err(GraphError::Picture { node, reads: self.name(reads).into(), shape: text(dims) }),
        };
        Window::new(picture, channels_first, convolution).ok_or_else(|| {
            let (dim, pixels) =
                if picture[0] <= picture[1] { ("height", picture[0]) } else { ("width", picture[1]) };
            let Convolution { kernel, dilation, padding, .. } = convolution;
            let (reads, window) = (self.name(reads).into(), span(kernel, dilation));
            GraphError::Kernel { node, window, reads, dim, pixels, padding }
        })
    }

    /// `name`, where `reads` is an input of `choices` numbers.
    fn options(&self, name: String, reads: Source, choices: usize) -> Result<String, GraphError> {
        match reads {
            Source::Input(_) if len(self.dims(reads)) == choices => Ok(name),
            _ => {
                let (reads, shape) = (self.name(reads).into(), text(self.dims(reads)));
                Err(GraphError::Options { node: name, reads, shape, choices })
            }
        }
    }
}

/// Whether numbers of one shape lie as those of the other: sizes are the same, and the order of a picture's axes.
fn is_alike(a: &[Dim], b: &[Dim]) -> bool {
    let channels = |dims: &[Dim]| dims.iter().position(|dim| dim.name == "channels");
    let is_same = channels(a).zip(channels(b)).is_none_or(|(a, b)| a == b);
    is_same && a.iter().map(|dim| dim.size).eq(b.iter().map(|dim| dim.size))
}

/// Shape of what the windows give for this number of channels.
fn picture(window: &Window, channels: usize) -> Vec<Dim> {
    let [height, width] = window.result();
    [("height", height), ("width", width), ("channels", channels)]
        .map(|(name, size)| Dim::new(name, size))
        .to_vec()
}
