//! HTTP client with a rate limit, retries, and downloads that resume.

pub(super) mod api;
pub(super) mod page;
mod redirect;

use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use cupola_spec::Http;
use futures::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::SourceRequest;
use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::{SourceCache, read_state, write_state};
use crate::progress::{ProgressSink, ProgressUnit};
use crate::secret::{FilledText, Secrets};

/// Largest size of a JSON or HTML page: 256 MiB.
const PAGE_BYTES: usize = 256 << 20;

/// Largest number of redirects that are followed.
const MAX_REDIRECTS: usize = 10;
/// Longest delay that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// HTTP client of one source.
pub(super) struct WebClient<'a> {
    client: Client,
    /// Client without the headers of the source, for other servers.
    bare: Client,
    /// Values that messages and files must not show.
    secrets: Secrets,
    http: Http,
    /// Source as typed, for messages.
    shown: &'a str,
    next: Mutex<Instant>,
    pub progress: &'a dyn ProgressSink,
}

/// Failed request.
struct RequestFailure {
    why: String,
    /// Least delay before a retry; `None` if a retry is pointless.
    again: Option<Duration>,
}

impl<'a> WebClient<'a> {
    pub fn new(request: &SourceRequest<'a>, source: &'a FilledText) -> Result<Self, Error> {
        let http = request.data.http.clone().unwrap_or_default();
        let shown = source.shown();
        let mut secrets = source.secrets().clone();
        let wrong = |why: String| Error::Remote { location: shown.to_owned(), why };
        let mut headers = HeaderMap::new();
        for (name, value) in &http.headers {
            let bad = || wrong(format!("`data.http.headers`: invalid header {name}; check it"));
            let filled = secrets.fill(value, request.roots, request.home)?;
            let mut value = HeaderValue::from_str(&filled).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
        }
        let build = |headers: HeaderMap| {
            let client = Client::builder()
                .user_agent(concat!("cupola/", env!("CARGO_PKG_VERSION")))
                .default_headers(headers)
                // An address may hold a secret, which no other server may see.
                .referer(false)
                // Redirects are followed by `follow`, which knows what may go where.
                .redirect(Policy::none())
                .connect_timeout(Duration::from_secs(http.timeout))
                .read_timeout(Duration::from_secs(http.timeout))
                .build();
            client.map_err(|error| wrong(format!("{error}; check `data.http`")))
        };
        let (client, bare) = (build(headers)?, build(HeaderMap::new())?);
        let next = Mutex::new(Instant::now());
        Ok(Self { client, bare, secrets, http, shown, next, progress: request.progress })
    }

    /// Error of this source.
    pub fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Remote { location: self.shown.to_owned(), why: self.secrets.hide(&why.into()) }
    }

    /// Values that were filled into the address and the headers.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Cache key of this source, which holds no secrets.
    pub fn key(&self) -> &str {
        self.shown
    }

    /// Waits until the rate limit allows a request, and reserves `least` before the one after it.
    async fn pace(&self, least: Duration) {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + Duration::from_secs_f64(1.0 / self.http.rate.max(1e-3)).max(least);
    }

    /// Fetches a page as text with its headers; the next request follows after `least` or later.
    pub async fn page(&self, url: &Url, least: Duration) -> Result<(HeaderMap, String), Error> {
        let once = || async {
            let response = self.ask(url, HeaderMap::new(), least).await?;
            let headers = response.headers().clone();
            let mut bytes = Vec::new();
            let mut body = response.bytes_stream();
            while let Some(part) = body.next().await {
                bytes.extend_from_slice(&part.map_err(broken)?);
                if bytes.len() > PAGE_BYTES {
                    return Err(RequestFailure { why: "a page of more than 256 MiB".into(), again: None });
                }
            }
            let text = String::from_utf8(bytes);
            Ok((
                headers,
                text.map_err(|_| RequestFailure { why: "the page is not UTF-8".into(), again: None })?,
            ))
        };
        self.retried(once).await
    }

    /// Sends one request, which succeeds with any status below 400.
    async fn ask(&self, url: &Url, headers: HeaderMap, least: Duration) -> Result<Response, RequestFailure> {
        self.pace(least).await;
        let response = self.follow(url, &headers).await?;
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return Ok(response);
        }
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let busy = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT;
        let again = (busy || status.is_server_error())
            .then(|| Duration::from_secs(wait.unwrap_or(0)).min(LONGEST_WAIT));
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (does `data.http.headers` hold a token?)",
            _ => "",
        };
        Err(RequestFailure { why: format!("the server answered {status}{hint}"), again })
    }

    /// Sends a request and follows redirects. Headers of the source go to its own server only.
    async fn follow(&self, url: &Url, headers: &HeaderMap) -> Result<Response, RequestFailure> {
        let (mut at, mut client) = (url.clone(), &self.client);
        for _ in 0..=MAX_REDIRECTS {
            let sent = client.get(at.clone()).headers(headers.clone()).send().await;
            let response = sent.map_err(broken)?;
            let Some(next) = redirect::target(&at, response.status(), response.headers()) else {
                return Ok(response);
            };
            let next = next.map_err(|why| RequestFailure { why, again: None })?;
            if next.origin() != at.origin() {
                client = &self.bare;
            }
            at = next;
        }
        Err(RequestFailure { why: "it redirects again and again".into(), again: None })
    }

    async fn retried<T, R: Future<Output = Result<T, RequestFailure>>>(
        &self,
        once: impl FnMut() -> R,
    ) -> Result<T, Error> {
        let tries = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_mins(1))
            .with_jitter()
            .with_max_times(self.http.retries);
        let done = once
            .retry(tries)
            .when(|failure: &RequestFailure| failure.again.is_some())
            // `Retry-After` of the server, if that is longer.
            .adjust(|failure, wait| wait.map(|wait| wait.max(failure.again.unwrap_or_default())));
        done.await.map_err(|failure| {
            let tried = match failure.again {
                Some(_) => format!(" after {} tries", self.http.retries + 1),
                None => String::new(),
            };
            self.wrong(format!("{}{tried}; check the address, or try again later", failure.why))
        })
    }

    /// Downloads a file; returns the cached one if the server says that it has not changed.
    pub async fn download(&self, url: &Url, cache: &SourceCache) -> Result<PathBuf, Error> {
        let folder = cache.folder("web", self.key())?;
        let name =
            url.path_segments().and_then(|mut parts| parts.next_back()).filter(|name| !name.is_empty());
        let file = folder.join(self.secrets.hide_in_name(name.unwrap_or("download")));
        let done = self.retried(|| self.download_once(url, &file)).await;
        self.progress.end();
        done.map(|()| file)
    }

    async fn download_once(&self, url: &Url, file: &Path) -> Result<(), RequestFailure> {
        let (part, state) = (beside(file, "part"), beside(file, "state.json"));
        let known: Option<DownloadState> = read_state(&state);
        let have = std::fs::metadata(&part).map_or(0, |found| found.len());
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        match &known {
            Some(seen) if seen.whole && file.is_file() => {
                if let Some(tag) = &seen.tag {
                    set("if-none-match", tag);
                } else if let Some(time) = &seen.modified {
                    set("if-modified-since", time);
                }
            }
            Some(DownloadState { tag: Some(tag), .. }) if have > 0 && !tag.starts_with("W/") => {
                set("range", &format!("bytes={have}-"));
                set("if-range", tag);
            }
            _ => {}
        }
        let response = self.ask(url, headers, Duration::ZERO).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(());
        }
        let goes_on = response.status() == StatusCode::PARTIAL_CONTENT && have > 0;
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let mut seen = DownloadState { tag: header("etag"), modified: header("last-modified"), whole: false };
        let local = |error: std::io::Error| RequestFailure {
            why: format!("{}: {error}", part.display()),
            again: None,
        };
        write_state(&state, &seen).map_err(|error| RequestFailure { why: error.to_string(), again: None })?;
        let before = if goes_on { have } else { 0 };
        let total = response.content_length().map(|rest| rest + before);
        self.progress.begin(self.shown, ProgressUnit::Bytes, total);
        self.progress.advance(before);
        let mut out = tokio::fs::File::options();
        let mut out = out
            .create(true)
            .write(true)
            .append(goes_on)
            .truncate(!goes_on)
            .open(&part)
            .await
            .map_err(local)?;
        let (mut body, mut bytes) = (response.bytes_stream(), before);
        while let Some(chunk) = body.next().await {
            // The bytes so far are kept, and the next attempt continues after them.
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    let _ = out.flush().await;
                    return Err(broken(error));
                }
            };
            out.write_all(&chunk).await.map_err(local)?;
            self.progress.advance(chunk.len() as u64);
            bytes += chunk.len() as u64;
        }
        out.flush().await.map_err(local)?;
        out.sync_all().await.map_err(local)?;
        if total.is_some_and(|total| total != bytes) {
            return Err(RequestFailure {
                why: "the download ended early".into(),
                again: Some(Duration::ZERO),
            });
        }
        std::fs::rename(&part, file).map_err(local)?;
        seen.whole = true;
        write_state(&state, &seen).map_err(|error| RequestFailure { why: error.to_string(), again: None })
    }
}

/// State of a download.
#[derive(Serialize, Deserialize)]
struct DownloadState {
    tag: Option<String>,
    modified: Option<String>,
    whole: bool,
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    file.with_file_name(format!("{name}.{ending}"))
}

/// Failure of a connection without the address, which may hold a secret.
fn broken(error: reqwest::Error) -> RequestFailure {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    RequestFailure { why, again: (!error.is_builder() && !error.is_redirect()).then_some(Duration::ZERO) }
}

/// Syncs a complete file and moves it to its path.
pub(super) fn appear(part: &Path, file: &Path) -> Result<(), Error> {
    let synced = std::fs::File::open(part).and_then(|file| file.sync_all());
    synced.and_then(|()| std::fs::rename(part, file)).map_err(io_error(file))
}
