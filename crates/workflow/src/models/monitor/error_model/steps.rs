//! Errors of the steps of forecasts.

use cupola_monitor::late::ForecastSteps;
use cupola_prep::{Examples, Layout};
use cupola_spec::Block;

use super::{ErrorModel, single};
use crate::error::Error;

impl ErrorModel {
    /// Most steps that errors are fitted to; trees learn no more from further ones.
    pub const MOST_STEPS: usize = 100_000;

    /// Fits the errors of the steps that have a value.
    ///
    /// # Errors
    /// [`cupola_monitor::Error::NoReferenceTargets`] without such a step.
    pub fn fit_steps(steps: &ForecastSteps) -> Result<Self, Error> {
        Self::fit(Some(&examples(steps)), &steps.rows)
    }

    /// Adds the expected error of each step. `steps` have the numbers of those of the fit.
    ///
    /// # Errors
    /// Steps of another width than those of the fit.
    pub fn expect_steps(&self, steps: &mut ForecastSteps) -> Result<(), Error> {
        steps.rows.expected = self.expect(Some(&examples(steps)), &steps.rows.predicted)?;
        Ok(())
    }
}

fn examples(steps: &ForecastSteps) -> Examples {
    let block = Block::Table { numbers: steps.width, encoded: 0, indices: Vec::new() };
    let layout = Layout { blocks: vec![block] };
    let dense = steps.numbers.iter().copied().map(single).collect();
    Examples { layout, rows: steps.rows.predicted.len(), dense, indices: Vec::new() }
}

#[cfg(test)]
mod tests {
    use cupola_monitor::late::{ActualValue, JoinedForecasts, SeriesForecast, SeriesHistory};
    use cupola_monitor::performance::Chunking;
    use indexmap::IndexMap;

    use super::*;

    /// Forecasts of a series whose level is `level`, and its values. The errors of a step are uniform up to a tenth of the level for
    /// each step ahead.
    fn joined(level: f64, count: usize, known: bool) -> (JoinedForecasts, Vec<ActualValue>) {
        let value = |at: usize| level * (1.0 + 0.1 * (at as f64 * 0.414_214).fract());
        let forecasts = (10..10 + count).map(|origin| {
            let noise = |step: usize| 2.0 * ((origin * 7 + step) as f64 * 0.618_034).fract() - 1.0;
            SeriesForecast {
                origin: origin as f64,
                times: (1..=3).map(|step| (origin + step) as f64).collect(),
                predicted: (1..=3)
                    .map(|step| value(origin + step) + 0.1 * level * step as f64 * noise(step))
                    .collect(),
                ..SeriesForecast::default()
            }
        });
        let row = |at: usize| ActualValue {
            series: Some(Vec::new()),
            time: Some(at as f64),
            value: Some(value(at)),
        };
        let values: Vec<ActualValue> = (0..=20 + count).map(row).collect();
        let arrived = if known { &values[..] } else { &values[..=10] };
        (JoinedForecasts::new(forecasts.collect(), arrived), values)
    }

    #[test]
    fn estimates_follow_the_level_and_the_step_before_a_value_is_known() {
        // The reference has both levels: errors of 5 and 50 a step, of which the mean is a half.
        let (small, values) = joined(50.0, 800, true);
        let history = SeriesHistory::new(&values);
        let mut reference = small.step_rows(Some(&history), 1);
        let (large, values) = joined(500.0, 800, true);
        let more = large.step_rows(Some(&SeriesHistory::new(&values)), 1);
        reference.rows.predicted.extend(more.rows.predicted);
        reference.rows.targets.extend(more.rows.targets);
        reference.numbers.extend(more.numbers);
        let model = ErrorModel::fit_steps(&reference).unwrap();
        for level in [50.0, 500.0] {
            let (current, values) = joined(level, 300, false);
            let history = SeriesHistory::new(&values);
            assert!(current.has_history(&history) && current.labelled() == 0);
            let mut steps = current.step_rows(Some(&history), 1);
            model.expect_steps(&mut steps).unwrap();
            let rows = Chunking::Count(2).split(300, None).unwrap();
            let bands = IndexMap::new();
            let (mut chunks, mut ahead) = (current.by_chunk(&rows, None, &bands), current.by_step(None));
            steps.add_estimates((&mut chunks, &rows), &mut ahead, &bands, None);
            for (step, found) in ahead.iter().enumerate() {
                let (mae, expected) = (found.expected["mae"], 0.05 * level * (step + 1) as f64);
                assert!(
                    (mae / expected - 1.0).abs() < 0.15,
                    "step {step} of {level}: {mae}, expected {expected}"
                );
            }
            for chunk in &chunks {
                let mae = chunk.metrics["mae"].estimate.unwrap();
                assert!((mae / (0.1 * level) - 1.0).abs() < 0.15 && chunk.labelled == 0, "{level}: {mae}");
            }
        }
    }
}
