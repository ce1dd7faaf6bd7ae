//! From a source's text to files on this machine, wherever the rows are.
//!
//! What is not here yet is fetched into `data/cache` of the home: a download goes on where it broke
//! off, and is asked for only once as long as the server says that nothing has changed. What no table
//! engine reads, such as a workbook or a folder of pictures, is written as Parquet there.

mod api;
mod cache;
mod convert;
mod database;
mod folder;
#[cfg(feature = "delta")]
mod lake;
mod objects;
mod optional;
mod page;
mod table;
#[cfg(feature = "kafka")]
mod topic;
mod web;
mod workbook;

use std::path::{Path, PathBuf};

use cupola_spec::{Data, Expectation, QueryEngine, Source};

pub(crate) use self::cache::{Cache, digest, io, write_whole};
pub(crate) use self::objects::{Remote, remote, said};
pub(crate) use self::table::TableWriter;

use self::web::Web;
use crate::dataset::Datasets;
use crate::error::Error;
use crate::files::{DataFile, alike, expand};
use crate::place::Place;
use crate::secret::filled;
use crate::version::FileVersion;
use crate::watch::Watch;

/// What is wanted of a source.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The source itself: that of `data`, or its test source.
    pub source: &'a Source,
    /// How it is asked and read.
    pub data: &'a Data,
    /// What its rows have to be like.
    pub expect: &'a [Expectation],
    /// Folders that paths are relative to, in turn.
    pub roots: &'a [PathBuf],
    /// The home folder.
    pub home: &'a Path,
    /// Who sees how far it is.
    pub watch: &'a dyn Watch,
}

/// Files of a source with their digests.
#[derive(Default)]
pub(crate) struct Collected {
    pub files: Vec<DataFile>,
    pub versions: Vec<FileVersion>,
    /// `NAME:VERSION` of datasets among them.
    pub datasets: Vec<String>,
    /// How far a source that grows has been read.
    pub position: Option<String>,
    /// Which pushed rows are among the files.
    pub pushed: Option<String>,
    /// The files hold the rows of `data.query`.
    pub queried: bool,
}

/// A file that has just come.
pub(crate) struct Fetched {
    pub path: PathBuf,
    /// How far its source has been read.
    pub position: Option<String>,
}

impl Request<'_> {
    /// The source as messages name it.
    pub(crate) fn label(&self) -> String {
        self.source.patterns().join(", ")
    }

    /// Fetches what is not here; damage of compressed files is found.
    pub(crate) async fn collect(&self) -> Result<Collected, Error> {
        self.collect_after(None).await
    }

    /// The same, from a database only the rows whose `data.watermark` is beyond a value, from a topic only
    /// those beyond its offsets.
    pub(crate) async fn collect_after(&self, watermark: Option<&str>) -> Result<Collected, Error> {
        if self.data.query.is_some() && cfg!(not(feature = "sql")) {
            return Err(Error::without("`data.query`", "sql"));
        }
        let mut found = Collected::default();
        for shown in self.source.patterns() {
            self.add(shown, watermark, &mut found).await?;
        }
        alike(&found.files)?;
        found.files.iter().try_for_each(DataFile::supported)?;
        found.files.iter().try_for_each(DataFile::probe)?;
        if self.data.engine == QueryEngine::Ballista {
            found.files = vec![optional::on_cluster(self, &found).await?];
            found.queried = true;
        }
        Ok(found)
    }

    async fn add(&self, shown: &str, watermark: Option<&str>, found: &mut Collected) -> Result<(), Error> {
        let cache = Cache::new(self.home);
        let place = Place::of(shown, &filled(shown, self.roots)?)?;
        self.fits(shown, &place)?;
        match place {
            Place::Local(pattern) => {
                for path in expand(&pattern, self.roots)? {
                    if path.is_dir() {
                        let (file, version) = folder::packed(&path, &cache, self.watch)?;
                        found.files.push(file);
                        found.versions.push(version);
                    } else if path.extension().is_some_and(|ending| ending == "dvc") {
                        for (file, version) in crate::dataset::tracked(&path, &cache)? {
                            found.push(file, version, &cache)?;
                        }
                    } else {
                        let file = DataFile::new(path)?;
                        let version = FileVersion::of(&file.path, self.watch)?;
                        found.push(file, version, &cache)?;
                    }
                }
                return Ok(());
            }
            Place::Dataset { name, version } => {
                let (label, files) = Datasets::new(self.home).files(&name, version)?;
                found.datasets.push(label);
                for (file, version) in files {
                    found.push(file, version, &cache)?;
                }
                return Ok(());
            }
            Place::Web(url) => {
                let web = Web::new(shown, self.data.http.as_ref(), self.roots, self.watch)?;
                let path = match (&self.data.api, &self.data.page) {
                    (Some(api), _) => api::fetch(&web, &url, api, &cache).await?,
                    (_, Some(page)) => page::fetch(&web, &url, page, &cache).await?,
                    _ => web.download(&url, &cache).await?,
                };
                found.fetched(path, &cache, self.watch)?;
            }
            Place::Objects(url) => {
                for path in objects::fetch(shown, &url, &cache, self.watch).await? {
                    found.fetched(path, &cache, self.watch)?;
                }
            }
            Place::Database(url) => {
                let sql = self.data.sql.as_deref().ok_or_else(|| Error::Place {
                    text: shown.to_owned(),
                    why: "a database is asked by SQL; write `data.sql`".to_owned(),
                })?;
                let after = self.data.watermark.as_deref().zip(watermark);
                let path = database::fetch(shown, &url, sql, after, &cache, self.watch).await?;
                found.fetched(path, &cache, self.watch)?;
            }
            Place::Topic(topic) => {
                let fetched = optional::topic(self, shown, &topic, watermark, &cache)?;
                if found.position.is_some() {
                    let why = "a source has one topic; read the others as sources of their own".to_owned();
                    return Err(Error::Place { text: shown.to_owned(), why });
                }
                found.position = fetched.position;
                found.fetched(fetched.path, &cache, self.watch)?;
            }
            Place::Lake(lake) => {
                let fetched = optional::lake(self, shown, &lake, &cache).await?;
                found.fetched(fetched.path, &cache, self.watch)?;
            }
        }
        Ok(())
    }

    /// Settings that need another kind of source.
    fn fits(&self, shown: &str, place: &Place) -> Result<(), Error> {
        let data = self.data;
        let wrong = |why: &str| Err(Error::Place { text: shown.to_owned(), why: why.to_owned() });
        let web = matches!(place, Place::Web(_));
        if data.sql.is_some() && !matches!(place, Place::Database(_)) {
            return wrong("`data.sql` is run by a database, such as sqlite:FILE; use `data.query` here");
        }
        if !web && (data.api.is_some() || data.page.is_some()) {
            return wrong("`data.api` and `data.page` are for http(s):// sources; remove them");
        }
        if !data.kafka.is_empty() && !matches!(place, Place::Topic(_)) {
            return wrong("`data.kafka` is for kafka:// sources; remove it");
        }
        Ok(())
    }
}

impl Collected {
    /// Adds a file that has just come.
    fn fetched(&mut self, path: PathBuf, cache: &Cache, watch: &dyn Watch) -> Result<(), Error> {
        let file = DataFile::new(path)?;
        let version = FileVersion::of(&file.path, watch)?;
        self.push(file, version, cache)
    }

    /// Adds a file, in a form that can be read.
    fn push(&mut self, file: DataFile, version: FileVersion, cache: &Cache) -> Result<(), Error> {
        self.files.push(convert::readable(file, &version, cache)?);
        self.versions.push(version);
        Ok(())
    }
}
