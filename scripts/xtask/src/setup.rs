//! `cargo xtask setup`: finds the libtorch that the build shall use, or installs one.
//!
//! The answer for cargo is `.cargo/libtorch.toml`, which `.cargo/config.toml` includes: plain `cargo build` and
//! `cargo test` work from then on. How the installing is done is in [`crate::install`].

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::install::{self, Library};
use crate::process::{LIBTORCH, cache, output, python, root, users};
use crate::venv::Recipe;

/// The one release that tch 0.24 is made for.
pub const TORCH_VERSION: &str = "2.11.0";

/// Names the Python that tests of Gymnasium's environments use.
pub const TESTS_PYTHON: &str = "PHALANX_PYTHON";

/// Names the Python with the programs that run exported models, which tests use.
pub const RUNTIMES_PYTHON: &str = "PHALANX_RUNTIMES";

const GYMNASIUM: Recipe = Recipe { folder: "gymnasium", requirements: "requirements.txt", script: None };
const RUNTIMES: Recipe = Recipe { folder: "runtimes", requirements: "requirements.txt", script: None };

/// Makes sure that a libtorch is installed and that cargo finds it; does nothing if both hold.
///
/// Looks at `LIBTORCH`, then `LIBTORCH_USE_PYTORCH`, then installs into the checkout.
///
/// # Errors
/// What is missing on this machine and how to get it.
pub fn ensure(cuda: bool) -> Result<()> {
    check_compiler()?;
    match (users(LIBTORCH), std::env::var_os("LIBTORCH_USE_PYTORCH")) {
        (Some(_), Some(_)) => bail!(
            "both LIBTORCH and LIBTORCH_USE_PYTORCH are set, and the build would take the second; unset one of them"
        ),
        (Some(folder), None) => check_folder(&folder),
        (None, Some(_)) => check_python_torch(),
        (None, None) => install_in_cache(cuda),
    }
}

/// A Python with Gymnasium, for the tests: the one that `PHALANX_PYTHON` names, or one in the cache, made if need be.
///
/// # Errors
/// The errors of python3 or pip.
pub fn gymnasium() -> Result<PathBuf> {
    tests_python(TESTS_PYTHON, &GYMNASIUM, "envs/tests/python")
}

/// A Python with the programs that run exported models, for the tests: the one that `PHALANX_RUNTIMES` names, or one in the cache,
/// made if need be.
///
/// # Errors
/// The errors of python3 or pip.
pub fn runtimes() -> Result<PathBuf> {
    tests_python(RUNTIMES_PYTHON, &RUNTIMES, "deploy/export/tests/python")
}

fn tests_python(variable: &str, recipe: &Recipe, scripts: &str) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os(variable) {
        return Ok(python.into());
    }
    let cache = cache();
    let _lock = lock(&cache)?;
    recipe.install(&cache, &root().join(scripts))
}

fn check_compiler() -> Result<()> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    output(Command::new(&compiler).arg("--version")).map(drop).with_context(|| {
        format!(
            "no C++ compiler ({}): install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; \
             macOS: xcode-select --install) or name yours in CXX",
            compiler.display()
        )
    })
}

fn check_folder(folder: &Path) -> Result<()> {
    let shown = folder.display();
    ensure!(folder.is_absolute(), "LIBTORCH is {shown}: it must be an absolute path");
    let has_library = ["so", "dylib"].iter().any(|e| folder.join(format!("lib/libtorch_cpu.{e}")).exists());
    ensure!(has_library, "LIBTORCH is {shown}, but there is no lib/libtorch_cpu in it");
    if let Ok(version) = fs::read_to_string(folder.join("build-version")) {
        check_version(&version).with_context(|| format!("LIBTORCH is {shown}"))?;
    }
    Ok(())
}

fn check_python_torch() -> Result<()> {
    let version = output(&mut python(&["-c", "import torch; print(torch.__version__)"])).context(
        "LIBTORCH_USE_PYTORCH is set, but this Python has no torch: install torch 2.11.0 or unset the variable",
    )?;
    check_version(&version).context("LIBTORCH_USE_PYTORCH is set")
}

fn check_version(version: &str) -> Result<()> {
    let version = version.trim();
    let release = version.split('+').next().unwrap_or_default();
    ensure!(release == TORCH_VERSION, "it is libtorch {version}, and {TORCH_VERSION} is needed");
    Ok(())
}

fn install_in_cache(cuda: bool) -> Result<()> {
    let cache = cache();
    let _lock = lock(&cache)?;
    // Who once chose CUDA keeps it, also when `train` or `test` sets up on the way.
    let cuda = cuda || Library::LibtorchCuda.folder(&cache).exists();
    let library = if cuda { Library::LibtorchCuda } else { Library::LibtorchCpu };
    install::install(&cache, library)?;
    write_cargo_config("libtorch.toml", LIBTORCH, &format!("{}/torch", library.name()))
}

/// Held until dropped: two set-ups in one checkout take turns. The system frees it when we are killed.
pub fn lock(cache: &Path) -> Result<File> {
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let path = cache.join("setup.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!("Waiting for another set-up of this checkout to end ..."),
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache folder"),
    }
    file.lock().context("cannot lock the cache folder")?;
    Ok(file)
}

/// Has cargo set an environment variable to a folder of the cache, by a file that `.cargo/config.toml` includes.
///
/// # Errors
/// The file cannot be written.
pub fn write_cargo_config(file: &str, variable: &str, folder: &str) -> Result<()> {
    let text = format!(
        "# Written by `cargo xtask setup`, included by .cargo/config.toml.\n\
         [env]\n\
         {variable} = {{ value = \".cache/{folder}\", relative = true }}\n"
    );
    let path = root().join(".cargo").join(file);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let draft = path.with_extension("toml.part");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}
