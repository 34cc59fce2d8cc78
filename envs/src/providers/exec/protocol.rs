//! The bytes of `docs/protocol.md`.
//!
//! Every message is a length, a kind and a body; an answer has the kind of its request, or is an error. All numbers are
//! little-endian.

use serde_json::{Value, json};

use super::super::space::{DEEPEST, Described, none};
use crate::field::Fields;
use crate::{Action, Frame, Row, Space};

/// The oldest version of the protocol, which is asked for: a simulator answers with this or a later one that it uses.
const OLDEST: u32 = 1;
/// The latest version: spaces of several fields, `MultiBinary`, boxes of f64, and observations that are choices.
const LATEST: u32 = 2;
/// Bytes before a body: a length of four, which counts what comes after it, and a kind.
pub const HEADER: usize = 5;
/// Bytes of a step's answer before the observation: reward, status.
pub const OUTCOME: usize = 5;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Create = 1,
    Reset = 2,
    Step = 3,
    Render = 4,
    Close = 5,
    Call = 6,
    Error = 255,
}

/// Puts one message into `out`, in the place of what was there.
fn message(out: &mut Vec<u8>, kind: Kind, body: impl FnOnce(&mut Vec<u8>)) {
    out.clear();
    out.extend([0, 0, 0, 0, kind as u8]);
    body(out);
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_le_bytes());
}

/// Asks for an environment with JSON parameters.
pub fn create(out: &mut Vec<u8>, params: &str) {
    message(out, Kind::Create, |out| {
        out.extend(OLDEST.to_le_bytes());
        out.extend(params.as_bytes());
    });
}

/// Asks for an episode.
pub fn reset(out: &mut Vec<u8>, seed: Option<u64>) {
    message(out, Kind::Reset, |out| {
        out.push(seed.is_some().into());
        out.extend(seed.unwrap_or_default().to_le_bytes());
    });
}

/// Asks for a step.
pub fn step(out: &mut Vec<u8>, action: Action<'_>) {
    message(out, Kind::Step, |out| {
        let mut choice = 0;
        let (choices, numbers) = action.split(&mut choice);
        out.extend(choices.iter().flat_map(|a| a.to_le_bytes()));
        out.extend(numbers.iter().flat_map(|a| a.to_le_bytes()));
    });
}

/// Calls something by its name.
pub fn call(out: &mut Vec<u8>, name: &str, arguments: &Value) {
    message(out, Kind::Call, |out| {
        out.extend(json!({"name": name, "arguments": arguments}).to_string().as_bytes());
    });
}

/// A request without a body: [`Kind::Render`], [`Kind::Close`].
pub fn plain(out: &mut Vec<u8>, kind: Kind) {
    message(out, kind, |_| {});
}

/// Copies an observation into its row: of several fields one after the other, without gaps. There are as many bytes as
/// [`Hello::observation_bytes`].
pub fn read_observation(bytes: &[u8], row: Row<'_>) {
    match row {
        Row::F32(row) => {
            for (number, bytes) in row.iter_mut().zip(bytes.as_chunks().0) {
                *number = f32::from_le_bytes(*bytes);
            }
        }
        Row::F64(row) => {
            for (number, bytes) in row.iter_mut().zip(bytes.as_chunks().0) {
                *number = f64::from_le_bytes(*bytes);
            }
        }
        Row::U8(row) => row.copy_from_slice(bytes),
        Row::Fields { bytes: row, fields } => {
            let mut rest = bytes;
            for field in fields {
                let (own, others) = rest.split_at(field.bytes().len());
                read_observation(own, Row::of(field.dtype, &mut row[field.bytes()]));
                rest = others;
            }
        }
    }
}

/// A simulator's answer to create.
#[derive(Debug, PartialEq)]
pub struct Hello {
    /// Whether it can draw.
    pub draws: bool,
    /// Whether things can be called by their names.
    pub answers_calls: bool,
    pub observation_space: Space,
    pub action_space: Space,
    /// Bytes of an observation.
    pub observation_bytes: usize,
}

/// Reads the answer to [`create`].
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn read_hello(body: &[u8]) -> Result<Hello, String> {
    let mut reader = Reader(body);
    let version = reader.u32()?;
    if !(OLDEST..=LATEST).contains(&version) {
        return Err(format!(
            "the simulator uses version {version} of the protocol, Phalanx versions {OLDEST} to {LATEST}"
        ));
    }
    let [can] = reader.take()?;
    let (draws, answers_calls) = (can & 1 != 0, can & 2 != 0);
    let observation_space = reader.space(0)?.observation().map_err(|e| none("observation", &e))?;
    let action_space = reader.space(0)?.action().map_err(|e| none("action", &e))?;
    match reader.0.len() {
        0 => {
            let fields = Fields::of(&observation_space).all;
            let observation_bytes = fields.iter().map(|field| field.bytes().len()).sum();
            Ok(Hello { draws, answers_calls, observation_space, action_space, observation_bytes })
        }
        extra => Err(format!("the simulator's spaces are followed by {extra} bytes too many")),
    }
}

/// Reads the answer to [`step`]: reward, status, observation.
pub fn read_step(body: &[u8]) -> Result<(f32, u8, &[u8]), String> {
    let mut reader = Reader(body);
    let reward = reader.take().map(f32::from_le_bytes)?;
    let [status] = reader.take()?;
    Ok((reward, status, reader.0))
}

/// Reads the answer to [`Kind::Render`].
pub fn read_picture(body: &[u8]) -> Result<Frame, String> {
    let mut reader = Reader(body);
    let (width, height) = (reader.u32()?, reader.u32()?);
    if u128::from(width) * u128::from(height) * 3 != reader.0.len() as u128 {
        return Err(format!(
            "the simulator's picture of {width}×{height} pixels has {} bytes",
            reader.0.len()
        ));
    }
    Ok(Frame { width, height, pixels: reader.0.to_vec() })
}

/// A body that is read from its beginning.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("an answer of the simulator ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take().map(u32::from_le_bytes)
    }

    /// So many words of four bytes. What is not there is not made room for.
    fn words<T>(&mut self, count: u32, word: impl Fn([u8; 4]) -> T) -> Result<Vec<T>, String> {
        (0..count).map(|_| self.take().map(&word)).collect()
    }

    fn text(&mut self) -> Result<String, String> {
        let len = self.u32()? as usize;
        let text = self.0.split_off(..len).ok_or("an answer of the simulator ends too early")?;
        String::from_utf8(text.to_vec()).map_err(|e| format!("the name of a part of a space: {e}"))
    }

    /// A space that lies in `depth` others.
    fn space(&mut self, depth: usize) -> Result<Described, String> {
        let [kind] = self.take()?;
        let count = self.u32()?;
        if let Some(named) = Described::has_parts(kind.into()) {
            if depth == DEEPEST {
                return Err(format!("a space of the simulator lies in more than {DEEPEST} others"));
            }
            let mut part = || Ok((if named { self.text()? } else { String::new() }, self.space(depth + 1)?));
            let parts = (0..count).map(|_| part()).collect::<Result<_, String>>()?;
            return Ok(Described { kind: kind.into(), parts, ..Described::default() });
        }
        let sizes = self.words(count, u32::from_le_bytes)?;
        let bounds = self.u32()?;
        let low = self.words(bounds, f32::from_le_bytes)?;
        let high = self.words(bounds, f32::from_le_bytes)?;
        Ok(Described { kind: kind.into(), sizes, low, high, parts: vec![] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::SpaceError;

    /// The bytes of the example in the document: a message for each arrow.
    fn example() -> Vec<Vec<u8>> {
        let document = include_str!("../../../../docs/protocol.md");
        let example = document.split("```").find(|part| part.trim_start().starts_with('→')).unwrap();
        let bytes = |part: &str| {
            let words = part.split_whitespace().take_while(|word| word.len() == 2);
            words.map_while(|word| u8::from_str_radix(word, 16).ok()).collect::<Vec<_>>()
        };
        let messages = example.trim().split(['→', '←']).skip(1);
        messages.map(|message| message.lines().flat_map(bytes).collect()).collect()
    }

    #[test]
    fn the_document_tells_the_bytes() {
        let example = example();
        let [ask, hello, begin, begun, act, outcome, end] = &example[..] else { panic!("{example:?}") };
        for answer in [hello, begun, outcome] {
            assert_eq!(answer[..4], (answer.len() as u32 - 4).to_le_bytes(), "{answer:?}");
        }
        let mut out = Vec::new();
        create(&mut out, "{}");
        assert_eq!(&out, ask);
        reset(&mut out, Some(7));
        assert_eq!(&out, begin);
        step(&mut out, Action::Discrete(1));
        assert_eq!(&out, act);
        plain(&mut out, Kind::Close);
        assert_eq!(&out, end);
        let expected = Hello {
            draws: false,
            answers_calls: false,
            observation_space: Space::boxed(&[-5.0], &[5.0]),
            action_space: Space::Discrete { n: 2 },
            observation_bytes: 4,
        };
        assert_eq!(read_hello(&hello[HEADER..]), Ok(expected));
        let mut observation = [0.0];
        read_observation(&begun[HEADER..], Row::F32(&mut observation));
        assert_eq!(observation, [-2.5]);
        let (reward, status, shown) = read_step(&outcome[HEADER..]).unwrap();
        read_observation(shown, Row::F32(&mut observation));
        assert_eq!((reward, status, observation), (-0.1, 0, [-1.5]));
    }

    /// Version 2: a Dict of a box and two bits is observed, without gaps, and a Tuple of a choice and a number is taken.
    #[test]
    fn spaces_of_several_fields_are_read_and_their_elements_packed() {
        let number = [&[2][..], &0_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
        let sized = |kind: u8, n: u32| {
            [&[kind][..], &1_u32.to_le_bytes(), &n.to_le_bytes(), &0_u32.to_le_bytes()].concat()
        };
        let name = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let two = 2_u32.to_le_bytes();
        let observed = [&[6][..], &two, &name("bits"), &sized(4, 2), &name("x"), &number].concat();
        let taken = [&[7][..], &two, &number, &sized(0, 3)].concat();
        let hello = read_hello(&[&two[..], &[0], &observed, &taken].concat()).unwrap();
        assert_eq!(
            hello.observation_space.to_string(),
            "Dict(bits: MultiBinary(2), x: Box([], -inf..inf, F32))"
        );
        assert_eq!(hello.action_space.to_string(), "Tuple(Box([], -inf..inf, F32), Discrete(3))");
        assert_eq!(hello.observation_bytes, 2 + 4);
        let fields = Fields::of(&hello.observation_space);
        let mut row = vec![0; fields.bytes];
        read_observation(&[1, 0, 0, 0, 0, 0x3f], fields.row(&mut row));
        assert_eq!(row, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0, 0, 0, 0]);
        let mut out = Vec::new();
        step(&mut out, Action::of(&hello.action_space, &[2], &[0.5]));
        // Choices come before numbers.
        assert_eq!(out[HEADER..], [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f]);
        let deep = [[7, 1, 0, 0, 0]; 20].concat();
        assert!(
            read_hello(&[&two[..], &[0], &deep].concat()).unwrap_err().contains("in more than 16 others")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0..8_u8) {
            let _ = read_step(&bytes);
            let _ = read_picture(&bytes);
            // Past version and flag, so that the spaces are reached.
            let body = [&[1, 0, 0, 0, 0, kind], &bytes[..]].concat();
            if let Ok(hello) = read_hello(&body) {
                let checks: [Result<(), SpaceError>; 2] = [hello.observation_space.check(), hello.action_space.check()];
                prop_assert!(checks.iter().all(Result::is_ok));
            }
        }
    }
}
