//! Signatures of webhooks.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Seconds by which a signature may be older or younger than the receiver's clock.
const TOLERANCE: i64 = 300;

/// Value of the header `X-Cupola-Signature` for a body that is sent at a Unix time: `t=TIME,v1=HEX`, where HEX is the
/// HMAC-SHA256 of `TIME.BODY`. A receiver computes it anew and refuses old times, so nobody can replay a message.
pub fn signature(secret: &[u8], unix_seconds: i64, body: &[u8]) -> String {
    let mut hex = String::new();
    // A key of any length is valid.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(format!("{unix_seconds}.").as_bytes());
        mac.update(body);
        hex = const_hex::encode(mac.finalize().into_bytes());
    }
    format!("t={unix_seconds},v1={hex}")
}

/// `true` if a value of the header `X-Cupola-Signature` is that of a body, and at most five minutes away from `now`.
pub fn is_signed(secret: &[u8], header: &str, now: i64, body: &[u8]) -> bool {
    let time = header.split(',').find_map(|part| part.strip_prefix("t=")?.parse::<i64>().ok());
    time.filter(|time| now.abs_diff(*time) <= TOLERANCE.unsigned_abs())
        .is_some_and(|time| signature(secret, time, body).as_bytes().ct_eq(header.as_bytes()).into())
}

/// `true` for equal secrets, compared in a time that tells nothing about them but their length.
pub fn is_same_secret(known: &str, found: &str) -> bool {
    known.as_bytes().ct_eq(found.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_body_and_five_minutes() {
        let header = signature(b"key", 1000, b"body");
        assert!(is_signed(b"key", &header, 1300, b"body") && is_signed(b"key", &header, 700, b"body"));
        for (secret, now, body) in
            [(&b"yek"[..], 1000, &b"body"[..]), (b"key", 1301, b"body"), (b"key", 1000, b"bodi")]
        {
            assert!(!is_signed(secret, &header, now, body));
        }
        for header in ["", "t=1000", "t=1000,v1=", "t=x,v1=00", "v1=00,t=1000", "t=-9223372036854775808,v1=0"]
        {
            assert!(!is_signed(b"key", header, 1000, b"body"), "{header}");
        }
    }

    #[test]
    fn a_signature_is_that_of_openssl() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let expected = "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        assert_eq!(signature(b"key", 1_700_000_000, b"{\"a\":1}"), format!("t=1700000000,v1={expected}"));
        assert_ne!(
            signature(b"key", 1_700_000_001, b"{\"a\":1}"),
            signature(b"key", 1_700_000_000, b"{\"a\":1}")
        );
    }
}
