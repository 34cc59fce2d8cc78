//! The `phalanx` binary.

use std::process::ExitCode;

use phalanx::envs::Registry;

fn main() -> ExitCode {
    phalanx::cli::main(Registry::standard())
}
