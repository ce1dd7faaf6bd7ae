//! Reference profile of collected columns, and back.

use super::{
    CategoryReference, ColumnRole, ContentSample, NumberReference, ObservedColumn, ObservedValues,
    ReferenceColumn, ReferenceProfile, ReferenceValues, SampledTexts, SortedNumbers, TextReference,
};
use crate::error::Error;

/// A collected column with its name and use.
#[derive(Debug, Clone)]
pub struct NamedColumn {
    /// Name.
    pub name: String,
    /// Use.
    pub role: ColumnRole,
    /// Class of a probability.
    pub class: Option<String>,
    /// Values.
    pub column: ObservedColumn,
}

/// Most order statistics, categories and words of a column.
const MOST_VALUES: usize = 2000;
/// Least of them: smaller profiles are not tried.
const LEAST_VALUES: usize = 4;

impl ReferenceProfile {
    /// Profile of these columns. Where it would be too large, columns get fewer values. With `private` it has no value of a
    /// single row: numbers are in bins with round borders, texts have no words.
    ///
    /// # Errors
    /// [`Error::Profile`] if so many columns do not fit into [`Self::MOST_BYTES`].
    pub fn build(
        plan_sha256: &str,
        rows: u64,
        scored_split: Option<&str>,
        columns: &[NamedColumn],
        private: bool,
    ) -> Result<Self, Error> {
        let mut most = MOST_VALUES;
        loop {
            let profile = Self {
                format_version: Self::FORMAT_VERSION,
                plan_sha256: plan_sha256.to_owned(),
                rows,
                scored_split: scored_split.map(str::to_owned),
                columns: columns.iter().map(|column| column.reference(most, private)).collect(),
            };
            let bytes = profile.to_json().len();
            if bytes <= Self::MOST_BYTES {
                return Ok(profile);
            }
            if most <= LEAST_VALUES {
                let (columns, limit) = (columns.len(), Self::MOST_BYTES);
                return Err(Error::Profile(format!("{columns} columns do not fit into {limit} bytes")));
            }
            most /= 2;
        }
    }

    /// JSON of the profile.
    pub fn to_json(&self) -> Vec<u8> {
        // A document of texts and finite numbers has no value that JSON lacks.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl NamedColumn {
    fn reference(&self, most: usize, private: bool) -> ReferenceColumn {
        let values = match &self.column.values {
            ObservedValues::Number(numbers) => {
                ReferenceValues::Number(NumberReference::of(numbers, most, private))
            }
            ObservedValues::Category(counts) => ReferenceValues::Category(counts.reduced(most)),
            ObservedValues::Text { length, words, texts, contents } => {
                let (words, numbers) = (words.reduced(if private { 0 } else { most }), most.min(200));
                let known = texts.known_shares(words.values.iter().map(|(word, _)| word.as_str()));
                let known = if private { SortedNumbers::default() } else { SortedNumbers::of(known) };
                ReferenceValues::Text(TextReference {
                    length: NumberReference::of(length, numbers, private),
                    known_share: NumberReference::of(&known, numbers, private),
                    contents: contents.sealed(&words, if private { 0 } else { most }),
                    words,
                })
            }
        };
        ReferenceColumn {
            name: self.name.clone(),
            role: self.role,
            class: self.class.clone(),
            rows: self.column.rows,
            missing: self.column.missing,
            values,
        }
    }
}

impl ReferenceColumn {
    /// The column as collected values, as far as the profile has them.
    pub fn observed(&self) -> ObservedColumn {
        let values = match &self.values {
            ReferenceValues::Number(number) => ObservedValues::Number(number.observed(self.count())),
            ReferenceValues::Category(category) => ObservedValues::Category(category.clone()),
            ReferenceValues::Text(text) => ObservedValues::Text {
                length: text.length.observed(self.count()),
                words: text.words.clone(),
                texts: SampledTexts::default(),
                contents: ContentSample::of_sealed(&text.words, &text.contents),
            },
        };
        ObservedColumn { rows: self.rows, missing: self.missing, values }
    }
}

impl NumberReference {
    /// Points that stand for the values of bins without order statistics.
    const POINTS: u32 = 1000;

    fn observed(&self, count: u64) -> SortedNumbers {
        let sorted = if self.sorted.is_empty() {
            let level = |point| (f64::from(point) + 0.5) / f64::from(Self::POINTS);
            (0..Self::POINTS).filter_map(|point| self.quantile(level(point))).collect()
        } else {
            self.sorted.clone()
        };
        SortedNumbers {
            sorted,
            count,
            mean: self.mean,
            deviation: self.deviation,
            range: self.minimum.zip(self.maximum),
            distinct: self.distinct,
        }
    }
}

impl CategoryReference {
    /// The most frequent values.
    fn reduced(&self, most: usize) -> Self {
        let (values, rest) = self.values.split_at(self.values.len().min(most));
        let other = self.other + rest.iter().map(|(_, count)| count).sum::<u64>();
        Self { values: values.to_vec(), other, distinct: self.distinct }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{ColumnCollector, ObservedKind};

    fn columns(number: usize, rows: u32) -> Vec<NamedColumn> {
        let column = |index: usize| {
            let mut collector = ColumnCollector::new(ObservedKind::Number, 10_000);
            (0..rows).for_each(|row| collector.push_number(Some(f64::from(row * 7919 % rows) / 3.0)));
            collector.push_number(None);
            let (name, role, class) = (format!("c{index}"), ColumnRole::Input, None);
            NamedColumn { name, role, class, column: collector.finish() }
        };
        let mut texts = ColumnCollector::new(ObservedKind::Text, 100);
        texts.push_text(Some("Good day, day"));
        let (name, role, class) = ("t".to_owned(), ColumnRole::Input, None);
        (0..number).map(column).chain([NamedColumn { name, role, class, column: texts.finish() }]).collect()
    }

    #[test]
    fn a_profile_survives_json_and_is_bounded() {
        for number in [1, 40] {
            let profile =
                ReferenceProfile::build("ab", 5000, Some("test"), &columns(number, 5000), false).unwrap();
            let json = profile.to_json();
            assert!(json.len() <= ReferenceProfile::MOST_BYTES);
            assert_eq!(ReferenceProfile::parse(&json).unwrap(), profile);
            let ReferenceValues::Number(first) = &profile.columns[0].values else { panic!() };
            assert_eq!(first.counts.iter().sum::<u64>(), 5000);
            assert_eq!((profile.columns[0].missing, first.counts.len()), (1, 20));
            let middle = first.quantile(0.5).unwrap();
            assert!((middle - 2499.5 / 3.0).abs() < 30.0, "{middle}");
        }
    }

    #[test]
    fn a_private_profile_has_bins_only() {
        let profile = ReferenceProfile::build("ab", 500, None, &columns(1, 500), true).unwrap();
        let ReferenceValues::Number(first) = &profile.columns[0].values else { panic!() };
        assert!(first.sorted.is_empty() && first.minimum.is_none() && first.maximum.is_none());
        assert_eq!(first.counts.iter().sum::<u64>(), 500);
        let middle = first.quantile(0.5).unwrap();
        assert!((middle - 249.5 / 3.0).abs() < 5.0, "{middle}");
        let ReferenceValues::Text(text) = &profile.columns[1].values else { panic!() };
        assert_eq!((text.words.values.len(), text.words.other), (0, 3));
        let ObservedValues::Number(observed) = profile.columns[0].observed().values else { panic!() };
        assert_eq!((observed.sorted.len(), observed.count), (1000, 500));
    }

    #[test]
    fn invalid_profiles_are_rejected() {
        let profile = ReferenceProfile::build("ab", 5, None, &columns(1, 5), false).unwrap();
        let text = String::from_utf8(profile.to_json()).unwrap();
        for (from, to) in [
            ("\"format_version\":1", "\"format_version\":2"),
            ("\"missing\":1", "\"missing\":9"),
            ("\"counts\":[", "\"counts\":[1,"),
            ("\"sorted\":[", "\"sorted\":[9e9,"),
            ("\"rows\":6,\"missing\":1", "\"rows\":5,\"missing\":1"),
            ("\"distinct\":5", "\"distinct\":50"),
            ("\"minimum\":0.0", "\"minimum\":1.0"),
            ("\"mean\":", "\"mean\":9"),
            ("\"deviation\":", "\"deviation\":-"),
            ("\"name\":\"t\",\"role\":\"input\"", "\"name\":\"c0\",\"role\":\"input\""),
            ("\"contents\":[[", "\"contents\":[[9,"),
            ("\"contents\":[[", "\"contents\":[[0],["),
            ("\"rows\"", "\"row\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(changed != text && ReferenceProfile::parse(changed.as_bytes()).is_err(), "{to}");
        }
        let long = text + &" ".repeat(ReferenceProfile::MOST_BYTES);
        assert!(ReferenceProfile::parse(long.as_bytes()).is_err());
    }
}
