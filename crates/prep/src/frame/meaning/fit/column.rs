//! Decision about one column.

use arrow::array::{Array, StringArray};
use cupola_spec::Data;
use cupola_values::{CategoryEvidence, DateEvidence, DateGuess, DecimalMark, NumberEvidence, NumberReading};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::role::{Role, decimal_mark};
use crate::error::Error;
use crate::frame::Column;
use crate::frame::meaning::rules::{ValueRule, shortened};

/// Rows whose equal texts are looked at once.
const TALLY_ROWS: usize = 8192;

/// Spellings that the config declares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared {
    /// Decimal mark.
    pub decimal: Option<DecimalMark>,
    /// `true` if the day stands before the month.
    pub day_first: Option<bool>,
}

impl Declared {
    pub fn of(data: &Data) -> Self {
        Self { decimal: data.decimal.map(decimal_mark), day_first: data.day_first }
    }
}

/// Reading of a column whose kind follows from its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnReading {
    /// One reading; `None` for columns without texts or numbers.
    Decided(Option<ValueRule>),
    /// Numbers such as `1,234`, which may have a decimal comma or separators of thousands.
    AmbiguousNumber {
        /// One of them.
        example: String,
    },
    /// Dates such as `05/03/2024`, whose day and month may be swapped.
    AmbiguousDate {
        /// One of them.
        example: String,
        /// The two formats, the day first.
        formats: [String; 2],
    },
    /// Numbers with a few other texts.
    Mixed {
        /// The other texts; `None` if they are too many to be listed.
        others: Option<Vec<String>>,
    },
    /// Numbers with both decimal marks, or dates with a few other texts.
    Contradictory {
        /// Message of training.
        why: String,
    },
}

impl ColumnReading {
    /// Rule by which the values are read; of several that are possible, the one with a decimal point.
    pub(crate) fn rule(&self) -> Option<ValueRule> {
        match self {
            Self::Decided(rule) => rule.clone(),
            Self::AmbiguousNumber { .. } => Some(ValueRule::Number { decimal: DecimalMark::Point }),
            Self::Mixed { .. } | Self::AmbiguousDate { .. } | Self::Contradictory { .. } => None,
        }
    }
}

/// Texts of one column so far.
pub(super) struct ColumnFit {
    role: Role,
    numbers: NumberEvidence,
    categories: CategoryEvidence,
    dates: DateEvidence,
    /// `true` if the source delivers texts.
    texts: bool,
    /// `true` if the source delivers numbers.
    typed: bool,
    /// `true` if the source delivers dates or times.
    time: bool,
}

impl ColumnFit {
    pub fn new(role: Role) -> Self {
        Self {
            role,
            numbers: NumberEvidence::default(),
            categories: CategoryEvidence::default(),
            dates: DateEvidence::default(),
            texts: false,
            typed: false,
            time: false,
        }
    }

    /// Adds rows, of which `before` were observed earlier.
    pub fn observe(&mut self, column: &Column, nulls: &[String], before: usize) {
        match column {
            Column::Text(texts) => {
                self.texts = true;
                self.observe_texts(texts, nulls, before);
            }
            Column::Number { time, .. } => {
                self.typed = true;
                self.time |= *time;
            }
            Column::Bytes(_) => {}
        }
    }

    fn observe_texts(&mut self, texts: &StringArray, nulls: &[String], before: usize) {
        let is_null = |text: &str| text.trim().is_empty() || nulls.iter().any(|marker| marker == text);
        let (numbers, categories, dates) = match self.role {
            Role::Number | Role::Cleaned | Role::Values => (true, false, false),
            Role::Category => (false, true, false),
            Role::Date(false) => (false, false, true),
            Role::Inferred => (true, true, true),
            Role::Date(true) | Role::Text | Role::Unused => return,
        };
        for start in (0..texts.len()).step_by(TALLY_ROWS) {
            // First row and number of rows of each text: most columns repeat a few.
            let mut tally: IndexMap<&str, (usize, usize), RandomState> = IndexMap::default();
            for row in start..texts.len().min(start + TALLY_ROWS) {
                if texts.is_valid(row) && !is_null(texts.value(row)) {
                    let text = texts.value(row);
                    tally.entry(text).or_insert((before + row, 0)).1 += 1;
                    if dates {
                        self.dates.observe(text, before + row);
                    }
                }
            }
            for (text, (row, count)) in tally {
                if numbers {
                    self.numbers.observe_many(text, row, count);
                }
                if categories {
                    self.categories.observe(text);
                }
            }
        }
    }

    /// Rule of the column, if it has one. Adds to `notes` what a user may not expect.
    pub fn decide(
        &self,
        name: &str,
        declared: Declared,
        notes: &mut Vec<String>,
    ) -> Result<Option<ValueRule>, Error> {
        if !self.texts && !self.typed {
            return Ok(None);
        }
        let typed_number =
            || if self.time { ValueRule::Time } else { number(declared.decimal.unwrap_or_default()) };
        Ok(match self.role {
            Role::Unused => None,
            Role::Text => Some(ValueRule::Text),
            Role::Category => Some(ValueRule::Category { form: self.categories.decide() }),
            Role::Date(true) => Some(ValueRule::Date { format: None }),
            Role::Number | Role::Values | Role::Inferred if !self.texts => Some(typed_number()),
            Role::Date(false) => {
                Some(self.date(name, declared, notes)?.unwrap_or(ValueRule::Date { format: None }))
            }
            // Cleaning reads a decimal point, and texts that become numbers by its other steps.
            Role::Cleaned => match self.numbers.decide(declared.decimal) {
                NumberReading::Numbers { decimal: DecimalMark::Comma, markers, .. } => {
                    Some(noted_number(name, DecimalMark::Comma, &markers, notes))
                }
                _ => None,
            },
            // Files that are sent as text, such as images in base64.
            Role::Values if self.numbers.numbers() == 0 => None,
            Role::Number | Role::Values => Some(self.number(name, declared, notes)?),
            Role::Inferred => Some(self.inferred(name, declared, notes)?),
        })
    }

    fn number(&self, name: &str, declared: Declared, notes: &mut Vec<String>) -> Result<ValueRule, Error> {
        match self.numbers.decide(declared.decimal) {
            NumberReading::Numbers { decimal, markers, .. } => {
                Ok(noted_number(name, decimal, &markers, notes))
            }
            NumberReading::Ambiguous { example } => Err(ambiguous_number(name, &example)),
            NumberReading::Mostly { .. } | NumberReading::Texts => match self.numbers.first_other() {
                Some((row, text)) => Err(self.not_a_number(name, row, text)),
                None if self.numbers.numbers() == 0 => Ok(number(declared.decimal.unwrap_or_default())),
                None => Err(self.both_marks(name)),
            },
        }
    }

    fn inferred(&self, name: &str, declared: Declared, notes: &mut Vec<String>) -> Result<ValueRule, Error> {
        match self.numbers.decide(declared.decimal) {
            NumberReading::Numbers { decimal, markers, codes: false } => {
                return Ok(noted_number(name, decimal, &markers, notes));
            }
            NumberReading::Ambiguous { example } => return Err(ambiguous_number(name, &example)),
            NumberReading::Mostly { first } => {
                let text = self.numbers.first_other().map_or("", |(_, text)| text);
                return Err(self.not_a_number(name, first, text));
            }
            NumberReading::Numbers { .. } | NumberReading::Texts => {}
        }
        let date = self.date(name, declared, notes)?;
        if date.is_none() && self.numbers.has_other_marks(declared.decimal) {
            return Err(self.both_marks(name));
        }
        Ok(date.unwrap_or_else(|| ValueRule::Category { form: self.categories.decide() }))
    }

    /// Reading of a column whose kind follows from its values, without an error for what is not decided.
    pub fn reading(&self, name: &str, declared: Declared) -> ColumnReading {
        let numbers = self.numbers.decide(declared.decimal);
        match numbers {
            NumberReading::Ambiguous { example } => return ColumnReading::AmbiguousNumber { example },
            NumberReading::Mostly { .. } => {
                let (count, others) = self.numbers.others();
                let listed = others.iter().map(|(_, rows)| rows).sum::<usize>() == count;
                let texts = || others.iter().map(|(text, _)| (*text).to_owned()).collect();
                return ColumnReading::Mixed { others: listed.then(texts) };
            }
            NumberReading::Numbers { .. } | NumberReading::Texts => {}
        }
        match self.dates.decide(declared.day_first) {
            DateGuess::Ambiguous { example, formats } => ColumnReading::AmbiguousDate { example, formats },
            _ => match self.decide(name, declared, &mut Vec::new()) {
                Ok(rule) => ColumnReading::Decided(rule),
                Err(error) => ColumnReading::Contradictory { why: error.to_string() },
            },
        }
    }

    fn date(
        &self,
        name: &str,
        declared: Declared,
        notes: &mut Vec<String>,
    ) -> Result<Option<ValueRule>, Error> {
        let guess = self.dates.decide(declared.day_first);
        if matches!(guess, DateGuess::Iso | DateGuess::Format(_)) {
            note_markers(name, &self.dates.markers(), notes);
        }
        match guess {
            DateGuess::Iso => Ok(Some(ValueRule::Date { format: None })),
            DateGuess::Format(format) => {
                notes.push(format!("column `{name}`: dates are read as `{format}`"));
                Ok(Some(ValueRule::Date { format: Some(format) }))
            }
            DateGuess::Ambiguous { example, formats: [first, second] } => Err(Error::Input {
                input: name.to_owned(),
                why: format!(
                    "the dates, such as `{example}`, may be `{first}` or `{second}`; write `[data] day_first = true` or `day_first = false`, or a `format` for the column"
                ),
            }),
            DateGuess::Mostly { first, text, others, dates } => {
                let text = shortened(&text);
                let remedy = format!(
                    "fix it, write `data.null = [\"\", {text:?}]` if it means a missing value, or declare the column as a category"
                );
                Err(Error::Value {
                    row: first + 1,
                    column: name.to_owned(),
                    expected: format!("a date, as in {dates} of {} rows", dates + others),
                    found: format!("`{text}`"),
                    remedy,
                })
            }
            DateGuess::Texts => Ok(None),
        }
    }

    /// Error of a column with decimal points and decimal commas, or not with the declared mark.
    fn both_marks(&self, name: &str) -> Error {
        let why = match self.numbers.mark_examples() {
            [Some(point), Some(comma)] => format!(
                "some numbers have a decimal point (`{point}`) and others a decimal comma (`{comma}`); write all alike, or declare the column as a category"
            ),
            [Some(other), None] | [None, Some(other)] => format!(
                "numbers such as `{other}` do not have the decimal mark of `[data] decimal`; write all alike, or declare the column as a category"
            ),
            [None, None] => "the numbers differ in their decimal marks; write all alike".to_owned(),
        };
        Error::Input { input: name.to_owned(), why }
    }

    /// Error of a text among numbers, which names all such texts.
    fn not_a_number(&self, name: &str, row: usize, text: &str) -> Error {
        let (count, others) = self.numbers.others();
        let numbers = self.numbers.numbers();
        let (expected, found, remedy) = if numbers > count {
            let listed: Vec<String> =
                others.iter().map(|(text, _)| format!("{:?}", shortened(text))).collect();
            let counted: Vec<String> =
                others.iter().map(|(text, rows)| format!("`{}` in {rows}", shortened(text))).collect();
            (
                format!("a number, as in {numbers} of {} rows", numbers + count),
                format!("`{}` ({})", shortened(text), counted.join(", ")),
                format!(
                    "fix it, write `data.null = [\"\", {}]` if it means a missing value, or declare the column as a category",
                    listed.join(", ")
                ),
            )
        } else {
            let remedy = "fix it, or declare the column as a category".to_owned();
            ("a number".to_owned(), format!("`{}`", shortened(text)), remedy)
        };
        Error::Value { row: row + 1, column: name.to_owned(), expected, found, remedy }
    }
}

fn number(decimal: DecimalMark) -> ValueRule {
    ValueRule::Number { decimal }
}

fn noted_number(
    name: &str,
    decimal: DecimalMark,
    markers: &[(String, usize)],
    notes: &mut Vec<String>,
) -> ValueRule {
    if decimal == DecimalMark::Comma {
        notes.push(format!("column `{name}`: numbers are read with a decimal comma"));
    }
    note_markers(name, markers, notes);
    number(decimal)
}

fn note_markers(name: &str, markers: &[(String, usize)], notes: &mut Vec<String>) {
    if !markers.is_empty() {
        let each: Vec<String> =
            markers.iter().map(|(text, rows)| format!("`{text}` in {rows} rows")).collect();
        notes.push(format!("column `{name}`: read as missing: {}", each.join(", ")));
    }
}

fn ambiguous_number(name: &str, example: &str) -> Error {
    let read =
        |mark| cupola_values::parse_number(example, mark).map_or(String::new(), |value| value.to_string());
    let (point, comma) = (read(DecimalMark::Point), read(DecimalMark::Comma));
    Error::Input {
        input: name.to_owned(),
        why: format!(
            "numbers such as `{example}` may be {point} (comma between thousands) or {comma} (decimal comma); write `[data] decimal = \".\"` or `decimal = \",\"`"
        ),
    }
}
