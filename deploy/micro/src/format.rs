//! The layout of a policy file, as words of 32 bits, little-endian: a [`Header`](header), then tables and numbers, each aligned to 16 bytes.

/// The first word: `PHXP`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PHXP");

/// The version of this layout.
pub const VERSION: u32 = 1;

/// No offset.
pub const NONE: u32 = u32::MAX;

/// Outputs whose weights lie side by side: a matrix `[y, x]` is stored as blocks `[y/LANES, x, LANES]`, then the rows of the rest, `[y mod LANES, x]`.
pub const LANES: usize = 8;

/// Words of the header.
pub mod header {
    /// Words.
    pub const WORDS: usize = 24;
    /// [`MAGIC`](super::MAGIC).
    pub const MAGIC: usize = 0;
    /// [`VERSION`](super::VERSION).
    pub const VERSION: usize = 1;
    /// Bytes of the file.
    pub const BYTES: usize = 2;
    /// CRC-32 (IEEE) of the file, with 0 in this word.
    pub const CHECKSUM: usize = 3;
    /// Where the inputs begin, in bytes, and their number. As of the tables that follow.
    pub const INPUTS: usize = 4;
    /// The steps.
    pub const STEPS: usize = 6;
    /// The parts of an action.
    pub const PARTS: usize = 8;
    /// Parameters, 32-bit floats.
    pub const FLOATS: usize = 10;
    /// Recorded steps, in words.
    pub const RECORDS: usize = 12;
    /// Text in JSON, in bytes: names, units and what the policy was made of.
    pub const TEXT: usize = 14;
    /// Numbers of results in the arena, before the hidden state.
    pub const RESULTS: usize = 16;
    /// Numbers of the hidden state.
    pub const STATE: usize = 17;
    /// Numbers of an action.
    pub const ACTION: usize = 18;
    /// Seconds from one action to the next, a float; 0 where they are not known.
    pub const TIME_STEP: usize = 19;
    /// Number of recorded steps.
    pub const RECORDED: usize = 20;
}

/// Words of an input.
pub mod input {
    /// Words.
    pub const WORDS: usize = 4;
    /// 0 for 32-bit floats, 1 for bytes.
    pub const DTYPE: usize = 0;
    /// Elements.
    pub const LEN: usize = 1;
}

/// Words of a step. Offsets are numbers of the arena or of the parameters; four results of 8 bits take the place of one number.
pub mod step {
    /// Words.
    pub const WORDS: usize = 12;
    /// What is computed, [`op`](super::op); an activation, [`activation`](super::activation), times 256.
    pub const OP: usize = 0;
    /// Where it reads; the index of an input.
    pub const READ: usize = 1;
    /// Numbers that it reads.
    pub const READ_LEN: usize = 2;
    /// Where it writes.
    pub const WRITE: usize = 3;
    /// Numbers that it writes.
    pub const WRITE_LEN: usize = 4;
    /// Its first parameter.
    pub const PARAMETERS: usize = 5;
    /// Its hidden state, from the start of the hidden states; the bound of a normalised input, a float.
    pub const STATE: usize = 6;
    /// Height and 65,536·width of a picture.
    pub const SIZE: usize = 7;
    /// Channels and 65,536·kernel.
    pub const KERNEL: usize = 8;
    /// Stride and 65,536·padding.
    pub const STRIDE: usize = 9;
    /// Dilation, and 65,536 where the picture's channels come first.
    pub const DILATION: usize = 10;
}

/// What a step computes.
pub mod op {
    /// An input as it is.
    pub const READ: u32 = 0;
    /// An input, `(x − mean)·scale` within ±[`STATE`](super::step::STATE); parameters are means, then scales.
    pub const NORMALIZE: u32 = 1;
    /// An input, `(x − low)/range`; parameters are lower bounds, then ranges.
    pub const FRACTION: u32 = 2;
    /// A dense layer: weights `[write, read]` in blocks of [`LANES`](super::LANES), biases.
    pub const DENSE: u32 = 3;
    /// A convolution: weights `[filters, window]` in blocks, biases.
    pub const CONV: u32 = 4;
    /// The largest number of each channel in a window.
    pub const MAX_POOL: u32 = 5;
    /// The mean of each channel in a window.
    pub const AVERAGE_POOL: u32 = 6;
    /// A layer normalisation: scales, shifts.
    pub const LAYER_NORM: u32 = 7;
    /// An activation function alone.
    pub const ACTIVATION: u32 = 8;
    /// A gated recurrent unit: weights `[write, read]` of three gates and `[write, write]` of three, each in blocks; both biases.
    pub const GRU: u32 = 9;
    /// A long short-term memory: the same with four gates.
    pub const LSTM: u32 = 10;
    /// A copy.
    pub const COPY: u32 = 11;
    /// An addition to what is there.
    pub const ADD: u32 = 12;
    /// A one for the option of a choice.
    pub const ONE_HOT: u32 = 13;
    /// The row of a table that belongs to a choice: parameters `[options, write]`, options in [`SIZE`](super::step::SIZE).
    pub const EMBEDDING: u32 = 14;
    /// Floats in 8 bits: `x/scale` rounded, plus the zero point; [`STATE`](super::step::STATE) has the scale, a float, and
    /// [`SIZE`](super::step::SIZE) the zero point.
    pub const QUANTIZE: u32 = 15;
    /// 8 bits as floats: `(x − zero point)·scale`.
    pub const DEQUANTIZE: u32 = 16;
    /// A dense layer in 8 bits: biases, a multiplier and a shift for each output, weights in blocks, four to a word, and a
    /// [table](super::quantized::TABLE).
    pub const DENSE_INT8: u32 = 17;
    /// A convolution in 8 bits: the same for each filter.
    pub const CONV_INT8: u32 = 18;
}

/// Parameters of a layer in 8 bits.
pub mod quantized {
    /// Words for each output: its bias, in units of the products; the multiplier, in units of 2⁻³¹, and the shift that bring its sum to the units of
    /// the result.
    pub const WORDS: usize = 3;
    /// Bytes of the results of an activation function, for −128 to 127; a layer has them where [`activation`](super::activation) is not 0.
    pub const TABLE: usize = 256;
    /// Bytes of [`STATE`](super::step::STATE): zero point of what is read, zero point of the sums, least and largest result before the table.
    pub const READ_ZERO: usize = 0;
    /// Zero point of the sums.
    pub const SUM_ZERO: usize = 1;
    /// Least result before the table.
    pub const LEAST: usize = 2;
    /// Largest result before the table.
    pub const LARGEST: usize = 3;
}

/// Activation functions.
pub mod activation {
    /// x.
    pub const IDENTITY: u32 = 0;
    /// Hyperbolic tangent.
    pub const TANH: u32 = 1;
    /// max(x, 0).
    pub const RELU: u32 = 2;
    /// x where positive, eˣ − 1 elsewhere.
    pub const ELU: u32 = 3;
    /// x/(1 + e⁻ˣ).
    pub const SILU: u32 = 4;
    /// x·Φ(x).
    pub const GELU: u32 = 5;
    /// x where positive, x/100 elsewhere.
    pub const LEAKY_RELU: u32 = 6;
}

/// Words of a part of an action.
pub mod part {
    /// Words.
    pub const WORDS: usize = 8;
    /// [`CHOICE`], [`BITS`], [`NUMBERS`] or [`SQUASHED`].
    pub const KIND: usize = 0;
    /// Where its outputs are in the arena.
    pub const OUTPUTS: usize = 1;
    /// Options, bits or numbers.
    pub const LEN: usize = 2;
    /// Where its mask is in the arena, or [`NONE`](super::NONE).
    pub const MASK: usize = 3;
    /// Where it is in an action.
    pub const ACTION: usize = 4;
    /// Parameters of numbers: centres, factors, lower and upper bounds.
    pub const SCALE: usize = 5;
    /// Of a choice the number of its first option, signed; of numbers the parameters of [`DEVIATIONS`].
    pub const START: usize = 6;
    /// Standard deviations of numbers: [`UNKNOWN`], [`FIXED`] or [`OUTPUT`].
    pub const DEVIATIONS: usize = 7;

    /// There are none: numbers cannot be drawn.
    pub const UNKNOWN: u32 = 0;
    /// Their logarithms are the parameters.
    pub const FIXED: u32 = 1;
    /// Their logarithms are outputs, which follow the means; the parameters are a lower and an upper bound for all of them.
    pub const OUTPUT: u32 = 2;

    /// The largest of its outputs, as the number of the option, from [`START`] on.
    pub const CHOICE: u32 = 0;
    /// 1 for each positive output, 0 for others.
    pub const BITS: u32 = 1;
    /// Each `centre + factor·output`, within its bounds.
    pub const NUMBERS: u32 = 2;
    /// The same with the hyperbolic tangent of the output.
    pub const SQUASHED: u32 = 3;
}

/// The words of the two halves.
#[must_use]
pub fn halves(low: usize, high: usize) -> u32 {
    (low as u32 & 0xffff) | (high as u32) << 16
}

/// CRC-32 (IEEE) of a file, whose length is a multiple of 4, with 0 in the word that has it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (i, word) in bytes.as_chunks().0.iter().enumerate() {
        crc ^= if i == header::CHECKSUM { 0 } else { u32::from_le_bytes(*word) };
        for _ in 0..32 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(checksum(b"12345678"), 0x9ae0_daaf);
        let file = *b"PHXP\x01\0\0\0\x18\0\0\0\0\0\0\0policy..";
        let mut sealed = file;
        sealed[12..16].fill(7);
        assert_eq!([checksum(&file), checksum(&sealed)], [0xf571_e7e2; 2]);
    }
}
