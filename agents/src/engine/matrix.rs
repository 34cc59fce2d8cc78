//! Matrix products.
#![allow(unsafe_code)]

use gemm::{Parallelism, gemm};

/// A view of numbers as a matrix `[rows, columns]`: row-major, or column-major after [`Matrix::transpose`].
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    numbers: &'a [f32],
    rows: usize,
    columns: usize,
    /// Numbers from one row to the next, and from one column to the next.
    strides: (usize, usize),
}

impl<'a> Matrix<'a> {
    /// The first `rows`·`columns` of `numbers`.
    pub fn new(numbers: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { numbers: &numbers[..rows * columns], rows, columns, strides: (columns, 1) }
    }

    /// `rows` of its rows, from row `first` on.
    fn part(self, first: usize, rows: usize) -> Self {
        let start = first * self.columns;
        Self { numbers: &self.numbers[start..start + rows * self.columns], rows, ..self }
    }

    /// Its transpose, over the same numbers.
    pub fn transpose(self) -> Self {
        let Self { numbers, rows, columns, strides: (row, column) } = self;
        Self { numbers, rows: columns, columns: rows, strides: (column, row) }
    }
}

/// What a product does with the numbers that it finds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Overwrites them.
    Set,
    /// Adds to them.
    Add,
}

/// `c = a·b` or `c += a·b`, row-major.
pub fn product(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, store: Store) {
    assert_eq!(a.columns, b.rows, "rows of the second factor");
    let c = &mut c[..a.rows * b.columns];
    let stride = |(row, column): (usize, usize)| (row as isize, column as isize);
    let ((a_row, a_column), (b_row, b_column)) = (stride(a.strides), stride(b.strides));
    let keep = f32::from(u8::from(store == Store::Add));
    // SAFETY: `Matrix` holds rows·columns numbers with its strides, `c` was cut to the result's, and is borrowed mutably.
    unsafe {
        gemm(
            a.rows,
            b.columns,
            a.columns,
            c.as_mut_ptr(),
            1,
            b.columns as isize,
            store == Store::Add,
            a.numbers.as_ptr(),
            a_column,
            a_row,
            b.numbers.as_ptr(),
            b_column,
            b_row,
            keep,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Rows that [`products`] works on together.
pub const BLOCK: usize = 8;

/// `c = a·b` for factors with whole [`BLOCK`]s of rows in `a`, where a row's result is the same bits whatever rows are beside it.
///
/// `gemm` goes another way, with other roundings, for a result of one row or at most 256 numbers, and cuts long sums elsewhere
/// for one of 64 × 64: results that may be so small are always found a block at a time.
pub fn products(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    assert_eq!(a.rows % BLOCK, 0, "rows of the first factor");
    let narrow = b.columns * BLOCK <= 256 || b.columns <= 64 && b.rows > 512;
    let rows = if narrow { BLOCK } else { a.rows.max(1) };
    for first in (0..a.rows).step_by(rows) {
        product(&mut c[first * b.columns..], a.part(first, rows), b, Store::Set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the sizes where `gemm` 0.19.0 changes its way of computing, and around them.
    #[test]
    fn a_row_of_a_product_does_not_depend_on_the_rows_beside_it() {
        for columns in [1, 2, 31, 32, 33, 63, 64, 65, 96] {
            for inner in [1, 3, 64, 511, 512, 513, 600] {
                let numbers = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
                let (a, b) = (numbers(72 * inner), numbers(inner * columns));
                let b = Matrix::new(&b, columns, inner).transpose();
                let (mut all, mut some) = (vec![0.0; 72 * columns], vec![0.0; BLOCK * columns]);
                products(&mut all, Matrix::new(&a, 72, inner), b);
                for first in (0..72).step_by(BLOCK) {
                    products(&mut some, Matrix::new(&a[first * inner..], BLOCK, inner), b);
                    assert_eq!(
                        all[first * columns..][..some.len()],
                        some,
                        "{inner} × {columns}, row {first}"
                    );
                }
            }
        }
    }

    #[test]
    fn products_by_hand() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]);
        let mut c = [10.0; 4];
        // [1 2 3; 4 5 6]·[1 0; 2 1; 0 3] = [5 11; 14 23].
        product(&mut c, Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2), Store::Add);
        assert_eq!(c, [15.0, 21.0, 24.0, 33.0]);
        // [1 2 3; 4 5 6]·[1 1; 0 0; 2 3] with the second factor written [1 0 2; 1 0 3].
        let transposed = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0];
        product(&mut c, Matrix::new(&a, 2, 3), Matrix::new(&transposed, 2, 3).transpose(), Store::Set);
        assert_eq!(c, [7.0, 10.0, 16.0, 22.0]);
    }
}
