//! Named streams of random numbers, derived from one seed.

use phalanx_envs::Generator;

/// The generator of the run `seed` for the purpose `name`; each name has its own stream.
///
/// Generators are plain values: they are saved with serde and continue exactly.
pub fn stream(seed: u64, name: &str) -> Generator {
    // FNV-1a, which spreads short names over 64 bits.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    phalanx_envs::generator(seed.rotate_left(32) ^ hash)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn names_and_seeds_have_their_own_streams() {
        let first = |seed, name| stream(seed, name).random::<u64>();
        assert_eq!(first(1, "action"), first(1, "action"));
        assert_ne!(first(1, "action"), first(1, "minibatch"));
        assert_ne!(first(1, "action"), first(2, "action"));
    }

    #[test]
    fn a_saved_stream_goes_on_where_it_stood() {
        let mut a = stream(3, "action");
        let _: u64 = a.random();
        let text = serde_json::to_string(&a).expect("a generator is plain data");
        let mut b: Generator = serde_json::from_str(&text).expect("a generator is plain data");
        assert_eq!(a.random::<u64>(), b.random::<u64>());
    }
}
