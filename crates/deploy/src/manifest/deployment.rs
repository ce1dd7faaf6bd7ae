//! Description of a deployment, computed once from a package and options.

use std::path::PathBuf;

use cupola_registry::{Package, read_limited, sha256_hex};

use super::error::ManifestError;
use super::names::{check_host, check_image, check_label, check_service_name, image_of, service_name};
use super::objects::Scalar;
use super::resources::{REQUESTS_MIB, ServerResources};

/// Largest manifest of a package in bytes.
const MANIFEST_LIMIT: u64 = 64 << 20;
/// File of the weights in a package.
const WEIGHTS: &str = "model.safetensors";
/// Smallest port that a user other than root may listen on.
const FIRST_PORT: u16 = 1024;
/// Most replicas.
const REPLICA_LIMIT: u32 = 1000;
/// Seconds after a stop signal in which the server reports "not ready" but still takes requests: balancers need them to
/// notice.
pub(super) const LAME_DUCK: u32 = 10;
/// Seconds after which a request ends.
pub(super) const TIMEOUT: u32 = 30;
/// Seconds from the stop signal to the end of the process: the lame duck, the longest request, and a margin.
pub(super) const GRACE: u32 = LAME_DUCK + TIMEOUT + 10;
/// Options of `cupola serve` that a target writes itself.
const OWN_OPTIONS: [&str; 11] = [
    "--home",
    "--model",
    "--canary",
    "--host",
    "--port",
    "--admin-port",
    "--memory-mib",
    "--lame-duck",
    "--keys",
    "--config",
    "--timeout",
];

/// Facts of a package that a deployment needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: u64,
    /// SHA-256 of `manifest.json`, which has the digests of all other files.
    pub sha256: String,
    /// Size of the weights in bytes.
    pub weights: u64,
    /// Folder of the package.
    pub folder: PathBuf,
}

impl PackageFacts {
    /// Reads the facts of a package.
    ///
    /// # Errors
    /// [`ManifestError::Store`] if its files cannot be read.
    pub fn of(package: &Package) -> Result<Self, ManifestError> {
        let file = package.path.join("manifest.json");
        let sha256 = sha256_hex(&read_limited(&file, MANIFEST_LIMIT)?);
        let weights = package.path.join(WEIGHTS);
        let length = std::fs::metadata(&weights)
            .map_err(|source| cupola_store::Error::Io { path: weights, source })?
            .len();
        let folder = std::path::absolute(&package.path).unwrap_or_else(|_| package.path.clone());
        let manifest = &package.manifest;
        Ok(Self { model: manifest.name.clone(), version: manifest.version, sha256, weights: length, folder })
    }

    /// Folder of the package in an image, as `cupola deploy image` lays it out.
    pub(super) fn folder_in_image(&self) -> String {
        format!("/models/{}/{}", self.model, self.version)
    }
}

/// Version that answers a share of the requests beside the main one.
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryImage {
    /// Its package.
    pub package: PackageFacts,
    /// Its image; `None` for the name that `cupola deploy image` gives it.
    pub image: Option<String>,
    /// Share of the requests, from 0 to 1.
    pub share: f64,
}

/// Settings of a deployment.
#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    /// Name of the deployment; `None` derives it from the model.
    pub name: Option<String>,
    /// Image; `None` for the name that `cupola deploy image` gives it.
    pub image: Option<String>,
    /// Namespace of a cluster; `None` for that of the user's context.
    pub namespace: Option<String>,
    /// Port of requests.
    pub port: u16,
    /// Port of metrics and administration.
    pub admin_port: u16,
    /// Smallest number of replicas.
    pub replicas: u32,
    /// Largest number of replicas; `None` for twice the smallest, at least 3.
    pub max_replicas: Option<u32>,
    /// Thousandths of a processor core of each replica.
    pub cpu_milli: u32,
    /// Memory of each replica in MiB; `None` computes it from the weights.
    pub memory_mib: Option<u64>,
    /// GPUs of each replica.
    pub gpus: u32,
    /// Secret of a cluster, or file of a host, that has the keys; `None` serves without keys.
    pub keys: Option<String>,
    /// Public name of the server.
    pub hostname: Option<String>,
    /// Gateway of the Gateway API, as `NAME` or `NAMESPACE/NAME`.
    pub gateway: Option<String>,
    /// Namespace of the Prometheus operator; `None` leaves its objects out.
    pub monitoring: Option<String>,
    /// Second version.
    pub canary: Option<CanaryImage>,
    /// Git repository that Argo CD watches.
    pub repository: Option<String>,
    /// Folder of the manifests in the repository.
    pub repository_path: Option<String>,
    /// Program on a host.
    pub program: Option<PathBuf>,
    /// Running program, from which files and commands take it.
    pub running: Option<PathBuf>,
    /// Home folder that has the keys; `None` for the default one.
    pub home: Option<PathBuf>,
    /// Further options of `cupola serve`.
    pub arguments: Vec<String>,
}

/// Description of a deployment that every target writes in its own format.
#[derive(Debug, Clone)]
pub struct ModelDeployment {
    pub(super) name: String,
    pub(super) package: PackageFacts,
    pub(super) image: String,
    pub(super) min_replicas: Scalar,
    pub(super) max_replicas: Scalar,
    pub(super) cpu: String,
    pub(super) memory: String,
    pub(super) resources: ServerResources,
    /// Share of the canary in percent, and its package and image.
    pub(super) canary: Option<(u32, PackageFacts, String)>,
    pub(super) options: DeployOptions,
    notes: Vec<String>,
}

impl ModelDeployment {
    /// Describes the deployment of a package.
    ///
    /// # Errors
    /// [`ManifestError::Option`] for a name, port, size or number that cannot be.
    pub fn new(package: PackageFacts, options: DeployOptions) -> Result<Self, ManifestError> {
        check(&options)?;
        let mut notes = Vec::new();
        let name = match &options.name {
            Some(name) => {
                check_service_name(name)?;
                name.clone()
            }
            None => service_name(&package.model),
        };
        if options.name.is_none() && name != package.model {
            notes.push(format!(
                "`{}` is called `{name}`, as clusters allow it; --name gives another name",
                package.model
            ));
        }
        let memory_mib = options.memory_mib.unwrap_or_else(|| ServerResources::memory_of(package.weights));
        let resources = ServerResources { cpu_milli: options.cpu_milli, memory_mib, gpus: options.gpus };
        resources.check(package.weights)?;
        let image = options.image.clone().unwrap_or_else(|| image_of(&package.model, package.version));
        check_image("--image", &image)?;
        let most = options.max_replicas.unwrap_or_else(|| (options.replicas * 2).max(3));
        Ok(Self {
            name,
            image,
            min_replicas: Scalar::Number(options.replicas),
            max_replicas: Scalar::Number(most),
            cpu: resources.cpu(),
            memory: resources.memory(),
            resources,
            canary: canary(&package, options.canary.as_ref())?,
            package,
            options,
            notes,
        })
    }

    /// Name of the deployment.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Image of the main version.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Memory of a replica in MiB.
    pub fn memory_mib(&self) -> u64 {
        self.resources.memory_mib
    }

    /// Remarks on what was decided for the user.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// `NAME:VERSION` of the package.
    pub(super) fn label(&self) -> String {
        format!("{}:{}", self.package.model, self.package.version)
    }

    /// Smallest and largest number of replicas, which only a chart has as expressions.
    pub(super) fn replicas(&self) -> (u32, u32) {
        let least = self.options.replicas;
        (least, self.options.max_replicas.unwrap_or_else(|| (least * 2).max(3)))
    }

    /// Arguments of `cupola` that serve a package from these places.
    pub(super) fn arguments(&self, places: &ServerPlaces<'_>) -> Vec<String> {
        let options = &self.options;
        let mut words = vec!["--home".to_owned(), places.home.to_owned(), "serve".to_owned()];
        let mut add = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        add("--model", places.model);
        add("--host", places.host);
        add("--port", &options.port.to_string());
        if places.admin {
            add("--admin-port", &options.admin_port.to_string());
        }
        add("--memory-mib", &REQUESTS_MIB.to_string());
        add("--lame-duck", &LAME_DUCK.to_string());
        if let Some(keys) = places.keys {
            add("--keys", keys);
        }
        if let Some(config) = places.config {
            add("--config", config);
        }
        if places.keys.is_none() && !places.host.starts_with("127.") {
            words.push("--open".to_owned());
        }
        words.extend(options.arguments.iter().cloned());
        words
    }
}

/// Places of the files of a server, and the address that it listens on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerPlaces<'a> {
    pub home: &'a str,
    pub model: &'a str,
    pub keys: Option<&'a str>,
    pub config: Option<&'a str>,
    pub host: &'a str,
    /// `true` if metrics have a port of their own.
    pub admin: bool,
}

fn check(options: &DeployOptions) -> Result<(), ManifestError> {
    for (option, port) in [("--port", options.port), ("--admin-port", options.admin_port)] {
        if port < FIRST_PORT {
            let why = format!("{option} {port} is out of range");
            return Err(ManifestError::option(
                why,
                "give a port from 1024 to 65535; the server does not run as root",
            ));
        }
    }
    if options.port == options.admin_port {
        let why = format!("--port and --admin-port are both {}", options.port);
        return Err(ManifestError::option(why, "give two different ports"));
    }
    let most = options.max_replicas.unwrap_or(REPLICA_LIMIT);
    if !(1..=REPLICA_LIMIT).contains(&options.replicas) || !(1..=REPLICA_LIMIT).contains(&most) {
        return Err(ManifestError::option("the number of replicas is out of range", "give 1 to 1000"));
    }
    if options.replicas > most {
        let why = format!("--replicas {} is larger than --max-replicas {most}", options.replicas);
        return Err(ManifestError::option(why, "give a larger --max-replicas, or fewer --replicas"));
    }
    if options.gpus > 64 {
        return Err(ManifestError::option(
            format!("--gpus {} is out of range", options.gpus),
            "give 0 to 64",
        ));
    }
    for (option, name) in [("--namespace", &options.namespace), ("--monitoring", &options.monitoring)] {
        name.iter().try_for_each(|name| check_label(option, name))?;
    }
    options.hostname.iter().try_for_each(|host| check_host(host))?;
    if let Some(gateway) = &options.gateway {
        gateway.split('/').take(3).try_for_each(|name| check_label("--gateway", name))?;
        if gateway.matches('/').count() > 1 {
            let why = format!("invalid gateway `{gateway}`");
            return Err(ManifestError::option(why, "give --gateway as NAME or NAMESPACE/NAME"));
        }
    }
    options.arguments.iter().try_for_each(|word| check_argument(word))
}

/// Checks a further option of the server, which must not fight with those that a target writes.
fn check_argument(word: &str) -> Result<(), ManifestError> {
    let name = word.split('=').next().unwrap_or_default();
    let why = if OWN_OPTIONS.contains(&name) {
        format!("`{name}` is written by the target itself")
    } else if !name.starts_with("--") {
        format!("`{word}` is not an option of `cupola serve`")
    } else if word.chars().any(char::is_control)
        || word.contains("{{")
        || word.contains("$(")
        || word.contains('%')
    {
        format!("`{}` has letters that a target would read as its own", word.escape_default())
    } else {
        return Ok(());
    };
    Err(ManifestError::option(
        why,
        "give options of `cupola serve` in one word, such as --serve --replicas=2",
    ))
}

/// Share in percent, package and image of a canary.
fn canary(
    main: &PackageFacts,
    canary: Option<&CanaryImage>,
) -> Result<Option<(u32, PackageFacts, String)>, ManifestError> {
    let Some(canary) = canary else { return Ok(None) };
    let CanaryImage { package, image, share } = canary;
    if package.model != main.model || package.version == main.version {
        let why = format!("{}:{} is not another version of {}", package.model, package.version, main.model);
        return Err(ManifestError::option(
            why,
            "give --canary as VERSION_OF_THE_SAME_MODEL=SHARE, such as digits:2=0.1",
        ));
    }
    if !(0.01..=0.99).contains(share) {
        let why = format!("the share {share} of the canary is out of range");
        return Err(ManifestError::option(why, "give a share from 0.01 to 0.99, in whole percent"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 99")]
    let percent = (share * 100.0).round() as u32;
    let image = image.clone().unwrap_or_else(|| image_of(&package.model, package.version));
    check_image("--canary-image", &image)?;
    Ok(Some((percent, package.clone(), image)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Facts of a small package.
    pub fn facts() -> PackageFacts {
        PackageFacts {
            model: "Digits_CNN".to_owned(),
            version: 3,
            sha256: "0f".repeat(32),
            weights: 40 << 20,
            folder: PathBuf::from("/home/ada/.cupola/models/Digits_CNN/3"),
        }
    }

    /// Options as the command line has them by default.
    pub fn options() -> DeployOptions {
        DeployOptions {
            port: 8080,
            admin_port: 9090,
            replicas: 2,
            cpu_milli: 1000,
            monitoring: Some("monitoring".to_owned()),
            ..DeployOptions::default()
        }
    }

    #[test]
    fn names_and_sizes_follow_from_the_package() {
        let deployment = ModelDeployment::new(facts(), options()).unwrap();
        assert_eq!((deployment.name(), deployment.image()), ("digits-cnn", "digits-cnn:3"));
        assert_eq!((deployment.memory_mib(), deployment.replicas()), (448, (2, 4)));
        assert_eq!(deployment.notes().len(), 1);
        let named = DeployOptions { name: Some("shop".to_owned()), ..options() };
        assert!(ModelDeployment::new(facts(), named).unwrap().notes().is_empty());
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        let text = |text: &str| Some(text.to_owned());
        let canary = |version, share| {
            let package = PackageFacts { version, ..facts() };
            Some(CanaryImage { package, image: None, share })
        };
        let serve = |word: &str| DeployOptions { arguments: vec![word.to_owned()], ..options() };
        let wrong = [
            DeployOptions { port: 0, ..options() },
            DeployOptions { port: 80, ..options() },
            DeployOptions { port: 9090, ..options() },
            DeployOptions { replicas: 0, ..options() },
            DeployOptions { replicas: 5, max_replicas: Some(4), ..options() },
            DeployOptions { max_replicas: Some(0), ..options() },
            DeployOptions { max_replicas: Some(1001), ..options() },
            DeployOptions { cpu_milli: 0, ..options() },
            DeployOptions { memory_mib: Some(64), ..options() },
            DeployOptions { gpus: 65, ..options() },
            DeployOptions { name: text("My Model"), ..options() },
            DeployOptions { image: text("a b"), ..options() },
            DeployOptions { namespace: text("A"), ..options() },
            DeployOptions { hostname: text("http://a.b"), ..options() },
            DeployOptions { gateway: text("a/b/c"), ..options() },
            DeployOptions { canary: canary(3, 0.1), ..options() },
            DeployOptions { canary: canary(4, 1.0), ..options() },
            DeployOptions { canary: canary(4, f64::NAN), ..options() },
            serve("--port=1"),
            serve("replicas"),
            serve("--otlp=$(id)"),
            serve("--otlp=\n"),
        ];
        for options in wrong {
            let error = ModelDeployment::new(facts(), options.clone()).err();
            assert!(error.is_some_and(|error| error.is_user_error()), "{options:?}");
        }
        let right = DeployOptions { canary: canary(4, 0.1), ..serve("--replicas=2") };
        assert_eq!(ModelDeployment::new(facts(), right).unwrap().canary.unwrap().0, 10);
    }

    #[test]
    fn a_server_that_others_reach_without_keys_is_open() {
        let deployment = ModelDeployment::new(facts(), options()).unwrap();
        let places =
            ServerPlaces { home: "/h", model: "/m", keys: None, config: None, host: "0.0.0.0", admin: true };
        let words = deployment.arguments(&places).join(" ");
        let expected = "--home /h serve --model /m --host 0.0.0.0 --port 8080 --admin-port 9090 --memory-mib 256 --lame-duck 10 --open";
        assert_eq!(words, expected);
        let words =
            deployment.arguments(&ServerPlaces { keys: Some("/k"), admin: false, ..places }).join(" ");
        assert!(words.ends_with("--lame-duck 10 --keys /k"), "{words}");
        assert!(
            !deployment
                .arguments(&ServerPlaces { host: "127.0.0.1", ..places })
                .contains(&"--open".to_owned())
        );
    }
}
