//! Policies as C, compiled and run beside the interpreter.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use common::{Parts, everything, numbers, policy_of};
use phalanx_export::{ExportError, Quantization, Record, Recorded, aligned, c, write};
use phalanx_graph::Activation;
use phalanx_micro::Policy as Micro;

/// Actions of the interpreter, one record after the other.
fn interpreted(bytes: &[u8], records: &[Record]) -> Vec<Vec<f32>> {
    let (mut memory, mut arena) = (vec![], vec![0.0; 4096]);
    let mut policy = Micro::new(aligned(bytes, &mut memory), &mut arena).unwrap();
    let mut action = vec![0.0; policy.action_len()];
    let of = |record: &Record| {
        if record.begins {
            policy.reset();
        }
        let elements: Vec<_> = record.observation.iter().map(Recorded::elements).collect();
        policy.act(&elements, &mut action).unwrap();
        action.clone()
    };
    records.iter().map(of).collect()
}

/// A program that acts for these records and prints the actions.
fn program(records: &[Record]) -> String {
    let mut main = String::new();
    for record in records {
        if record.begins {
            main.push_str("    policy_reset(&policy);\n");
        }
        let arrays = record.observation.iter().map(|part| match part {
            Recorded::F32(x) => format!("(const float[]){{{}}}", list(x)),
            Recorded::U8(x) => format!("(const uint8_t[]){{{}}}", list(x)),
        });
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let _ = writeln!(main, "    if (policy_act(&policy, {arrays}, action)) return 1;");
        main.push_str("    for (i = 0; i < POLICY_ACTION; i++) printf(\"%.9g \", (double)action[i]);\n    puts(\"\");\n");
    }
    format!(
        "#include \"policy.h\"\n#include <stdio.h>\nint main(void) {{\n    static policy_policy policy;\n    \
         float action[POLICY_ACTION];\n    int i;\n{main}    return 0;\n}}\n"
    )
}

fn list<T: std::fmt::Debug>(x: &[T]) -> String {
    x.iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(", ")
}

/// Compiles and runs the sources of a policy, and compares actions.
fn compare(parts: &Parts, records: &[Record], in_int8: bool) {
    let mut policy = policy_of(parts, records);
    let int8 = in_int8.then(|| Quantization::new(&mut policy, records).unwrap());
    let sources = c(&policy, int8.as_ref(), "policy").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("policy.c"), sources.source).unwrap();
    fs::write(file("policy.h"), sources.header).unwrap();
    fs::write(file("main.c"), program(records)).unwrap();
    let built = Command::new("cc")
        .args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off", "-I"])
        .arg(folder.path())
        .args([file("policy.c"), file("main.c")])
        .args(["-lm", "-o"])
        .arg(file("main"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let output = Command::new(file("main")).output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = interpreted(&write(&policy, int8.as_ref()).unwrap(), records);
    assert_eq!(printed.lines().count(), expected.len());
    for (line, expected) in printed.lines().zip(expected) {
        let action: Vec<f32> = line.split_whitespace().map(|x| x.parse().unwrap()).collect();
        assert_eq!(action.len(), expected.len());
        for (here, there) in action.iter().zip(&expected) {
            assert!((here - there).abs() <= 2e-6 * there.abs().max(1.0), "{action:?}, not {expected:?}");
        }
    }
}

/// Other observations than the recorded ones.
fn varied(records: &[Record]) -> Vec<Record> {
    let mut all = Vec::new();
    for i in 0..40 {
        let mut record = records[i % records.len()].clone();
        record.begins = i % 7 == 0;
        for part in &mut record.observation {
            match part {
                Recorded::F32(x) if x.len() > 1 => {
                    *x = numbers(x.len() + i)[i..].to_vec();
                }
                Recorded::F32(x) => x[0] = (i % 4) as f32,
                Recorded::U8(x) if x.len() > 6 => {
                    x.iter_mut().enumerate().for_each(|(j, x)| *x = (i * 31 + j * 57) as u8);
                }
                Recorded::U8(x) => {
                    x.iter_mut().enumerate().for_each(|(j, x)| *x = u8::from((i + j) % 3 != 0 || j % 2 == 0));
                }
            }
        }
        all.push(record);
    }
    all
}

#[test]
fn every_operation_is_the_same_in_c() {
    let (policy, records) = everything();
    for in_int8 in [false, true] {
        compare(&policy, &varied(&records), in_int8);
    }
}

#[test]
fn every_activation_is_the_same_in_c() {
    for activation in Activation::ALL {
        let policy = common::convolution(activation, 1, false);
        for in_int8 in [false, true] {
            compare(&policy, &common::pictures(20), in_int8);
        }
    }
}

#[test]
fn a_name_that_c_does_not_have_is_refused() {
    let (policy, records) = everything();
    for name in ["", "1policy", "my-policy"] {
        let refused = c(&policy_of(&policy, &records), None, name).unwrap_err();
        assert!(matches!(refused, ExportError::Name { .. }), "{refused}");
    }
}
