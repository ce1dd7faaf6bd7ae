//! Threshold of an autoencoder's scores.

use cupola_eval::{threshold_of_labels, threshold_of_normal};
use cupola_nn::Network;
use cupola_prep::{FittedTarget, Prepared, SplitExamples, SplitPart, Targets, mean_squared_difference};

use super::{Evaluator, logits};
use crate::error::Error;

/// Most rows that a threshold is chosen on.
const ROWS: usize = 20_000;

/// Score above which a row counts as an anomaly, and what chose it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnomalyThreshold {
    /// The score.
    pub value: f64,
    /// `true` if labels of the valid split chose it, `false` for the 99th percentile of the training rows.
    pub labelled: bool,
}

impl Evaluator<'_> {
    /// Threshold of the scores of a reconstruction: the one with the largest F1 on the valid split if that has labels of
    /// both classes, else the 99th percentile of the training rows, which are taken as normal. `None` for a model of
    /// another target.
    ///
    /// # Errors
    /// The errors of [`logits`]; a file that cannot be read.
    pub fn anomaly_threshold(
        &self,
        network: &Network,
        prepared: &Prepared,
    ) -> Result<Option<AnomalyThreshold>, Error> {
        if !matches!(self.plan.targets.first(), FittedTarget::Reconstruct { .. }) {
            return Ok(None);
        }
        let (scores, labels) = self.scores(network, prepared.part(SplitPart::Valid))?;
        if let Some(value) = threshold_of_labels(&scores, &labels) {
            return Ok(Some(AnomalyThreshold { value, labelled: true }));
        }
        let (scores, _) = self.scores(network, prepared.part(SplitPart::Train))?;
        Ok(threshold_of_normal(&scores).map(|value| AnomalyThreshold { value, labelled: false }))
    }

    /// Scores of the first rows, and their labels if they are known.
    fn scores(&self, network: &Network, part: &SplitExamples) -> Result<(Vec<f64>, Vec<bool>), Error> {
        let rows: Vec<usize> = (0..part.len().min(ROWS)).collect();
        let found = part.gather(&rows)?;
        let width = self.plan.width().max(1);
        let values = logits(network, &found.examples, self.device)?;
        let each = values.chunks(width).zip(found.examples.dense.chunks(width));
        let scores = each.map(|(row, own)| mean_squared_difference(row, own)).collect();
        let labels = match found.targets.first() {
            Targets::Reconstruction { anomalies } => anomalies.clone(),
            _ => Vec::new(),
        };
        Ok((scores, labels))
    }
}
