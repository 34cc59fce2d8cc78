//! A policy in place.

use core::ops::Range;

use crate::check::check;
use crate::error::{ActError, FormatError, SelfTestError};
use crate::format::{activation, header, input as field, op, part, step};
use crate::heads::Head;
use crate::input;
use crate::kernels::{activate, conv, dense, embed, layer_norm, one_hot};
use crate::lanes::{Lanes, Portable};
use crate::quantized;
use crate::recurrent::{gru, lstm};
use crate::sample::sample;
use crate::windows::Windows;

/// A policy that acts, over a file and an arena.
pub struct Policy<'a> {
    file: File<'a>,
    arena: &'a mut [f32],
}

/// The tables of a file.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub header: &'a [u32; header::WORDS],
    pub inputs: &'a [[u32; field::WORDS]],
    pub steps: &'a [[u32; step::WORDS]],
    pub parts: &'a [[u32; part::WORDS]],
    pub floats: &'a [f32],
    pub records: &'a [u32],
    pub text: &'a [u8],
}

/// Elements of an input, in the order of the file's inputs.
#[derive(Debug, Clone, Copy)]
pub enum Elements<'a> {
    /// 32-bit floats; choices as their number.
    F32(&'a [f32]),
    /// Bytes.
    U8(&'a [u8]),
}

impl<'a> Policy<'a> {
    /// The policy of a file, which begins at an address that is a multiple of 16, with an arena for its results and its hidden state.
    ///
    /// # Errors
    /// [`FormatError`], which has the length that the arena must have.
    pub fn new(file: &'a [u8], arena: &'a mut [f32]) -> Result<Self, FormatError> {
        let file = check(file)?;
        let needs = file.arena();
        let arena = arena.get_mut(..needs).ok_or(FormatError::Arena(needs))?;
        let mut policy = Self { file, arena };
        policy.reset();
        Ok(policy)
    }

    /// Numbers that the arena of a file must have, after all else was checked.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn arena(file: &[u8]) -> Result<usize, FormatError> {
        Ok(check(file)?.arena())
    }

    /// Numbers of an action: for a choice the option, for a bit 0 or 1, for a box its numbers.
    pub fn action_len(&self) -> usize {
        self.file.header[header::ACTION] as usize
    }

    /// For each input whether it has bytes, and its elements.
    pub fn inputs(&self) -> impl Iterator<Item = (bool, usize)> + '_ {
        self.file.inputs.iter().map(|words| (words[field::DTYPE] == 1, words[field::LEN] as usize))
    }

    /// Seconds from one action to the next; 0 where they are not known.
    pub fn time_step(&self) -> f32 {
        f32::from_bits(self.file.header[header::TIME_STEP])
    }

    /// JSON: names, units, and what the policy was made of.
    pub fn text(&self) -> &'a str {
        core::str::from_utf8(self.file.text).unwrap_or_default()
    }

    /// Begins an episode: the hidden state becomes zero.
    pub fn reset(&mut self) {
        self.state_mut().fill(0.0);
    }

    /// The hidden state, which [`Self::act`] changes.
    pub fn state(&self) -> &[f32] {
        self.arena.get(self.file.results()..).unwrap_or_default()
    }

    /// The hidden state, to be replaced by that of another row.
    pub fn state_mut(&mut self) -> &mut [f32] {
        self.arena.get_mut(self.file.results()..).unwrap_or_default()
    }

    /// Results of all steps after [`Self::act`], those of which another one has not taken the place.
    pub fn results(&self) -> &[f32] {
        self.arena.get(..self.file.results()).unwrap_or_default()
    }

    /// Takes the most probable action for an observation, whose parts are in the order of [`Self::inputs`].
    ///
    /// # Errors
    /// [`ActError`]; the hidden state may have changed then.
    pub fn act(&mut self, observation: &[Elements<'_>], action: &mut [f32]) -> Result<(), ActError> {
        #[cfg(all(feature = "simd", target_arch = "x86_64"))]
        if let pulp::Arch::V3(lanes) = pulp::Arch::new() {
            return pulp::Simd::vectorize(lanes, Act { lanes, policy: self, observation, action });
        }
        self.act_by(Portable, observation, action)
    }

    #[cfg_attr(feature = "simd", inline(always))]
    fn act_by<L: Lanes>(
        &mut self,
        lanes: L,
        observation: &[Elements<'_>],
        action: &mut [f32],
    ) -> Result<(), ActError> {
        let (results, state) = self.arena.split_at_mut_checked(self.file.results()).ok_or(ActError::File)?;
        for words in self.file.steps {
            run(lanes, words, observation, self.file.floats, results, state)?;
        }
        let action = action.get_mut(..self.file.header[header::ACTION] as usize).ok_or(ActError::Action)?;
        for part in self.file.parts {
            let head = Head::new(part, results)?;
            head.act(self.file.floats, head.own(action)?)?;
        }
        Ok(())
    }

    /// Draws an action for an observation, with a generator of random words, and returns its log probability, in nats: that of options and bits,
    /// and the log density of numbers before they are scaled and put within their bounds; of squashed ones that of the action itself.
    ///
    /// # Errors
    /// [`ActError`]; the hidden state may have changed then.
    pub fn sample(
        &mut self,
        observation: &[Elements<'_>],
        action: &mut [f32],
        random: &mut impl FnMut() -> u32,
    ) -> Result<f32, ActError> {
        self.act(observation, action)?;
        let mut log_prob = 0.0;
        for part in self.file.parts {
            let head = Head::new(part, self.results())?;
            log_prob += sample(&head, self.file.floats, head.own(action)?, random)?;
        }
        Ok(log_prob)
    }

    /// Outputs of the network after [`Self::act`], of one part of the action after the other: logits, means.
    pub fn outputs(&self) -> impl Iterator<Item = f32> + '_ {
        self.file.parts.iter().flat_map(|words| {
            let start = words[part::OUTPUTS] as usize;
            self.arena.get(start..start + words[part::LEN] as usize).unwrap_or_default().iter().copied()
        })
    }

    /// Takes the actions that were recorded when the file was written again, with a buffer for one of them; begins an episode before
    /// and after.
    ///
    /// # Errors
    /// [`SelfTestError`] for the first difference: another option, or a number that differs by more than a hundred-thousandth.
    pub fn selftest(&mut self, action: &mut [f32]) -> Result<(), SelfTestError> {
        let (len, file) = (self.action_len(), self.file);
        let action = action.get_mut(..len).ok_or(SelfTestError::Action)?;
        for (step, record) in file.recorded().enumerate() {
            let error = |error| SelfTestError::Act(step, error);
            let (begins, rest) = record.split_first().ok_or(error(ActError::File))?;
            if *begins != 0 {
                self.reset();
            }
            let (observation, recorded) = file.split(rest).ok_or(error(ActError::File))?;
            // As many inputs as anyone has.
            let mut elements = [Elements::F32(&[]); MOST_INPUTS];
            let elements = elements.get_mut(..file.inputs.len()).ok_or(error(ActError::File))?;
            file.observe(observation, elements);
            self.act(elements, action).map_err(error)?;
            for (element, (&here, &recorded)) in action.iter().zip(recorded).enumerate() {
                let recorded = f32::from_bits(recorded);
                let largest = if recorded.abs() > 1.0 { recorded.abs() } else { 1.0 };
                // Not so where either is NaN.
                let agrees = (here - recorded).abs() <= 1e-5 * largest;
                if !agrees {
                    return Err(SelfTestError::Differs { step, element, recorded, here });
                }
            }
        }
        self.reset();
        Ok(())
    }
}

/// A call of [`Policy::act`], to be compiled for the vector instructions that a processor has.
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
struct Act<'p, 'a, 'o> {
    lanes: pulp::x86::V3,
    policy: &'p mut Policy<'a>,
    observation: &'o [Elements<'o>],
    action: &'o mut [f32],
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
impl pulp::NullaryFnOnce for Act<'_, '_, '_> {
    type Output = Result<(), ActError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        self.policy.act_by(self.lanes, self.observation, self.action)
    }
}

/// Inputs of a policy at most.
pub const MOST_INPUTS: usize = 32;

impl<'a> File<'a> {
    pub fn results(&self) -> usize {
        self.header[header::RESULTS] as usize
    }

    pub fn arena(&self) -> usize {
        self.results() + self.header[header::STATE] as usize
    }

    /// Words of the recorded observation of an input.
    pub fn recorded_words(words: &[u32; field::WORDS]) -> usize {
        let len = words[field::LEN] as usize;
        if words[field::DTYPE] == 1 { len.div_ceil(4) } else { len }
    }

    /// Words of a recorded step: whether an episode begins, the observation, the action.
    pub fn record_words(&self) -> usize {
        let observation =
            self.inputs.iter().fold(0, |sum: usize, words| sum.saturating_add(Self::recorded_words(words)));
        observation.saturating_add(self.header[header::ACTION] as usize).saturating_add(1)
    }

    fn recorded(&self) -> impl Iterator<Item = &'a [u32]> + use<'a> {
        self.records.chunks_exact(self.record_words().max(1))
    }

    /// Observation and action of a recorded step.
    fn split(&self, words: &'a [u32]) -> Option<(&'a [u32], &'a [u32])> {
        words.split_at_checked(words.len().checked_sub(self.header[header::ACTION] as usize)?)
    }

    /// The inputs in a recorded observation.
    fn observe(&self, mut words: &'a [u32], elements: &mut [Elements<'a>]) {
        for (input, into) in self.inputs.iter().zip(elements) {
            let (own, rest) = words.split_at_checked(Self::recorded_words(input)).unwrap_or_default();
            *into = if input[field::DTYPE] == 1 {
                Elements::U8(bytemuck::cast_slice(own).get(..input[field::LEN] as usize).unwrap_or_default())
            } else {
                Elements::F32(bytemuck::cast_slice(own))
            };
            words = rest;
        }
    }
}

/// What a step reads and where it writes, which do not overlap.
#[cfg_attr(feature = "simd", inline(always))]
pub fn places(results: &mut [f32], read: Range<usize>, write: Range<usize>) -> Option<(&[f32], &mut [f32])> {
    if read.end <= write.start {
        let (before, after) = results.split_at_mut_checked(write.start)?;
        Some((before.get(read)?, after.get_mut(..write.len())?))
    } else {
        let (before, after) = results.split_at_mut_checked(read.start)?;
        Some((after.get(..read.len())?, before.get_mut(write)?))
    }
}

/// Computes one step.
#[cfg_attr(feature = "simd", inline(always))]
fn run<L: Lanes>(
    lanes: L,
    words: &[u32; step::WORDS],
    observation: &[Elements<'_>],
    floats: &[f32],
    results: &mut [f32],
    state: &mut [f32],
) -> Result<(), ActError> {
    let word = |i: usize| words[i] as usize;
    let range = |start: usize, len: usize| start..start.saturating_add(len);
    let (of, activation) = (words[step::OP] & 0xff, words[step::OP] >> 8);
    let write = range(word(step::WRITE), word(step::WRITE_LEN));
    let parameters = floats.get(word(step::PARAMETERS)..).ok_or(ActError::File)?;
    if of <= op::FRACTION {
        let y = results.get_mut(write).ok_or(ActError::File)?;
        let other = ActError::Input(word(step::READ));
        let x = *observation.get(word(step::READ)).ok_or(other)?;
        return input::read(of, x, parameters, f32::from_bits(words[step::STATE]), y).ok_or(other);
    }
    if cfg!(feature = "int8") && of >= op::QUANTIZE {
        return quantized::run(words, parameters, results).ok_or(ActError::File);
    }
    let read = range(word(step::READ), word(step::READ_LEN));
    let (x, y) = places(results, read, write).ok_or(ActError::File)?;
    let states = if of == op::LSTM { 2 } else { 1 };
    match of {
        op::DENSE => dense(lanes, parameters, x, y),
        op::CONV if cfg!(feature = "pictures") => conv(lanes, parameters, x, Windows::of(words), y),
        op::MAX_POOL | op::AVERAGE_POOL if cfg!(feature = "pictures") => {
            Windows::of(words).pool(x, y, of == op::MAX_POOL);
        }
        op::LAYER_NORM => layer_norm(parameters, x, y),
        op::GRU | op::LSTM if cfg!(feature = "recurrent") => {
            let own = range(word(step::STATE), y.len().saturating_mul(states));
            let state = state.get_mut(own).ok_or(ActError::File)?;
            if of == op::GRU {
                gru(lanes, parameters, x, state, y);
            } else {
                lstm(lanes, parameters, x, state, y);
            }
        }
        op::ACTIVATION | op::COPY => y.iter_mut().zip(x).for_each(|(y, x)| *y = *x),
        op::ADD => y.iter_mut().zip(x).for_each(|(y, x)| *y += *x),
        op::ONE_HOT => one_hot(x, y),
        op::EMBEDDING => embed(parameters, word(step::SIZE), x, y),
        _ => return Err(ActError::File),
    }
    activate(y, activation);
    Ok(())
}

const _: () = assert!(activation::IDENTITY == 0, "no activation is the first one");
