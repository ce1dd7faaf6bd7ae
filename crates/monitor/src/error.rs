//! Errors of monitoring.

/// What is wrong with values, profiles or rules that were given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of alerts with an invalid number.
    #[error("alert `{rule}`: `{key}` must be {expected}")]
    AlertRule {
        /// Name of the rule.
        rule: String,
        /// Key of the number.
        key: &'static str,
        /// Range of the number.
        expected: &'static str,
    },
    /// Metrics that cannot be parsed.
    #[error("line {line} of the metrics is not a sample; expected NAME{{LABEL=\"VALUE\"}} NUMBER")]
    MetricsText {
        /// Number of the line, from 1.
        line: usize,
    },
    /// A silence that silences nothing or everything.
    #[error("invalid silence: {0}")]
    Silence(&'static str),
    /// More silences than the engine keeps.
    #[error("{limit} silences are already kept; end one of them first")]
    TooManySilences {
        /// Silences that are kept.
        limit: usize,
    },
}
