//! Lines that wait for the thread that writes them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry::{AuditEvent, AuditedCall, left_out};
use super::refusals::Refusals;
use super::sink::AuditSink;

/// Bytes of administrative calls that wait in memory while the disk is full or slow.
const MAX_PENDING: usize = 8 << 20;
/// Bytes of pending lines above which refusals get no line.
const MAX_PENDING_REFUSALS: usize = 1 << 20;
/// Interval between two attempts to write to a full disk.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Lines on their way to the file.
#[derive(Debug, Default)]
pub(super) struct AuditQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<Vec<u8>>,
    pending_bytes: usize,
    /// Number of lines that the writer holds.
    writing: usize,
    refusals: Refusals,
    closed: bool,
}

impl State {
    fn append(&mut self, line: Vec<u8>) {
        self.pending_bytes += line.len();
        self.pending.push(line);
    }

    /// Adds lines with the number of refusals that were left out.
    fn summarise(&mut self, now: Instant) {
        for (status, count) in self.refusals.take_left_out(now) {
            self.append(left_out(status, count));
        }
    }
}

impl AuditQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the line of a call.
    pub fn push(&self, call: &AuditedCall<'_>) {
        let (mut state, now) = (self.state(), Instant::now());
        let known = state.refusals.due();
        let is_refusal = call.event == AuditEvent::Refusal;
        let has_line = if !is_refusal {
            true
        } else if state.pending_bytes >= MAX_PENDING_REFUSALS {
            state.refusals.leave_out(call.status, now);
            false
        } else {
            state.refusals.admit(call.status, now)
        };
        if has_line {
            state.append(call.line());
        }
        let news = has_line || state.refusals.due() != known;
        drop(state);
        // The writer sleeps through the rest of a flood.
        if news {
            self.changed.notify_all();
        }
    }

    /// `true` if no more administrative calls can wait.
    pub fn is_full(&self) -> bool {
        self.state().pending_bytes >= MAX_PENDING
    }

    /// Ends the writer once all lines are written.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.summarise(Instant::now());
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until all lines are written, for at most `timeout`, and returns `true` if they are.
    pub fn flush(&self, timeout: Duration) -> bool {
        let waits = |state: &mut State| !state.pending.is_empty() || state.writing > 0;
        let waited = self.changed.wait_timeout_while(self.state(), timeout, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.is_empty() && state.writing == 0
    }

    /// Writes lines as they come, until the queue is closed and empty.
    pub fn write_all_to(&self, sink: &mut AuditSink) {
        let mut reported = None;
        while let Some(lines) = self.take() {
            let written = sink.append(&lines.concat());
            let mut state = self.state();
            state.writing = 0;
            let Err(error) = written else {
                drop(state);
                reported = None;
                self.changed.notify_all();
                continue;
            };
            // The lines keep their order, and are written when there is room again.
            state.pending_bytes += lines.iter().map(Vec::len).sum::<usize>();
            state.pending.splice(0..0, lines);
            let closed = state.closed;
            drop(state);
            if reported != Some(error.kind()) {
                tracing::error!(%error, path = %sink.path().display(), "failed to write the audit log; trying again");
                reported = Some(error.kind());
            }
            if closed {
                return;
            }
            std::thread::sleep(RETRY_INTERVAL);
        }
    }

    /// Waits for lines. `None` once the queue is closed and empty.
    fn take(&self) -> Option<Vec<Vec<u8>>> {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let summary = state.refusals.due();
            if summary.is_some_and(|due| due <= now) {
                state.summarise(now);
            }
            if !state.pending.is_empty() {
                let lines = std::mem::take(&mut state.pending);
                (state.writing, state.pending_bytes) = (lines.len(), 0);
                return Some(lines);
            }
            if state.closed {
                return None;
            }
            state = match summary {
                Some(due) => {
                    let waited = self.changed.wait_timeout(state, due.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
