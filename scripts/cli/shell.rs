//! Commands as they are printed, quoted so that they can be pasted into a shell.

use std::ffi::OsStr;
use std::path::Path;

/// The command of some words, quoted where the shell would read them differently.
pub(super) fn command<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| word.to_string_lossy()).collect();
    let quoted = shlex::Quoter::new().allow_nul(true).join(words.iter().map(AsRef::as_ref));
    quoted.unwrap_or_else(|_| words.join(" "))
}

/// The command `verb` of this program, as it was started, for a run's folder.
pub(super) fn phalanx(verb: &[&str], folder: &Path) -> String {
    let program = std::env::args_os().next().unwrap_or_else(|| "phalanx".into());
    // A path that begins with a dash would be taken for an option.
    let dashed = folder.as_os_str().as_encoded_bytes().starts_with(b"-");
    let folder = if dashed { Path::new(".").join(folder) } else { folder.to_owned() };
    let verb = verb.iter().map(OsStr::new);
    command([&*program].into_iter().chain(verb).chain([folder.as_os_str()]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_shell_reads_back_every_word() {
        let words = ["a b", "it's", "$HOME `id`", "", "two\nlines", "größe", "!"];
        let printed = command(words.map(OsStr::new));
        let program = format!("for word in {printed}; do printf '%s\\0' \"$word\"; done");
        let output = std::process::Command::new("sh").args(["-c", &program]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        assert_eq!(read.split_terminator('\0').collect::<Vec<_>>(), words);
    }

    #[test]
    fn a_folder_is_never_an_option() {
        let printed = phalanx(&["train", "--resume"], Path::new("-a/b c"));
        assert!(printed.ends_with(" train --resume './-a/b c'"), "{printed}");
    }
}
