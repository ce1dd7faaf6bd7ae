//! Run configs: where their text comes from and how it becomes a run.

pub mod draft;

use std::path::{Path, PathBuf};

use cupola_registry::Home;
use cupola_spec::{Model, PACKAGE, Run};

use crate::error::Error;
use crate::models::pretrained;
use crate::session::Session;

/// Text of a run config, and the keys that override it.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    text: Text,
    overrides: Vec<String>,
}

#[derive(Debug, Clone)]
enum Text {
    File(PathBuf),
    Inline { origin: String, text: String },
}

impl ConfigSource {
    /// TOML file. Paths in it are relative to the working directory, the file's folder or the folder above.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { text: Text::File(path.into()), overrides: Vec::new() }
    }

    /// TOML text; `origin` names it in messages. Paths in it are relative to the working directory.
    pub fn text(origin: impl Into<String>, text: impl Into<String>) -> Self {
        Self { text: Text::Inline { origin: origin.into(), text: text.into() }, overrides: Vec::new() }
    }

    /// Overrides keys, each as `train.epochs=5`.
    #[must_use]
    pub fn with_overrides(self, overrides: impl Into<Vec<String>>) -> Self {
        Self { overrides: overrides.into(), ..self }
    }

    /// Overrides further keys, after those that are overridden already.
    #[must_use]
    pub fn with_more_overrides(mut self, overrides: impl IntoIterator<Item = String>) -> Self {
        self.overrides.extend(overrides);
        self
    }

    /// Folders that relative paths in the config are looked up in, in this order.
    pub fn roots(&self) -> Vec<PathBuf> {
        match &self.text {
            Text::File(path) => roots(Some(path)),
            Text::Inline { .. } => roots(None),
        }
    }

    /// Name of the config in messages.
    pub fn origin(&self) -> String {
        match &self.text {
            Text::File(path) => path.display().to_string(),
            Text::Inline { origin, .. } => origin.clone(),
        }
    }

    fn read(&self) -> Result<String, Error> {
        match &self.text {
            Text::File(path) => {
                std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.clone(), source })
            }
            Text::Inline { text, .. } => Ok(text.clone()),
        }
    }
}

/// Working directory, then the config's own folder and the one above.
fn roots(config: Option<&Path>) -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from(".")];
    if let Some(folder) = config.and_then(Path::parent) {
        roots.push(folder.to_owned());
        roots.extend(folder.parent().map(Path::to_owned));
    }
    roots
}

impl Session<'_> {
    /// Reads and validates a run config.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Config`] with all problems of the config.
    pub fn run_config(&self, config: &ConfigSource) -> Result<Run, Error> {
        let text = config.read()?;
        let roots = config.roots();
        let load = |path: &str| -> Result<String, String> {
            let found = roots.iter().map(|root| root.join(path)).find(|path| path.is_file());
            let found = found.ok_or_else(|| {
                let remedy = "it is looked up in the working directory, the folder of the config and the one above; \
                    check the path";
                format!("no such file: {path}; {remedy}")
            })?;
            std::fs::read_to_string(&found).map_err(|error| format!("{path}: {error}; check the path"))
        };
        parse(&self.home, &config.origin(), &text, &config.overrides, &load)
    }
}

/// Parses a run config; a package in it gets its exact version. `load` reads architecture files.
pub fn parse(
    home: &Home,
    origin: &str,
    text: &str,
    overrides: &[String],
    load: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Run, Error> {
    let load = |path: &str| match path.strip_prefix(PACKAGE) {
        Some(package) => pretrained::model_text(home, package).map_err(|error| error.to_string()),
        None => load(path),
    };
    let mut run = cupola_spec::parse(origin, text, overrides, &load)?;
    if let Some(start) = &mut run.start {
        start.package = pretrained::label(home, &start.package)?;
        run.sealed.model = Model::Package(start.clone());
    }
    Ok(run)
}
