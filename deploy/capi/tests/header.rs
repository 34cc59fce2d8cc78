//! The committed header is that of the functions, whose faults are codes.
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{by_hand, libraries, policy, root};

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
        for rows in [usize::MAX, usize::MAX / 8] {
            assert_eq!(phalanx_policy_set_rows(policy, rows), 1);
            assert_eq!(message(), format!("{rows} rows are more than memory has"));
            assert_eq!(phalanx_policy_act(policy, rows, input.as_ptr(), action.as_mut_ptr()), 1);
        }
        let (mut random, mut log_prob) = (1, [0.0_f32; 2]);
        let sample = |random, log_prob| {
            phalanx_policy_sample(policy, 1, input.as_ptr(), random, [0.0].as_mut_ptr(), log_prob)
        };
        assert_eq!(sample(std::ptr::null_mut(), log_prob.as_mut_ptr()), 1);
        assert_eq!(message(), "random or log_prob is null");
        assert_eq!(sample(&raw mut random, std::ptr::null_mut()), 1);
        assert_eq!(sample(&raw mut random, log_prob.as_mut_ptr()), 0);
        // In 64 bits the same numbers, by the same state of the generator.
        let (mut other, mut action_64, mut log_prob_64) = (1, [0.0; 1], [0.0; 1]);
        assert_eq!(phalanx_policy_reset(policy, 0), 0);
        let pointers = (&raw mut other, action_64.as_mut_ptr(), log_prob_64.as_mut_ptr());
        let code =
            phalanx_policy_sample_f64(policy, 1, [0.0; 2].as_ptr(), pointers.0, pointers.1, pointers.2);
        assert_eq!((code, other, log_prob_64[0]), (0, random, f64::from(log_prob[0])));
        // The first output of SplitMix64 from 1 is 0x910a2dec89025cc1, of which the state is one step on.
        assert_eq!(random, 0x9e37_79b9_7f4a_7c16);
        assert_eq!(phalanx_policy_time_step(policy), 0.0);
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
