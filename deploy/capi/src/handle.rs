//! An open policy.

use std::ffi::{CString, c_void};
use std::path::Path;
use std::slice;

use phalanx_micro::{ActError, Elements, FormatError, MOST_INPUTS, Policy};

use crate::error::{Failure, PhalanxCode};

/// An open policy.
pub struct PhalanxPolicy {
    // Borrows the two below, and is dropped before them.
    policy: Policy<'static>,
    /// For each input whether it has bytes, and its elements.
    pub(crate) inputs: Vec<(bool, usize)>,
    pub(crate) action_len: usize,
    pub(crate) description: CString,
    /// Hidden states of all rows.
    states: Vec<f32>,
    rows: usize,
    /// A row in 32 bits.
    observation: Vec<f32>,
    action: Vec<f32>,
    _file: Box<[Line]>,
    _arena: Box<[f32]>,
}

/// How actions are drawn.
pub(crate) struct Draw<'a, T> {
    /// State of the generator.
    pub random: &'a mut u64,
    /// Log probability of each row's action.
    pub log_prob: &'a mut [T],
}

/// Bytes at an address that is a multiple of 16.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Line([u8; 16]);

impl PhalanxPolicy {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(|error| {
            Failure(PhalanxCode::File, format!("cannot read {}: {error}", path.display()))
        })?;
        Self::new(&bytes)
            .map_err(|Failure(code, message)| Failure(code, format!("{}: {message}", path.display())))
    }

    /// Copies a file.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, Failure> {
        let wrong = |error: FormatError| Failure(PhalanxCode::File, error.to_string());
        let mut lines = vec![Line([0; 16]); bytes.len().div_ceil(16)].into_boxed_slice();
        for (line, bytes) in lines.iter_mut().zip(bytes.chunks(16)) {
            line.0[..bytes.len()].copy_from_slice(bytes);
        }
        // SAFETY: these bytes live in a box that this policy keeps and nothing changes; a box that moves does not move them.
        let file = unsafe { slice::from_raw_parts(lines.as_ptr().cast::<u8>(), bytes.len()) };
        let mut arena = vec![0.0; Policy::arena(file).map_err(wrong)?].into_boxed_slice();
        // SAFETY: likewise, and nothing else reads or writes them.
        let own = unsafe { slice::from_raw_parts_mut(arena.as_mut_ptr(), arena.len()) };
        let policy = Policy::new(file, own).map_err(wrong)?;
        let inputs: Vec<(bool, usize)> = policy.inputs().collect();
        let observation = vec![0.0; inputs.iter().map(|(_, len)| *len).max().unwrap_or(0)];
        let action = vec![0.0; policy.action_len()];
        Ok(Self {
            inputs,
            action_len: policy.action_len(),
            description: CString::new(policy.text()).unwrap_or_default(),
            states: policy.state().to_vec(),
            rows: 1,
            observation,
            action,
            policy,
            _file: lines,
            _arena: arena,
        })
    }

    /// Seconds from one action to the next.
    pub(crate) fn time_step(&self) -> f32 {
        self.policy.time_step()
    }

    /// Numbers of the actions of `rows` rows; more rows than memory has are an error.
    pub(crate) fn numbers(&self, rows: usize) -> Result<usize, Failure> {
        let widest =
            self.inputs.iter().map(|(_, len)| *len).chain([self.action_len, self.policy.state().len()]).max();
        let bytes = widest.unwrap_or(0).checked_mul(8).and_then(|bytes| bytes.checked_mul(rows));
        if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
            return Err(Failure::argument(format!("{rows} rows are more than memory has")));
        }
        Ok(rows * self.action_len)
    }

    /// As many hidden states, zeros.
    pub(crate) fn set_rows(&mut self, rows: usize) -> Result<(), Failure> {
        if rows == 0 {
            return Err(Failure::argument("a policy has at least one row"));
        }
        self.numbers(rows)?;
        let numbers = rows * self.policy.state().len();
        self.states.clear();
        self.states.try_reserve_exact(numbers).map_err(|_| {
            Failure::argument(format!("there is no memory for the hidden states of {rows} rows"))
        })?;
        self.states.resize(numbers, 0.0);
        self.rows = rows;
        Ok(())
    }

    /// Begins an episode.
    pub(crate) fn reset(&mut self, row: usize) -> Result<(), Failure> {
        self.check(row)?;
        let len = self.policy.state().len();
        self.states[row * len..(row + 1) * len].fill(0.0);
        Ok(())
    }

    fn check(&self, row: usize) -> Result<(), Failure> {
        // Rows matter to hidden states alone.
        if row < self.rows || self.policy.state().is_empty() {
            return Ok(());
        }
        let rows = self.rows;
        Err(Failure::argument(format!("row {row} of {rows}: phalanx_policy_set_rows makes more")))
    }

    /// Acts for some rows, with the most probable actions or drawn ones.
    ///
    /// # Safety
    /// Each pointer points to as many elements as `rows` rows of its input have.
    pub(crate) unsafe fn act(
        &mut self,
        rows: usize,
        observation: &[*const c_void],
        action: &mut [f32],
        mut draw: Option<Draw<'_, f32>>,
    ) -> Result<(), Failure> {
        self.check(rows.saturating_sub(1))?;
        for (row, action) in action.chunks_exact_mut(self.action_len.max(1)).enumerate() {
            let mut elements = [Elements::F32(&[]); MOST_INPUTS];
            for ((into, pointer), &(is_bytes, len)) in elements.iter_mut().zip(observation).zip(&self.inputs)
            {
                *into = if is_bytes {
                    // SAFETY: as the caller promises.
                    Elements::U8(unsafe { slice::from_raw_parts(pointer.cast::<u8>().add(row * len), len) })
                } else {
                    // SAFETY: as the caller promises.
                    Elements::F32(unsafe { slice::from_raw_parts(pointer.cast::<f32>().add(row * len), len) })
                };
            }
            let state = self.policy.state().len();
            let own = &mut self.states[row * state..(row + 1) * state];
            let random = draw.as_mut().map(|draw| &mut *draw.random);
            let log_prob = act(&mut self.policy, row, &elements[..self.inputs.len()], own, action, random)?;
            if let Some(draw) = &mut draw {
                draw.log_prob[row] = log_prob;
            }
        }
        Ok(())
    }

    /// Acts for some rows of a policy with one input of floats.
    pub(crate) fn act_f64(
        &mut self,
        rows: usize,
        observation: &[f64],
        action: &mut [f64],
        mut draw: Option<Draw<'_, f64>>,
    ) -> Result<(), Failure> {
        self.check(rows.saturating_sub(1))?;
        let (len, state) = (self.observation.len(), self.policy.state().len());
        let all = observation.chunks_exact(len.max(1)).zip(action.chunks_exact_mut(self.action_len.max(1)));
        for (row, (given, action)) in all.enumerate() {
            self.observation.iter_mut().zip(given).for_each(|(to, from)| *to = *from as f32);
            let own = &mut self.states[row * state..(row + 1) * state];
            let elements = [Elements::F32(&self.observation)];
            let random = draw.as_mut().map(|draw| &mut *draw.random);
            let log_prob = act(&mut self.policy, row, &elements, own, &mut self.action, random)?;
            if let Some(draw) = &mut draw {
                draw.log_prob[row] = log_prob.into();
            }
            action.iter_mut().zip(&self.action).for_each(|(to, from)| *to = f64::from(*from));
        }
        Ok(())
    }

    /// Takes the recorded actions again.
    pub(crate) fn selftest(&mut self) -> Result<(), Failure> {
        self.states.fill(0.0);
        let result = self.policy.selftest(&mut self.action);
        result.map_err(|error| Failure(PhalanxCode::Selftest, error.to_string()))
    }
}

/// Acts for one row; returns the log probability of an action that is drawn.
fn act(
    policy: &mut Policy<'_>,
    row: usize,
    elements: &[Elements<'_>],
    state: &mut [f32],
    action: &mut [f32],
    random: Option<&mut u64>,
) -> Result<f32, Failure> {
    policy.state_mut().copy_from_slice(state);
    let result = match random {
        None => policy.act(elements, action).map(|()| 0.0),
        Some(random) => policy.sample(elements, action, &mut || next(random)),
    };
    state.copy_from_slice(policy.state());
    result.map_err(|error| {
        let code = match error {
            ActError::Mask => PhalanxCode::Mask,
            ActError::Deviations => PhalanxCode::File,
            _ => PhalanxCode::Fault,
        };
        Failure(code, format!("row {row}: {error}"))
    })
}

/// The next random word of SplitMix64 (Steele, Lea and Flood 2014), for which any state is a good one.
fn next(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 32) as u32
}
