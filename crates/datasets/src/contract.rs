//! Expectations on rows, and their outcome.
//!
//! Conditions on values are checked while rows are read, conditions on the whole table at the end. Rows that
//! violate a condition with the severity `quarantine` are removed and written to a file with their number and
//! the reason.

mod rule;

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use arrow::record_batch::RecordBatch;
use cupola_sources::{Error as SourceError, LineFinder, SourceBatch};
use cupola_spec::{Decimal, Expectation, Severity};
use cupola_values::DecimalMark;
use serde::{Deserialize, Serialize};

use self::rule::{ColumnValues, Rule, rules};
use crate::error::Error;
use crate::profile::Profile;

/// Outcome of all expectations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ContractReport {
    /// One outcome for each condition, in the order of the config.
    pub outcomes: Vec<RuleOutcome>,
    /// Number of quarantined rows.
    pub quarantined: u64,
    /// File with the quarantined rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Quarantined rows as JSON lines, until they are written.
    #[serde(skip)]
    pending: Vec<u8>,
}

/// Outcome of one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleOutcome {
    /// Condition in words.
    pub what: String,
    /// Consequence of a violation.
    pub severity: Severity,
    /// `true` if no row violates it.
    pub met: bool,
    /// Number of rows that violate it; 1 for a condition on the whole table.
    pub broken: u64,
    /// First violation, or the value found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Checker of the expectations of a source.
pub(crate) struct Contract {
    checks: Vec<Check>,
    /// Names of the files, if there are several.
    files: Vec<String>,
    rows: u64,
    dropped: Vec<u64>,
    /// Number of rows that the reader left out.
    rejected: u64,
    lines: Vec<u8>,
    /// Declared decimal mark of texts.
    decimal: Option<DecimalMark>,
    /// Finder of the lines of rows; `None` for rows that are in no file.
    text_lines: Option<LineFinder>,
}

/// File of a row, if there are several, and its number there.
type Place = (Option<String>, u64);

/// Rows of a batch that are not quarantined.
pub(crate) struct CheckedRows {
    pub rows: RecordBatch,
    /// Offsets of the quarantined rows in the batch.
    pub dropped: Vec<usize>,
}

/// Loads schema and rows of another source.
pub(crate) type LoadReference<'a> = &'a dyn Fn(&str) -> Result<(SchemaRef, Vec<RecordBatch>), Error>;

struct Check {
    what: String,
    severity: Severity,
    column: usize,
    rule: Rule,
    broken: u64,
    first: Option<String>,
}

impl Contract {
    /// Contract of the expectations on rows with `schema`; `reference` loads what foreign keys name.
    pub fn new(
        expect: &[Expectation],
        reference: LoadReference<'_>,
        schema: &SchemaRef,
        before: Option<&Profile>,
    ) -> Result<Self, Error> {
        let mut checks = Vec::new();
        for (index, expectation) in expect.iter().enumerate() {
            checks.extend(checks_of(reference, index, expectation, schema, before)?);
        }
        Ok(Self {
            checks,
            files: Vec::new(),
            rows: 0,
            dropped: Vec::new(),
            rejected: 0,
            lines: Vec::new(),
            decimal: None,
            text_lines: None,
        })
    }

    /// Names the files of the source, which messages then tell apart.
    pub fn with_files(self, files: Vec<String>) -> Self {
        if files.len() > 1 { Self { files, ..self } } else { self }
    }

    /// Declares the decimal mark of texts.
    pub fn with_decimal(self, decimal: Option<Decimal>) -> Self {
        let decimal = decimal.map(|decimal| match decimal {
            Decimal::Point => DecimalMark::Point,
            Decimal::Comma => DecimalMark::Comma,
        });
        Self { decimal, ..self }
    }

    /// Names the line of the first row that breaks a condition.
    pub fn with_lines(self, lines: LineFinder) -> Self {
        Self { text_lines: Some(lines), ..self }
    }

    /// Checks a batch; returns it without quarantined rows.
    pub fn check(&mut self, batch: &SourceBatch) -> Result<CheckedRows, Error> {
        for rejected in &batch.rejected {
            let file = self.file_of(batch);
            self.note_values((file, rejected.row), &rejected.reason, &rejected.text.as_str().into())?;
        }
        self.rejected += batch.rejected.len() as u64;
        let rows = &batch.rows;
        let file = self.file_of(batch);
        let before = self.rows;
        let number = |row: usize| match &batch.origin {
            Some(origin) => origin.number(row),
            None => before + row as u64 + 1,
        };
        let text_lines = self.text_lines.as_ref();
        let line = |row: usize| {
            let origin = batch.origin.as_ref();
            let line = origin.zip(text_lines).and_then(|(at, lines)| lines.line(at.file, at.number(row)));
            line.map_or(String::new(), |line| format!(" (line {line})"))
        };
        let mut reasons: Vec<(usize, String)> = Vec::new();
        for check in &mut self.checks {
            let values = ColumnValues::of(rows, check.column, self.decimal)?;
            for row in 0..rows.num_rows() {
                let Some(found) = check.rule.broken_by(&values, row) else { continue };
                check.broken += 1;
                check.first.get_or_insert_with(|| {
                    let file = file.as_ref().map_or(String::new(), |file| format!("{file}: "));
                    format!("{file}row {}{}: {found}", number(row), line(row))
                });
                if check.severity == Severity::Quarantine {
                    reasons.push((row, format!("{}: {found}", check.what)));
                }
            }
        }
        self.rows += rows.num_rows() as u64;
        if reasons.is_empty() {
            return Ok(CheckedRows { rows: rows.clone(), dropped: Vec::new() });
        }
        reasons.sort_by_key(|(row, _)| *row);
        let mut bad: Vec<usize> = Vec::new();
        for (row, reason) in reasons {
            if bad.last() == Some(&row) {
                continue;
            }
            bad.push(row);
            self.dropped.push(before + row as u64);
            self.note(&rows.slice(row, 1), (file.clone(), number(row)), &reason)?;
        }
        Ok(CheckedRows { rows: without(rows, &bad)?, dropped: bad })
    }

    /// Name of the file of a batch, if there are several.
    fn file_of(&self, batch: &SourceBatch) -> Option<String> {
        self.files.get(batch.origin.as_ref()?.file).cloned()
    }

    /// Records a quarantined row.
    fn note(&mut self, row: &RecordBatch, place: Place, reason: &str) -> Result<(), Error> {
        let wrong = |why: String| -> Error {
            SourceError::Engine { path: "the quarantine file".to_owned(), why }.into()
        };
        let mut text = Vec::new();
        let mut writer = LineDelimitedWriter::new(&mut text);
        writer.write(row).and_then(|()| writer.finish()).map_err(|error| wrong(error.to_string()))?;
        let values: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        self.note_values(place, reason, &values)
    }

    fn note_values(&mut self, place: Place, reason: &str, values: &serde_json::Value) -> Result<(), Error> {
        let (file, number) = place;
        let mut line = serde_json::json!({ "row": number, "reason": reason, "values": values });
        if let Some(file) = file {
            line["file"] = file.into();
        }
        writeln!(self.lines, "{line}").map_err(|error| {
            SourceError::Engine { path: "the quarantine file".to_owned(), why: error.to_string() }.into()
        })
    }

    /// Outcomes, and the numbers of the quarantined rows.
    pub fn finish(self) -> (ContractReport, Vec<u64>) {
        let rows = self.rows;
        let outcome = |check: Check| {
            let (broken, detail) = match check.rule.broken_by_all(rows) {
                Some(found) => (1, found),
                None => (check.broken, check.first.unwrap_or_default()),
            };
            RuleOutcome { what: check.what, severity: check.severity, met: broken == 0, broken, detail }
        };
        let outcomes = self.checks.into_iter().map(outcome).collect();
        let quarantined = self.dropped.len() as u64 + self.rejected;
        (ContractReport { outcomes, quarantined, file: None, pending: self.lines }, self.dropped)
    }
}

fn checks_of(
    reference: LoadReference<'_>,
    index: usize,
    expectation: &Expectation,
    schema: &SchemaRef,
    before: Option<&Profile>,
) -> Result<Vec<Check>, Error> {
    let column = match &expectation.column {
        None => 0,
        Some(name) => schema.index_of(name).map_err(|_| {
            let known = schema.fields().iter().map(|field| field.name().as_str());
            let hint = cupola_spec::did_you_mean(name, known);
            let what = format!("number {}", index + 1);
            Error::Expectation {
                what,
                why: format!("there is no column `{name}`{hint}; name one of the data"),
            }
        })?,
    };
    let rules = rules(reference, expectation, before)?;
    let severity = expectation.severity;
    let check = |(what, rule)| Check { what, severity, column, rule, broken: 0, first: None };
    Ok(rules.into_iter().map(check).collect())
}

/// Removes rows from a batch.
pub(crate) fn without(batch: &RecordBatch, bad: &[usize]) -> Result<RecordBatch, Error> {
    let mut keep = vec![true; batch.num_rows()];
    for row in bad {
        keep[*row] = false;
    }
    filter_record_batch(batch, &BooleanArray::from(keep))
        .map_err(|error| SourceError::Engine { path: "the rows".to_owned(), why: error.to_string() }.into())
}

impl ContractReport {
    /// Writes the quarantined rows of a dataset version to `data/quarantine` of the home.
    pub(crate) fn write_quarantine(&mut self, home: &Path, version: &str) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let name = format!("{}.jsonl", &version[..version.len().min(12)]);
        let path = home.join("data").join("quarantine").join(name);
        cupola_store::write_file(&path, &std::mem::take(&mut self.pending))?;
        self.file = Some(path);
        Ok(())
    }

    /// Fails if an expectation with the severity `fail` is not met.
    pub(crate) fn require_met(&self) -> Result<(), Error> {
        let failed: Vec<String> = self
            .outcomes
            .iter()
            .filter(|outcome| !outcome.met && outcome.severity == Severity::Fail)
            .map(RuleOutcome::line)
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        let are = if failed.len() == 1 { "is" } else { "are" };
        Err(Error::Unmet { count: failed.len(), are, list: failed.join("\n") })
    }
}

impl RuleOutcome {
    /// One line of text.
    pub fn line(&self) -> String {
        match (self.met, self.broken) {
            (true, _) => format!("{}: met", self.what),
            (false, 1) => format!("{}: {}", self.what, self.detail),
            (false, n) => format!("{}: {n} rows, the first {}", self.what, self.detail),
        }
    }
}

#[cfg(test)]
mod tests;
