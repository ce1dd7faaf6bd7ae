//! Products of weights with rows that begin anywhere in a buffer.

use pulp::{Arch, Simd, WithSimd};

/// Floats of the widest vector.
pub(super) const LANES: usize = 16;
/// Rows of a tile.
const ROWS: usize = 8;
/// Vectors of columns of a tile.
const BLOCKS: usize = 3;
/// Rows of a tile of [`weight_sums`].
const SUM_ROWS: usize = 4;
/// Columns of a tile of [`weight_sums`].
const SUM_TAPS: usize = 6;

/// Left side of a product, in tiles of eight rows.
pub(super) struct PackedRows {
    rows: usize,
    deep: usize,
    /// `[rows / 8, deep, 8]`, padded with zeros.
    tiles: Vec<[f32; ROWS]>,
}

impl PackedRows {
    /// Packs a matrix `[rows, deep]`.
    pub fn new([rows, deep]: [usize; 2], value: impl Fn(usize, usize) -> f32) -> Self {
        let mut tiles = vec![[0.0; ROWS]; rows.div_ceil(ROWS) * deep];
        for row in 0..rows {
            let tile = &mut tiles[row / ROWS * deep..][..deep];
            for (column, tile) in tile.iter_mut().enumerate() {
                tile[row % ROWS] = value(row, column);
            }
        }
        Self { rows, deep, tiles }
    }
}

/// `out[row, column] = sum over i of rows[row, i] * from[offsets[i] + column]`, for `columns` columns in whole vectors.
pub(super) fn correlate(rows: &PackedRows, offsets: &[usize], from: &[f32], columns: usize, out: &mut [f32]) {
    Arch::new().dispatch(Correlate { rows, offsets, from, columns, out });
}

struct Correlate<'a> {
    rows: &'a PackedRows,
    offsets: &'a [usize],
    from: &'a [f32],
    columns: usize,
    out: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let blocks = self.columns / LANES;
        match S::F32_LANES {
            16 => {
                let mut block = 0;
                while block < blocks {
                    let wide = (blocks - block).min(BLOCKS);
                    for row in (0..self.rows.rows).step_by(ROWS) {
                        let high = (self.rows.rows - row).min(ROWS);
                        match (wide, high) {
                            (3, 5..) => self.tile::<S, 8, 3, 1>(simd, [row, 0, block], high),
                            (3, 2..) => self.tile::<S, 4, 3, 1>(simd, [row, 0, block], high),
                            (3, _) => self.tile::<S, 1, 3, 1>(simd, [row, 0, block], high),
                            (2, 5..) => self.tile::<S, 8, 2, 1>(simd, [row, 0, block], high),
                            (2, _) => self.tile::<S, 4, 2, 1>(simd, [row, 0, block], high),
                            (_, 5..) => self.tile::<S, 8, 1, 1>(simd, [row, 0, block], high),
                            _ => self.tile::<S, 4, 1, 1>(simd, [row, 0, block], high),
                        }
                    }
                    block += wide;
                }
            }
            8 => self.half_tiles::<S, 2>(simd, blocks),
            4 => self.half_tiles::<S, 4>(simd, blocks),
            _ => self.half_tiles::<S, 16>(simd, blocks),
        }
    }
}

impl Correlate<'_> {
    /// Tiles of four rows and one block, for processors with 16 registers.
    #[inline(always)]
    fn half_tiles<S: Simd, const VECTORS: usize>(&mut self, simd: S, blocks: usize) {
        for block in 0..blocks {
            for row in (0..self.rows.rows).step_by(4) {
                let high = (self.rows.rows - row).min(4);
                self.tile::<S, 4, 1, VECTORS>(simd, [row / ROWS * ROWS, row % ROWS, block], high);
            }
        }
    }

    /// Sums of the rows from `row + skip` on, `row` being the first of a packed tile; stores `high` of them.
    #[inline(always)]
    fn tile<S: Simd, const HIGH: usize, const WIDE: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        [row, skip, block]: [usize; 3],
        high: usize,
    ) {
        let deep = self.rows.deep;
        let tile = &self.rows.tiles[row / ROWS * deep..][..deep];
        let from = &self.from[block * LANES..];
        let mut sums = [[[simd.splat_f32s(0.0); VECTORS]; WIDE]; HIGH];
        for (weights, offset) in tile.iter().zip(self.offsets) {
            let (from, _) = from[*offset..][..WIDE * LANES].as_chunks::<LANES>();
            let mut values = [[simd.splat_f32s(0.0); VECTORS]; WIDE];
            for (values, from) in values.iter_mut().zip(from) {
                values.copy_from_slice(S::as_simd_f32s(from).0);
            }
            for (sums, weight) in sums.iter_mut().zip(&weights[skip..]) {
                let weight = simd.splat_f32s(*weight);
                for (sums, values) in sums.iter_mut().zip(&values) {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = simd.mul_add_e_f32s(weight, *value, *sum);
                    }
                }
            }
        }
        for (index, sums) in sums.iter().enumerate().take(high) {
            let start = (row + skip + index) * self.columns + block * LANES;
            let (out, _) = self.out[start..][..WIDE * LANES].as_chunks_mut::<LANES>();
            for (out, sums) in out.iter_mut().zip(sums) {
                S::as_mut_simd_f32s(out).0.copy_from_slice(sums);
            }
        }
    }
}

/// `sums[row, i] += sum over columns of rows[row, column] * from[offsets[i] + column]`; `rows` begin at the distance given
/// with them.
pub(super) fn weight_sums(
    rows: (&[f32], usize),
    offsets: &[usize],
    from: &[f32],
    columns: usize,
    sums: &mut [f32],
) {
    Arch::new().dispatch(WeightSums { rows, offsets, from, columns, sums });
}

struct WeightSums<'a> {
    rows: (&'a [f32], usize),
    offsets: &'a [usize],
    from: &'a [f32],
    columns: usize,
    sums: &'a mut [f32],
}

impl WithSimd for WeightSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let deep = self.offsets.len().max(1);
        let rows = self.sums.len() / deep;
        let step = |left: usize, most: usize| if left < most { 1 } else { most };
        let [most_rows, most_taps] = if S::F32_LANES == 16 { [SUM_ROWS, SUM_TAPS] } else { [2, 2] };
        let mut row = 0;
        while row < rows {
            let high = step(rows - row, most_rows);
            let mut tap = 0;
            while tap < self.offsets.len() {
                let wide = step(
                    self.offsets.len() - tap,
                    if high == 1 && most_taps == SUM_TAPS { 3 } else { most_taps },
                );
                match (S::F32_LANES, high, wide) {
                    (16, 4, 6) => self.tile::<S, 4, 6, 1>(simd, [row, tap]),
                    (16, 4, _) => self.tile::<S, 4, 1, 1>(simd, [row, tap]),
                    (16, _, 3) => self.tile::<S, 1, 3, 1>(simd, [row, tap]),
                    (16, ..) => self.tile::<S, 1, 1, 1>(simd, [row, tap]),
                    (8, 2, 2) => self.tile::<S, 2, 2, 2>(simd, [row, tap]),
                    (8, 2, _) => self.tile::<S, 2, 1, 2>(simd, [row, tap]),
                    (8, _, 2) => self.tile::<S, 1, 2, 2>(simd, [row, tap]),
                    (8, ..) => self.tile::<S, 1, 1, 2>(simd, [row, tap]),
                    (4, 2, 2) => self.tile::<S, 2, 2, 4>(simd, [row, tap]),
                    (4, 2, _) => self.tile::<S, 2, 1, 4>(simd, [row, tap]),
                    (4, _, 2) => self.tile::<S, 1, 2, 4>(simd, [row, tap]),
                    (4, ..) => self.tile::<S, 1, 1, 4>(simd, [row, tap]),
                    (_, 2, 2) => self.tile::<S, 2, 2, 16>(simd, [row, tap]),
                    (_, 2, _) => self.tile::<S, 2, 1, 16>(simd, [row, tap]),
                    (_, _, 2) => self.tile::<S, 1, 2, 16>(simd, [row, tap]),
                    _ => self.tile::<S, 1, 1, 16>(simd, [row, tap]),
                }
                tap += wide;
            }
            row += high;
        }
    }
}

impl WeightSums<'_> {
    #[inline(always)]
    fn tile<S: Simd, const HIGH: usize, const WIDE: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        [row, tap]: [usize; 2],
    ) {
        let blocks = self.columns / LANES;
        let (values, stride) = self.rows;
        let rows: [&[[f32; LANES]]; HIGH] = std::array::from_fn(
            #[inline(always)]
            |i| &values[(row + i) * stride..][..self.columns].as_chunks().0[..blocks],
        );
        let taps: [&[[f32; LANES]]; WIDE] = std::array::from_fn(
            #[inline(always)]
            |i| &self.from[self.offsets[tap + i]..][..self.columns].as_chunks().0[..blocks],
        );
        let mut sums = [[[simd.splat_f32s(0.0); VECTORS]; HIGH]; WIDE];
        for block in 0..blocks {
            let mut values = [[simd.splat_f32s(0.0); VECTORS]; HIGH];
            for (values, row) in values.iter_mut().zip(&rows) {
                values.copy_from_slice(S::as_simd_f32s(&row[block]).0);
            }
            for (sums, tap) in sums.iter_mut().zip(&taps) {
                let mut other = [simd.splat_f32s(0.0); VECTORS];
                other.copy_from_slice(S::as_simd_f32s(&tap[block]).0);
                for (sums, values) in sums.iter_mut().zip(&values) {
                    for ((sum, value), other) in sums.iter_mut().zip(values).zip(&other) {
                        *sum = simd.mul_add_e_f32s(*value, *other, *sum);
                    }
                }
            }
        }
        let deep = self.offsets.len();
        let mut lanes = [[[0.0; LANES]; HIGH]; WIDE];
        for (lanes, sums) in lanes.iter_mut().zip(&sums) {
            for (lanes, sums) in lanes.iter_mut().zip(sums) {
                S::as_mut_simd_f32s(lanes).0.copy_from_slice(sums);
            }
        }
        for (wide, lanes) in lanes.iter().enumerate() {
            for (index, lanes) in lanes.iter().enumerate() {
                self.sums[(row + index) * deep + tap + wide] += total(lanes);
            }
        }
    }
}

/// Sum of the lanes, pair by pair.
#[inline(always)]
fn total(lanes: &[f32; LANES]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}
