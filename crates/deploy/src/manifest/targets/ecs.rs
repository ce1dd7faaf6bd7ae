//! Amazon ECS: a task definition and a service, as the command line of AWS reads them.

use serde::Serialize;

use super::container::{HOME, PROGRAM, USER, environment};
use super::docker::health_command;
use crate::manifest::deployment::{GRACE, ModelDeployment, ServerPlaces};
use crate::manifest::error::ManifestError;
use crate::manifest::output::ManifestFile;

/// Placeholder of the account and region, which only the user knows.
const EXECUTION_ROLE: &str = "arn:aws:iam::ACCOUNT:role/ecsTaskExecutionRole";
/// Largest time in seconds between the stop signal and the kill on Fargate.
const STOP_LIMIT: u32 = 120;
/// Processors of Fargate in units of 1/1024, with the smallest and largest memory in GiB of each.
const FARGATE: [(u32, u64, u64); 7] =
    [(256, 1, 2), (512, 1, 4), (1024, 2, 8), (2048, 4, 16), (4096, 8, 30), (8192, 16, 60), (16384, 32, 120)];

/// `task-definition.json`, the input of `RegisterTaskDefinition`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskDefinition {
    family: String,
    requires_compatibilities: [&'static str; 1],
    network_mode: &'static str,
    cpu: String,
    memory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_platform: Option<RuntimePlatform>,
    execution_role_arn: &'static str,
    container_definitions: [TaskContainer; 1],
    volumes: Vec<TaskVolume>,
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuntimePlatform {
    cpu_architecture: &'static str,
    operating_system_family: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskContainer {
    name: &'static str,
    image: String,
    essential: bool,
    entry_point: [&'static str; 1],
    command: Vec<String>,
    environment: Vec<Variable>,
    port_mappings: Vec<PortMapping>,
    user: String,
    readonly_root_filesystem: bool,
    linux_parameters: LinuxParameters,
    mount_points: Vec<MountPoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_requirements: Vec<ResourceRequirement>,
    health_check: HealthCheck,
    stop_timeout: u32,
    log_configuration: LogConfiguration,
}

#[derive(Serialize)]
struct Variable {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PortMapping {
    name: &'static str,
    container_port: u16,
    protocol: &'static str,
}

#[derive(Serialize)]
struct LinuxParameters {
    capabilities: DroppedCapabilities,
}

#[derive(Serialize)]
struct DroppedCapabilities {
    drop: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MountPoint {
    source_volume: &'static str,
    container_path: &'static str,
    read_only: bool,
}

#[derive(Serialize)]
struct ResourceRequirement {
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthCheck {
    command: Vec<String>,
    interval: u32,
    timeout: u32,
    retries: u32,
    start_period: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogConfiguration {
    log_driver: &'static str,
    options: LogOptions,
}

#[derive(Serialize)]
struct LogOptions {
    #[serde(rename = "awslogs-group")]
    group: String,
    #[serde(rename = "awslogs-region")]
    region: &'static str,
    #[serde(rename = "awslogs-stream-prefix")]
    prefix: &'static str,
    #[serde(rename = "awslogs-create-group")]
    create: &'static str,
}

#[derive(Serialize)]
struct TaskVolume {
    name: &'static str,
}

#[derive(Serialize)]
struct Tag {
    key: &'static str,
    value: String,
}

/// `service.json`, the input of `CreateService`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EcsService {
    cluster: &'static str,
    service_name: String,
    task_definition: String,
    desired_count: u32,
    launch_type: &'static str,
    deployment_configuration: EcsDeployment,
    network_configuration: NetworkConfiguration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EcsDeployment {
    minimum_healthy_percent: u32,
    maximum_percent: u32,
    deployment_circuit_breaker: CircuitBreaker,
}

#[derive(Serialize)]
struct CircuitBreaker {
    enable: bool,
    rollback: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkConfiguration {
    awsvpc_configuration: VpcConfiguration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VpcConfiguration {
    subnets: [&'static str; 1],
    security_groups: [&'static str; 1],
    assign_public_ip: &'static str,
}

/// Files of the target.
pub(super) fn files(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    if deployment.canary.is_some() {
        let why = "a service of ECS has one task definition";
        return Err(ManifestError::option(why, "leave --canary out, and deploy a second service"));
    }
    if deployment.options.hostname.is_some() && deployment.options.keys.is_none() {
        let why = "a server without keys needs a config for --hostname, and ECS has no file for it";
        let remedy = "leave --hostname out, and give `cupola deploy image` a --config with `hosts`";
        return Err(ManifestError::option(why, remedy));
    }
    let json = |file: &str, value: serde_json::Result<String>| match value {
        Ok(text) => Ok(ManifestFile::text(file, text + "\n")),
        Err(error) => Err(ManifestError::Document { file: file.to_owned(), reason: error.to_string() }),
    };
    Ok(vec![
        json("task-definition.json", serde_json::to_string_pretty(&task(deployment)?))?,
        json("service.json", serde_json::to_string_pretty(&service(deployment)))?,
    ])
}

/// `EC2` where a GPU is needed, which Fargate does not have.
fn launch_type(deployment: &ModelDeployment) -> &'static str {
    if deployment.resources.gpus > 0 { "EC2" } else { "FARGATE" }
}

fn task(deployment: &ModelDeployment) -> Result<TaskDefinition, ManifestError> {
    let fargate = launch_type(deployment) == "FARGATE";
    let (cpu, memory) = if fargate { fargate_size(deployment)? } else { plain_size(deployment) };
    let platform = RuntimePlatform { cpu_architecture: architecture(), operating_system_family: "LINUX" };
    Ok(TaskDefinition {
        family: deployment.name.clone(),
        requires_compatibilities: [launch_type(deployment)],
        network_mode: "awsvpc",
        cpu: cpu.to_string(),
        memory: memory.to_string(),
        runtime_platform: fargate.then_some(platform),
        execution_role_arn: EXECUTION_ROLE,
        container_definitions: [container(deployment)],
        volumes: vec![TaskVolume { name: "home" }],
        tags: vec![
            Tag { key: "cupola:package", value: deployment.label() },
            Tag { key: "cupola:manifest-sha256", value: deployment.package.sha256.clone() },
        ],
    })
}

/// Architecture of this program, which that of the image follows.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "ARM64" } else { "X86_64" }
}

/// Smallest size of Fargate that holds a replica.
fn fargate_size(deployment: &ModelDeployment) -> Result<(u32, u64), ManifestError> {
    let resources = &deployment.resources;
    let (units, gib) =
        (resources.cpu_milli.saturating_mul(1024).div_ceil(1000), resources.memory_mib.div_ceil(1024));
    // Above 8 processors memory comes in steps of 4 or 8 GiB.
    let step = |cpu: u32| match cpu {
        8192 => 4,
        16384 => 8,
        _ => 1,
    };
    let fits = |(cpu, _, most): &(u32, u64, u64)| *cpu >= units && *most >= gib;
    let Some((cpu, least, _)) = FARGATE.into_iter().find(fits) else {
        let why = "no size of Fargate holds a replica";
        return Err(ManifestError::option(why, "give --cpu up to 16 and --memory up to 120G"));
    };
    Ok((cpu, gib.max(least).div_ceil(step(cpu)) * step(cpu) * 1024))
}

fn plain_size(deployment: &ModelDeployment) -> (u32, u64) {
    let resources = &deployment.resources;
    (resources.cpu_milli.saturating_mul(1024).div_ceil(1000).max(128), resources.memory_mib)
}

fn container(deployment: &ModelDeployment) -> TaskContainer {
    let model = deployment.package.folder_in_image();
    let places =
        ServerPlaces { home: HOME, model: &model, keys: None, config: None, host: "0.0.0.0", admin: true };
    let port = |name, container_port| PortMapping { name, container_port, protocol: "tcp" };
    let mut health = vec!["CMD".to_owned()];
    health.extend(health_command(deployment));
    let gpus = deployment.resources.gpus;
    let requirement = ResourceRequirement { kind: "GPU", value: gpus.to_string() };
    let variables = environment(deployment).into_iter();
    TaskContainer {
        name: "cupola",
        image: deployment.image.clone(),
        essential: true,
        entry_point: [PROGRAM],
        command: deployment.arguments(&places),
        environment: variables.map(|entry| Variable { name: entry.name, value: entry.value }).collect(),
        port_mappings: vec![
            port("http", deployment.options.port),
            port("metrics", deployment.options.admin_port),
        ],
        user: format!("{USER}:{USER}"),
        readonly_root_filesystem: true,
        linux_parameters: LinuxParameters { capabilities: DroppedCapabilities { drop: ["ALL"] } },
        mount_points: vec![MountPoint { source_volume: "home", container_path: HOME, read_only: false }],
        resource_requirements: (gpus > 0).then_some(requirement).into_iter().collect(),
        health_check: HealthCheck { command: health, interval: 10, timeout: 5, retries: 3, start_period: 60 },
        stop_timeout: GRACE.min(STOP_LIMIT),
        log_configuration: LogConfiguration {
            log_driver: "awslogs",
            options: LogOptions {
                group: format!("/cupola/{}", deployment.name),
                region: "REGION",
                prefix: "serve",
                create: "true",
            },
        },
    }
}

fn service(deployment: &ModelDeployment) -> EcsService {
    EcsService {
        cluster: "CLUSTER",
        service_name: deployment.name.clone(),
        task_definition: deployment.name.clone(),
        desired_count: deployment.replicas().0,
        launch_type: launch_type(deployment),
        deployment_configuration: EcsDeployment {
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            deployment_circuit_breaker: CircuitBreaker { enable: true, rollback: true },
        },
        network_configuration: NetworkConfiguration {
            awsvpc_configuration: VpcConfiguration {
                subnets: ["SUBNET"],
                security_groups: ["SECURITY_GROUP"],
                assign_public_ip: "DISABLED",
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::deployment::DeployOptions;
    use crate::manifest::deployment::tests::{facts, options};

    #[test]
    fn a_replica_gets_the_smallest_size_of_fargate_that_holds_it() {
        let size = |cpu_milli, memory_mib| {
            let options = DeployOptions { cpu_milli, memory_mib: Some(memory_mib), ..options() };
            fargate_size(&ModelDeployment::new(facts(), options).unwrap()).ok()
        };
        assert_eq!(size(250, 448), Some((256, 1024)));
        assert_eq!(size(1000, 448), Some((1024, 2048)));
        assert_eq!(size(250, 10 << 10), Some((2048, 10 << 10)));
        assert_eq!(size(8000, 17 << 10), Some((8192, 20 << 10)));
        assert_eq!(size(16_000, 120 << 10), Some((16384, 120 << 10)));
        assert_eq!((size(32_000, 1024), size(1000, 121 << 10)), (None, None));
    }
}
