//! Commands that may hang: each has a deadline, and its process group ends with it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Pause between two looks at a running command.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest reason in a cell of the table, in characters.
const LONGEST: usize = 240;

/// What a command printed.
#[derive(Debug)]
pub struct Printed {
    pub stdout: String,
    pub stderr: String,
}

/// What a command printed, or one line of why it failed.
///
/// Its output goes through files in `folder`, where it also runs.
///
/// # Errors
/// A command that cannot be started, or files that cannot be written.
pub fn run(command: &mut Command, limit: Duration, folder: &Path) -> Result<Result<Printed, String>> {
    let (stdout, stderr) = (folder.join("stdout.txt"), folder.join("stderr.txt"));
    let create =
        |path: &Path| File::create(path).with_context(|| format!("cannot create {}", path.display()));
    command.stdin(Stdio::null()).stdout(create(&stdout)?).stderr(create(&stderr)?);
    let mut child =
        command.current_dir(folder).process_group(0).spawn().context("cannot start the command")?;
    let status = wait(&mut child, limit)?;
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let printed = Printed { stdout: read(&stdout)?, stderr: read(&stderr)? };
    Ok(match status {
        Some(status) if status.success() => Ok(printed),
        Some(status) => Err(reason(&printed, status)),
        None => Err(format!("not finished within {} s", limit.as_secs())),
    })
}

/// The exit status, or `None` where the process group was killed at the deadline.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(PAUSE);
    }
    Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status().context("no kill")?;
    child.wait()?;
    Ok(None)
}

/// One line of why a command failed: the last that has `error:`, on standard output or else on standard error.
///
/// An error may hold a traceback of Python, whose last line is the exception; a program that aborted printed no `error:`.
fn reason(printed: &Printed, status: ExitStatus) -> String {
    let error = |text: &str| {
        text.lines().rev().find_map(|line| line.trim().strip_prefix("error: ").map(str::to_owned))
    };
    let line = error(&printed.stdout)
        .or_else(|| error(&printed.stderr))
        .filter(|line| !line.contains("Traceback"))
        .or_else(|| printed.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned));
    shortened(&line.unwrap_or_else(|| status.to_string()))
}

/// The beginning of a line that is too long for a cell.
fn shortened(line: &str) -> String {
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(line: &str, limit: Duration) -> Result<Printed, String> {
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("sh").args(["-c", line]), limit, folder.path()).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_success_gives_what_was_printed() {
        let printed = shell("echo out; echo err >&2", LONG).unwrap();
        assert_eq!((printed.stdout.as_str(), printed.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn the_last_error_line_is_the_reason() {
        let line = "echo error: first >&2; echo error: second >&2; echo hint >&2; exit 1";
        assert_eq!(shell(line, LONG).unwrap_err(), "second");
        assert_eq!(shell("echo '  error: found'; echo error: last >&2; exit 1", LONG).unwrap_err(), "found");
        let traceback = "printf 'error: Traceback (…):\\n  File x\\nKeyError: 3\\n' >&2; exit 1";
        assert_eq!(shell(traceback, LONG).unwrap_err(), "KeyError: 3");
        assert_eq!(shell("echo abort >&2; echo >&2; exit 1", LONG).unwrap_err(), "abort");
        assert_eq!(shell("exit 3", LONG).unwrap_err(), "exit status: 3");
    }

    #[test]
    fn at_the_deadline_the_whole_process_group_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo $! > part; mv part child; wait"]).current_dir(folder.path());
        let mut shell = shell.process_group(0).spawn().unwrap();
        let begun = || fs::read_to_string(folder.path().join("child")).ok();
        let child = std::iter::repeat_with(begun).flatten().next().unwrap();
        assert!(wait(&mut shell, Duration::ZERO).unwrap().is_none());
        let state = || fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        // A killed process takes a moment to end, and the process that inherits it may not reap it.
        while !(state().is_empty() || state().contains(") Z ")) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_deadline_is_named() {
        assert_eq!(shell("sleep 600", Duration::ZERO).unwrap_err(), "not finished within 0 s");
    }

    #[test]
    fn a_long_reason_is_shortened() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(LONGEST + 1)), format!("{}…", "é".repeat(LONGEST)));
    }
}
