//! Names: the rule for those of models, datasets and runs, globs of columns, and suggestions for unknown ones.

mod pattern;
mod spelling;

pub use self::pattern::matches_pattern;
pub use self::spelling::{did_you_mean, nearest, other_spelling, spelling_difference};

/// The rule of [`is_name`], for error messages.
pub const NAME_RULE: &str = "1 to 64 letters, digits, `_` and `-`, without a leading `-`";

/// `true` if `name` may name a model, dataset or run: 1 to 64 ASCII letters, digits, `_` and `-`,
/// without a leading `-`. Such a name is safe as a file name and as an argument.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
