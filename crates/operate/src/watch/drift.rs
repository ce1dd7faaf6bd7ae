//! Drift between two versions of data as a reason to train.

use cupola_datasets::{DatasetManifest, Diff};
use cupola_spec::DriftTrigger;

use super::record::MeasuredDrift;

/// Measure of the drift between the data of a training and newer data.
pub trait DriftMeasure {
    /// Values of the columns, or of all that both have if none is named. A value at `settings.index` or above is drift.
    fn measure(
        &self,
        reference: &DatasetManifest,
        current: &DatasetManifest,
        columns: &[String],
        settings: &DriftTrigger,
    ) -> MeasuredDrift;
}

/// Population stability index between the profiles that dataset versions are kept with.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProfileStability;

impl DriftMeasure for ProfileStability {
    fn measure(
        &self,
        reference: &DatasetManifest,
        current: &DatasetManifest,
        columns: &[String],
        settings: &DriftTrigger,
    ) -> MeasuredDrift {
        let all = Diff::of(reference, current).columns.into_iter();
        let chosen = all.filter(|column| columns.is_empty() || columns.contains(&column.name));
        let mut columns: Vec<(String, f64)> =
            chosen.filter_map(|column| Some((column.name, column.drift?))).collect();
        columns.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        MeasuredDrift {
            reference: reference.label(),
            current: current.label(),
            measure: "population stability index".to_owned(),
            drifted: columns.iter().filter(|(_, index)| *index >= settings.index).count(),
            columns,
        }
    }
}
