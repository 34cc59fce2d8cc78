//! Environments in other languages, as the README has them, by the binary.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::place::metrics;

/// A folder with the sources of the checkout, to build and train in.
fn place() -> TempDir {
    let folder = TempDir::new().unwrap();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("envs"), folder.path().join("envs")).unwrap();
    folder
}

/// What commands print, with `phalanx` being the binary; they must succeed.
fn shell(folder: &TempDir, commands: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_phalanx")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    let output = shell.args(["-e", "-c", commands]).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn libraries_and_simulators_are_built_and_checked_as_the_readme_says() {
    let readme = include_str!("../README.md");
    let commands =
        readme.split("```").find(|block| block.contains("cc ") && block.contains("exec:")).unwrap();
    let printed = shell(&place(), commands);
    for name in ["dylib:libwalk.so", "exec:./pendulum"] {
        assert!(
            printed.contains(&format!("{name} can be trained: 0 errors, 0 warnings, 0 notes")),
            "{printed}"
        );
    }
}

#[test]
fn a_library_that_ends_the_process_breaks_the_contract() {
    let folder = place();
    shell(&folder, "cc -shared -fPIC -I envs/include -o libfaulty.so envs/tests/providers/faulty.c");
    let late = "did not come back within 1s (`--deadline` allows it more), and its process was killed";
    for (fault, deadline, how) in [
        ("segfault", 60, "ended the process (signal 11, SIGSEGV)"),
        ("leave", 60, "ended the process (exit code 0)"),
        ("hang", 1, late),
    ] {
        let check = format!(
            "phalanx envs check dylib:libfaulty.so --deadline {deadline} --set fault={fault} || test $? = 1"
        );
        let printed = shell(&folder, &check);
        let found = format!("error: seed 1, episode 0, step 4: step: it {how}");
        assert!(printed.contains("cannot be trained: 1 error") && printed.contains(&found), "{printed}");
    }
}

#[test]
fn a_reset_that_hangs_is_told_from_a_constructor() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    for (phase, more, found) in [
        ("new", "", "making it: it did not come back within 3s"),
        ("reset", "", "making it, in a reset that looks for an action mask: it did not come back within 3s"),
        ("reset", "--set masks=false", "seed 1, episode 0, step 0: reset: it did not come back within 3s"),
    ] {
        let check = format!(
            "cd envs && phalanx envs check gymnasium:tests.python.fixtures:Walk-v0 --set python={python} --deadline 3 \
             --set fault=hang --set phase={phase} {more} || test $? = 1"
        );
        let printed = shell(&place(), &check);
        assert!(printed.contains(&format!("error: {found}")), "{printed}");
    }
}

/// All parameters that are Phalanx's own, whether set or not; the table in docs/environments.md has the same.
#[test]
fn parameters_of_gymnasium_are_shown_with_their_defaults_and_documented() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let show = |more: &str| {
        shell(&place(), &format!("phalanx envs show gymnasium:CartPole-v1 --set python={python} {more}"))
    };
    let own = |printed: &str| -> BTreeSet<String> {
        let (_, params) = printed.split_once("params\n").unwrap();
        params.lines().map(|line| line.trim().split(':').next().unwrap().to_owned()).collect()
    };
    let printed = show("");
    for line in [
        "drop: []",
        "flatten: false",
        "keys: null",
        "masks: true",
        "reward_weights: null",
        "seed_resets: true",
    ] {
        assert!(printed.contains(&format!("\n  {line}\n")), "{line} is missing in {printed}");
    }
    let documented: BTreeSet<String> = include_str!("../docs/environments.md")
        .lines()
        .skip_while(|line| !line.starts_with("| parameter |"))
        .skip(2)
        .map_while(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect();
    assert_eq!(own(&printed), documented);
    let flat = show("--set flatten=true --set sutton_barto_reward=true");
    assert!(
        flat.contains("\n  masks: false\n") && flat.contains("\n  sutton_barto_reward: true\n"),
        "{flat}"
    );
}

#[test]
fn an_environment_that_cannot_be_drawn_can_be_trained() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    for (fault, found) in [
        (
            "abort",
            "note: seed 1, episode 0, step 0: render failed, and `phalanx visualize` cannot show it: the Python",
        ),
        ("raise", "ValueError: no canvas"),
        ("display", "note: it cannot be made to be drawn: "),
    ] {
        let name = "gymnasium:tests.python.fixtures:Painter-v0";
        let printed = shell(
            &place(),
            &format!(
                "cd envs && phalanx envs check {name} --set python={python} --set picture='[[[1, 2, 3]]]' --set fault={fault}"
            ),
        );
        assert!(
            printed.contains("can be trained: 0 errors, 0 warnings, 1 note") && printed.contains(found),
            "{printed}"
        );
    }
}

/// Exit codes of `envs check` without and with `--strict`, and what it prints.
fn check(name: &str, more: &str) -> ([i32; 2], String) {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let check = format!(
        "cd envs && check() {{ phalanx envs check gymnasium:tests.python.fixtures:{name} --set python={python} {more} \"$@\" && echo exit 0 || echo exit $?; }}
         unset PYTHONHASHSEED; check; check --strict"
    );
    let printed = shell(&place(), &check);
    let codes: Vec<i32> =
        printed.lines().filter_map(|line| line.strip_prefix("exit ")?.parse().ok()).collect();
    (codes.try_into().unwrap(), printed)
}

#[test]
fn only_errors_fail_a_check_and_with_strict_warnings_too() {
    for (name, more, codes, counts) in [
        ("Painter-v0", "", [0, 0], "0 errors, 0 warnings, 0 notes"),
        ("Painter-v0", "--set fault=raise", [0, 0], "0 errors, 0 warnings, 1 note"),
        ("Hashed-v0", "", [0, 1], "0 errors, 1 warning, 0 notes"),
        ("Walk-v0", "--set fault=raise --set phase=step", [1, 1], "cannot be trained: "),
    ] {
        let (found, printed) = check(name, more);
        assert!(found == codes && printed.contains(counts), "{name} {more}: {found:?}\n{printed}");
    }
}

/// Two instances in one process share the salt of Python's hashes: two processes do not.
#[test]
fn another_process_has_to_bring_the_same() {
    let (_, printed) = check("Hashed-v0", "");
    let found = "warning: seed 1, episode 0, step 1, reward: another number than in a second process, with the same seed";
    assert!(printed.contains(found) && printed.contains("PYTHONHASHSEED=0"), "{printed}");
}

/// The figures are of an environment that is too slow for most of what was asked for.
#[test]
fn a_benchmark_of_a_slow_environment_keeps_its_time_and_reports_what_it_left_out() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let bench = |more: &str| {
        let command = format!(
            "cd envs && phalanx bench envs gymnasium:tests.python.fixtures:Slow-v0 --set python={python} --workers 0 --json {more} 2>&1"
        );
        shell(&place(), &command)
    };
    // One row takes a fifth of a second a step, a thousand take three minutes.
    let printed = bench("--rows 1,1000 --seconds 2 --set stepping=0.2");
    let (measured, left_out): (Vec<_>, Vec<_>) = printed.lines().partition(|line| line.starts_with('{'));
    let report: Value = serde_json::from_str(measured[0]).unwrap();
    assert!(measured.len() == 1 && report["rows"] == 1, "{printed}");
    // Never faster than it sleeps, and half as fast on a machine that has a lot to do.
    let speed = report["steps_per_second"].as_f64().unwrap();
    assert!((0.5..=5.0).contains(&speed), "{report}");
    let line = left_out.iter().find(|line| line.starts_with("left out: 1000 rows, 0 workers: ")).unwrap();
    assert!(line.ends_with("s (--seconds)"), "{printed}");
    // A constructor counts, too.
    let printed = bench("--rows 100 --seconds 1 --set making=0.1");
    assert!(
        printed.contains("left out: 100 rows, 0 workers: ") && !printed.contains("steps_per_second"),
        "{printed}"
    );
}

#[test]
fn without_a_display_libraries_are_told_so_and_so_is_the_user() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let check = format!(
        "cd envs && env -u DISPLAY -u WAYLAND_DISPLAY -u PYGLET_HEADLESS MUJOCO_GL=off SDL_VIDEODRIVER=offscreen phalanx envs check \
         gymnasium:tests.python.fixtures:Painter-v0 --set python={python} --set picture='[[[1, 2, 3]]]' 2>&1"
    );
    let printed = shell(&place(), &check);
    // What the user has set stays.
    let lines: Vec<_> = printed.lines().filter(|line| line.starts_with("there is no display")).collect();
    let line =
        "there is no display: drawing with PYGLET_HEADLESS=true; set these variables to choose otherwise";
    assert_eq!(lines, [line], "{printed}");
    assert!(printed.contains("draws 1×1 pixels"), "{printed}");
}

/// Two workers of two rows and the evaluation: interpreters in five processes.
#[test]
fn notes_and_warnings_of_python_appear_once_a_training() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let config = "{rows: 4, workers: 2, steps: 128, rollout: {steps: 16}, network: {hidden: [4]}, algorithm: {ppo: {minibatch: 64, epochs: 1}}, \
                  evaluation: {every: 0, episodes: 2}, env: {name: \"gymnasium:tests.python.fixtures:NAME\", params: PARAMS, time_limit: 10}}";
    for (name, params, note) in [
        ("Walk-v0", "fault: warn", "UserWarning: the wheel squeaks"),
        ("Kinds-v0", "observation: mission", "observations are used without mission (Text)"),
    ] {
        let folder = place();
        let params = format!("{{{params}, disable_env_checker: true, python: {python}}}");
        let config = config.replace("NAME", name).replace("PARAMS", &params);
        fs::write(folder.path().join("once.yaml"), config).unwrap();
        let printed =
            shell(&folder, "there=$PWD; cd envs; phalanx train $there/once.yaml --logdir $there/runs 2>&1");
        assert_eq!(printed.matches(note).count(), 1, "{printed}");
    }
}

/// What a record or report says of a name that environments tell.
fn share(of: &Value, name: &str) -> Option<f64> {
    of[name].as_f64().inspect(|share| assert!((0.0..=1.0).contains(share), "{name}: {of}"))
}

#[test]
fn what_a_simulator_tells_of_its_episodes_is_logged() {
    let folder = place();
    let config = "env: {name: 'exec:python3 envs/examples/exec/walk.py', params: {length: 3}}
rows: 4
workers: 2
steps: 1024
rollout: {steps: 64}
network: {hidden: [8]}
evaluation: {every: 0, episodes: 3}
";
    fs::write(folder.path().join("walk.yaml"), config).unwrap();
    shell(&folder, "phalanx train walk.yaml");
    let lines = shell(&folder, "cat runs/*/metrics.jsonl");
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 4);
    assert!(records.iter().any(|record| share(record, "info/arrived") > Some(0.0)), "{lines}");
    assert!(share(&records[3], "evaluation_info/arrived").is_some(), "{lines}");
    let report: Value = serde_json::from_str(&shell(&folder, "phalanx evaluate runs/* --json")).unwrap();
    assert!(share(&report["info"], "arrived").is_some(), "{report}");
}

/// 0.68 is the best mean return, and random steps on the grid reach −3.
#[test]
fn a_program_with_fields_and_a_mask_is_learned() {
    let folder = place();
    let printed = shell(
        &folder,
        "phalanx train envs/examples/exec/grid.yaml && phalanx evaluate runs/* --json --episodes 100 | tail -n 1",
    );
    let report: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert!(report["return_mean"].as_f64() > Some(0.6), "{printed}");
}

/// Seeds are folded into the 31 bits that libraries take; a resumed run goes on with those of the run in one.
#[test]
fn a_resumed_run_has_the_seeds_and_the_episodes_of_the_run_in_one() {
    let folder = place();
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let seeds = folder.path().join("seeds");
    let config = format!(
        "{{rows: 2, workers: 1, steps: 512, rollout: {{steps: 64}}, network: {{hidden: [4]}}, evaluation: {{episodes: 0}}, \
         algorithm: {{ppo: {{minibatch: 64, epochs: 1}}}}, env: {{name: \"gymnasium:tests.python.fixtures:Walk-v0\", params: \
         {{python: {python}, seeds: {}}}}}}}",
        seeds.display()
    );
    fs::write(folder.path().join("walk.yaml"), config).unwrap();
    // The seeds that the environments were reset with since the last time, and the run's metrics.
    let train = |name: &str, commands: &str| {
        shell(&folder, &format!("there=$PWD; cd envs; {commands}"));
        let seen = fs::read_to_string(&seeds).unwrap();
        fs::remove_file(&seeds).unwrap();
        let seen: BTreeSet<u32> = seen.lines().map(|seed| seed.parse().unwrap()).collect();
        let is_it = |run: &PathBuf| run.to_str().unwrap().ends_with(name);
        let mut runs = fs::read_dir(folder.path().join(name)).unwrap().map(|run| run.unwrap().path());
        (seen, metrics(&runs.find(is_it).unwrap()))
    };
    let whole = train("whole", "phalanx train $there/walk.yaml --name whole --logdir $there/whole");
    let parts = train(
        "parts",
        "phalanx train $there/walk.yaml --name parts --logdir $there/parts --set steps=256
         phalanx train --resume $there/parts/*-parts --set steps=512",
    );
    assert_eq!(parts.0, whole.0);
    assert_eq!(parts.1, whole.1);
    // Each row has begun an episode again, and no seed came twice: episodes have 30 steps at most.
    assert!(whole.0.len() >= 2 * 256 / 30, "{:?}", whole.0);
    assert!(whole.0.iter().all(|&seed| seed < 1 << 31));
}

/// A run without `flatten` whose policy has flattened spaces, as those of the first versions have.
#[test]
fn a_run_from_before_fields_is_told_how_to_go_on() {
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let kind = |observation: &str, action: &str| {
        let folder = place();
        let config = format!(
            "{{rows: 2, workers: 0, steps: 64, rollout: {{steps: 32}}, network: {{hidden: [4]}}, evaluation: {{episodes: 0}}, \
             algorithm: {{ppo: {{minibatch: 64, epochs: 1}}}}, env: {{name: \"gymnasium:tests.python.fixtures:Kinds-v0\", time_limit: 10, \
             params: {{python: {python}, disable_env_checker: true, flatten: true, observation: {observation}, action: {action}}}}}}}"
        );
        fs::write(folder.path().join("old.yaml"), config).unwrap();
        let run = |command: &str| {
            shell(&folder, &format!("there=$PWD; cd envs; (phalanx {command} 2>&1) || echo exit $?"))
        };
        run("train $there/old.yaml --name old --logdir $there/runs");
        shell(&folder, "sed -i '/flatten: true/d' runs/*-old/config.yaml");
        for command in
            ["evaluate $there/runs/*-old --episodes 2", "export $there/runs/*-old -o $there/old.phx"]
        {
            let printed = run(command);
            let hint = "had fields needs `--set env.params.flatten=true`";
            assert!(printed.contains(hint) && printed.contains("exit 1"), "{observation}: {printed}");
            let printed = run(&format!("{command} --set env.params.flatten=true"));
            assert!(!printed.contains("exit"), "{observation}: {printed}");
        }
        let printed = run("train --resume $there/runs/*-old --set steps=128");
        assert!(printed.contains("needs `--set env.params.flatten=true`"), "{observation}: {printed}");
        let printed = run("train --resume $there/runs/*-old --set steps=128 --set env.params.flatten=true");
        assert!(printed.contains("finished after 128 steps"), "{observation}: {printed}");
        let printed = run("evaluate $there/runs/*-old --episodes 2");
        assert!(!printed.contains("exit"), "a resumed run has the setting: {printed}");
    };
    kind("dict", "discrete");
    kind("box", "multi_binary");
    kind("discrete", "choices");
}

#[test]
fn a_run_is_played_and_resumed_from_any_folder() {
    let folder = place();
    let config = "env: {name: 'exec:python3 envs/examples/exec/walk.py', params: {length: 3}}
rows: 2
workers: 1
steps: 256
rollout: {steps: 128}
network: {hidden: [8]}
evaluation: {episodes: 0}
";
    fs::write(folder.path().join("walk (2).yaml"), config).unwrap();
    shell(&folder, "phalanx train 'walk (2).yaml' --logdir 'all runs'");
    let run = "'all runs'/*-walk-2";
    let reached = shell(
        &folder,
        &format!(
            "mkdir elsewhere && cd elsewhere && phalanx evaluate ../{run} --json --episodes 1
             phalanx train --resume ../{run} --set steps=512 2>resumed && grep -F 'the environments are made in ' resumed"
        ),
    );
    let trained_in = fs::canonicalize(&folder).unwrap();
    let note = format!("the environments are made in {}, where the run was trained", trained_in.display());
    assert!(reached.contains("\"checkpoint_step\":256") && reached.contains(&note), "{reached}");
    // What is printed to be typed can be.
    let evaluated = shell(&folder, "cd elsewhere && sh -e -c \"$(sed -n 's/^to evaluate it: //p' resumed)\"");
    assert!(evaluated.contains("after 512 steps of training"), "{evaluated}");
}

#[test]
fn an_exception_in_a_step_is_a_loss_that_is_printed_and_the_training_goes_on() {
    let folder = place();
    let python = std::env::var("PHALANX_PYTHON").unwrap();
    let config = format!(
        "{{rows: 2, workers: 2, steps: 64, rollout: {{steps: 8}}, network: {{hidden: [4]}}, evaluation: {{episodes: 0}}, \
         algorithm: {{ppo: {{minibatch: 8, epochs: 1}}}}, faults: {{on_worker_loss: {{respawn: {{at_most: 6}}}}}}, \
         env: {{name: \"gymnasium:tests.python.fixtures:Tiring-v0\", params: {{python: {python}, picture: []}}}}}}"
    );
    fs::write(folder.path().join("tiring.yaml"), config).unwrap();
    let train = "there=$PWD; cd envs; phalanx train $there/tiring.yaml --logdir $there/runs";
    let printed = shell(&folder, &format!("({train}) 2>&1"));
    // Each of the two environments takes 32 steps and raises in its 10th, 20th and 30th.
    let losses =
        printed.lines().filter(|line| line.contains("warning: a worker was lost and replaced: row "));
    let reasons = losses.filter(|line| line.ends_with("RuntimeError: the licence has run out")).count();
    assert_eq!(reasons, 6, "{printed}");
    assert!(printed.contains("finished after 64 steps"), "{printed}");
    let refused = shell(
        &folder,
        &format!("({train} --set faults.on_worker_loss.respawn.at_most=5) 2>&1 || test $? = 1"),
    );
    let error = "error: 5 lost workers may be replaced, and this was one more: row ";
    assert!(refused.contains(error) && refused.contains("it can continue after step "), "{refused}");
}
