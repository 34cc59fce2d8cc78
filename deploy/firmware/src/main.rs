//! A policy in flash that balances CartPole, on a Cortex-M4F: 100 episodes, whose mean return is printed through the debugger.
//!
//! `PHALANX_POLICY=cartpole.phx cargo run --release`; docs/deploy.md has what it needs.
#![no_std]
#![no_main]

mod cart_pole;
mod file;

use core::panic::PanicInfo;

use cart_pole::CartPole;
use cortex_m_rt::entry;
use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
use cortex_m_semihosting::hprintln;
use phalanx_micro::{Elements, Policy};

/// Episodes that are played.
const EPISODES: u32 = 100;

#[entry]
fn main() -> ! {
    let mut arena = [0.0; 256];
    let Ok(mut policy) = Policy::new(file::BYTES, &mut arena) else { stop("the file cannot be used") };
    let mut action = [0.0];
    if policy.selftest(&mut action).is_err() {
        stop("the self test failed");
    }
    let mut cart = CartPole::new(1);
    let mut steps = 0_u32;
    for _ in 0..EPISODES {
        let mut observation = cart.reset();
        policy.reset();
        loop {
            if policy.act(&[Elements::F32(&observation)], &mut action).is_err() {
                stop("no action");
            }
            steps += 1;
            let ended;
            (observation, ended) = cart.step(action[0] > 0.5);
            if ended {
                break;
            }
        }
    }
    // The reward is 1 for each step.
    let hundredths = u64::from(steps) * 100 / u64::from(EPISODES);
    hprintln!("return {}.{:02} over {} episodes", hundredths / 100, hundredths % 100, EPISODES);
    exit(EXIT_SUCCESS);
    loop {}
}

fn stop(why: &str) -> ! {
    hprintln!("{}", why);
    exit(EXIT_FAILURE);
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(EXIT_FAILURE);
    loop {}
}
