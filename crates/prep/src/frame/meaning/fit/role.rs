//! Purpose of a raw column in a run.

use cupola_spec::{Decimal, Input, Kind, Run, TargetKind, matches_pattern};
use cupola_values::DecimalMark;

/// Purpose of a raw column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Number of an input or a target.
    Number,
    /// Number that `clean.numbers` parses, after the other steps of cleaning.
    Cleaned,
    /// Pixel or sample, unless the column holds files.
    Values,
    /// Category, or class of a target.
    Category,
    /// Date; `true` if the input declares a format.
    Date(bool),
    /// Free text.
    Text,
    /// Column whose kind follows from its values.
    Inferred,
    /// Column that the run does not use.
    Unused,
}

impl Role {
    pub fn of(run: &Run, computed: &[String], name: &str) -> Self {
        if run.clean.numbers.iter().any(|pattern| matches_pattern(pattern, name)) {
            return Self::Cleaned;
        }
        if computed.iter().any(|column| column == name) {
            return Self::Inferred;
        }
        let of_input = |input: &Input| match input.kind {
            Kind::Series if input.window.is_some() => Self::Number,
            Kind::Number => Self::Number,
            Kind::Image | Kind::Series => Self::Values,
            Kind::Category => Self::Category,
            Kind::Date => Self::Date(input.format.is_some()),
            Kind::Text => Self::Text,
        };
        let uses =
            |input: &&Input| input.column_patterns().iter().any(|pattern| matches_pattern(pattern, name));
        let inputs = run.inputs.iter().filter(uses).map(of_input);
        let targets = run.targets.iter().filter(|target| target.column() == Some(name));
        let targets = targets.map(|target| match target.kind {
            TargetKind::Number | TargetKind::Forecast | TargetKind::Rank => Self::Number,
            TargetKind::Category | TargetKind::Reconstruct => Self::Category,
            TargetKind::NextToken => Self::Text,
        });
        let time = run.time_column().filter(|(column, _)| *column == name);
        let time = time.map(|(_, format)| Self::Date(format.is_some()));
        let group = run.targets.iter().any(|target| target.group() == Some(name)).then_some(Self::Category);
        let key = run.series.keys().iter().any(|key| key == name).then_some(Self::Category);
        // A column with several purposes keeps its text, from which all of them can be had.
        let mut roles: Vec<Self> = inputs.chain(targets).chain(time).chain(group).chain(key).collect();
        roles.sort_by_key(|role| match role {
            Self::Category => 0,
            Self::Date(_) => 1,
            Self::Text => 2,
            _ => 3,
        });
        let other = if run.inputs.is_empty() { Self::Inferred } else { Self::Unused };
        roles.first().copied().unwrap_or(other)
    }
}

/// Decimal mark that a config declares.
pub(super) fn decimal_mark(decimal: Decimal) -> DecimalMark {
    match decimal {
        Decimal::Point => DecimalMark::Point,
        Decimal::Comma => DecimalMark::Comma,
    }
}
