//! Arguments of `cupola deploy` for an orchestrator or an init system.

use std::path::PathBuf;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand};
use cupola_operate::parse_memory;

#[derive(Subcommand)]
pub enum DeployTarget {
    /// Write a Dockerfile that builds an image of a model
    #[command(after_help = "Example:\n  cupola deploy docker --model digits --out deploy/docker")]
    Docker(DeployImageFilesArgs),
    /// Write a service of Docker Compose
    #[command(after_help = "\
Examples:
  cupola deploy compose --model digits --out deploy/compose
  cupola deploy compose --model digits --keys /srv/digits/keys.json \\
    --memory 1G --out deploy/compose")]
    Compose(DeployImageFilesArgs),
    /// Write objects of Kubernetes, with a kustomization
    #[command(after_help = "\
Examples:
  cupola deploy kubernetes --model digits \\
    --image registry.example.org/ml/digits:3 --out deploy/k8s
  cupola deploy kubernetes --model digits:3 --canary digits:4=0.1 \\
    --gateway infra/public --hostname digits.example.org --out deploy/k8s
  cupola deploy kubernetes --model digits --keys digits-keys --monitoring none \\
    --gpus 1 --out deploy/k8s")]
    Kubernetes(DeployClusterArgs),
    #[allow(clippy::doc_markdown, reason = "the text of --help")]
    /// Write an inference service of KServe
    #[command(
        after_help = "Example:\n  cupola deploy kserve --model digits --image registry.example.org/ml/digits:3 \\\n    --out deploy/kserve"
    )]
    Kserve(DeployServerlessArgs),
    /// Write a service of Knative
    #[command(
        after_help = "Example:\n  cupola deploy knative --model digits:3 --canary digits:4=0.1 \\\n    --out deploy/knative"
    )]
    Knative(DeployServerlessArgs),
    /// Write a Helm chart
    #[command(
        after_help = "Example:\n  cupola deploy helm --model digits --image registry.example.org/ml/digits:3 \\\n    --out charts/digits"
    )]
    Helm(DeployClusterArgs),
    /// Write an application of Argo CD and a rollout of Argo Rollouts
    #[command(
        after_help = "Example:\n  cupola deploy argocd --model digits \\\n    --repository https://git.example.org/ml/deploy.git --out digits"
    )]
    Argocd(DeployArgocdArgs),
    /// Write a unit of systemd that serves a model
    #[command(after_help = "\
Examples:
  cupola deploy systemd --model digits --out deploy/systemd
  cupola deploy systemd --model digits --keys /etc/cupola/digits.json \\
    --out deploy/systemd")]
    Systemd(DeployHostArgs),
    /// Write a batch job of Slurm that serves a model
    #[command(after_help = "Example:\n  cupola deploy slurm --model digits --cpu 8 --out deploy/slurm")]
    Slurm(DeployHostArgs),
    /// Write a task definition and a service of Amazon ECS
    #[command(
        after_help = "Example:\n  cupola deploy ecs --model digits \\\n    --image ACCOUNT.dkr.ecr.REGION.amazonaws.com/digits:3 --out deploy/ecs"
    )]
    Ecs(DeployServerlessArgs),
}

/// Options of every target.
#[derive(Args)]
pub struct DeployFilesArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    #[arg(long)]
    pub model: String,
    /// Folder to write the files into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into a folder that has other files, which are kept, or edited ones, which are replaced
    #[arg(long)]
    pub force: bool,
    /// Name of the deployment [default: that of the model, as DNS allows it]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Port of requests
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Port of metrics and administration
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub admin_port: u16,
    /// Processor cores of each server, such as 0.5 or 4
    #[arg(long, value_name = "CORES", default_value = "1", value_parser = milli)]
    pub cpu: u32,
    /// Memory of each server, such as 512M or 4G [default: 352 MiB and 2.2 times the weights]
    #[arg(long, value_name = "SIZE", value_parser = mebibytes)]
    pub memory: Option<u64>,
    /// GPUs of each server
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub gpus: u32,
    /// API keys: a secret of the cluster with `keys.json`, or the file on the host; without it the server takes requests
    /// without keys
    #[arg(long, value_name = "SECRET|FILE")]
    pub keys: Option<String>,
    /// Further option of `cupola serve` in one word, such as --serve=--engine=int8 (may be repeated)
    #[arg(long = "serve", value_name = "OPTION", allow_hyphen_values = true)]
    pub serve: Vec<String>,
}

/// Options of targets that run a program of the host.
#[derive(Args)]
pub struct DeployHostArgs {
    #[command(flatten)]
    pub files: DeployFilesArgs,
    /// Program on the host [default: /usr/local/bin/cupola; for slurm, this program]
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

/// Options of targets that run an image.
#[derive(Args)]
pub struct DeployImageFilesArgs {
    #[command(flatten)]
    pub files: DeployFilesArgs,
    /// Image of the model [default: NAME:VERSION, as `cupola deploy image` calls it]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
}

/// Options of targets that start and stop replicas.
#[derive(Args)]
pub struct DeployServerlessArgs {
    #[command(flatten)]
    pub image: DeployImageFilesArgs,
    /// Smallest number of replicas
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = replicas(), allow_negative_numbers = true)]
    pub replicas: u32,
    /// Largest number of replicas [default: twice the smallest, at least 3]
    #[arg(long, value_name = "N", value_parser = replicas(), allow_negative_numbers = true)]
    pub max_replicas: Option<u32>,
    /// Namespace of the objects [default: that of the context of kubectl]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Public name of the server
    #[arg(long, value_name = "HOST")]
    pub hostname: Option<String>,
    /// Another version of the model, and the share of the requests that it answers
    #[arg(long, value_name = "MODEL=SHARE")]
    pub canary: Option<String>,
    /// Image of the canary [default: NAME:VERSION]
    #[arg(long, value_name = "IMAGE", requires = "canary")]
    pub canary_image: Option<String>,
}

/// Options of targets with objects of Kubernetes.
#[derive(Args)]
pub struct DeployClusterArgs {
    #[command(flatten)]
    pub replicas: DeployServerlessArgs,
    /// Gateway of the Gateway API that routes requests to the model
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub gateway: Option<String>,
    /// Namespace of the Prometheus operator, which scrapes the server; `none` leaves it out
    #[arg(long, value_name = "NAME", default_value = "monitoring")]
    pub monitoring: String,
}

/// Options of Argo CD.
#[derive(Args)]
pub struct DeployArgocdArgs {
    #[command(flatten)]
    pub cluster: DeployClusterArgs,
    /// Git repository into which the files are committed
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// Folder of the files in the repository [default: the name of the deployment]
    #[arg(long, value_name = "DIR")]
    pub repository_path: Option<String>,
}

fn replicas() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1000)
}

/// Thousandths of processor cores.
fn milli(text: &str) -> Result<u32, String> {
    let cores: Option<f64> = text.parse().ok().filter(|cores| (0.01..=1024.0).contains(cores));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1024000")]
    cores
        .map(|cores| (cores * 1000.0).round() as u32)
        .ok_or_else(|| "expected cores from 0.01 to 1024".to_owned())
}

fn mebibytes(text: &str) -> Result<u64, String> {
    parse_memory(text).ok_or_else(|| "expected a size above 0 such as 512M or 16G".to_owned())
}
