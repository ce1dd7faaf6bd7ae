//! Requests that wait for an engine: bounded, taken by whichever of the model's threads is free.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue for several threads on both sides.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    most: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> State<T> {
    /// The first one, whatever its size, and those behind it as long as `more` allows.
    fn batch(&mut self, mut more: impl FnMut(&T) -> bool) -> Vec<T> {
        let Some(first) = self.waiting.pop_front() else { return Vec::new() };
        let mut goes_on = more(&first);
        let mut batch = vec![first];
        while goes_on {
            match self.waiting.front() {
                Some(next) if more(next) => batch.extend(self.waiting.pop_front()),
                _ => goes_on = false,
            }
        }
        batch
    }
}

impl<T> Queue<T> {
    /// For `most` requests.
    pub fn new(most: usize) -> Self {
        let state = State { waiting: VecDeque::with_capacity(most.min(1024)), closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), most }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, or gives it back at once when the queue is full.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.state();
        if state.waiting.len() >= self.most || state.closed {
            return Err(item);
        }
        state.waiting.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for one, then also takes what waits behind it as long as `more` allows; `None` once the queue
    /// is closed and empty.
    pub fn take(&self, more: impl FnMut(&T) -> bool) -> Option<Vec<T>> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Some(state.batch(more))
    }

    /// The same without waiting: nothing, where nothing waits.
    pub fn take_now(&self, more: impl FnMut(&T) -> bool) -> Vec<T> {
        self.state().batch(more)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Lets the takers end when all that waits is done.
    pub fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_greedy_and_empties_before_it_ends() {
        let queue = Queue::new(4);
        (1..=4).for_each(|rows| queue.push(rows).unwrap());
        assert_eq!(queue.push(5), Err(5));
        let mut budget = 6_i32;
        let batch = queue.take(|rows| {
            budget -= rows;
            budget >= 0
        });
        assert_eq!(batch, Some(vec![1, 2, 3]));
        queue.close();
        assert_eq!(queue.push(9), Err(9));
        assert_eq!(queue.take(|_| true), Some(vec![4]));
        assert_eq!(queue.take(|_| true), None);
    }
}
