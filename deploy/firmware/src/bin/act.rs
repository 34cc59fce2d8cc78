//! A program that opens a policy and acts, and nothing else: what the interpreter adds to a program.
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
    static mut ARENA: [f32; 128] = [0.0; 128];
    let Ok(mut policy) = Policy::new(black_box(file::BYTES), ARENA) else { loop {} };
    let mut action = [0.0];
    loop {
        let observation = black_box([0.0; 4]);
        let acted = policy.act(&[Elements::F32(&observation)], &mut action);
        black_box((acted.is_ok(), action));
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
