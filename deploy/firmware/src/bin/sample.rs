//! A program that opens a policy and draws actions, and nothing else: beside `act`, what drawing adds to a program.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use phalanx_micro::{Elements, Policy};

#[path = "../file.rs"]
mod file;

#[entry]
fn main() -> ! {
    let mut arena = [0.0; 128];
    let Ok(mut policy) = Policy::new(black_box(file::BYTES), &mut arena) else { loop {} };
    let (mut action, mut word) = ([0.0], 1_u32);
    // In place of the processor's own generator: xorshift (Marsaglia 2003).
    let mut random = || {
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        word
    };
    loop {
        let observation = black_box([0.0; 4]);
        let log_prob = policy.sample(&[Elements::F32(&observation)], &mut action, &mut random);
        black_box((log_prob.ok(), action));
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
