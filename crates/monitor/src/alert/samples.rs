//! Values of metrics, read from the text that a scrape would get.
//!
//! The text is the interface: a rule can be about any metric of the server, and whoever adds one adds it for rules too.

use std::collections::BTreeMap;

use super::AlertLabels;
use crate::error::Error;

/// Value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// Labels.
    pub labels: AlertLabels,
    /// Value.
    pub value: f64,
}

impl MetricSample {
    /// Value of a label; empty if it has none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Values of all metrics at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricSamples {
    by_name: BTreeMap<String, Vec<MetricSample>>,
}

impl MetricSamples {
    /// Parses `OpenMetrics` or Prometheus text. Comments, timestamps and exemplars are left out.
    ///
    /// # Errors
    /// [`Error::MetricsText`] for the first line that is not a sample.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut all = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, sample) = parse_line(line).ok_or(Error::MetricsText { line: index + 1 })?;
            all.by_name.entry(name.to_owned()).or_default().push(sample);
        }
        Ok(all)
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.by_name.entry(name.to_owned()).or_default().push(MetricSample { labels, value });
    }

    /// Series of a metric.
    pub fn of(&self, name: &str) -> &[MetricSample] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names of all metrics, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Sum of the series of a metric that `pick` accepts.
    pub fn sum(&self, name: &str, pick: impl Fn(&MetricSample) -> bool) -> f64 {
        self.of(name).iter().filter(|sample| pick(sample)).map(|sample| sample.value).sum()
    }
}

/// Name, labels and value of a line.
fn parse_line(line: &str) -> Option<(&str, MetricSample)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (AlertLabels::new(), rest),
    };
    let value = rest.split_whitespace().next()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some((name, MetricSample { labels, value }))
}

/// Labels up to the closing brace, and the text behind it.
fn parse_labels(mut rest: &str) -> Option<(AlertLabels, &str)> {
    let mut labels = AlertLabels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, behind) = rest.split_once("=\"")?;
        let (value, behind) = parse_quoted(behind)?;
        labels.insert(name.trim().to_owned(), value);
        rest = behind;
    }
}

/// Text up to the closing quotation mark, without escapes, and the text behind it.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# TYPE a counter\na_total{model=\"m\\\"x\\\\\",code=\"500\"} 3\na_total{model=\"n\",code=\"200\"} 4e0 1.5 # {} 1\nb 1\nb_bucket{le=\"+Inf\"} +Inf\n# EOF\n";
        let samples = MetricSamples::parse(text).unwrap();
        assert_eq!(samples.of("a_total")[0].label("model"), "m\"x\\");
        assert_eq!(samples.sum("a_total", |_| true), 7.0);
        assert_eq!(samples.sum("b_bucket", |sample| sample.label("le") == "+Inf"), f64::INFINITY);
        assert_eq!(samples.names().collect::<Vec<_>>(), ["a_total", "b", "b_bucket"]);
        let wrong = MetricSamples::parse("a 1\nb{x=\"1} 2\n").unwrap_err().to_string();
        assert!(wrong.contains("line 2"), "{wrong}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z{}=\",\\\\ 0-9#\n\u{e4}]{0,60}") {
            let _ = MetricSamples::parse(&text);
        }

        #[test]
        fn any_label_survives(value in "\\PC{0,20}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let samples = MetricSamples::parse(&format!("a{{b=\"{escaped}\"}} 1")).unwrap();
            prop_assert_eq!(samples.of("a")[0].label("b"), value);
        }
    }
}
