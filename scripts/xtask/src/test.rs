//! `cargo xtask test`: the whole test suite, every feature, in one build.

use anyhow::Result;

use crate::process::{cargo, output, run};
use crate::{mujoco, setup};

/// Everything in the workspace with every feature, so that no second build of the same crates is needed.
const WHOLE: [&str; 2] = ["--workspace", "--all-features"];

/// What draws `MuJoCo`'s pictures: simple shapes by default, so that tests take the same time on every machine.
const PICTURES: &str = "MUJOCO_GL";

/// Runs the suite with nextest where it is installed, else with `cargo test`; `arguments` go to that command.
///
/// # Errors
/// The test command's failure with its exit code.
pub fn run_tests(arguments: &[&str]) -> Result<()> {
    setup::ensure(false)?;
    mujoco::ensure()?;
    let (python, runtimes) = (setup::gymnasium()?, setup::runtimes()?);
    let cargo = |words: &[&str]| {
        let mut command = cargo(words);
        command.env(setup::TESTS_PYTHON, &python).env(setup::RUNTIMES_PYTHON, &runtimes);
        if std::env::var_os(PICTURES).is_none() {
            command.env(PICTURES, "off");
        }
        command
    };
    if output(&mut cargo(&["nextest", "--version"])).is_err() {
        return run(cargo(&["test", "--no-fail-fast"]).args(WHOLE).args(arguments));
    }
    let suite = |words: &[&str]| {
        let mut command = cargo(&["nextest", "run", "--no-fail-fast"]);
        command.args(WHOLE).args(words);
        command
    };
    if !arguments.is_empty() {
        return run(&mut suite(arguments));
    }
    // Before the suite, so that the last lines are its summary.
    let examples = run(cargo(&["test", "--doc"]).args(WHOLE));
    // MuJoCo's own renderer, where this machine has OpenGL.
    let pictures = std::env::var_os(PICTURES).unwrap_or_default();
    let renderer = run(suite(&["-E", "test(mujoco::gl::)"]).env(PICTURES, pictures));
    run(&mut suite(&[])).and(examples).and(renderer)
}
