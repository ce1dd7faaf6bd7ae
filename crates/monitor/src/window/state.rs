//! Document of a server's windows, by which those of several servers are merged.

use serde::{Deserialize, Serialize};

use super::embeddings::EmbeddingWindows;
use super::ring::MonitorWindow;
use crate::error::Error;

/// Windows of one model version at one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MonitorState {
    /// Version of this document.
    pub format_version: u32,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: u64,
    /// Length of a window in milliseconds.
    pub period: i64,
    /// Windows from the oldest to the open one.
    pub windows: Vec<MonitorWindow>,
    /// Sampled embeddings of the windows; `None` where they are not watched, and in documents of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingWindows>,
}

impl MonitorState {
    /// Version of the document that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Merges the states of several servers: windows of the same period become one. A state without embeddings adds none.
    ///
    /// # Errors
    /// [`Error::Sketch`] without a state, for another format, and for embeddings that contradict themselves; [`Error::Merge`] for
    /// states of different models, versions or columns.
    pub fn merged(states: &[Self]) -> Result<Self, Error> {
        let Some((first, rest)) = states.split_first() else {
            return Err(Error::Sketch("there is no state to merge".to_owned()));
        };
        for state in states {
            if state.format_version != Self::FORMAT_VERSION || state.period <= 0 {
                let expected = Self::FORMAT_VERSION;
                let found = format!("format {}, period {} ms", state.format_version, state.period);
                return Err(Error::Sketch(format!("{found}: expected format {expected} and a period")));
            }
        }
        for state in rest {
            if (&state.model, state.version) != (&first.model, first.version) {
                let what =
                    format!("`{}:{}` and `{}:{}`", first.model, first.version, state.model, state.version);
                return Err(Error::Merge { what, why: "they are not the same model version" });
            }
            if state.period != first.period {
                let what = format!("`{}:{}`", first.model, first.version);
                return Err(Error::Merge { what, why: "the lengths of their windows are not the same" });
            }
        }
        let mut windows: Vec<&MonitorWindow> = states.iter().flat_map(|state| &state.windows).collect();
        let place = |window: &MonitorWindow| window.began.div_euclid(first.period);
        windows.sort_by_key(|window| window.began);
        let groups = windows.chunk_by(|a, b| place(a) == place(b));
        let merged = groups.map(|group| MonitorWindow::merged(group.iter().copied()));
        let merged = merged.collect::<Result<Vec<_>, _>>()?;
        let embeddings = states.iter().filter_map(|state| state.embeddings.as_ref());
        let embeddings = EmbeddingWindows::merged(embeddings, first.period)?;
        Ok(Self { windows: merged.into_iter().flatten().collect(), embeddings, ..first.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColumnRole;
    use crate::sketch::{SketchColumn, SketchKind, SketchLayout, SketchTable};
    use crate::window::{EmbeddingSample, SampledVectors, WindowTraffic};

    fn window(began: i64, values: &[f64]) -> MonitorWindow {
        let column = SketchColumn::without_reference("x", ColumnRole::Input, SketchKind::Number, &[]);
        let layout = SketchLayout::new(vec![column], false);
        let mut table = SketchTable::new(&layout);
        for value in values {
            table.columns[0].add_number(&layout.columns[0], Some(*value));
            table.rows += 1;
        }
        let mut traffic = WindowTraffic::default();
        traffic.add(200, 0.002);
        MonitorWindow { began, ended: began + 10, traffic, table }
    }

    fn state(windows: Vec<MonitorWindow>) -> MonitorState {
        MonitorState {
            format_version: 1,
            model: "m".to_owned(),
            version: 1,
            period: 1000,
            windows,
            embeddings: None,
        }
    }

    #[test]
    fn windows_of_one_period_become_one_and_json_keeps_them() {
        let one = state(vec![window(1000, &[1.0]), window(2100, &[2.0])]);
        let two = state(vec![window(2000, &[3.0, 4.0]), window(3000, &[])]);
        let json = serde_json::to_string(&two).unwrap();
        let merged = MonitorState::merged(&[one, serde_json::from_str(&json).unwrap()]).unwrap();
        let found: Vec<_> =
            merged.windows.iter().map(|w| (w.began, w.table.rows, w.traffic.requests)).collect();
        assert_eq!(found, [(1000, 1, 1), (2000, 3, 2), (3000, 0, 1)]);
    }

    #[test]
    fn states_of_earlier_versions_have_no_embeddings_and_merge_with_others() {
        let old = state(vec![window(0, &[1.0])]);
        let json = serde_json::to_string(&old).unwrap();
        assert!(!json.contains("embeddings"));
        let sampled = SampledVectors { began: 7, seen: 9, usable: 1.0, vectors: vec![vec![0.5, 1.5]; 4] };
        let windows = vec![EmbeddingSample::draw(sampled, 4, 1)];
        let own = EmbeddingWindows { width: 2, enough: 20, windows };
        let new = MonitorState { embeddings: Some(own.clone()), ..old.clone() };
        let merged = MonitorState::merged(&[serde_json::from_str(&json).unwrap(), new]).unwrap();
        assert_eq!((merged.windows[0].table.rows, merged.embeddings), (2, Some(own)));
        assert!(MonitorState::merged(&[old.clone(), old]).unwrap().embeddings.is_none());
    }

    #[test]
    fn states_of_other_models_columns_and_formats_are_refused() {
        let good = state(vec![window(0, &[1.0])]);
        let other = |change: fn(&mut MonitorState)| {
            let mut other = good.clone();
            change(&mut other);
            MonitorState::merged(&[good.clone(), other]).unwrap_err().to_string()
        };
        assert!(other(|state| state.version = 2).contains("`m:1` and `m:2`"));
        assert!(other(|state| state.period = 7).contains("lengths"));
        assert!(other(|state| state.format_version = 9).contains("format 9"));
        assert!(other(|state| state.windows[0].table.layout.clear()).contains("categories"));
        assert!(MonitorState::merged(&[]).is_err());
    }
}
