//! Reductions of a row in sixteen lanes, so that the order of additions is the same for every vector width.

/// Sum of `f(x)` over a row.
#[inline(always)]
pub(crate) fn sum_by(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in whole {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += f(*x);
    }
    sum_lanes(lanes)
}

/// Sum of the lanes, half by half: each half is one vector instruction, where additions one after another would wait for
/// each other.
#[inline(always)]
pub(crate) fn sum_lanes(lanes: [f32; 16]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(
        #[inline(always)]
        |lane| lanes[lane] + lanes[lane + 8],
    );
    let four: [f32; 4] = std::array::from_fn(
        #[inline(always)]
        |lane| eight[lane] + eight[lane + 4],
    );
    (four[0] + four[2]) + (four[1] + four[3])
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// Largest `f(x)` of a row, at least `start`.
#[inline(always)]
pub(crate) fn max_by(row: &[f32], start: f32, f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<16>();
    let mut lanes = [start; 16];
    for chunk in whole {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, f(*x));
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, f(*x));
    }
    lanes.into_iter().fold(start, f32::max)
}

/// Largest absolute value of a row.
#[inline(always)]
pub(crate) fn max_abs(row: &[f32]) -> f32 {
    max_by(
        row,
        0.0,
        #[inline(always)]
        |x| x.abs(),
    )
}
