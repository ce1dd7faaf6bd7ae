//! Products of the small matrices of a head, without packing: rows of the right side are whole vectors already.

use pulp::{Arch, Simd, WithSimd};

/// Most rows of a tile.
const TILE_ROWS: usize = 6;

/// Left side of a product, whose rows or columns are `stride` apart.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    Rows {
        values: &'a [f32],
        stride: usize,
    },
    /// The transpose of these rows.
    Columns {
        values: &'a [f32],
        stride: usize,
    },
}

/// Sets `out` `[rows, columns]` to `left` times `right` `[inner, columns]`, or adds the product. `columns` is a multiple
/// of 16.
pub(super) fn multiply(
    left: Left<'_>,
    right: &[f32],
    out: &mut [f32],
    [rows, inner, columns]: [usize; 3],
    add: bool,
) {
    let right = &right[..inner * columns];
    Arch::new().dispatch(Product { left, right, out, shape: [rows, inner, columns], add });
}

/// Computation of a product, generic over the vector width.
struct Product<'a> {
    left: Left<'a>,
    right: &'a [f32],
    out: &'a mut [f32],
    shape: [usize; 3],
    add: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, out, shape: [rows, inner, columns], add } = self;
        let (right, out) = (S::as_simd_f32s(right).0, S::as_mut_simd_f32s(out).0);
        let width = columns / S::F32_LANES;
        let mut tiles = Tiles { simd, right, out, inner, width, add };
        // Tiles of about equal height.
        let high = rows.div_ceil(rows.div_ceil(TILE_ROWS).max(1)).max(1);
        for row in (0..rows).step_by(high) {
            macro_rules! of {
                ($($count:literal)*) => {
                    match (rows - row).min(high) {
                        $($count => tiles.band::<$count>(left, row),)*
                        _ => {}
                    }
                };
            }
            of!(1 2 3 4 5 6);
        }
    }
}

struct Tiles<'a, S: Simd> {
    simd: S,
    right: &'a [S::f32s],
    out: &'a mut [S::f32s],
    inner: usize,
    /// Vectors of a row.
    width: usize,
    add: bool,
}

impl<S: Simd> Tiles<'_, S> {
    /// Computes `ROWS` rows of the product from `row` on.
    #[inline(always)]
    fn band<const ROWS: usize>(&mut self, left: Left<'_>, row: usize) {
        let inner = self.inner;
        match left {
            Left::Rows { values, stride } => {
                let rows: [&[f32]; ROWS] = std::array::from_fn(
                    #[inline(always)]
                    |index| &values[(row + index) * stride..][..inner],
                );
                self.tiles::<ROWS>(
                    row,
                    #[inline(always)]
                    |i| {
                        std::array::from_fn(
                            #[inline(always)]
                            |index| rows[index][i],
                        )
                    },
                );
            }
            Left::Columns { values, stride } => {
                let values = &values[row..];
                self.tiles::<ROWS>(
                    row,
                    #[inline(always)]
                    |i| {
                        let column = &values[i * stride..][..ROWS];
                        std::array::from_fn(
                            #[inline(always)]
                            |index| column[index],
                        )
                    },
                );
            }
        }
    }

    /// Computes `ROWS` rows from the left side's values at each position of the sum.
    #[inline(always)]
    fn tiles<const ROWS: usize>(&mut self, row: usize, left: impl Fn(usize) -> [f32; ROWS]) {
        let mut vector = 0;
        while vector + 2 <= self.width {
            self.tile::<ROWS, 2>(row, vector, &left);
            vector += 2;
        }
        if vector < self.width {
            self.tile::<ROWS, 1>(row, vector, &left);
        }
    }

    #[inline(always)]
    fn tile<const ROWS: usize, const VECTORS: usize>(
        &mut self,
        row: usize,
        vector: usize,
        left: &impl Fn(usize) -> [f32; ROWS],
    ) {
        let (simd, width) = (self.simd, self.width);
        let start = row * width + vector;
        let mut sums: [[S::f32s; VECTORS]; ROWS] = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for (i, right) in self.right.chunks_exact(width).enumerate() {
            let mut own = [simd.splat_f32s(0.0); VECTORS];
            own.copy_from_slice(&right[vector..vector + VECTORS]);
            for (sums, x) in sums.iter_mut().zip(&left(i)) {
                let x = simd.splat_f32s(*x);
                for (sum, right) in sums.iter_mut().zip(&own) {
                    *sum = simd.mul_add_e_f32s(x, *right, *sum);
                }
            }
        }
        for (sums, out) in sums.iter().zip(self.out[start..].chunks_mut(width)) {
            for (sum, out) in sums.iter().zip(&mut out[..VECTORS]) {
                *out = if self.add { simd.add_f32s(*out, *sum) } else { *sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_plain_loops() {
        let values =
            |count: usize| -> Vec<f32> { (0..count).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect() };
        for (rows, inner, columns) in [(1, 1, 16), (5, 3, 32), (6, 17, 48), (17, 12, 32), (64, 64, 64)] {
            let right = values(inner * columns);
            // Rows with gaps between them.
            let strides = [inner + 3, rows + 2];
            let left = [values(rows * strides[0]), values(inner * strides[1])];
            for transposed in [false, true] {
                let side = if transposed {
                    Left::Columns { values: &left[1], stride: strides[1] }
                } else {
                    Left::Rows { values: &left[0], stride: strides[0] }
                };
                let of = |row: usize, i: usize| {
                    if transposed { left[1][i * strides[1] + row] } else { left[0][row * strides[0] + i] }
                };
                let mut found = vec![0.5; rows * columns];
                multiply(side, &right, &mut found, [rows, inner, columns], true);
                let added = found.clone();
                multiply(side, &right, &mut found, [rows, inner, columns], false);
                for (at, (found, added)) in found.iter().zip(&added).enumerate() {
                    let (row, column) = (at / columns, at % columns);
                    let exact: f32 = (0..inner).map(|i| of(row, i) * right[i * columns + column]).sum();
                    assert!((found - exact).abs() < 1e-5 * inner as f32, "{at}: {found}, exactly {exact}");
                    assert!((added - found - 0.5).abs() < 1e-5, "{at}: {added} with 0.5, {found} without");
                }
            }
        }
    }
}
