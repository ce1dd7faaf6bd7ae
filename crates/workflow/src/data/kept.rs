//! Data that one run after another trains on.

use std::path::PathBuf;

use cupola_spec::Run;

use super::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;

/// Data of the latest runs, for the next one if it has the same rows and examples.
pub(crate) struct KeptData {
    /// Data by the key of its stage, the latest last.
    kept: Vec<(String, LoadedData)>,
    /// Largest number of encodings in memory.
    most: usize,
}

impl Default for KeptData {
    /// Data of one run.
    fn default() -> Self {
        Self::of_runs(1)
    }
}

impl KeptData {
    /// Data of so many encodings, at least one.
    pub fn of_runs(most: usize) -> Self {
        Self { kept: Vec::new(), most: most.max(1) }
    }

    /// Data of a run. What an earlier run has loaded is used where the prepare stage has the same key: the files of
    /// the source are unchanged, and the runs differ only in keys that examples do not depend on, such as those of
    /// `[model]` and `[train]`.
    ///
    /// # Errors
    /// The errors of [`Session::load_data`].
    pub fn load(
        &mut self,
        session: &Session<'_>,
        run: &Run,
        roots: &[PathBuf],
    ) -> Result<&LoadedData, Error> {
        let stage = session.prepared_stage(run, roots)?;
        let known = self.kept.iter().position(|(key, _)| stage.is_reusable() && *key == stage.key());
        let kept = if let Some(at) = known {
            session.emit(&WorkflowEvent::PreparedReused { stage: stage.short() });
            self.kept.remove(at)
        } else {
            // The oldest data is dropped before other data is read, so that memory never holds more than `most`.
            let surplus = (self.kept.len() + 1).saturating_sub(self.most);
            self.kept.drain(..surplus);
            (stage.key().to_owned(), session.load_stage(run, roots, stage)?)
        };
        self.kept.push(kept);
        let at = self.kept.len() - 1;
        Ok(&self.kept[at].1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use cupola_registry::Home;

    use super::*;
    use crate::config::ConfigSource;

    const CONFIG: &str = "name = 'a'\n[data]\nsource = 'a.csv'\n[split]\nvalid = 0.2\n\
                          [[targets]]\nname = 'y'\nkind = 'category'\n[model]\nfamily = 'gbdt'\n";

    #[test]
    #[allow(clippy::format_collect, reason = "a few short texts")]
    fn runs_of_the_same_rows_load_them_once() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |more: &str| {
            let rows: String = (0..40).map(|row| format!("{row},{}\n", ["p", "q"][row % 2])).collect();
            std::fs::write(folder.path().join("a.csv"), format!("x,y\n{rows}{more}")).unwrap();
        };
        rows("");
        let config = folder.path().join("a.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let events = Mutex::new(Vec::new());
        let observer = |event: &WorkflowEvent<'_>| match event {
            WorkflowEvent::DataLoaded { .. } => events.lock().unwrap().push("loaded"),
            WorkflowEvent::PreparedReused { .. } => events.lock().unwrap().push("reused"),
            _ => {}
        };
        let session = Session::new(Home::new(folder.path().join("home")), &observer);
        let mut kept = KeptData::of_runs(1);
        let mut load = |set: &[&str]| {
            let overrides: Vec<String> = set.iter().map(|one| (*one).to_owned()).collect();
            let source = ConfigSource::file(config.clone()).with_overrides(overrides);
            let run = session.run_config(&source).unwrap();
            kept.load(&session, &run, &source.roots()).unwrap().train_rows();
            std::mem::take(&mut *events.lock().unwrap())
        };
        assert_eq!(load(&[]), ["loaded"]);
        assert_eq!(load(&["model.leaves=7"]), ["reused"]);
        assert_eq!(load(&["model.rounds=3", "model.learning_rate=0.2"]), ["reused"]);
        // Another seed splits the rows in another way, and a changed file has other rows.
        assert_eq!(load(&["seed=5"]), ["loaded"]);
        assert_eq!(load(&["seed=5", "model.leaves=7"]), ["reused"]);
        // Boosted trees take numbers that are missing, and categories by their number; other models do not.
        assert_eq!(load(&["seed=5", "model={family='random_forest'}"]), ["loaded"]);
        assert_eq!(load(&["seed=5", "model={family='mlp'}"]), ["reused"]);
        assert_eq!(load(&["seed=5", "model={family='realmlp'}"]), ["loaded"]);
        rows("40,p\n");
        assert_eq!(load(&["seed=5"]), ["loaded"]);
    }

    #[test]
    fn encodings_that_take_turns_are_kept_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let rows: String =
            (0..40).map(|row| format!("{row},{}\n", ["p", "q"][row % 2])).collect::<Vec<_>>().concat();
        std::fs::write(folder.path().join("a.csv"), format!("x,y\n{rows}")).unwrap();
        let config = folder.path().join("a.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let loads = Mutex::new(0);
        let observer = |event: &WorkflowEvent<'_>| {
            if let WorkflowEvent::DataLoaded { .. } = event {
                *loads.lock().unwrap() += 1;
            }
        };
        let session = Session::new(Home::new(folder.path().join("home")), &observer);
        let mut kept = KeptData::of_runs(2);
        let mut load = |seed: u64| {
            let source = ConfigSource::file(config.clone()).with_overrides(vec![format!("seed={seed}")]);
            let run = session.run_config(&source).unwrap();
            kept.load(&session, &run, &source.roots()).unwrap().train_rows();
            std::mem::take(&mut *loads.lock().unwrap())
        };
        assert_eq!([1, 2, 1, 2].map(&mut load), [1, 1, 0, 0]);
        // The third drops the one that was used longest ago.
        assert_eq!([3, 2, 1].map(&mut load), [1, 0, 1]);
    }
}
