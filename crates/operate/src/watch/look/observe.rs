//! A look at the data and the champion, and the reasons to train that it gives.

use std::path::PathBuf;

use cupola_datasets::{AddOutcome, DatasetInfo, DatasetManifest, Datasets, LoadRequest};
use cupola_registry::{Home, Package};
use cupola_sources::{NoProgress, TextColumns};
use cupola_spec::{Run, Source, Watch, WatchSchedule, parse_zone};
use cupola_workflow::{GateConditions, GateReport, GateRequest, Session};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::watch::contest::{champion_of, model};
use crate::watch::drift::{DriftMeasure, DriftSides};
use crate::watch::error::WatchError;
use crate::watch::journal::WatchJournal;
use crate::watch::look::alerts::NewAlerts;
use crate::watch::look::clock::ages;
use crate::watch::look::inbox::AlertInbox;
use crate::watch::record::{MeasuredDrift, TriggerEvidence, WatchState, WatchTrigger, WatchedData};
use cupola_nn::DeviceChoice;

/// Surroundings of a look.
pub(in crate::watch) struct Surroundings<'a> {
    pub session: &'a Session<'a>,
    pub run: &'a Run,
    pub watch: &'a Watch,
    pub roots: &'a [PathBuf],
    pub device: DeviceChoice,
    pub drift: &'a dyn DriftMeasure,
}

/// Findings of a look.
pub(in crate::watch) struct Observation {
    pub evidence: TriggerEvidence,
    /// Sentences on values that could not be measured.
    pub notes: Vec<String>,
}

impl Surroundings<'_> {
    pub fn home(&self) -> &Home {
        self.session.home()
    }

    /// Looks at everything that may be a reason to train. `config` is its name and digest.
    ///
    /// # Errors
    /// A source of the rows that cannot be read; a champion that is damaged.
    pub fn observe(
        &self,
        journal: &WatchJournal,
        config: (String, String),
        approval: bool,
        now: Timestamp,
    ) -> Result<Observation, WatchError> {
        let mut notes = Vec::new();
        let champion = champion_of(self.home(), &self.run.name, &self.watch.alias)?;
        let newest = self.newest()?;
        let recent = self.recent(&mut notes);
        let drift = match (&champion, &self.watch.on.drift) {
            (Some(champion), Some(_)) => {
                let current = recent.as_ref().unwrap_or(&newest);
                self.drift(champion, current, &newest.name, journal, &mut notes)
            }
            _ => None,
        };
        let accuracy = match (&champion, &recent) {
            (Some(champion), Some(recent)) if !self.watch.accuracy().is_empty() => {
                Some(self.accuracy(champion, recent)?)
            }
            _ => None,
        };
        let mut alerts = self.alerts(journal)?;
        let received = self.received(journal)?;
        alerts.join(&received);
        if alerts.unreadable > 0 {
            notes.push(format!("{} lines of alerts are no JSON objects and were skipped", alerts.unreadable));
        }
        let mut evidence = TriggerEvidence {
            triggers: Vec::new(),
            champion: champion.as_ref().map(Package::label),
            config: config.0,
            config_sha256: config.1,
            data: WatchedData::of(&newest),
            recent: recent.as_ref().map(WatchedData::of),
            drift,
            accuracy,
            alerts_read: alerts.read,
            received_read: received.read,
            approval,
            code_version: cupola_workflow::CODE_VERSION.to_owned(),
        };
        evidence.triggers = self.triggers(&evidence, champion.as_ref(), journal, alerts.why(), now);
        Ok(Observation { evidence, notes })
    }

    /// Newest version of the dataset, after its source was collected.
    pub fn newest(&self) -> Result<DatasetManifest, WatchError> {
        let datasets = Datasets::new(self.home().root());
        if let [source] = self.run.data.source.patterns()
            && let Some(name) = source.strip_prefix("dataset:")
        {
            let known = datasets.named(name)?;
            // A pinned version stays what it is, and a version of a remote has no source here.
            if name.contains(':') || known.origin.is_some() {
                return Ok(known);
            }
            let pulled = datasets.pull(name, &NoProgress)?;
            return Ok(pulled.manifest().clone());
        }
        let name = self.watch.dataset.as_deref().unwrap_or(&self.run.name);
        self.add(name, &self.run.data.source)
    }

    /// Recent rows as a version of a dataset of their own; `None` without any.
    pub fn recent(&self, notes: &mut Vec<String>) -> Option<DatasetManifest> {
        let source = self.watch.recent.as_deref()?;
        let found = if let Some(name) = source.strip_prefix("dataset:") {
            Datasets::new(self.home().root()).named(name).map_err(WatchError::from)
        } else {
            let name = self.watch.dataset.as_deref().unwrap_or(&self.run.name);
            self.add(&format!("{name}-recent"), &Source::One(source.to_owned()))
        };
        match found {
            Ok(manifest) if manifest.dataset.rows > 0 => Some(manifest),
            Ok(manifest) => {
                notes.push(format!("{} has no rows", manifest.label()));
                None
            }
            Err(error) => {
                notes.push(format!("no recent rows: {}", one_line(&error)));
                None
            }
        }
    }

    fn add(&self, name: &str, source: &Source) -> Result<DatasetManifest, WatchError> {
        let request = LoadRequest {
            source,
            data: &self.run.data,
            expect: &self.run.expect,
            texts: TextColumns::None,
            roots: self.roots,
            home: self.home().root(),
            progress: &NoProgress,
        };
        let added = Datasets::new(self.home().root()).add(name, &request, &DatasetInfo::default())?;
        Ok(match added {
            AddOutcome::New(manifest) | AddOutcome::Same(manifest) => *manifest,
        })
    }

    /// Drift of `current` away from the data of the champion.
    fn drift(
        &self,
        champion: &Package,
        current: &DatasetManifest,
        dataset: &str,
        journal: &WatchJournal,
        notes: &mut Vec<String>,
    ) -> Option<MeasuredDrift> {
        let settings = self.watch.on.drift.as_ref()?;
        let reference = self.reference(champion, dataset, journal);
        let columns = if settings.columns.is_empty() { inputs(champion) } else { settings.columns.clone() };
        let sides = DriftSides {
            session: self.session,
            champion,
            device: self.device,
            reference: reference.as_ref(),
            current,
            columns: &columns,
            settings,
        };
        let why = match self.drift.measure(&sides) {
            Ok(Some(found)) => return Some(found),
            Ok(None) => {
                let label = champion.label();
                format!("{label} has no profile, and its data is in no version of {dataset}")
            }
            Err(error) => one_line(&error),
        };
        notes.push(format!("drift was not measured: {why}"));
        None
    }

    /// Version of the dataset that the champion was trained on.
    fn reference(
        &self,
        champion: &Package,
        dataset: &str,
        journal: &WatchJournal,
    ) -> Option<DatasetManifest> {
        let datasets = Datasets::new(self.home().root());
        let label = champion.label();
        let cycles = journal.cycles();
        let made = cycles.iter().rev().find(|cycle| cycle.trained().is_some_and(|one| one.package == label));
        if let Some(data) = made.and_then(|cycle| cycle.collected()) {
            return datasets.named(&data.dataset).ok();
        }
        let versions = datasets.versions(dataset).into_iter().rev();
        let mut manifests = versions.filter_map(|version| datasets.manifest(dataset, Some(version)).ok());
        manifests.find(|manifest| manifest.dataset.sha256 == champion.manifest.lineage.dataset_version)
    }

    /// Judges the champion on recent rows.
    fn accuracy(&self, champion: &Package, recent: &DatasetManifest) -> Result<GateReport, WatchError> {
        let table = toml::Table::from_iter([(
            "gate".to_owned(),
            toml::Value::try_from(self.watch.accuracy()).map_err(cupola_workflow::Error::from)?,
        )]);
        let text = toml::to_string(&table).map_err(cupola_workflow::Error::from)?;
        let request = GateRequest {
            model: model(champion, self.device),
            conditions: Some(GateConditions { origin: "[watch.on.accuracy]".to_owned(), text }),
            data: Some(format!("dataset:{}", recent.label())),
        };
        Ok(self.session.gate(&request)?.gate)
    }

    fn alerts(&self, journal: &WatchJournal) -> Result<NewAlerts, WatchError> {
        let Some(file) = &self.watch.on.alerts else { return Ok(NewAlerts::default()) };
        let read =
            journal.cycles().last().and_then(|cycle| Some(cycle.triggered()?.alerts_read)).unwrap_or(0);
        let found = self.roots.iter().map(|root| root.join(file)).find(|path| path.is_file());
        found.map_or_else(|| Ok(NewAlerts::default()), |path| NewAlerts::read(&path, read, &self.run.name))
    }

    /// Alerts that the receiver of the watch has stored.
    fn received(&self, journal: &WatchJournal) -> Result<NewAlerts, WatchError> {
        if self.watch.on.webhook.is_none() {
            return Ok(NewAlerts::default());
        }
        let cycles = journal.cycles();
        let read = cycles.last().and_then(|cycle| Some(cycle.triggered()?.received_read)).unwrap_or(0);
        NewAlerts::read(AlertInbox::of(self.home(), &self.run.name).path(), read, &self.run.name)
    }

    /// Reasons to train.
    fn triggers(
        &self,
        evidence: &TriggerEvidence,
        champion: Option<&Package>,
        journal: &WatchJournal,
        alert: Option<String>,
        now: Timestamp,
    ) -> Vec<WatchTrigger> {
        let on = &self.watch.on;
        let first =
            champion.is_none().then(|| format!("no version is `{}@{}` yet", self.run.name, self.watch.alias));
        let schedule = on.schedule.as_deref().and_then(|text| self.scheduled(text, journal, now));
        let new_data = if on.new_data { Self::new_data(evidence, champion, journal) } else { None };
        let drift = evidence.drift.as_ref().zip(on.drift.as_ref()).and_then(|(found, settings)| {
            let enough = found.drifted > 0 && found.share() >= settings.share;
            enough.then(|| drift_in_words(found, settings.index))
        });
        let accuracy = evidence.accuracy.as_ref().and_then(accuracy_in_words);
        let all = [
            ("first", first),
            ("schedule", schedule),
            ("new_data", new_data),
            ("drift", drift),
            ("accuracy", accuracy),
            ("alert", alert),
        ];
        let fired = all.into_iter().filter_map(|(name, why)| Some((name, why?)));
        fired.map(|(name, why)| WatchTrigger { name: name.to_owned(), why }).collect()
    }

    /// The time of the schedule that has passed since the last retraining.
    fn scheduled(&self, text: &str, journal: &WatchJournal, now: Timestamp) -> Option<String> {
        let schedule = WatchSchedule::parse(text, parse_zone(&self.watch.zone).ok()?).ok()?;
        let records = journal.records();
        let counts = |state: &WatchState| matches!(state, WatchState::Opened | WatchState::Triggered(_));
        let since = records.iter().zip(ages(records, now)).rev().find(|(record, _)| counts(&record.state));
        let age = since.map_or(0.0, |(_, age)| age);
        let since = now.checked_sub(SignedDuration::try_from_secs_f64(age).ok()?).ok()?;
        let due = schedule.next_after(since)?;
        (due <= now).then(|| format!("`{text}` was due at {due:.0}"))
    }

    /// The version that the last retraining or the champion did not have.
    fn new_data(
        evidence: &TriggerEvidence,
        champion: Option<&Package>,
        journal: &WatchJournal,
    ) -> Option<String> {
        let cycles = journal.cycles();
        let before = cycles.iter().rev().find_map(|cycle| cycle.collected());
        let (known, name) = match (before, champion) {
            (Some(before), _) => (before.sha256.clone(), before.dataset.clone()),
            (None, Some(champion)) => (champion.manifest.lineage.dataset_version.clone(), champion.label()),
            (None, None) => return None,
        };
        let data = &evidence.data;
        (data.sha256 != known)
            .then(|| format!("{} has {} rows, the last was {name}", data.dataset, data.rows))
    }
}

fn drift_in_words(found: &MeasuredDrift, limit: f64) -> String {
    let top: Vec<String> =
        found.columns.iter().take(3).map(|(name, index)| format!("{name} {index:.2}")).collect();
    format!(
        "{} of {} columns of {} have a {} of {limit} or more: {}",
        found.drifted,
        found.columns.len(),
        found.current,
        found.measure,
        top.join(", ")
    )
}

fn accuracy_in_words(gate: &GateReport) -> Option<String> {
    let broken = gate.broken().filter(|condition| condition.found.is_some());
    let each: Vec<String> = broken
        .map(|condition| {
            let found = condition.found.unwrap_or(f64::NAN);
            format!("{} is {found:.4}, required {}", condition.key, condition.required)
        })
        .collect();
    (!each.is_empty()).then(|| each.join("; "))
}

/// Columns that a model reads.
fn inputs(champion: &Package) -> Vec<String> {
    let listed = champion.manifest.signature["inputs"].as_array().cloned().unwrap_or_default();
    listed.iter().filter_map(|input| input["name"].as_str()).map(str::to_owned).collect()
}

/// Error on one line.
pub(in crate::watch) fn one_line(error: &dyn std::error::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Result of a look without a retraining, for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WatchLook {
    /// Findings.
    pub evidence: TriggerEvidence,
    /// Rule that holds a retraining, and its words.
    pub held: Option<(String, String)>,
    /// Sentences on values that could not be measured.
    pub notes: Vec<String>,
}
