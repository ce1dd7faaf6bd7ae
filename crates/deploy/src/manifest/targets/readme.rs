//! README of the files of a target: what they are, the next command, and how to undo it.

use super::ManifestTarget;
use super::host::word;
use super::systemd::model_folder;
use crate::manifest::deployment::ModelDeployment;

/// Text of `README.md`.
pub(super) fn text(target: ManifestTarget, deployment: &ModelDeployment) -> String {
    let (label, memory) = (deployment.label(), deployment.memory_mib());
    let before = before(target, deployment);
    let next = command(target, deployment, ".");
    let undo = undo(target, deployment);
    format!(
        "Files that serve {label} (manifest {sha256}), with {memory} MiB of memory; written by `cupola deploy {target}`.\n\
         {before}Deploy: `{next}`\n\
         Remove: `{undo}`\n",
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
    if target.has_secrets()
        && let Some(keys) = &deployment.options.keys
    {
        lines.push(format!(
            "Keys: `kubectl create secret generic {keys} --from-file=keys.json --from-literal=metrics-token=KEY --dry-run=client -o yaml | kubeseal > sealed-{keys}.yaml`"
        ));
    }
    match target {
        ManifestTarget::Helm | ManifestTarget::Kubernetes if deployment.options.monitoring.is_some() => lines.push(
            "Metrics: needs the Prometheus operator, and its adapter with a rule for `cupola_queue_time_share`."
                .to_owned(),
        ),
        ManifestTarget::Ecs => lines.push(
            "Replace ACCOUNT, REGION, CLUSTER, SUBNET and SECURITY_GROUP in both files first.".to_owned(),
        ),
        ManifestTarget::Systemd if deployment.options.keys.is_none() => {
            lines.push(format!("Without keys {name} answers this host only."));
        }
        _ => {}
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Command that deploys the files in `out`.
pub(super) fn command(target: ManifestTarget, deployment: &ModelDeployment, out: &str) -> String {
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
            "docker build --build-context program=/usr/local/bin --build-context package={package} --tag {} {folder}",
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
                "sudo mkdir -p {models} && sudo cp -r {package}/. {models} && sudo chmod -R a+rX {models} && sudo install -m 644 {} /etc/systemd/system && sudo systemctl enable --now {name}",
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
