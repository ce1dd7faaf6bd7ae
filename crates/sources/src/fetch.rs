//! Collection: from the text of a source to files on this machine.
//!
//! Files that are elsewhere are fetched into `data/cache` of the home. A download resumes after a failure, and is
//! repeated only if the server says that the file has changed. Sources that no reader understands, such as a workbook
//! or a folder of images, are written as Parquet there.

#[cfg(feature = "adbc")]
mod adbc;
pub(crate) mod cache;
mod convert;
mod database;
mod folder;
mod hub;
#[cfg(feature = "delta")]
mod lake;
mod objects;
mod optional;
#[cfg(feature = "kafka")]
mod topic;
mod web;
mod workbook;

use std::path::{Path, PathBuf};

use cupola_spec::{Data, QueryEngine, Source};
use url::Url;

pub(crate) use self::objects::{StoreKind, StoreRefusal, bucket, bucket_of_home, innermost_cause};

use self::web::{WebClient, api, page};
use cupola_store::FileVersion;

use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::file::{DataFile, expand, file_version, same_format};
use crate::location::SourceLocation;
use crate::progress::ProgressSink;
use crate::read::batch::note::SourceNote;
use crate::secret::FilledText;

/// Finds files of named datasets, and files that another tool tracks.
pub trait DatasetResolver: Sync {
    /// Finds a version of a named dataset; the newest one if `version` is `None`.
    ///
    /// # Errors
    /// [`Error::Resolver`] for an unknown or damaged version.
    fn dataset(&self, name: &str, version: Option<u64>) -> Result<ResolvedDataset, Error>;

    /// Finds the files that a `.dvc` file tracks.
    ///
    /// # Errors
    /// [`Error::Resolver`] for a file that cannot be found.
    fn tracked(&self, path: &Path) -> Result<Vec<(DataFile, FileVersion)>, Error>;
}

/// Version of a named dataset.
#[derive(Debug)]
pub struct ResolvedDataset {
    /// `NAME:VERSION`
    pub label: String,
    /// Files of the version, in order.
    pub files: Vec<(DataFile, FileVersion)>,
    /// `true` if its rows came from elsewhere than files of this machine.
    pub downloaded: bool,
}

/// Source to collect.
#[derive(Clone, Copy)]
pub struct SourceRequest<'a> {
    /// Locations: those of `data`, or its test source.
    pub source: &'a Source,
    /// Settings of collection and reading.
    pub data: &'a Data,
    /// Folders that relative paths are resolved against, in turn.
    pub roots: &'a [PathBuf],
    /// Home folder, which holds the cache.
    pub home: &'a Path,
    /// Receiver of progress reports.
    pub progress: &'a dyn ProgressSink,
    /// Finder of named datasets.
    pub resolver: &'a dyn DatasetResolver,
}

/// Local files of a source with their digests.
#[derive(Debug, Default)]
pub struct Collected {
    /// Files to read, all of one format.
    pub files: Vec<DataFile>,
    /// Digests of the files as they were found.
    pub versions: Vec<FileVersion>,
    /// `NAME:VERSION` of the named datasets among them.
    pub datasets: Vec<String>,
    /// Position after the last row of a source that grows, such as the offsets of a topic.
    pub position: Option<String>,
    /// Folders of the tables that were downloaded; `None` if all of them are files of this machine. What a downloaded
    /// table names is not trusted.
    pub downloaded: Option<Vec<PathBuf>>,
    /// `true` if files of plain text are read by paragraphs, as in `data.paragraphs`.
    pub paragraphs: bool,
    /// Largest ratio of compressed files, as in `data.max_ratio`.
    pub max_ratio: Option<u64>,
    /// `true` if the files hold the rows after `data.query`.
    pub queried: bool,
    /// Decisions of the collection that its user should know of.
    pub notes: Vec<SourceNote>,
}

/// Fetched file.
struct Fetched {
    path: PathBuf,
    position: Option<String>,
}

impl SourceRequest<'_> {
    /// Locations as messages show them.
    pub fn label(&self) -> String {
        self.source.patterns().join(", ")
    }

    /// Fetches, converts and hashes the files of the source. Compressed files are checked for damage.
    ///
    /// # Errors
    /// Everything in [`Error`] but invalid rows.
    pub async fn collect(&self) -> Result<Collected, Error> {
        self.collect_after(None).await
    }

    /// Collects only new rows: those of a database beyond a value of `data.watermark`, or those of a topic beyond its
    /// offsets.
    ///
    /// # Errors
    /// As [`Self::collect`]; [`Error::Empty`] if there are no new rows.
    pub async fn collect_after(&self, watermark: Option<&str>) -> Result<Collected, Error> {
        if self.data.query.is_some() && cfg!(not(feature = "sql")) {
            return Err(Error::without("`data.query`", "sql"));
        }
        let cache = SourceCache::new(self.home);
        let mut found = Collected {
            paragraphs: self.data.paragraphs,
            max_ratio: self.data.max_ratio,
            ..Collected::default()
        };
        for shown in self.source.patterns() {
            let source = FilledText::address(shown, self.roots, self.home)?;
            let added = self.add(&source, watermark, &mut found, &cache).await;
            added.map_err(|error| source.secrets().hide_in(error))?;
        }
        same_format(&found.files)?;
        found.files.iter().try_for_each(DataFile::supported)?;
        found.files.iter().try_for_each(DataFile::probe)?;
        if self.data.engine == QueryEngine::Ballista {
            found.files = vec![optional::on_cluster(self, &found).await?];
            found.queried = true;
        }
        Ok(found)
    }

    async fn add(
        &self,
        source: &FilledText,
        watermark: Option<&str>,
        found: &mut Collected,
        cache: &SourceCache,
    ) -> Result<(), Error> {
        let shown = source.shown();
        let location = SourceLocation::of(shown, source.text())?;
        self.check_settings(shown, &location)?;
        if !location.is_local() {
            found.downloaded.get_or_insert_default();
        }
        match location {
            SourceLocation::Local(pattern) => self.add_local(&pattern, found, cache),
            SourceLocation::Dataset { name, version } => {
                let dataset = self.resolver.dataset(&name, version)?;
                found.datasets.push(dataset.label);
                if dataset.downloaded {
                    found.downloaded.get_or_insert_default();
                }
                found.push_all(dataset.files, cache)
            }
            SourceLocation::Web(url) => {
                let path = self.download(source, &url, cache).await?;
                found.push_local(path, cache, self.progress)
            }
            SourceLocation::Objects(url) => {
                let paths = objects::fetch(shown, &url, cache, self.progress).await?;
                paths.into_iter().try_for_each(|path| found.push_local(path, cache, self.progress))
            }
            SourceLocation::Database(url) => {
                let after = self.data.watermark.as_deref().zip(watermark);
                let path = database::fetch(self, shown, &url, after, cache).await?;
                found.push_local(path, cache, self.progress)
            }
            SourceLocation::Adbc(database) => {
                let after = self.data.watermark.as_deref().zip(watermark);
                let fetched = optional::adbc(self, shown, &database, after, cache)?;
                found.push_local(fetched.path, cache, self.progress)
            }
            SourceLocation::Topic(topic) => {
                let fetched = optional::topic(self, shown, &topic, watermark, cache)?;
                if found.position.is_some() {
                    let why = "a source has at most one topic; declare one source per topic".to_owned();
                    return Err(Error::Location { text: shown.to_owned(), why });
                }
                found.position = fetched.position;
                found.push_local(fetched.path, cache, self.progress)
            }
            SourceLocation::Delta(table) => {
                let fetched = optional::lake(self, shown, &table, cache).await?;
                found.push_local(fetched.path, cache, self.progress)
            }
        }
    }

    fn add_local(&self, pattern: &str, found: &mut Collected, cache: &SourceCache) -> Result<(), Error> {
        for path in expand(pattern, self.roots)? {
            if path.is_dir()
                && let Some(tables) = hub::tables(&path)?
            {
                found.notes.extend(tables.note);
                found.downloaded.get_or_insert_default().push(path.clone());
                for path in tables.files {
                    found.push_local(path, cache, self.progress)?;
                }
            } else if path.is_dir() {
                let packed = if found.paragraphs {
                    folder::paragraphs::of_folder(&path, cache, self.progress)?
                } else {
                    folder::packed(&path, cache, self.progress)?
                };
                found.push_packed(packed);
            } else if path.extension().is_some_and(|extension| extension == "dvc") {
                let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
                found.downloaded.get_or_insert_default().push(folder);
                found.push_all(self.resolver.tracked(&path)?, cache)?;
            } else {
                found.push_local(path, cache, self.progress)?;
            }
        }
        Ok(())
    }

    async fn download(&self, source: &FilledText, url: &Url, cache: &SourceCache) -> Result<PathBuf, Error> {
        let web = WebClient::new(self, source)?;
        match (&self.data.api, &self.data.page) {
            (Some(api), _) => api::fetch(&web, url, api, cache).await,
            (_, Some(page)) => page::fetch(&web, url, page, cache).await,
            _ => web.download(url, cache).await,
        }
    }

    /// Checks that the settings fit the kind of location.
    fn check_settings(&self, shown: &str, location: &SourceLocation) -> Result<(), Error> {
        let data = self.data;
        let wrong = |why: &str| Err(Error::Location { text: shown.to_owned(), why: why.to_owned() });
        let web = matches!(location, SourceLocation::Web(_));
        let queried = matches!(location, SourceLocation::Database(_) | SourceLocation::Adbc(_));
        if data.sql.is_some() && !queried {
            return wrong("`data.sql` requires a database, such as sqlite:FILE; use `data.query` here");
        }
        if !web && (data.api.is_some() || data.page.is_some()) {
            return wrong("`data.api` and `data.page` require an http(s):// source; remove them");
        }
        if !data.kafka.is_empty() && !matches!(location, SourceLocation::Topic(_)) {
            return wrong("`data.kafka` requires a kafka:// source; remove it");
        }
        Ok(())
    }
}

/// SQL of a database source.
fn sql<'a>(data: &'a Data, shown: &str) -> Result<&'a str, Error> {
    data.sql.as_deref().ok_or_else(|| Error::Location {
        text: shown.to_owned(),
        why: "a database source requires SQL; set `data.sql`".to_owned(),
    })
}

impl Collected {
    fn push_local(
        &mut self,
        path: PathBuf,
        cache: &SourceCache,
        progress: &dyn ProgressSink,
    ) -> Result<(), Error> {
        if self.paragraphs && folder::paragraphs::is_plain_text(&path) {
            self.push_packed(folder::paragraphs::of_file(&path, cache, progress)?);
            return Ok(());
        }
        let file = DataFile::new(path)?;
        let version = file_version(&file.path, progress)?;
        self.push(file, version, cache)
    }

    fn push_packed(&mut self, packed: folder::PackedTable) {
        self.files.push(packed.file);
        self.versions.push(packed.version);
        self.notes.extend(packed.notes);
    }

    fn push_all(&mut self, files: Vec<(DataFile, FileVersion)>, cache: &SourceCache) -> Result<(), Error> {
        files.into_iter().try_for_each(|(file, version)| self.push(file, version, cache))
    }

    /// Adds a file in a format that can be read.
    fn push(&mut self, file: DataFile, version: FileVersion, cache: &SourceCache) -> Result<(), Error> {
        let file = DataFile { max_ratio: self.max_ratio, ..file };
        file.refuse_pointer()?;
        let converted = convert::readable(file, &version, cache)?;
        self.notes.extend(converted.note);
        self.files.push(converted.file);
        self.versions.push(version);
        Ok(())
    }
}
