//! Docker: a Dockerfile, and a service of Compose.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ManifestTarget;
use super::container::{HOME, KEYS, PROGRAM, USER, environment};
use crate::manifest::deployment::{GRACE, ModelDeployment, ServerPlaces};
use crate::manifest::error::ManifestError;
use crate::manifest::objects::yaml;
use crate::manifest::output::ManifestFile;

/// Places of the server in a container, with or without the file of the keys.
fn arguments(deployment: &ModelDeployment, keys: Option<&str>) -> Vec<String> {
    let model = deployment.package.folder_in_image();
    let places = ServerPlaces { home: HOME, model: &model, keys, config: None, host: "0.0.0.0", admin: true };
    deployment.arguments(&places)
}

/// Command that succeeds if the server is ready.
pub(super) fn health_command(deployment: &ModelDeployment) -> Vec<String> {
    let url = format!("http://127.0.0.1:{}", deployment.options.port);
    [PROGRAM, "serve", "--health", &url].map(str::to_owned).to_vec()
}

/// Dockerfile over two named contexts of `BuildKit`, the program and the package, so that nothing is copied beside it. The
/// program has the name of the running one, which may be another than `cupola`.
pub(super) fn dockerfile(deployment: &ModelDeployment) -> Vec<ManifestFile> {
    let words = |words: &[String]| serde_json::Value::from(words).to_string();
    let (health, command) = (words(&health_command(deployment)), words(&arguments(deployment, None)));
    let model = deployment.package.folder_in_image();
    let text = format!(
        r#"# syntax=docker/dockerfile:1
# Takes two contexts beside this folder, `program` with the file `cupola` (or --build-arg PROGRAM=FILE) and `package`:
#   {build}
# An image with the C library of the host that built the program, or of a newer one.
ARG BASE=gcr.io/distroless/cc-debian13:nonroot
FROM ${{BASE}}
LABEL org.opencontainers.image.title="{name}" \
      org.opencontainers.image.version="{version}" \
      org.opencontainers.image.description="Serves {label}" \
      cupola.manifest-sha256="{sha256}"
ARG PROGRAM=cupola
# hadolint ignore=DL3022
COPY --from=program --chmod=0755 ${{PROGRAM}} {PROGRAM}
# hadolint ignore=DL3022
COPY --from=package --chmod=a+rX . {model}
# The home folder, with the right of the user to write feedback and the audit log.
COPY --chown={USER}:{USER} home {HOME}
USER {USER}:{USER}
ENV RAYON_NUM_THREADS={threads}
WORKDIR {HOME}
EXPOSE {port} {admin}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=60s --retries=3 CMD {health}
ENTRYPOINT ["{PROGRAM}"]
CMD {command}
"#,
        build = super::readme::command(ManifestTarget::Docker, deployment, "."),
        name = deployment.name,
        version = deployment.package.version,
        label = deployment.label(),
        sha256 = deployment.package.sha256,
        threads = deployment.resources.threads(),
        port = deployment.options.port,
        admin = deployment.options.admin_port,
    );
    vec![
        ManifestFile::text("Dockerfile", text),
        // The other contexts have the rest of what the image needs.
        ManifestFile::text(".dockerignore", "*\n!home\n"),
        ManifestFile::text("home/.keep", ""),
    ]
}

/// `compose.yaml`
#[derive(Serialize)]
struct Compose {
    name: String,
    services: BTreeMap<String, ComposeService>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<&'static str, ComposeSecret>,
}

#[derive(Serialize)]
struct ComposeService {
    image: String,
    entrypoint: Vec<&'static str>,
    command: Vec<String>,
    environment: BTreeMap<&'static str, String>,
    ports: Vec<String>,
    user: String,
    read_only: bool,
    tmpfs: Vec<String>,
    cap_drop: Vec<&'static str>,
    security_opt: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<&'static str>,
    healthcheck: ComposeHealth,
    restart: &'static str,
    stop_grace_period: String,
    deploy: ComposeDeploy,
}

#[derive(Serialize)]
struct ComposeHealth {
    test: Vec<String>,
    interval: &'static str,
    timeout: &'static str,
    start_period: &'static str,
    retries: u32,
}

#[derive(Serialize)]
struct ComposeDeploy {
    resources: ComposeResources,
}

#[derive(Serialize)]
struct ComposeResources {
    limits: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservations: Option<ComposeReservations>,
}

#[derive(Serialize)]
struct ComposeReservations {
    devices: Vec<ComposeDevice>,
}

#[derive(Serialize)]
struct ComposeDevice {
    driver: &'static str,
    count: u32,
    capabilities: Vec<&'static str>,
}

#[derive(Serialize)]
struct ComposeSecret {
    file: String,
}

/// Name of the secret with the keys, which is mounted at `/run/secrets`.
const SECRET: &str = KEYS;

/// A service of Compose.
pub(super) fn compose(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let (options, name) = (&deployment.options, deployment.name.clone());
    let keys = format!("/run/secrets/{SECRET}");
    let keys = options.keys.as_ref().map(|_| keys.as_str());
    let mut health = vec!["CMD".to_owned()];
    health.extend(health_command(deployment));
    // Without keys only this host may ask, and metrics are for this host in any case.
    let address = if keys.is_some() { "" } else { "127.0.0.1:" };
    let (port, admin) = (options.port, options.admin_port);
    let service = ComposeService {
        image: deployment.image.clone(),
        entrypoint: vec![PROGRAM],
        command: arguments(deployment, keys),
        environment: environment(deployment).into_iter().map(|entry| (entry.name, entry.value)).collect(),
        ports: vec![format!("{address}{port}:{port}"), format!("127.0.0.1:{admin}:{admin}")],
        user: format!("{USER}:{USER}"),
        read_only: true,
        tmpfs: vec![format!("{HOME}:uid={USER},gid={USER},mode=0700")],
        cap_drop: vec!["ALL"],
        security_opt: vec!["no-new-privileges:true"],
        secrets: keys.map(|_| SECRET).into_iter().collect(),
        healthcheck: ComposeHealth {
            test: health,
            interval: "10s",
            timeout: "2s",
            start_period: "60s",
            retries: 3,
        },
        restart: "unless-stopped",
        stop_grace_period: format!("{GRACE}s"),
        deploy: ComposeDeploy { resources: resources(deployment) },
    };
    let secret = options.keys.clone().map(|file| (SECRET, ComposeSecret { file }));
    let document = Compose {
        name: name.clone(),
        services: BTreeMap::from([(name, service)]),
        secrets: secret.into_iter().collect(),
    };
    Ok(vec![ManifestFile::text("compose.yaml", yaml("compose.yaml", &document)?)])
}

fn resources(deployment: &ModelDeployment) -> ComposeResources {
    let resources = &deployment.resources;
    let cpus = format!("{}", f64::from(resources.cpu_milli) / 1000.0);
    let limits = BTreeMap::from([("cpus", cpus), ("memory", format!("{}M", resources.memory_mib))]);
    let device = ComposeDevice { driver: "nvidia", count: resources.gpus, capabilities: vec!["gpu"] };
    let reservations = (resources.gpus > 0).then(|| ComposeReservations { devices: vec![device] });
    ComposeResources { limits, reservations }
}
