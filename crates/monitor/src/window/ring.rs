//! The open window and a few closed ones.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::traffic::WindowTraffic;
use crate::error::Error;
use crate::sketch::{SketchLayout, SketchTable};

/// Steps back of the clock up to this many milliseconds are corrections, as of NTP.
const CORRECTION: i64 = 1000;

/// Limits of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    /// Length in milliseconds. Windows begin at multiples of it, so that those of several servers coincide.
    pub period: i64,
    /// Rows after which a window is closed before its time; `None` for windows by time alone.
    pub rows: Option<u64>,
    /// Closed windows that are kept.
    pub kept: usize,
}

/// Requests and sketches of a window. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MonitorWindow {
    /// Begin.
    pub began: i64,
    /// End; of the open window the last moment that was seen.
    pub ended: i64,
    /// Requests.
    pub traffic: WindowTraffic,
    /// Sketches of the rows and predictions.
    pub table: SketchTable,
}

impl MonitorWindow {
    fn new(layout: &SketchLayout, now: i64) -> Self {
        Self { began: now, ended: now, traffic: WindowTraffic::default(), table: SketchTable::new(layout) }
    }

    /// `true` without requests and rows.
    pub fn is_empty(&self) -> bool {
        self.traffic.is_empty() && self.table.rows == 0
    }

    /// Adds another window, such as the same one of another server.
    ///
    /// # Errors
    /// [`Error::Merge`] for sketches of another layout.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.table.merge(&other.table)?;
        self.traffic.merge(&other.traffic);
        self.began = self.began.min(other.began);
        self.ended = self.ended.max(other.ended);
        Ok(())
    }

    /// Merges windows of several servers, or several windows of one; `None` without any.
    ///
    /// # Errors
    /// [`Error::Merge`] for sketches of different layouts.
    pub fn merged<'a>(windows: impl IntoIterator<Item = &'a Self>) -> Result<Option<Self>, Error> {
        let mut windows = windows.into_iter();
        let Some(mut merged) = windows.next().cloned() else { return Ok(None) };
        for window in windows {
            merged.merge(window)?;
        }
        Ok(Some(merged))
    }
}

/// The open window of a model version and the closed ones before it.
///
/// The caller gives the time, which may jump: forward ends a window, however far; backward ends it too, and is counted.
#[derive(Debug, Clone)]
pub struct WindowRing {
    limits: WindowLimits,
    layout: Arc<SketchLayout>,
    open: MonitorWindow,
    closed: VecDeque<MonitorWindow>,
    /// Latest time that was seen.
    now: i64,
    jumps: u64,
}

impl WindowRing {
    /// Ring whose first window begins now.
    pub fn new(layout: Arc<SketchLayout>, limits: WindowLimits, now: i64) -> Self {
        let limits = WindowLimits { period: limits.period.max(1), ..limits };
        let open = MonitorWindow::new(&layout, now);
        Self { limits, layout, open, closed: VecDeque::new(), now, jumps: 0 }
    }

    /// Layout of the sketches.
    pub fn layout(&self) -> &Arc<SketchLayout> {
        &self.layout
    }

    /// Sketches and requests of the open window, after those before it are closed.
    pub fn open_at(&mut self, now: i64) -> &mut MonitorWindow {
        self.advance(now);
        &mut self.open
    }

    /// Closes the open window if its time or its rows are over, or if the clock has been set back.
    pub fn advance(&mut self, now: i64) {
        if now < self.now.saturating_sub(CORRECTION) {
            self.jumps += 1;
            self.close(now);
        } else if now > self.now {
            let is_over =
                now.div_euclid(self.limits.period) != self.open.began.div_euclid(self.limits.period);
            let is_full = self.limits.rows.is_some_and(|rows| self.open.table.rows >= rows);
            if is_over || is_full {
                self.close(now);
            }
        } else {
            // A correction of the clock: time stands still until it is made up for.
            return;
        }
        self.now = now;
        self.open.ended = now;
    }

    /// Keeps the open window unless it is empty, and begins another one.
    fn close(&mut self, now: i64) {
        let mut window = std::mem::replace(&mut self.open, MonitorWindow::new(&self.layout, now));
        if window.is_empty() {
            return;
        }
        // The last moment that was seen may be long after the end of the period.
        let period = self.limits.period;
        let end = window.began.div_euclid(period).saturating_add(1).saturating_mul(period);
        window.ended = if now >= end { end } else { self.now };
        window.table.seal();
        self.closed.push_back(window);
        while self.closed.len() > self.limits.kept {
            self.closed.pop_front();
        }
    }

    /// The open window.
    pub fn open(&self) -> &MonitorWindow {
        &self.open
    }

    /// Closed windows, from the oldest to the latest.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = &MonitorWindow> + ExactSizeIterator {
        self.closed.iter()
    }

    /// Windows from the oldest to the open one, which is last.
    pub fn windows(&self) -> impl DoubleEndedIterator<Item = &MonitorWindow> {
        self.closed.iter().chain([&self.open])
    }

    /// Times that the clock was set back.
    pub fn clock_jumps(&self) -> u64 {
        self.jumps
    }

    /// Bytes on the heap, without the layout.
    pub fn heap_bytes(&self) -> usize {
        let each = |window: &MonitorWindow| window.table.heap_bytes() + window.traffic.durations.heap_bytes();
        self.windows().map(each).sum::<usize>() + self.closed.capacity() * size_of::<MonitorWindow>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn ring(rows: Option<u64>, now: i64) -> WindowRing {
        let limits = WindowLimits { period: HOUR, rows, kept: 3 };
        WindowRing::new(Arc::new(SketchLayout::default()), limits, now)
    }

    fn spans(ring: &WindowRing) -> Vec<(i64, i64, u64)> {
        ring.windows().map(|window| (window.began, window.ended, window.traffic.requests)).collect()
    }

    #[test]
    fn windows_end_at_multiples_of_the_period_and_empty_ones_are_not_kept() {
        let mut ring = ring(None, HOUR / 2);
        ring.open_at(HOUR / 2 + 5).traffic.add(200, 0.01);
        // Ten hours without a request.
        ring.open_at(10 * HOUR + 7).traffic.add(500, 0.01);
        ring.advance(11 * HOUR + 1);
        ring.advance(13 * HOUR + 2);
        assert_eq!(
            spans(&ring),
            [(HOUR / 2, HOUR, 1), (10 * HOUR + 7, 11 * HOUR, 1), (13 * HOUR + 2, 13 * HOUR + 2, 0)]
        );
        for hour in 14..20 {
            ring.open_at(hour * HOUR + 1).traffic.add(200, 0.01);
        }
        assert_eq!(ring.windows().count(), 4);
    }

    #[test]
    fn a_number_of_rows_ends_a_window() {
        let mut ring = ring(Some(100), 0);
        ring.open_at(1).table.rows = 100;
        ring.open_at(2).table.rows = 40;
        let rows: Vec<u64> = ring.windows().map(|window| window.table.rows).collect();
        assert_eq!(rows, [100, 40]);
    }

    #[test]
    fn a_clock_that_is_set_back_is_counted_and_ends_a_window() {
        let mut ring = ring(None, 5 * HOUR);
        ring.open_at(5 * HOUR + 10).traffic.add(200, 0.01);
        ring.open_at(5 * HOUR + 9).traffic.add(200, 0.01);
        assert_eq!((ring.clock_jumps(), ring.windows().count()), (0, 1));
        ring.open_at(2 * HOUR).traffic.add(200, 0.01);
        assert_eq!((ring.clock_jumps(), ring.windows().count()), (1, 2));
        assert_eq!(spans(&ring), [(5 * HOUR, 5 * HOUR + 10, 2), (2 * HOUR, 2 * HOUR, 1)]);
        ring.advance(i64::MAX);
        ring.advance(i64::MIN);
        assert_eq!(ring.clock_jumps(), 2);
    }

    #[test]
    fn windows_of_several_servers_merge() {
        let mut one = ring(None, HOUR);
        one.open_at(HOUR + 5).traffic.add(200, 0.01);
        let mut two = ring(None, HOUR + 60);
        two.open_at(HOUR + 70).traffic.add(503, 0.03);
        let merged = MonitorWindow::merged(one.windows().chain(two.windows())).unwrap().unwrap();
        assert_eq!((merged.began, merged.ended), (HOUR, HOUR + 70));
        assert_eq!((merged.traffic.requests, merged.traffic.server_errors), (2, 1));
        assert!(MonitorWindow::merged([]).unwrap().is_none());
    }
}
