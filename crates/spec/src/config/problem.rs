//! Problems of a config: all of them at once, each with its position and its remedy.

use std::fmt;

/// One problem of a config.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file, or `--set` for an override.
    pub origin: String,
    /// Line and column, both counted from 1; `None` for an override or a default.
    pub at: Option<(usize, usize)>,
    /// The key, such as `train.epochs` or `inputs[0].kind`.
    pub key: String,
    /// Description of the problem, and its remedy.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All problems of a config.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The hint to an unknown name: `` (did you mean `x`?)`` with a leading space, or an empty text if
/// no candidate is similar. It follows the name in a message.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"))
}

/// The candidate most similar to `word`; `None` if none is similar.
///
/// The similarity is the larger of Jaro-Winkler, which rewards a common beginning, and normalised
/// Damerau-Levenshtein, which tolerates exchanged letters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |candidate: &str| {
        let edits = strsim::normalized_damerau_levenshtein(word, candidate) + 0.1;
        strsim::jaro_winkler(word, candidate).max(edits)
    };
    candidates
        .into_iter()
        .map(|candidate| (similarity(candidate), candidate))
        .filter(|(similarity, _)| *similarity >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
