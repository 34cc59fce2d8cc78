//! Reading a configuration, with all that is wrong with it.

use std::io;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use phalanx_envs::{Registry, RegistryError};

use super::check::{self, Conflict};
use super::finding::{Finding, Place, Problems, Source};
use super::spaces::{self, Make, Networks};
use super::tree::{self, Entry, Node, Value};
use super::{Config, json_schema, overrides, schema};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can be read but not used.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// Reads a configuration file with overrides of the form `key.path=value` laid over it.
///
/// # Errors
/// [`ConfigError::Read`], or [`ConfigError::Problems`] with everything that is wrong.
pub fn load(path: &Path, sets: &[String], registry: &Registry) -> Result<Config, ConfigError> {
    Ok(parse(open(path)?, sets, registry)?)
}

/// A configuration, and what shows when its environment is made.
#[derive(Debug)]
pub struct Examined {
    /// It.
    pub config: Config,
    /// The networks, or why a provider did not make the environment; nothing where it was not asked to.
    pub networks: Result<Option<Networks>, RegistryError>,
}

/// As [`load`]; also makes environments, which alone know their parameters and spaces.
///
/// # Errors
/// As [`load`].
pub fn examine(
    path: &Path,
    sets: &[String],
    registry: &Registry,
    make: Make,
) -> Result<Examined, ConfigError> {
    let mut networks = Ok(None);
    let config = read(open(path)?, sets, &mut |config, taken| {
        let (conflicts, made) = spaces::check(config, taken, registry, make);
        networks = made;
        check::check(config, taken, registry).into_iter().chain(conflicts).collect()
    })?;
    Ok(Examined { config, networks })
}

fn open(path: &Path) -> Result<Source, ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    Ok(Source::File(path.to_owned(), text))
}

fn not_utf8(path: &Path, error: &FromUtf8Error) -> Problems {
    let (good, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
    let before = String::from_utf8_lossy(good);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let place = Place {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        width: 1,
        ..Place::whole(0)
    };
    let message = format!("the byte 0x{:02x} is not UTF-8; save the file in UTF-8", rest[0]);
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    Problems::new(vec![Source::File(path.to_owned(), text)], vec![Finding { place, message }])
}

/// Reads a configuration from a text; see [`load`].
///
/// # Errors
/// [`Problems`] with everything that is wrong.
pub fn parse(source: Source, sets: &[String], registry: &Registry) -> Result<Config, Problems> {
    read(source, sets, &mut |config, taken| check::check(config, taken, registry))
}

/// Looks for settings that do not go together in a configuration without what was at these paths and did not fit.
type Check<'a> = dyn FnMut(&Config, &[schema::Path]) -> Vec<Conflict> + 'a;

fn read(source: Source, sets: &[String], check: &mut Check<'_>) -> Result<Config, Problems> {
    let mut findings = Vec::new();
    let root = match &source {
        Source::File(_, text) | Source::Set(text) => tree::parse(text, 0, &mut findings),
    };
    let config = root.and_then(|root| settle(root, sets, check, &mut findings));
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => {
            let sets = sets.iter().cloned().map(Source::Set);
            Err(Problems::new([source].into_iter().chain(sets).collect(), findings))
        }
    }
}

/// The configuration that remains of a tree once all that does not fit is taken out and noted.
fn settle(
    mut root: Node,
    sets: &[String],
    check: &mut Check<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Config> {
    spell_out_envs(&mut root);
    for (i, set) in sets.iter().enumerate() {
        findings.extend(overrides::apply(&mut root, set, i + 1).err());
        spell_out_envs(&mut root);
    }
    let (misfits, mut taken) = schema::check(&json_schema(), &mut root);
    findings.extend(misfits);
    stand_in_for_env(&mut root, &mut taken);
    let config = deserialize(&mut root, &mut taken, findings)?;
    for Conflict { paths, at_key, message } in check(&config, &taken) {
        // A default in place of something that was taken out proves nothing.
        if paths.iter().any(|path| taken.iter().any(|gone| path.starts_with(gone) || gone.starts_with(path)))
        {
            continue;
        }
        findings.push(Finding { place: place(&root, &paths, at_key), message });
    }
    Some(config)
}

/// `env: NAME` as `env: {name: NAME}`, so that the next override can reach into it.
fn spell_out_envs(root: &mut Node) {
    spell_out_env(root);
    if let Some(entry) = entry(root, "evaluation") {
        spell_out_env(&mut entry.value);
    }
}

fn spell_out_env(parent: &mut Node) {
    let Some(Entry { key_place, value, .. }) = entry(parent, "env") else { return };
    if matches!(value.value, Value::Text { .. }) {
        let place = value.place;
        let name = Entry { key: "name".to_owned(), key_place: *key_place, value: value.clone() };
        *value = Node { value: Value::Mapping(vec![name]), place };
    }
}

/// What a mapping has at this key.
fn entry<'n>(mapping: &'n mut Node, key: &str) -> Option<&'n mut Entry> {
    match &mut mapping.value {
        Value::Mapping(entries) => entries.iter_mut().find(|entry| entry.key == key),
        _ => None,
    }
}

/// Any environment in place of a missing one, so that the rest can be checked.
fn stand_in_for_env(root: &mut Node, taken: &mut Vec<schema::Path>) {
    let place = root.place;
    let Value::Mapping(entries) = &mut root.value else { return };
    if entries.iter().all(|e| e.key != "env") {
        let value = Node { value: Value::Text { text: String::new(), quoted: true }, place };
        entries.push(Entry { key: "env".to_owned(), key_place: place, value });
        taken.push(vec!["env".to_owned()]);
    }
}

/// Deserialises as often as it takes to find everything that the schema could not.
fn deserialize(
    root: &mut Node,
    taken: &mut Vec<schema::Path>,
    findings: &mut Vec<Finding>,
) -> Option<Config> {
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(root.to_json()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let path: schema::Path = error.path().iter().map(ToString::to_string).collect();
        let (node, key_place) = root.deepest(&path);
        let place = if matches!(node.value, Value::Mapping(_)) { key_place } else { node.place };
        if !taken.iter().any(|gone| gone.starts_with(&path)) {
            findings.push(Finding { place, message: error.into_inner().to_string() });
        }
        if path.is_empty() || !root.prune(&path) {
            return None;
        }
        taken.push(path);
    }
}

/// The place of the first of some paths that was written, or of the nearest thing above it; of its key or its value.
fn place(root: &Node, paths: &[schema::Path], at_key: bool) -> Place {
    let depth = |path: &[String]| (0..=path.len()).rev().find(|&n| exists(root, &path[..n])).unwrap_or(0);
    let written = paths.iter().find(|path| depth(path) == path.len()).or_else(|| paths.first());
    let Some(path) = written else { return root.place };
    match depth(path) {
        0 => Place::whole(root.place.source),
        n => {
            let (node, key_place) = root.deepest(&path[..n]);
            if at_key || n < path.len() || matches!(node.value, Value::Mapping(_)) {
                key_place
            } else {
                node.place
            }
        }
    }
}

fn exists(root: &Node, path: &[String]) -> bool {
    path.split_last().is_none_or(|(last, front)| {
        exists(root, front)
            && match &root.deepest(front).0.value {
                Value::Mapping(entries) => entries.iter().any(|e| e.key == *last),
                Value::Sequence(items) => last.parse().is_ok_and(|i: usize| i < items.len()),
                _ => false,
            }
    })
}
