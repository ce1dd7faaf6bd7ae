//! The container of a server in a pod, and the parts that Kubernetes, Knative and `KServe` share.

use std::collections::BTreeMap;

use crate::manifest::deployment::{GRACE, ModelDeployment, PackageFacts, ServerPlaces};
use crate::manifest::objects::{
    Capabilities, ConfigData, ConfigMapSource, EmptyDirSource, EnvironmentVariable, HttpGet, Labels,
    ObjectMetadata, PodContainer, PodMount, PodSecurityContext, PodSpec, PortEntry, Probe, ProbePort,
    Quantities, SeccompProfile, SecretSource, SecurityContext, VolumeSource,
};

/// Program in an image of `cupola deploy image`.
pub(super) const PROGRAM: &str = "/usr/bin/cupola";
/// Home folder in an image: feedback and the audit log.
pub(super) const HOME: &str = "/var/lib/cupola";
/// User of the process, `nonroot` of distroless images.
pub(super) const USER: u32 = 65_532;
/// Folder of the secret with the keys.
const KEYS_FOLDER: &str = "/etc/cupola/keys";
/// Key of the secret: the file that the server reads, which has digests and no secrets.
pub(super) const KEYS: &str = "keys.json";
/// Key of the secret: a key of Cupola with the scope `metrics`, for Prometheus.
pub(super) const METRICS_KEY: &str = "metrics-token";
/// Folder of the config.
const CONFIG_FOLDER: &str = "/etc/cupola/config";
/// Config that names the public hosts of a server without keys.
const CONFIG: &str = "serve.toml";
/// Room for feedback and the audit log.
const HOME_SIZE: &str = "1Gi";
/// Seconds that a server may take to load its model, for each GiB of weights and at least.
const START_PER_GIB: u64 = 60;

/// Version of a model in a pod: package, image, and the track that its labels name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track<'a> {
    pub package: &'a PackageFacts,
    pub image: &'a str,
    pub name: &'static str,
}

impl<'a> Track<'a> {
    /// The main version.
    pub fn stable(deployment: &'a ModelDeployment) -> Self {
        Self { package: &deployment.package, image: &deployment.image, name: "stable" }
    }

    /// The canary and its share in percent, if there is one.
    pub fn canary(deployment: &'a ModelDeployment) -> Option<(u32, Self)> {
        let (percent, package, image) = deployment.canary.as_ref()?;
        Some((*percent, Self { package, image, name: "canary" }))
    }
}

/// Platform of a pod, which decides what its container may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PodPlatform {
    /// Plain Kubernetes: several ports, a security context of the pod, startup probes.
    Kubernetes,
    /// Knative: one port and one container.
    Knative,
    /// `KServe`, which knows its container by name and runs it on Knative.
    Kserve,
}

/// Labels by which objects are selected.
pub(super) fn selector(deployment: &ModelDeployment) -> Labels {
    let label = |text: &str| text.to_owned();
    BTreeMap::from([
        ("app.kubernetes.io/name", label("cupola-model")),
        ("app.kubernetes.io/instance", deployment.name.clone()),
    ])
}

/// Labels of an object.
pub(super) fn labels(deployment: &ModelDeployment, track: Option<&Track<'_>>) -> Labels {
    let mut labels = selector(deployment);
    labels.insert("app.kubernetes.io/managed-by", "cupola".to_owned());
    if let Some(track) = track {
        labels.insert("app.kubernetes.io/version", track.package.version.to_string());
        labels.insert("app.kubernetes.io/component", track.name.to_owned());
    }
    labels
}

/// Labels by which the pods of one version are selected.
pub(super) fn track_selector(deployment: &ModelDeployment, track: &Track<'_>) -> Labels {
    let mut labels = selector(deployment);
    labels.insert("app.kubernetes.io/component", track.name.to_owned());
    labels
}

/// Package that a pod serves, with the digest of its manifest.
pub(super) fn annotations(track: &Track<'_>) -> Labels {
    let package = format!("{}:{}", track.package.model, track.package.version);
    BTreeMap::from([("cupola/package", package), ("cupola/manifest-sha256", track.package.sha256.clone())])
}

/// Metadata of an object with this name.
pub(super) fn metadata(deployment: &ModelDeployment, name: &str) -> ObjectMetadata {
    ObjectMetadata {
        name: name.to_owned(),
        namespace: deployment.options.namespace.clone(),
        labels: labels(deployment, None),
        annotations: BTreeMap::new(),
    }
}

/// Name of the config map; `None` where the server needs no config: with keys it takes requests for any host.
pub(super) fn config_name(deployment: &ModelDeployment) -> Option<String> {
    let needed = deployment.options.hostname.is_some() && deployment.options.keys.is_none();
    needed.then(|| format!("{}-config", deployment.name))
}

/// Config map with the public names of a server without keys.
pub(super) fn config_map(deployment: &ModelDeployment) -> Option<ConfigData> {
    let (name, host) = (config_name(deployment)?, deployment.options.hostname.as_ref()?);
    Some(ConfigData {
        api_version: "v1",
        kind: "ConfigMap",
        metadata: metadata(deployment, &name),
        data: BTreeMap::from([(CONFIG, format!("hosts = [\"{host}\"]\n"))]),
    })
}

/// Pod that serves a version, without what only a deployment has.
pub(super) fn pod(deployment: &ModelDeployment, track: &Track<'_>, platform: PodPlatform) -> PodSpec {
    let plain = platform == PodPlatform::Kubernetes;
    let context = PodSecurityContext {
        run_as_non_root: true,
        run_as_user: USER,
        run_as_group: USER,
        fs_group: USER,
        seccomp_profile: SeccompProfile { kind: "RuntimeDefault" },
    };
    PodSpec {
        restart_policy: None,
        service_account_name: plain.then(|| deployment.name.clone()),
        automount_service_account_token: plain.then_some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: plain.then_some(GRACE),
        security_context: plain.then_some(context),
        topology_spread_constraints: Vec::new(),
        containers: vec![container(deployment, track, platform)],
        volumes: volumes(deployment),
    }
}

fn container(deployment: &ModelDeployment, track: &Track<'_>, platform: PodPlatform) -> PodContainer {
    let plain = platform == PodPlatform::Kubernetes;
    let (keys, config) = (format!("{KEYS_FOLDER}/{KEYS}"), format!("{CONFIG_FOLDER}/{CONFIG}"));
    let places = ServerPlaces {
        home: HOME,
        model: &track.package.folder_in_image(),
        keys: deployment.options.keys.as_ref().map(|_| keys.as_str()),
        config: config_name(deployment).map(|_| config.as_str()),
        host: "0.0.0.0",
        admin: plain,
    };
    let port = |name, port| PortEntry { name, container_port: port, protocol: "TCP" };
    let mut ports = vec![port(if plain { "http" } else { "http1" }, deployment.options.port)];
    if plain {
        ports.push(port("metrics", deployment.options.admin_port));
    }
    let probed = if plain { ProbePort::Name("http") } else { ProbePort::Number(deployment.options.port) };
    let probe = |path, period_seconds, failure_threshold| Probe {
        http_get: HttpGet { path, port: probed.clone() },
        period_seconds,
        timeout_seconds: 2,
        failure_threshold,
    };
    PodContainer {
        name: if platform == PodPlatform::Kserve { "kserve-container" } else { "cupola" },
        image: track.image.to_owned(),
        image_pull_policy: Some("IfNotPresent"),
        command: vec![PROGRAM],
        args: deployment.arguments(&places),
        working_dir: None,
        env: environment(deployment),
        env_from: Vec::new(),
        ports,
        resources: quantities(deployment),
        startup_probe: plain.then(|| probe("/health/ready", 1, start_seconds(track.package))),
        readiness_probe: Some(probe("/health/ready", 2, 2)),
        liveness_probe: plain.then(|| probe("/health/live", 10, 3)),
        security_context: SecurityContext {
            run_as_non_root: (!plain).then_some(true),
            run_as_user: (!plain).then_some(USER),
            seccomp_profile: (!plain).then_some(SeccompProfile { kind: "RuntimeDefault" }),
            allow_privilege_escalation: false,
            read_only_root_filesystem: true,
            capabilities: Capabilities { drop: vec!["ALL"] },
        },
        volume_mounts: mounts(deployment),
    }
}

/// Seconds in which the model must be loaded: a minute, and another one for each GiB of weights, which are read, checked and
/// built into two engines.
fn start_seconds(package: &PackageFacts) -> u32 {
    let gib = package.weights.div_ceil(1 << 30);
    u32::try_from(START_PER_GIB * (1 + gib)).unwrap_or(u32::MAX)
}

/// Threads follow the requested cores: without a limit of the processor the server would see all cores of its node.
pub(super) fn environment(deployment: &ModelDeployment) -> Vec<EnvironmentVariable> {
    let variable = |name, value: String| EnvironmentVariable { name, value };
    let mut all = vec![variable("RAYON_NUM_THREADS", deployment.resources.threads().to_string())];
    if deployment.resources.gpus > 0 {
        // NVIDIA's runtime mounts the Vulkan driver for `graphics` only.
        all.push(variable("NVIDIA_DRIVER_CAPABILITIES", "compute,graphics,utility".to_owned()));
    }
    all
}

/// The memory limit equals the request, so that a pod is evicted last; the processor has no limit, which would only throttle
/// bursts.
fn quantities(deployment: &ModelDeployment) -> Quantities {
    let mut limits = BTreeMap::from([("memory", deployment.memory.clone())]);
    if deployment.resources.gpus > 0 {
        limits.insert("nvidia.com/gpu", deployment.resources.gpus.to_string());
    }
    let mut requests = limits.clone();
    requests.insert("cpu", deployment.cpu.clone());
    Quantities { requests, limits }
}

fn mounts(deployment: &ModelDeployment) -> Vec<PodMount> {
    let mount = |name, mount_path, read_only| PodMount { name, mount_path, read_only };
    let mut all = vec![mount("home", HOME, false)];
    if deployment.options.keys.is_some() {
        all.push(mount("keys", KEYS_FOLDER, true));
    }
    if config_name(deployment).is_some() {
        all.push(mount("config", CONFIG_FOLDER, true));
    }
    all
}

fn volumes(deployment: &ModelDeployment) -> Vec<VolumeSource> {
    let volume = |name| VolumeSource { name, ..VolumeSource::default() };
    let home = EmptyDirSource { size_limit: Some(HOME_SIZE) };
    let mut all = vec![VolumeSource { empty_dir: Some(home), ..volume("home") }];
    if let Some(secret_name) = deployment.options.keys.clone() {
        let secret = SecretSource { secret_name, default_mode: 0o444 };
        all.push(VolumeSource { secret: Some(secret), ..volume("keys") });
    }
    if let Some(name) = config_name(deployment) {
        all.push(VolumeSource { config_map: Some(ConfigMapSource { name }), ..volume("config") });
    }
    all
}
