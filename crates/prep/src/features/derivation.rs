//! Steps on raw rows before anything is fitted: cleaning, then computed columns.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use cupola_spec::{Clean, Feature, Run};
use serde::{Deserialize, Serialize};

use super::cleaning::{cleaned, parses_numbers};
use super::expression::Expression;
use super::inputs::interactions;
use crate::error::Error;
use crate::frame::{Column, Frame};

/// Cleaning and computed columns, stored in the plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Derivation {
    /// Cleaning of raw values.
    #[serde(default, skip_serializing_if = "Clean::is_empty")]
    pub clean: Clean,
    /// Computed columns in order: each may use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<FittedFeature>,
}

/// Computed column with the raw columns that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedFeature {
    /// Name of the column.
    pub name: String,
    /// SQL expression.
    pub sql: String,
    /// Raw columns that it depends on, with `true` for numbers.
    pub needs: Vec<(String, bool)>,
    /// Parsed at first use: a server applies the expression to every request.
    #[serde(skip)]
    parsed: ParsedExpression,
}

/// Cached expression. It is compared by its SQL, so all caches are equal.
#[derive(Debug, Clone, Default)]
struct ParsedExpression(OnceLock<Expression>);

impl PartialEq for ParsedExpression {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ParsedExpression {}

impl FittedFeature {
    fn expression(&self) -> Result<&Expression, Error> {
        if let Some(parsed) = self.parsed.0.get() {
            return Ok(parsed);
        }
        let parsed = Expression::new(&self.name, &self.sql)?;
        Ok(self.parsed.0.get_or_init(|| parsed))
    }
}

/// Columns that the SQL expressions of a run use.
pub fn feature_columns(run: &Run) -> Vec<String> {
    // Invalid SQL is reported when the derivation is made.
    let parsed = run.features.iter().filter_map(|feature| Expression::new(&feature.name, &feature.sql).ok());
    parsed.flat_map(|expression| expression.columns()).collect()
}

impl Derivation {
    /// Creates the derivation of a run: its cleaning, features and products of columns.
    ///
    /// # Errors
    /// The errors of [`Self::new`] and [`Self::apply`].
    pub fn from_run(run: &Run, frame: &Frame) -> Result<Self, Error> {
        let declared = Self::new(&run.clean, &run.features, frame)?;
        let products = interactions(run, &declared.apply(frame)?);
        if products.is_empty() {
            return Ok(declared);
        }
        let all: Vec<Feature> = run.features.iter().cloned().chain(products).collect();
        Self::new(&run.clean, &all, frame)
    }

    /// Creates a derivation for rows with the columns of `frame`.
    ///
    /// # Errors
    /// [`Error::Feature`] for invalid SQL or a name that is taken, [`Error::Column`] for a missing column,
    /// [`Error::Value`] for a text that is not a number.
    pub fn new(clean: &Clean, features: &[Feature], frame: &Frame) -> Result<Self, Error> {
        let mut derivation = Self { clean: clean.clone(), features: Vec::new() };
        let cleaned = cleaned(clean, frame)?;
        for Feature { name, sql } in features {
            if frame.get(name).is_some() || derivation.features.iter().any(|other| other.name == *name) {
                let why = "the name is already taken by a column; choose another".to_owned();
                return Err(Error::Feature { name: name.clone(), why });
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
            let (name, sql, parsed) = (name.clone(), sql.clone(), ParsedExpression::default());
            derivation.features.push(FittedFeature { name, sql, needs, parsed });
        }
        Ok(derivation)
    }

    /// `true` if the derivation changes nothing.
    pub fn is_empty(&self) -> bool {
        self.clean.text.is_empty() && self.clean.numbers.is_empty() && self.features.is_empty()
    }

    /// Cleans rows and adds the computed columns. Rows that were derived before stay as they are.
    ///
    /// # Errors
    /// [`Error::Value`] for a text that is not a number, [`Error::Column`] for a missing column, [`Error::Feature`]
    /// for a row whose feature cannot be computed.
    pub fn apply(&self, frame: &Frame) -> Result<Frame, Error> {
        if self.is_empty() {
            return Ok(frame.clone());
        }
        let mut frame = cleaned(&self.clean, frame)?;
        for feature in &self.features {
            let column = feature.expression()?.apply(&frame)?;
            frame = frame.with(&feature.name, column);
        }
        Ok(frame)
    }

    /// Raw columns that a computed column depends on, with `true` for numbers; `None` for a raw column.
    pub fn needs(&self, column: &str) -> Option<&[(String, bool)]> {
        self.features.iter().find(|feature| feature.name == column).map(|feature| feature.needs.as_slice())
    }

    /// `true` if a raw column holds texts that are parsed as numbers.
    pub fn parses_numbers(&self, column: &str) -> bool {
        parses_numbers(&self.clean, column)
    }
}

#[cfg(test)]
mod tests {
    use cupola_spec::TextStep;

    use super::*;

    #[test]
    fn a_derivation_is_idempotent() {
        let clean = Clean {
            duplicates: false,
            missing_targets: false,
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
        assert!(taken.contains("the name is already taken"), "{taken}");
    }
}
