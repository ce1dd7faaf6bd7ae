//! Records of a paginated JSON API.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use cupola_spec::Api;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{WebClient, appear};
use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::{SourceCache, read_state, write_state};
use crate::progress::ProgressUnit;

/// Progress of the download, written after each page.
#[derive(Serialize, Deserialize)]
struct PagingState {
    /// URL of the next page; in the file its secrets are concealed.
    next: String,
    number: u64,
    pages: u64,
    /// Bytes of the file that belong to complete pages.
    bytes: u64,
}

/// Downloads all records as JSON lines. Complete pages are kept, so that the next call continues after them.
pub(in crate::fetch) async fn fetch(
    web: &WebClient<'_>,
    url: &Url,
    api: &Api,
    cache: &SourceCache,
) -> Result<PathBuf, Error> {
    let settings = serde_json::to_string(api).unwrap_or_default();
    let folder = cache.folder("api", &format!("{} {settings}", web.key()))?;
    let (part, file) = (folder.join("records.part"), folder.join("records.jsonl"));
    let state_path = folder.join("state.json");
    let known = read_state(&state_path)
        .map(|state: PagingState| PagingState { next: web.secrets().reveal(&state.next), ..state })
        // Headers must not go elsewhere, whatever the file says.
        .filter(|state| Url::parse(&state.next).is_ok_and(|next| next.origin() == url.origin()));
    let mut state = known.unwrap_or(PagingState {
        next: first(url, api).to_string(),
        number: api.first.unwrap_or(0),
        pages: 0,
        bytes: 0,
    });
    let mut out = std::fs::File::options();
    let mut out = out.create(true).write(true).truncate(false).open(&part).map_err(io_error(&part))?;
    // Part of an incomplete page may follow the last complete one.
    out.set_len(state.bytes).map_err(io_error(&part))?;
    std::io::Seek::seek(&mut out, std::io::SeekFrom::End(0)).map_err(io_error(&part))?;
    web.progress.begin(web.key(), ProgressUnit::Pages, api.pages);
    web.progress.advance(state.pages);
    let done = pages(web, api, &mut state, &mut out, &state_path, &part).await;
    web.progress.end();
    if let Err(error) = done {
        if state.pages == 0 || !state_path.is_file() {
            return Err(error);
        }
        let kept = format!("{} pages are kept; run the same command to continue after them", state.pages);
        return Err(web.wrong(format!("{}; {kept}", strip(&error, web))));
    }
    appear(&part, &file)?;
    let _ = std::fs::remove_file(&state_path);
    Ok(file)
}

fn strip(error: &Error, web: &WebClient<'_>) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", web.key())).map(str::to_owned).unwrap_or(text)
}

async fn pages(
    web: &WebClient<'_>,
    api: &Api,
    state: &mut PagingState,
    out: &mut std::fs::File,
    state_path: &std::path::Path,
    part: &std::path::Path,
) -> Result<(), Error> {
    loop {
        if api.pages.is_some_and(|most| state.pages >= most) {
            return Ok(());
        }
        let at = Url::parse(&state.next).map_err(|error| web.wrong(format!("`{}`: {error}", state.next)))?;
        let (headers, text) = web.page(&at, Duration::ZERO).await?;
        let page: Value = serde_json::from_str(&text).map_err(|error| {
            web.wrong(format!("page {} is not valid JSON: {error}; check the address", state.pages + 1))
        })?;
        let records = match page.pointer(&api.records) {
            Some(Value::Array(records)) => records,
            Some(Value::Object(_)) if api.records.is_empty() => {
                let keys = keys(&page);
                return Err(web.wrong(format!(
                    "expected a list of records, found an object with {keys}; set `data.api.records`"
                )));
            }
            _ => {
                let keys = keys(&page);
                return Err(web.wrong(format!(
                    "expected a list at `{}`, found {keys}; check `data.api.records`",
                    api.records
                )));
            }
        };
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record).map_err(|error| web.wrong(error.to_string()))?;
            lines.push(b'\n');
        }
        out.write_all(&lines).map_err(io_error(part))?;
        let next = following(web, api, &at, &page, &headers, state.number)?;
        state.pages += 1;
        state.number += 1;
        state.bytes += lines.len() as u64;
        web.progress.advance(1);
        let counted = api.first.is_some() && records.is_empty();
        let Some(next) = next.filter(|next| !counted && *next != at) else { return Ok(()) };
        state.next = next.to_string();
        out.sync_data().map_err(io_error(part))?;
        state.write(web, state_path)?;
    }
}

impl PagingState {
    /// Writes the state without secrets. A URL that cannot be freed of them is not written: the next call then begins
    /// again.
    fn write(&self, web: &WebClient<'_>, path: &std::path::Path) -> Result<(), Error> {
        match web.secrets().conceal(&self.next) {
            Some(next) => write_state(path, &Self { next, ..*self }),
            None => match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(path)(error)),
                _ => Ok(()),
            },
        }
    }
}

fn keys(page: &Value) -> String {
    let names: Vec<&str> = page.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "no keys".to_owned() } else { format!("the keys {}", names.join(", ")) }
}

fn first(url: &Url, api: &Api) -> Url {
    match (&api.parameter, api.first) {
        (Some(parameter), Some(number)) => with(url, parameter, &number.to_string()),
        _ => url.clone(),
    }
}

/// URL of the page after `at`; `None` after the last page.
fn following(
    web: &WebClient<'_>,
    api: &Api,
    at: &Url,
    page: &Value,
    headers: &HeaderMap,
    number: u64,
) -> Result<Option<Url>, Error> {
    if let (Some(parameter), Some(_)) = (&api.parameter, api.first) {
        return Ok(Some(with(at, parameter, &(number + 1).to_string())));
    }
    if let (Some(pointer), Some(parameter)) = (&api.cursor, &api.parameter) {
        let cursor = match page.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return Ok(None),
        };
        return Ok(Some(with(at, parameter, &cursor)));
    }
    let link = match api.next.as_deref() {
        None => None,
        Some("link") => headers.get("link").and_then(|value| linked(value.to_str().ok()?)),
        Some(pointer) => page.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()),
    };
    let next = link.map(|link| at.join(link)).transpose();
    let next = next.map_err(|error| web.wrong(format!("the next page's address: {error}")))?;
    // A token for one server must not be sent to another.
    if next.as_ref().is_some_and(|next| next.origin() != at.origin()) {
        return Err(web.wrong("the next page is on another server, which is not followed; check the API"));
    }
    Ok(next)
}

/// Replaces a query parameter.
fn with(url: &Url, parameter: &str, value: &str) -> Url {
    let mut out = url.clone();
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(name, _)| name != parameter).map(|(n, v)| (n.into(), v.into())).collect();
    out.query_pairs_mut().clear().extend_pairs(others).append_pair(parameter, value);
    out
}

/// Target of `rel="next"` in a `Link` header (RFC 8288).
fn linked(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.split_once(';')?;
        let next = parameters.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        next.then(|| target.trim().trim_start_matches('<').trim_end_matches('>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_the_next_page_is_found_among_others() {
        let header = r#"<https://x.org/a?page=1>; rel="prev", <https://x.org/a?page=3>; rel="next""#;
        assert_eq!(linked(header), Some("https://x.org/a?page=3"));
        assert_eq!(linked(r#"<https://x.org/a>; rel="last""#), None);
    }

    #[test]
    fn a_parameter_is_replaced_not_repeated() {
        let url = Url::parse("https://x.org/a?q=a%20b&page=1").unwrap();
        assert_eq!(with(&url, "page", "2").as_str(), "https://x.org/a?q=a+b&page=2");
    }
}
