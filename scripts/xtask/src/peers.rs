//! `cargo xtask peers`: other libraries and us, side by side, and the tables of docs/benchmarks.md.
//!
//! All run in turn, one process at a time, for several rounds: other load on the machine affects all of them alike. What a peer does is in its script in `scripts/peers/`; this program does not know how learning works.

mod contender;
mod install;
mod learn;
pub mod page;
mod peer;
mod setting;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::process::cache;
use crate::release::build;
use crate::{mujoco, setup};
use contender::{Contender, contenders};
use install::{Installed, build_masked};
use peer::{Peer, peers};
use setting::{Policy, SETTINGS, Setting, Suite};

/// Rounds by default.
const ROUNDS: usize = 3;

/// The command line.
#[derive(Debug, PartialEq)]
struct Options<'a> {
    suite: Option<Suite>,
    /// How long learning takes, instead of a suite of speeds.
    learn: bool,
    only: Option<&'a str>,
    rounds: usize,
    /// Measured instead of this checkout's release build; the tables are printed, not written.
    binary: Option<PathBuf>,
}

/// Measures the settings of the suites (or `--only` one) and writes a table for each.
///
/// A peer that cannot be installed or run is named with its reason in the table.
///
/// # Errors
/// Unknown arguments, or a failure of our own build or binary.
pub fn run(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    let puffer = !options.learn && options.settings().flat_map(peers).any(Peer::is_puffer);
    let installed = Installed::install(puffer)?;
    let phalanx = if let Some(binary) = &options.binary {
        binary.canonicalize().with_context(|| format!("no {}", binary.display()))?
    } else {
        setup::ensure(false)?;
        // Two settings are of its environments.
        mujoco::ensure()?;
        build()?
    };
    if options.learn {
        return learn::run(&phalanx, &installed, options.only);
    }
    if options.settings().any(|setting| setting.policy == Policy::Masked) {
        build_masked()?;
    }
    for setting in options.settings() {
        let mut measured = contenders(setting, &phalanx, &installed);
        for round in 1..=options.rounds {
            eprintln!("{setting}, round {round} of {}", options.rounds);
            // In the cache: PufferLib links a folder into the one where it is run.
            measure_once(&mut measured, &cache())?;
        }
        // After every setting: an interrupted run keeps what it has.
        let section = page::section(setting, &measured, options.rounds);
        println!("{section}\n");
        // The page names the commit, and another binary may be of another one.
        if options.binary.is_none() {
            page::write(&setting.to_string(), &section)?;
        }
    }
    Ok(())
}

/// One round: every way to run every contender, one after the other.
fn measure_once(contenders: &mut [Contender], folder: &Path) -> Result<()> {
    for contender in contenders {
        for variant in &mut contender.variants {
            variant.measure(folder);
            let text = variant.outcome.as_ref().map_or_else(Clone::clone, |rates| {
                rates.last().map_or_else(String::new, |rate| page::thousands(*rate))
            });
            eprintln!("  {}, {}: {text}", contender.name, variant.label);
            if let (true, Err(reason)) = (contender.ours, &variant.outcome) {
                bail!("{}, {}: {reason}", contender.name, variant.label);
            }
        }
    }
    Ok(())
}

fn parse<'a>(arguments: &[&'a str]) -> Result<Options<'a>> {
    let mut options = Options { suite: None, learn: false, only: None, rounds: ROUNDS, binary: None };
    for pair in arguments.chunks(2) {
        match *pair {
            ["--suite", "train"] => options.suite = Some(Suite::Train),
            ["--suite", "envs"] => options.suite = Some(Suite::Envs),
            ["--suite", "gymnasium"] => options.suite = Some(Suite::Gymnasium),
            ["--suite", "learn"] => options.learn = true,
            ["--only", name] => options.only = Some(name),
            ["--rounds", number] => options.rounds = number.parse().context("--rounds takes a number")?,
            ["--binary", path] => options.binary = Some(path.into()),
            _ => bail!(
                "usage: cargo xtask peers [--suite envs|gymnasium|train|learn] [--only SETTING] [--rounds N] [--binary PHALANX]"
            ),
        }
    }
    ensure!(options.rounds > 0, "--rounds must be at least 1");
    if options.learn {
        let plain = options.suite.is_none()
            && options.only.is_none_or(learn::is_known)
            && options.rounds == ROUNDS
            && options.binary.is_none();
        ensure!(
            plain,
            "--suite learn takes no other argument than --only cartpole, pendulum or half_cheetah"
        );
    } else if options.settings().next().is_none() {
        let known: Vec<_> = SETTINGS.iter().map(ToString::to_string).collect();
        bail!("no such setting; there are {}", known.join(", "));
    }
    Ok(options)
}

impl Options<'_> {
    fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| {
            self.suite.is_none_or(|suite| suite == setting.suite)
                && self.only.is_none_or(|name| name == setting.name)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn arguments_choose_the_settings() {
        let names = |arguments: &[&str]| {
            parse(arguments).unwrap().settings().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&["--suite", "train"]),
            [
                "train cartpole8",
                "train cartpole64",
                "train pendulum64",
                "train cheetah1",
                "train cheetah64",
                "train recurrent64",
                "train masked64"
            ]
        );
        assert_eq!(names(&["--only", "masked64"]), ["train masked64"]);
        assert_eq!(names(&["--only", "cartpole8"]), ["train cartpole8", "envs cartpole8"]);
        assert_eq!(names(&[]).len(), SETTINGS.len());
        assert_eq!(parse(&["--rounds", "5"]).unwrap().rounds, 5);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let wrong = [
            &["--suite", "games"][..],
            &["--rounds", "0"],
            &["--rounds"],
            &["--only", "chess"],
            &["--suite", "train", "--only", "cartpole1024"],
            &["--suite", "learn", "--rounds", "5"],
        ];
        for arguments in wrong {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn a_peer_that_fails_is_left_behind_but_we_must_not_fail() {
        let mut peer = Contender::of_shell("peer", false, &["echo '{\"steps_per_second\": 5}'", "exit 3"]);
        measure_once(std::slice::from_mut(&mut peer), Path::new("/")).unwrap();
        assert_eq!(peer.variants[0].outcome, Ok(vec![5.0]));
        assert!(peer.variants[1].outcome.is_err());
        let mut ours = Contender::of_shell("we", true, &["exit 3"]);
        assert!(measure_once(std::slice::from_mut(&mut ours), Path::new("/")).is_err());
    }
}
