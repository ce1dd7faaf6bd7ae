//! `cupola deploy` for an orchestrator or an init system: the files that serve a model there.

use anyhow::Result;
use cupola_deploy::{
    CanaryImage, DeployOptions, Error, ManifestTarget, ModelDeployment, PackageFacts, manifest_files,
    next_step, write_manifests,
};
use cupola_registry::Home;
use serde_json::json;

use super::parse_serve_options;
use crate::args::{
    DeployArgocdArgs, DeployClusterArgs, DeployFilesArgs, DeployHostArgs, DeployImageFilesArgs,
    DeployServerlessArgs, DeployTarget,
};
use crate::draw::Ui;
use crate::failure::UserError;

/// Value of `--monitoring` that leaves the operator out.
const NO_MONITORING: &str = "none";

pub fn run(home: &Home, ui: Ui, target: &DeployTarget) -> Result<()> {
    use ManifestTarget as T;
    let (target, files, options) = match target {
        DeployTarget::Docker(args) => (T::Docker, &args.files, image(home, args)),
        DeployTarget::Compose(args) => (T::Compose, &args.files, image(home, args)),
        DeployTarget::Kubernetes(args) => (T::Kubernetes, files_of(args), cluster(home, args)?),
        DeployTarget::Kserve(args) => (T::Kserve, &args.image.files, serverless(home, args)?),
        DeployTarget::Knative(args) => (T::Knative, &args.image.files, serverless(home, args)?),
        DeployTarget::Helm(args) => (T::Helm, files_of(args), cluster(home, args)?),
        DeployTarget::Argocd(args) => (T::Argocd, files_of(&args.cluster), argocd(home, args)?),
        DeployTarget::Systemd(args) => (T::Systemd, &args.files, host(home, args)),
        DeployTarget::Slurm(args) => (T::Slurm, &args.files, host(home, args)),
        DeployTarget::Ecs(args) => (T::Ecs, &args.image.files, serverless(home, args)?),
    };
    write(home, ui, (target, files), options)
}

fn write(
    home: &Home,
    ui: Ui,
    (target, args): (ManifestTarget, &DeployFilesArgs),
    options: DeployOptions,
) -> Result<()> {
    let package = facts(home, &args.model)?;
    let label = format!("{}:{}", package.model, package.version);
    let deployment = ModelDeployment::new(package, options).map_err(Error::from)?;
    parse_serve_options(&args.serve)?;
    let files = manifest_files(target, &deployment).map_err(Error::from)?;
    write_manifests(&args.out, &files, args.force).map_err(Error::from)?;
    let paths: Vec<String> =
        files.iter().map(|file| args.out.join(&file.path).to_string_lossy().into_owned()).collect();
    ui.line(format!("model   {label}, {} MiB of memory", deployment.memory_mib()));
    for note in deployment.notes() {
        ui.line(format!("note    {note}"));
    }
    for path in &paths {
        ui.line(format!("file    {path}"));
    }
    let next = next_step(target, &deployment, &args.out);
    ui.line(format!("next    {next}"));
    ui.result(&json!({
        "target": target.name(),
        "package": label,
        "name": deployment.name(),
        "image": deployment.image(),
        "memory_mib": deployment.memory_mib(),
        "notes": deployment.notes(),
        "files": paths,
        "next": [next],
    }))
}

fn facts(home: &Home, model: &str) -> Result<PackageFacts> {
    Ok(PackageFacts::of(&home.package(model)?).map_err(Error::from)?)
}

/// Options of every target.
fn common(home: &Home, args: &DeployFilesArgs) -> DeployOptions {
    DeployOptions {
        name: args.name.clone(),
        port: args.port,
        admin_port: args.admin_port,
        replicas: 1,
        cpu_milli: args.cpu,
        memory_mib: args.memory,
        gpus: args.gpus,
        keys: args.keys.clone(),
        running: std::env::current_exe().ok(),
        home: Some(std::path::absolute(home.root()).unwrap_or_else(|_| home.root().to_owned())),
        arguments: args.serve.clone(),
        ..DeployOptions::default()
    }
}

fn host(home: &Home, args: &DeployHostArgs) -> DeployOptions {
    DeployOptions { program: args.program.clone(), ..common(home, &args.files) }
}

fn image(home: &Home, args: &DeployImageFilesArgs) -> DeployOptions {
    DeployOptions { image: args.image.clone(), ..common(home, &args.files) }
}

fn serverless(home: &Home, args: &DeployServerlessArgs) -> Result<DeployOptions> {
    let canary =
        args.canary.as_ref().map(|text| canary(home, text, args.canary_image.clone())).transpose()?;
    Ok(DeployOptions {
        replicas: args.replicas,
        max_replicas: args.max_replicas,
        namespace: args.namespace.clone(),
        hostname: args.hostname.clone(),
        canary,
        ..image(home, &args.image)
    })
}

fn cluster(home: &Home, args: &DeployClusterArgs) -> Result<DeployOptions> {
    let monitoring = Some(args.monitoring.clone()).filter(|name| name != NO_MONITORING);
    Ok(DeployOptions { gateway: args.gateway.clone(), monitoring, ..serverless(home, &args.replicas)? })
}

fn argocd(home: &Home, args: &DeployArgocdArgs) -> Result<DeployOptions> {
    Ok(DeployOptions {
        repository: args.repository.clone(),
        repository_path: args.repository_path.clone(),
        ..cluster(home, &args.cluster)?
    })
}

fn files_of(args: &DeployClusterArgs) -> &DeployFilesArgs {
    &args.replicas.image.files
}

/// Version and share of `MODEL=SHARE`.
fn canary(home: &Home, text: &str, image: Option<String>) -> Result<CanaryImage> {
    let parts = text.rsplit_once('=').filter(|(model, _)| !model.is_empty());
    let Some((model, share)) = parts.and_then(|(model, share)| Some((model, share.parse().ok()?))) else {
        let message = format!("invalid canary `{text}`");
        return Err(UserError::new(message, "give --canary as MODEL=SHARE, such as digits:2=0.1").into());
    };
    Ok(CanaryImage { package: facts(home, model)?, image, share })
}
