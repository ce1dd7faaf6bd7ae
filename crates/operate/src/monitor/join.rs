//! Feedback by request, joined with predictions.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// Longest line of feedback that is read.
const MAX_LINE: u64 = 2 << 20;

/// Counts of the lines of feedback by their fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FeedbackCounts {
    /// Lines with a value of the target.
    pub lines: u64,
    /// Lines that are not feedback, such as one that a killed server left unfinished.
    pub damaged: u64,
    /// Lines for a row that had one with the same value.
    pub repeated: u64,
    /// Lines for a row that had one with another value; the last one counts.
    pub contradicting: u64,
    /// Rows whose request is not in the data, not even with another version: not sampled, or unknown.
    pub unknown: u64,
    /// Rows of the data that got a target.
    pub joined: u64,
}

/// Late targets by request and row.
#[derive(Debug, Clone, Default)]
pub struct FeedbackTargets {
    values: HashMap<(String, u64), String>,
    /// Counts of the lines by their fate.
    pub counts: FeedbackCounts,
}

impl FeedbackTargets {
    /// Reads the values of a target from a file of feedback, a JSON object on each line. A missing file has no lines.
    ///
    /// # Errors
    /// [`Error::Feedback`] for a file that cannot be read.
    pub fn read(path: &Path, target: &str) -> Result<Self, Error> {
        let failed = |source| Error::Feedback { path: path.to_owned(), source };
        let mut targets = Self::default();
        // The opening of a pipe without a writer would wait for ever.
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(targets),
            Ok(found) if !found.is_file() => {
                let what = if found.is_dir() { "it is a folder" } else { "it is not a file" };
                return Err(failed(std::io::Error::other(what)));
            }
            found => found.map_err(failed)?,
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
            if read == 0 {
                return Ok(targets);
            }
            targets.add(&line, target);
        }
    }

    fn add(&mut self, line: &[u8], target: &str) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            self.counts.damaged += u64::from(!line.trim_ascii().is_empty());
            return;
        };
        let Some((request, targets)) = value["request"].as_str().zip(value["targets"].as_object()) else {
            self.counts.damaged += 1;
            return;
        };
        // A model may have other targets.
        let Some(found) = targets.get(target).and_then(text) else { return };
        self.counts.lines += 1;
        let row = value["row"].as_u64().unwrap_or(1);
        match self.values.insert((request.to_owned(), row), found.clone()) {
            Some(before) if before == found => self.counts.repeated += 1,
            Some(_) => self.counts.contradicting += 1,
            None => {}
        }
    }

    /// Fills in the targets of rows by their requests: feedback goes before a target that is known already.
    /// Requests of `others`, rows of the data that are left out, are not unknown.
    pub fn join(
        &mut self,
        requests: &[Option<(String, u64)>],
        others: &[(String, u64)],
        targets: &mut [Option<String>],
    ) {
        let mut seen = std::collections::HashSet::new();
        for (request, target) in requests.iter().zip(targets) {
            let Some(request) = request else { continue };
            if let Some(value) = self.values.get(request) {
                *target = Some(value.clone());
                self.counts.joined += 1;
                seen.insert(request);
            }
        }
        seen.extend(others.iter().filter(|other| self.values.contains_key(*other)));
        self.counts.unknown = (self.values.len() as u64).saturating_sub(seen.len() as u64);
    }
}

impl FeedbackTargets {
    /// Lists of numbers for rows by their requests, such as the values that a forecast was about; a value that is no list is
    /// one of a single number. Requests of `others` are not unknown.
    pub fn join_lists(
        &mut self,
        requests: &[Option<(String, u64)>],
        others: &[(String, u64)],
    ) -> Vec<Option<Vec<f64>>> {
        let mut texts = vec![None; requests.len()];
        self.join(requests, others, &mut texts);
        let list = |text: String| match serde_json::from_str(&text).ok()? {
            Value::Array(values) => Some(values.iter().map(|own| own.as_f64().unwrap_or(f64::NAN)).collect()),
            value => value.as_f64().map(|value| vec![value]),
        };
        texts.into_iter().map(|text| text.and_then(list)).collect()
    }
}

/// Text of a value in the form that names a class: `3.0` is `3`. A list is JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => {
            Some(number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()))
        }
        Value::Array(values) if values.iter().all(Value::is_number) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_target_of_a_request_counts_and_the_rest_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.jsonl");
        let line = |request: &str, row: u64, value: &str| {
            format!(
                "{{\"time\":\"t\",\"request\":\"{request}\",\"row\":{row},\"targets\":{{\"y\":{value}}}}}\n"
            )
        };
        let text = [
            line("a", 1, "1"),
            line("a", 1, "1.0"),
            line("a", 2, "\"no\""),
            line("a", 2, "\"yes\""),
            line("gone", 1, "1"),
            line("other", 1, "1"),
            "{\"request\":\"b\",\"row\":1,\"targets\":{\"z\":1}}\n".to_owned(),
            "{\"request\":\"c\",\"ro".to_owned(),
        ];
        std::fs::write(&path, text.concat()).unwrap();
        let mut feedback = FeedbackTargets::read(&path, "y").unwrap();
        let key = |request: &str, row| Some((request.to_owned(), row));
        let mut targets = [None, None, Some("kept".to_owned()), None];
        feedback.join(
            &[key("a", 1), key("a", 2), key("b", 1), None],
            &[("other".to_owned(), 1)],
            &mut targets,
        );
        let expected = [Some("1"), Some("yes"), Some("kept"), None];
        assert_eq!(targets.each_ref().map(|own| own.as_deref()), expected);
        let counts =
            FeedbackCounts { lines: 6, damaged: 1, repeated: 1, contradicting: 1, unknown: 1, joined: 2 };
        assert_eq!(feedback.counts, counts);
        let missing = FeedbackTargets::read(&folder.path().join("none.jsonl"), "y").unwrap();
        std::fs::write(&path, line("a", 1, "[1, 2.5]") + &line("b", 1, "3") + &line("c", 1, "\"x\""))
            .unwrap();
        let mut lists = FeedbackTargets::read(&path, "y").unwrap();
        let found = lists.join_lists(&[key("a", 1), key("b", 1), key("c", 1), None], &[]);
        assert_eq!(found, [Some(vec![1.0, 2.5]), Some(vec![3.0]), None, None]);
        assert_eq!(missing.counts, FeedbackCounts::default());
    }

    #[test]
    fn a_pipe_or_folder_in_place_of_the_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.jsonl");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for path in [pipe, folder.path().to_owned()] {
            let error = FeedbackTargets::read(&path, "y").unwrap_err().to_string();
            assert!(error.contains("it is ") && error.contains("check --feedback"), "{error}");
        }
    }
}
