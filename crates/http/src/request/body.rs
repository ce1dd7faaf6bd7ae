//! Bodies of requests: read when the handler asks for them, as UTF-8 without a byte order mark.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};

use super::content_type;
use crate::error::ApiError;
use crate::state::RequestLimits;

/// Byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Body that has not been read. A handler that refuses a request without it spares a client with
/// `Expect: 100-continue` the transfer.
pub(crate) struct UnreadBody {
    request: Request,
    limit: usize,
}

impl<S> FromRequest<S> for UnreadBody
where
    S: Send + Sync,
    RequestLimits: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        Ok(Self { request, limit: RequestLimits::from_ref(state).body_bytes })
    }
}

impl UnreadBody {
    /// Reads the whole body.
    ///
    /// # Errors
    /// Bodies above the limit, in another charset than UTF-8, and incomplete ones. Those that the headers tell
    /// of are refused without a read.
    pub async fn read(self) -> Result<Bytes, ApiError> {
        let headers = self.request.headers();
        check_charset(headers)?;
        if declared_length(headers).is_some_and(|length| length > self.limit as u64) {
            return Err(ApiError::too_large(self.limit));
        }
        // Raw tensors may begin with any bytes.
        let raw = headers.contains_key("inference-header-content-length");
        let body = Bytes::from_request(self.request, &()).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return ApiError::too_large(self.limit);
            }
            ApiError::malformed(
                "the body is incomplete, or it is not what `Content-Encoding` says; send all of it",
            )
        })?;
        let marked = !raw && body.starts_with(BYTE_ORDER_MARK);
        Ok(if marked { body.slice(BYTE_ORDER_MARK.len()..) } else { body })
    }
}

/// Complete body, or the error to report once the rest of the request is checked.
pub(crate) struct FullBody(pub Result<Bytes, ApiError>);

impl<S> FromRequest<S> for FullBody
where
    S: Send + Sync,
    RequestLimits: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let body = UnreadBody::from_request(request, state).await?;
        Ok(Self(body.read().await))
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses charsets that are neither UTF-8 nor a part of it.
fn check_charset(headers: &HeaderMap) -> Result<(), ApiError> {
    let parameters =
        content_type(headers).split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    for (_, value) in charset {
        let name = value.trim().trim_matches(['"', '\'']);
        let known = ["utf-8", "utf8", "us-ascii", "ascii"];
        if !known.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let name = name.escape_debug();
            let message = format!("the charset is not supported: `{name}`; send the body as UTF-8");
            return Err(ApiError::unsupported_media(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    async fn read(headers: &[(&'static str, &'static str)], body: &'static [u8]) -> Result<Bytes, ApiError> {
        let mut request = Request::new(Body::from(body));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        UnreadBody { request, limit: 8 }.read().await
    }

    #[tokio::test]
    async fn bodies_are_utf8_without_a_mark_and_within_the_limit() {
        let marked = b"\xef\xbb\xbf{}";
        assert_eq!(read(&[], marked).await.unwrap().as_ref(), b"{}");
        let raw = read(&[("inference-header-content-length", "0")], marked).await.unwrap();
        assert_eq!(raw.as_ref(), marked);
        for kind in ["application/json", "application/json; charset=UTF-8", "text/csv;charset=\"utf8\""] {
            assert!(read(&[("content-type", kind)], b"{}").await.is_ok(), "{kind}");
        }
        let error = read(&[("content-type", "text/csv; header=present; charset=ISO-8859-1")], b"").await;
        let error = error.unwrap_err();
        assert_eq!(error.status.as_u16(), 415);
        assert!(error.message.contains("`ISO-8859-1`"), "{}", error.message);
        // The declared length is enough.
        let error = read(&[("content-length", "9")], b"").await.unwrap_err();
        assert_eq!(error.status.as_u16(), 413);
    }
}
