//! A policy in place.

use crate::check::check;
use crate::error::{ActError, FormatError, SelfTestError};
use crate::file::File;
use crate::format::{activation, header, input as field, op, part, step};
use crate::kernels::{activate, layer_norm, one_hot, option, transfer};
use crate::lanes::{Lanes, Portable};
use crate::linear::dense;
use crate::recurrent::recurrent;
use crate::sample::sample;
use crate::{heads, input, quantized, windows};

/// A policy that acts, over a file and an arena.
pub struct Policy<'a> {
    pub(crate) file: File<'a>,
    pub(crate) arena: &'a mut [f32],
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
        self.file.word(header::ACTION) as usize
    }

    /// For each input whether it has bytes, and its elements.
    pub fn inputs(&self) -> impl Iterator<Item = (bool, usize)> + '_ {
        self.file.inputs().iter().map(|words| (words[field::DTYPE] == 1, words[field::LEN] as usize))
    }

    /// Seconds from one action to the next; 0 where they are not known.
    pub fn time_step(&self) -> f32 {
        f32::from_bits(self.file.word(header::TIME_STEP))
    }

    /// JSON: names, units, and what the policy was made of.
    pub fn text(&self) -> &'a str {
        self.file.text().unwrap_or_default()
    }

    /// Begins an episode: the hidden state becomes zero.
    pub fn reset(&mut self) {
        one_hot(usize::MAX, self.state_mut());
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
    #[cfg_attr(not(feature = "simd"), inline(never))]
    fn act_by<L: Lanes>(
        &mut self,
        lanes: L,
        observation: &[Elements<'_>],
        action: &mut [f32],
    ) -> Result<(), ActError> {
        for words in self.file.steps {
            let of = words[step::OP] & 0xff;
            if of <= op::FRACTION {
                let i = words[step::READ] as usize;
                let x = observation.get(i).ok_or(ActError::Input(i))?;
                input::read(self, words, x).ok_or(ActError::Input(i))?;
            } else if cfg!(feature = "int8") && of >= op::QUANTIZE {
                quantized::run(lanes, self, words).ok_or(ActError::File)?;
            } else {
                self.run(lanes, words).ok_or(ActError::File)?;
            }
        }
        for part in self.file.parts {
            heads::act(self, part, action)?;
        }
        Ok(())
    }

    /// Computes a step in floats; nothing where it contradicts the file.
    #[cfg_attr(feature = "simd", inline(always))]
    #[cfg_attr(not(feature = "simd"), inline(never))]
    fn run<L: Lanes>(&mut self, lanes: L, words: &[u32; step::WORDS]) -> Option<()> {
        let of = words[step::OP] & 0xff;
        let (read, reads) = (words[step::READ] as usize, words[step::READ_LEN] as usize);
        let (write, writes) = (words[step::WRITE] as usize, words[step::WRITE_LEN] as usize);
        let parameters = self.file.floats.get(words[step::PARAMETERS] as usize..)?;
        let (results, state) = if cfg!(feature = "recurrent") && matches!(of, op::GRU | op::LSTM) {
            self.arena.split_at_mut_checked(self.file.results())?
        } else {
            (&mut *self.arena, &mut [][..])
        };
        let (x, y) = places(results, [read, reads], [write, writes])?;
        match of {
            op::DENSE => dense(lanes, parameters, x, y)?,
            op::CONV | op::MAX_POOL | op::AVERAGE_POOL if cfg!(feature = "pictures") => {
                windows::compute(lanes, words, parameters, x, y)?;
            }
            op::LAYER_NORM => layer_norm(parameters, x, y)?,
            op::GRU | op::LSTM if cfg!(feature = "recurrent") => {
                recurrent(lanes, words, parameters, x, state, y)?;
            }
            op::ACTIVATION | op::COPY | op::ADD => transfer(x, y, of == op::ADD),
            op::ONE_HOT => one_hot(option(x, writes), y),
            op::EMBEDDING => {
                let row = option(x, words[step::SIZE] as usize).wrapping_mul(writes);
                transfer(parameters.get(row..)?, y, false);
            }
            _ => return None,
        }
        activate(y, words[step::OP] >> 8);
        Some(())
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
            log_prob += sample(self, part, action, random)?;
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
        let damaged = SelfTestError::Act(0, ActError::File);
        for (step, record) in file.recorded().ok_or(damaged)?.enumerate() {
            let error = |error| SelfTestError::Act(step, error);
            let (begins, rest) = record.split_first().ok_or(error(ActError::File))?;
            if *begins != 0 {
                self.reset();
            }
            let (observation, recorded) = file.split(rest).ok_or(error(ActError::File))?;
            // As many inputs as anyone has.
            let mut elements = [Elements::F32(&[]); MOST_INPUTS];
            let elements = elements.get_mut(..file.inputs().len()).ok_or(error(ActError::File))?;
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

/// What a step reads and where it writes, which do not overlap.
#[inline(always)]
pub fn places(
    results: &mut [f32],
    [read, reads]: [usize; 2],
    [write, writes]: [usize; 2],
) -> Option<(&[f32], &mut [f32])> {
    if read < write {
        let (before, after) = results.split_at_mut_checked(write)?;
        Some((before.get(read..)?.get(..reads)?, after.get_mut(..writes)?))
    } else {
        let (before, after) = results.split_at_mut_checked(read)?;
        Some((after.get(..reads)?, before.get_mut(write..)?.get_mut(..writes)?))
    }
}

const _: () = assert!(activation::IDENTITY == 0, "no activation is the first one");
