//! Programs in C, C++ and Fortran act: with this build's library, with an installed one, and a million times.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{by_hand, libraries, policy, root};
use phalanx_export::{Field, Input, Kind, Mask, Part, Policy, write};
use phalanx_graph::{Dim, Dtype, Graph, InputScale};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether this program can be started; a line where it cannot.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no {program}");
    }
    found
}

/// Runs to the end, with success.
fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    output
}

/// What the examples print of the policy of `common`; a number is drawn around its mean with the deviation e⁻¹, then scaled.
fn check(printed: &str) {
    let mut lines = printed.lines();
    assert_eq!(lines.next(), Some("1 input of 2 elements, 1 number an action"));
    for (step, expected) in by_hand(3).into_iter().enumerate() {
        let line = lines.next().unwrap();
        let number = line.strip_prefix(&format!("step {step}: ")).unwrap();
        assert!((number.parse::<f64>().unwrap() - expected).abs() < 1e-4, "{line}, not {expected}");
    }
    let mut within = 0;
    for (line, mean) in lines.by_ref().zip(by_hand(20)) {
        let (action, log_prob) =
            line.strip_prefix("drawn ").unwrap().split_once(", log probability ").unwrap();
        let [action, log_prob] = [action, log_prob].map(|number| number.trim().parse::<f64>().unwrap());
        let noise = (action - mean) / 5.0 * std::f64::consts::E;
        let expected = 1.0 - 0.5 * (noise * noise + std::f64::consts::TAU.ln());
        if (10.001..19.999).contains(&action) && (10.001..19.999).contains(&mean) {
            within += 1;
            assert!((log_prob - expected).abs() < 1e-3, "{line}: {expected}");
        }
    }
    assert!(within > 9 && lines.next().is_none(), "{printed}");
}

/// A compiler with this build's library.
fn compiler(name: &str, program: &Path) -> Command {
    let libraries = libraries();
    let mut command = Command::new(name);
    // What a compiler writes beside a program is there, too.
    command.current_dir(program.parent().unwrap());
    command.arg("-I").arg(root().join("include")).arg("-L").arg(&libraries);
    command.arg(format!("-Wl,-rpath,{}", libraries.display())).arg("-o").arg(program);
    command
}

#[test]
fn the_program_that_measures_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let mut build = compiler("cc", &folder.path().join("speed"));
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"];
    succeed(build.args(flags).arg(root().join("examples/speed.c")).arg("-lphalanx_policy"));
}

#[test]
fn programs_in_c_cpp_and_fortran_act() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.phx");
    policy(&file);
    let module = root().join("include/phalanx_policy.f90");
    for (name, flags, sources) in [
        ("cc", "-std=c99 -Wall -Wextra -Werror -pedantic", &[root().join("examples/act.c")][..]),
        ("c++", "-std=c++17 -Wall -Wextra -Werror", &[root().join("examples/act.cpp")]),
        ("gfortran", "-std=f2018 -Wall -Werror", &[module, root().join("examples/act.f90")]),
    ] {
        if name == "gfortran" && !is_there(name) {
            continue;
        }
        let program = folder.path().join(name);
        let mut build = compiler(name, &program);
        succeed(build.args(flags.split(' ')).args(sources).args(["-lphalanx_policy", "-lm"]));
        check(&text(&succeed(Command::new(&program).arg(&file)).stdout));
    }
}

/// A policy that chooses one of three options by a dense layer over two floats; a mask of bytes or floats comes first.
fn masked_policy(path: &Path, is_bytes: bool) {
    let mut graph = Graph::default();
    let x = graph.add_input("observation.x", vec![Dim::new("numbers", 2)], Dtype::F32).unwrap();
    let action = graph.add_dense("action", x, Dim::new("options", 3)).unwrap();
    graph.add_output("action", action);
    let parameters: Vec<f32> = (0..graph.parameters()).map(|i| (i as f32 * 0.7).sin()).collect();
    let input = |name: &str, is_bytes, len| {
        let name = format!("observation.{name}");
        Input { name, is_bytes, shape: vec![len], scale: InputScale::Same }
    };
    let mask = Some(Mask { input: 0, start: 0 });
    let policy = Policy {
        graph: &graph,
        parameters: parameters[..].into(),
        output: action,
        inputs: vec![input("action_mask", is_bytes, 3), input("x", false, 2)],
        parts: vec![Part { kind: Kind::Choice, outputs: 0, len: 3, mask, start: 0, action: 0 }],
        action: vec![Field { name: "action".into(), shape: vec![] }],
        time_step: 0.0,
        text: r#"{"observation":[{"name":"observation.action_mask","shape":[3]},{"name":"observation.x","shape":[2]}]}"#.into(),
        records: vec![],
    };
    std::fs::write(path, write(&policy, None).unwrap()).unwrap();
}

#[test]
fn a_policy_with_a_mask_acts_in_c() {
    let folder = tempfile::tempdir().unwrap();
    let (program, file) = (folder.path().join("act"), folder.path().join("policy.phx"));
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"];
    let source = root().join("examples/act.c");
    succeed(compiler("cc", &program).args(flags).arg(source).args(["-lphalanx_policy", "-lm"]));
    for is_bytes in [true, false] {
        masked_policy(&file, is_bytes);
        let printed = text(&succeed(Command::new(&program).arg(&file)).stdout);
        // The biases are the sines of 4.2, 4.9 and 5.6, −0.87, −0.98 and −0.63: the third option is the best one.
        let printed: Vec<&str> = printed.lines().skip(1).collect();
        assert_eq!(printed[..3], ["step 0: 2", "step 1: 2", "step 2: 2"]);
        assert!(printed.len() == 23 && printed[3..].iter().all(|line| line.starts_with("drawn ")));
    }
}

/// `cargo xtask install`, then what pkg-config prints is all that a program needs.
#[test]
#[cfg(target_os = "linux")]
fn an_installed_library_is_found_by_pkg_config() {
    if !is_there("pkg-config") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (prefix, file) = (folder.path().join("usr"), folder.path().join("policy.phx"));
    policy(&file);
    let install = |prefix: &Path| {
        let mut xtask = Command::new(env!("CARGO"));
        xtask.args(["xtask", "install", "--prefix"]).arg(prefix).current_dir(root());
        xtask
    };
    // Over an older one, too.
    succeed(&mut install(&prefix));
    let printed = text(&succeed(&mut install(&prefix)).stdout);
    let mut files = printed.lines().filter(|line| line.starts_with('/'));
    assert!(files.clone().count() == 8 && files.all(|path| Path::new(path).is_file()), "{printed}");
    let exported = |line: &&str| line.starts_with("export PKG_CONFIG_PATH=");
    let export = printed.lines().find(exported).unwrap();

    let source = root().join("examples/act.c");
    for (options, flags) in [("", "-Wall -Werror"), ("--static", "-static")] {
        let program = folder.path().join(format!("act{options}"));
        // What a user types.
        let script = format!(
            "{export}; cc {flags} {} $(pkg-config {options} --cflags --libs phalanx_policy) -o {}",
            source.display(),
            program.display()
        );
        succeed(Command::new("sh").args(["-c", &script]));
        let mut act = Command::new(&program);
        act.arg(&file);
        if options.is_empty() {
            // It asks for the name with the version, which a later, incompatible library does not have.
            std::fs::remove_file(prefix.join("lib/libphalanx_policy.so")).unwrap();
            act.env("LD_LIBRARY_PATH", prefix.join("lib"));
        } else {
            std::fs::remove_dir_all(&prefix).unwrap();
        }
        check(&text(&succeed(&mut act).stdout));
    }

    for (prefix, expected) in
        [(file.as_path(), "cannot write"), (Path::new("/tmp/a b"), "special characters")]
    {
        let output = install(prefix).output().unwrap();
        let errors = text(&output.stderr);
        assert!(!output.status.success() && errors.contains(expected), "{errors}");
        assert!(errors.contains(prefix.to_str().unwrap()), "{errors}");
    }
}

/// A million actions: memory does not grow, and valgrind finds no leak and no error in a part of them.
#[test]
#[cfg(target_os = "linux")]
fn a_million_actions_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (program, file) = (folder.path().join("repeat"), folder.path().join("policy.phx"));
    policy(&file);
    let mut build = compiler("cc", &program);
    build.args(["-g", "-std=gnu99", "-Wall", "-Wextra", "-Werror"]).arg(root().join("tests/repeat.c"));
    succeed(build.arg("-lphalanx_policy"));
    let grown = succeed(Command::new(&program).arg(&file).arg("1000000")).stdout;
    assert_eq!(text(&grown), "0\n", "kilobytes");
    if !is_there("valgrind") {
        return;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all"]);
    let output = succeed(valgrind.arg("--error-exitcode=1").arg(&program).arg(&file).arg("100000"));
    let report = text(&output.stderr);
    assert!(report.contains("ERROR SUMMARY: 0 errors"), "{report}");
}
