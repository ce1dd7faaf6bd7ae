//! Targets of redirects, and what may be sent to them.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

/// URL that a response redirects to; `None` if it does not redirect.
pub(super) fn target(at: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Result<Url, String>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?;
    Some(next(at, location.to_str().unwrap_or_default()))
}

fn next(at: &Url, location: &str) -> Result<Url, String> {
    let mut next = at.join(location).map_err(|error| format!("it redirects to an invalid URL: {error}"))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(format!("it redirects to `{}:`, which is not followed", next.scheme()));
    }
    if at.scheme() == "https" && next.scheme() == "http" {
        return Err("it redirects from https:// to http://, where anybody could change the data".to_owned());
    }
    if next.origin() == at.origin() {
        if next.username().is_empty() && next.password().is_none() {
            let _ = next.set_username(at.username());
            let _ = next.set_password(at.password());
        }
    } else {
        let _ = next.set_username("");
        let _ = next.set_password(None);
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_with_their_server() {
        let at = Url::parse("https://me:pw@one.example/a/b?key=1").unwrap();
        for (location, expected) in [
            ("c", "https://me:pw@one.example/a/c"),
            ("https://one.example/d", "https://me:pw@one.example/d"),
            ("https://two.example/d", "https://two.example/d"),
            ("//two.example/d", "https://two.example/d"),
            ("https://one.example:8443/d", "https://one.example:8443/d"),
            ("https://x:y@two.example/d", "https://two.example/d"),
        ] {
            assert_eq!(next(&at, location).unwrap().as_str(), expected);
        }
        for location in ["http://one.example/", "file:///etc/passwd", "ftp://two.example/", "http://["] {
            assert!(next(&at, location).is_err(), "{location}");
        }
    }
}
