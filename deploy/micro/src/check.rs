//! Everything that a file says is checked before it is used.

use core::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit, try_cast_slice};

use crate::error::FormatError;
use crate::format::{MAGIC, NONE, VERSION, activation, crc32, header, input, op, part, step};
use crate::policy::{File, MOST_INPUTS};
use crate::quantized;
use crate::windows::Windows;

/// The tables of a file without a contradiction.
pub fn check(bytes: &[u8]) -> Result<File<'_>, FormatError> {
    if cfg!(target_endian = "big") {
        return Err(FormatError::ByteOrder);
    }
    if !bytes.as_ptr().addr().is_multiple_of(16) {
        return Err(FormatError::Alignment);
    }
    let head = bytes.get(..4 * header::WORDS).ok_or(FormatError::Damaged)?;
    let head: &[u32] = try_cast_slice(head).map_err(|_| FormatError::Alignment)?;
    let head: &[u32; header::WORDS] = head.try_into().map_err(|_| FormatError::Damaged)?;
    if head[header::MAGIC] != MAGIC
        || head[header::VERSION] != VERSION
        || head[header::BYTES] as usize != bytes.len()
    {
        return Err(FormatError::Damaged);
    }
    let (before, rest) = bytes.split_at_checked(4 * header::CHECKSUM).ok_or(FormatError::Damaged)?;
    let after = rest.get(4..).ok_or(FormatError::Damaged)?;
    if crc32(crc32(crc32(0, before), &[0; 4]), after) != head[header::CHECKSUM] {
        return Err(FormatError::Damaged);
    }
    let file = File {
        header: head,
        inputs: table(bytes, head, header::INPUTS, "inputs")?,
        steps: table(bytes, head, header::STEPS, "steps")?,
        parts: table(bytes, head, header::PARTS, "parts")?,
        floats: table(bytes, head, header::FLOATS, "parameters")?,
        records: table(bytes, head, header::RECORDS, "records")?,
        text: table(bytes, head, header::TEXT, "text")?,
    };
    let wrong = |what| move |i| FormatError::Contents(what, i);
    let numbers = [head[header::RESULTS], head[header::STATE], head[header::ACTION]];
    if file.inputs.len() > MOST_INPUTS || numbers.iter().any(|&n| n > 1 << 28) {
        return Err(FormatError::Contents("header", 0));
    }
    let all = (file.record_words() as u64).checked_mul(u64::from(head[header::RECORDED]));
    if all != Some(file.records.len() as u64) {
        return Err(FormatError::Contents("records", 0));
    }
    first(file.inputs, |words| words[input::DTYPE] <= 1).map_err(wrong("input"))?;
    first(file.steps, |words| is_known(words[step::OP] & 0xff)).map_err(FormatError::Operation)?;
    first(file.steps, |words| step_holds(words, &file).is_some()).map_err(wrong("step"))?;
    first(file.parts, |words| part_holds(words, &file).is_some()).map_err(wrong("part"))?;
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

/// The first entry for which something does not hold.
fn first<T>(table: &[T], holds: impl FnMut(&T) -> bool) -> Result<(), usize> {
    let mut holds = holds;
    table.iter().position(|entry| !holds(entry)).map_or(Ok(()), Err)
}

/// A table of the file: its first byte and number of entries are two words of the header.
fn table<'a, T: AnyBitPattern + NoUninit>(
    bytes: &'a [u8],
    head: &[u32; header::WORDS],
    at: usize,
    what: &'static str,
) -> Result<&'a [T], FormatError> {
    let wrong = FormatError::Contents(what, 0);
    let (start, n) = (head[at] as usize, head[at + 1] as usize);
    let end = n.checked_mul(size_of::<T>()).and_then(|len| len.checked_add(start)).ok_or(wrong)?;
    if start % 16 != 0 {
        return Err(wrong);
    }
    try_cast_slice(bytes.get(start..end).ok_or(wrong)?).map_err(|_| wrong)
}

/// `Some` where a range lies within `len` numbers.
fn within(start: usize, n: usize, len: usize) -> Option<Range<usize>> {
    let end = start.checked_add(n)?;
    (end <= len).then_some(start..end)
}

/// `Some` where a step reads and writes what exists, without overlaps, with as many numbers as its operation needs.
fn step_holds(words: &[u32; step::WORDS], file: &File<'_>) -> Option<()> {
    let word = |i: usize| words[i] as usize;
    let (of, activation) = (words[step::OP] & 0xff, words[step::OP] >> 8);
    let (reads, writes) = (word(step::READ_LEN), word(step::WRITE_LEN));
    let is_int8 = matches!(of, op::DENSE_INT8 | op::CONV_INT8);
    let numbers = |len: usize, is_bytes: bool| if is_bytes { len.div_ceil(4) } else { len };
    let write_numbers = numbers(writes, is_int8 || of == op::QUANTIZE);
    let write = within(word(step::WRITE), write_numbers, file.results())?;
    let mut parameters = 0;
    let holds = if of <= op::FRACTION {
        let input = file.inputs.get(word(step::READ))?;
        parameters = if of == op::READ { 0 } else { writes.checked_mul(2)? };
        input[input::LEN] as usize == writes
    } else {
        let read_numbers = numbers(reads, is_int8 || of == op::DEQUANTIZE);
        let read = within(word(step::READ), read_numbers, file.results())?;
        if read.start < write.end && write.start < read.end {
            return None;
        }
        let square = |gates: usize| {
            let columns = reads.checked_add(writes)?.checked_add(2)?;
            columns.checked_mul(writes)?.checked_mul(gates)
        };
        let is_picture = |words: &[u32; step::WORDS]| {
            let windows = Windows::of(words);
            let numbers = windows.height.checked_mul(windows.width)?.checked_mul(windows.channels)?;
            let [down, across] = windows.count()?;
            (numbers == reads && windows.kernel <= 1024).then_some((windows, down.checked_mul(across)?))
        };
        match of {
            op::DENSE => {
                parameters = reads.checked_add(1)?.checked_mul(writes)?;
                true
            }
            op::CONV if cfg!(feature = "pictures") => {
                let (windows, count) = is_picture(words)?;
                let filters = writes.checked_div(count)?;
                parameters = windows.numbers().checked_add(1)?.checked_mul(filters)?;
                filters.checked_mul(count)? == writes
            }
            op::DENSE_INT8 if cfg!(feature = "int8") => {
                parameters = quantized::parameters(writes, reads, activation != 0)?;
                true
            }
            op::CONV_INT8 if cfg!(feature = "pictures") => {
                let (windows, count) = is_picture(words)?;
                let filters = writes.checked_div(count)?;
                parameters = quantized::parameters(filters, windows.numbers(), activation != 0)?;
                filters.checked_mul(count)? == writes
            }
            op::MAX_POOL | op::AVERAGE_POOL if cfg!(feature = "pictures") => {
                let (windows, count) = is_picture(words)?;
                windows.channels.checked_mul(count)? == writes
            }
            op::LAYER_NORM => {
                parameters = writes.checked_mul(2)?;
                reads == writes
            }
            op::GRU | op::LSTM if cfg!(feature = "recurrent") => {
                let states = if of == op::LSTM { 2 } else { 1 };
                within(word(step::STATE), writes.checked_mul(states)?, file.header[header::STATE] as usize)?;
                parameters = square(if of == op::LSTM { 4 } else { 3 })?;
                true
            }
            op::ACTIVATION | op::COPY | op::ADD | op::QUANTIZE | op::DEQUANTIZE => reads == writes,
            op::ONE_HOT => reads == 1,
            op::EMBEDDING => {
                parameters = word(step::SIZE).checked_mul(writes)?;
                reads == 1 && parameters > 0
            }
            _ => false,
        }
    };
    within(word(step::PARAMETERS), parameters, file.floats.len())?;
    (holds && activation <= activation::LEAKY_RELU).then_some(())
}

/// `Some` where a part of the action reads and writes what exists.
fn part_holds(words: &[u32; part::WORDS], file: &File<'_>) -> Option<()> {
    let word = |i: usize| words[i] as usize;
    let len = word(part::LEN);
    within(word(part::OUTPUTS), len, file.results())?;
    let is_choice = words[part::KIND] == part::CHOICE;
    let numbers = if is_choice { 1 } else { len };
    within(word(part::ACTION), numbers, file.header[header::ACTION] as usize)?;
    match words[part::KIND] {
        part::CHOICE | part::BITS if words[part::MASK] != NONE => {
            let options = if is_choice { len } else { len.checked_mul(2)? };
            within(word(part::MASK), options, file.results())?;
        }
        part::CHOICE | part::BITS => {}
        part::NUMBERS | part::SQUASHED => {
            within(word(part::SCALE), len.checked_mul(4)?, file.floats.len())?;
        }
        _ => return None,
    }
    (len > 0).then_some(())
}
