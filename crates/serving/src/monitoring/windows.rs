//! Choice of windows.

use cupola_monitor::window::{MonitorWindow, WindowRing};

/// Windows that a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowChoice {
    /// As many of the latest windows as have enough rows for a verdict.
    #[default]
    Recent,
    /// The open window.
    Current,
    /// This number of the latest windows, the open one included.
    Latest(usize),
    /// All windows that are kept.
    All,
}

impl WindowChoice {
    /// Parses `recent`, `current`, `all` or a number of windows; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "recent" => Some(Self::Recent),
            "current" => Some(Self::Current),
            "all" => Some(Self::All),
            number => number.parse().ok().filter(|number| *number > 0).map(Self::Latest),
        }
    }

    /// The chosen windows as one, and their number.
    pub(super) fn of(self, ring: &WindowRing, enough: u64) -> (MonitorWindow, usize) {
        let mut merged = ring.open().clone();
        let mut count = 1;
        for window in ring.closed().rev() {
            let wanted = match self {
                Self::Recent => merged.table.rows < enough,
                Self::Current => false,
                Self::Latest(number) => count < number,
                Self::All => true,
            };
            // Windows of one ring have one layout.
            if !wanted || merged.merge(window).is_err() {
                break;
            }
            count += 1;
        }
        (merged, count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cupola_monitor::sketch::SketchLayout;
    use cupola_monitor::window::WindowLimits;

    use super::*;

    #[test]
    fn recent_windows_are_as_many_as_have_enough_rows() {
        let limits = WindowLimits { period: 1000, rows: None, kept: 10 };
        let mut ring = WindowRing::new(Arc::new(SketchLayout::default()), limits, 0);
        for (window, rows) in [40u64, 70, 30].into_iter().enumerate() {
            ring.open_at(1000 * i64::try_from(window).unwrap() + 1).table.rows = rows;
        }
        let rows = |text: &str| {
            let (window, count) = WindowChoice::parse(text).unwrap().of(&ring, 100);
            (window.table.rows, count)
        };
        assert_eq!(rows("recent"), (100, 2));
        assert_eq!(rows("current"), (30, 1));
        assert_eq!(rows("all"), (140, 3));
        assert_eq!(rows("2"), (100, 2));
        assert_eq!(rows("99"), (140, 3));
        for wrong in ["0", "-1", "", "last hour"] {
            assert_eq!(WindowChoice::parse(wrong), None);
        }
    }
}
