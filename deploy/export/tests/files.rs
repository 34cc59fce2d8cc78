//! Files that are run, damaged and hostile.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::time::{Duration, Instant};

mod common;

use common::{Parts, convolution, dim, everything, file_of, pictures};
use phalanx_export::{Input, Kind, Mask, Part, Record, Recorded, aligned};
use phalanx_graph::{Activation, Dtype, Graph, InputScale};
use phalanx_micro::format::{checksum, header};
use phalanx_micro::{ActError, Elements, FormatError, Policy as Micro, SelfTestError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A dense layer of two numbers, the larger of which is chosen: y = (x₀ + 2·x₁ + 0.5, −x₀).
fn small(mask: bool) -> Parts {
    let mut graph = Graph::default();
    let x = graph.add_input("observation.x", vec![dim(2)], Dtype::F32).unwrap();
    let action = graph.add_dense("action", x, dim(2)).unwrap();
    graph.add_output("action", action);
    let input = |name: &str, is_bytes| {
        let shape = vec![2];
        Input { name: name.into(), is_bytes, shape, scale: InputScale::Same }
    };
    let mut inputs = vec![input("observation.x", false)];
    if mask {
        inputs.push(input("observation.action_mask", true));
    }
    let mask = mask.then_some(Mask { input: 1, start: 0 });
    let parts = vec![Part { kind: Kind::Choice, outputs: 0, len: 2, mask, start: 0, action: 0 }];
    (graph, vec![1.0, 2.0, -1.0, 0.0, 0.5, 0.0], inputs, parts)
}

/// The file of a policy in floats.
fn file(policy: &Parts, records: &[Record]) -> Vec<u8> {
    file_of(policy, records, false)
}

#[test]
fn a_dense_layer_by_hand() {
    let bytes = file(&small(false), &[]);
    let (mut memory, mut arena, mut action) = (vec![], [0.0; 8], [9.0]);
    let mut policy = Micro::new(aligned(&bytes, &mut memory), &mut arena).unwrap();
    assert_eq!((policy.action_len(), policy.time_step(), policy.text()), (1, 0.02, "{}"));
    policy.act(&[Elements::F32(&[0.25, -1.0])], &mut action).unwrap();
    assert_eq!(policy.outputs().collect::<Vec<_>>(), [0.25 - 2.0 + 0.5, -0.25]);
    assert_eq!(action, [1.0]);
    let missing = policy.act(&[], &mut action).unwrap_err();
    let short = policy.act(&[Elements::F32(&[1.0])], &mut action).unwrap_err();
    let buffer = policy.act(&[Elements::F32(&[1.0, 2.0])], &mut []).unwrap_err();
    assert_eq!([missing, short, buffer], [ActError::Input(0), ActError::Input(0), ActError::Action]);
}

#[test]
fn masks_leave_the_best_of_the_legal_options() {
    let bytes = file(&small(true), &[]);
    let (mut memory, mut arena, mut action) = (vec![], [0.0; 8], [9.0]);
    let mut policy = Micro::new(aligned(&bytes, &mut memory), &mut arena).unwrap();
    let x = Elements::F32(&[1.0, 1.0]);
    policy.act(&[x, Elements::U8(&[1, 1])], &mut action).unwrap();
    assert_eq!(action, [0.0]);
    policy.act(&[x, Elements::U8(&[0, 1])], &mut action).unwrap();
    assert_eq!(action, [1.0]);
    assert_eq!(policy.act(&[x, Elements::U8(&[0, 0])], &mut action), Err(ActError::Mask));
}

#[test]
fn a_recorded_action_that_differs_is_found() {
    let record = |action| Record {
        begins: true,
        observation: vec![Recorded::F32(vec![1.0, 1.0])],
        action: vec![action],
    };
    for (action, expected) in
        [(0.0, Ok(())), (1.0, Err(SelfTestError::Differs { step: 1, element: 0, recorded: 1.0, here: 0.0 }))]
    {
        let bytes = file(&small(false), &[record(0.0), record(action)]);
        let (mut memory, mut arena) = (vec![], [0.0; 8]);
        let mut policy = Micro::new(aligned(&bytes, &mut memory), &mut arena).unwrap();
        assert_eq!(policy.selftest(&mut [0.0]), expected);
    }
}

#[test]
fn an_arena_that_is_too_short_and_a_file_that_is_not_aligned_are_refused() {
    let bytes = file(&small(false), &[]);
    let mut memory = vec![];
    let file = aligned(&bytes, &mut memory);
    assert_eq!(Micro::new(file, &mut [0.0; 3]).err(), Some(FormatError::Arena(4)));
    let mut shifted = vec![];
    let moved = [&[0], &bytes[..]].concat();
    assert_eq!(
        Micro::new(&aligned(&moved, &mut shifted)[1..], &mut [0.0; 8]).err(),
        Some(FormatError::Alignment)
    );
}

/// Outputs of the network for each record.
fn outputs(bytes: &[u8], records: &[Record]) -> Vec<f32> {
    let (mut memory, mut arena) = (vec![], vec![0.0; 4096]);
    let mut policy = Micro::new(aligned(bytes, &mut memory), &mut arena).unwrap();
    let mut action = vec![0.0; policy.action_len()];
    let of = |record: &Record| {
        let elements: Vec<_> = record.observation.iter().map(Recorded::elements).collect();
        policy.act(&elements, &mut action).unwrap();
        policy.outputs().collect::<Vec<_>>()
    };
    records.iter().flat_map(of).collect()
}

/// A convolution and two dense layers in 8 bits give what they give in floats, up to what a unit of each result makes.
#[test]
fn layers_in_8_bits_are_close_to_those_in_floats() {
    for activation in Activation::ALL {
        let (policy, records) = (convolution(activation, 1, false), pictures(50));
        let [floats, int8] = [false, true].map(|in_int8| file_of(&policy, &records, in_int8));
        assert!(int8.len() < floats.len());
        let (floats, int8) = (outputs(&floats, &records), outputs(&int8, &records));
        let largest = floats.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let squares: f32 = floats.iter().zip(&int8).map(|(a, b)| (a - b) * (a - b)).sum();
        let error = (squares / floats.len() as f32).sqrt() / largest;
        assert!((1e-5..0.02).contains(&error), "{activation}: {error} of {largest}");
    }
}

/// Uses whatever is accepted.
fn run(bytes: &[u8]) -> Result<(), FormatError> {
    let mut memory = vec![];
    let file = aligned(bytes, &mut memory);
    let mut arena = vec![0.0; Micro::arena(file)?.min(1 << 20)];
    let mut policy = Micro::new(file, &mut arena)?;
    let mut action = vec![0.0; policy.action_len().min(1 << 20)];
    let _ = policy.selftest(&mut action);
    let shapes: Vec<(bool, usize)> = policy.inputs().collect();
    let most = shapes.iter().map(|(_, len)| *len).max().unwrap_or(0).min(1 << 20);
    let (floats, bytes) = (vec![f32::NAN; most], vec![7; most]);
    let elements: Vec<Elements<'_>> = shapes
        .iter()
        .map(|&(is_bytes, len)| {
            let len = len.min(most);
            if is_bytes { Elements::U8(&bytes[..len]) } else { Elements::F32(&floats[..len]) }
        })
        .collect();
    let _ = policy.act(&elements, &mut action);
    let mut word = 1_u32;
    let _ = policy.sample(&elements, &mut action, &mut || {
        word = word.wrapping_mul(0x9e37_79b1) ^ 0x5bd1;
        word
    });
    let _ = policy.outputs().count();
    Ok(())
}

/// The file with a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes[4 * header::CHECKSUM..][..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let bytes = file(&small(true), &[]);
    run(&bytes).unwrap();
    for i in 0..bytes.len() {
        assert!(run(&bytes[..i]).is_err(), "cut at {i}");
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[i] ^= 1 << bit;
            assert!(run(&damaged).is_err(), "bit {bit} of byte {i}");
        }
    }
}

/// A change of a word: whether it is one of the header and the tables, which word, whether a number is added to it, and the number.
type Change = (bool, prop::sample::Index, bool, u32);

/// Changes of a file, and where it is cut off.
fn changes() -> impl Strategy<Value = (Vec<Change>, Option<prop::sample::Index>)> {
    let number = prop_oneof![any::<u32>(), 0..300_u32, (0..32_u32).prop_map(|bit| 1 << bit), Just(u32::MAX)];
    let change = (any::<bool>(), any::<prop::sample::Index>(), any::<bool>(), number);
    (prop::collection::vec(change, 1..6), prop::option::weighted(0.1, any::<prop::sample::Index>()))
}

/// With a right checksum, too: nothing panics, whatever tables and numbers are. `PHALANX_FUZZ_SECONDS` has it go on for so long.
#[test]
fn hostile_files_are_refused_or_harmless() {
    let both = [false, true].map(|in_int8| {
        let (policy, records) = everything();
        file_of(&policy, &records, in_int8)
    });
    let (files, accepted) = (Cell::new(0), Cell::new(0));
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let seconds = std::env::var("PHALANX_FUZZ_SECONDS").map_or(0, |seconds| seconds.parse().unwrap());
    let started = Instant::now();
    loop {
        let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
        let outcome =
            TestRunner::new(config).run(&(any::<bool>(), changes()), |(in_int8, (changes, cut))| {
                let mut bytes = both[usize::from(in_int8)].clone();
                let tables = word(&bytes, 4 * header::FLOATS) as usize;
                for (in_tables, at, is_added, number) in changes {
                    let at = at.index(if in_tables { tables } else { bytes.len() } / 4) * 4;
                    let changed = if is_added { word(&bytes, at).wrapping_add(number) } else { number };
                    bytes[at..at + 4].copy_from_slice(&changed.to_le_bytes());
                }
                let first = 4 * header::WORDS;
                bytes.truncate(cut.map_or(bytes.len(), |cut| first + cut.index(bytes.len() - first)));
                let len = bytes.len() as u32;
                bytes[4 * header::BYTES..][..4].copy_from_slice(&len.to_le_bytes());
                files.set(files.get() + 1);
                accepted.set(accepted.get() + u32::from(run(&sealed(bytes)).is_ok()));
                Ok(())
            });
        outcome.unwrap_or_else(|error| panic!("{error}"));
        if started.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    let (files, accepted) = (files.get(), accepted.get());
    eprintln!(
        "{files} hostile files in {:.1} s, {accepted} of them harmless",
        started.elapsed().as_secs_f64()
    );
    // Both ways are tried.
    assert!(accepted > files / 100 && accepted < files * 99 / 100, "{accepted} of {files}");
}

#[test]
fn every_operation_runs() {
    let (policy, records) = everything();
    for in_int8 in [false, true] {
        run(&file_of(&policy, &records, in_int8)).unwrap();
    }
}
