//! How much memory this process can have, asked before much of it is taken: a system that runs out ends processes without a word.

use std::hint::black_box;
use std::sync::OnceLock;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// More memory is needed than this process can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum TooLittleMemory {
    /// The machine or the control group has less.
    #[error("{} of memory, and this machine has {}", ByteSize(*.needed), ByteSize(*.limit))]
    Limit {
        /// Bytes.
        needed: u64,
        /// Bytes of memory and swap.
        limit: u64,
    },
    /// The system refuses as much, as under `ulimit -v`.
    #[error("{} of memory, more than this process may have", ByteSize(*.needed))]
    Refused {
        /// Bytes.
        needed: u64,
    },
}

/// Fails when this process cannot have `bytes` bytes of memory. None of it is touched.
///
/// # Errors
/// [`TooLittleMemory`].
pub fn check_memory(bytes: u64) -> Result<(), TooLittleMemory> {
    let limit = limit();
    if bytes > limit {
        return Err(TooLittleMemory::Limit { needed: bytes, limit });
    }
    let reserved = usize::try_from(bytes).is_ok_and(|n| {
        let mut memory = Vec::<u8>::new();
        let reserved = memory.try_reserve_exact(n).is_ok();
        // An allocation that nobody looks at is optimised away.
        black_box(memory);
        reserved
    });
    if reserved { Ok(()) } else { Err(TooLittleMemory::Refused { needed: bytes }) }
}

/// Bytes of memory and swap of this machine, or of the control group that this process is in.
fn limit() -> u64 {
    static LIMIT: OnceLock<u64> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        // Miri has no such files.
        if cfg!(miri) {
            return u64::MAX;
        }
        // Where nothing is known, the trial alone decides.
        let Ok(mut system) = System::new() else { return u64::MAX };
        system.refresh_memory();
        let group = sysinfo::get_current_pid().ok().and_then(|pid| {
            let nothing = ProcessRefreshKind::nothing();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, nothing);
            system.process(pid)?.cgroup_limits()
        });
        let group = group.map_or(u64::MAX, |group| group.total_memory);
        system.total_memory().min(group).saturating_add(system.total_swap())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_limit_is_the_kernels_number_or_that_of_a_control_group() {
        let text = std::fs::read_to_string("/proc/meminfo").expect("the kernel's numbers");
        let kib = |name: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect("a line");
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
        };
        let machine = 1024 * (kib("MemTotal:") + kib("SwapTotal:"));
        // No control group of a few MiB could run this.
        assert!((1 << 24..=machine).contains(&limit()), "{} of {machine}", limit());
    }

    #[test]
    fn more_than_the_machine_has_is_refused_with_both_numbers() {
        let error = check_memory(1 << 50).expect_err("a pebibyte");
        assert!(error.to_string().starts_with("1.0 PiB of memory, and this machine has "), "{error}");
        check_memory(1 << 20).expect("a mebibyte");
    }
}
