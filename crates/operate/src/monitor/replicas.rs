//! Windows of several servers as those of one.

use std::path::{Path, PathBuf};

use cupola_monitor::embedding::{EmbeddingDrift, EmbeddingRows};
use cupola_monitor::sketch::LiveVerdict;
use cupola_monitor::window::{EmbeddingWindows, MonitorState};
use cupola_registry::Package;
use cupola_workflow::reference_embeddings;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// Merged states, and the drift of their embeddings from those that are sealed with the model.
#[derive(Debug, Clone, Serialize)]
pub struct JudgedState {
    /// Verdict on the embeddings.
    pub embeddings: MergedEmbeddings,
    /// The merged state, as files of further merges have it.
    pub state: MonitorState,
}

/// Drift of the embeddings of several servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MergedEmbeddings {
    /// Verdict; `few_rows` below the number of vectors that the servers require.
    pub verdict: LiveVerdict,
    /// Area under the ROC curve, its threshold and the method; `None` with too few vectors.
    #[serde(flatten)]
    pub drift: Option<EmbeddingDrift>,
    /// Vectors that were compared.
    pub rows: usize,
    /// Windows that they are of.
    pub windows: usize,
    /// Vectors of the reference.
    pub reference_rows: usize,
    /// Values of a vector.
    pub width: usize,
}

/// Compares the embeddings of merged states with those that are sealed with their model.
///
/// # Errors
/// [`Error::OtherModel`] for the package of another model, version or network, [`Error::NoMergedEmbeddings`] for states or a package
/// without embeddings; a damaged package.
pub fn judge_states(package: &Package, state: MonitorState) -> Result<JudgedState, Error> {
    let model = format!("{}:{}", state.model, state.version);
    if package.label() != model {
        return Err(Error::OtherModel { package: package.label(), states: model });
    }
    let (Some(own), Some(sealed)) = (&state.embeddings, reference_embeddings(package)?) else {
        return Err(Error::NoMergedEmbeddings { model });
    };
    if own.width != sealed.rows.width() {
        let with = |width: usize| format!("{model} with embeddings of {width} values");
        return Err(Error::OtherModel { package: with(sealed.rows.width()), states: with(own.width) });
    }
    let embeddings = judged(own, &sealed.rows);
    Ok(JudgedState { embeddings, state })
}

fn judged(own: &EmbeddingWindows, sealed: &EmbeddingRows) -> MergedEmbeddings {
    let (rows, windows) = own.recent();
    let drift = own.drift(sealed);
    let verdict = match &drift {
        None => LiveVerdict::FewRows,
        Some(drift) if drift.drifted => LiveVerdict::Drift,
        Some(_) => LiveVerdict::Stable,
    };
    let (rows, reference_rows, width) = (rows.len(), sealed.len(), own.width);
    MergedEmbeddings { verdict, drift, rows, windows, reference_rows, width }
}

/// Merges the states of servers of one model version, read from files: a state, or the answer of the route for monitoring that
/// holds one.
///
/// # Errors
/// [`Error::StateFile`] for a file that cannot be read or has no state, [`Error::SameState`], [`Error::Monitor`] for states that do not fit each other.
pub fn merge_states(paths: &[PathBuf]) -> Result<MonitorState, Error> {
    let states = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    check_different(paths, &states)?;
    Ok(MonitorState::merged(&states)?)
}

/// Checks that no server is there twice, whose rows would count twice.
fn check_different(paths: &[PathBuf], states: &[MonitorState]) -> Result<(), Error> {
    let with_rows = paths.iter().zip(states).filter(|(_, state)| !state.windows.is_empty());
    let mut seen: Vec<(&PathBuf, Value)> = Vec::new();
    for (path, state) in with_rows {
        let state = serde_json::to_value(state)
            .map_err(|error| Error::StateFile { path: path.clone(), why: error.to_string() })?;
        if let Some((other, _)) = seen.iter().find(|(_, other)| *other == state) {
            return Err(Error::SameState { path: path.clone(), other: (*other).clone() });
        }
        seen.push((path, state));
    }
    Ok(())
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
