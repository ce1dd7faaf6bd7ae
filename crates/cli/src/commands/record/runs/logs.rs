//! `cupola runs logs`: what a run has done so far.

use std::time::Duration;

use anyhow::Result;
use cupola_operate::{FollowedFile, JobFolder, JobWork};
use cupola_registry::{Home, RunFolder, Status};
use serde_json::{Value, json};

use crate::commands::operate::submit::jobs;
use crate::draw::{Ui, metric};
use crate::next_step::next_command;

/// Interval at which the events of a run are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Steps of which one has a line.
const STEPS: u64 = 100;

pub fn run(home: &Home, ui: Ui, id: &str, follow: bool) -> Result<()> {
    let folder = match RunFolder::open(home, id) {
        Ok(folder) => folder,
        // A job that has not begun its run has a log, or will have one.
        Err(error) => match JobFolder::open(home, id) {
            Ok((_, job)) if job.work == JobWork::Train => return jobs::logs(home, ui, &job.id, follow),
            _ => return Err(error.into()),
        },
    };
    let record = folder.record()?;
    // The output of a job has the events too.
    if JobFolder::at(home, &record.id).record().is_ok() {
        return jobs::logs(home, ui, &record.id, follow);
    }
    let mut events = FollowedFile::new(folder.path().join("events.jsonl"));
    let status = loop {
        // Read before the events, so that none is missed at the end.
        let status = folder.status(&folder.record()?);
        let new = events.new_lines()?;
        if new.taken_back > 0 {
            ui.line("resumed from a checkpoint");
        }
        new.lines.iter().filter_map(|line| event_line(line)).for_each(|line| ui.line(line));
        if !follow || status != Status::Running {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    if matches!(status, Status::Interrupted | Status::Stopped | Status::Failed) {
        let resume = next_command(home, ["train", "--resume", &record.id]);
        ui.line(format!("{}; resume with: {resume}", status.name()));
    } else {
        ui.line(status.name());
    }
    ui.result(&json!({ "run": record.id, "status": status }))
}

/// Line of `events.jsonl` for people; `None` for a step between two lines, and for a line that is none.
fn event_line(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let step = event["step"].as_u64()?;
    let best = if event["best"] == true { " *" } else { "" };
    let number = |key: &str| event[key].as_f64().map(|value| format!("{value:.4}"));
    match event["event"].as_str()? {
        "step" if step.is_multiple_of(STEPS) => Some(format!("step {step}  loss {}", number("loss")?)),
        "step" => None,
        "epoch" => {
            let (epoch, loss) = (event["epoch"].as_u64()?, number("train_loss")?);
            Some(format!("epoch {epoch}  step {step}  train loss {loss}{}{best}", valid(&event)))
        }
        "evaluation" => Some(format!("step {step}{}{best}", valid(&event))),
        "checkpoint" => Some(format!("checkpoint at step {step}")),
        _ => event["why"].as_str().map(|why| format!("step {step}  {why}")),
    }
}

/// `, valid accuracy 0.9777, loss 0.0759`
fn valid(event: &Value) -> String {
    let metrics = event["valid"].as_object().into_iter().flatten();
    let values = metrics.filter_map(|(name, value)| Some(format!("{name} {}", metric(value.as_f64()?))));
    let values: Vec<String> = values.collect();
    if values.is_empty() { String::new() } else { format!(", valid {}", values.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::event_line;

    #[test]
    fn events_are_lines_for_people() {
        let epoch =
            r#"{"event":"epoch","step":33,"epoch":1,"train_loss":0.56461,"valid":{"loss":0.5},"best":true}"#;
        assert_eq!(event_line(epoch).unwrap(), "epoch 1  step 33  train loss 0.5646, valid loss 0.5000 *");
        let checkpoint = r#"{"event":"checkpoint","step":33}"#;
        assert_eq!(event_line(checkpoint).unwrap(), "checkpoint at step 33");
        assert!(event_line(r#"{"event":"step","step":33,"epoch":1,"loss":0.5}"#).is_none());
        assert!(event_line(r#"{"event":"step","step":200,"epoch":1,"loss":0.5}"#).is_some());
        assert!(event_line("{\"event\":\"st").is_none());
    }
}
