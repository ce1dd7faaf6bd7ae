//! Silences: periods in which alerts are not told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AlertLabels;
use crate::error::Error;

/// Most characters of a comment.
const LONGEST_COMMENT: usize = 1_000;
/// Most matchers of a silence.
const MOST_MATCHERS: usize = 20;
/// Most characters of the name and of the value of a matcher.
const LONGEST_LABEL: usize = 256;
/// Longest silence, in days: ten years.
const LONGEST_DAYS: i64 = 3_653;

/// Condition on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelMatcher {
    /// Name of the label.
    pub name: String,
    /// Value; `*` stands for any text. A label that an alert does not have is empty.
    pub value: String,
    /// `true` for alerts whose value is another one.
    #[serde(default)]
    pub negated: bool,
}

impl LabelMatcher {
    /// `true` for alerts that meet the condition.
    pub fn matches(&self, labels: &AlertLabels) -> bool {
        let value = labels.get(&self.name).map_or("", String::as_str);
        fits(&self.value, value) != self.negated
    }
}

/// `true` if the text fits the pattern, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Period in which the alerts that meet all conditions are not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Identifier.
    pub id: String,
    /// Conditions, all of which an alert meets.
    pub matchers: Vec<LabelMatcher>,
    /// Beginning.
    #[serde(with = "super::stamp")]
    pub from: Timestamp,
    /// End.
    #[serde(with = "super::stamp")]
    pub until: Timestamp,
    /// Reason.
    #[serde(default)]
    pub comment: String,
    /// Person or key that made it.
    #[serde(default)]
    pub author: String,
}

impl Silence {
    /// Checks the conditions and the period.
    ///
    /// # Errors
    /// [`Error::Silence`] with the reason and the remedy.
    pub fn check(&self, now: Timestamp) -> Result<(), Error> {
        if self.matchers.is_empty() {
            return Err(Error::Silence("without `matchers` it would silence everything; name a label"));
        }
        self.check_sizes()?;
        let any = |matcher: &LabelMatcher| !matcher.negated && matcher.value.chars().all(|c| c == '*');
        if self.matchers.iter().all(any) {
            return Err(Error::Silence("all matchers fit every alert; give at least one a value"));
        }
        if self.until <= self.from {
            return Err(Error::Silence("`until` must be later than `from`"));
        }
        if self.until <= now {
            return Err(Error::Silence("`until` has passed; give a later time"));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), Error> {
        if self.matchers.len() > MOST_MATCHERS {
            return Err(Error::Silence("more than 20 `matchers`; make several silences"));
        }
        if self.matchers.iter().any(|matcher| matcher.name.is_empty()) {
            return Err(Error::Silence("a matcher has an empty `name`; name a label, such as `model`"));
        }
        let is_long = |text: &str, most: usize| text.chars().nth(most).is_some();
        let long =
            |matcher: &LabelMatcher| [&matcher.name, &matcher.value].map(|text| is_long(text, LONGEST_LABEL));
        if self.matchers.iter().any(|matcher| long(matcher).contains(&true)) {
            return Err(Error::Silence(
                "a matcher is longer than 256 characters; shorten its `name` or `value` with `*`",
            ));
        }
        if is_long(&self.comment, LONGEST_COMMENT) {
            return Err(Error::Silence("`comment` is longer than 1,000 characters; shorten it"));
        }
        if self.until.as_second() - self.from.as_second() > LONGEST_DAYS * 86_400 {
            return Err(Error::Silence("it is longer than ten years (3,653 days); choose an earlier end"));
        }
        Ok(())
    }

    /// `true` if alerts with these labels are silent at this moment.
    pub fn covers(&self, labels: &AlertLabels, now: Timestamp) -> bool {
        self.from <= now && now < self.until && self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> AlertLabels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn matcher(name: &str, value: &str, negated: bool) -> LabelMatcher {
        LabelMatcher { name: name.to_owned(), value: value.to_owned(), negated }
    }

    #[test]
    fn patterns_fit_texts() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("aa*aa", "aaa", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[allow(clippy::type_complexity, reason = "a table of changes")]
    #[test]
    fn a_silence_covers_its_alerts_from_its_beginning_to_its_end() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let mut silence = Silence {
            id: "a".to_owned(),
            matchers: vec![matcher("model", "p*", false), matcher("severity", "page", true)],
            from: time(100),
            until: time(200),
            comment: String::new(),
            author: String::new(),
        };
        silence.check(time(150)).unwrap();
        let of = labels(&[("model", "prices"), ("severity", "ticket")]);
        let covered: Vec<bool> = [99, 100, 199, 200].map(|now| silence.covers(&of, time(now))).to_vec();
        assert_eq!(covered, [false, true, true, false]);
        assert!(!silence.covers(&labels(&[("model", "prices"), ("severity", "page")]), time(150)));
        assert!(silence.check(time(200)).is_err());
        let mut large = silence.clone();
        large.matchers = vec![matcher("model", "p", false); 20];
        large.matchers[19] = matcher(&"n".repeat(256), &"\u{e4}".repeat(256), true);
        large.comment = "c".repeat(1_000);
        large.until = time(100 + 3_653 * 86_400);
        large.check(time(150)).unwrap();
        let changes: [(&str, fn(&mut Silence)); 6] = [
            ("20", |silence| silence.matchers.push(matcher("a", "b", false))),
            ("empty `name`", |silence| silence.matchers[0].name.clear()),
            ("256", |silence| silence.matchers[19].name.push('n')),
            ("256", |silence| silence.matchers[19].value.push('v')),
            ("1,000", |silence| silence.comment.push('c')),
            ("ten years", |silence| silence.from = Timestamp::from_second(99).unwrap()),
        ];
        for (part, change) in changes {
            let mut silence = large.clone();
            change(&mut silence);
            let error = silence.check(time(150)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        silence.matchers = vec![matcher("model", "**", false)];
        assert!(silence.check(time(0)).unwrap_err().to_string().contains("every alert"));
        silence.matchers.clear();
        assert!(silence.check(time(0)).is_err());
    }
}
