//! Other programs: cargo and python3, with the checkout's settings and errors that name the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
/// Where libtorch lies; the crate torch-sys reads it.
pub const LIBTORCH: &str = "LIBTORCH";

/// Where `MuJoCo`'s library lies; the crate mujoco-rs reads it, and so do our build scripts.
pub const MUJOCO: &str = "MUJOCO_DYNAMIC_LINK_DIR";

/// A program that ended with a failure; its exit code becomes ours.
#[derive(Debug)]
pub struct Failed {
    command: String,
    pub code: u8,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` failed with exit code {}", self.command, self.code)
    }
}

impl std::error::Error for Failed {}

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Folder of everything that set-up and the helper commands keep; git ignores it.
pub fn cache() -> PathBuf {
    root().join(".cache")
}

/// The folder that the user set `variable` to, such as `LIBTORCH`.
///
/// Cargo runs us with the one of `.cargo/libtorch.toml`, which is our own earlier answer and may be outdated.
pub fn users(variable: &str) -> Option<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    std::env::var_os(variable).map(PathBuf::from).filter(|path| !real(path).starts_with(real(&cache())))
}

/// Cargo in the root of the checkout.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    for variable in [LIBTORCH, MUJOCO] {
        if users(variable).is_none() {
            command.env_remove(variable);
        }
    }
    command
}

/// Python as torch-sys chooses it.
pub fn python(arguments: &[&str]) -> Command {
    let mut command =
        Command::new(if std::env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" });
    command.args(arguments);
    command
}

/// Runs to the end, sharing our terminal.
///
/// # Errors
/// [`Failed`] when it ends with a failure, an I/O error when it cannot be started.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", describe(command)))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    bail!(Failed { command: describe(command), code })
}

/// Runs to the end and returns what it printed on stdout.
///
/// # Errors
/// As [`run`]; the error holds what it printed on stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", describe(command)))?;
    if !status.success() {
        bail!("`{}` failed: {}", describe(command), String::from_utf8_lossy(&stderr).trim());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The first words of a command, for messages, without a script given to `-c`.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).take(4).take_while(|word| *word != "-c");
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
