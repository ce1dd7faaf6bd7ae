//! Jobs of Kubernetes: a manifest with the config and an Indexed Job.

mod objects;

use std::collections::BTreeMap;

use cupola_deploy::pod::{
    Capabilities, ClaimSource, ConfigMapSource, EmptyDirSource, EnvironmentSource, EnvironmentVariable,
    PodContainer, PodMetadata, PodMount, PodSecurityContext, PodSpec, PodTemplateSpec, Quantities,
    SeccompProfile, SecretReference, SecurityContext, VolumeSource,
};

use self::objects::{
    ConfigMap, ExitCodes, Job, JobSpec, Metadata, PodCondition, PodFailurePolicy, PodFailureRule,
};
use super::command::run;
use super::error::SubmitError;
use super::{JobCommand, JobResources};

/// Path of the home folder in a pod.
const HOME: &str = "/cupola";
/// Folder of the config in a pod.
const CONFIG_FOLDER: &str = "/etc/cupola";
/// File of the config in its folder and in the config map.
const CONFIG: &str = "config.toml";
/// Seconds that a pod has to write a checkpoint after its SIGTERM.
const GRACE: u32 = 120;
/// Exit code of a mistake in command, config or data, which a restart does not mend.
const MISTAKE: u8 = 2;

/// Settings of a pod besides its resources.
#[derive(Debug, Clone)]
pub struct PodOptions {
    /// Image with the program `cupola` as its entry point.
    pub image: String,
    /// Persistent volume claim of the home folder, or of the cache of a home in an object store. Without one, the cache ends
    /// with the pod.
    pub claim: Option<String>,
    /// Object store of the home; `None` for a folder.
    pub store: Option<PodStore>,
    /// Namespace; `None` for the one of the user's context.
    pub namespace: Option<String>,
    /// User and group of the process.
    pub user: u32,
    /// Failed pods after which the job fails. Pods that the cluster evicts do not count.
    pub retries: u32,
}

/// Object store of a home, as a pod reaches it.
#[derive(Debug, Clone)]
pub struct PodStore {
    /// Address of the home.
    pub address: String,
    /// Secret of Kubernetes whose keys become environment variables, such as `AWS_ACCESS_KEY_ID`.
    pub secret: Option<String>,
    /// Further environment variables, which are no secrets.
    pub variables: Vec<(&'static str, String)>,
}

/// Manifest of a job, a config map and an Indexed Job, as YAML.
///
/// `config` is the text of the config. The job's name is its id as Kubernetes allows it, which is returned first.
///
/// # Errors
/// [`SubmitError::Request`] for a name, image or claim that Kubernetes does not take, [`SubmitError::Manifest`].
pub fn manifest(
    command: &JobCommand,
    resources: &JobResources,
    options: &PodOptions,
    config: &str,
) -> Result<(String, String), SubmitError> {
    let name = object_name(&command.id);
    let secret = options.store.as_ref().and_then(|store| store.secret.as_ref());
    let named = [
        ("--claim", options.claim.as_ref()),
        ("--namespace", options.namespace.as_ref()),
        ("--secret", secret),
    ];
    for (flag, value) in named {
        if let Some(value) = value.filter(|value| object_name(value) != **value) {
            return Err(SubmitError::Request {
                why: format!("`{value}` is not a name of Kubernetes"),
                remedy: format!("give {flag} small letters, digits and `-`, at most 63"),
            });
        }
    }
    if options.image.is_empty()
        || options.image.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    {
        let remedy = "give --image as REGISTRY/NAME:TAG".to_owned();
        return Err(SubmitError::Request { why: format!("invalid image `{}`", options.image), remedy });
    }
    let labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by", "cupola".to_owned()),
        ("app.kubernetes.io/name", "cupola-job".to_owned()),
        ("app.kubernetes.io/instance", name.clone()),
    ]);
    let metadata = Metadata { name: name.clone(), namespace: options.namespace.clone(), labels };
    let data = BTreeMap::from([(CONFIG, config.to_owned())]);
    let map =
        ConfigMap { api_version: "v1", kind: "ConfigMap", metadata: metadata.clone(), data, immutable: true };
    let job = Job {
        api_version: "batch/v1",
        kind: "Job",
        spec: job_spec(command, resources, options, &metadata),
        metadata,
    };
    let yaml = |text: Result<String, serde_saphyr::ser_error::Error>| {
        text.map_err(|error| SubmitError::Manifest(error.to_string()))
    };
    let (map, job) = (yaml(serde_saphyr::to_string(&map))?, yaml(serde_saphyr::to_string(&job))?);
    Ok((name, format!("{}\n---\n{}\n", map.trim_end(), job.trim_end())))
}

fn job_spec(
    command: &JobCommand,
    resources: &JobResources,
    options: &PodOptions,
    metadata: &Metadata,
) -> JobSpec {
    let workers = command.work.workers();
    JobSpec {
        completions: workers,
        parallelism: workers,
        completion_mode: "Indexed",
        backoff_limit: options.retries,
        active_deadline_seconds: resources.minutes().map(|minutes| minutes * 60),
        pod_failure_policy: failure_policy(options),
        template: PodTemplateSpec {
            metadata: PodMetadata { labels: metadata.labels.clone(), annotations: BTreeMap::new() },
            spec: pod_spec(command, resources, options, metadata.name.clone()),
        },
    }
}

fn failure_policy(options: &PodOptions) -> PodFailurePolicy {
    // A pod with an empty cache takes a store that is away for a wrong address.
    let mistakes = options.store.is_none().then(|| PodFailureRule {
        action: "FailJob",
        on_exit_codes: Some(ExitCodes { operator: "In", values: vec![MISTAKE] }),
        on_pod_conditions: None,
    });
    let evictions = PodFailureRule {
        action: "Ignore",
        on_exit_codes: None,
        on_pod_conditions: Some(vec![PodCondition { kind: "DisruptionTarget", status: "True" }]),
    };
    PodFailurePolicy { rules: mistakes.into_iter().chain([evictions]).collect() }
}

fn pod_spec(command: &JobCommand, resources: &JobResources, options: &PodOptions, name: String) -> PodSpec {
    let mount = |name, mount_path, read_only| PodMount { name, mount_path, read_only };
    let volume = |name| VolumeSource { name, ..VolumeSource::default() };
    let temporary = |name| VolumeSource { empty_dir: Some(EmptyDirSource::default()), ..volume(name) };
    let home = match options.claim.clone() {
        Some(claim_name) => {
            VolumeSource { persistent_volume_claim: Some(ClaimSource { claim_name }), ..volume("home") }
        }
        None => temporary("home"),
    };
    let address = options.store.as_ref().map_or(HOME, |store| store.address.as_str());
    PodSpec {
        restart_policy: Some("Never"),
        termination_grace_period_seconds: Some(GRACE),
        automount_service_account_token: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: options.user != 0,
            run_as_user: options.user,
            run_as_group: options.user,
            fs_group: options.user,
            seccomp_profile: SeccompProfile { kind: "RuntimeDefault" },
        }),
        containers: vec![PodContainer {
            name: "cupola",
            image: options.image.clone(),
            args: command.arguments(address, &format!("{CONFIG_FOLDER}/{CONFIG}")),
            working_dir: Some(HOME),
            env: environment(resources, options.store.as_ref()),
            env_from: secrets(options.store.as_ref()),
            resources: quantities(resources),
            volume_mounts: vec![
                mount("home", HOME, false),
                mount("config", CONFIG_FOLDER, true),
                mount("temporary", "/tmp", false),
            ],
            security_context: SecurityContext {
                read_only_root_filesystem: true,
                capabilities: Capabilities { drop: vec!["ALL"] },
                ..SecurityContext::default()
            },
            ..PodContainer::default()
        }],
        volumes: vec![
            home,
            VolumeSource { config_map: Some(ConfigMapSource { name }), ..volume("config") },
            temporary("temporary"),
        ],
        ..PodSpec::default()
    }
}

fn environment(resources: &JobResources, store: Option<&PodStore>) -> Vec<EnvironmentVariable> {
    let variable = |name, value: String| EnvironmentVariable { name, value };
    let threads = resources.cpus.map(|cpus| variable("RAYON_NUM_THREADS", cpus.to_string()));
    // NVIDIA's runtime mounts the Vulkan driver for `graphics` only.
    let graphics = (resources.gpus > 0)
        .then(|| variable("NVIDIA_DRIVER_CAPABILITIES", "compute,graphics,utility".to_owned()));
    // The cache of a store lies on the volume, with the checkpoints.
    let cache = store.map(|_| variable("XDG_CACHE_HOME", HOME.to_owned()));
    let variables = store.into_iter().flat_map(|store| &store.variables);
    let variables = variables.map(|(name, value)| variable(name, value.clone()));
    threads.into_iter().chain(graphics).chain(cache).chain(variables).collect()
}

fn secrets(store: Option<&PodStore>) -> Vec<EnvironmentSource> {
    let secret = store.and_then(|store| store.secret.clone());
    secret.into_iter().map(|name| EnvironmentSource { secret_ref: SecretReference { name } }).collect()
}

/// Requests that equal the limits, so that a pod is evicted last.
fn quantities(resources: &JobResources) -> Quantities {
    let cpu = resources.cpus.map(|cpus| ("cpu", cpus.to_string()));
    let memory = resources.memory_mib.map(|mib| ("memory", format!("{mib}Mi")));
    let gpus = (resources.gpus > 0).then(|| ("nvidia.com/gpu", resources.gpus.to_string()));
    let all: BTreeMap<&str, String> = cpu.into_iter().chain(memory).chain(gpus).collect();
    Quantities { requests: all.clone(), limits: all }
}

/// Name of an object of Kubernetes: at most 63 small letters, digits and `-`, which none of both ends is.
fn object_name(id: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = id.chars().map(plain).take(63).collect();
    name.trim_matches('-').to_owned()
}

/// Creates or updates the objects of a manifest through `kubectl`.
///
/// # Errors
/// [`SubmitError::NoProgram`] without kubectl, [`SubmitError::Refused`] with its message.
pub fn apply_manifest(manifest: &str) -> Result<(), SubmitError> {
    run("kubectl", &["apply", "-f", "-"], manifest).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submit::JobWork;

    fn options() -> PodOptions {
        PodOptions {
            image: "registry.example.org/cupola:1".to_owned(),
            claim: Some("cupola-home".to_owned()),
            store: None,
            namespace: Some("ml".to_owned()),
            user: 65532,
            retries: 6,
        }
    }

    fn of(
        work: JobWork,
        resources: &JobResources,
        options: &PodOptions,
    ) -> Result<(String, String), SubmitError> {
        let set = vec!["train.epochs=5".to_owned()];
        let id = "Digits_cnn-20261127".to_owned();
        let command = JobCommand { id, work, set, device: "auto".to_owned(), devices: 2 };
        manifest(&command, resources, options, "name = \"digits\"\n# a: b\n")
    }

    #[test]
    fn a_training_has_resources_and_a_policy_for_failures() {
        let resources =
            JobResources { seconds: Some(3600.0), gpus: 2, cpus: Some(8), memory_mib: Some(1 << 14) };
        let (name, text) = of(JobWork::Train, &resources, &options()).unwrap();
        assert_eq!(name, "digits-cnn-20261127");
        let parsed: Vec<serde_json::Value> =
            text.split("\n---\n").map(|part| serde_saphyr::from_str(part).unwrap()).collect();
        assert_eq!(parsed[0]["data"]["config.toml"], "name = \"digits\"\n# a: b\n");
        let spec = &parsed[1]["spec"];
        assert_eq!((&spec["completions"], &spec["completionMode"]), (&1.into(), &"Indexed".into()));
        assert_eq!(spec["activeDeadlineSeconds"], 3600);
        assert_eq!(spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"][0], 2);
        let container = &spec["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"]["nvidia.com/gpu"], "2");
        let arguments: Vec<&str> =
            container["args"].as_array().unwrap().iter().filter_map(|a| a.as_str()).collect();
        // The run has the id of the job, letter for letter.
        let expected = "--home /cupola train --config /etc/cupola/config.toml --run Digits_cnn-20261127 --device auto --devices 2 --set train.epochs=5";
        assert_eq!(arguments.join(" "), expected);
    }

    #[test]
    fn workers_of_a_study_are_indices() {
        let work = JobWork::Tune { study: "s".to_owned(), trials: None, workers: 3 };
        let (_, text) = of(work, &JobResources::default(), &options()).unwrap();
        assert!(text.contains("completions: 3") && text.contains("parallelism: 3"), "{text}");
        assert!(!text.contains("activeDeadlineSeconds") && !text.contains("nvidia"), "{text}");
    }

    #[test]
    fn a_home_in_an_object_store_comes_by_address_and_its_secret_by_reference() {
        let store = PodStore {
            address: "s3://team/cupola".to_owned(),
            secret: Some("s3-keys".to_owned()),
            variables: vec![("AWS_ENDPOINT_URL", "https://s3.example.org".to_owned())],
        };
        let options = PodOptions { store: Some(store), claim: None, ..options() };
        let (_, text) = of(JobWork::Train, &JobResources::default(), &options).unwrap();
        let job: serde_json::Value = serde_saphyr::from_str(text.split("\n---\n").nth(1).unwrap()).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(
            (&container["args"][0], &container["args"][1]),
            (&"--home".into(), &"s3://team/cupola".into())
        );
        assert_eq!(container["envFrom"][0]["secretRef"]["name"], "s3-keys");
        let expected = serde_json::json!([
            { "name": "XDG_CACHE_HOME", "value": "/cupola" },
            { "name": "AWS_ENDPOINT_URL", "value": "https://s3.example.org" },
        ]);
        assert_eq!(container["env"], expected);
        assert!(pod["volumes"][0]["emptyDir"].is_object(), "{text}");
        assert_eq!(job["spec"]["podFailurePolicy"]["rules"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn names_that_kubernetes_refuses_are_refused() {
        let wrong = [
            PodOptions { claim: Some("My_Claim".to_owned()), ..options() },
            PodOptions { namespace: Some("a b".to_owned()), ..options() },
            PodOptions { image: "a b".to_owned(), ..options() },
            PodOptions { image: String::new(), ..options() },
        ];
        for options in wrong {
            assert!(of(JobWork::Train, &JobResources::default(), &options).is_err(), "{options:?}");
        }
    }
}
