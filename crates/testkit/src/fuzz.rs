//! Inputs that are almost right: bytes of good ones, changed at random.

/// Inputs that a target gets where `CUPOLA_FUZZ` does not say how many.
const INPUTS: u64 = 5_000;

/// Pieces that parsers stumble over.
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

/// A generator of its own, so that a failure is the same input the next time.
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

/// Hands `target` changed copies of the `seeds`, `CUPOLA_FUZZ` of them. A target that panics is a bug.
///
/// # Panics
/// Where the target does; the input is printed by then.
pub fn fuzz(seeds: &[&[u8]], mut target: impl FnMut(&[u8])) {
    let count = std::env::var("CUPOLA_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(INPUTS);
    let mut draws = Draws(1);
    for number in 0..count {
        let mut input = seeds[draws.below(seeds.len())].to_vec();
        for _ in 0..=draws.below(5) {
            change(&mut input, seeds, &mut draws);
        }
        let told = Told { number, input: &input };
        target(&input);
        std::mem::forget(told);
    }
}

/// Says which input it was, if the target panics.
struct Told<'a> {
    number: u64,
    input: &'a [u8],
}

impl Drop for Told<'_> {
    #[allow(clippy::print_stderr, reason = "a test says what went wrong")]
    fn drop(&mut self) {
        eprintln!("input {}: {}", self.number, self.input.escape_ascii());
    }
}

fn change(input: &mut Vec<u8>, seeds: &[&[u8]], draws: &mut Draws) {
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
            // A stretch of another seed.
            let other = seeds[draws.below(seeds.len())];
            let start = draws.below(other.len() + 1);
            let end = (start + draws.below(40)).min(other.len());
            input.splice(at..at, other[start..end].iter().copied());
        }
        4 => {
            // Once more, or many times: lists that nest or go on.
            let end = (at + 1 + draws.below(12)).min(input.len());
            let stretch = input[at.min(end)..end].to_vec();
            for _ in 0..=draws.below(8) {
                input.splice(at..at, stretch.iter().copied());
            }
        }
        _ => input.truncate(at),
    }
}
