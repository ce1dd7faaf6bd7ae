//! Prepared rows of a run and the record of their sources.

use cupola_datasets::{ContractReport, DatasetVersion, Stream, Table};
use cupola_prep::{Plan, Prepared, SplitPart};
use cupola_sources::SourceNote;
use serde::{Deserialize, Serialize};

use crate::models::pretrained::Pretrained;

/// Rows of a run, ready to train on, and their sources.
pub struct LoadedData {
    /// Plan and examples of all splits.
    pub prepared: Prepared,
    /// Source of the run.
    pub source: SourceReport,
    /// Test source of the run, if it has one.
    pub test: Option<SourceReport>,
    /// Package that training starts from, if the config names one.
    pub pretrained: Option<Pretrained>,
}

impl LoadedData {
    /// Examples of the training split.
    pub fn train_rows(&self) -> usize {
        self.prepared.rows(SplitPart::Train)
    }

    /// Decisions of the readers of both sources that the user should know of.
    pub fn notes(&self) -> impl Iterator<Item = &SourceNote> {
        let test = self.test.iter().flat_map(|test| &test.notes);
        self.source.notes.iter().chain(test)
    }

    /// Plan that `run` starts from, of the package that it names.
    pub(super) fn learned(pretrained: Option<&Pretrained>) -> Option<&Plan> {
        pretrained.map(|start| &start.plan)
    }
}

/// Version of a source that was read, and how its rows met the expectations.
#[derive(Serialize, Deserialize)]
pub struct SourceReport {
    /// Digest, schema and files.
    pub version: DatasetVersion,
    /// Expectations and quarantined rows.
    pub report: ContractReport,
    /// Decisions of the reader that its user should know of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<SourceNote>,
}

impl From<Table> for SourceReport {
    fn from(table: Table) -> Self {
        Self { version: table.version, report: table.report, notes: table.notes }
    }
}

impl From<Stream> for SourceReport {
    fn from(stream: Stream) -> Self {
        Self {
            version: stream.version().clone(),
            report: stream.report().clone(),
            notes: stream.notes().to_vec(),
        }
    }
}
