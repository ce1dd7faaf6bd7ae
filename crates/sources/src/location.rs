//! Parsing of source locations.

use cupola_store::split_version;
use url::Url;

use crate::error::Error;

/// Location of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceLocation {
    /// Path, glob or folder of this machine.
    Local(String),
    /// File, API or page of a web server.
    Web(Url),
    /// Objects of Amazon's, Google's or Azure's store, or of a compatible one; the path may be a glob.
    Objects(Url),
    /// Database that is queried by SQL.
    Database(Url),
    /// Database that is queried by SQL through an ADBC driver.
    Adbc(AdbcLocation),
    /// Kafka topic.
    Topic(TopicLocation),
    /// Delta Lake table.
    Delta(DeltaLocation),
    /// Version of a named dataset; the newest one if `version` is `None`.
    Dataset { name: String, version: Option<u64> },
}

/// Kafka topic and its brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicLocation {
    /// `HOST:PORT`, separated by commas.
    pub brokers: String,
    pub name: String,
}

/// Database behind a driver of Arrow Database Connectivity (ADBC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdbcLocation {
    /// Name of the driver, such as `sqlite`, or path of its shared library.
    pub driver: String,
    /// Options of the database with their secrets still to be filled in, such as `uri`.
    pub options: Vec<(String, String)>,
}

/// Delta Lake table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeltaLocation {
    /// Folder or `s3://` URL.
    pub table: String,
    /// `None` for the newest version.
    pub version: Option<u64>,
}

impl SourceLocation {
    /// Parses `text`, in which secrets are filled in; `shown` is the same text without them, for messages.
    pub fn of(shown: &str, text: &str) -> Result<Self, Error> {
        if let Some(name) = text.strip_prefix("dataset:") {
            let (name, version) = split_version(name)
                .map_err(|error| Error::Location { text: shown.to_owned(), why: error.to_string() })?;
            return Ok(Self::Dataset { name: name.to_owned(), version });
        }
        // From the text without secrets, which may contain the characters that separate options.
        if let Some(database) = shown.strip_prefix("adbc:") {
            return AdbcLocation::of(shown, database).map(Self::Adbc);
        }
        if let Some(table) = text.strip_prefix("delta:") {
            return DeltaLocation::of(shown, table).map(Self::Delta);
        }
        if let Some(topic) = text.strip_prefix("kafka://") {
            return TopicLocation::of(shown, topic).map(Self::Topic);
        }
        Self::of_url(shown, text)
    }

    /// `true` for files and databases of this machine; datasets of the home tell by themselves.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Local(_) | Self::Dataset { .. } => true,
            Self::Database(url) => url.scheme() == "sqlite",
            Self::Delta(table) => !table.table.contains("://"),
            Self::Web(_) | Self::Objects(_) | Self::Adbc(_) | Self::Topic(_) => false,
        }
    }

    fn of_url(shown: &str, text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Location { text: shown.to_owned(), why };
        let url = || Url::parse(text).map_err(|error| wrong(format!("{error}; check the URL")));
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_lowercase();
        match scheme.as_str() {
            "http" | "https" => Ok(Self::Web(url()?)),
            "s3" | "gs" | "az" | "abfs" | "abfss" => Ok(Self::Objects(url()?)),
            "postgres" | "postgresql" | "mysql" | "mariadb" | "sqlite" => Ok(Self::Database(url()?)),
            _ if text.contains("://") => Err(wrong(format!(
                "unknown scheme `{scheme}://`; expected a path, http(s)://, s3://, gs://, az://, postgres://, mysql://, sqlite:, adbc:, kafka://, delta: or dataset:"
            ))),
            _ => Ok(Self::Local(text.to_owned())),
        }
    }
}

impl TopicLocation {
    /// Parses `HOST:PORT[,HOST:PORT...]/TOPIC`.
    fn of(shown: &str, text: &str) -> Result<Self, Error> {
        let valid = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match text.split_once('/') {
            Some((brokers, name)) if !brokers.is_empty() && valid(name) => {
                Ok(Self { brokers: brokers.to_owned(), name: name.to_owned() })
            }
            _ => Err(Error::Location {
                text: shown.to_owned(),
                why: "expected brokers and a topic: kafka://HOST:9092/TOPIC".to_owned(),
            }),
        }
    }
}

impl AdbcLocation {
    /// Parses `DRIVER[?KEY=VALUE[&KEY=VALUE...]]`; `%26` in a value is an `&`.
    fn of(shown: &str, text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Location { text: shown.to_owned(), why };
        let (driver, options) = text.split_once('?').unwrap_or((text, ""));
        if driver.is_empty() {
            return Err(wrong(
                "missing driver; expected adbc:DRIVER?uri=..., such as adbc:sqlite?uri=shop.db".into(),
            ));
        }
        let pairs =
            options.split('&').filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
                Some((key, value)) if !key.is_empty() => Ok((unescaped(key), unescaped(value))),
                _ => Err(wrong(format!(
                    "`{pair}` is not an option; expected KEY=VALUE, with `&` in a value as %26"
                ))),
            });
        Ok(Self { driver: driver.to_owned(), options: pairs.collect::<Result<_, _>>()? })
    }
}

/// Text with `%26` and the like as the characters that they stand for. A `+` stays one, unlike in forms.
fn unescaped(text: &str) -> String {
    let pair = text.replace('+', "%2B");
    let mut parsed = url::form_urlencoded::parse(pair.as_bytes());
    // The text contains no `&`; a `=` in it separates what is put together again.
    let Some((key, value)) = parsed.next() else { return String::new() };
    if pair.contains('=') { format!("{key}={value}") } else { key.into_owned() }
}

impl DeltaLocation {
    /// Parses `TABLE[@VERSION]`.
    fn of(shown: &str, text: &str) -> Result<Self, Error> {
        let (table, version) = match text.rsplit_once('@') {
            Some((table, version)) if !version.contains('/') => {
                let version = version.parse().map_err(|_| Error::Location {
                    text: shown.to_owned(),
                    why: format!("invalid version `{version}`; expected delta:TABLE@0"),
                })?;
                (table, Some(version))
            }
            _ => (text, None),
        };
        Ok(Self { table: table.to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_tables_are_parsed() {
        let topic = TopicLocation { brokers: "a:9092,b:9092".into(), name: "clicks.v1".into() };
        let of = |text: &str| SourceLocation::of("", text);
        assert_eq!(of("kafka://a:9092,b:9092/clicks.v1").unwrap(), SourceLocation::Topic(topic));
        let table =
            |table: &str, version| SourceLocation::Delta(DeltaLocation { table: table.into(), version });
        assert_eq!(of("delta:lake/flights@3").unwrap(), table("lake/flights", Some(3)));
        assert_eq!(of("delta:s3://b/t").unwrap(), table("s3://b/t", None));
        for store in
            ["s3://b/k.csv", "gs://b/*.csv", "az://c/k.csv", "abfss://c@a.dfs.core.windows.net/k.csv"]
        {
            assert!(matches!(of(store).unwrap(), SourceLocation::Objects(_)), "{store}");
        }
        for wrong in ["kafka://a:9092", "kafka:///t", "kafka://a/../t", "delta:t@x"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn drivers_and_their_options_are_parsed() {
        let of = |text: &str| SourceLocation::of(text, &text.replace("${PW}", "a&b"));
        let location = |driver: &str, options: &[(&str, &str)]| {
            let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            SourceLocation::Adbc(AdbcLocation { driver: driver.to_owned(), options: options.collect() })
        };
        assert_eq!(of("adbc:sqlite?uri=shop.db").unwrap(), location("sqlite", &[("uri", "shop.db")]));
        assert_eq!(of("adbc:/opt/libx.so").unwrap(), location("/opt/libx.so", &[]));
        let postgres = "adbc:postgresql?uri=postgresql://me:${PW}@db/x?a=1%26b=2&adbc.x.y=1+1";
        let options = [("uri", "postgresql://me:${PW}@db/x?a=1&b=2"), ("adbc.x.y", "1+1")];
        assert_eq!(of(postgres).unwrap(), location("postgresql", &options));
        for wrong in ["adbc:", "adbc:?uri=x", "adbc:sqlite?uri"] {
            assert!(of(wrong).unwrap_err().to_string().contains("expected"), "{wrong}");
        }
    }
}
