//! Arguments of `cupola deploy image`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cupola_deploy::ImageFormat;

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola deploy image --model digits                                  writes digits-3.tar
  cupola deploy image --model digits --tag registry.example.org/ml/digits:3 --out digits.tar
  cupola deploy image --model digits --model diamonds --tag models:1 -- --replicas 2
  cupola deploy image --config serve.toml --tag models:1
  docker load --input digits-3.tar && docker run --read-only -p 8080:8080 digits:3
  skopeo copy oci-archive:digits-3.tar docker://registry.example.org/ml/digits:3

The image has the model's version of now: an alias is followed once. Options after -- are those of cupola serve.")]
pub struct DeployImageArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder (may be repeated)
    #[arg(long = "model", value_name = "MODEL", required_unless_present = "config")]
    pub models: Vec<String>,
    /// Config of the server (serve.toml); its models go into the image
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of the image, [REGISTRY/]NAME[:TAG] [default: name and version of the model]
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,
    /// File, or folder for it, to write; what is there is replaced by the whole image [default: NAME-TAG.tar]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Form of the image
    #[arg(long, default_value = "oci-archive")]
    pub format: ImageFormatArg,
    /// Linux build of cupola to put into the image [default: this program]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Root of the system that has the C library of --binary
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub sysroot: PathBuf,
    /// Options of `cupola serve` in the container
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageFormatArg {
    /// An archive that docker, podman, containerd and skopeo load
    OciArchive,
    /// An archive as older versions of docker save it
    DockerArchive,
    /// A folder with an OCI image layout
    Oci,
}

impl ImageFormatArg {
    pub fn format(self) -> ImageFormat {
        match self {
            Self::OciArchive => ImageFormat::OciArchive,
            Self::DockerArchive => ImageFormat::DockerArchive,
            Self::Oci => ImageFormat::Oci,
        }
    }
}
