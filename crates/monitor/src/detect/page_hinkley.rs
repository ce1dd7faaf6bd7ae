//! Page-Hinkley test.

use serde::{Deserialize, Serialize};

use super::running::RunningMean;
use super::{ChangeDetector, ChangeLevel};

/// Direction of a change of the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageHinkleySide {
    /// The mean rises.
    Up,
    /// The mean falls.
    Down,
    /// The mean rises or falls.
    #[default]
    Both,
}

/// Page-Hinkley test (Page 1954): the faded sum of deviations from the mean has left its extreme by more than a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    /// Values before a change can be detected.
    pub min_instances: f64,
    /// Deviation that is tolerated.
    pub delta: f64,
    /// Distance from the extreme.
    pub threshold: f64,
    /// Fading of the sums with each value.
    pub alpha: f64,
    /// Direction that is watched.
    pub side: PageHinkleySide,
    mean: RunningMean,
    sums: [f64; 2],
    /// Lowest sum of rises.
    lowest: Option<f64>,
    /// Highest sum of falls.
    highest: f64,
    level: ChangeLevel,
}

impl Default for PageHinkley {
    fn default() -> Self {
        Self {
            min_instances: 30.0,
            delta: 0.005,
            threshold: 50.0,
            alpha: 1.0 - 0.0001,
            side: PageHinkleySide::Both,
            mean: RunningMean::default(),
            sums: [0.0; 2],
            lowest: None,
            // river starts from -1, not from minus infinity.
            highest: -1.0,
            level: ChangeLevel::Stable,
        }
    }
}

impl ChangeDetector for PageHinkley {
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            (self.mean, self.sums) = (RunningMean::default(), [0.0; 2]);
            (self.lowest, self.highest, self.level) = (None, -1.0, ChangeLevel::Stable);
        }
        self.mean.update(value);
        let deviation = value - self.mean.mean;
        self.sums[0] = self.alpha * self.sums[0] + deviation - self.delta;
        self.sums[1] = self.alpha * self.sums[1] + deviation + self.delta;
        let lowest = self.lowest.map_or(self.sums[0], |own| own.min(self.sums[0]));
        self.lowest = Some(lowest);
        self.highest = self.highest.max(self.sums[1]);
        if self.mean.n >= self.min_instances {
            let up = self.sums[0] - lowest > self.threshold;
            let down = self.highest - self.sums[1] > self.threshold;
            let found = match self.side {
                PageHinkleySide::Up => up,
                PageHinkleySide::Down => down,
                PageHinkleySide::Both => up || down,
            };
            self.level = if found { ChangeLevel::Drift } else { ChangeLevel::Stable };
        }
        self.level
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
