//! README of the files of a target: what they are, the next command, how to check it, and how to undo it.

use std::path::Path;

use super::ManifestTarget;
use super::container::{KEYS, METRICS_KEY};
use super::host::{install_program, program_context, word};
use super::kubernetes::ADAPTER_VALUES;
use super::systemd::model_folder;
use crate::manifest::deployment::ModelDeployment;

/// Home folder where none is given.
const HOME: &str = ".cupola";

/// Text of `README.md`.
pub(super) fn text(target: ManifestTarget, deployment: &ModelDeployment) -> String {
    let (label, memory) = (deployment.label(), deployment.memory_mib());
    let before = before(target, deployment);
    let next = command(target, deployment, ".");
    let (undo, check) = (undo(target, deployment), check(target, deployment));
    format!(
        "Files that serve {label} (manifest {sha256}), with {memory} MiB of memory; written by `cupola deploy {target}`.\n\
         {before}Deploy: `{next}`\n\
         Remove: `{undo}`\n\
         Check that it answers: `{check}`\n",
        sha256 = &deployment.package.sha256[..12],
        target = target.name(),
    )
}

/// Conditions that the files alone do not meet; empty, or lines.
fn before(target: ManifestTarget, deployment: &ModelDeployment) -> String {
    let (name, image) = (&deployment.name, &deployment.image);
    let mut lines = Vec::new();
    match target {
        ManifestTarget::Docker | ManifestTarget::Systemd | ManifestTarget::Slurm => {}
        _ => lines.push(format!("Image: `{image}`, from `cupola deploy image` or the target `docker`.")),
    }
    let local = matches!(
        target,
        ManifestTarget::Docker | ManifestTarget::Compose | ManifestTarget::Systemd | ManifestTarget::Slurm
    );
    if !local && !image.contains('/') {
        lines.push(
            "The image names no registry: push it to one, and write the files again with --image.".to_owned(),
        );
    }
    lines.extend(keys(target, deployment));
    match target {
        ManifestTarget::Helm | ManifestTarget::Kubernetes | ManifestTarget::Argocd
            if deployment.options.monitoring.is_some() =>
        {
            lines.push(format!(
                "Metrics: needs the Prometheus operator, and its adapter with the rule of `{ADAPTER_VALUES}`."
            ));
        }
        ManifestTarget::Slurm => {
            lines.push(
                "The package, the program and the keys must lie on storage that the nodes see.".to_owned(),
            );
        }
        ManifestTarget::Ecs => lines.push(
            "Replace ACCOUNT, REGION, CLUSTER, SUBNET and SECURITY_GROUP in both files first.".to_owned(),
        ),
        ManifestTarget::Systemd if deployment.options.keys.is_none() => {
            lines.push(format!("Without keys {name} answers this host only."));
        }
        _ => {}
    }
    if target == ManifestTarget::Argocd
        && let Some(repository) = &deployment.options.repository
    {
        let folder = deployment.options.repository_path.as_ref().unwrap_or(name);
        lines.push(format!("First commit these files as the folder `{folder}` of {repository}, and push."));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Remark on the place of the keys.
fn keys(target: ManifestTarget, deployment: &ModelDeployment) -> Option<String> {
    let keys = deployment.options.keys.as_ref()?;
    let (_, file) = home(deployment);
    if target.has_secrets() {
        let token =
            deployment.options.monitoring.as_ref().map(|_| ", and a new one with the scope `metrics`");
        return Some(format!(
            "Keys: the command below makes the secret `{keys}` unless it is there, with the keys of `{file}` (`cupola keys add` adds some){}.",
            token.unwrap_or_default()
        ));
    }
    let mode = if target == ManifestTarget::Compose { "644" } else { "600" };
    (target != ManifestTarget::Slurm)
        .then(|| format!("Keys: `sudo install -D -m {mode} {file} {keys}` on the host, first."))
}

/// Home folder and its file of keys, as words of a shell.
fn home(deployment: &ModelDeployment) -> (String, String) {
    let home = deployment.options.home.as_deref().unwrap_or(Path::new(HOME));
    (word(&home.to_string_lossy()), word(&home.join(KEYS).to_string_lossy()))
}

/// Command that creates the secret of the keys unless the cluster has it, with its `&&`; empty without one.
fn secret(deployment: &ModelDeployment) -> String {
    let Some(keys) = &deployment.options.keys else { return String::new() };
    let (kubectl, (home, file), name) = (kubectl(deployment), home(deployment), &deployment.name);
    let namespace = deployment.options.namespace.as_ref().map_or_else(String::new, |namespace| {
        format!("{{ kubectl get namespace {namespace} || kubectl create namespace {namespace}; }} && ")
    });
    // The key is made before `keys.json`, which has its digest, is read.
    let token = deployment.options.monitoring.as_ref().map_or_else(String::new, |_| {
        let add = format!("cupola --home {home} keys add --name prometheus-{name} --scope metrics");
        format!(" --from-literal={METRICS_KEY}=\"$({add} | sed -n 's/^key *//p')\"")
    });
    format!(
        "{namespace}{{ {kubectl} get secret {keys} || {kubectl} create secret generic {keys} --from-file={KEYS}={file}{token}; }} && "
    )
}

/// `kubectl` in the namespace of the objects.
fn kubectl(deployment: &ModelDeployment) -> String {
    let namespace = deployment.options.namespace.as_ref();
    namespace.map_or_else(|| "kubectl".to_owned(), |name| format!("kubectl --namespace {name}"))
}

/// Command that checks that the server answers.
fn check(target: ManifestTarget, deployment: &ModelDeployment) -> String {
    let (name, port, image) = (&deployment.name, deployment.options.port, &deployment.image);
    let curl = format!("curl --fail --retry 9 --retry-all-errors http://localhost:{port}/health/ready");
    let kubectl = kubectl(deployment);
    match target {
        ManifestTarget::Docker => {
            format!("docker run --rm --detach --publish 127.0.0.1:{port}:{port} {image} && {curl}")
        }
        ManifestTarget::Compose | ManifestTarget::Systemd => curl,
        ManifestTarget::Kubernetes | ManifestTarget::Helm | ManifestTarget::Argocd => {
            format!("{kubectl} port-forward service/{name} {port}:80 & {curl}; kill %%")
        }
        ManifestTarget::Kserve => format!("{kubectl} wait --for=condition=Ready inferenceservice/{name}"),
        ManifestTarget::Knative => format!("{kubectl} wait --for=condition=Ready ksvc/{name}"),
        ManifestTarget::Slurm => "curl --fail \"$(cat endpoint)/health/ready\"".to_owned(),
        ManifestTarget::Ecs => format!("aws ecs wait services-stable --cluster CLUSTER --services {name}"),
    }
}

/// Command that deploys the files in `out`, with the secret before it where the target has one.
pub(super) fn command(target: ManifestTarget, deployment: &ModelDeployment, out: &str) -> String {
    let secret = if target.has_secrets() { secret(deployment) } else { String::new() };
    secret + &apply(target, deployment, out)
}

fn apply(target: ManifestTarget, deployment: &ModelDeployment, out: &str) -> String {
    let (name, folder) = (&deployment.name, word(out));
    let file = |file: &str| word(&format!("{}/{file}", out.trim_end_matches('/')));
    let package = word(&deployment.package.folder.to_string_lossy());
    let namespace = namespace(deployment);
    let canary = |second: &str| match deployment.canary {
        Some(_) => format!(
            " && kubectl wait --for=condition=Ready -f {} && kubectl apply -f {}",
            second,
            file("canary.yaml")
        ),
        None => String::new(),
    };
    match target {
        ManifestTarget::Docker => format!(
            "docker build {} --build-context package={package} --tag {} {folder}",
            program_context(deployment),
            deployment.image
        ),
        ManifestTarget::Compose => {
            format!("docker compose --file {} up --detach --wait", file("compose.yaml"))
        }
        ManifestTarget::Kubernetes => format!("kubectl apply -k {folder}"),
        ManifestTarget::Kserve => {
            let first = file("inference-service.yaml");
            format!("{}kubectl apply -f {first}{}", config(deployment, out), canary(&first))
        }
        ManifestTarget::Knative => {
            let first = file("service.yaml");
            format!("{}kubectl apply -f {first}{}", config(deployment, out), canary(&first))
        }
        ManifestTarget::Helm => format!("helm upgrade --install {name} {folder}{namespace}"),
        ManifestTarget::Argocd => format!("kubectl apply -f {}", file("application.yaml")),
        ManifestTarget::Systemd => {
            let models = model_folder(deployment);
            format!(
                "{}sudo mkdir -p {models} && sudo cp -r {package}/. {models} && sudo chmod -R a+rX {models} && sudo install -m 644 {} /etc/systemd/system && sudo systemctl enable --now {name}",
                install_program(deployment),
                file(&format!("{name}.service"))
            )
        }
        ManifestTarget::Slurm => format!("sbatch {}", file("serve.sbatch")),
        ManifestTarget::Ecs => format!(
            "aws ecs register-task-definition --cli-input-json file://{} && aws ecs create-service --cli-input-json file://{}",
            file("task-definition.json"),
            file("service.json")
        ),
    }
}

/// Command that creates the config map first, with its `&&`; empty without one.
fn config(deployment: &ModelDeployment, out: &str) -> String {
    let needed = super::container::config_name(deployment).is_some();
    let file = word(&format!("{}/config.yaml", out.trim_end_matches('/')));
    if needed { format!("kubectl apply -f {file} && ") } else { String::new() }
}

fn namespace(deployment: &ModelDeployment) -> String {
    let of = deployment.options.namespace.as_ref();
    of.map_or_else(String::new, |name| format!(" --namespace {name} --create-namespace"))
}

fn undo(target: ManifestTarget, deployment: &ModelDeployment) -> String {
    let name = &deployment.name;
    match target {
        ManifestTarget::Docker => format!("docker image rm {}", deployment.image),
        ManifestTarget::Compose => "docker compose --file ./compose.yaml down".to_owned(),
        ManifestTarget::Kubernetes => "kubectl delete -k .".to_owned(),
        ManifestTarget::Kserve => "kubectl delete -f ./inference-service.yaml".to_owned(),
        ManifestTarget::Knative => "kubectl delete -f ./service.yaml".to_owned(),
        ManifestTarget::Helm => format!("helm uninstall {name}"),
        ManifestTarget::Argocd => "kubectl delete -f ./application.yaml".to_owned(),
        ManifestTarget::Systemd => format!("sudo systemctl disable --now {name}"),
        ManifestTarget::Slurm => format!("scancel --name={name}"),
        ManifestTarget::Ecs => format!("aws ecs delete-service --cluster CLUSTER --service {name} --force"),
    }
}
