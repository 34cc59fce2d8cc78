//! Policy files by the command line: written, refused, and played without their run.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use phalanx_micro::{self as micro, format::header};
use serde_json::{Map, Value, json};

use super::place::{Place, text};

#[test]
fn a_policy_file_is_written_within_its_budgets_and_plays_without_its_run() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--set", "steps=512", "--set", "evaluation.episodes=0"]);
    let run = place.runs()[0].to_str().unwrap().to_owned();
    let file = place.0.path().join("policy.phx");
    for (budget, expected) in [
        (
            ["--max-flash", "1KiB"],
            " bytes, more than 1024 bytes, of which 6144 are of 256 recorded steps (--records); nothing was written",
        ),
        (
            ["--max-ram", "64B"],
            "the memory while it acts takes 80 bytes, more than 64 bytes; nothing was written",
        ),
        (["--records", "many"], "invalid value 'many'"),
        (["--time-step", "-0.1"], "seconds are finite and not negative"),
        (["-o", "a-policy.c"], "\"a-policy\" is no name in C"),
        (["-o", "nowhere/policy.phx"], "there is no folder nowhere: make it first"),
    ] {
        let out = if budget[0] == "-o" { &[][..] } else { &["-o", "policy.phx"] };
        let output = place.run(&[&["export", &run][..], &budget, out].concat());
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(expected), "{printed}");
        assert!(!file.exists());
    }
    let printed = text(&place.succeed(&["export", &run, "-o", "policy.phx"]).stdout);
    assert!(printed.contains("the policy of CartPole-v1 after 512 steps, "), "{printed}");
    assert!(printed.contains("  reads observation: 4 f32\n  gives action: Discrete(2)\n"), "{printed}");
    // 4 numbers at a time beside 16 hidden ones; 4·16 + 16·2 weights.
    assert!(
        printed.contains(
            "80 bytes of memory while it acts, 3 operations and 96 multiplications with weights a step\n"
        ),
        "{printed}"
    );

    let int8 = ["--dtype", "int8", "--calibrate", "64", "--records", "32"];
    let printed = text(&place.succeed(&[&["export", &run, "-o", "cart.c"][..], &int8].concat()).stdout);
    for expected in ["outputs in 8 bits differ by 0.0", "return over 100 episodes: ", "its functions: cart.h"]
    {
        assert!(printed.contains(expected), "{printed}");
    }
    let header = fs::read_to_string(place.0.path().join("cart.h")).unwrap();
    assert!(header.contains("int cart_act(cart_policy *policy, const float *observation, float *action);"));

    for (more, expected) in [
        (&["-o", "cart.onnx", "--dtype", "int8"][..], "models of ONNX are in floats"),
        (&["-o", "cart.tflite", "--max-ram", "2K"], "what runs a model decides on its memory"),
        (&["-o", "cart.h", "--format", "c"], "the header is written beside the source"),
        (&["-o", "cart.c", "--max-flash", "2K"], "the compiler decides on the bytes of C"),
    ] {
        let output = place.run(&[&["export", &run][..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
    for model in ["cart.onnx", "cart.tflite"] {
        place.succeed(&["export", &run, "-o", model]);
        let printed = text(&place.run(&["evaluate", "--policy", model]).stderr);
        let expected = format!("{model} is for other programs: policies that play here");
        assert!(printed.contains(&expected), "{printed}");
    }

    fs::remove_dir_all(&run).unwrap();
    let evaluate = |more: &[&str]| place.run(&[&["evaluate", "--policy", "policy.phx"], more].concat());
    let output = evaluate(&["--episodes", "3", "--set", "env.time_limit=7"]);
    assert!(text(&output.stdout).contains(", length 7.0"), "{}", text(&output.stdout));
    place.succeed(&[
        "visualize",
        "--policy",
        "policy.phx",
        "--episodes",
        "1",
        "--format",
        "gif",
        "--out",
        "shown",
    ]);
    assert!(place.0.path().join("shown/summary.json").is_file());
    for (more, expected) in [
        (
            &["--env", "Pendulum-v1"][..],
            "policy.phx is for observation of f32 [4], and Pendulum-v1 has observation of f32 [3]",
        ),
        (&["--env", "Acrobot"], "Acrobot"),
        (&["--stochastic"], "cannot be used with"),
    ] {
        let output = evaluate(more);
        let printed = text(&output.stderr);
        assert!(!output.status.success() && printed.contains(expected), "{printed}");
    }
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    for damaged in [&bytes[..], &bytes[..100], b"", b"PHXP"] {
        fs::write(&file, damaged).unwrap();
        let printed = text(&evaluate(&[]).stderr);
        assert!(
            printed.contains("policy.phx: not a policy file of version 1, cut off, or its checksum"),
            "{printed}"
        );
    }
    let printed = text(&place.run(&["evaluate"]).stderr);
    assert!(printed.contains("required arguments were not provided"), "{printed}");
}

/// Recorded steps of a policy file, as `deploy/export/tests/python/run.py` reads them, and their actions.
fn recorded(file: &[u8]) -> (Value, Vec<Vec<f32>>) {
    let (mut memory, mut arena) = (vec![], vec![0.0; 1 << 20]);
    let policy = micro::Policy::new(phalanx_export::aligned(file, &mut memory), &mut arena).unwrap();
    let about: Value = serde_json::from_str(policy.text()).unwrap();
    let word = |at: usize| u32::from_le_bytes(file[4 * at..4 * at + 4].try_into().unwrap());
    let mut at = word(header::RECORDS) as usize / 4;
    let mut take = |n: usize| {
        at += n;
        at - n..at
    };
    let floats = |words: Range<usize>| words.map(|at| f32::from_bits(word(at))).collect::<Vec<f32>>();
    let (mut steps, mut actions) = (Vec::new(), Vec::new());
    for _ in 0..word(header::RECORDED) {
        let begins = word(take(1).start) == 1;
        let numbers = policy.inputs().map(|(is_bytes, len)| {
            if is_bytes {
                let words = take(len.div_ceil(4));
                json!(file[4 * words.start..][..len])
            } else {
                json!(floats(take(len)))
            }
        });
        let names =
            about["observation"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap());
        let inputs: Map<String, Value> = names.map(String::from).zip(numbers).collect();
        steps.push(json!({ "begins": begins, "rows": 1, "inputs": inputs }));
        actions.push(floats(take(policy.action_len())));
    }
    (json!(steps), actions)
}

/// Policies of runs act in other programs as they did in their environments: a box, a choice beside a number with masks, pictures, memory.
#[test]
fn models_of_runs_act_the_same_elsewhere() {
    let Some(python) = std::env::var_os("PHALANX_RUNTIMES") else {
        return eprintln!(
            "skipped: PHALANX_RUNTIMES is not set; `cargo xtask setup --runtimes` prints what it is"
        );
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (config, fields) in [
        ("pendulum", &["action"][..]),
        ("valves", &["action.valve", "action.opening"]),
        ("picture_and_numbers", &["action"]),
        ("recall", &["action"]),
    ] {
        let place = Place::new();
        let path = root.join(format!("configs/{config}.yaml"));
        let settings = ["--set", "steps=4096", "--set", "evaluation.episodes=0"];
        place.succeed(&[&["train", path.to_str().unwrap()], &settings[..]].concat());
        let run = place.runs()[0].to_str().unwrap().to_owned();
        for ending in ["phx", "onnx", "tflite"] {
            place.succeed(&["export", &run, "-o", &format!("policy.{ending}"), "--records", "50"]);
        }
        let folder = place.0.path();
        let (steps, actions) = recorded(&fs::read(folder.join("policy.phx")).unwrap());
        assert_eq!(actions.len(), 50);
        for (runtime, ending) in
            [("onnxruntime", "onnx"), ("LiteRT", "tflite"), ("TensorFlow Lite Micro", "tflite")]
        {
            let model = folder.join(format!("policy.{ending}"));
            let cases = json!([{ "name": config, "model": model, "steps": steps }]);
            fs::write(folder.join("cases.json"), cases.to_string()).unwrap();
            let script = root.join("deploy/export/tests/python/run.py");
            let command =
                Command::new(&python).arg(script).arg(runtime).arg(folder.join("cases.json")).output();
            let (printed, errors) = command.map(|output| (output.stdout, text(&output.stderr))).unwrap();
            let given: Value =
                serde_json::from_slice(&printed).unwrap_or_else(|_| panic!("{config}: {errors}"));
            for (i, expected) in actions.iter().enumerate() {
                let numbers = |field: &&str| given[0]["steps"][i][field].as_array().unwrap().clone();
                let here = fields.iter().flat_map(numbers).map(|x| x.as_f64().unwrap());
                let here: Vec<f64> = here.collect();
                let agrees =
                    |(a, b): (&f64, &f32)| (a - f64::from(*b)).abs() <= 1e-5 * f64::from(b.abs().max(1.0));
                let all = here.len() == expected.len() && here.iter().zip(expected).all(agrees);
                assert!(all, "{config} in {runtime}, step {i}: {here:?}, not {expected:?}");
            }
        }
    }
}

/// The firmware's build and its return over 100 episodes, in QEMU.
fn firmware(policy: &Path) -> f64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Command::new("rustup").args(["target", "add", "thumbv7em-none-eabihf"]).output().unwrap();
    assert!(target.status.success(), "{}", text(&target.stderr));
    let output = Command::new(env!("CARGO"))
        .args(["run", "--release", "--target-dir"])
        .arg(root.join("target/firmware"))
        .current_dir(root.join("deploy/firmware"))
        .env("PHALANX_POLICY", policy)
        .output()
        .unwrap();
    let program = root.join("target/firmware/thumbv7em-none-eabihf/release/phalanx-firmware");
    let linked = fs::read(program).unwrap();
    let panics = linked.windows(9).any(|bytes| bytes == b"panicking");
    assert!(!panics, "a panic can be reached");
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{printed}{errors}");
    let number = printed.strip_prefix("return ").and_then(|rest| rest.split(' ').next());
    number.unwrap().parse().unwrap()
}

/// What the interpreter costs there: the kernels alone, without a check, choose the same and take less.
fn cost(policy: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--bins", "--no-default-features", "--target-dir"])
        .arg(root.join("target/firmware"))
        .current_dir(root.join("deploy/firmware"))
        .env("PHALANX_POLICY", policy)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", text(&built.stderr));
    let output = Command::new("qemu-system-arm")
        .args("-cpu cortex-m4 -machine mps2-an386 -nographic -icount shift=0".split(' '))
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(root.join("target/firmware/thumbv7em-none-eabihf/release/cost"))
        .output()
        .unwrap();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}");
    let number = |line: usize| -> f64 {
        printed.lines().nth(line).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    let (acted, alone, stack) = (number(0), number(1), number(2));
    assert!(acted > alone && acted < 1.1 * alone && stack < 256.0, "{printed}");
}

/// Where there is QEMU: the policy on a Cortex-M4F does as well as its run does here.
#[test]
fn a_policy_balances_cartpole_on_a_microcontroller() {
    if Command::new("qemu-system-arm").arg("--version").output().is_err() {
        return eprintln!("skipped: there is no qemu-system-arm");
    }
    let place = Place::new();
    let config = format!("{}/configs/cartpole.yaml", env!("CARGO_MANIFEST_DIR"));
    let plain = &["--set", "steps=20_480"][..];
    let memory = &["--set", "network={hidden: [32], memory: {gru: 32}, shared: true}"];
    // At least 95 % with layers in 8 bits, and 1 % in floats.
    for (more, export, share) in [
        (plain, &[][..], 0.01),
        (&[plain, memory].concat(), &["--records", "100"], 0.01),
        (plain, &["--dtype", "int8"], 0.05),
    ] {
        place.succeed(&[&["train", &config, "--set", "evaluation.episodes=0"][..], more].concat());
        let run = place.runs().pop().unwrap().to_str().unwrap().to_owned();
        place.succeed(&[&["export", &run, "-o", "cartpole.phx"][..], export].concat());
        let json = text(&place.succeed(&["evaluate", &run, "--json"]).stdout);
        let report: Value = serde_json::from_str(&json).unwrap();
        let number = |key: &str| report[key].as_f64().unwrap();
        let file = place.0.path().join("cartpole.phx");
        let found = firmware(&file);
        if more == plain && export.is_empty() {
            cost(&file);
        }
        // Other episodes: means of 100 differ by chance.
        let bound = share * number("return_mean") + 4.0 * number("return_std") * (2.0_f64 / 100.0).sqrt();
        let (mean, std) = (number("return_mean"), number("return_std"));
        assert!((found - mean).abs() <= bound, "{found} on the microcontroller, {mean} ± {std} here");
    }
}

/// Standard deviations that are outputs of the network are no part of a file, and an environment is named for a file alone.
#[test]
fn a_policy_whose_deviations_are_outputs_is_written() {
    let place = Place::new();
    fs::write(
        place.0.path().join("pendulum.yaml"),
        "env: Pendulum-v1\nrows: 4\nsteps: 512\nnetwork: {hidden: [8], std: output}\nevaluation: {episodes: 0}\n",
    )
    .unwrap();
    place.succeed(&["train", "pendulum.yaml"]);
    let run = place.runs()[0].to_str().unwrap().to_owned();
    for dtype in ["f32", "int8"] {
        place.succeed(&["export", &run, "-o", "pendulum.phx", "--dtype", dtype, "--calibrate", "64"]);
        place.succeed(&["evaluate", "--policy", "pendulum.phx", "--episodes", "2"]);
    }
    let printed = text(&place.run(&["evaluate", &run, "--env", "Acrobot-v1"]).stderr);
    assert!(printed.contains("cannot be used with '--env <NAME>'"), "{printed}");
}
