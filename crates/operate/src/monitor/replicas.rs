//! Windows of several servers as those of one.

use std::path::{Path, PathBuf};

use cupola_monitor::window::MonitorState;
use serde_json::Value;

use crate::error::Error;

/// Merges the states of servers of one model version, read from files: a state, or the answer of the route for monitoring that
/// holds one.
///
/// # Errors
/// [`Error::StateFile`] for a file that cannot be read or has no state, [`Error::Monitor`] for states that do not fit each other.
pub fn merge_states(paths: &[PathBuf]) -> Result<MonitorState, Error> {
    let states = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(MonitorState::merged(&states)?)
}

fn read(path: &Path) -> Result<MonitorState, Error> {
    let failed = |why: String| Error::StateFile { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut document: Value = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    let state = match document.get_mut("state") {
        Some(state) => state.take(),
        None => document,
    };
    if state.get("windows").is_none() {
        return Err(failed("it has no state of sketches".to_owned()));
    }
    serde_json::from_value(state).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_merge_alone_and_within_answers() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let state = r#"{"format_version":1,"model":"m","version":2,"period":1000,"windows":[]}"#;
        let files = [write("a", state), write("b", &format!("{{\"model\":\"m\",\"state\":{state}}}"))];
        let merged = merge_states(&files).unwrap();
        assert_eq!((merged.model.as_str(), merged.version, merged.windows.len()), ("m", 2, 0));
        for bad in ["{", "{}", "[1]", r#"{"state":null}"#, r#"{"state":{"windows":[{}]}}"#] {
            let bad = write("bad", bad);
            let error = merge_states(&[files[0].clone(), bad]).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains("?state=1"), "{error}");
        }
        assert!(merge_states(&[]).is_err());
    }
}
