//! Drift of data away from that of a training as a reason to train.

use cupola_datasets::{DatasetManifest, Diff};
use cupola_monitor::{ColumnRole, DriftMethod, DriftOptions};
use cupola_nn::DeviceChoice;
use cupola_registry::{MONITOR, Package};
use cupola_spec::DriftTrigger;
use cupola_workflow::Session;

use super::contest::model;
use super::record::MeasuredDrift;
use crate::error::Error;
use crate::monitor::{DriftRequest, measure_drift};

/// Name of the measures.
const INDEX: &str = "population stability index";

/// Data of a training and newer data.
pub struct DriftSides<'a> {
    /// Session that reads the data.
    pub session: &'a Session<'a>,
    /// Model whose training is the reference.
    pub champion: &'a Package,
    /// Device that the champion is loaded on.
    pub device: DeviceChoice,
    /// Dataset version that it was trained on; `None` if it is not known any more.
    pub reference: Option<&'a DatasetManifest>,
    /// Newer data.
    pub current: &'a DatasetManifest,
    /// Columns to compare; all that both have if none is named.
    pub columns: &'a [String],
    /// Limits.
    pub settings: &'a DriftTrigger,
}

impl DriftSides<'_> {
    /// Drift by the values of columns, of which those that are not asked for are left out.
    fn measured(&self, reference: String, columns: impl Iterator<Item = (String, f64)>) -> MeasuredDrift {
        let is_asked = |name: &String| self.columns.is_empty() || self.columns.contains(name);
        let mut columns: Vec<(String, f64)> = columns.filter(|(name, _)| is_asked(name)).collect();
        columns.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        MeasuredDrift {
            reference,
            current: self.current.label(),
            measure: INDEX.to_owned(),
            drifted: columns.iter().filter(|(_, index)| *index >= self.settings.index).count(),
            columns,
        }
    }
}

/// Measure of the drift between the data of a training and newer data.
pub trait DriftMeasure {
    /// Values of the columns; one of `settings.index` or above is drift. `None` without a reference.
    ///
    /// # Errors
    /// A reference that is damaged, data that the model does not read.
    fn measure(&self, sides: &DriftSides<'_>) -> Result<Option<MeasuredDrift>, Error>;
}

/// Population stability index between the profiles that dataset versions are kept with.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProfileStability;

impl DriftMeasure for ProfileStability {
    fn measure(&self, sides: &DriftSides<'_>) -> Result<Option<MeasuredDrift>, Error> {
        let Some(reference) = sides.reference else { return Ok(None) };
        let all = Diff::of(reference, sides.current).columns.into_iter();
        let columns = all.filter_map(|column| Some((column.name, column.drift?)));
        Ok(Some(sides.measured(reference.label(), columns)))
    }
}

/// Population stability index from the profile that is sealed in the package of the champion, as `cupola monitor report`
/// measures it. It needs no version of a dataset, and has the columns that the model derives.
#[derive(Debug, Clone, Copy, Default)]
pub struct SealedStability;

impl DriftMeasure for SealedStability {
    fn measure(&self, sides: &DriftSides<'_>) -> Result<Option<MeasuredDrift>, Error> {
        if !sides.champion.manifest.files.contains_key(MONITOR) {
            return Ok(None);
        }
        let data = format!("dataset:{}", sides.current.label());
        let found = measure_drift(
            sides.session,
            &DriftRequest {
                model: model(sides.champion, sides.device),
                data: &data,
                reference: None,
                predict: false,
                options: DriftOptions {
                    methods: vec![DriftMethod::Psi],
                    threshold: Some(sides.settings.index),
                },
                max_share: sides.settings.share,
                multivariate: None,
                embeddings: Vec::new(),
            },
        );
        let found = match found {
            Ok(found) => found,
            // A profile without inputs, such as one without example rows.
            Err(Error::NothingToCompare { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let compared = found.drift.columns.into_iter().filter(|column| {
            column.method == DriftMethod::Psi
                && matches!(column.key.role, ColumnRole::Input | ColumnRole::Target)
        });
        let columns = compared.filter_map(|column| Some((column.key.name, column.score?)));
        let measured = sides.measured(format!("profile of {}", found.package), columns);
        Ok(Some(measured).filter(|found| !found.columns.is_empty()))
    }
}

/// [`SealedStability`] for a champion with a profile, else [`ProfileStability`].
#[derive(Debug, Clone, Copy, Default)]
pub struct BestStability;

impl DriftMeasure for BestStability {
    fn measure(&self, sides: &DriftSides<'_>) -> Result<Option<MeasuredDrift>, Error> {
        match SealedStability.measure(sides)? {
            Some(found) => Ok(Some(found)),
            None => ProfileStability.measure(sides),
        }
    }
}
