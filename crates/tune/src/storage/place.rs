//! Places of journals.

use std::fmt;
use std::path::{Path, PathBuf};

/// Place of a journal: a file, or a table of a `PostgreSQL` server that workers of several hosts share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPlace {
    /// File of Optuna's format.
    File(PathBuf),
    /// Rows of the table `cupola_journal`, each a line of the same format.
    Postgres {
        /// `postgres://USER@HOST/DATABASE`
        url: String,
        /// Name of the journal in the table.
        journal: String,
    },
}

impl JournalPlace {
    /// `true` for an address of a server.
    pub fn is_server(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Text for messages: the path, or the address without a password.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Postgres { url, journal } => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                let host = host.split('?').next().unwrap_or_default();
                PathBuf::from(format!("postgres://{host}/{journal}"))
            }
        }
    }
}

impl fmt::Display for JournalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown().display())
    }
}

impl From<&Path> for JournalPlace {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for JournalPlace {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Self> for JournalPlace {
    fn from(place: &Self) -> Self {
        place.clone()
    }
}
