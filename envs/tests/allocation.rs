//! Stepping allocates nothing: native environments, those of `MuJoCo`, time limits, wrappers, providers and resets in a batch.
#![allow(unsafe_code, clippy::unwrap_used)] // an allocator that counts

#[path = "providers/build.rs"]
mod build;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use phalanx_envs::wrappers::Selected;
use phalanx_envs::{BatchEnv, EnvSpec, LocalBatch, Registry, Space, WrapperSpec, generator};

struct Counting;

thread_local! {
    /// Allocations of this thread.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: usize = 4;
const STEPS: usize = 64;

#[test]
fn the_count_counts() {
    let before = COUNT.get();
    let numbers = vec![1, 2, 3];
    assert_eq!(COUNT.get() - before, 1);
    drop(numbers);
}

#[test]
fn stepping_allocates_nothing() {
    let registry = Registry::standard();
    // The adapter's environments hand out vectors of their own.
    for name in registry.names().filter(|name| !name.contains('/')) {
        let info = registry.info(name).unwrap();
        let bounded = info.observation_space.is_bounded();
        let mut wrappers = vec![
            WrapperSpec::LimitDuration { steps: 30 },
            WrapperSpec::FiniteCheck,
            WrapperSpec::RandomStart { max_steps: 4 },
            WrapperSpec::ClipReward { limit: 1.0 },
        ];
        if !info.observation_space.is_composite() {
            wrappers.extend([
                WrapperSpec::ActionRepeat { times: 2, max_pool: true },
                WrapperSpec::RangeNormalize { observation: Some(bounded), action: None },
                WrapperSpec::FrameDelta,
                WrapperSpec::FrameHistory { past: vec![0, 3], flatten: true, field: None },
            ]);
        }
        if name == "PictureAndNumbers-v0" {
            let field = Some(Selected::Path("numbers".to_owned()));
            wrappers.extend([
                WrapperSpec::Resize { height: 5, width: 6, field: None },
                WrapperSpec::FrameHistory { past: vec![0, 3], flatten: true, field },
                WrapperSpec::RangeNormalize { observation: Some(true), action: None },
            ]);
        }
        if matches!(info.action_space, Space::Box { .. }) {
            wrappers.push(WrapperSpec::ClipAction);
        }
        let lasts = info.time_limit.is_none_or(|limit| limit as usize > 8 * STEPS);
        for wrappers in [Vec::new(), wrappers] {
            let spec = EnvSpec { wrappers, ..EnvSpec::named(name) };
            let (steps, ends, allocations) = run(&registry, &spec);
            assert_eq!(allocations, 0, "{spec:?}");
            assert!(steps == 8 * STEPS * ROWS && (ends > 0 || lasts), "{spec:?}");
        }
    }
}

#[test]
fn providers_allocate_nothing() {
    let registry = Registry::standard();
    let library = build::example("envs/examples/c/walk.c");
    let simulator = build::example("envs/examples/exec/pendulum.c");
    for name in [format!("dylib:{}", library.display()), format!("exec:'{}'", simulator.display())] {
        let (steps, ends, allocations) = run(&registry, &EnvSpec::named(&name));
        assert!(steps == 8 * STEPS * ROWS && ends > 0 && allocations == 0, "{name}: {allocations}");
    }
}

/// Steps, episodes that ended and allocations of eight rollouts of random actions. Where the first episode ends, an environment
/// reports that it has no info, which is left out.
fn run(registry: &Registry, spec: &EnvSpec) -> (usize, usize, usize) {
    let mut batch = LocalBatch::new(registry, spec, ROWS, STEPS, 1).unwrap();
    let mut generator = generator(0);
    batch.reset(None).unwrap();
    let (mut ends, mut allocations) = (0, 0);
    for _ in 0..8 {
        for t in 0..STEPS {
            (0..ROWS).for_each(|row| batch.block_mut().sample_action(t, row, &mut generator));
            let before = COUNT.get();
            batch.step(t).unwrap();
            let ended = (0..ROWS).filter(|&row| batch.block().episode(t, row).is_over()).count();
            if ends > 0 || ended == 0 {
                allocations += COUNT.get() - before;
            }
            ends += ended;
        }
        batch.block_mut().carry_over(STEPS);
    }
    (8 * STEPS * ROWS, ends, allocations)
}
