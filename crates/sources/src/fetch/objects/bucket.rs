//! Buckets of Amazon S3, Google Cloud Storage and Azure Blob Storage, opened as their own clients open them.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider};
use url::Url;

use crate::error::Error;

/// Kind of an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// Folder of this machine.
    Folder,
    /// Amazon S3 or a compatible store.
    Amazon,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage or Data Lake Storage.
    Azure,
}

impl StoreKind {
    /// Kind of the store that a URL's scheme names.
    pub fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" => Some(Self::Amazon),
            "gs" => Some(Self::Google),
            "az" | "abfs" | "abfss" => Some(Self::Azure),
            _ => None,
        }
    }

    /// Remedy for a store that refuses the credentials, or got none.
    pub fn credentials(self) -> &'static str {
        match self {
            Self::Folder => "check the permissions of the folder",
            Self::Amazon => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            Self::Google => {
                "set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or set GOOGLE_SKIP_SIGNATURE=true for a public bucket"
            }
            Self::Azure => {
                "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or set AZURE_USE_AZURE_CLI=true after `az login`"
            }
        }
    }

    /// Remedy for every other failure.
    pub fn address(self) -> &'static str {
        match self {
            Self::Folder => "check the path",
            Self::Amazon => "check the URL, AWS_ENDPOINT_URL and the network",
            Self::Google => "check the URL, the credentials and the network",
            Self::Azure => "check the URL, AZURE_STORAGE_ENDPOINT and the network",
        }
    }
}

/// Opens the bucket or container of a URL.
pub(crate) fn bucket(shown: &str, url: &Url) -> Result<Arc<dyn ObjectStore>, Error> {
    opened(shown, url, None)
}

/// Opens the bucket or container of a home: with few retries, since the home has deadlines of its own and goes on with its
/// cache.
pub(crate) fn bucket_of_home(shown: &str, url: &Url) -> Result<Arc<dyn ObjectStore>, Error> {
    let retries =
        RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(15), ..RetryConfig::default() };
    opened(shown, url, Some(retries))
}

fn opened(shown: &str, url: &Url, retries: Option<RetryConfig>) -> Result<Arc<dyn ObjectStore>, Error> {
    let wrong = |why: String| Error::Remote { location: shown.to_owned(), why };
    let kind = StoreKind::of(url.scheme()).unwrap_or(StoreKind::Amazon);
    let name = url
        .host_str()
        .ok_or_else(|| wrong(format!("missing bucket; expected {}://BUCKET/KEY", url.scheme())))?;
    let opened: object_store::Result<Arc<dyn ObjectStore>> = match kind {
        StoreKind::Google => google(name, retries).build().map(|store| Arc::new(store) as _),
        StoreKind::Azure => azure(url, retries).build().map(|store| Arc::new(store) as _),
        StoreKind::Amazon | StoreKind::Folder => {
            check_endpoint().map_err(wrong)?;
            amazon(name, retries).build().map(|store| Arc::new(store) as _)
        }
    };
    opened.map_err(|error| wrong(format!("{}; {}", first_cause(&error), kind.credentials())))
}

/// Place of a bucket in the cache: its name for S3, scheme and account too for the others.
pub(super) fn place(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match StoreKind::of(url.scheme()) {
        Some(StoreKind::Google) => format!("gs:{name}"),
        Some(StoreKind::Azure) => format!("az:{}@{name}", url.username()),
        _ => name.to_owned(),
    }
}

/// Refuses an endpoint that is no URL, on which the client would panic.
fn check_endpoint() -> Result<(), String> {
    for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"] {
        let Some(text) = variable(&[name]) else { continue };
        let url =
            Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            return Err(format!("{name} is `{text}`; expected a URL such as https://s3.example.org"));
        }
    }
    Ok(())
}

/// First of these environment variables that is set and not empty.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Retries for less than a minute: a machine without credentials asks a metadata server that may not exist.
fn default_retries() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(45), ..RetryConfig::default() }
}

/// Keys, region, endpoint and encryption come from the variables `AWS_...`.
fn amazon(bucket: &str, retries: Option<RetryConfig>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if let Some(retries) = retries {
        builder = builder.with_retry(retries);
    }
    if variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).is_none() {
        builder = builder.with_region("us-east-1");
    }
    match variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]) {
        Some(endpoint) => builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint),
        None => builder,
    }
}

/// Credentials are Google's application default ones. `STORAGE_EMULATOR_HOST` names an emulator, which needs none.
fn google(bucket: &str, retries: Option<RetryConfig>) -> GoogleCloudStorageBuilder {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retries.unwrap_or_else(default_retries));
    let Some(host) = variable(&["STORAGE_EMULATOR_HOST"]) else { return builder };
    let address = if host.contains("://") { host } else { format!("http://{host}") };
    let anonymous = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
    builder
        .with_base_url(address.trim_end_matches('/'))
        .with_credentials(Arc::new(anonymous))
        .with_skip_signature(true)
        .with_client_options(ClientOptions::new().with_allow_http(true))
}

/// Credentials come from the variables `AZURE_...`, a connection string among them, as Azure's clients read them.
fn azure(url: &Url, retries: Option<RetryConfig>) -> MicrosoftAzureBuilder {
    let retries = retries.unwrap_or_else(default_retries);
    let mut builder = MicrosoftAzureBuilder::from_env().with_retry(retries);
    // The names that Azure's command line uses.
    if let Some(account) = variable(&["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"]) {
        builder = builder.with_account(account);
    }
    if let Some(key) = variable(&["AZURE_STORAGE_KEY"]) {
        builder = builder.with_access_key(key);
    }
    if let Some(text) = variable(&["AZURE_STORAGE_CONNECTION_STRING"]) {
        builder = connected(builder, &text);
    }
    if let Some(endpoint) = variable(&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"]) {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    // The account of `abfss://CONTAINER@ACCOUNT...` counts.
    builder.with_url(url.as_str())
}

/// Settings of a connection string: `KEY=VALUE;KEY=VALUE`.
fn connected(mut builder: MicrosoftAzureBuilder, text: &str) -> MicrosoftAzureBuilder {
    use object_store::azure::AzureConfigKey;

    let pairs = || text.split(';').filter_map(|pair| pair.trim().split_once('='));
    let value = |name: &str| pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if value("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return builder.with_use_emulator(true);
    }
    if let Some(account) = value("AccountName") {
        builder = builder.with_account(account);
    }
    if let Some(key) = value("AccountKey") {
        builder = builder.with_access_key(key);
    }
    if let Some(token) = value("SharedAccessSignature") {
        builder = builder.with_config(AzureConfigKey::SasKey, token);
    }
    let endpoint = value("BlobEndpoint").map(str::to_owned).or_else(|| {
        let protocol = value("DefaultEndpointsProtocol").unwrap_or("https");
        Some(format!("{protocol}://{}.blob.{}", value("AccountName")?, value("EndpointSuffix")?))
    });
    match endpoint {
        Some(endpoint) => builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint),
        None => builder,
    }
}

/// Message of the innermost cause.
pub(super) fn first_cause(error: &object_store::Error) -> String {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    why
}

#[cfg(test)]
mod tests {
    use object_store::azure::AzureConfigKey;

    use super::*;

    #[test]
    fn a_connection_string_is_read_as_azure_reads_it() {
        let read = |text: &str| connected(MicrosoftAzureBuilder::new(), text);
        let full = read(
            "DefaultEndpointsProtocol=https;AccountName=team;AccountKey=a2V5PT0=;EndpointSuffix=core.windows.net",
        );
        let value = |builder: &MicrosoftAzureBuilder, key| builder.get_config_value(&key);
        assert_eq!(value(&full, AzureConfigKey::AccountName).as_deref(), Some("team"));
        assert_eq!(value(&full, AzureConfigKey::AccessKey).as_deref(), Some("a2V5PT0="));
        assert_eq!(
            value(&full, AzureConfigKey::Endpoint).as_deref(),
            Some("https://team.blob.core.windows.net")
        );
        let sas = read("BlobEndpoint=http://127.0.0.1:10000/team;SharedAccessSignature=sv=1&sig=x%3D");
        assert_eq!(value(&sas, AzureConfigKey::Endpoint).as_deref(), Some("http://127.0.0.1:10000/team"));
        assert_eq!(value(&sas, AzureConfigKey::SasKey).as_deref(), Some("sv=1&sig=x%3D"));
        assert_eq!(
            value(&read("UseDevelopmentStorage=true"), AzureConfigKey::UseEmulator).as_deref(),
            Some("true")
        );
    }

    #[test]
    fn buckets_of_different_stores_do_not_share_a_place_in_the_cache() {
        let texts = [
            "s3://b/k",
            "gs://b/k",
            "az://b/k",
            "abfss://b@one.dfs.core.windows.net/k",
            "abfss://b@two.dfs.core.windows.net/k",
        ];
        let places: std::collections::BTreeSet<String> =
            texts.iter().map(|text| place(&Url::parse(text).unwrap())).collect();
        assert_eq!(places.len(), texts.len());
        assert!(places.contains("b"), "objects of S3 that are in the cache are still found");
    }
}
