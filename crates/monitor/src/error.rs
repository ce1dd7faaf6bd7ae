//! Errors of monitoring.

/// Unusable values, profiles or rules.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Lists of rows that differ in length.
    #[error("mismatched rows: expected {expected} values, found {found}")]
    MismatchedRows {
        /// Expected number of values.
        expected: usize,
        /// Number that was found.
        found: usize,
    },
    /// A class that the model does not have.
    #[error("class {class} is out of range: the model has {classes} classes")]
    ClassOutOfRange {
        /// Number of the class.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A classifier with a single class.
    #[error("performance of a classifier is estimated for at least two classes")]
    TooFewClasses,
    /// A reference without targets.
    #[error("the reference has no row with a target and a prediction; give rows whose targets are known")]
    NoReferenceTargets,
    /// Chunks by period for rows without times.
    #[error(
        "chunks by period require a time in each row; choose chunks by size or count, such as `size:500`"
    )]
    NoTimes,
    /// A division into chunks that does not exist.
    #[error(
        "unknown chunks `{0}`; expected `size:N`, `count:N`, `hour`, `day`, `week`, `month`, `quarter` or `year`"
    )]
    UnknownChunking(String),
    /// A statistic of drift has no such name.
    #[error("unknown statistic `{name}`; {}expected one of {names}", near(.name, .names))]
    Method {
        /// Name.
        name: String,
        /// All names.
        names: String,
    },
    /// A statistic of drift that requires more than a sketch.
    #[error("`{name}` requires all values, and a server keeps sketches of them; expected one of {names}")]
    SketchMethod {
        /// Name.
        name: &'static str,
        /// Names of the statistics that sketches compute.
        names: String,
    },
    /// A threshold that no score can have.
    #[error("`threshold = {threshold}` is out of range: {why}")]
    Threshold {
        /// Threshold.
        threshold: f64,
        /// Reason, with the remedy.
        why: String,
    },
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
    /// A reference profile does not parse, or its numbers contradict each other.
    #[error("invalid reference profile: {0}")]
    Profile(String),
    /// Reference embeddings do not parse, or are no finite vectors.
    #[error("invalid reference embeddings: {0}")]
    Embeddings(String),
    /// Sketches of different columns, bins or categories.
    #[error("sketches of {what} differ: {why}; merge those of one version of one model")]
    Merge {
        /// Column, or the whole table.
        what: String,
        /// Difference.
        why: &'static str,
    },
    /// A document of sketches does not parse, or its numbers contradict each other.
    #[error("invalid sketches: {0}")]
    Sketch(String),
    /// Fewer columns or rows than relations need.
    #[error(
        "multivariate drift requires a reference of at least two columns of numbers or categories, and two rows"
    )]
    TooFewFeatures,
    /// A column of the reference that the current rows lack.
    #[error("the data has no values of the kind of the reference for `{0}`; give data with this column")]
    MissingFeature(String),
}

/// Hint at the name in a list that shares most of its letters with another one; empty if all are far.
fn near(name: &str, names: &str) -> String {
    let name = name.to_lowercase();
    let each = names.split(", ").map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known));
    let best = each.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or_else(String::new, |(_, known)| format!("did you mean `{known}`? "))
}
