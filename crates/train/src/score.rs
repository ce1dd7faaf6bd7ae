//! From a network and examples to metrics.

use burn::tensor::Device;
use cupola_eval::{Metrics, anomaly, classification, forecast, regression};
use cupola_nn::{Input, Loss, Network, Objective};
use cupola_prep::{Examples, FittedTarget, Label, Labelled, Targets, distance};

use crate::error::Error;
use crate::host_loss::mean_loss;
use crate::objective::truth;

/// Examples in one evaluation batch.
const CHUNK: usize = 512;
/// Windows of a text in one evaluation batch.
const WINDOWS: usize = 32;

/// Logits of all examples, `[rows, width]` in row-major order. `network` is one for inference.
///
/// # Errors
/// [`cupola_nn::Error::Device`] when the device fails.
pub fn logits(network: &Network, examples: &Examples, device: &Device) -> Result<Vec<f32>, Error> {
    let mut out = Vec::new();
    let rows: Vec<usize> = (0..examples.rows).collect();
    for chunk in rows.chunks(CHUNK) {
        let part = examples.gather(chunk);
        let Examples { rows, dense, indices, .. } = if network.trims() { part.trimmed() } else { part };
        let input = Input::new(rows, dense, indices, device);
        let values = network.forward(&input).try_into_vec_as::<f32>();
        let fail = |why: String| cupola_nn::Error::Device { device: "in evaluation".into(), why };
        out.extend(values.map_err(|error| fail(error.to_string()))?);
    }
    Ok(out)
}

/// Metrics of one part, `loss` among them. `network` is one for inference.
///
/// # Errors
/// As [`logits`].
pub fn score(
    network: &Network,
    target: &FittedTarget,
    loss: Loss,
    part: &Labelled,
    device: &Device,
) -> Result<Metrics, Error> {
    if let FittedTarget::NextToken { .. } = target {
        return next_token(network, loss, part, device);
    }
    Ok(metrics_of(target, loss, &logits(network, &part.examples, device)?, part))
}

/// Loss and perplexity of a language model. A vocabulary is wide, so the logits of each chunk stay on
/// the device.
fn next_token(network: &Network, loss: Loss, part: &Labelled, device: &Device) -> Result<Metrics, Error> {
    let fail = |why: String| cupola_nn::Error::Device { device: "in evaluation".into(), why };
    let objective = Objective::from(loss);
    let (mut sum, mut tokens) = (0.0, 0.0);
    let rows: Vec<usize> = (0..part.examples.rows).collect();
    for chunk in rows.chunks(WINDOWS) {
        let Labelled { examples, targets } = part.gather(chunk);
        let Targets::Tokens { ref next, .. } = targets else { continue };
        tokens += next.len() as f64;
        let input = Input::new(examples.rows, examples.dense, examples.indices, device);
        let truth = truth(loss, targets, &input, device);
        let found = objective.sum(network.forward(&input), truth);
        sum += f64::from(found.try_into_scalar::<f32>().map_err(|error| fail(error.to_string()))?);
    }
    let mean = sum / f64::max(tokens, 1.0);
    let values = [("loss".to_owned(), mean), ("perplexity".to_owned(), mean.exp())];
    Ok(Metrics { rows: part.examples.rows, values: values.into_iter().collect(), ..Metrics::default() })
}

/// Metrics of given logits `[rows, width]` for the examples of a part, `loss` among them: the plain
/// one, without smoothing and class weights.
pub fn metrics_of(target: &FittedTarget, loss: Loss, values: &[f32], part: &Labelled) -> Metrics {
    let width = target.width();
    let loss = mean_loss(loss, width, values, part);
    // A number of one row, in the units of the target.
    let number = |scaled: &[f32]| match target.decode(scaled, &[]).value {
        Label::Number(value) => vec![value],
        Label::Numbers(values) => values,
        Label::Text(_) => vec![f64::NAN],
    };
    let numbers = |scaled: &[f32]| scaled.chunks(width).flat_map(number).collect::<Vec<f64>>();
    let mut metrics = match (target, &part.targets) {
        (FittedTarget::NextToken { .. }, Targets::Tokens { length, next }) => {
            let values = [("perplexity".to_owned(), loss.unwrap_or_default().exp())];
            let rows = next.len() / length;
            Metrics { rows, values: values.into_iter().collect(), ..Metrics::default() }
        }
        (FittedTarget::Category { classes, .. }, Targets::Class(truth)) => {
            let probabilities: Vec<f32> =
                values.chunks(width).flat_map(|row| target.probabilities(row)).collect();
            let truth: Vec<usize> =
                truth.iter().map(|&class| usize::try_from(class).unwrap_or_default()).collect();
            classification(classes, &truth, &probabilities)
        }
        (FittedTarget::Forecast { horizon, naive, .. }, Targets::Vector { values: truth, .. }) => {
            forecast(&numbers(truth), &numbers(values), *horizon, *naive)
        }
        (FittedTarget::Reconstruct { .. }, Targets::Own { labels }) => {
            let rows = values.chunks(width).zip(part.examples.dense.chunks(width));
            let scores: Vec<f64> = rows.map(|(row, own)| distance(row, own)).collect();
            anomaly(&scores, labels)
        }
        (_, Targets::Number(truth)) => regression(&numbers(truth), &numbers(values)),
        // `Plan` makes targets of its own kind only.
        (target, _) => unreachable!("other targets than those of {}", target.name()),
    };
    if let Some(loss) = loss {
        metrics.values.insert("loss".to_owned(), loss);
    }
    metrics
}
