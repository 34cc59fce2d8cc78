//! No call of libtorch outside tests may panic: tensors are computed with by the functions `f_…`, which return an error.
//!
//! The bindings have most functions twice, as `f_name` and as a `name` that panics; which ones is read from their sources. Operators
//! panic, too: clippy refuses them in these files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const OPERATORS: &str = "#![deny(clippy::arithmetic_side_effects)]";

/// Functions of the standard library and of our own with the name of a panicking one.
const NO_TENSORS: [&str; 4] = ["backward", "clone", "max", "min"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// Names of the functions that panic where their twin `f_…` returns an error.
fn panicking() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments = ["metadata", "--format-version", "1", "--offline", "--filter-platform", "host-tuple"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bindings = metadata["packages"].as_array().unwrap().iter().find(|p| p["name"] == "tch").unwrap();
    let folder = Path::new(bindings["manifest_path"].as_str().unwrap()).with_file_name("src");
    let mut names = BTreeSet::new();
    for file in rust_files(&folder) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let name = line.trim().strip_prefix("pub fn f_").and_then(|rest| rest.split(['(', '<']).next());
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

/// Names in `line` that are called as methods or as functions of `Tensor`.
fn called(line: &str) -> Vec<&str> {
    let starts = line.match_indices('.').chain(line.match_indices("Tensor::"));
    let mut found: Vec<(usize, &str)> = starts
        .filter_map(|(at, before)| {
            let rest = &line[at + before.len()..];
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            let after = &rest[name.len()..];
            (!name.is_empty() && (after.starts_with('(') || after.starts_with("::<"))).then_some((at, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn no_call_of_libtorch_panics() {
    let (root, panicking) = (Path::new(env!("CARGO_MANIFEST_DIR")), panicking());
    assert!(panicking.len() > 1_000 && panicking.contains("matmul") && panicking.contains("from_slice"));
    let mut checked = Vec::new();
    for file in
        ["agents/src", "algorithms/src", "scripts"].iter().flat_map(|folder| rust_files(&root.join(folder)))
    {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let imports = |line: &str| line.starts_with("use tch::") && line.contains("Tensor");
        if file.ends_with("tests.rs") || !code.lines().any(imports) && !code.contains("tch::Tensor") {
            continue;
        }
        let name = file.strip_prefix(root).unwrap().display().to_string();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap();
            let mut names = called(line).into_iter();
            let found = names.find(|name| panicking.contains(*name) && !NO_TENSORS.contains(name));
            assert!(found.is_none(), "{name}:{}: {found:?} panics: call its twin f_…", number + 1);
        }
        assert!(code.contains(OPERATORS), "{name} computes with tensors, and lacks {OPERATORS}");
        checked.push(name);
    }
    assert!(checked.iter().any(|name| name == "agents/src/engine/tensors.rs"), "{checked:?}");
}

#[test]
fn calls_are_found() {
    let line = "let x = Tensor::from_slice(&a).view([1]).f_sum(b)?.sum::<f32>() + c.device() * len(d.tr())";
    assert_eq!(called(line), ["from_slice", "view", "f_sum", "sum", "device", "tr"]);
}
