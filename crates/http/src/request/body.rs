//! Bodies of requests: read when the handler asks for them, as UTF-8 without a byte order mark.

use std::convert::Infallible;
use std::io::Read;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

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
        let coding = Coding::of(headers);
        let body = Bytes::from_request(self.request, &()).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return ApiError::too_large(self.limit);
            }
            incomplete()
        })?;
        let body = match coding {
            None => body,
            Some(coding) => {
                let limit = self.limit;
                let task = tokio::task::spawn_blocking(move || coding.decode(&body, limit));
                task.await.map_err(|_| incomplete())??
            }
        };
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

/// Coding of a body, as the middleware has written it.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(header::CONTENT_ENCODING)?.as_bytes() {
            b"gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            _ => None,
        }
    }

    /// Decodes a whole body of up to `limit` bytes: all members of a gzip file, and nothing may follow.
    fn decode(self, body: &[u8], limit: usize) -> Result<Bytes, ApiError> {
        let most = (limit as u64).saturating_add(1);
        let mut out = Vec::new();
        let rest = match self {
            Self::Gzip => {
                let mut decoder = MultiGzDecoder::new(body).take(most);
                decoder.read_to_end(&mut out).map_err(|_| incomplete())?;
                decoder.into_inner().into_inner()
            }
            Self::Deflate => {
                let mut decoder = ZlibDecoder::new(body).take(most);
                decoder.read_to_end(&mut out).map_err(|_| incomplete())?;
                decoder.into_inner().into_inner()
            }
        };
        if out.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        if rest.is_empty() { Ok(out.into()) } else { Err(incomplete()) }
    }
}

fn incomplete() -> ApiError {
    ApiError::malformed("the body is incomplete, or it is not what `Content-Encoding` says; send all of it")
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
    use std::io::Write;

    use axum::body::Body;
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

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
    #[test]
    fn coded_bodies_are_decoded_to_their_end_and_within_the_limit() {
        let packed = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let decode = |body: &[u8]| {
            let decoded = Coding::Gzip.decode(body, 8).map(|body| body.to_vec());
            decoded.map_err(|error| error.status.as_u16())
        };
        let whole = packed(b"abcd");
        assert_eq!(decode(&whole), Ok(b"abcd".to_vec()));
        assert_eq!(decode(&[whole.clone(), packed(b"efgh")].concat()), Ok(b"abcdefgh".to_vec()));
        assert_eq!(decode(&[whole.clone(), packed(b"efghi")].concat()), Err(413));
        assert_eq!(decode(&packed(&vec![0; 1 << 20])), Err(413));
        assert_eq!(decode(&whole[..whole.len() - 3]), Err(400));
        assert_eq!(decode(&[&whole, b"rest of it".as_slice()].concat()), Err(400));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"abcd").unwrap();
        let zlib = encoder.finish().unwrap();
        assert_eq!(Coding::Deflate.decode(&zlib, 4).unwrap().as_ref(), b"abcd");
        assert!(Coding::Deflate.decode(&[zlib, b"x".to_vec()].concat(), 4).is_err());
        assert!(Coding::Deflate.decode(b"abcd", 4).is_err());
    }
}
