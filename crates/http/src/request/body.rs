//! Bodies of requests: read when the handler asks for them, as UTF-8 without a byte order mark.

use std::convert::Infallible;
use std::io::{self, BufRead, Read};

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, header};
use cupola_budget::{Accounts, Budget, Exceeded, Hold};
use cupola_serving::{Processors, WorkSize};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use futures::StreamExt as _;

use super::budget::RequestBudget;
use super::content_type;
use crate::error::ApiError;
use crate::state::RequestLimits;

/// Capacity that is reserved at once for a body of several frames.
const FIRST_CAPACITY: usize = 1 << 16;
/// Bytes of a body after which other requests have their turn, if they arrive faster than they are read.
const READ_IN_A_TURN: usize = 1 << 18;
/// Bytes that a decoder reads between two looks at the deadline.
const READ_AT_ONCE: usize = 1 << 14;
/// Bytes that a decoder writes at once.
const DECODED_AT_ONCE: usize = 1 << 16;
/// Byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Body that has not been read. A handler that refuses a request without it spares a client with
/// `Expect: 100-continue` the transfer.
pub(crate) struct UnreadBody {
    headers: HeaderMap,
    body: Body,
    limit: usize,
    budget: Budget,
    processors: Processors,
}

impl<S> FromRequest<S> for UnreadBody
where
    S: Send + Sync,
    RequestLimits: FromRef<S>,
    Accounts: FromRef<S>,
    Processors: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        // The layer that limits bodies of any handler is replaced by a count of this one's bytes.
        let (mut parts, body) = request.into_parts();
        let RequestBudget(budget) = RequestBudget::from_request_parts(&mut parts, state).await?;
        Ok(Self {
            headers: parts.headers,
            body,
            limit: RequestLimits::from_ref(state).body_bytes,
            budget,
            processors: Processors::from_ref(state),
        })
    }
}

impl UnreadBody {
    /// Budget of its request.
    pub fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Processor time for what follows the body's reading.
    pub fn processors(&self) -> Processors {
        self.processors.clone()
    }

    /// Reads the whole body. Its memory is the request's for as long as the bytes live.
    ///
    /// # Errors
    /// Bodies above the limit or the budget, in another charset than UTF-8, and incomplete ones. Those that the
    /// headers tell of are refused without a read.
    pub async fn read(self) -> Result<Bytes, ApiError> {
        let headers = &self.headers;
        check_charset(headers)?;
        let declared = declared_length(headers);
        if declared.is_some_and(|length| length > self.limit as u64) {
            return Err(ApiError::too_large(self.limit));
        }
        // Raw tensors may begin with any bytes.
        let raw = headers.contains_key("inference-header-content-length");
        let coding = Coding::of(headers);
        let body = collect(self.body, declared, self.limit, &self.budget).await?;
        let body = match coding {
            None => body,
            Some(coding) => {
                let decode = || coding.decode(&body, self.limit, &self.budget);
                self.processors.run(WorkSize::Long, &self.budget, decode).await??
            }
        };
        let marked = !raw && body.starts_with(BYTE_ORDER_MARK);
        Ok(if marked { body.slice(BYTE_ORDER_MARK.len()..) } else { body })
    }
}

/// Bytes of a body with the memory that they take.
struct HeldBytes {
    bytes: Vec<u8>,
    _hold: Hold,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes of a response, which hold their memory until they are sent.
pub(crate) fn held_response(bytes: Vec<u8>, budget: &Budget) -> Result<Bytes, Exceeded> {
    let hold = budget.take(bytes.capacity())?;
    Ok(held(bytes, hold))
}

/// Bytes that hold their memory until the last copy of them is dropped.
fn held(bytes: Vec<u8>, mut hold: Hold) -> Bytes {
    hold.shrink_to(bytes.capacity());
    Bytes::from_owner(HeldBytes { bytes, _hold: hold })
}

/// Buffer whose growth is taken from a budget first.
struct HeldBuffer {
    bytes: Vec<u8>,
    hold: Hold,
}

impl HeldBuffer {
    fn new(budget: &Budget) -> Result<Self, Exceeded> {
        Ok(Self { bytes: Vec::new(), hold: budget.take(0)? })
    }

    /// Makes room for `more` bytes, for twice as many as there are at least.
    fn reserve(&mut self, more: usize) -> Result<(), Exceeded> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.bytes.capacity() {
            let capacity = needed.max(2 * self.bytes.capacity());
            self.hold.grow(capacity - self.bytes.capacity())?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Exceeded> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self) -> Bytes {
        held(self.bytes, self.hold)
    }
}

/// Reads a body of up to `limit` bytes. Memory is taken as the bytes arrive, so a client that declares a long body
/// and sends nothing holds none.
async fn collect(
    body: Body,
    declared: Option<u64>,
    limit: usize,
    budget: &Budget,
) -> Result<Bytes, ApiError> {
    let mut frames = body.into_data_stream();
    let mut buffer = HeldBuffer::new(budget)?;
    // Most bodies are one frame, which needs no copy.
    let mut first: Option<(Bytes, Hold)> = None;
    let mut at_once = 0;
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| incomplete())?;
        at_once += frame.len();
        if at_once > READ_IN_A_TURN {
            at_once = 0;
            tokio::task::yield_now().await;
        }
        let before = first.as_ref().map_or(buffer.bytes.len(), |(bytes, _)| bytes.len());
        if before + frame.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        if before == 0 {
            let hold = budget.take(frame.len())?;
            first = Some((frame, hold));
            continue;
        }
        if let Some((bytes, _hold)) = first.take() {
            let expected = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
            buffer.reserve((bytes.len() + frame.len()).max(expected.min(FIRST_CAPACITY)))?;
            buffer.push(&bytes)?;
        }
        buffer.push(&frame)?;
    }
    Ok(match first {
        Some((bytes, hold)) => Bytes::from_owner(HeldFrame { bytes, _hold: hold }),
        None => buffer.finish(),
    })
}

/// A frame that is the whole body, with the memory that it takes.
struct HeldFrame {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for HeldFrame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Complete body, or the error to report once the rest of the request is checked.
pub(crate) struct FullBody(pub Result<Bytes, ApiError>);

impl<S> FromRequest<S> for FullBody
where
    S: Send + Sync,
    RequestLimits: FromRef<S>,
    Accounts: FromRef<S>,
    Processors: FromRef<S>,
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
    fn decode(self, body: &[u8], limit: usize, budget: &Budget) -> Result<Bytes, ApiError> {
        let (out, rest) = match self {
            Self::Gzip => {
                let mut decoder = MultiGzDecoder::new(Source { rest: body, budget });
                (decoded(&mut decoder, limit, budget)?, decoder.into_inner().rest)
            }
            Self::Deflate => {
                let mut decoder = ZlibDecoder::new(Source { rest: body, budget });
                (decoded(&mut decoder, limit, budget)?, decoder.into_inner().rest)
            }
        };
        if rest.is_empty() { Ok(out) } else { Err(incomplete()) }
    }
}

/// Coded bytes, which end with an error at the deadline: members without content give a decoder work and no output.
struct Source<'a> {
    rest: &'a [u8],
    budget: &'a Budget,
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.budget.check().map_err(io::Error::other)?;
        Ok(&self.rest[..self.rest.len().min(READ_AT_ONCE)])
    }

    fn consume(&mut self, amount: usize) {
        self.rest = &self.rest[amount.min(self.rest.len())..];
    }
}

/// Reads a decoder to its end, in steps between which memory, size and deadline are checked.
fn decoded(decoder: &mut impl Read, limit: usize, budget: &Budget) -> Result<Bytes, ApiError> {
    let mut out = HeldBuffer::new(budget)?;
    loop {
        budget.check()?;
        out.reserve(DECODED_AT_ONCE)?;
        let read = decoder.by_ref().take(DECODED_AT_ONCE as u64).read_to_end(&mut out.bytes);
        let read = match (read, budget.check()) {
            (Ok(read), _) => read,
            (Err(_), Err(late)) => return Err(late.into()),
            (Err(_), Ok(())) => return Err(incomplete()),
        };
        if out.bytes.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        if read == 0 {
            return Ok(out.finish());
        }
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
    use std::time::Duration;

    use axum::http::HeaderValue;
    use cupola_budget::MemoryLimits;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    async fn read(headers: &[(&'static str, &'static str)], body: &'static [u8]) -> Result<Bytes, ApiError> {
        let mut request = Request::new(Body::from(body));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let (parts, body) = request.into_parts();
        UnreadBody {
            headers: parts.headers,
            body,
            limit: 8,
            budget: Budget::unlimited(),
            processors: Processors::default(),
        }
        .read()
        .await
    }

    #[tokio::test]
    async fn a_body_holds_its_memory_until_it_is_dropped() {
        let accounts = Accounts::new(MemoryLimits { server: 1_000_000, caller: 1_000_000, request: 300_000 });
        let read = |frames: Vec<Vec<u8>>| {
            let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Bytes::from(frame)));
            let body = Body::from_stream(futures::stream::iter(frames));
            let budget = accounts.request(None, Duration::from_mins(1));
            UnreadBody {
                headers: HeaderMap::new(),
                body,
                limit: 1 << 20,
                budget,
                processors: Processors::default(),
            }
            .read()
        };
        let one = read(vec![vec![7; 1_000]]).await.unwrap();
        assert_eq!((one.len(), accounts.used()), (1_000, 1_000));
        let many = read(vec![vec![7; 100]; 50]).await.unwrap();
        assert_eq!(many.as_ref(), &[7; 5_000]);
        assert!(accounts.used() >= 6_000, "{}", accounts.used());
        drop((one, many));
        let error = read(vec![vec![7; 10_000]; 40]).await.unwrap_err();
        assert_eq!((error.status.as_u16(), accounts.used()), (413, 0));
    }

    #[test]
    fn a_bomb_of_empty_members_ends_at_its_deadline() {
        let empty = GzEncoder::new(Vec::new(), Compression::fast()).finish().unwrap().repeat(10_000);
        let accounts = Accounts::new(MemoryLimits::default());
        let late = accounts.request(None, Duration::ZERO);
        assert_eq!(Coding::Gzip.decode(&empty, 8, &late).unwrap_err().status.as_u16(), 504);
        assert!(Coding::Gzip.decode(&empty, 8, &Budget::unlimited()).unwrap().is_empty());
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
            let decoded = Coding::Gzip.decode(body, 8, &Budget::unlimited()).map(|body| body.to_vec());
            decoded.map_err(|error| error.status.as_u16())
        };
        let whole = packed(b"abcd");
        assert_eq!(decode(&whole), Ok(b"abcd".to_vec()));
        assert_eq!(decode(&[whole.clone(), packed(b"efgh")].concat()), Ok(b"abcdefgh".to_vec()));
        assert_eq!(decode(&[whole.clone(), packed(b"efghi")].concat()), Err(413));
        assert_eq!(decode(&packed(&vec![0; 1 << 20])), Err(413));
        assert_eq!(decode(&whole[..whole.len() - 3]), Err(400));
        assert_eq!(decode(&[&whole, b"rest of it".as_slice()].concat()), Err(400));
        let deflate = |body: &[u8]| Coding::Deflate.decode(body, 4, &Budget::unlimited());
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"abcd").unwrap();
        let zlib = encoder.finish().unwrap();
        assert_eq!(deflate(&zlib).unwrap().as_ref(), b"abcd");
        assert!(deflate(&[zlib, b"x".to_vec()].concat()).is_err());
        assert!(deflate(b"abcd").is_err());
    }
}
