//! Purpose of each column, and the inputs that a config declares.

use cupola_prep::{ColumnInspection, ColumnNature, ColumnReading, ValueRule, inspect_columns, is_identifier};
use cupola_spec::{DatePart, Decimal, Encoding, Input, Kind, Source};

use super::sample::DataSample;
use super::{Described, Draft, DraftColumn, DraftRole, left_out, pictures, texts};

/// Most distinct values of a number that is a code by its name.
const MAX_CODES: usize = 50;
/// Characters of an example in a reason.
const EXAMPLE: usize = 40;

/// Columns of a draft, and what their spelling requires.
#[allow(clippy::struct_field_names, reason = "the columns are what the rest is about")]
pub(super) struct Columns {
    pub columns: Vec<DraftColumn>,
    /// Texts that mean a missing value besides those of the defaults.
    pub missing_texts: Vec<String>,
    pub decimal: Option<Decimal>,
    /// Column of paths whose files are read in their place.
    pub files: Option<String>,
    pub warnings: Vec<String>,
}

impl Columns {
    pub fn of(data: &DataSample) -> Self {
        let inspected = inspect_columns(&data.frame, &data.data);
        let mut found = Self {
            columns: Vec::new(),
            missing_texts: Vec::new(),
            decimal: None,
            files: None,
            warnings: Vec::new(),
        };
        for column in &inspected {
            let drafted = found.column(column, data);
            found.columns.push(drafted);
        }
        pictures::join_pixels(&mut found.columns, data);
        found
    }

    fn column(&mut self, column: &ColumnInspection, data: &DataSample) -> DraftColumn {
        let name = column.name.as_str();
        let (kind, reason, input) = match data.media {
            Some(medium) if medium == name => of_medium(column, data),
            Some(_) if name == "path" => left_out("the path of the file"),
            _ => self.of_table(column, data),
        };
        DraftColumn {
            name: name.to_owned(),
            role: if input.is_some() { DraftRole::Input } else { DraftRole::LeftOut },
            kind,
            reason,
            distinct: column.distinct,
            missing: column.missing,
            example: column.example.as_deref().map(shortened),
            input,
        }
    }

    fn of_table(&mut self, column: &ColumnInspection, data: &DataSample) -> Described {
        let name = column.name.as_str();
        match &column.reading {
            ColumnReading::Mixed { others: Some(others) } => {
                self.warnings.push(format!(
                    "column `{name}`: {} among its numbers are read as missing; if they mean something, declare \
                     the column as a category",
                    listed(others)
                ));
                self.missing_texts.extend(others.iter().cloned());
                let reason = format!("numbers; {} are read as missing", listed(others));
                return (Some(Kind::Number), reason, Some(Input::new(name, Kind::Number)));
            }
            ColumnReading::Mixed { others: None } => {
                self.warnings.push(format!("column `{name}` is left out: it mixes numbers with other texts"));
                return left_out("numbers mixed with other texts");
            }
            ColumnReading::AmbiguousNumber { example } => {
                self.warnings.push(format!(
                    "column `{name}`: numbers such as `{example}` are read with commas between thousands; if the \
                     comma is the decimal mark, write `decimal = \",\"` under `[data]`"
                ));
                self.decimal = Some(Decimal::Point);
            }
            ColumnReading::AmbiguousDate { example, formats: [day, month] } => {
                self.warnings.push(format!(
                    "column `{name}` is left out: its dates, such as `{example}`, may be `{day}` or `{month}`; declare \
                     it with `kind = \"date\"` and the right `format`"
                ));
                return left_out(&format!("dates as `{day}` or `{month}`"));
            }
            ColumnReading::Contradictory { why } => {
                self.warnings.push(format!("column `{name}` is left out: {why}"));
                return left_out("values with several meanings");
            }
            ColumnReading::Decided(_) => {}
        }
        self.of_nature(column, data)
    }

    fn of_nature(&mut self, column: &ColumnInspection, data: &DataSample) -> Described {
        let name = column.name.as_str();
        if self.files.is_none()
            && let Some((input, reason)) = pictures::of_paths(name, data)
        {
            self.files = Some(name.to_owned());
            return (Some(Kind::Image), reason, Some(input));
        }
        match column.nature {
            ColumnNature::Number if column.whole && is_identifier(name) => self.code(column),
            ColumnNature::Number => {
                (Some(Kind::Number), number_reason(column), Some(Input::new(name, Kind::Number)))
            }
            ColumnNature::Date => date(column, data),
            ColumnNature::Category(encode) => {
                let encode = (encode != Encoding::OneHot).then_some(encode);
                let how = if encode.is_some() { "values, embedded" } else { "values" };
                let reason = format!("{} {how}", column.distinct);
                (Some(Kind::Category), reason, Some(Input { encode, ..Input::new(name, Kind::Category) }))
            }
            ColumnNature::Text => texts::input(name, &data.frame, "free text"),
            // Titles and messages of a few words, in a column that says so.
            ColumnNature::Identifier(_) if texts::is_named_text(name, &data.frame) => {
                texts::input(name, &data.frame, "short texts")
            }
            ColumnNature::Files => left_out("files"),
            ColumnNature::Identifier(why) | ColumnNature::Unusable(why) => left_out(why),
        }
    }

    /// Whole numbers that repeat, in a column that is named as an identifier.
    fn code(&mut self, column: &ColumnInspection) -> Described {
        let name = column.name.as_str();
        if column.distinct <= MAX_CODES {
            let reason = format!("{} codes by the name of the column", column.distinct);
            return (Some(Kind::Category), reason, Some(Input::new(name, Kind::Category)));
        }
        self.warnings.push(format!(
            "several rows share a `{name}`; if new ones will be predicted, keep its rows together with \
             `by = \"group\"` and `column = {name:?}` under `[split]`"
        ));
        left_out("an identifier that several rows share")
    }
}

/// Contents of the files of a folder.
fn of_medium(column: &ColumnInspection, data: &DataSample) -> Described {
    match column.name.as_str() {
        "image" => match pictures::of_contents(&column.name, &data.frame) {
            Some((input, reason)) => (Some(Kind::Image), reason, Some(input)),
            None => left_out("pictures that are not readable"),
        },
        "text" => texts::input(&column.name, &data.frame, "a text of each file"),
        _ => left_out("sounds; declare `kind = \"series\"` with `steps = [samples, 1]`"),
    }
}

/// Spelling of numbers that are more than digits.
fn number_reason(column: &ColumnInspection) -> String {
    let plain = |text: &str| text.trim().parse::<f64>().is_ok();
    match &column.example {
        Some(example) if matches!(column.reading, ColumnReading::Decided(Some(ValueRule::Number { .. }))) => {
            if plain(example) {
                "numbers".to_owned()
            } else if example.contains('%') {
                format!("per cent: `{}` is read as a share of 1", shortened(example))
            } else if example.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | ' ')) {
                format!("numbers such as `{}`", shortened(example))
            } else {
                format!("money: `{}` is read as a number", shortened(example))
            }
        }
        _ => "numbers".to_owned(),
    }
}

/// Dates, with the hour if they have one.
fn date(column: &ColumnInspection, data: &DataSample) -> Described {
    let name = column.name.as_str();
    let format = match &column.reading {
        ColumnReading::Decided(Some(ValueRule::Date { format })) => format.clone(),
        _ => None,
    };
    let how = match &format {
        Some(format) => format!("dates as `{format}`"),
        None => "dates as in ISO 8601".to_owned(),
    };
    let hours = data.frame.get(name).is_some_and(|values| {
        (0..values.len().min(100)).any(|row| match values {
            cupola_prep::Column::Number { values, .. } => (values[row] % 86_400.0).abs() > 0.5,
            _ => values.text(row).is_some_and(|text| text.contains(':') && !text.contains(" 00:00")),
        })
    });
    let all = [DatePart::Year, DatePart::Month, DatePart::Day, DatePart::Weekday, DatePart::Hour];
    let parts = hours.then(|| all.to_vec());
    let reason = if hours { format!("{how}, with the time") } else { how };
    (Some(Kind::Date), reason, Some(Input { format, parts, ..Input::new(name, Kind::Date) }))
}

/// Inputs of a config: numbers together, categories with the same encoding together, all others alone.
pub(super) fn declared(draft: &Draft) -> Vec<Input> {
    let inputs = || draft.columns.iter().filter(|column| column.role == DraftRole::Input);
    let of =
        |kind: Kind| inputs().filter_map(move |column| column.input.as_ref().filter(|own| own.kind == kind));
    let mut declared = Vec::new();
    declared.extend(together("numbers", &of(Kind::Number).collect::<Vec<_>>(), draft));
    let (plain, embedded): (Vec<&Input>, Vec<&Input>) =
        of(Kind::Category).partition(|input| input.encode.is_none());
    declared.extend(together("categories", &plain, draft));
    declared.extend(together("codes", &embedded, draft));
    for kind in [Kind::Date, Kind::Text, Kind::Image] {
        declared.extend(of(kind).cloned());
    }
    declared
}

/// One input for several columns; `None` without any.
fn together(group: &str, inputs: &[&Input], draft: &Draft) -> Option<Input> {
    let first = (*inputs.first()?).clone();
    if inputs.len() == 1 {
        return Some(first);
    }
    let taken = |name: &str| draft.columns.iter().any(|column| column.name == name);
    let mut name = group.to_owned();
    while taken(&name) {
        name.push('_');
    }
    let columns = Source::Many(inputs.iter().map(|input| input.name.clone()).collect());
    Some(Input { name, columns: Some(columns), ..first })
}

/// Texts in quotes, separated by commas.
pub(super) fn listed(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{}`", shortened(text))).collect::<Vec<_>>().join(", ")
}

/// First characters of a text, on one line.
pub(super) fn shortened(text: &str) -> String {
    let line: String = text.chars().take(EXAMPLE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > EXAMPLE { format!("{line}...") } else { line }
}
