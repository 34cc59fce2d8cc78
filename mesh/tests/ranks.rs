//! Ranks as threads of one process, over both transports.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use phalanx_mesh::{Backend, JoinOptions, Mesh, MeshError, MeshSettings, Place, free_port};

fn place(rank: usize, size: usize, port: u16) -> Place {
    let host = "127.0.0.1".to_owned();
    Place { rank, size, local_rank: rank, host, port, is_served: false, restarts: 0 }
}

fn options(backend: Backend) -> JoinOptions {
    let settings =
        MeshSettings { backend, arrival_deadline: 20.0, silence_deadline: 5.0, ..MeshSettings::default() };
    JoinOptions { settings, identity: "one".to_owned() }
}

/// What `body` returns on each of `size` ranks.
fn on_ranks<T: Send>(
    size: usize,
    backend: Backend,
    body: impl Fn(usize, Result<Mesh, MeshError>) -> T + Sync,
) -> Vec<T> {
    let port = free_port().unwrap();
    std::thread::scope(|scope| {
        let start = |rank| {
            let body = &body;
            scope.spawn(move || {
                body(rank, Mesh::join(&place(rank, size, port), &options(backend), &mut |_| ()))
            })
        };
        let threads: Vec<_> = (0..size).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Numbers of a rank that are not summed exactly.
fn numbers(rank: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + rank * 101) % 1013) as f32 / 7.0 - 50.0).collect()
}

#[test]
fn sums_are_in_the_order_of_ranks_over_every_transport() {
    for size in [2, 3] {
        for len in [1, 1000, 300_001] {
            let mut expected = vec![0.0; len];
            for rank in 0..size {
                expected.iter_mut().zip(numbers(rank, len)).for_each(|(sum, x)| *sum += x);
            }
            for backend in [Backend::Auto, Backend::Gloo] {
                let sums = on_ranks(size, backend, |rank, mesh| {
                    let (mesh, mut own) = (mesh.unwrap(), numbers(rank, len));
                    mesh.all_reduce(&mut own).unwrap();
                    own
                });
                assert!(sums.iter().all(|sum| *sum == expected), "{size} ranks, {len} numbers, {backend:?}");
            }
        }
    }
}

#[test]
fn bytes_of_different_lengths_are_gathered_and_broadcast() {
    for backend in [Backend::Auto, Backend::Gloo] {
        let found = on_ranks(3, backend, |rank, mesh| {
            let mesh = mesh.unwrap();
            let own = vec![rank as u8; rank * 700_000];
            let gathered = mesh.gather(&own).unwrap();
            let mut bytes = if rank == 0 { vec![7; 2_500_000] } else { Vec::new() };
            mesh.broadcast(&mut bytes).unwrap();
            assert!(!mesh.any(false).unwrap() && mesh.any(rank == 2).unwrap());
            (gathered, bytes)
        });
        for (gathered, bytes) in found {
            let lens: Vec<usize> = gathered.iter().map(Vec::len).collect();
            assert_eq!(lens, [0, 700_000, 1_400_000]);
            assert!(gathered[1].iter().all(|&x| x == 1) && gathered[2].iter().all(|&x| x == 2));
            assert!(bytes == vec![7; 2_500_000]);
        }
    }
}

#[test]
fn a_rank_that_leaves_stops_the_others_with_its_reason() {
    for backend in [Backend::Auto, Backend::Gloo] {
        let found = on_ranks(3, backend, |rank, mesh| {
            let mesh = mesh.unwrap();
            if rank == 1 {
                mesh.leave("its environment failed");
                std::thread::sleep(Duration::from_secs(2));
                return String::new();
            }
            let begin = Instant::now();
            let error = mesh.all_reduce(&mut [1.0f32]).unwrap_err().to_string();
            assert!(begin.elapsed() < Duration::from_secs(5));
            error
        });
        for error in [&found[0], &found[2]] {
            assert_eq!(error, "rank 1 of 3 stopped: its environment failed", "{backend:?}");
        }
    }
}

#[test]
fn late_ranks_are_named() {
    let port = free_port().unwrap();
    let mut short = options(Backend::Auto);
    short.settings.arrival_deadline = 1.0;
    let error = Mesh::join(&place(0, 3, port), &short, &mut |_| ()).err().unwrap().to_string();
    assert_eq!(error, format!("ranks 1, 2 of 3 did not come to 127.0.0.1:{port} within 1 s"));
}

#[test]
fn ranks_of_another_configuration_are_refused() {
    let port = free_port().unwrap();
    let errors: Vec<String> = std::thread::scope(|scope| {
        let start = |rank: usize| {
            scope.spawn(move || {
                let identity = format!("rows: 8\nseed: {rank}\n");
                let options = JoinOptions { identity, ..options(Backend::Auto) };
                Mesh::join(&place(rank, 2, port), &options, &mut |_| ()).err().unwrap().to_string()
            })
        };
        let threads: Vec<_> = (0..2).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for error in errors {
        assert!(error.contains("rank 1 is not trained as rank 0 is: it has `seed: 1`"), "{error}");
    }
}
