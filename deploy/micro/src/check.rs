//! Everything that a file says is checked before it is used.

use bytemuck::try_cast_slice;

use crate::error::FormatError;
use crate::file::File;
use crate::format::{
    MAGIC, NONE, VERSION, activation, checksum, header, input, op, part, quantized as bytes, step,
};
use crate::policy::MOST_INPUTS;
use crate::windows::Windows;

/// The largest place, and number of numbers: sums of some do not overflow.
const MOST: u32 = 1 << 28;

/// The tables of a file without a contradiction.
pub fn check(bytes: &[u8]) -> Result<File<'_>, FormatError> {
    if cfg!(target_endian = "big") {
        return Err(FormatError::ByteOrder);
    }
    if !bytes.as_ptr().addr().is_multiple_of(16) {
        return Err(FormatError::Alignment);
    }
    let words: &[u32] = try_cast_slice(bytes).map_err(|_| FormatError::Damaged)?;
    let head: &[u32; header::WORDS] = words.first_chunk().ok_or(FormatError::Damaged)?;
    if head[header::MAGIC] != MAGIC
        || head[header::VERSION] != VERSION
        || head[header::BYTES] as usize != bytes.len()
        || head[header::CHECKSUM] != checksum(bytes)
    {
        return Err(FormatError::Damaged);
    }
    let file = File::of(words).ok_or(FormatError::Contents("table", 0))?;
    if head[header::RESULTS] > MOST || head[header::STATE] > MOST || head[header::ACTION] > MOST {
        return Err(FormatError::Contents("header", 0));
    }
    let inputs = file.inputs();
    if inputs.len() > MOST_INPUTS || inputs.iter().any(|words| words[input::DTYPE] > 1) {
        return Err(FormatError::Contents("inputs", 0));
    }
    for (i, words) in file.steps.iter().enumerate() {
        if !is_known(words[step::OP] & 0xff) {
            return Err(FormatError::Operation(i));
        }
        step_holds(words, &file).ok_or(FormatError::Contents("step", i))?;
    }
    for (i, words) in file.parts.iter().enumerate() {
        part_holds(words, &file).ok_or(FormatError::Contents("part", i))?;
    }
    Ok(file)
}

/// Whether this program has an operation.
fn is_known(of: u32) -> bool {
    match of {
        op::CONV | op::MAX_POOL | op::AVERAGE_POOL => cfg!(feature = "pictures"),
        op::GRU | op::LSTM => cfg!(feature = "recurrent"),
        op::CONV_INT8 => cfg!(feature = "int8") && cfg!(feature = "pictures"),
        op::QUANTIZE | op::DEQUANTIZE | op::DENSE_INT8 => cfg!(feature = "int8"),
        _ => of <= op::EMBEDDING,
    }
}

/// The end of `n` numbers from `start` on, where that is at most `len`.
fn within(start: u32, n: u32, len: usize) -> Option<u32> {
    start.checked_add(n).filter(|&end| end as usize <= len)
}

/// `Some` where a step reads and writes what exists, without overlaps, with as many numbers as its operation needs.
fn step_holds(words: &[u32; step::WORDS], file: &File<'_>) -> Option<()> {
    let (of, activation) = (words[step::OP] & 0xff, words[step::OP] >> 8);
    let (read, reads) = (words[step::READ], words[step::READ_LEN]);
    let (write, writes) = (words[step::WRITE], words[step::WRITE_LEN]);
    let numbers = |len: u32, is_bytes: bool| {
        if cfg!(feature = "int8") && is_bytes { len.div_ceil(4) } else { len }
    };
    let results = file.results();
    let is_int8 = matches!(of, op::DENSE_INT8 | op::CONV_INT8);
    let write_end = within(write, numbers(writes, is_int8 || of == op::QUANTIZE), results)?;
    let parameters = if of <= op::FRACTION {
        let input = file.inputs().get(read as usize)?;
        (input[input::LEN] == writes).then_some(if of == op::READ { 0 } else { 2 * writes })
    } else {
        let read_end = within(read, numbers(reads, is_int8 || of == op::DEQUANTIZE), results)?;
        if read < write_end && write < read_end {
            return None;
        }
        needs(words, file)
    };
    within(words[step::PARAMETERS], parameters?, file.floats.len())?;
    (activation <= activation::LEAKY_RELU).then_some(())
}

/// The parameters of a step whose numbers of results fit its operation.
fn needs(words: &[u32; step::WORDS], file: &File<'_>) -> Option<u32> {
    let (of, activation) = (words[step::OP] & 0xff, words[step::OP] >> 8);
    let (reads, writes) = (words[step::READ_LEN], words[step::WRITE_LEN]);
    let (parameters, holds) = match of {
        op::DENSE => ((reads + 1).checked_mul(writes)?, reads > 0),
        op::DENSE_INT8 if cfg!(feature = "int8") => (int8(writes, reads, activation)?, reads > 0),
        op::CONV | op::CONV_INT8 | op::MAX_POOL | op::AVERAGE_POOL if cfg!(feature = "pictures") => {
            let (window, channels, filters) = picture(words)?;
            match of {
                op::CONV => ((window + 1).checked_mul(filters)?, true),
                op::CONV_INT8 if cfg!(feature = "int8") => (int8(filters, window, activation)?, true),
                _ => (0, channels == filters),
            }
        }
        op::LAYER_NORM => (2 * writes, reads == writes),
        op::GRU | op::LSTM if cfg!(feature = "recurrent") => {
            let (states, gates) = if of == op::LSTM { (2, 4) } else { (1, 3) };
            within(words[step::STATE], states * writes, file.word(header::STATE) as usize)?;
            ((reads + writes + 2).checked_mul(writes)?.checked_mul(gates)?, true)
        }
        op::ACTIVATION | op::COPY | op::ADD | op::QUANTIZE | op::DEQUANTIZE => (0, reads == writes),
        op::ONE_HOT => (0, reads == 1),
        op::EMBEDDING => {
            let table = words[step::SIZE].checked_mul(writes)?;
            (table, reads == 1 && table > 0)
        }
        _ => return None,
    };
    holds.then_some(parameters)
}

/// Numbers of a window, channels, and numbers that are written for each window, of a picture with as many numbers as are read.
fn picture(words: &[u32; step::WORDS]) -> Option<(u32, u32, u32)> {
    let windows = Windows::of(words)?;
    let product = |pixels: usize| pixels.checked_mul(windows.channels);
    let window = product(windows.pixels()).filter(|&window| window <= MOST as usize)?;
    let filters = words[step::WRITE_LEN].checked_div(windows.count as u32)?;
    let holds = product(windows.height * windows.width) == Some(words[step::READ_LEN] as usize)
        && filters > 0
        && filters * windows.count as u32 == words[step::WRITE_LEN];
    holds.then_some((window as u32, windows.channels as u32, filters))
}

/// Words of the parameters of a layer in 8 bits.
fn int8(outputs: u32, n: u32, activation: u32) -> Option<u32> {
    let table = if activation == 0 { 0 } else { bytes::TABLE as u32 / 4 };
    let own = outputs.checked_mul(bytes::WORDS as u32)?.checked_add(table)?;
    outputs.checked_mul(n)?.div_ceil(4).checked_add(own)
}

/// `Some` where a part of the action reads and writes what exists.
fn part_holds(words: &[u32; part::WORDS], file: &File<'_>) -> Option<()> {
    let [kind, outputs, len, mask, action, scale, start, deviations] = *words;
    let output_end = within(outputs, len, file.results())?;
    let (numbers, options) = if kind == part::CHOICE { (1, len) } else { (len, 2 * len) };
    within(action, numbers, file.word(header::ACTION) as usize)?;
    match kind {
        part::CHOICE | part::BITS if mask == NONE => {}
        part::CHOICE | part::BITS => {
            within(mask, options, file.results())?;
        }
        part::NUMBERS | part::SQUASHED => {
            let parameters = match deviations {
                part::UNKNOWN => 0,
                part::FIXED => len,
                part::OUTPUT => {
                    within(output_end, len, file.results())?;
                    2
                }
                _ => return None,
            };
            within(start, parameters, file.floats.len())?;
            within(scale, 2 * options, file.floats.len())?;
        }
        _ => return None,
    }
    (len > 0).then_some(())
}
