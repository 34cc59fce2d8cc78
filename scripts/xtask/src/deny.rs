//! `cargo xtask deny`: licences, sources and advisories of the dependencies, by cargo-deny and `deny.toml`.

use anyhow::{Context, Result};

use crate::process::{cargo, output, run};

const VERSION: &str = "0.20.2";

/// Installs cargo-deny if need be, and checks. Advisories are left out, with a line that reports it, where their database
/// cannot be fetched.
///
/// # Errors
/// What cargo-deny found, or why it cannot be installed.
pub fn check() -> Result<()> {
    if output(&mut cargo(&["deny", "--version"])).is_err() {
        eprintln!("Installing cargo-deny {VERSION} (once) ...");
        // Built without optimisation in a third of the time; a check takes seconds in either case.
        let install = ["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--quiet"];
        run(&mut cargo(&install)).context("cargo-deny cannot be installed (the message is above)")?;
    }
    run(&mut cargo(&["deny", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    match output(&mut cargo(&["deny", "fetch", "db"])) {
        Ok(_) => run(&mut cargo(&["deny", "check", "--disable-fetch", "advisories"])),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().rfind(|line| !line.is_empty()).unwrap_or_default().trim();
            eprintln!("advisories SKIPPED: their database cannot be fetched here: {why}");
            Ok(())
        }
    }
}
