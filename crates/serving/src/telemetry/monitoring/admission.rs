//! Requests that are observed when more arrive than drift needs.

use std::time::Instant;

/// Requests that are observed one after the other before their rate counts.
const BURST: f64 = 512.0;
/// Requests a second that are observed in the long run. Rows that wait for the thread of the sketches keep the memory of
/// their request from being used for the next one, which costs a busy server several percent of its throughput.
const PER_SECOND: f64 = 1000.0;

/// Bucket of tokens (<https://en.wikipedia.org/wiki/Token_bucket>), one for each request that is observed.
pub(super) struct Admission {
    tokens: f64,
    filled: Instant,
}

impl Admission {
    /// Full bucket.
    pub fn new(now: Instant) -> Self {
        Self { tokens: BURST, filled: now }
    }

    /// `true` if a request at this moment is observed.
    pub fn admit(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + seconds * PER_SECOND).min(BURST);
        self.filled = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Requests that are observed of those that come one after the other in this many seconds.
    fn admitted(admission: &mut Admission, start: Instant, seconds: f64, requests: u32) -> usize {
        let at =
            |request| start + Duration::from_secs_f64(seconds * f64::from(request) / f64::from(requests));
        (0..requests).filter(|request| admission.admit(at(*request))).count()
    }

    #[test]
    fn all_of_a_burst_and_of_a_low_rate_are_observed_and_a_sample_of_a_high_rate() {
        let start = Instant::now();
        let mut admission = Admission::new(start);
        assert_eq!(admitted(&mut admission, start, 0.0, 600), 512);
        let later = start + Duration::from_secs(10);
        assert_eq!(admitted(&mut admission, later, 10.0, 9_000), 9_000);
        let much_later = start + Duration::from_secs(60);
        let high = admitted(&mut admission, much_later, 10.0, 200_000);
        assert!((10_500..=10_513).contains(&high), "{high}");
        // A sample is spread over the time.
        let next = much_later + Duration::from_secs(10);
        let hundredths = (0_u32..100)
            .map(|part| admitted(&mut admission, next + Duration::from_millis(10) * part, 0.01, 200));
        assert!(hundredths.into_iter().all(|count| (9..=11).contains(&count)));
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let start = Instant::now() + Duration::from_secs(5);
        let mut admission = Admission::new(start);
        assert_eq!(admitted(&mut admission, start, 0.0, 512), 512);
        assert!(!admission.admit(start.checked_sub(Duration::from_secs(2)).unwrap()));
    }
}
