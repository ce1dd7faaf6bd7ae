//! Prediction log, as the server writes it.

use std::path::Path;

use cupola_prep::Column;

/// Column with the time of a prediction, in seconds since 1970.
pub(super) const TIME: &str = "cupola_time";
/// Form of the folder of a day.
const DAY: &str = "0000-00-00";

/// Files of a folder of the prediction log: that of a version, with a folder for each day, or that of a model, with a folder for
/// each version. Any other source is left as it is.
pub(super) fn files_of(data: &str) -> String {
    let folder = Path::new(data);
    let versions = || folders(folder).filter(|(name, _)| name.parse::<u64>().is_ok());
    let below = if has_days(folder) {
        "*/*.parquet"
    } else if versions().any(|(_, version)| has_days(&version)) {
        "*/*/*.parquet"
    } else {
        return data.to_owned();
    };
    format!("{}/{below}", data.trim_end_matches('/'))
}

fn has_days(folder: &Path) -> bool {
    folders(folder).any(|(name, _)| is_day(&name))
}

/// Names and paths of the folders in a folder; none if it cannot be read.
fn folders(folder: &Path) -> impl Iterator<Item = (String, std::path::PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

fn is_day(name: &str) -> bool {
    let fits = |(own, day): (char, char)| own == day || day == '0' && own.is_ascii_digit();
    name.len() == DAY.len() && name.chars().zip(DAY.chars()).all(fits)
}

/// Time of a row in milliseconds since 1970; `None` if it is missing.
#[allow(clippy::cast_possible_truncation, reason = "a time is far below 2^63 ms; the cast saturates")]
pub(super) fn milliseconds(column: &Column, row: usize) -> Option<i64> {
    let seconds = column.number(row).ok().flatten().filter(|seconds| seconds.is_finite());
    seconds.map(|seconds| (seconds * 1e3).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_version_and_of_a_model_are_found() {
        let home = tempfile::tempdir().unwrap();
        let model = home.path().join("predictions/m");
        std::fs::create_dir_all(model.join("3/2026-01-31")).unwrap();
        std::fs::create_dir_all(home.path().join("other/3/late")).unwrap();
        let files = |path: &Path| files_of(&format!("{}/", path.display()));
        assert_eq!(files(&model.join("3")), format!("{}/*/*.parquet", model.join("3").display()));
        assert_eq!(files(&model), format!("{}/*/*/*.parquet", model.display()));
        let other = home.path().join("other");
        assert_eq!(files(&other), format!("{}/", other.display()));
        assert_eq!(files_of("rows.csv"), "rows.csv");
    }
}
