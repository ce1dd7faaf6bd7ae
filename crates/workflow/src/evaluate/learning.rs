//! Values during training, from the events of a run.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use cupola_eval::curves::thinned;
use cupola_report::LearningCurve;
use serde_json::Value;

/// Curves of the loss of the training rows and of each metric of the valid split. Empty without events, such as for
/// trees.
pub(super) fn learning_curves(folder: &Path) -> Vec<LearningCurve> {
    let Ok(file) = File::open(folder.join("events.jsonl")) else { return Vec::new() };
    let mut curves = Vec::new();
    // A killed process may leave an incomplete line.
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    for event in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
        add_event(&mut curves, &event);
    }
    for curve in &mut curves {
        curve.points = thinned(std::mem::take(&mut curve.points), |point| *point);
    }
    curves
}

fn add_event(curves: &mut Vec<LearningCurve>, event: &Value) {
    let kind = event["event"].as_str().unwrap_or_default();
    if !["epoch", "evaluation"].contains(&kind) {
        return;
    }
    let Some(step) = event["step"].as_f64() else { return };
    if let Some(loss) = event["train_loss"].as_f64() {
        add(curves, "loss", "train", (step, loss));
    }
    for (metric, value) in event["valid"].as_object().into_iter().flatten() {
        if let Some(value) = value.as_f64() {
            add(curves, metric, "valid", (step, value));
        }
    }
}

fn add(curves: &mut Vec<LearningCurve>, metric: &str, split: &str, point: (f64, f64)) {
    let found = curves.iter_mut().find(|curve| curve.metric == metric && curve.split == split);
    match found {
        // An epoch that ends with an evaluation reports it twice.
        Some(curve) if curve.points.last().is_some_and(|last| last.0 >= point.0) => {}
        Some(curve) => curve.points.push(point),
        None => curves.push(LearningCurve {
            metric: metric.to_owned(),
            split: split.to_owned(),
            points: vec![point],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_and_evaluations_become_curves() {
        let folder = tempfile::tempdir().unwrap();
        let lines = concat!(
            "{\"event\":\"step\",\"step\":1,\"loss\":3.0}\n",
            "{\"event\":\"evaluation\",\"step\":2,\"epoch\":1,\"valid\":{\"accuracy\":0.5},\"best\":true}\n",
            "{\"event\":\"epoch\",\"step\":2,\"epoch\":1,\"train_loss\":2.5,\"valid\":{\"accuracy\":0.5},\"best\":true}\n",
            "{\"event\":\"epoch\",\"step\":4,\"epoch\":2,\"train_loss\":1.5,\"valid\":{\"accuracy\":0.7},\"best\":true}\n{\"event"
        );
        std::fs::write(folder.path().join("events.jsonl"), lines).unwrap();
        let found = learning_curves(folder.path());
        let curve = |metric: &str| found.iter().find(|curve| curve.metric == metric).unwrap();
        assert_eq!(curve("loss").points, [(2.0, 2.5), (4.0, 1.5)]);
        assert_eq!(curve("accuracy").points, [(2.0, 0.5), (4.0, 0.7)]);
        assert!(learning_curves(Path::new("/nowhere")).is_empty());
    }
}
