//! Where a slice of rows is at work: what the report of a crash names.

use serde::{Deserialize, Serialize};

/// What an environment is being asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle = 0,
    /// To come into being.
    New = 1,
    /// To begin an episode.
    Reset = 2,
    /// To take a step.
    Step = 3,
    /// To answer a call or show an attribute.
    Call = 4,
    /// To draw itself.
    Render = 5,
    /// To end in order.
    Close = 6,
    /// To begin an episode while it is made, which shows whether it has action masks.
    MaskReset = 7,
}

impl Phase {
    /// The phase that a byte stands for.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::New,
            2 => Self::Reset,
            3 => Self::Step,
            4 => Self::Call,
            5 => Self::Render,
            6 => Self::Close,
            7 => Self::MaskReset,
            _ => Self::Idle,
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::New => "new",
            Self::Reset => "reset",
            Self::Step => "step",
            Self::Call => "call",
            Self::Render => "render",
            Self::Close => "close",
            Self::MaskReset => "reset that looks for an action mask",
        })
    }
}

/// One row, what is being done to it, and where its episode stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Row of the batch.
    pub row: usize,
    /// What is being done to it.
    pub phase: Phase,
    /// Its running episode, counted from 0; the one that begins, in a reset.
    pub episode: u64,
    /// Steps that the episode has taken.
    pub step: u64,
}

/// Told every place before work begins there, so that a crash can name it.
///
/// It is a parameter of the loop over rows: in process it costs a few stores a step.
pub trait Watch {
    /// Work begins at `place`.
    fn begin(&mut self, place: Place);
}

impl<F: FnMut(Place)> Watch for F {
    #[inline]
    fn begin(&mut self, place: Place) {
        self(place);
    }
}
