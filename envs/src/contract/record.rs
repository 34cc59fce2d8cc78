//! What an environment showed and rewarded, and where two records of the same actions differ.

use serde::{Deserialize, Serialize};

use super::trial::Position;
use crate::{Dtype, Episode, Field};

/// Relative differences up to this size are rounding that has grown for a while.
const ROUNDING: f64 = 1e-4;

/// What an environment showed and rewarded, as bits.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub places: Vec<Position>,
    pub shown: Vec<Vec<u32>>,
    pub rewards: Vec<Option<(u32, Episode)>>,
    /// What bytes were filled with before each was written.
    pub filling: u8,
    /// What the numbers of an observation belong to.
    pub parts: Vec<RecordField>,
    /// First observations of the episodes.
    pub starts: Vec<Vec<u32>>,
    /// Episodes that ended.
    pub ends: u64,
}

/// A field of an observation without its bounds: JSON, by which processes send records, has no infinite numbers.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordField {
    name: String,
    is_bytes: bool,
    len: usize,
}

impl RecordField {
    pub fn of(field: &Field) -> Self {
        Self { name: field.name(), is_bytes: field.dtype == Dtype::U8, len: field.len }
    }
}

/// Where two records begin to differ, and by how much.
pub(super) struct Difference {
    pub place: String,
    /// Whether both show what was there before the environment wrote.
    pub unwritten: bool,
    /// |a − b| / max(|a|, |b|, 1) at this place; infinite where one episode ended and the other did not.
    pub first: f64,
    /// The largest of these as long as episodes end alike.
    pub largest: f64,
}

impl Difference {
    /// Whether it begins with rounding.
    pub fn is_rounding(&self) -> bool {
        self.first <= ROUNDING
    }

    /// What differs from what, why, and what follows.
    pub fn message(&self, than: &str, cause: &str) -> String {
        let Self { place, first, largest, .. } = self;
        let lost =
            "two trainings with the same seed differ, and a resumed training begins such episodes anew";
        if self.is_rounding() {
            let grown = if largest.is_finite() {
                format!("it grows to {largest:.1e}")
            } else {
                "later an episode ends elsewhere".to_owned()
            };
            return format!(
                "{place}: another number {than}, with the same seed and actions, in the last bits: the relative difference is \
                 {first:.1e}, and {grown}. This is rounding, as in many simulators; {lost}"
            );
        }
        let size =
            if first.is_finite() { format!(" (relative difference {first:.1e})") } else { String::new() };
        format!("{place}: another number {than}, with the same seed and actions{size}: {cause}; {lost}")
    }
}

impl Record {
    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.rewards.iter().flatten().count() as u64
    }

    /// Keeps the beginning, of about so many numbers, and at least ten observations.
    pub fn shorten(&mut self, numbers: usize) {
        let most = (numbers / self.shown.first().map_or(1, Vec::len).max(1)).max(10);
        self.places.truncate(most);
        self.shown.truncate(most);
        self.rewards.truncate(most);
    }

    /// The name of a number of an observation, and whether it is a byte.
    fn element(&self, mut element: usize) -> (String, bool) {
        for part in &self.parts {
            if element < part.len {
                return (format!("{}[{element}]", part.name), part.is_bytes);
            }
            element -= part.len;
        }
        unreachable!("an observation has the numbers of its fields")
    }

    /// Where two records of the same actions differ, if they do, as far as both go.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let mut found: Option<Difference> = None;
        for i in 0..self.places.len().min(other.places.len()) {
            let mut differs = |what: String, size: f64, unwritten: bool| {
                let place = || format!("{}, {what}", self.places[i]);
                let first = || Difference { place: place(), unwritten, first: size, largest: size };
                let difference = found.get_or_insert_with(first);
                difference.largest = difference.largest.max(size);
            };
            if let (Some((reward, episode)), Some((other_reward, other_episode))) =
                (self.rewards[i], other.rewards[i])
            {
                if episode != other_episode {
                    differs("end of the episode".to_owned(), f64::INFINITY, false);
                    break;
                }
                if reward != other_reward {
                    differs("reward".to_owned(), size(reward, other_reward, false), false);
                }
            }
            for (element, (&a, &b)) in self.shown[i].iter().zip(&other.shown[i]).enumerate() {
                if a != b {
                    let (name, bytes) = self.element(element);
                    let kept = bytes && [a, b] == [self.filling, other.filling].map(u32::from);
                    differs(name, size(a, b, bytes), kept);
                }
            }
        }
        found
    }
}

/// Relative difference of two numbers.
fn size(a: u32, b: u32, bytes: bool) -> f64 {
    let number = |bits| if bytes { f64::from(bits) } else { f64::from(f32::from_bits(bits)) };
    let (a, b) = (number(a), number(b));
    let size = (a - b).abs() / a.abs().max(b.abs()).max(1.0);
    if size.is_nan() { f64::INFINITY } else { size }
}
