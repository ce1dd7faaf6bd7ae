//! Target of a draft: its column, its kind, or a message that lists the columns.

use cupola_spec::{Kind, Target, TargetKind, did_you_mean};

use super::columns::{Columns, listed};
use super::sample::DataSample;
use super::{Draft, DraftColumn, DraftRequest, DraftRole, texts};
use crate::error::Error;

/// Most distinct whole numbers that are classes.
const MAX_CLASSES: usize = 20;
/// Rows that each class of whole numbers has, on average.
const ROWS_OF_CLASS: usize = 10;
/// Most distinct texts that are classes.
const MAX_TEXT_CLASSES: usize = 1000;
/// Names of columns that usually are targets.
const NAMES: [&str; 14] = [
    "target", "label", "class", "y", "outcome", "churn", "churned", "price", "sales", "income", "survived",
    "fraud", "default", "response",
];
/// Columns that a message lists.
const LISTED: usize = 12;

/// Chooses the target, and takes its column out of the inputs.
pub(super) fn choose(
    request: &DraftRequest,
    data: &DataSample,
    columns: &mut Columns,
) -> Result<(Target, String), Error> {
    let target = match (&request.target, request.kind, data.media) {
        (Some(named), ..) => {
            if !columns.columns.iter().any(|column| column.name == *named) {
                let near = did_you_mean(named, columns.columns.iter().map(|column| column.name.as_str()));
                let why = format!("unknown target `{named}`{near}: {}", all(&columns.columns));
                return Err(Error::draft(why, "name one of them with --target"));
            }
            Some(named.clone())
        }
        (None, Some(TargetKind::Reconstruct), _) => None,
        (None, Some(TargetKind::NextToken), _) => text_column(&columns.columns),
        (None, _, Some(_)) => Some("class".to_owned()).filter(|class| data.frame.get(class).is_some()),
        (None, ..) => None,
    };
    let group = group(request, &mut columns.columns)?;
    let column = target.and_then(|name| columns.columns.iter_mut().find(|column| column.name == name));
    match (request.kind, column) {
        (Some(TargetKind::NextToken), Some(column)) => language_model(column, data),
        (Some(TargetKind::Reconstruct), column) => Ok(anomalies(column)),
        (kind, Some(column)) => {
            let (target, reason) = of_column(kind, column, data)?;
            Ok((Target { group, ..target }, reason))
        }
        (_, None) => Err(missing(&columns.columns)),
    }
}

/// Column of the groups of a ranking, which is taken out of the inputs.
fn group(request: &DraftRequest, columns: &mut [DraftColumn]) -> Result<Option<String>, Error> {
    let group = match (request.kind, &request.group) {
        (Some(TargetKind::Rank), Some(group)) => group,
        (Some(TargetKind::Rank), None) => {
            let why = format!("a ranking has groups, such as the results of a query: {}", all(columns));
            return Err(Error::draft(why, "name the column of the groups with --group"));
        }
        (_, None) => return Ok(None),
        (_, Some(group)) => {
            let why = format!("`{group}` is a group, but only a ranking has groups");
            return Err(Error::draft(why, "add --kind rank, or leave --group out"));
        }
    };
    let Some(column) = columns.iter().position(|column| column.name == *group) else {
        let near = did_you_mean(group, columns.iter().map(|column| column.name.as_str()));
        let why = format!("unknown group `{group}`{near}: {}", all(columns));
        return Err(Error::draft(why, "name one of them with --group"));
    };
    let column = &mut columns[column];
    column.role = DraftRole::Group;
    column.input = None;
    "rows are ranked within each of its values".clone_into(&mut column.reason);
    Ok(Some(group.clone()))
}

/// Target of a column by its values, or of the kind that was asked for.
fn of_column(
    kind: Option<TargetKind>,
    column: &mut DraftColumn,
    data: &DataSample,
) -> Result<(Target, String), Error> {
    let name = column.name.clone();
    let (found, reason) = match (kind, kind_of(column, data)) {
        (Some(asked), _) => (asked, "as asked for".to_owned()),
        (None, Some(found)) => found,
        (None, None) => {
            let why = format!("target `{name}` cannot be learned: {}", column.reason);
            return Err(Error::draft(why, "name another column with --target, or give its kind with --kind"));
        }
    };
    column.role = DraftRole::Target;
    column.kind = Some(if found == TargetKind::Category { Kind::Category } else { Kind::Number });
    column.input = None;
    column.reason.clone_from(&reason);
    Ok((Target::new(&name, found), reason))
}

/// Kind of a target and its reason; `None` for dates, texts, identifiers and columns without values.
fn kind_of(column: &DraftColumn, data: &DataSample) -> Option<(TargetKind, String)> {
    let (distinct, present) = (column.distinct, data.frame.rows() - column.missing);
    let classes = |reason: String| Some((TargetKind::Category, reason));
    match column.kind {
        Some(Kind::Category) => classes(format!("{distinct} classes")),
        Some(Kind::Number) => {
            let few = distinct <= MAX_CLASSES && distinct * ROWS_OF_CLASS <= present;
            if distinct == 2 || few && is_whole(&column.name, data) {
                let reason = format!(
                    "{distinct} whole numbers are classes; write `kind = \"number\"` if they are a quantity"
                );
                return classes(reason);
            }
            Some((TargetKind::Number, format!("{distinct} different numbers")))
        }
        // A class of which the sample has one value only, or more values than an input would take.
        None if distinct == 1 && column.missing == 0 => classes("one class in the sample".to_owned()),
        None if distinct > 1 && distinct <= MAX_TEXT_CLASSES && distinct * 2 <= present => {
            classes(format!("{distinct} classes"))
        }
        _ => None,
    }
}

fn is_whole(name: &str, data: &DataSample) -> bool {
    let numbers = |row: usize| data.frame.get(name).and_then(|column| column.number(row).ok().flatten());
    (0..data.frame.rows()).filter_map(numbers).all(|number| number.fract() == 0.0)
}

/// Next token of a text, which is the only input.
fn language_model(column: &mut DraftColumn, data: &DataSample) -> Result<(Target, String), Error> {
    let Some((input, reason)) = texts::language_model(&column.name, &data.frame) else {
        let why = format!("column `{}` holds no texts to learn a language from", column.name);
        return Err(Error::draft(why, "name a column of texts with --target"));
    };
    column.role = DraftRole::Input;
    column.kind = Some(Kind::Text);
    column.input = Some(input);
    column.reason.clone_from(&reason);
    Ok((Target::new(&column.name, TargetKind::NextToken), reason))
}

/// Anomaly scores; `labels` is the column that marks anomalies, if there is one.
fn anomalies(labels: Option<&mut DraftColumn>) -> (Target, String) {
    let mut target = Target::new("anomaly", TargetKind::Reconstruct);
    let Some(labels) = labels else {
        return (target, "anomaly scores without labels".to_owned());
    };
    target.column = Some(labels.name.clone());
    labels.role = DraftRole::Target;
    labels.input = None;
    let reason = "1 marks an anomaly: left out of training, and what the scores are measured by";
    reason.clone_into(&mut labels.reason);
    (target, format!("anomaly scores; `{}` marks known ones", labels.name))
}

/// The only column of texts.
fn text_column(columns: &[DraftColumn]) -> Option<String> {
    let mut texts = columns.iter().filter(|column| column.kind == Some(Kind::Text));
    let first = texts.next()?;
    texts.next().is_none().then(|| first.name.clone())
}

/// `true` if rows without a target have to be left out.
pub(super) fn has_missing(draft: &Draft) -> bool {
    let learned = matches!(draft.target.kind, TargetKind::Category | TargetKind::Number | TargetKind::Rank);
    learned && draft.columns.iter().any(|column| column.role == DraftRole::Target && column.missing > 0)
}

/// Error that lists the columns and says which of them look like targets.
fn missing(columns: &[DraftColumn]) -> Error {
    let candidates = likely(columns);
    let likely = if candidates.is_empty() {
        String::new()
    } else {
        format!(
            "{} {} like a target; ",
            listed(&candidates),
            if candidates.len() == 1 { "looks" } else { "look" }
        )
    };
    let example = candidates.first().map_or("COLUMN", String::as_str);
    let texts = columns.iter().any(|column| column.kind == Some(Kind::Text));
    let language = if texts { ", or for a language model --kind next_token" } else { "" };
    Error::draft(
        format!("no target is named: {likely}{}", all(columns)),
        &format!("add --target {example}, or for anomaly scores --kind reconstruct{language}"),
    )
}

/// Columns that look like targets: by their name, or as the last one of a small set of values.
fn likely(columns: &[DraftColumn]) -> Vec<String> {
    let usable = |column: &&DraftColumn| matches!(column.kind, Some(Kind::Category | Kind::Number));
    let last = columns.iter().rfind(usable).map(|column| column.name.as_str());
    let score = |column: &DraftColumn| {
        let name = column.name.to_lowercase();
        let named = NAMES.contains(&name.as_str()) || NAMES[..3].iter().any(|part| name.contains(part));
        4 * usize::from(named)
            + 2 * usize::from(last == Some(column.name.as_str()))
            + usize::from(column.distinct == 2)
    };
    let mut found: Vec<(usize, &str)> =
        columns.iter().filter(usable).map(|column| (score(column), column.name.as_str())).collect();
    found.retain(|(score, _)| *score >= 2);
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// All columns with their kinds, for a message.
fn all(columns: &[DraftColumn]) -> String {
    let kind = |column: &DraftColumn| match column.kind {
        Some(kind) => serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)),
        None => None,
    };
    let each = columns.iter().take(LISTED).map(|column| {
        let kind = kind(column).unwrap_or_else(|| "left out".to_owned());
        format!("`{}` ({kind})", column.name.escape_debug())
    });
    let more =
        if columns.len() > LISTED { format!(" and {} more", columns.len() - LISTED) } else { String::new() };
    format!("the columns are {}{more}", each.collect::<Vec<_>>().join(", "))
}
