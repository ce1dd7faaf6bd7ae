//! Places of journals.

use std::fmt;
use std::path::{Path, PathBuf};

/// Place of a journal: a file of lines, or a table `cupola_journal` whose rows are lines of the same format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPlace {
    /// File of Optuna's format.
    File(PathBuf),
    /// Table of an `SQLite` file, which workers of one host share.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Name of the journal in the table.
        journal: String,
    },
    /// Table of a `PostgreSQL` server, which workers of several hosts share.
    Postgres {
        /// `postgres://USER@HOST/DATABASE`
        url: String,
        /// Name of the journal in the table.
        journal: String,
    },
}

impl JournalPlace {
    /// Place of the journal of this name at `postgres://USER@HOST/DATABASE` or `sqlite://FILE`, `None` for another address.
    pub fn parse(address: &str, journal: &str) -> Option<Self> {
        let journal = journal.to_owned();
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            return Some(Self::Postgres { url: address.to_owned(), journal });
        }
        let path = address.strip_prefix("sqlite://").or_else(|| address.strip_prefix("sqlite:"))?;
        (!path.is_empty()).then(|| Self::Sqlite { path: PathBuf::from(path), journal })
    }

    /// File of the journal, `None` for a server.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Sqlite { path, .. } => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    /// Text for messages: the path, or the address without a password.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Self::File(path) | Self::Sqlite { path, .. } => path.clone(),
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
