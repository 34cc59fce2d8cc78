//! The bytes of a policy file.

use phalanx_micro::format::{self, MAGIC, NONE, VERSION, checksum, header, input, part};

use crate::steps::{Form, Steps, steps};
use crate::{Deviations, ExportError, Kind, Policy, Quantization, Record, Recorded};

/// Numbers of all tables are 32-bit; files are much smaller.
pub(crate) const MOST: usize = 1 << 28;

/// The file of a policy, in floats or with layers in 8 bits.
///
/// # Panics
/// When a mask is that of no input.
/// # Errors
/// [`ExportError`]. What is returned is one that the interpreter accepts.
pub fn write(policy: &Policy<'_>, int8: Option<&Quantization>) -> Result<Vec<u8>, ExportError> {
    assemble(policy, steps(policy, int8.map_or(Form::Floats, Form::Int8))?)
}

/// The file of a policy that is computed by these steps.
pub(crate) fn assemble(policy: &Policy<'_>, steps: Steps) -> Result<Vec<u8>, ExportError> {
    let mut floats = steps.floats;
    let parts: Vec<[u32; part::WORDS]> = policy
        .parts
        .iter()
        .map(|part| {
            let mut words = [0; part::WORDS];
            words[part::KIND] = match &part.kind {
                Kind::Choice => part::CHOICE,
                Kind::Bits => part::BITS,
                Kind::Numbers { tanh: false, .. } => part::NUMBERS,
                Kind::Numbers { tanh: true, .. } => part::SQUASHED,
            };
            words[part::OUTPUTS] = (steps.outputs + part.outputs) as u32;
            words[part::LEN] = part.len as u32;
            words[part::MASK] = part
                .mask
                .map_or(NONE, |mask| (steps.inputs[mask.input].expect("masks are read") + mask.start) as u32);
            words[part::ACTION] = part.action as u32;
            words[part::SCALE] = floats.len() as u32;
            words[part::START] = part.start as u32;
            if let Kind::Numbers { scale, deviations, .. } = &part.kind {
                floats.extend((0..4).flat_map(|i| scale.iter().map(move |numbers| numbers[i])));
                words[part::START] = floats.len() as u32;
                let (kind, parameters) = match deviations {
                    Deviations::Fixed(logarithms) => (part::FIXED, &logarithms[..]),
                    Deviations::Output(bounds) => (part::OUTPUT, &bounds[..]),
                };
                words[part::DEVIATIONS] = kind;
                floats.extend(parameters);
            }
            words
        })
        .collect();
    let inputs = policy.inputs.iter().map(|input| {
        let mut words = [0; input::WORDS];
        words[input::DTYPE] = u32::from(input.is_bytes);
        words[input::LEN] = input.size() as u32;
        words
    });
    let action =
        policy.parts.iter().map(|part| part.action + if part.kind == Kind::Choice { 1 } else { part.len });
    let action = action.max().unwrap_or(0);
    for (what, size) in
        [("parameters", floats.len()), ("results", steps.results), ("state", policy.graph.state())]
    {
        if size > MOST {
            return Err(ExportError::Large { node: "the policy".into(), what, size, most: MOST });
        }
    }
    let mut file = File::default();
    file.table(header::INPUTS, inputs.flatten(), input::WORDS);
    file.table(header::STEPS, steps.words.iter().flatten().copied(), format::step::WORDS);
    file.table(header::PARTS, parts.into_iter().flatten(), part::WORDS);
    file.table(header::FLOATS, floats.iter().map(|x| x.to_bits()), 1);
    file.table(header::RECORDS, policy.records.iter().flat_map(words), 1);
    file.text(&policy.text);
    for (i, word) in [
        (header::RESULTS, steps.results as u32),
        (header::STATE, policy.graph.state() as u32),
        (header::ACTION, action as u32),
        (header::TIME_STEP, policy.time_step.to_bits()),
        (header::RECORDED, policy.records.len() as u32),
    ] {
        file.header[i] = word;
    }
    let bytes = file.finish();
    phalanx_micro::Policy::arena(aligned(&bytes, &mut Vec::new()))?;
    Ok(bytes)
}

impl Policy<'_> {
    /// Bytes that recorded steps take in a policy file.
    pub fn recorded_bytes(&self) -> usize {
        self.records.iter().map(|record| 4 * words(record).len()).sum()
    }
}

/// These bytes at an address that is a multiple of 16, in `memory`.
pub fn aligned<'a>(bytes: &[u8], memory: &'a mut Vec<u8>) -> &'a [u8] {
    memory.clear();
    memory.reserve(bytes.len() + 16);
    let start = memory.as_ptr().align_offset(16);
    memory.resize(start, 0);
    memory.extend_from_slice(bytes);
    &memory[start..]
}

/// Words of a recorded step.
fn words(record: &Record) -> Vec<u32> {
    let mut words = vec![u32::from(record.begins)];
    for part in &record.observation {
        match part {
            Recorded::F32(x) => words.extend(x.iter().map(|x| x.to_bits())),
            Recorded::U8(x) => words.extend(x.chunks(4).map(|bytes| {
                let mut four = [0; 4];
                four[..bytes.len()].copy_from_slice(bytes);
                u32::from_le_bytes(four)
            })),
        }
    }
    words.extend(record.action.iter().map(|x| x.to_bits()));
    words
}

#[derive(Default)]
struct File {
    header: [u32; header::WORDS],
    /// What follows the header.
    body: Vec<u8>,
}

impl File {
    /// Where the next table begins.
    fn place(&mut self) -> u32 {
        let start = self.body.len().next_multiple_of(16);
        self.body.resize(start, 0);
        (4 * header::WORDS + start) as u32
    }

    fn table(&mut self, at: usize, words: impl Iterator<Item = u32>, width: usize) {
        self.header[at] = self.place();
        let before = self.body.len();
        self.body.extend(words.flat_map(u32::to_le_bytes));
        self.header[at + 1] = ((self.body.len() - before) / (4 * width)) as u32;
    }

    fn text(&mut self, text: &str) {
        self.header[header::TEXT] = self.place();
        self.header[header::TEXT + 1] = text.len() as u32;
        self.body.extend(text.as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        self.place();
        self.header[header::MAGIC] = MAGIC;
        self.header[header::VERSION] = VERSION;
        self.header[header::BYTES] = (4 * header::WORDS + self.body.len()) as u32;
        let mut all: Vec<u8> = self.header.iter().flat_map(|word| word.to_le_bytes()).collect();
        all.append(&mut self.body);
        let sum = checksum(&all);
        all[4 * header::CHECKSUM..][..4].copy_from_slice(&sum.to_le_bytes());
        all
    }
}
