//! Trainings by several ranks: what they leave, how they go on, and how they stop when one of them does.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use phalanx_agents::Checkpoint;

use super::place::{Place, metrics, signal, steps, text};

/// `train small.yaml` by two ranks.
const LAUNCH: [&str; 6] = ["launch", "-n", "2", "--", "train", "small.yaml"];

/// Longer than anyone waits.
const LONG: [&str; 4] = ["--set", "steps=1_000_000_000", "--set", "evaluation.episodes=0"];

fn checkpoint(run: &Path, step: u64) -> Checkpoint {
    Checkpoint::load(&run.join(format!("checkpoints/step-{step:012}.safetensors"))).unwrap()
}

/// Largest difference between the parameters of two runs at the step, over the largest parameter.
fn distance(step: u64, [one, other]: [&Path; 2]) -> f32 {
    let parameters = |run| {
        let array = checkpoint(run, step);
        let phalanx_agents::Array::F32(_, numbers) = array.array("parameters").unwrap() else { panic!() };
        numbers.clone()
    };
    let (one, other) = (parameters(one), parameters(other));
    let largest = one.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    one.iter().zip(&other).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

/// Ranks change neither the metrics nor the checkpoints, and a run goes on with another number of them.
#[test]
fn a_run_of_two_ranks_is_that_of_one_and_goes_on_with_any_number() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--name", "a"]);
    place.succeed(&[&LAUNCH[..], &["--name", "b"]].concat());
    place.succeed(&[&LAUNCH[..], &["--name", "c", "--set", "steps=1024"]].concat());
    let runs = place.runs();
    let named = |name: &str| runs.iter().find(|run| run.to_string_lossy().ends_with(name)).unwrap().as_path();
    let (one, two, part) = (named("-a"), named("-b"), named("-c"));
    for (one, two) in metrics(one).iter().zip(metrics(two)) {
        for name in ["step", "episodes", "episode_return_mean", "evaluation_return_mean", "gradient_steps"] {
            assert_eq!(one.get(name), two.get(name), "{name}");
        }
        let near = |name: &str| (one[name].as_f64().unwrap() - two[name].as_f64().unwrap()).abs() < 1e-4;
        assert!(
            ["policy_loss", "value_loss", "entropy", "approx_kl", "explained_variance"]
                .iter()
                .all(|name| near(name))
        );
    }
    assert!(distance(2048, [one, two]) < 1e-5);
    let [running, expected] = [two, one].map(|run| {
        let checkpoint = checkpoint(run, 2048);
        (
            checkpoint.array("running.discrete").unwrap().clone(),
            checkpoint.state::<serde_json::Value>("running").unwrap(),
        )
    });
    assert_eq!(running, expected);
    // On one rank, then on four.
    let more = |steps: &'static str| {
        ["train", "--resume", part.to_str().unwrap(), "--set", steps].map(str::to_owned)
    };
    place.succeed(&more("steps=1536").iter().map(String::as_str).collect::<Vec<_>>());
    let four = more("steps=2048");
    place.succeed(
        &["launch", "-n", "4", "--"].into_iter().chain(four.iter().map(String::as_str)).collect::<Vec<_>>(),
    );
    assert!(distance(2048, [one, part]) < 1e-5);
    assert_eq!(steps(part), steps(one));
}

/// A long training by three ranks in a process group of its own, when a checkpoint is there: the launcher, its ranks' processes, the run.
#[expect(clippy::zombie_processes, reason = "the caller waits for the child")]
fn start(place: &Place, launch: &[&str], train: &[&str]) -> (Child, Vec<u32>, PathBuf) {
    let arguments = [&["launch", "-n", "2"], launch, &["--", "train", "small.yaml"], &LONG, train].concat();
    let mut command = place.command(&arguments);
    let mut child = command.process_group(0).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    loop {
        let run = fs::read_dir(place.0.path().join("runs")).ok().and_then(|mut runs| runs.next());
        if let Some(run) = run.map(|run| run.unwrap().path())
            && fs::read_dir(run.join("checkpoints")).is_ok_and(|mut files| files.next().is_some())
        {
            return (child, ranks(place), run);
        }
        if begin.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            panic!("no checkpoint after a minute: {}", text(&child.wait_with_output().unwrap().stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of the ranks that train in `place`, by their environment.
fn ranks(place: &Place) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let rank =
            text(&environment).split('\0').find_map(|pair| pair.strip_prefix("RANK=")?.parse::<usize>().ok());
        let here = fs::read_link(entry.path().join("cwd"))
            .is_ok_and(|cwd| cwd == place.0.path().canonicalize().unwrap());
        // Workers and zygotes have the same environment, and threads of their own rank as parent.
        let parent = text(&fs::read(entry.path().join("stat")).unwrap_or_default());
        let parent: u32 = parent
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0);
        if let (Some(rank), true) = (rank, here) {
            found.push((rank, pid, parent));
        }
    }
    let all: Vec<u32> = found.iter().map(|(_, pid, _)| *pid).collect();
    found.retain(|(_, _, parent)| !all.contains(parent));
    found.sort_unstable();
    found.into_iter().map(|(_, pid, _)| pid).collect()
}

fn kill(pid: u32, name: &str) {
    let command = format!("kill -{name} {pid}");
    assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

fn wait(child: Child) -> (Output, String) {
    let output = child.wait_with_output().unwrap();
    let printed = text(&output.stderr);
    (output, printed)
}

#[test]
fn a_killed_rank_stops_the_others_which_save_and_name_it() {
    for backend in ["auto", "gloo"] {
        for victim in [0, 1] {
            let place = Place::new();
            let (child, ranks, run) = start(&place, &[], &["--set", &format!("mesh.backend={backend}")]);
            kill(ranks[victim], "KILL");
            let begin = Instant::now();
            let (output, printed) = wait(child);
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
            assert!(matches!(output.status.code(), Some(1 | 137)), "{printed}");
            let named = format!("rank {victim} of 2 (process {} on ", ranks[victim]);
            assert!(printed.contains(&named) && printed.contains("has ended"), "{printed}");
            // The newest checkpoint is of the last whole iteration.
            let newest = fs::read_dir(run.join("checkpoints"))
                .unwrap()
                .map(|file| file.unwrap().path())
                .max()
                .unwrap();
            let last = *super::place::steps_of_whole_lines(&run).last().unwrap();
            assert!(newest.to_string_lossy().contains(&format!("step-{last:012}")), "{newest:?} {last}");
            let more = format!("steps={}", last + 512);
            let resumed = place.succeed(&[
                "launch",
                "-n",
                "2",
                "--",
                "train",
                "--resume",
                run.to_str().unwrap(),
                "--set",
                &more,
            ]);
            assert!(text(&resumed.stderr).contains(&format!("continues after step {last}")));
        }
    }
}

#[test]
fn ranks_are_started_again_from_the_newest_checkpoint() {
    let place = Place::new();
    let (child, before, run) = start(&place, &["--max-restarts", "1"], &[]);
    kill(before[1], "KILL");
    let begin = Instant::now();
    let again = loop {
        let now = ranks(&place);
        if now.len() == 2 && !now.iter().any(|pid| before.contains(pid)) {
            break now;
        }
        assert!(begin.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(20));
    };
    let known = steps(&run).len();
    while steps(&run).len() < known + 3 {
        assert!(begin.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(20));
    }
    // There is no second restart.
    kill(again[0], "KILL");
    let (output, printed) = wait(child);
    assert_eq!(output.status.code(), Some(137), "{printed}");
    assert!(printed.contains("starting all ranks again (1 of 1): phalanx train --resume "), "{printed}");
    let all = steps(&run);
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 256), "{all:?}");
}

#[test]
fn a_signal_to_one_rank_stops_all_after_the_same_iteration() {
    let place = Place::new();
    let (child, ranks, run) = start(&place, &[], &[]);
    kill(ranks[1], "TERM");
    let (output, printed) = wait(child);
    assert_eq!(output.status.code(), Some(143), "{printed}");
    let last = *steps(&run).last().unwrap();
    assert!(printed.contains(&format!("stopped after {last} steps; continue with: ")), "{printed}");
    // And to the launcher.
    let place = Place::new();
    let (child, _, _) = start(&place, &[], &[]);
    signal(&child, "INT");
    let (output, printed) = wait(child);
    assert!(matches!(output.status.code(), Some(130 | 143)), "{printed}");
    assert!(printed.contains("continue with: "), "{printed}");
}

/// Without a launcher that waits for them.
#[test]
fn ranks_stop_with_their_launcher() {
    let place = Place::new();
    let (child, _, run) = start(&place, &[], &[]);
    kill(child.id(), "KILL");
    let (_, printed) = wait(child);
    // Standard error is closed when the last rank has ended.
    let last = *super::place::steps_of_whole_lines(&run).last().unwrap();
    assert!(printed.contains(&format!("stopped after {last} steps; continue with: ")), "{printed}");
    assert!(ranks(&place).is_empty());
}

#[test]
fn mistakes_are_told_once_and_end_all_ranks() {
    let place = Place::new();
    let fails = |arguments: &[&str]| {
        let output = place.run(arguments);
        (output.status.code(), text(&output.stderr))
    };
    let (code, printed) = fails(&[&LAUNCH[..], &["--set", "rows=3"]].concat());
    assert_eq!(code, Some(2), "{printed}");
    assert!(
        printed.contains("`rows` is 3, which 2 ranks cannot share equally: choose a multiple of 2"),
        "{printed}"
    );
    let (code, printed) = fails(&["launch", "-n", "2", "--", "evaluate", "x"]);
    assert_eq!((code, printed.contains("only `train` has ranks")), (Some(2), true), "{printed}");
    let (code, printed) = fails(&[&LAUNCH[..], &["--set", "row=3"]].concat());
    assert_eq!((code, printed.contains("did you mean `rows`")), (Some(2), true), "{printed}");
    assert_eq!(printed.matches("unknown key").count(), 1, "{printed}");
    assert!(!place.0.path().join("runs").exists(), "no folder of a run is left");
    // A rank whose environment fails.
    let broken = ["--set", "env={name: CartPole-v1, params: {gravity: 1}}"];
    let (code, printed) = fails(&[&LAUNCH[..], &broken].concat());
    assert!(code != Some(0) && printed.contains("gravity"), "{printed}");
}

/// Layers that ranks divide: the run goes on with whole ones, and ranks send what the plan has.
#[test]
fn a_run_with_divided_layers_is_that_of_one_rank_and_sends_what_was_planned() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--name", "a"]);
    let meshes = [("2", "cols:2", "h1:cols"), ("4", "rows:2,cols:2", "env:rows,h1:cols")];
    for (n, mesh, layout) in meshes {
        let name = format!("of-{n}");
        let mesh = ["--mesh", mesh, "--layout", layout];
        let train = ["launch", "-n", n, "--", "train", "small.yaml", "--name", &name, "--set", "steps=1024"];
        place.succeed(&[&train[..], &mesh].concat());
        let plan = text(&place.succeed(&[&["mesh", "plan", "small.yaml"], &mesh[..]].concat()).stdout);
        let planned = plan.split("summed over ranks: ").nth(1).and_then(|rest| rest.split(' ').next());
        let planned: f64 = planned.unwrap().parse().unwrap();
        let runs = place.runs();
        let named = |name: &str| runs.iter().find(|run| run.to_string_lossy().ends_with(name)).unwrap();
        let (one, run) = (named("-a").as_path(), named(&name).as_path());
        for metrics in metrics(run) {
            assert_eq!(metrics["communication_bytes"].as_f64().unwrap(), planned, "{plan}");
        }
        let resume = ["train", "--resume", run.to_str().unwrap(), "--set", "steps=2048"];
        place.succeed(&[&resume[..], &["--mesh", "", "--layout", "env:rows"]].concat());
        assert!(distance(2048, [one, run]) < 1e-5);
        assert_eq!(steps(run), steps(one));
    }
}

#[test]
fn a_killed_rank_with_a_part_of_the_network_stops_the_others() {
    let place = Place::new();
    let (child, ranks, run) =
        start(&place, &[], &["--mesh", "cols:2", "--layout", "h1:cols", "--set", "checkpoint.every=256"]);
    kill(ranks[1], "KILL");
    let begin = Instant::now();
    let (_, printed) = wait(child);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(
        printed.contains("rank 1 of 2 (process") && printed.contains("it can continue after step"),
        "{printed}"
    );
    let last = *super::place::steps_of_whole_lines(&run).last().unwrap();
    let more = format!("steps={}", last + 512);
    let resume = ["launch", "-n", "2", "--", "train", "--resume", run.to_str().unwrap(), "--set", &more];
    place.succeed(&resume);
}

#[test]
fn layouts_are_chosen_and_illegal_ones_refused_before_ranks_start() {
    let place = Place::new();
    let chosen = place.succeed(&[&LAUNCH[..], &["--layout", "auto", "--set", "steps=512"]].concat());
    assert!(text(&chosen.stderr).contains("; reckoned for an iteration: "), "{}", text(&chosen.stderr));
    let runs = place.runs().len();
    for (options, expected) in [
        (&["--mesh", "rows:4"][..], "mesh.shape is rows:4, which is 4 ranks, and 2 were started"),
        (&["--layout", "h1:cols"], "divides h1 along cols, and the mesh has the axes rows"),
        (&["--mesh", "rows:2", "--layout", "h9:rows"], "mesh.layout divides \"h9\""),
        (&["--mesh", "rows:2", "--layout", "env:rows,h1:rows"], "both dimensions of what h1 gives"),
    ] {
        let output = place.run(&[&LAUNCH[..], options].concat());
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(expected), "{printed}");
    }
    assert_eq!(place.runs().len(), runs, "no folder of a run is left");
}
