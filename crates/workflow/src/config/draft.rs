//! `init`: a config drafted from the data, with the reason of each decision.
//!
//! A sample of the rows is read ([`sample`]), each column described by the rules of training
//! ([`columns`]), and target, inputs, split and model are chosen. The result is a [`Draft`], which becomes a commented
//! TOML text ([`Draft::to_toml`]) that trains as it is.

mod columns;
mod contract;
mod model;
mod pictures;
mod project;
mod ranking;
mod sample;
mod series;
mod target;
mod texts;
mod toml_text;

use cupola_spec::{Decimal, Family, Input, Kind, Series, Target, TargetKind};
use serde::Serialize;

use self::columns::Columns;
pub use self::project::{PRODUCTION, ProjectDraft};
use self::sample::DataSample;
use crate::config::ConfigSource;
use crate::error::Error;
use crate::session::Session;

/// Data to draft a config for.
#[derive(Debug, Clone, Default)]
pub struct DraftRequest {
    /// Source as in `data.source`: a file, a glob, a folder, a URL.
    pub source: String,
    /// Column of the target; `None` for the classes of a folder.
    pub target: Option<String>,
    /// Kind of the target; `None` to infer it.
    pub kind: Option<TargetKind>,
    /// Column of the groups of a ranking; `None` for any other kind.
    pub group: Option<String>,
    /// Name of the run; `None` for one of the source.
    pub name: Option<String>,
}

/// Purpose of a column in a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftRole {
    /// Input of the model.
    Input,
    /// Target of the model.
    Target,
    /// Time that rows are sorted by.
    Time,
    /// Key that tells series apart.
    Key,
    /// Name of the group that a row is ranked in.
    Group,
    /// Column that is not used.
    LeftOut,
}

/// One column of a draft.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DraftColumn {
    /// Name of the column.
    pub name: String,
    /// Purpose.
    pub role: DraftRole,
    /// Kind of the values; `None` for a column that no input takes.
    pub kind: Option<Kind>,
    /// Reason in a few words.
    pub reason: String,
    /// Number of distinct values in the sample.
    pub distinct: usize,
    /// Number of missing values in the sample.
    pub missing: usize,
    /// First value that is not missing, as the source wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// Settings of the input, if it is one.
    #[serde(skip)]
    pub(crate) input: Option<Input>,
}

/// Split in the order of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DraftSplit {
    /// Column of times.
    pub column: String,
    /// Format of its texts; `None` for ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Reason.
    pub reason: String,
}

/// Model of a draft and the length of its training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DraftModel {
    /// The family with its sizes.
    pub family: Family,
    /// Reason for the family.
    pub reason: String,
    /// Epochs and examples of a batch; `None` for trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<DraftTraining>,
}

/// Length of the training of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DraftTraining {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Examples of a batch.
    pub batch_size: usize,
    /// Evaluations without improvement after which training ends.
    pub patience: usize,
}

/// Config that was drafted from data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    /// Name of the run and the model.
    pub name: String,
    /// Source of the rows.
    pub source: String,
    /// Number of rows in the sample.
    pub rows: usize,
    /// `true` if the sample has all rows.
    pub complete: bool,
    /// `true` if files of plain text have a row for each paragraph.
    pub paragraphs: bool,
    /// Texts that mean a missing value besides those of the defaults.
    pub missing_texts: Vec<String>,
    /// Decimal mark, if the numbers can be read in two ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Column of paths whose files are read in their place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// Columns in the order of the table.
    pub columns: Vec<DraftColumn>,
    /// Inputs as the config declares them.
    pub inputs: Vec<Input>,
    /// Target as the config declares it.
    pub target: Target,
    /// Reason for the kind of the target.
    pub target_reason: String,
    /// `true` if rows without a target are left out.
    pub missing_targets: bool,
    /// Split in the order of time; `None` for the default split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<DraftSplit>,
    /// Time and keys of a forecast.
    #[serde(skip_serializing_if = "Series::is_empty")]
    pub series: Series,
    /// Model and the length of its training.
    pub model: DraftModel,
    /// Decisions that the user should look at.
    pub warnings: Vec<String>,
}

/// Kind, reason and input of a column.
type Described = (Option<Kind>, String, Option<Input>);

fn left_out(why: &str) -> Described {
    (None, why.to_owned(), None)
}

/// Fewest neighbouring columns of one kind and reason that are shown as one.
const MANY_ALIKE: usize = 5;

impl Draft {
    /// Columns to show one by one, each with its name: many neighbours of one kind and reason are one, such as
    /// `pixel_0 to pixel_63 (64 columns)`.
    pub fn shown_columns(&self) -> Vec<(String, &DraftColumn)> {
        let alike = |a: &DraftColumn, b: &DraftColumn| {
            a.role == b.role && a.kind == b.kind && a.reason == b.reason && a.missing == 0 && b.missing == 0
        };
        let mut shown = Vec::new();
        for run in self.columns.chunk_by(alike) {
            match run {
                [first, .., last] if run.len() >= MANY_ALIKE => {
                    let name = format!("{} to {} ({} columns)", first.name, last.name, run.len());
                    shown.push((name, first));
                }
                _ => shown.extend(run.iter().map(|column| (column.name.clone(), column))),
            }
        }
        shown
    }

    /// The draft as a config that `train` takes.
    pub fn config(&self) -> ConfigSource {
        ConfigSource::text(format!("config for {}", self.source), self.to_toml())
    }
}

impl Session<'_> {
    /// Drafts a config from up to 10,000 rows of a source.
    ///
    /// # Errors
    /// Sources that cannot be read; [`Error::Draft`] for a target that is missing or cannot be learned, or data without
    /// a usable input.
    pub fn draft(&self, request: &DraftRequest) -> Result<Draft, Error> {
        Ok(self.drafted(request)?.0)
    }

    /// Draft, and the rows that it was made of.
    fn drafted(&self, request: &DraftRequest) -> Result<(Draft, DataSample), Error> {
        let language_model = request.kind == Some(TargetKind::NextToken);
        let paragraphs = language_model && sample::may_be_plain_text(&request.source);
        let data = DataSample::read(self, &request.source, paragraphs)?;
        let mut columns = Columns::of(&data);
        let (target, target_reason) = target::choose(request, &data, &mut columns)?;
        let mut draft = Draft {
            name: request.name.clone().unwrap_or_else(|| sample::run_name(&request.source)),
            source: request.source.clone(),
            rows: data.frame.rows(),
            complete: data.complete,
            paragraphs,
            missing_texts: columns.missing_texts.clone(),
            decimal: columns.decimal,
            files: columns.files.clone(),
            missing_targets: false,
            split: None,
            series: Series::default(),
            model: model::placeholder(),
            warnings: std::mem::take(&mut columns.warnings),
            inputs: Vec::new(),
            columns: columns.columns,
            target,
            target_reason,
        };
        draft.missing_targets = target::has_missing(&draft);
        series::order(&mut draft, &data, request.kind);
        if draft.inputs.is_empty() {
            draft.inputs = columns::declared(&draft);
        }
        if draft.inputs.is_empty() {
            return Err(Error::draft(
                format!("{} has no column that an input can use besides the target", draft.source),
                "see the columns with `cupola data profile`, and declare `[[inputs]]` in a config",
            ));
        }
        draft.model = model::choose(&draft);
        Ok((draft, data))
    }
}

#[cfg(test)]
mod tests;
