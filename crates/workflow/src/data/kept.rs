//! Data that one run after another trains on.

use std::path::PathBuf;

use cupola_spec::Run;

use super::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;

/// Data of the latest run, for the next one if it has the same rows and examples.
#[derive(Default)]
pub(crate) struct KeptData {
    kept: Option<(String, LoadedData)>,
}

impl KeptData {
    /// Data of a run. What the run before has loaded is used where the prepare stage has the same key: the files of
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
        let known = self.kept.take().filter(|(key, _)| stage.is_reusable() && *key == stage.key());
        let kept = match known {
            Some(kept) => {
                session.emit(&WorkflowEvent::PreparedReused { stage: stage.short() });
                kept
            }
            // The data of the run before is dropped by now: memory never holds both.
            None => (stage.key().to_owned(), session.load_stage(run, roots, stage)?),
        };
        Ok(&self.kept.insert(kept).1)
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
        let mut kept = KeptData::default();
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
        rows("40,p\n");
        assert_eq!(load(&["seed=5"]), ["loaded"]);
    }
}
