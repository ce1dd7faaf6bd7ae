//! Content codings of request bodies.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::error::{ApiError, ErrorFormat};

/// Codings that are decompressed, as `Accept-Encoding` lists them. Zstandard and Brotli are left out: a short
/// body may claim a window of many megabytes.
const SUPPORTED: &str = "gzip, deflate";

/// Refuses bodies with a coding that is not supported, and writes the names of the others as the decompression
/// expects them.
pub(crate) async fn check_coding(mut request: Request, next: Next) -> Response {
    match canonical(request.headers()) {
        Ok(None) => {
            request.headers_mut().remove(header::CONTENT_ENCODING);
        }
        Ok(Some(coding)) => {
            request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        Err(error) => {
            let mut response = ErrorFormat::of_path(request.uri().path()).respond(error);
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(SUPPORTED));
            return response;
        }
    }
    next.run(request).await
}

/// Coding of a body; `None` if it has none.
fn canonical(headers: &HeaderMap) -> Result<Option<&'static str>, ApiError> {
    let mut coding = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for name in text.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            let known = match name.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => "gzip",
                "deflate" => "deflate",
                _ => return Err(unsupported(&format!("`{}`", name.escape_debug()))),
            };
            if coding.replace(known).is_some() {
                return Err(unsupported("several codings at once"));
            }
        }
    }
    Ok(coding)
}

fn unsupported(what: &str) -> ApiError {
    ApiError::unsupported_media(format!(
        "the content encoding is not supported: {what}; send gzip, deflate or no `Content-Encoding`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_known_by_all_of_their_names() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            canonical(&headers).map_err(|error| error.message)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["identity"]), Ok(None));
        assert_eq!(read(&["GZip"]), Ok(Some("gzip")));
        assert_eq!(read(&["x-gzip"]), Ok(Some("gzip")));
        assert_eq!(read(&["identity, deflate"]), Ok(Some("deflate")));
        for (values, words) in
            [(&["zstd"][..], "`zstd`"), (&["gzip", "br"], "`br`"), (&["gzip, gzip"], "several")]
        {
            let error = read(values).unwrap_err();
            assert!(error.contains(words) && error.contains("send gzip, deflate"), "{error}");
        }
    }
}
