//! How fast this machine multiplies matrices: what the speed of an update is measured against.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::matrix::{Matrix, Store, product};

/// Rows of the first factor.
const ROWS: usize = 1024;

/// How long is measured.
const LENGTH: Duration = Duration::from_millis(200);

/// Floating-point operations a second of products `[1024, width]·[width, width]`, on all of rayon's threads at once.
pub fn product_speed(width: usize) -> f64 {
    let threads = rayon::current_num_threads();
    let factor = |len: usize| vec![0.5_f32; len];
    let run = |_: usize| {
        let (a, b, mut c) = (factor(ROWS * width), factor(width * width), factor(ROWS * width));
        let (a, b) = (Matrix::new(&a, ROWS, width), Matrix::new(&b, width, width));
        // Once before the clock starts, for the caches and the processor's frequency.
        product(&mut c, a, b, Store::Set);
        let (start, mut products) = (Instant::now(), 0);
        while start.elapsed() < LENGTH {
            product(&mut c, a, b, Store::Set);
            products += 1;
        }
        f64::from(products) / start.elapsed().as_secs_f64()
    };
    let products: f64 = (0..threads).into_par_iter().with_max_len(1).map(run).sum();
    products * (2 * ROWS * width * width) as f64
}
