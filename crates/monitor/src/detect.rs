//! Detectors of change in a stream of numbers, such as the errors of a model as their targets become known.
//!
//! Each raises the same alarms as its namesake in river 0.26 on the same stream. [`DetectorKind`] names them,
//! [`Detector`] holds one of them; its state is serialisable, so that a stream can be continued by another process.

mod adwin;
mod ddm;
mod eddm;
mod hddm_a;
mod hddm_w;
mod kswin;
mod page_hinkley;
mod running;

use serde::{Deserialize, Serialize};

pub use self::adwin::Adwin;
pub use self::ddm::Ddm;
pub use self::eddm::Eddm;
pub use self::hddm_a::HddmA;
pub use self::hddm_w::HddmW;
pub use self::kswin::Kswin;
pub use self::page_hinkley::{PageHinkley, PageHinkleySide};

/// State of a stream after a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeLevel {
    /// No change.
    #[default]
    Stable,
    /// A change may have begun.
    Warning,
    /// The stream has changed. The detector starts again with the next value.
    Drift,
}

/// Detector of change that sees one value at a time.
pub trait ChangeDetector {
    /// Takes the next value of the stream, which is finite.
    fn update(&mut self, value: f64) -> ChangeLevel;

    /// State after the last value.
    fn level(&self) -> ChangeLevel;

    /// Takes the next value; one that is not finite is skipped and changes nothing.
    fn observe(&mut self, value: f64) -> ChangeLevel {
        if value.is_finite() { self.update(value) } else { self.level() }
    }
}

/// Name of a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// [`Adwin`].
    Adwin,
    /// [`Ddm`].
    Ddm,
    /// [`Eddm`].
    Eddm,
    /// [`HddmA`].
    HddmA,
    /// [`HddmW`].
    HddmW,
    /// [`Kswin`].
    Kswin,
    /// [`PageHinkley`].
    PageHinkley,
}

impl DetectorKind {
    /// All detectors.
    pub const ALL: [Self; 7] =
        [Self::Adwin, Self::Ddm, Self::Eddm, Self::HddmA, Self::HddmW, Self::Kswin, Self::PageHinkley];

    /// Name in configs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adwin => "adwin",
            Self::Ddm => "ddm",
            Self::Eddm => "eddm",
            Self::HddmA => "hddm_a",
            Self::HddmW => "hddm_w",
            Self::Kswin => "kswin",
            Self::PageHinkley => "page_hinkley",
        }
    }

    /// Detector of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// `true` if the stream must consist of 0 (correct) and 1 (error).
    pub fn needs_bits(self) -> bool {
        matches!(self, Self::Ddm | Self::Eddm | Self::HddmA | Self::HddmW)
    }
}

/// Any detector, with the defaults of river.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "detector", rename_all = "snake_case")]
pub enum Detector {
    /// Adaptive windowing.
    Adwin(Adwin),
    /// Drift detection method.
    Ddm(Ddm),
    /// Early drift detection method.
    Eddm(Eddm),
    /// Hoeffding's bounds with the mean.
    HddmA(HddmA),
    /// Hoeffding's bounds with a weighted mean.
    HddmW(HddmW),
    /// Kolmogorov-Smirnov windowing.
    Kswin(Kswin),
    /// Page-Hinkley test.
    PageHinkley(PageHinkley),
}

impl Detector {
    /// Detector with river's defaults. `KSWIN` draws with seed 0.
    pub fn new(kind: DetectorKind) -> Self {
        match kind {
            DetectorKind::Adwin => Self::Adwin(Adwin::default()),
            DetectorKind::Ddm => Self::Ddm(Ddm::default()),
            DetectorKind::Eddm => Self::Eddm(Eddm::default()),
            DetectorKind::HddmA => Self::HddmA(HddmA::default()),
            DetectorKind::HddmW => Self::HddmW(HddmW::default()),
            DetectorKind::Kswin => Self::Kswin(Kswin::default()),
            DetectorKind::PageHinkley => Self::PageHinkley(PageHinkley::default()),
        }
    }

    fn inner(&self) -> &dyn ChangeDetector {
        match self {
            Self::Adwin(own) => own,
            Self::Ddm(own) => own,
            Self::Eddm(own) => own,
            Self::HddmA(own) => own,
            Self::HddmW(own) => own,
            Self::Kswin(own) => own,
            Self::PageHinkley(own) => own,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn ChangeDetector {
        match self {
            Self::Adwin(own) => own,
            Self::Ddm(own) => own,
            Self::Eddm(own) => own,
            Self::HddmA(own) => own,
            Self::HddmW(own) => own,
            Self::Kswin(own) => own,
            Self::PageHinkley(own) => own,
        }
    }
}

impl ChangeDetector for Detector {
    fn update(&mut self, value: f64) -> ChangeLevel {
        self.inner_mut().update(value)
    }

    fn level(&self) -> ChangeLevel {
        self.inner().level()
    }
}

#[cfg(test)]
mod tests;
