//! Fuzzing by mutation: valid inputs, changed at random.

/// Default number of inputs per target, without `CUPOLA_FUZZ`.
const INPUTS: u64 = 5_000;

/// Bytes that often break parsers.
const PIECES: [&[u8]; 24] = [
    b"",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"-0.0",
    b"NaN",
    b"18446744073709551616",
    b"9223372036854775807",
    b"\xff\xfe",
    b"\0",
    b"\\u0000",
    b"\\ud800",
    b"\n",
    b"\r\n",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
];

/// A fixed random generator, so that a failure is reproducible.
struct Draws(u64);

impl Draws {
    /// `SplitMix64` (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or_default()
    }
}

/// Calls `target` with mutated copies of the `seeds`, as many as `CUPOLA_FUZZ` says. A panic of the
/// target is a bug.
///
/// # Panics
/// If the target panics. The input is printed first.
pub fn fuzz(seeds: &[&[u8]], mut target: impl FnMut(&[u8])) {
    let count = std::env::var("CUPOLA_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(INPUTS);
    let mut draws = Draws(1);
    for number in 0..count {
        let mut input = seeds[draws.below(seeds.len())].to_vec();
        for _ in 0..=draws.below(5) {
            mutate(&mut input, seeds, &mut draws);
        }
        let report = ReportOnPanic { number, input: &input };
        target(&input);
        std::mem::forget(report);
    }
}

/// Prints the current input when it is dropped, which happens only if the target panics.
struct ReportOnPanic<'a> {
    number: u64,
    input: &'a [u8],
}

impl Drop for ReportOnPanic<'_> {
    #[allow(clippy::print_stderr, reason = "shows the failing input")]
    fn drop(&mut self) {
        eprintln!("input {}: {}", self.number, self.input.escape_ascii());
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[&[u8]], draws: &mut Draws) {
    let at = draws.below(input.len() + 1);
    match draws.below(6) {
        0 if at < input.len() => input[at] ^= 1 << draws.below(8),
        1 => {
            let end = (at + 1 + draws.below(16)).min(input.len());
            input.drain(at.min(end)..end);
        }
        2 => {
            let piece = PIECES[draws.below(PIECES.len())];
            input.splice(at..at, piece.iter().copied());
        }
        3 => {
            // A part of another seed.
            let other = seeds[draws.below(seeds.len())];
            let start = draws.below(other.len() + 1);
            let end = (start + draws.below(40)).min(other.len());
            input.splice(at..at, other[start..end].iter().copied());
        }
        4 => {
            // A part repeated several times: deeper nesting, longer lists.
            let end = (at + 1 + draws.below(12)).min(input.len());
            let stretch = input[at.min(end)..end].to_vec();
            for _ in 0..=draws.below(8) {
                input.splice(at..at, stretch.iter().copied());
            }
        }
        _ => input.truncate(at),
    }
}
