//! Records of the journal: what a retraining has done, and on what evidence.

use cupola_datasets::DatasetManifest;
use cupola_monitor::service::VersionFigures;
use cupola_report::ComparedMetric;
use cupola_workflow::GateReport;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchRecord {
    /// Number of the retraining, from 1; `None` for what belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u64>,
    /// Time, RFC 3339 in UTC.
    pub at: String,
    /// State that was reached, with its evidence.
    #[serde(flatten)]
    pub state: WatchState,
}

/// State of a retraining, in the order in which they are reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WatchState {
    /// The watch began; schedules count from here.
    Opened,
    /// There was a reason to train, and a rule against it.
    Held {
        /// Name of the rule, such as `cooldown`.
        rule: String,
        /// Reasons to train.
        triggers: Vec<WatchTrigger>,
        /// The rule in words.
        why: String,
    },
    /// A retraining began.
    Triggered(Box<TriggerEvidence>),
    /// The rows are a version of a dataset.
    Collected(WatchedData),
    /// The rows meet the expectations of the config.
    Validated {
        /// Number of expectations.
        expectations: usize,
        /// Rows that were put aside.
        quarantined: u64,
    },
    /// The examples are made, and the config of the challenger is fixed.
    Prepared(Box<ChallengerConfig>),
    /// The challenger is trained and published.
    Trained(Box<TrainedChallenger>),
    /// The challenger was compared with the champion.
    Gated(Box<GateEvidence>),
    /// The challenger passed and waits for a person.
    Pending,
    /// A person released the challenger.
    Approved {
        /// User of the process.
        by: String,
    },
    /// A person refused the challenger.
    Declined {
        /// User of the process.
        by: String,
        /// Reason.
        why: String,
    },
    /// The alias of the canary points at the challenger: a server gives it a share of the requests.
    Canary {
        /// The alias.
        alias: String,
        /// Version of the challenger.
        to: u64,
    },
    /// The canary has ended.
    Tried(Box<LiveContest>),
    /// The champion was measured before the promotion.
    Measured {
        /// Its figures; `None` if the server gave none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        figures: Option<VersionFigures>,
        /// Reason why there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The alias points at the challenger.
    Promoted {
        /// The alias.
        alias: String,
        /// Version before; `None` for a new alias.
        from: Option<u64>,
        /// Version now.
        to: u64,
        /// Time until which it is followed, RFC 3339 in UTC; `None` if nothing is compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
    },
    /// The promoted version was compared with the earlier one by the metrics of a server.
    Live(Box<LiveContest>),
    /// The promoted version was compared with the earlier one on newer rows.
    Watched {
        /// `true` if it is worse by the whole interval of the difference.
        worse: bool,
        /// The comparison.
        contest: Box<ContestReport>,
    },
    /// End: the promoted version stays.
    Kept {
        /// Reason.
        why: String,
    },
    /// End: the alias points at the earlier version again.
    RolledBack {
        /// Version that was promoted.
        from: u64,
        /// Version now.
        to: u64,
        /// Reason.
        why: String,
    },
    /// End: the champion stays.
    Rejected {
        /// Reason.
        why: String,
    },
    /// End: something failed; the champion stays.
    Failed {
        /// Reason.
        why: String,
        /// Seconds of training that were spent.
        #[serde(default)]
        seconds: f64,
    },
}

impl WatchState {
    /// Name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Held { .. } => "held",
            Self::Triggered(_) => "triggered",
            Self::Collected(_) => "collected",
            Self::Validated { .. } => "validated",
            Self::Prepared(_) => "prepared",
            Self::Trained(_) => "trained",
            Self::Gated(_) => "gated",
            Self::Pending => "pending",
            Self::Approved { .. } => "approved",
            Self::Declined { .. } => "declined",
            Self::Canary { .. } => "canary",
            Self::Tried(_) => "tried",
            Self::Measured { .. } => "measured",
            Self::Promoted { .. } => "promoted",
            Self::Live(_) => "live",
            Self::Watched { .. } => "watched",
            Self::Kept { .. } => "kept",
            Self::RolledBack { .. } => "rolled_back",
            Self::Rejected { .. } => "rejected",
            Self::Failed { .. } => "failed",
        }
    }

    /// `true` if a retraining ends with it.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Kept { .. } | Self::RolledBack { .. } | Self::Rejected { .. } | Self::Failed { .. }
        )
    }
}

/// Reason to train, with the value that made it one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchTrigger {
    /// `first`, `schedule`, `new_data`, `drift`, `accuracy` or `alert`.
    pub name: String,
    /// Reason in words, with values.
    pub why: String,
}

/// Evidence of the beginning of a retraining.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerEvidence {
    /// Reasons.
    pub triggers: Vec<WatchTrigger>,
    /// `NAME:VERSION` behind the alias; `None` before the first promotion.
    pub champion: Option<String>,
    /// Config as it was named.
    pub config: String,
    /// SHA-256 of the config, without what the watch adds to it.
    pub config_sha256: String,
    /// Newest version of the dataset.
    pub data: WatchedData,
    /// Recent rows, if the config names some and there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<WatchedData>,
    /// Drift, if it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<MeasuredDrift>,
    /// Conditions on the champion on recent rows, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<GateReport>,
    /// Bytes of the file of alerts that are handled.
    #[serde(default)]
    pub alerts_read: u64,
    /// Bytes of the receiver's file up to which alerts are read.
    #[serde(default)]
    pub received_read: u64,
    /// `true` if a person has to release the challenger.
    pub approval: bool,
    /// Version of the code.
    pub code_version: String,
}

/// Version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedData {
    /// `NAME:VERSION`
    pub dataset: String,
    /// SHA-256 of the version.
    pub sha256: String,
    /// Number of rows.
    pub rows: usize,
}

impl WatchedData {
    /// Version of a manifest.
    pub(super) fn of(manifest: &DatasetManifest) -> Self {
        let dataset = &manifest.dataset;
        Self { dataset: manifest.label(), sha256: dataset.sha256.clone(), rows: dataset.rows }
    }
}

/// Drift between two versions of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredDrift {
    /// Data of the champion's training.
    pub reference: String,
    /// Data that was compared with it.
    pub current: String,
    /// Name of the measure.
    pub measure: String,
    /// Columns with their values, the largest first.
    pub columns: Vec<(String, f64)>,
    /// Columns whose value is at the limit or above.
    pub drifted: usize,
}

impl MeasuredDrift {
    /// Share of the measured columns that have drifted; 0 without a column.
    pub fn share(&self) -> f64 {
        if self.columns.is_empty() { 0.0 } else { self.drifted as f64 / self.columns.len() as f64 }
    }
}

/// Config of a challenger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChallengerConfig {
    /// SHA-256 of the config of its run.
    pub config_sha256: String,
    /// Seed of its run.
    pub seed: u64,
    /// Keys that the watch sets in the config, as `--set` takes them.
    pub overrides: Vec<String>,
    /// Short key of the prepared examples.
    pub stage: String,
}

/// Trained challenger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedChallenger {
    /// Id of the run.
    pub run: String,
    /// `NAME:VERSION`
    pub package: String,
    /// Seconds of training.
    pub seconds: f64,
    /// `true` if an earlier run had made it.
    pub reused: bool,
    /// Metrics of the test split.
    pub metrics: Map<String, Value>,
}

/// Evidence of the decision about a challenger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateEvidence {
    /// `true` if the challenger may be promoted.
    pub passed: bool,
    /// Reason in words.
    pub why: String,
    /// Version behind the alias when it was judged.
    pub champion: Option<u64>,
    /// Moves of the alias to the challenger's version that were made before.
    #[serde(default)]
    pub moves: usize,
    /// Conditions on the test rows of the challenger's run, with the comparison on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<GateReport>,
    /// Comparison on recent rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<ContestReport>,
}

/// Comparison of two versions on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContestReport {
    /// Version that is there.
    pub champion: String,
    /// Version that replaces it.
    pub challenger: String,
    /// The rows.
    pub data: WatchedData,
    /// Rows that both predicted.
    pub rows: u64,
    /// Metrics of both; `first` is the champion.
    pub metrics: Vec<ComparedMetric>,
    /// Judged claim.
    pub gate: GateReport,
}

/// Comparison of two versions by the metrics of the server that runs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveContest {
    /// `true` if the newer version has to go.
    pub worse: bool,
    /// Reason in words.
    pub why: String,
    /// Figures of the earlier version; `None` if the server gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<VersionFigures>,
    /// Figures of the newer version; `None` if the server gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<VersionFigures>,
}
