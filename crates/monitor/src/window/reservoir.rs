//! Uniform sample of a stream whose length is not known.

/// Uniform sample of at most so many rows (Li 1994, "Reservoir-sampling algorithms of time complexity O(n(1+log(N/n)))",
/// algorithm L): a row that is not taken costs a comparison, since the next row to take is known beforehand.
#[derive(Debug, Clone)]
pub struct Reservoir<T> {
    items: Vec<T>,
    capacity: usize,
    seen: u64,
    /// Row that is taken next, once the sample is full.
    next: u64,
    /// Largest of `capacity` uniform keys, of which each row has one.
    key: f64,
    random: SplitMix,
}

impl<T> Reservoir<T> {
    /// Empty sample of at most `capacity` rows, at least one. Equal seeds take equal rows.
    pub fn new(capacity: usize, seed: u64) -> Self {
        let (items, capacity) = (Vec::new(), capacity.max(1));
        Self { items, capacity, seen: 0, next: u64::MAX, key: 1.0, random: SplitMix(seed) }
    }

    /// Offers the next `rows` of the stream. `take` copies the row with a number among them; `None` leaves it out.
    pub fn offer(&mut self, rows: u64, mut take: impl FnMut(u64) -> Option<T>) {
        let begin = self.seen;
        self.seen = begin.saturating_add(rows);
        let mut at = begin;
        while self.items.len() < self.capacity && at < self.seen {
            self.items.extend(take(at - begin));
            at += 1;
            if self.items.len() == self.capacity {
                self.skip(at);
            }
        }
        while self.items.len() == self.capacity && self.next < self.seen {
            let (row, slot) = (self.next, self.random.below(self.capacity));
            if let (Some(item), Some(place)) = (take(row - begin), self.items.get_mut(slot)) {
                *place = item;
            }
            self.skip(row + 1);
        }
    }

    /// Draws the row that is taken next, `from` or later.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of rows, which saturates"
    )]
    fn skip(&mut self, from: u64) {
        self.key *= (self.random.unit().ln() / self.capacity as f64).exp();
        let skipped = (self.random.unit().ln() / (-self.key).ln_1p()).floor();
        self.next = from.saturating_add(skipped as u64);
    }

    /// Rows of the sample, in no order that means anything.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Rows of the sample, which may be changed in their places.
    pub fn items_mut(&mut self) -> &mut [T] {
        &mut self.items
    }

    /// Most rows of the sample.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Rows that were offered.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes the sample and begins another one.
    pub fn restart(&mut self) -> Vec<T> {
        (self.seen, self.next, self.key) = (0, u64::MAX, 1.0);
        std::mem::take(&mut self.items)
    }
}

/// Generator of Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
#[derive(Debug, Clone)]
pub(super) struct SplitMix(pub u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Number above 0 and below 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Number below a limit.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below a number of rows"
    )]
    pub fn below(&mut self, limit: usize) -> usize {
        ((self.unit() * limit as f64) as usize).min(limit.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a stream that a sample takes, offered in requests of these sizes in turn.
    fn sampled(capacity: usize, rows: u64, requests: &[u64], seed: u64) -> Vec<u64> {
        let mut reservoir = Reservoir::new(capacity, seed);
        for size in requests.iter().cycle() {
            let begin = reservoir.seen();
            if begin == rows {
                break;
            }
            reservoir.offer((*size).min(rows - begin), |at| Some(begin + at));
        }
        reservoir.items().to_vec()
    }

    #[test]
    fn every_row_is_as_likely_as_any_other() {
        let (capacity, rows, trials) = (10, 100_u64, 20_000);
        let mut counts = vec![0_u32; 100];
        for seed in 0..trials {
            let taken = sampled(capacity, rows, &[1, 7, 30], seed * 7919);
            assert_eq!(taken.len(), capacity);
            for row in taken {
                counts[usize::try_from(row).unwrap()] += 1;
            }
        }
        // 20,000 draws of each row with probability 0.1: a deviation of 42. The statistic has 99 degrees of freedom.
        let chi_square: f64 = counts.iter().map(|count| (f64::from(*count) - 2000.0).powi(2) / 1800.0).sum();
        assert!(chi_square < 150.0, "{chi_square}: {counts:?}");
    }

    #[test]
    fn requests_of_any_size_give_the_same_sample() {
        for seed in 0..50 {
            let one_by_one = sampled(16, 5000, &[1], seed);
            assert_eq!(sampled(16, 5000, &[1000, 3, 64], seed), one_by_one);
            let unique: std::collections::BTreeSet<u64> = one_by_one.iter().copied().collect();
            assert_eq!(unique.len(), 16);
        }
    }

    #[test]
    fn few_rows_are_all_taken_and_a_restart_begins_anew() {
        assert_eq!(sampled(16, 5, &[2], 1), [0, 1, 2, 3, 4]);
        let mut reservoir = Reservoir::new(3, 1);
        reservoir.offer(100, Some);
        assert_eq!((reservoir.restart().len(), reservoir.seen(), reservoir.items().len()), (3, 0, 0));
        // A row that is left out takes no place, and few copies are made of many rows.
        let mut copies = 0_u32;
        reservoir.offer(1_000_000, |row| {
            copies += 1;
            (row > 0).then_some(row)
        });
        assert!(reservoir.items().len() == 3 && copies < 100, "{copies}");
        reservoir.offer(u64::MAX, Some);
        reservoir.offer(10, Some);
        assert_eq!(reservoir.items().len(), 3);
    }
}
