//! How long a sum over two ranks of this machine takes: `cargo run --release -p phalanx-mesh --example latency`.

use std::process::Command;
use std::time::{Duration, Instant};

use phalanx_mesh::{Backend, JoinOptions, Mesh, MeshSettings, Place, free_port};

/// How long each size is measured.
const TIME: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(place) = Place::from_env()? {
        return rank(&place);
    }
    for backend in ["auto", "gloo"] {
        let port = free_port()?;
        let start = |rank: usize| {
            let mut child = Command::new(std::env::current_exe()?);
            child
                .env("BACKEND", backend)
                .env("MASTER_ADDR", "127.0.0.1")
                .env("MASTER_PORT", port.to_string());
            child.env("RANK", rank.to_string()).env("WORLD_SIZE", "2").spawn()
        };
        for mut child in [start(0)?, start(1)?] {
            child.wait()?;
        }
    }
    Ok(())
}

/// One of two ranks; the first prints the median time of each size.
fn rank(place: &Place) -> Result<(), Box<dyn std::error::Error>> {
    let gloo = std::env::var("BACKEND").is_ok_and(|name| name == "gloo");
    let backend = if gloo { Backend::Gloo } else { Backend::Auto };
    let settings = MeshSettings { backend, ..MeshSettings::default() };
    let mesh = Mesh::join(place, &JoinOptions { settings, identity: String::new() }, &mut |_| ())?;
    for len in [1, 500, 5_000, 50_000, 500_000, 5_000_000] {
        let (begin, mut numbers, mut times) = (Instant::now(), vec![0.5f32; len], Vec::new());
        while !mesh.any(begin.elapsed() > TIME)? {
            let begin = Instant::now();
            mesh.all_reduce(&mut numbers)?;
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        if place.rank == 0 {
            println!("{backend:?}: {len} floats: median {:?}", times[times.len() / 2]);
        }
    }
    Ok(())
}
