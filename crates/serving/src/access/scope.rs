//! Permissions of keys and tokens.

use std::fmt;

/// Names of all scopes. `predict` and `rows` may name one model or dataset: `predict:NAME`.
pub const SCOPES: [&str; 4] = ["predict", "rows", "metrics", "admin"];

/// Permission of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Predictions, generated text and feedback of a model.
    Predict,
    /// Pushing rows to a dataset.
    Rows,
    /// Metrics.
    Metrics,
    /// Loading and unloading of models; implies every other scope.
    Admin,
}

impl Scope {
    /// Name as keys and tokens have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Rows => "rows",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
