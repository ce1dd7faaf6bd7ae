//! The steps of a watch as a workflow of another scheduler.
//!
//! Each step is `cupola watch --once --until STATE`: the journal in the home folder carries what one step hands to the
//! next, so the scheduler needs no values of its own, and a step that is repeated does nothing twice.

mod airflow;
mod cron;
mod github;
mod kubeflow;

use cupola_deploy::shell_word;
use cupola_spec::{Watch, WatchSchedule, parse_zone};
use cupola_workflow::{ConfigSource, Session};
use jiff::tz::Offset;

use super::error::WatchError;

/// Scheduler that a watch is exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchScheduler {
    /// Directed graph of tasks of Apache Airflow, in Python.
    Airflow,
    /// Pipeline of Kubeflow, in its intermediate representation (YAML).
    Kubeflow,
    /// Line of a crontab.
    Cron,
    /// Workflow of GitHub Actions, in YAML.
    Github,
}

/// Scheduler, and the places where it runs the watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// Scheduler.
    pub scheduler: WatchScheduler,
    /// Path of the config where the scheduler runs it: absolute, or relative to the checkout of its repository for GitHub
    /// Actions.
    pub config: String,
    /// Home folder there, absolute.
    pub home: String,
    /// Image of a container with `cupola`.
    pub image: String,
}

/// Steps of a retraining: names and the states that they end at.
const STEPS: [(&str, &str); 7] = [
    ("look", "triggered"),
    ("collect", "collected"),
    ("validate", "validated"),
    ("prepare", "prepared"),
    ("train", "trained"),
    ("gate", "gated"),
    ("promote", "promoted"),
];

/// Everything that the formats need.
struct Exported<'a> {
    request: &'a ExportRequest,
    /// Name of the model.
    name: &'a str,
    /// Cron expression in UTC.
    schedule: String,
}

impl Exported<'_> {
    /// Folder of the config, where relative sources are looked up; empty for one beside the checkout's root.
    fn folder(&self) -> &str {
        self.request
            .config
            .rsplit_once('/')
            .map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder })
    }

    /// Words of a step's command.
    fn words(&self, until: Option<&str>) -> Vec<String> {
        let request = self.request;
        let mut words =
            vec!["cupola".to_owned(), "--home".to_owned(), request.home.clone(), "watch".to_owned()];
        words.extend(["--config".to_owned(), request.config.clone(), "--once".to_owned()]);
        words.extend(until.into_iter().flat_map(|until| ["--until".to_owned(), until.to_owned()]));
        words
    }

    /// Shell command of a step.
    fn command(&self, until: Option<&str>) -> String {
        self.words(until).iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }
}

/// Text of the workflow.
///
/// # Errors
/// A config without `[watch]`; a schedule that cannot be moved to UTC.
pub fn export(
    session: &Session<'_>,
    config: &ConfigSource,
    request: &ExportRequest,
) -> Result<String, WatchError> {
    let run = session.run_config(config)?;
    let watch = run.watch.as_ref().ok_or_else(|| {
        WatchError::request(format!("{} has no table `[watch]`", config.origin()), "add one")
    })?;
    let exported = Exported { request, name: &run.name, schedule: schedule(watch)? };
    match request.scheduler {
        WatchScheduler::Airflow => Ok(airflow::dag(&exported)),
        WatchScheduler::Kubeflow => kubeflow::pipeline(&exported),
        WatchScheduler::Cron => Ok(cron::line(&exported)),
        WatchScheduler::Github => github::workflow(&exported),
    }
}

/// Cron expression in UTC: that of the config if it has no other reason to train, or else one for its looks.
fn schedule(watch: &Watch) -> Result<String, WatchError> {
    let on = &watch.on;
    let others = on.new_data || on.drift.is_some() || on.accuracy.is_some() || on.alerts.is_some();
    let Some(text) = on.schedule.as_ref().filter(|_| !others) else {
        return Ok(looks(watch.every_seconds()));
    };
    let zone =
        parse_zone(&watch.zone).map_err(|error| WatchError::request(error.to_string(), "correct it"))?;
    let valid = WatchSchedule::parse(text, zone);
    valid.map_err(|error| WatchError::request(error.to_string(), "correct `watch.on.schedule`"))?;
    if zone != Offset::UTC {
        return Err(WatchError::request(
            format!("`watch.zone` is {}, and schedulers read `watch.on.schedule` in UTC", watch.zone),
            "write the schedule in UTC, and remove `watch.zone`",
        ));
    }
    Ok(text.clone())
}

/// Cron expression of about this many seconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a day")]
fn looks(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil().clamp(1.0, 1440.0) as u32;
    match minutes {
        1 => "* * * * *".to_owned(),
        2..=30 => format!("*/{minutes} * * * *"),
        31..=60 => "0 * * * *".to_owned(),
        61..=720 => format!("0 */{} * * *", minutes.div_ceil(60)),
        _ => "0 0 * * *".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_at_least_as_far_apart_as_asked() {
        let of = |seconds| looks(seconds);
        assert_eq!(of(1.0), "* * * * *");
        assert_eq!(of(600.0), "*/10 * * * *");
        assert_eq!(of(3600.0), "0 * * * *");
        assert_eq!(of(5400.0), "0 */2 * * *");
        assert_eq!(of(1e9), "0 0 * * *");
    }
}
