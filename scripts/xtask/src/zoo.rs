//! `cargo xtask zoo`: environments of third-party packages put through the commands, and the table of docs/environments.md.
//!
//! Packages require different releases of the same dependencies: each has a virtual environment of its own.

mod limited;
mod packages;
mod page;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::peers::page::machine;
use crate::process::{cache, output, root};
use crate::release::build;
use crate::setup;
use crate::venv::Recipe;
use packages::{PACKAGES, Package};
use trial::Runner;

/// The command line.
#[derive(Debug, PartialEq)]
struct Options<'a> {
    only: Option<&'a str>,
    /// Tried instead of this checkout's release build; the rows are printed, not written.
    binary: Option<PathBuf>,
}

/// Tries the environments of all packages (or `--only` one) and writes their rows.
///
/// A package that cannot be installed, and a command that fails, is named with its reason in the table.
///
/// # Errors
/// Unknown arguments, a failed build, or files that cannot be written.
pub fn run(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    let phalanx = if let Some(binary) = &options.binary {
        binary.canonicalize().with_context(|| format!("no {}", binary.display()))?
    } else {
        setup::ensure(false)?;
        build()?
    };
    let known: Vec<&str> = PACKAGES.iter().map(|package| package.name).collect();
    for package in PACKAGES.iter().filter(|package| options.only.is_none_or(|only| only == package.name)) {
        let rows = try_package(package, &phalanx)?;
        // After every package: an interrupted run keeps what it has.
        if options.binary.is_none() {
            page::write(package.name, &rows, &known, &circumstances()?)?;
        }
    }
    Ok(())
}

fn parse<'a>(arguments: &[&'a str]) -> Result<Options<'a>> {
    let mut options = Options { only: None, binary: None };
    for pair in arguments.chunks(2) {
        match *pair {
            ["--only", name] if PACKAGES.iter().any(|package| package.name == name) => {
                options.only = Some(name);
            }
            ["--only", name] => {
                let known: Vec<&str> = PACKAGES.iter().map(|package| package.name).collect();
                bail!("no package {name:?}; there are {}", known.join(", "));
            }
            ["--binary", path] => options.binary = Some(path.into()),
            _ => bail!("usage: cargo xtask zoo [--only PACKAGE] [--binary PHALANX]"),
        }
    }
    Ok(options)
}

/// The virtual environment of the package `name`, made if it is not there.
///
/// # Errors
/// It cannot be made.
pub fn install_package(name: &str) -> Result<PathBuf> {
    let package = PACKAGES.iter().find(|package| package.name == name);
    let package = package.with_context(|| format!("no package {name:?}"))?;
    install(package, &folder()?)?;
    Ok(folder()?.join(package.name))
}

/// Folder of the virtual environments.
fn folder() -> Result<PathBuf> {
    let folder = cache().join("zoo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Makes the virtual environment of a package in the folder, unless it is there; returns its Python.
fn install(package: &Package, folder: &Path) -> Result<PathBuf> {
    let file = package.requirements();
    Recipe { folder: package.name, requirements: &file, script: None }.install(folder, &scripts())
}

/// A row for each environment of the package.
fn try_package(package: &Package, phalanx: &Path) -> Result<Vec<String>> {
    let folder = folder()?;
    let version = package.version()?;
    let installed = install(package, &folder).map_err(|error| format!("{:#}", error.root_cause()));
    let mut rows = Vec::new();
    for environment in package.environments {
        let trial = match &installed {
            Ok(_) => Ok(in_scratch(&folder, |scratch| {
                Runner { phalanx, python: &folder.join(package.name), folder: scratch }.trial(environment)
            })?),
            Err(reason) => Err(reason.clone()),
        };
        let row = page::row(package.name, &version, environment.id, &trial);
        eprintln!("{row}");
        rows.push(row);
    }
    Ok(rows)
}

/// Calls with an empty folder, which holds what environments and commands leave behind.
fn in_scratch<T>(folder: &Path, call: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let scratch = folder.join("scratch");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("cannot empty {}", scratch.display()))?;
    }
    fs::create_dir(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    call(&scratch)
}

/// Folder of the packages' requirements.
fn scripts() -> PathBuf {
    root().join("scripts/zoo")
}

/// When, where and with what the newest rows were made.
fn circumstances() -> Result<String> {
    let date = output(Command::new("date").args(["-u", "+%F"]))?;
    Ok(format!("Newest rows: {}, {}.", date.trim(), machine()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn arguments_choose_the_package() {
        assert_eq!(parse(&[]).unwrap(), Options { only: None, binary: None });
        assert_eq!(parse(&["--only", "minigrid"]).unwrap().only, Some("minigrid"));
        for wrong in [&["--only", "chess"][..], &["--only"], &["--all", "1"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_scratch_folder_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let write = |scratch: &Path| Ok(fs::write(scratch.join("left"), "")?);
        in_scratch(folder.path(), write).unwrap();
        let left = in_scratch(folder.path(), |scratch| Ok(scratch.join("left").exists())).unwrap();
        assert!(!left);
    }
}
