//! Arguments of `cupola deploy image`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cupola_deploy::{ImageCompression, ImageFormat};

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola deploy image --model digits                       # writes digits-3.tar
  cupola deploy image --model digits --out digits.tar \\
    --tag registry.example.org/ml/digits:3
  cupola deploy image --model digits --compression zstd    # a smaller image
  cupola deploy image --model digits --model diamonds --tag models:1 \\
    -- --replicas 2
  cupola deploy image --config serve.toml --tag models:1
  docker load --input digits-3.tar
  docker run --read-only -p 8080:8080 digits:3
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
    /// File, or folder for it, to write; a file is replaced by the whole image, a layout gets one more
    /// [default: NAME-TAG.tar]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Form of the image
    #[arg(long, default_value = "oci-archive")]
    pub format: ImageFormatArg,
    /// Compression of the layers
    #[arg(long, default_value = "gzip")]
    pub compression: ImageCompressionArg,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageCompressionArg {
    /// Read by everything that reads images
    Gzip,
    /// Smaller and written faster, for Docker 23, containerd 1.5 and later versions
    Zstd,
}

impl ImageCompressionArg {
    pub fn compression(self) -> ImageCompression {
        match self {
            Self::Gzip => ImageCompression::Gzip,
            Self::Zstd => ImageCompression::Zstd,
        }
    }
}
