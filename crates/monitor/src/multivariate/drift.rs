//! Multivariate drift of chunks of rows.

use serde::Serialize;

use super::features::FeatureTable;
use super::reconstruct::Reconstruction;
use crate::error::Error;
use crate::performance::{AlertBand, ChunkRows};

/// Standard errors from a mean to its confidence bounds.
const STANDARD_ERRORS: f64 = 3.0;

/// Reconstruction errors of chunks of rows, and the range of those of the reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MultivariateDrift {
    /// Columns that count.
    pub columns: Vec<String>,
    /// Columns that do not: without values in the reference, or beyond the limit of 500.
    pub left_out: Vec<String>,
    /// Number of principal components.
    pub components: usize,
    /// Share of the variance of the reference that they explain.
    pub explained: f64,
    /// Mean plus and minus three standard deviations of the chunks of the reference; no bound below 0.
    pub thresholds: AlertBand,
    /// Chunks of the reference.
    pub reference: Vec<ReconstructionChunk>,
    /// Chunks of the current rows.
    pub chunks: Vec<ReconstructionChunk>,
    /// Number of these outside of the thresholds.
    pub alerts: usize,
}

/// Mean reconstruction error of the rows of a chunk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReconstructionChunk {
    /// Name.
    pub key: String,
    /// Number of rows.
    pub rows: usize,
    /// Mean distance of a row from its reconstruction, in standard deviations of the columns.
    pub error: f64,
    /// Standard error of the mean; `None` for a single row.
    pub sampling_error: Option<f64>,
    /// Three standard errors below, at least 0.
    pub lower_confidence: Option<f64>,
    /// Three standard errors above.
    pub upper_confidence: Option<f64>,
    /// `true` outside of the thresholds.
    pub alert: bool,
}

impl MultivariateDrift {
    /// Fits principal components to the reference, and measures what they leave of the current rows.
    ///
    /// # Errors
    /// [`Error::TooFewFeatures`] without two columns and two rows, [`Error::MissingFeature`] if the current rows lack a column.
    pub fn between(
        reference: (&FeatureTable, &[ChunkRows]),
        current: (&FeatureTable, &[ChunkRows]),
    ) -> Result<Self, Error> {
        let fitted = Reconstruction::fit(reference.0)?;
        let mut own = measured(&fitted, reference)?;
        let errors: Vec<f64> = own.iter().map(|chunk| chunk.error).collect();
        let mut thresholds = AlertBand::of_values(&errors, (0.0, f64::MAX));
        thresholds.lower = thresholds.lower.filter(|lower| *lower > 0.0);
        let mut chunks = measured(&fitted, current)?;
        for chunk in own.iter_mut().chain(&mut chunks) {
            chunk.alert = thresholds.is_outside(chunk.error);
        }
        Ok(Self {
            columns: fitted.encoders.iter().map(|encoder| encoder.name.clone()).collect(),
            left_out: fitted.left_out,
            components: fitted.components.len(),
            explained: fitted.explained,
            thresholds,
            reference: own,
            alerts: chunks.iter().filter(|chunk| chunk.alert).count(),
            chunks,
        })
    }

    /// `true` if at least this share of the chunks is outside of the thresholds.
    #[allow(clippy::cast_precision_loss, reason = "chunks are few")]
    pub fn has_drifted(&self, max_share: f64) -> bool {
        self.alerts > 0 && self.alerts as f64 >= max_share * self.chunks.len() as f64
    }
}

fn measured(
    fitted: &Reconstruction,
    (table, chunks): (&FeatureTable, &[ChunkRows]),
) -> Result<Vec<ReconstructionChunk>, Error> {
    let errors = fitted.errors(table)?;
    Ok(chunks.iter().filter_map(|chunk| of_chunk(chunk, &errors)).collect())
}

/// `None` without rows.
#[allow(clippy::cast_precision_loss, reason = "counts of rows in memory")]
fn of_chunk(chunk: &ChunkRows, errors: &[f64]) -> Option<ReconstructionChunk> {
    let own: Vec<f64> = chunk.rows.iter().filter_map(|row| errors.get(*row).copied()).collect();
    let rows = own.len() as f64;
    let error = own.iter().sum::<f64>() / rows;
    let variance = own.iter().map(|value| (value - error).powi(2)).sum::<f64>() / (rows - 1.0);
    let sampling_error = (own.len() > 1).then(|| (variance / rows).sqrt());
    let width = sampling_error.map(|own| STANDARD_ERRORS * own);
    (!own.is_empty()).then(|| ReconstructionChunk {
        key: chunk.key.clone(),
        rows: own.len(),
        error,
        sampling_error,
        lower_confidence: width.map(|width| (error - width).max(0.0)),
        upper_confidence: width.map(|width| error + width),
        alert: false,
    })
}
