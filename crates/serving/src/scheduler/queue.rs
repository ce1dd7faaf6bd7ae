//! Bounded queue in front of a model version's engine threads.

use std::collections::VecDeque;
use std::sync::PoisonError;

use super::sync::{Condvar, Mutex, MutexGuard};

/// Bounded queue with several producers and consumers.
#[derive(Debug)]
pub(super) struct JobQueue<T> {
    state: Mutex<QueueState<T>>,
    filled: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct QueueState<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> QueueState<T> {
    /// Takes the first item in any case, and the following ones while `fits` holds; `fits` sees each of them.
    fn batch(&mut self, mut fits: impl FnMut(&T) -> bool) -> Vec<T> {
        let Some(first) = self.waiting.pop_front() else { return Vec::new() };
        let mut has_room = fits(&first);
        let mut batch = vec![first];
        while has_room {
            match self.waiting.front() {
                Some(next) if fits(next) => batch.extend(self.waiting.pop_front()),
                _ => has_room = false,
            }
        }
        batch
    }
}

impl<T> JobQueue<T> {
    /// Queue of at most `capacity` items.
    pub fn new(capacity: usize) -> Self {
        let state = QueueState { waiting: VecDeque::with_capacity(capacity.min(1024)), closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), capacity }
    }

    fn state(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, or returns it if the queue is full or closed.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.state();
        if state.waiting.len() >= self.capacity || state.closed {
            return Err(item);
        }
        state.waiting.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for an item and takes it with those behind it while `fits` holds; `None` once the queue is closed
    /// and empty.
    pub fn take(&self, fits: impl FnMut(&T) -> bool) -> Option<Vec<T>> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Some(state.batch(fits))
    }

    /// Takes items as [`Self::take`] does, without waiting for the first one.
    pub fn try_take(&self, fits: impl FnMut(&T) -> bool) -> Vec<T> {
        self.state().batch(fits)
    }

    /// Number of waiting items.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Closes the queue: nothing more is accepted, consumers end once it is empty.
    pub fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }
}
