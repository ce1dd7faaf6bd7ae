//! Ranks as threads of one process.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{DeviceGroup, GroupError};

/// A rank that is a thread. When it is dropped, by an error or a panic, the other ranks stop waiting.
pub struct ThreadRank {
    rank: usize,
    shared: Arc<Shared>,
}

struct Shared {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Contributions of the ranks to the current round.
    contributed: Vec<Option<Parcel>>,
    /// Contributions of all ranks to the last round.
    last: Vec<Parcel>,
    round: u64,
    gone: Option<usize>,
}

#[derive(Clone)]
enum Parcel {
    Numbers(Arc<Vec<f32>>),
    Bytes(Arc<Vec<u8>>),
}

/// Creates the ranks of a group of threads.
pub fn thread_ranks(size: usize) -> Vec<ThreadRank> {
    let state = State { contributed: vec![None; size], last: Vec::new(), round: 0, gone: None };
    let shared = Arc::new(Shared { size, state: Mutex::new(state), changed: Condvar::new() });
    (0..size).map(|rank| ThreadRank { rank, shared: Arc::clone(&shared) }).collect()
}

impl ThreadRank {
    fn state(&self) -> MutexGuard<'_, State> {
        // Code that holds the lock does not panic in the middle of a change.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Contributes a parcel, waits for the others, and returns all of them in the order of the ranks.
    fn exchange(&self, parcel: Parcel) -> Result<Vec<Parcel>, GroupError> {
        let mut state = self.state();
        let round = state.round;
        state.contributed[self.rank] = Some(parcel);
        if state.contributed.iter().all(Option::is_some) {
            state.last = state.contributed.iter_mut().filter_map(Option::take).collect();
            state.round += 1;
            self.shared.changed.notify_all();
        }
        while state.round == round {
            if let Some(gone) = state.gone {
                return Err(GroupError(format!("device {gone} has stopped")));
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // The next round needs this rank too, so `last` is not replaced yet.
        Ok(state.last.clone())
    }
}

impl DeviceGroup for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.size
    }

    fn sum(&self, values: &mut [f32]) -> Result<(), GroupError> {
        let all = self.exchange(Parcel::Numbers(Arc::new(values.to_vec())))?;
        values.fill(0.0);
        for parcel in all {
            let Parcel::Numbers(part) = parcel else {
                return Err(GroupError("the devices are out of sync".into()));
            };
            values.iter_mut().zip(part.iter()).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }

    fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>, GroupError> {
        match self.exchange(Parcel::Bytes(Arc::new(bytes)))?.first() {
            Some(Parcel::Bytes(first)) => Ok(first.to_vec()),
            _ => Err(GroupError("the devices are out of sync".into())),
        }
    }
}

impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.state().gone.get_or_insert(self.rank);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "small whole numbers")]
mod tests {
    use super::*;

    #[test]
    fn every_rank_gets_the_same_sums_and_the_first_ones_bytes() {
        let threads: Vec<_> = thread_ranks(3)
            .into_iter()
            .map(|group| {
                std::thread::spawn(move || {
                    let rank = group.rank();
                    for round in 0..200_u8 {
                        let mut values = [rank as f32, f32::from(round)];
                        group.sum(&mut values).unwrap();
                        assert_eq!(values, [3.0, 3.0 * f32::from(round)]);
                        let own = vec![round; rank + 1];
                        assert_eq!(group.share(own).unwrap(), vec![round]);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_rank_that_is_gone_does_not_leave_the_others_waiting() {
        let mut ranks = thread_ranks(2);
        let waiting = ranks.remove(0);
        let other = std::thread::spawn(move || waiting.sum(&mut [1.0]));
        drop(ranks);
        assert_eq!(other.join().unwrap().unwrap_err().to_string(), "device 1 has stopped");
    }
}
