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
        // 256 steps of a word, 4 numbers and an action.
        (
            ["--max-flash", "1KiB"],
            "more than 1024 bytes; 6144 of them are the 256 recorded steps, of which `--records N` writes less; nothing was \
             written",
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
    // 4 numbers at a time beside 16 hidden ones; 4·16 + 16·2 weights.
    for expected in [
        "  reads observation: f32 [4] in m, m/s, rad, rad/s\n",
        "  gives action: f32 [], one of 2 options\n",
        "  80 bytes of memory while it acts\n",
        "  96 multiply-accumulates an action: 2 dense, 1 tanh\n",
    ] {
        assert!(printed.contains(expected), "{expected}{printed}");
    }
    other_units_and_formats(&place, &run);

    fs::remove_dir_all(&run).unwrap();
    let evaluate = |more: &[&str]| place.run(&[&["evaluate", "--policy", "policy.phx"], more].concat());
    // Drawn actions differ with the seed; with the same they are the same.
    let drawn = |seed| text(&evaluate(&["--episodes", "9", "--stochastic", "--seed", seed, "--json"]).stdout);
    assert!(drawn("1").contains("return_mean") && drawn("1") == drawn("1") && drawn("1") != drawn("2"));
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

/// Exports a run with units, as C, and as models; what does not go together is refused.
fn other_units_and_formats(place: &Place, run: &str) {
    let units = ["--unit", "observation=cm,cm/s,deg,deg/s", "--unit", "action=V"];
    let printed = text(&place.succeed(&[&["export", run, "-o", "policy.phx"][..], &units].concat()).stdout);
    assert!(printed.contains("  reads observation: f32 [4] in cm, cm/s, deg, deg/s\n"), "{printed}");
    assert!(printed.contains("  gives action: f32 [] in V, one of 2 options\n"), "{printed}");
    let output = place.run(&["export", run, "-o", "units.phx", "--unit", "observation=m,m/s"]);
    let printed = text(&output.stderr);
    assert!(
        printed.contains("--unit: units of observation: there are 2, and the field has 4 numbers"),
        "{printed}"
    );
    assert_eq!(output.status.code(), Some(2));

    let int8 = ["--dtype", "int8", "--calibrate", "64", "--records", "32"];
    let printed = text(&place.succeed(&[&["export", run, "-o", "cart.c"][..], &int8].concat()).stdout);
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
        let output = place.run(&[&["export", run][..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
    for model in ["cart.onnx", "cart.tflite"] {
        let printed = text(&place.succeed(&["export", run, "-o", model]).stdout);
        let whole = if model == "cart.onnx" { "i64" } else { "i32" };
        let expected = format!("  gives action: {whole} [], one of 2 options\n  gives outputs: f32 [2]\n");
        assert!(printed.contains(&expected), "{printed}");
        let printed = text(&place.run(&["evaluate", "--policy", model]).stderr);
        let expected = format!("{model} is for other programs: policies that play here");
        assert!(printed.contains(&expected), "{printed}");
    }
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
    // Differences of rounding add up in a hidden state.
    for (config, fields, tolerance) in [
        ("pendulum", &["action"][..], 1e-6),
        ("valves", &["action.valve", "action.opening"], 1e-6),
        ("picture_and_numbers", &["action"], 1e-6),
        ("recall", &["action"], 1e-5),
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
                let agrees = |(a, b): (&f64, &f32)| {
                    (a - f64::from(*b)).abs() <= tolerance * f64::from(b.abs().max(1.0))
                };
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
    let drawn = fs::read(root.join("target/firmware/thumbv7em-none-eabihf/release/sample")).unwrap();
    let panics = drawn.windows(9).any(|bytes| bytes == b"panicking");
    assert!(!panics, "a panic can be reached where actions are drawn");
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

/// A run whose environment needs another parameter than that of its configuration; of one that is evaluated elsewhere, that environment is meant.
#[test]
fn a_run_is_exported_with_overrides() {
    let place = Place::new();
    let config = "env: {name: Pendulum-v1, params: {g: 3.0}}\nrows: 2\nsteps: 256\nnetwork: {hidden: [4]}\n";
    let own =
        format!("{config}evaluation: {{episodes: 0, env: {{name: Pendulum-v1, params: {{g: 5.0}}}}}}\n");
    let plain = format!("{config}evaluation: {{episodes: 0}}\n");
    for (config, set, expected, refused) in [
        (plain, "env.params.g=7.5", 7.5, ["env.params.h=1", "unknown field `h`"]),
        (
            own,
            "evaluation.env.params.g=8.5",
            8.5,
            ["env.params.g=1", "this run is evaluated in `evaluation.env`: use"],
        ),
    ] {
        fs::write(place.0.path().join("pendulum.yaml"), config).unwrap();
        place.succeed(&["train", "pendulum.yaml"]);
        let run = place.runs().pop().unwrap().to_str().unwrap().to_owned();
        let printed = text(&place.succeed(&["export", &run, "-o", "pendulum.phx", "--set", set]).stdout);
        assert!(printed.contains("  gives action: f32 [1] in N·m\n"), "{printed}");
        let bytes = fs::read(place.0.path().join("pendulum.phx")).unwrap();
        let (mut memory, mut arena) = (vec![], vec![0.0; 1 << 10]);
        let policy = micro::Policy::new(phalanx_export::aligned(&bytes, &mut memory), &mut arena).unwrap();
        let about: Value = serde_json::from_str(policy.text()).unwrap();
        assert_eq!(about["env"]["params"]["g"], json!(expected));
        assert_eq!(about["observation"][0]["unit"], json!(["1", "1", "rad/s"]));
        let [set, expected] = refused;
        let printed = text(&place.run(&["export", &run, "-o", "other.phx", "--set", set]).stderr);
        assert!(printed.contains(expected), "{printed}");
    }
}

/// Options that begin at another number than 0 outside: observed from 1 and −2 on, taken from −1 on.
#[test]
fn options_have_the_numbers_of_the_environment() {
    let python = std::env::var("PHALANX_PYTHON").expect("`cargo xtask test` sets PHALANX_PYTHON");
    let place = Place::new();
    let params = format!(
        "{{observation: multi_discrete, action: discrete, disable_env_checker: true, python: {python}}}"
    );
    let config = format!(
        "env: {{name: \"gymnasium:tests.python.fixtures:Kinds-v0\", params: {params}, time_limit: 8}}\nrows: 2\nsteps: 256\n\
         workers: 0\nnetwork: {{hidden: [4]}}\nevaluation: {{episodes: 0}}\n"
    );
    fs::write(place.0.path().join("kinds.yaml"), config).unwrap();
    let run = |arguments: &[&str]| {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("envs");
        let output = place.command(arguments).env("PYTHONPATH", modules).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    run(&["train", "kinds.yaml"]);
    let folder = place.runs()[0].to_str().unwrap().to_owned();
    let printed = run(&["export", &folder, "-o", "kinds.phx"]);
    for expected in [
        "  reads observation: f32 [2], one of 2, 4 options from 1, -2 on\n",
        "  gives action: f32 [], one of 4 options from -1 on\n",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
    let (steps, actions) = recorded(&fs::read(place.0.path().join("kinds.phx")).unwrap());
    let observed = |i: usize| -> Vec<f64> {
        let all = steps.as_array().unwrap().iter();
        all.map(|step| step["inputs"]["observation"][i].as_f64().unwrap()).collect()
    };
    let range = |x: &[f64]| [x.iter().copied().fold(9.0, f64::min), x.iter().copied().fold(-9.0, f64::max)];
    assert_eq!([range(&observed(0)), range(&observed(1))], [[1.0, 2.0], [-2.0, 1.0]]);
    assert!(actions.iter().all(|action| (-1.0..=2.0).contains(&action[0])));
    // The player gives the environment what it expects.
    run(&["evaluate", "--policy", "kinds.phx", "--episodes", "2"]);
    run(&["evaluate", "--policy", "kinds.phx", "--episodes", "2", "--stochastic"]);
    for ending in ["onnx", "tflite", "c"] {
        run(&["export", &folder, "-o", &format!("kinds.{ending}")]);
    }
}

/// Standard deviations that are outputs of the network, and an environment is named for a file alone.
#[test]
fn a_policy_whose_deviations_are_outputs_is_written_and_drawn_from() {
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
        place.succeed(&["evaluate", "--policy", "pendulum.phx", "--episodes", "2", "--stochastic"]);
    }
    let printed = text(&place.run(&["evaluate", &run, "--env", "Acrobot-v1"]).stderr);
    assert!(printed.contains("cannot be used with '--env <NAME>'"), "{printed}");
}

/// Numbers are drawn with the deviations of the run: here ½, which the training keeps.
#[test]
fn a_policy_is_drawn_from_with_the_deviations_of_its_run() {
    let place = Place::new();
    for (std, scaling) in [
        ("initial_std: 0.5, freeze: [log_std]", "clip"),
        ("std: output, min_std: 0.5, max_std: 0.5, initial_std: 0.5", "squash"),
    ] {
        let config = format!(
            "env: Pendulum-v1\nrows: 2\nsteps: 256\naction_scaling: {scaling}\nnetwork: {{hidden: [4], {std}}}\nevaluation: {{episodes: 0}}\n"
        );
        fs::write(place.0.path().join("pendulum.yaml"), config).unwrap();
        place.succeed(&["train", "pendulum.yaml"]);
        let run = place.runs().pop().unwrap().to_str().unwrap().to_owned();
        place.succeed(&["export", &run, "-o", "pendulum.phx"]);
        let bytes = fs::read(place.0.path().join("pendulum.phx")).unwrap();
        let (mut memory, mut arena) = (vec![], vec![0.0; 1 << 10]);
        let mut policy =
            micro::Policy::new(phalanx_export::aligned(&bytes, &mut memory), &mut arena).unwrap();
        let (mut word, mut within) = (7_u32, 0);
        for _ in 0..1000 {
            let mut random = || {
                word = word.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                word ^ (word >> 16)
            };
            let mut action = [0.0];
            let observation = [micro::Elements::F32(&[0.6, 0.8, 1.0])];
            let log_prob = f64::from(policy.sample(&observation, &mut action, &mut random).unwrap());
            let mean = f64::from(policy.outputs().next().unwrap());
            // Torques lie within ±2. Squashed ones are 2·tanh u, whose density is that of u over 2·(1 − tanh² u).
            let torque = f64::from(action[0]);
            if torque.abs() < 1.9 {
                let (u, slope) = match scaling {
                    "squash" => ((torque / 2.0).atanh(), 2.0 - torque * torque / 2.0),
                    _ => (torque, 1.0),
                };
                let noise = (u - mean) / 0.5;
                let expected =
                    -0.5 * (noise * noise + std::f64::consts::TAU.ln()) - 0.5_f64.ln() - slope.ln();
                assert!((log_prob - expected).abs() < 1e-4, "{scaling}: {log_prob}, not {expected}");
                within += 1;
            }
        }
        assert!(within > 500, "{scaling}: {within}");
    }
}
