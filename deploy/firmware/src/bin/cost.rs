//! What the interpreter costs: instructions of an action beside those of its kernels alone, without a check, and the deepest stack.
//!
//! For policies that choose by four numbers; the kernels alone are those of dense layers in floats. QEMU must count instructions, one in a nanosecond: `-icount shift=0`.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
use cortex_m_semihosting::hprintln;
use phalanx_micro::format::{LANES, header, op, step};
use phalanx_micro::{Elements, Policy};

#[path = "../file.rs"]
mod file;

/// Actions of a measurement.
const CALLS: u32 = 400;

/// Instructions of a tick: the board's clock has 25 MHz.
const TICK: u32 = 40;

/// Layers at most.
const LAYERS: usize = 8;

#[entry]
fn main() -> ! {
    let mut arena = [0.0; 256];
    let Ok(mut policy) = Policy::new(black_box(file::BYTES), &mut arena) else { stop() };
    let mut layers = [Layer::NONE; LAYERS];
    let layers = layers_of(&mut layers);
    let Some(mut peripherals) = cortex_m::Peripherals::take() else { stop() };
    let clock = &mut peripherals.SYST;
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(0x00ff_ffff);
    clock.clear_current();
    clock.enable_counter();
    let observation = black_box([0.01, -0.02, 0.03, 0.04]);
    let mut action = [0.0];
    let acted = instructions(|| {
        let _ = black_box(policy.act(black_box(&[Elements::F32(&observation)]), &mut action));
    });
    hprintln!("{} instructions an action", acted);
    if let Some(layers) = layers {
        let (mut buffers, mut chosen) = ([[0.0; 64]; 2], 0);
        let bare = instructions(|| {
            // SAFETY: the sizes are those of a file that was checked.
            chosen = black_box(unsafe { bare(layers, black_box(&observation), &mut buffers) });
        });
        if chosen as f32 != action[0] {
            stop();
        }
        let more = u64::from(acted.saturating_sub(bare)) * 10_000 / u64::from(bare);
        hprintln!("{} instructions of the kernels alone: {}.{:02} % more", bare, more / 100, more % 100);
    }
    let (stack, policy_bytes) = (deepest(&mut policy, &observation), size_of::<Policy<'_>>());
    hprintln!("{} bytes of stack in act, {} bytes of the policy itself", stack, policy_bytes);
    exit(EXIT_SUCCESS);
    loop {}
}

/// Instructions of one call.
fn instructions(mut call: impl FnMut()) -> u32 {
    call();
    let before = SYST::get_current();
    for _ in 0..CALLS {
        call();
    }
    // It counts down, in 24 bits.
    (before.wrapping_sub(SYST::get_current()) & 0x00ff_ffff) * TICK / CALLS
}

/// Bytes of the stack that one action uses.
#[inline(never)]
fn deepest(policy: &mut Policy<'_>, observation: &[f32; 4]) -> usize {
    const PAINTED: usize = 4096;
    const PAINT: u8 = 0xa5;
    let here = cortex_m::register::msp::read() as usize;
    // A margin for this function's own calls.
    let top = here - 64;
    for at in top - PAINTED..top {
        // SAFETY: memory below the stack's end, which nothing uses now.
        unsafe { (at as *mut u8).write_volatile(PAINT) };
    }
    let mut action = [0.0];
    let _ = black_box(policy.act(&[Elements::F32(observation)], &mut action));
    // SAFETY: as above.
    let untouched =
        (top - PAINTED..top).take_while(|at| unsafe { (*at as *const u8).read_volatile() } == PAINT);
    here - (top - PAINTED + untouched.count())
}

/// A dense layer.
#[derive(Clone, Copy)]
struct Layer {
    weight: *const f32,
    bias: *const f32,
    reads: usize,
    writes: usize,
    tanh: bool,
}

impl Layer {
    const NONE: Self =
        Self { weight: core::ptr::null(), bias: core::ptr::null(), reads: 0, writes: 0, tanh: false };
}

/// The layers of the file; none where it has other steps.
fn layers_of(into: &mut [Layer; LAYERS]) -> Option<&[Layer]> {
    let word = |at: usize| {
        let bytes = file::BYTES.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let (first, floats) = (word(header::STEPS)? / 4, word(header::FLOATS)?);
    let mut n = 0;
    for i in 0..word(header::STEPS + 1)? {
        let of = |field: usize| word(first + i * step::WORDS + field);
        match of(step::OP)? as u32 & 0xff {
            op::READ => {}
            op::DENSE => {
                let (reads, writes) = (of(step::READ_LEN)?, of(step::WRITE_LEN)?);
                let at = floats + 4 * of(step::PARAMETERS)?;
                let weight = file::BYTES.get(at..)?.as_ptr().cast::<f32>();
                let bias = file::BYTES.get(at + 4 * reads * writes..)?.as_ptr().cast();
                *into.get_mut(n)? = Layer { weight, bias, reads, writes, tanh: of(step::OP)? >> 8 == 1 };
                n += 1;
            }
            _ => return None,
        }
    }
    into.get(..n)
}

/// The option with the largest output, by kernels alone.
#[inline(never)]
unsafe fn bare(layers: &[Layer], observation: &[f32; 4], [a, b]: &mut [[f32; 64]; 2]) -> usize {
    let (mut x, mut y) = (observation.as_ptr(), a.as_mut_ptr());
    let mut other = b.as_mut_ptr();
    let mut len = 0;
    for layer in layers {
        // SAFETY: as the caller promises.
        unsafe { dense(layer, x, y) };
        len = layer.writes;
        x = y;
        core::mem::swap(&mut y, &mut other);
    }
    // SAFETY: as many outputs.
    (1..len).fold(0, |best, i| unsafe { if *x.add(i) > *x.add(best) { i } else { best } })
}

/// A dense layer without a check, with the weights of a file.
#[inline(never)]
unsafe fn dense(layer: &Layer, x: *const f32, y: *mut f32) {
    let blocks = layer.writes / LANES;
    let mut w = layer.weight;
    // SAFETY: as the caller promises.
    unsafe {
        for block in 0..blocks {
            let bias = layer.bias.add(block * LANES);
            let [mut s0, mut s1, mut s2, mut s3] = [*bias, *bias.add(1), *bias.add(2), *bias.add(3)];
            let [mut s4, mut s5, mut s6, mut s7] = [*bias.add(4), *bias.add(5), *bias.add(6), *bias.add(7)];
            for j in 0..layer.reads {
                let x = *x.add(j);
                s0 += *w * x;
                s1 += *w.add(1) * x;
                s2 += *w.add(2) * x;
                s3 += *w.add(3) * x;
                s4 += *w.add(4) * x;
                s5 += *w.add(5) * x;
                s6 += *w.add(6) * x;
                s7 += *w.add(7) * x;
                w = w.add(LANES);
            }
            for (i, sum) in [s0, s1, s2, s3, s4, s5, s6, s7].into_iter().enumerate() {
                *y.add(block * LANES + i) = sum;
            }
        }
        for i in blocks * LANES..layer.writes {
            let [mut a, mut b, mut c, mut d] = [*layer.bias.add(i), 0.0, 0.0, 0.0];
            for j in 0..layer.reads / 4 {
                let x = x.add(4 * j);
                a += *w * *x;
                b += *w.add(1) * *x.add(1);
                c += *w.add(2) * *x.add(2);
                d += *w.add(3) * *x.add(3);
                w = w.add(4);
            }
            let mut sum = (a + b) + (c + d);
            for j in layer.reads / 4 * 4..layer.reads {
                sum += *w * *x.add(j);
                w = w.add(1);
            }
            *y.add(i) = sum;
        }
        if layer.tanh {
            for i in 0..layer.writes {
                *y.add(i) = phalanx_maths::tanh(*y.add(i));
            }
        }
    }
}

fn stop() -> ! {
    hprintln!("the file cannot be used, or the kernels alone choose otherwise");
    exit(EXIT_FAILURE);
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(EXIT_FAILURE);
    loop {}
}
