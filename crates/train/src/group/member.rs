//! Member of a device group: its part of a batch, sums with the others, and agreement to stop.

use std::ops::Range;

use burn::tensor::Device;
use cupola_nn::{Network, catch_panic};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::gradients::summed;
use super::{BatchGradients, DeviceGroup, GroupError};

/// One rank as the trainer uses it. A single device exchanges nothing.
#[derive(Clone, Copy)]
pub(crate) struct GroupMember<'a> {
    group: &'a dyn DeviceGroup,
}

impl<'a> GroupMember<'a> {
    pub fn new(group: &'a dyn DeviceGroup) -> Self {
        Self { group }
    }

    pub fn rank(self) -> usize {
        self.group.rank()
    }

    /// `true` for rank 0, which evaluates, reports and writes.
    pub fn leads(self) -> bool {
        self.group.rank() == 0
    }

    pub fn is_alone(self) -> bool {
        self.group.size() == 1
    }

    /// Part of a list of `n` entries that belongs to this rank. Each part that has entries has at least `least`,
    /// as far as the list has them.
    pub fn part_of(self, n: usize, least: usize) -> Range<usize> {
        let ranks = self.group.size().min((n / least.max(1)).max(1));
        if self.group.rank() < ranks { part_of(n, self.group.rank(), ranks) } else { n..n }
    }

    /// Loss and gradients of the whole batch, from the parts of all ranks; `device` is the device of the
    /// gradients.
    ///
    /// # Errors
    /// An error of the device, or another rank that has stopped.
    pub fn sum_gradients(
        self,
        network: &Network,
        own: &BatchGradients,
        device: &Device,
    ) -> Result<BatchGradients, GroupError> {
        catch_panic(|| summed(self.group, network, own, device))
            .map_err(|panic| GroupError(panic.into()))
            .flatten()
    }

    /// `true` if any rank requests a stop.
    ///
    /// # Errors
    /// Another rank that has stopped.
    pub fn agree_to_stop(self, stop: bool) -> Result<bool, GroupError> {
        if self.is_alone() {
            return Ok(stop);
        }
        let mut stops = [f32::from(u8::from(stop))];
        self.group.sum(&mut stops)?;
        Ok(stops[0] > 0.0)
    }

    /// Duration of the step on rank 0, so that all ranks reach the time budget in the same step.
    ///
    /// # Errors
    /// Another rank that has stopped.
    pub fn seconds_of_first(self, seconds: f64) -> Result<f64, GroupError> {
        if self.is_alone() {
            return Ok(seconds);
        }
        #[allow(clippy::cast_possible_truncation)]
        let mut first = [if self.leads() { seconds as f32 } else { 0.0 }];
        self.group.sum(&mut first)?;
        Ok(f64::from(first[0]))
    }

    /// The value of rank 0, as JSON carries it; rank 0 itself gets it in the same way, so that all ranks have
    /// the same bits.
    ///
    /// # Errors
    /// Another rank that has stopped.
    pub fn broadcast<T: Serialize + DeserializeOwned>(self, own: T) -> Result<T, GroupError> {
        if self.is_alone() {
            return Ok(own);
        }
        let lost = |error: serde_json::Error| GroupError(error.to_string());
        let first = self.group.share(serde_json::to_vec(&own).map_err(lost)?)?;
        serde_json::from_slice(&first).map_err(lost)
    }
}

/// Part of a list of `n` entries that belongs to a rank. If the list does not divide evenly, the first ranks
/// have one entry more; the last ranks may have none.
fn part_of(n: usize, rank: usize, size: usize) -> Range<usize> {
    let (each, over) = (n / size, n % size);
    let start = rank * each + rank.min(over);
    start..start + each + usize::from(rank < over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{SingleDevice, thread_ranks};

    #[test]
    fn parts_cover_a_list_once_and_differ_by_one_at_most() {
        for (n, size) in [(0, 3), (2, 4), (7, 3), (64, 4), (5, 1)] {
            let parts: Vec<_> = (0..size).map(|rank| part_of(n, rank, size)).collect();
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
            let sizes: Vec<usize> = parts.iter().map(ExactSizeIterator::len).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn no_rank_gets_fewer_examples_than_batch_norm_needs() {
        for (n, size) in [(3, 2), (5, 4), (2, 3), (9, 4), (64, 3), (1, 2)] {
            let ranks = thread_ranks(size);
            let parts: Vec<_> = ranks.iter().map(|rank| GroupMember::new(rank).part_of(n, 2)).collect();
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
            let enough = |part: &Range<usize>| part.is_empty() || part.len() >= 2.min(n);
            assert!(parts.iter().all(enough), "{n} on {size}: {parts:?}");
        }
    }

    #[test]
    fn a_stop_of_one_rank_is_a_stop_of_all_and_state_comes_from_the_first() {
        let threads: Vec<_> = thread_ranks(3)
            .into_iter()
            .map(|rank| {
                std::thread::spawn(move || {
                    let member = GroupMember::new(&rank);
                    assert_eq!(member.leads(), member.rank() == 0);
                    assert!(!member.agree_to_stop(false).unwrap());
                    assert!(member.agree_to_stop(member.rank() == 2).unwrap());
                    assert_eq!(member.broadcast(vec![member.rank() as u64]).unwrap(), [0]);
                    let seconds = member.seconds_of_first(member.rank() as f64 + 0.5).unwrap();
                    assert!((seconds - 0.5).abs() < 1e-12);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_single_device_keeps_what_it_has() {
        let member = GroupMember::new(&SingleDevice);
        assert!(member.is_alone() && member.leads());
        assert!(member.agree_to_stop(true).unwrap());
        assert_eq!(member.part_of(7, 1), 0..7);
        assert_eq!(member.part_of(1, 2), 0..1);
    }
}
