//! The server of an image: its packages, and its command.

use cupola_registry::{Home, Package};
use cupola_spec::Serve;

use super::contents::{CONFIG, PROGRAM, model_folder};
use super::error::ImageError;

/// Port of the server where no option names another.
const DEFAULT_PORT: u16 = 8080;

/// Models and options of the server in an image.
#[derive(Debug, Clone)]
pub struct ImageServe {
    /// All packages of the image, each once.
    packages: Vec<Package>,
    /// Packages of `--model`, as folders of the image.
    models: Vec<String>,
    /// Config of the server, with folders of the image in place of references.
    config: Option<Serve>,
    options: Vec<String>,
    port: u16,
}

impl ImageServe {
    /// Opens the packages of `models` and of a config of a server. Aliases are followed once, now: an image has the
    /// versions that it was made with.
    ///
    /// # Errors
    /// [`ImageError::Registry`], [`ImageError::Empty`], [`ImageError::Duplicate`].
    pub fn open(home: &Home, models: &[String], config: Option<Serve>) -> Result<Self, ImageError> {
        let mut serve = Self {
            packages: Vec::new(),
            models: Vec::new(),
            config: None,
            options: Vec::new(),
            port: DEFAULT_PORT,
        };
        let mut served: Vec<Package> = Vec::new();
        let mut config = config;
        for model in config.iter_mut().flat_map(|config| &mut config.models) {
            served.push(home.package(&model.serve)?);
            model.serve = serve.add(home, &model.serve)?;
            if let Some(canary) = &mut model.canary {
                canary.serve = serve.add(home, &canary.serve)?;
            }
            if let Some(shadow) = &mut model.shadow {
                *shadow = serve.add(home, shadow)?;
            }
        }
        for model in models {
            served.push(home.package(model)?);
            let folder = serve.add(home, model)?;
            serve.models.push(folder);
        }
        if served.is_empty() {
            return Err(ImageError::Empty);
        }
        for (index, package) in served.iter().enumerate() {
            let same = |other: &&Package| other.manifest.name == package.manifest.name;
            if let Some(first) = served[..index].iter().find(same) {
                return Err(ImageError::Duplicate { first: first.label(), second: package.label() });
            }
        }
        serve.config = config;
        Ok(serve)
    }

    /// Adds options of `cupola serve`, and the port that they name, if any.
    #[must_use]
    pub fn with_options(mut self, options: Vec<String>, port: Option<u16>) -> Self {
        self.options = options;
        self.port = port.unwrap_or(DEFAULT_PORT);
        self
    }

    /// All packages of the image.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Port of the server.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Adds the package of a reference and returns its folder in the image.
    fn add(&mut self, home: &Home, reference: &str) -> Result<String, ImageError> {
        let package = home.package(reference)?;
        let folder = model_folder(&package);
        if !self.packages.iter().any(|known| known.label() == package.label()) {
            self.packages.push(package);
        }
        Ok(folder)
    }

    /// Text of the config, if there is one.
    ///
    /// # Errors
    /// [`ImageError::Config`].
    pub(super) fn config_text(&self) -> Result<Option<String>, ImageError> {
        Ok(self.config.as_ref().map(toml::to_string).transpose()?)
    }

    /// Command of the container. The port of a container is reached only where it is published, so the server
    /// takes requests without keys; with keys in its home it requires them.
    pub(super) fn command(&self) -> Vec<String> {
        let port = self.port.to_string();
        let mut words = vec![PROGRAM, "serve", "--host", "0.0.0.0"];
        if !self.options.iter().any(|option| option == "--port" || option.starts_with("--port=")) {
            words.extend(["--port", &port]);
        }
        words.push("--open");
        if self.config.is_some() {
            words.extend(["--config", CONFIG]);
        }
        words.extend(self.models.iter().flat_map(|folder| ["--model", folder]));
        words.extend(self.options.iter().map(String::as_str));
        words.into_iter().map(str::to_owned).collect()
    }

    /// Command that exits with 0 if the server is ready; `None` for a server with certificates, which may not name
    /// the local address.
    pub(super) fn health_command(&self) -> Option<Vec<String>> {
        let has_tls = self.config.as_ref().is_some_and(|config| config.tls.is_some());
        let url = format!("http://127.0.0.1:{}", self.port);
        let words = ["CMD", PROGRAM, "serve", "--health", &url];
        (!has_tls).then(|| words.map(str::to_owned).to_vec())
    }
}
