//! Polices the house: arrows between crates, places of `unsafe`, words, paths in the documents, configs.
//!
//! Style that clippy and rustfmt can check is left to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The only places where `unsafe` may live: matrix products, vector instructions, shared memory, processes, calls into C++ and
/// shared libraries and from programs in C, whose pointers nothing but their header vouches
/// for (environments, OpenGL, policies), names that a page calls, and settings of a C library.
const UNSAFE: [&str; 16] = [
    "deploy/capi/src/",
    "deploy/capi/tests/header.rs",
    "deploy/firmware/src/bin/cost.rs",
    "deploy/web/src/lib.rs",
    "envs/tests/allocation.rs",
    "envs/tests/doorbell.rs",
    "agents/src/engine/matrix.rs",
    "agents/src/engine/vector.rs",
    "envs/src/batch/memory.rs",
    "envs/src/mujoco/gl/",
    "envs/src/mujoco/log.rs",
    "envs/src/providers/dylib/",
    "envs/src/os/",
    "envs/src/worker/shared.rs",
    "mesh/src/c10d.rs",
    "mesh/src/shared.rs",
];

/// gym-rs calls a field so.
const SAYS_DONE: &str = "envs/src/gym_rs.rs";

/// Folders with Rust code of the project.
const CODE: [&str; 8] = ["graph", "deploy", "mesh", "envs", "agents", "algorithms", "scripts", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo starts");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Files below a folder of the checkout with this extension.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a folder of the checkout can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Path as the documents write it, from the root.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Whether a line of Rust has this word in its code, outside comments and strings.
fn has_word(line: &str, word: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let outside_strings = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    outside_strings.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// `path:line` of every line of code with this word.
fn uses(folder: &str, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(folder, "rs") {
        for (number, line) in read(&path).lines().enumerate() {
            if has_word(line, word) {
                found.push(format!("{}:{}", shown(&path), number + 1));
            }
        }
    }
    found
}

#[test]
fn environments_and_deployed_policies_cannot_reach_libtorch() {
    for package in ["phalanx-envs", "phalanx-graph", "phalanx-export", "phalanx-micro", "phalanx-capi"] {
        let options = ["--all-features", "--edges", "all", "--prefix", "none"];
        let tree = cargo(&[&["tree", "--package", package], &options[..]].concat());
        let reached: Vec<_> =
            tree.lines().filter(|l| l.starts_with("tch ") || l.starts_with("torch-sys ")).collect();
        assert!(reached.is_empty(), "{package} must not reach libtorch: {reached:?}");
    }
}

#[test]
fn arrows_between_the_crates_point_one_way() {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo metadata is JSON");
    let allowed: &[(&str, &[&str])] = &[
        ("phalanx-maths", &[]),
        ("phalanx-graph", &[]),
        ("phalanx-micro", &["phalanx-maths"]),
        ("phalanx-export", &["phalanx-graph", "phalanx-maths", "phalanx-micro"]),
        ("phalanx-capi", &["phalanx-micro", "phalanx-graph", "phalanx-export"]),
        ("phalanx-envs", &[]),
        ("phalanx-agents", &["phalanx-envs", "phalanx-mesh", "phalanx-graph", "phalanx-maths"]),
        ("phalanx-mesh", &[]),
        ("phalanx-algorithms", &["phalanx-envs", "phalanx-agents", "phalanx-mesh"]),
        (
            "phalanx",
            &[
                "phalanx-envs",
                "phalanx-agents",
                "phalanx-algorithms",
                "phalanx-mesh",
                "phalanx-export",
                "phalanx-micro",
            ],
        ),
        ("xtask", &[]),
    ];
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let Some((_, allowed)) = allowed.iter().find(|(known, _)| *known == name) else { continue };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let dependency = dependency["name"].as_str().expect("a name");
            let ours = dependency == "xtask" || dependency.starts_with("phalanx");
            assert!(!ours || allowed.contains(&dependency), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn unsafe_lives_in_few_files() {
    let found: Vec<_> = CODE.iter().flat_map(|folder| uses(folder, "unsafe")).collect();
    let astray: Vec<_> =
        found.iter().filter(|place| !UNSAFE.iter().any(|allowed| place.starts_with(allowed))).collect();
    assert!(astray.is_empty(), "unsafe outside its places (tests/tidy.rs lists them): {astray:#?}");
    for allowed in UNSAFE {
        assert!(found.iter().any(|place| place.starts_with(allowed)), "{allowed} has no unsafe: strike it");
    }
}

/// Files of the checkout as git lists them with their modes; none outside a repository.
fn tracked() -> Vec<(String, PathBuf)> {
    let output = Command::new("git").args(["ls-files", "-s"]).current_dir(root()).output();
    let listed = output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).into_owned());
    let entry = |line: &str| {
        let (mode, path) = line.split_once('\t')?;
        Some((mode.split(' ').next()?.to_owned(), root().join(path)))
    };
    listed.lines().filter_map(entry).collect()
}

#[test]
fn no_link_leaves_the_checkout() {
    let leaves = |path: &PathBuf| {
        let target = fs::read_link(path).unwrap_or_default();
        target.is_absolute() || !fs::canonicalize(path).is_ok_and(|target| target.starts_with(root()))
    };
    let links = tracked().into_iter().filter(|(mode, _)| mode == "120000").map(|(_, path)| path);
    let astray: Vec<_> = links.filter(leaves).collect();
    assert!(astray.is_empty(), "links that are broken or lead out of the checkout: {astray:?}");
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    // In parts, so that this file names none.
    let folders = [["/ho", "me/"].concat(), ["/Us", "ers/"].concat(), ["/ro", "ot/"].concat(), shown_root()];
    let mut found = Vec::new();
    for (_, path) in tracked() {
        // Pictures and other bytes are no text.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if folders.iter().any(|folder| line.contains(folder)) {
                found.push(format!("{}:{}", shown(&path), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "absolute paths of a machine: {found:#?}");
}

/// The folder of this checkout.
fn shown_root() -> String {
    format!("{}/", root().display())
}

#[test]
fn an_episode_is_never_just_done() {
    let mut found: Vec<_> =
        ["envs", "agents", "algorithms"].iter().flat_map(|folder| uses(folder, "done")).collect();
    found.retain(|place| !place.starts_with(SAYS_DONE));
    assert!(found.is_empty(), "say Episode::Terminated or Episode::Truncated: {found:#?}");
}

/// Words that documents do without: programs report, print and return, processes are spawned and reaped.
const WORDS: [&str; 17] = [
    "tell",
    "tells",
    "told",
    "say",
    "says",
    "said",
    "whoever",
    "somebody",
    "nobody",
    "everybody",
    "crew",
    "hire",
    "bury",
    "greet",
    "trajectory",
    "trajectories",
    "obs",
];

#[test]
fn documents_use_the_standard_words() {
    let mut found = Vec::new();
    for document in documents() {
        for (number, line) in read(&document).lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_lowercase);
            found.extend(
                words
                    .filter(|word| WORDS.contains(&word.as_str()))
                    .map(|word| format!("{}:{}: {word}", shown(&document), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The project's documents in Markdown.
fn documents() -> Vec<PathBuf> {
    let mut documents = files("docs", "md");
    documents.extend(files("envs", "md"));
    documents.extend(["CHANGELOG.md", "README.md"].map(|name| root().join(name)));
    documents
}

/// Targets of a Markdown file's links and its words in backticks that start with a folder of the checkout.
fn paths(text: &str) -> Vec<&str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let folders =
        ["envs/", "agents/", "algorithms/", "configs/", "scripts/", "tests/", "docs/", ".ci/", ".cargo/"];
    let quoted = text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let quoted = quoted.filter(move |word| folders.iter().any(|folder| word.starts_with(folder)));
    links
        .filter(|target| {
            !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:")
        })
        .chain(quoted)
        .map(|path| path.split(['#', ':']).next().unwrap_or_default().trim_end_matches([',', '.', ';', ')']))
        .filter(|path| !path.contains(['*', '{', '<', '…', '$']))
        .collect()
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let folder = document.parent().expect("a file is in a folder");
        for path in paths(&read(&document)) {
            // From the root, or from any folder around the document, as in a crate's own README.
            if !folder.ancestors().take_while(|f| f.starts_with(root())).any(|f| f.join(path).exists()) {
                missing.push(format!("{}: {path}", shown(&document)));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist: {missing:#?}");
}
