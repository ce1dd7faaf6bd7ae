//! Signatures of webhooks.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

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

#[cfg(test)]
mod tests {
    use super::*;

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
