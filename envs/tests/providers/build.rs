//! Builds libraries and programs in C and C++.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The root of the checkout, where the commands in the examples run.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Builds an example with the command of its head comment.
pub fn example(source: &str) -> PathBuf {
    let text = std::fs::read_to_string(root().join(source)).unwrap();
    let command = text.lines().find(|line| line.contains(" -o ")).unwrap();
    build(command.trim_start_matches([' ', '/', '*']))
}

/// Builds with this command, once in this process, and returns what it made.
pub fn build(command: &str) -> PathBuf {
    static BUILT: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap();
    if let Some(product) = built.get(command) {
        return product.clone();
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (before, name) = command.split_once(" -o ").unwrap();
    let (product, unfinished) = (folder.join(name), folder.join(format!("{name}.{}", std::process::id())));
    let command_here = format!("{before} -Wall -Wextra -Werror -o {}", unfinished.display());
    let status = Command::new("sh").args(["-c", &command_here]).current_dir(root()).status().unwrap();
    assert!(status.success(), "{command_here}");
    // Another test program may have opened the last one.
    std::fs::rename(unfinished, &product).unwrap();
    built.insert(command.to_owned(), product.clone());
    product
}
