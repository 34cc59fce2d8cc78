//! The committed header is that of the functions, and programs in C compile against it.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use phalanx_export::{Input, Kind, Part, Policy, write};
use phalanx_graph::{Dim, Dtype, Graph, InputScale, Recurrent};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `PHALANX_BLESS=1` writes it.
#[test]
fn the_header_is_up_to_date() {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_crate(root()).with_config(config);
    let mut written = Vec::new();
    builder.generate().unwrap().write(&mut written);
    let path = root().join("include/phalanx_policy.h");
    if std::env::var_os("PHALANX_BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(committed, String::from_utf8(written).unwrap(), "PHALANX_BLESS=1 writes the header");
}

/// The folder of this build's libraries.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn parameters(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.7).sin()).collect()
}

/// What it does for zeros, step after step, in 64 bits: only biases and the hidden state count.
fn by_hand(steps: usize) -> Vec<f64> {
    let p: Vec<f64> = parameters(70).into_iter().map(f64::from).collect();
    let (hidden, input_bias, hidden_bias) = (&p[18..45], &p[45..54], &p[54..63]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut h, mut actions) = (vec![0.0; 3], Vec::new());
    for _ in 0..steps {
        let half = |row: usize| hidden_bias[row] + (0..3).map(|i| hidden[row * 3 + i] * h[i]).sum::<f64>();
        let next = (0..3).map(|i| {
            let (r, z) = (sigmoid(input_bias[i] + half(i)), sigmoid(input_bias[3 + i] + half(3 + i)));
            let n = (input_bias[6 + i] + r * half(6 + i)).tanh();
            (1.0 - z) * n + z * h[i]
        });
        h = next.collect();
        let mean: f64 = p[66] + (0..3).map(|i| p[63 + i] * h[i]).sum::<f64>();
        actions.push((15.0 + 5.0 * mean).clamp(10.0, 20.0));
    }
    actions
}

/// A recurrent policy of two floats and a number: a GRU and a mean, scaled to 10…20.
fn policy(path: &Path) {
    let mut graph = Graph::default();
    let dim = |n| Dim::new("numbers", n);
    let x = graph.add_input("observation", vec![dim(2)], Dtype::F32).unwrap();
    let memory = graph.add_recurrent("memory", x, Recurrent::Gru, dim(3)).unwrap();
    let action = graph.add_dense("action", memory, dim(1)).unwrap();
    graph.add_output("action", action);
    let parameters = parameters(graph.parameters());
    let kind = Kind::Numbers { tanh: false, scale: vec![[15.0, 5.0, 10.0, 20.0]] };
    let policy = Policy {
        graph: &graph,
        parameters: parameters[..].into(),
        output: action,
        inputs: vec![Input { name: "observation".into(), is_bytes: false, len: 2, scale: InputScale::Same }],
        parts: vec![Part { kind, outputs: 0, len: 1, mask: None, action: 0 }],
        time_step: 0.0,
        text: r#"{"env":{"name":"test"}}"#.into(),
        records: vec![],
    };
    std::fs::write(path, write(&policy, None).unwrap()).unwrap();
}

#[test]
fn programs_in_c_cpp_and_fortran_act() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.phx");
    policy(&file);
    let (include, libraries) = (root().join("include"), libraries());
    for (compiler, source, flags) in [
        ("cc", "act.c", &["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"][..]),
        ("c++", "act.cpp", &["-std=c++17", "-Wall", "-Wextra", "-Werror"]),
        ("gfortran", "act.f90", &["-std=f2018", "-Wall", "-Werror", "phalanx_policy.f90"]),
    ] {
        if compiler == "gfortran" && Command::new(compiler).arg("--version").output().is_err() {
            eprintln!("skipped: there is no gfortran");
            continue;
        }
        let program = folder.path().join(source).with_extension("out");
        let mut build = Command::new(compiler);
        // Sources of modules are here; what a compiler writes beside is not.
        build.current_dir(folder.path());
        let path = |flag: &&str| if flag.starts_with('-') { flag.into() } else { include.join(flag) };
        build.args(flags.iter().map(path)).arg("-I").arg(&include).arg("-o").arg(&program);
        build.arg(root().join("examples").join(source)).arg("-L").arg(&libraries);
        build.arg(format!("-Wl,-rpath,{}", libraries.display())).args(["-lphalanx_policy", "-lm"]);
        let built = build.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let output = Command::new(&program).arg(&file).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        let mut lines = printed.lines();
        assert_eq!(lines.next(), Some("1 input of 2 elements, 1 number an action"));
        for (step, expected) in by_hand(3).into_iter().enumerate() {
            let line = lines.next().unwrap();
            let number = line.strip_prefix(&format!("step {step}: ")).unwrap();
            assert!((number.parse::<f64>().unwrap() - expected).abs() < 1e-4, "{line}, not {expected}");
        }
    }
}

/// A file that is none, null pointers and rows that do not exist: codes with messages, and the same library goes on.
#[test]
fn faults_are_codes_with_messages() {
    use phalanx_policy::*;
    use std::ffi::{CStr, CString};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.phx");
    policy(&file);
    let message = || unsafe { CStr::from_ptr(phalanx_policy_error()) }.to_str().unwrap().to_owned();
    let open = |path: &Path| {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        unsafe { phalanx_policy_open(path.as_ptr()) }
    };
    assert!(open(&folder.path().join("none.phx")).is_null());
    assert!(message().contains("none.phx") && message().starts_with("cannot read "), "{}", message());
    assert!(open(&root().join("Cargo.toml")).is_null());
    assert!(message().contains("not a policy file of version 1"), "{}", message());
    assert!(unsafe { phalanx_policy_open(std::ptr::null()) }.is_null());
    let policy = open(&file);
    let (observation, mut action) = ([0.0_f32; 4], [0.0_f32; 2]);
    let input = [observation.as_ptr().cast()];
    unsafe {
        assert_eq!(phalanx_policy_act(policy, 2, input.as_ptr(), action.as_mut_ptr()), 1);
        assert_eq!(message(), "row 1 of 1: phalanx_policy_set_rows makes more");
        assert_eq!(phalanx_policy_act(policy, 1, std::ptr::null(), action.as_mut_ptr()), 1);
        assert_eq!(phalanx_policy_act(std::ptr::null_mut(), 1, input.as_ptr(), action.as_mut_ptr()), 1);
        assert_eq!(message(), "the policy is null");
        assert_eq!(phalanx_policy_reset(policy, 7), 1);
        assert_eq!(phalanx_policy_set_rows(policy, 0), 1);
        // Two rows with a hidden state each; the second one begins anew.
        assert_eq!(phalanx_policy_set_rows(policy, 2), 0);
        let expected = by_hand(2);
        for (step, reset) in [(0, false), (1, true), (1, false)] {
            if reset {
                assert_eq!(phalanx_policy_reset(policy, 1), 0);
            }
            assert_eq!(phalanx_policy_act(policy, 2, input.as_ptr(), action.as_mut_ptr()), 0);
            if step == 0 {
                assert!(action.iter().all(|a| (f64::from(*a) - expected[0]).abs() < 1e-5));
            } else if reset {
                assert!((f64::from(action[0]) - expected[1]).abs() < 1e-5);
                assert!((f64::from(action[1]) - expected[0]).abs() < 1e-5);
            }
        }
        assert_eq!(
            CStr::from_ptr(phalanx_policy_description(policy)).to_bytes(),
            br#"{"env":{"name":"test"}}"#
        );
        assert_eq!(phalanx_policy_selftest(policy), 0);
        phalanx_policy_close(policy);
        phalanx_policy_close(std::ptr::null_mut());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_library_needs_the_system_alone() {
    let library = libraries().join("libphalanx_policy.so");
    let output = Command::new("ldd").arg(&library).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("libc.so"), "{}: {printed}", library.display());
    for line in printed.lines() {
        let name = line.trim().split([' ', '/']).find(|word| !word.is_empty()).unwrap_or_default();
        let known = ["linux-vdso.so", "libc.so", "libm.so", "libgcc_s.so", "lib64", "lib"];
        assert!(known.iter().any(|known| name.starts_with(known)), "{printed}");
    }
}
