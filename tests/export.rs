//! Policy files by the command line: written, refused, and played without their run.

use std::fs;

use super::place::{Place, text};

#[test]
fn a_policy_file_is_written_within_its_budgets_and_plays_without_its_run() {
    let place = Place::new();
    place.succeed(&["train", "small.yaml", "--set", "steps=512", "--set", "evaluation.episodes=0"]);
    let run = place.runs()[0].to_str().unwrap().to_owned();
    let file = place.0.path().join("policy.phx");
    for (budget, expected) in [
        (["--max-flash", "1KiB"], "the file takes "),
        (
            ["--max-ram", "64B"],
            "the memory while it acts takes 80 bytes, more than 64 bytes; nothing was written",
        ),
        (["--records", "many"], "invalid value 'many'"),
        (["-o", "nowhere/policy.phx"], "cannot write nowhere/policy.phx"),
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
    assert!(printed.contains("80 bytes of memory while it acts, 96 multiplications"), "{printed}");

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
