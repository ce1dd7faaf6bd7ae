//! Files of a preset in the home folder: the config of each member, and the record of the whole.

use std::path::{Path, PathBuf};

use cupola_spec::{Config, Source};
use cupola_store::write_file;

use super::report::PresetReport;
use crate::error::Error;

/// Record in the folder of a preset.
const RECORD: &str = "preset.toml";

/// Writes the config of a member and returns its text.
///
/// # Errors
/// [`Error::Store`] of a file that cannot be written.
pub(super) fn write_config(path: &Path, config: &Config, reason: &str) -> Result<String, Error> {
    let text = format!("# {reason}\n{}", toml::to_string(config)?);
    write_file(path, text.as_bytes())?;
    Ok(text)
}

/// Writes `preset.toml`: members, scores and weights, with the command that makes the ensemble again.
///
/// # Errors
/// [`Error::Store`] of a file that cannot be written.
pub(super) fn write_record(folder: &Path, report: &PresetReport) -> Result<PathBuf, Error> {
    let path = folder.join(RECORD);
    let about = "# Members of a preset, the best first. The command trains those again whose runs are gone, and weighs them.\n";
    write_file(&path, format!("{about}{}", toml::to_string(report)?).as_bytes())?;
    Ok(path)
}

/// Paths that are relative to another folder than the working directory are written with that folder, so that the config of
/// a member does not depend on where its file lies.
pub(super) fn relocate(config: &mut Config, roots: &[PathBuf]) {
    let data = &mut config.data;
    for source in std::iter::once(&mut data.source).chain(&mut data.test_source) {
        match source {
            Source::One(one) => relocate_path(one, roots),
            Source::Many(many) => many.iter_mut().for_each(|one| relocate_path(one, roots)),
        }
    }
}

fn relocate_path(path: &mut String, roots: &[PathBuf]) {
    if Path::new(path).is_absolute() || Path::new(path).exists() {
        return;
    }
    let found = roots.iter().map(|root| root.join(&path)).find(|found| found.exists());
    if let Some(found) = found {
        *path = found.to_string_lossy().into_owned();
    }
}
