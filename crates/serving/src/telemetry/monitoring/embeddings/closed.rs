//! Vectors of the latest closed windows.

use std::collections::VecDeque;

use cupola_monitor::window::SampledVectors;

/// Vectors of as many of the latest closed windows as have enough of them together.
#[derive(Default)]
pub(super) struct ClosedWindows(VecDeque<SampledVectors>);

impl ClosedWindows {
    /// Adds the latest window unless it has no vectors. Older ones are dropped once the others have `enough` vectors, or if there are
    /// more than `most` windows.
    pub fn push(&mut self, window: SampledVectors, enough: usize, most: usize) {
        if window.vectors.is_empty() {
            return;
        }
        self.0.push_back(window);
        while let Some(oldest) = self.0.front() {
            let all: usize = self.0.iter().map(|own| own.vectors.len()).sum();
            if all - oldest.vectors.len() < enough && self.0.len() <= most {
                break;
            }
            self.0.pop_front();
        }
    }

    /// Windows, the latest last.
    pub fn windows(&self) -> impl DoubleEndedIterator<Item = &SampledVectors> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_dropped_once_the_later_ones_have_enough_vectors() {
        let mut closed = ClosedWindows::default();
        let mut push = |began: i64, vectors: usize, most: usize| {
            let vectors = vec![vec![0.5]; vectors];
            closed.push(SampledVectors { began, vectors, ..SampledVectors::default() }, 10, most);
            closed.windows().map(|own| own.began).collect::<Vec<_>>()
        };
        assert_eq!(push(1, 6, 9), [1]);
        assert_eq!(push(2, 0, 9), [1]);
        assert_eq!(push(3, 6, 9), [1, 3]);
        assert_eq!(push(4, 6, 9), [3, 4]);
        assert_eq!(push(5, 30, 9), [5]);
        assert_eq!(push(6, 1, 1), [6]);
    }
}
