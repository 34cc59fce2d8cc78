//! The policy file that `PHALANX_POLICY` names.

/// A policy file where weights can be read in place.
#[repr(C, align(16))]
struct Aligned<const N: usize>([u8; N]);

static FILE: Aligned<{ include_bytes!(env!("PHALANX_POLICY")).len() }> =
    Aligned(*include_bytes!(env!("PHALANX_POLICY")));

/// Its bytes, at an address that is a multiple of 16.
pub static BYTES: &[u8] = &FILE.0;
