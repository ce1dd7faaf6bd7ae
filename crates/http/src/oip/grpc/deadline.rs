//! Deadline of a call: gRPC's `grpc-timeout`, `x-timeout-ms`, and the timeout of the server.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::error::ApiError;
use crate::request::timeout;

/// Digits that `grpc-timeout` may have.
const MAX_DIGITS: usize = 8;

/// Shortest of the three timeouts.
pub(super) fn deadline(headers: &HeaderMap, max: Duration) -> Result<Duration, ApiError> {
    let max = timeout(headers, max)?;
    let Some(value) = headers.get("grpc-timeout") else { return Ok(max) };
    let given = value.to_str().ok().and_then(parse).ok_or_else(|| {
        ApiError::malformed(
            "invalid `grpc-timeout`: expected up to eight digits and a unit of H, M, S, m, u or n",
        )
    })?;
    Ok(max.min(given))
}

/// Parses `250m`: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, `TimeoutValue TimeoutUnit`.
fn parse(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match &text[digits.len()..] {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_shortest_deadline_counts() {
        let of = |headers: &[(&'static str, &'static str)]| {
            let each = headers.iter();
            let headers: HeaderMap =
                each.map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect();
            deadline(&headers, Duration::from_secs(30)).ok()
        };
        assert_eq!(of(&[]), Some(Duration::from_secs(30)));
        assert_eq!(of(&[("grpc-timeout", "250m")]), Some(Duration::from_millis(250)));
        assert_eq!(of(&[("grpc-timeout", "99999999H")]), Some(Duration::from_secs(30)));
        assert_eq!(of(&[("grpc-timeout", "5S"), ("x-timeout-ms", "7")]), Some(Duration::from_millis(7)));
        for wrong in ["", "m", "5", "5x", "5mm", "999999999m", "-1S", "1.5S"] {
            assert_eq!(of(&[("grpc-timeout", wrong)]), None, "{wrong}");
        }
    }
}
