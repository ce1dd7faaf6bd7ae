//! Stable assignment of requests to shares: canaries and recorded requests.

use xxhash_rust::xxh3::xxh3_64;

/// Maps bytes to a number in `[0, 1)`, evenly and the same in every release and on every machine.
pub(crate) fn share(bytes: &[u8]) -> f64 {
    (xxh3_64(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_are_even() {
        let n = 20_000;
        let below = (0..n).filter(|i: &u32| share(&i.to_le_bytes()) < 0.1).count();
        // Four standard errors are 0.0085.
        assert!((below as f64 / f64::from(n) - 0.1).abs() < 0.0085, "{below}");
    }

    #[test]
    fn shares_never_change() {
        // Expected shares come from the reference implementation of XXH3 (Python's xxhash 3).
        let fixed = [
            ("", 0.175_880_433_344_742_8),
            ("user 7", 0.049_150_605_193_210_906),
            ("user 8", 0.511_958_403_832_444_2),
            ("00000000-0000-0000-0000-000000000000", 0.927_332_905_859_561_5),
        ];
        for (text, expected) in fixed {
            assert!((share(text.as_bytes()) - expected).abs() < 1e-15, "{text}: {}", share(text.as_bytes()));
        }
    }
}
