//! Errors of an image.

use std::path::{Path, PathBuf};

/// Failure to write an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Files, names or digests.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// A package.
    #[error(transparent)]
    Registry(#[from] cupola_registry::Error),
    /// A file for the image that the system does not read.
    #[error("failed to read {path}: {source}; check the path")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A failed write of the image.
    #[error("failed to write {path}: {source}; {}", remedy(.source))]
    Write {
        /// The archive or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A program that a container cannot run.
    #[error("{path}: {reason}; give a Linux build of cupola with --binary")]
    Program {
        /// The program.
        path: PathBuf,
        /// Defect of the program.
        reason: String,
    },
    /// A library that the program needs and that was not found.
    #[error(
        "{path} needs `{name}` for {platform}, which is not below {root}; give --sysroot the root of a system that has it, or --binary a static build"
    )]
    Library {
        /// The program, or a library that it needs.
        path: PathBuf,
        /// File name of the library.
        name: String,
        /// Platform of the program.
        platform: String,
        /// Root of the folders that were searched.
        root: PathBuf,
    },
    /// A name that registries do not accept.
    #[error(
        "invalid image name `{text}`: {reason}; expected [REGISTRY/]NAME[:TAG], such as registry.example.org/ml/digits:3"
    )]
    Reference {
        /// Text as given.
        text: String,
        /// Defect of the text.
        reason: &'static str,
    },
    /// Two versions of one model that would be served under the same name.
    #[error("`{first}` and `{second}` have the same name; give one of them, or --config with a canary")]
    Duplicate {
        /// `NAME:VERSION`
        first: String,
        /// `NAME:VERSION`
        second: String,
    },
    /// No model to put into the image.
    #[error("no model to serve; name one with --model")]
    Empty,
    /// An existing file or folder that is not an image.
    #[error("{path} exists and is not {expected}; move it away, or choose another --out")]
    Occupied {
        /// The entry.
        path: PathBuf,
        /// Kind of entry that would have been replaced.
        expected: &'static str,
    },
    /// Another image of a layout with the same tag.
    #[error(
        "the layout {path} has the image {other} with the tag `{tag}`, by which skopeo and umoci find an image; give --tag NAME:TAG with \
         another tag, or another --out"
    )]
    Tag {
        /// The layout.
        path: PathBuf,
        /// Tag of both.
        tag: String,
        /// Name of the image that is there.
        other: String,
    },
    /// A compression that readers of a form do not know.
    #[error(
        "zstd is not supported in a docker-archive, whose readers expect gzip; choose --compression gzip, or --format oci-archive"
    )]
    Compression,
    /// A file that another process wrote to while it was read.
    #[error("{path} changed while it was read; try again")]
    Changed {
        /// The file, or the name of the layer.
        path: PathBuf,
    },
    /// An index of a layout that is none.
    #[error("{path} is not an index of images: {reason}; choose another --out")]
    Index {
        /// The index.
        path: PathBuf,
        /// Defect of the document.
        reason: String,
    },
    /// A config of a server that does not serialise.
    #[error("failed to write the config of the server: {0}")]
    Config(#[from] toml::ser::Error),
    /// A document of the image that does not serialise.
    #[error("failed to write a document of the image: {0}")]
    Json(#[from] serde_json::Error),
}

impl ImageError {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Changed { .. } | Self::Config(_) | Self::Json(_) => false,
            Self::Store(error) => error.is_user_error(),
            Self::Registry(error) => error.is_user_error(),
            Self::Write { source, .. } => !is_full(source),
            Self::Read { .. }
            | Self::Program { .. }
            | Self::Library { .. }
            | Self::Reference { .. }
            | Self::Duplicate { .. }
            | Self::Empty
            | Self::Compression
            | Self::Index { .. }
            | Self::Tag { .. }
            | Self::Occupied { .. } => true,
        }
    }
}

/// Returns a function that attaches `path` to an error of a write, for `map_err`.
pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ImageError + '_ {
    |source| ImageError::Write { path: path.to_owned(), source }
}

/// Error of the image's own files, whose remedy is not that of the home's.
pub(super) fn output(error: cupola_store::Error) -> ImageError {
    match error {
        cupola_store::Error::Io { path, source } => ImageError::Write { path, source },
        error => error.into(),
    }
}

fn remedy(source: &std::io::Error) -> &'static str {
    if is_full(source) { "free some space, or choose another --out" } else { "choose another --out" }
}

fn is_full(source: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    [StorageFull, QuotaExceeded, FileTooLarge].contains(&source.kind())
}
