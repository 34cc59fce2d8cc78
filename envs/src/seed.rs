//! Seeds: every row has its own stream, derived from (run seed, row, episode).
//!
//! An environment is seeded anew for every episode, so an episode can be replayed from three numbers and its
//! actions, whichever process runs it.

use rand::SeedableRng;

/// The generator of environments: fast, portable and saveable.
pub type Generator = rand_xoshiro::Xoshiro256PlusPlus;

/// A generator from a 64-bit seed.
pub fn generator(seed: u64) -> Generator {
    Generator::seed_from_u64(seed)
}

/// Where the seeds of a batch's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seeds {
    /// Seed of the run.
    pub run: u64,
    /// Number of the batch's first row among all rows of the run, which may have more batches than this one.
    pub first_row: usize,
}

impl Seeds {
    /// Seed of an episode of the batch's row `row`.
    pub fn episode(self, row: usize, episode: u64) -> u64 {
        episode_seed(self.run, self.first_row + row, episode)
    }
}

impl From<u64> for Seeds {
    /// Those of a run with one batch.
    fn from(run: u64) -> Self {
        Self { run, first_row: 0 }
    }
}

/// Seed of one episode of one row.
pub fn episode_seed(run_seed: u64, row: usize, episode: u64) -> u64 {
    mix(mix(mix(run_seed) ^ row as u64) ^ episode)
}

/// `SplitMix64`'s step: a bijection that scatters neighbouring numbers.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_episodes_have_their_own_seeds() {
        let mut seeds: Vec<u64> =
            (0..50).flat_map(|row| (0..50).map(move |episode| episode_seed(7, row, episode))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 2500);
    }
}
