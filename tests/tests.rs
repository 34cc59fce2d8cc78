//! Tests of the whole: what users type, and the house rules.
//!
//! - `config`: configurations, good and bad, and the messages about them.
//! - `cli`: the binary's commands, output and exit codes.
//! - `details`: docs/ppo.md and the code say the same.
//! - `export`: policy files.
//! - `fallible`: no call of libtorch panics.
//! - `networks`: the configurations of docs/networks.md.
//! - `peers`: the task of `cargo xtask peers` that is written twice.
//! - `providers`: environments in other languages, as the README has them.
//! - `place`: a folder in which the binary trains.
//! - `ranks`: trainings by several ranks.
//! - `resume_settings`: each setting, changed on a resumed run.
//! - `runs`: whole trainings by the binary: what they leave, and how they go on.
//! - `stops`: how they are stopped, by signals or worse.
//! - `tidy`: the rules of the house: arrows, unsafe, words, paths.
//! - `web`: a policy in a browser.

#![allow(clippy::unwrap_used)]

mod cli;
mod config;
mod details;
mod export;
mod fallible;
mod networks;
mod peers;
mod place;
mod providers;
mod ranks;
mod resume_settings;
mod runs;
mod stops;
mod tidy;
mod web;
