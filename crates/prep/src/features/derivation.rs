//! What happens to raw rows before anything is learned of them: repairs, then computed columns.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use arrow::array::Array as _;
use cupola_spec::{Clean, Feature, Run, TextStep};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::expression::Expression;
use super::resolve::{interactions, matches};
use crate::error::Error;
use crate::frame::{Column, Frame};

/// Repairs and computed columns, sealed with the plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Derivation {
    /// Repairs.
    #[serde(default, skip_serializing_if = "Clean::is_empty")]
    pub clean: Clean,
    /// Computed columns, in their order: each may use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<FittedFeature>,
}

/// A computed column, with the columns of a raw row that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedFeature {
    /// Its name.
    pub name: String,
    /// Its SQL.
    pub sql: String,
    /// Raw columns that it needs, and whether they hold numbers.
    pub needs: Vec<(String, bool)>,
    /// Understood when it is first applied: a server applies it for every request.
    #[serde(skip)]
    parsed: Parsed,
}

/// An expression that a text stands for; what is compared is the text.
#[derive(Debug, Clone, Default)]
struct Parsed(OnceLock<Expression>);

impl PartialEq for Parsed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Parsed {}

impl FittedFeature {
    fn expression(&self) -> Result<&Expression, Error> {
        if let Some(known) = self.parsed.0.get() {
            return Ok(known);
        }
        let new = Expression::new(&self.name, &self.sql)?;
        Ok(self.parsed.0.get_or_init(|| new))
    }
}

impl Derivation {
    /// Repairs, features and products of a run.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(run: &Run, frame: &Frame) -> Result<Self, Error> {
        let own = Self::new(&run.clean, &run.features, frame)?;
        let products = interactions(run, &own.apply(frame)?);
        if products.is_empty() {
            return Ok(own);
        }
        let all: Vec<Feature> = run.features.iter().cloned().chain(products).collect();
        Self::new(&run.clean, &all, frame)
    }

    /// Of a config, for rows like those of `frame`.
    ///
    /// # Errors
    /// [`Error::Feature`] for SQL that is not understood, or a name that is taken.
    pub fn new(clean: &Clean, features: &[Feature], frame: &Frame) -> Result<Self, Error> {
        let mut derivation = Self { clean: clean.clone(), features: Vec::new() };
        let cleaned = derivation.cleaned(frame)?;
        for Feature { name, sql } in features {
            let wrong = |why: String| Error::Feature { name: name.clone(), why };
            if frame.get(name).is_some() || derivation.features.iter().any(|other| other.name == *name) {
                return Err(wrong("there is a column of this name; choose another".to_owned()));
            }
            let mut raw: BTreeSet<String> = BTreeSet::new();
            for column in Expression::new(name, sql)?.columns() {
                if let Some(feature) = derivation.features.iter().find(|feature| feature.name == column) {
                    raw.extend(feature.needs.iter().map(|(name, _)| name.clone()));
                } else {
                    cleaned.require(&column, "check `[[features]]`")?;
                    raw.insert(column);
                }
            }
            let number = |column: &String| matches!(frame.get(column), Some(Column::Number { .. }));
            let needs = raw.into_iter().map(|column| (column.clone(), number(&column))).collect();
            let (name, sql, parsed) = (name.clone(), sql.clone(), Parsed::default());
            derivation.features.push(FittedFeature { name, sql, needs, parsed });
        }
        Ok(derivation)
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.clean.text.is_empty() && self.clean.numbers.is_empty() && self.features.is_empty()
    }

    /// Rows as the inputs take them. What has been derived before stays as it is.
    ///
    /// # Errors
    /// Texts that stand for no number, a column that is not there.
    pub fn apply(&self, frame: &Frame) -> Result<Frame, Error> {
        if self.is_empty() {
            return Ok(frame.clone());
        }
        let mut frame = self.cleaned(frame)?;
        for feature in &self.features {
            let column = feature.expression()?.apply(&frame)?;
            frame = frame.with(&feature.name, column);
        }
        Ok(frame)
    }

    /// Raw columns behind a column, and whether they hold numbers; `None` for one that is raw itself.
    pub fn needs(&self, column: &str) -> Option<&[(String, bool)]> {
        self.features.iter().find(|feature| feature.name == column).map(|feature| feature.needs.as_slice())
    }

    /// Whether a raw column is a text that stands for numbers.
    pub fn repairs(&self, column: &str) -> bool {
        self.clean.numbers.iter().any(|pattern| matches(pattern, column))
    }

    fn cleaned(&self, frame: &Frame) -> Result<Frame, Error> {
        let mut out = frame.clone();
        for name in frame.names() {
            let Some(Column::Text(texts)) = frame.get(name) else { continue };
            let mended = texts
                .iter()
                .map(|text| Some(mended(text?, &self.clean.text)).filter(|text| !text.is_empty()));
            if self.repairs(name) {
                let mut numbers = Vec::with_capacity(texts.len());
                for (row, text) in mended.enumerate() {
                    numbers.push(text.as_deref().map_or(Ok(f64::NAN), |text| {
                        number(text).ok_or_else(|| Error::Value {
                            row: row + 1,
                            column: name.to_owned(),
                            expected: "a number such as 1,250.50, $3, 12 % or (7)".to_owned(),
                            found: format!("`{text}`"),
                            remedy: "mend it, or list it in `data.null`".to_owned(),
                        })
                    })?);
                }
                out = out.with(name, Column::numbers(numbers));
            } else if !self.clean.text.is_empty() {
                out = out.with(name, Column::texts(mended));
            }
        }
        Ok(out)
    }
}

fn mended(text: &str, steps: &[TextStep]) -> String {
    steps.iter().fold(text.to_owned(), |text, step| match step {
        TextStep::Trim => text.trim().to_owned(),
        TextStep::Spaces => text.split_whitespace().collect::<Vec<_>>().join(" "),
        TextStep::Lower => text.to_lowercase(),
        TextStep::Nfkc => text.nfkc().collect(),
    })
}

/// A number as people write it: with a currency, thousands separated by commas or spaces, in per cent, or
/// in brackets for less than nothing.
fn number(text: &str) -> Option<f64> {
    let mut digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, ',' | '_' | '\'' | '$' | '€' | '£' | '¥'))
        .collect();
    let mut scale = 1.0;
    if let Some(inner) = digits.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        (digits, scale) = (inner.to_owned(), -1.0);
    }
    if let Some(share) = digits.strip_suffix('%') {
        (digits, scale) = (share.to_owned(), scale / 100.0);
    }
    let number: f64 = digits.replace('\u{2212}', "-").parse().ok()?;
    number.is_finite().then_some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_people_are_read() {
        for (text, expected) in [
            ("$1,250.50", Some(1250.5)),
            ("12 %", Some(0.12)),
            ("(7)", Some(-7.0)),
            ("1 000", Some(1000.0)),
            ("\u{2212}3", Some(-3.0)),
            ("1e3", Some(1000.0)),
            ("n/a", None),
            ("1.2.3", None),
            ("inf", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_derived_twice_is_derived_once() {
        let clean = Clean {
            duplicates: false,
            text: vec![TextStep::Nfkc, TextStep::Lower, TextStep::Spaces, TextStep::Trim],
            numbers: vec!["p*".to_owned()],
        };
        let feature = |name: &str, sql: &str| Feature { name: name.to_owned(), sql: sql.to_owned() };
        let features = [feature("twice", "price * 2"), feature("label", "what || '-' || twice")];
        let raw = Frame::default()
            .with("price", Column::texts([Some("$1"), None]))
            .with("what", Column::texts([Some("  ＡB\n c "), Some(" ")]));
        let derivation = Derivation::new(&clean, &features, &raw).unwrap();
        let once = derivation.apply(&raw).unwrap();
        assert_eq!(once.get("label").unwrap().text(0).as_deref(), Some("ab c-2"));
        assert!(once.get("label").unwrap().is_missing(1) && once.get("what").unwrap().is_missing(1));
        let text = |frame: &Frame| {
            (0..2)
                .map(|row| frame.get("label").unwrap().text(row).map(std::borrow::Cow::into_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(text(&derivation.apply(&once).unwrap()), text(&once));
        assert_eq!(
            derivation.needs("label").unwrap(),
            [("price".to_owned(), false), ("what".to_owned(), false)]
        );
        let taken =
            Derivation::new(&Clean::default(), &[feature("price", "1")], &raw).unwrap_err().to_string();
        assert!(taken.contains("there is a column of this name"), "{taken}");
    }
}
