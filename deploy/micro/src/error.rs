//! What can be wrong with a file, an observation or a self test.

use core::fmt;

use crate::format;

/// Why a file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// It is none, of another version, cut off, or its checksum does not match.
    Damaged,
    /// It does not begin at an address that is a multiple of 16.
    Alignment,
    /// It was written for processors of the other byte order.
    ByteOrder,
    /// This table or step contradicts itself.
    Contents(&'static str, usize),
    /// This step has an operation that this program was built without, or one that there is not.
    Operation(usize),
    /// The arena is shorter than this many numbers.
    Arena(usize),
}

/// Why there is no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActError {
    /// The input of this index is missing, of another length or another type.
    Input(usize),
    /// The action is shorter than the policy's.
    Action,
    /// A mask leaves no legal option.
    Mask,
    /// The file has no standard deviations, with which numbers are drawn.
    Deviations,
    /// The file has changed since it was checked.
    File,
}

/// Where a recorded action differs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SelfTestError {
    /// A step without an action.
    Act(usize, ActError),
    /// Number `element` of the action of a step.
    Differs {
        /// The recorded step.
        step: usize,
        /// The number of its action.
        element: usize,
        /// As recorded.
        recorded: f32,
        /// As here.
        here: f32,
    },
    /// The action's buffer is too short.
    Action,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => write!(
                f,
                "not a policy file of version {}, cut off, or its checksum does not match",
                format::VERSION
            ),
            Self::Alignment => f.write_str("the file does not begin at an address that is a multiple of 16"),
            Self::ByteOrder => f.write_str("policy files are little-endian, and this processor is not"),
            Self::Contents(what, i) => write!(f, "{what} {i} contradicts itself"),
            Self::Operation(i) => write!(
                f,
                "step {i} has an operation that this program does not: \
                 features pictures, recurrent and int8 of phalanx-micro have some"
            ),
            Self::Arena(numbers) => write!(f, "the arena must have {numbers} numbers"),
        }
    }
}

impl fmt::Display for ActError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(i) => write!(f, "input {i} is missing, of another length or of another type"),
            Self::Action => f.write_str("the buffer of the action is too short"),
            Self::Mask => f.write_str("a mask leaves no legal option"),
            Self::Deviations => f.write_str(
                "the file has no standard deviations, with which numbers are drawn: export it again",
            ),
            Self::File => f.write_str("the file has changed since it was opened"),
        }
    }
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(step, error) => write!(f, "recorded step {step}: {error}"),
            Self::Differs { step, element, recorded, here } => {
                write!(
                    f,
                    "recorded step {step}: number {element} of the action is {here}, and was {recorded}"
                )
            }
            Self::Action => f.write_str("the buffer of the action is too short"),
        }
    }
}

impl core::error::Error for FormatError {}
impl core::error::Error for ActError {}
impl core::error::Error for SelfTestError {}
