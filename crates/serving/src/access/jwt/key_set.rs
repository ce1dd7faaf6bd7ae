//! Public keys of an identity provider (RFC 7517), each with the algorithms that it may verify.

use cupola_registry::sha256_hex;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::failed;
use crate::error::Error;

/// Largest key set, in bytes.
pub(super) const MAX_KEY_SET_BYTES: usize = 1 << 20;
/// Most keys of a set.
const MAX_KEYS: usize = 100;
/// Keys with the same id that a token is tried with. Providers use an id twice for keys of different kinds.
const MAX_CANDIDATES: usize = 4;
/// Length of a 2,048-bit modulus in base64, without the digits of leading zeros. RFC 7518, section 3.3, requires it.
const MIN_MODULUS_DIGITS: usize = 341;

/// Accepted algorithms of an RSA key. There is no algorithm with a shared secret: with one this server could issue
/// tokens, and so could anybody who makes it take a public key for one.
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Key that verifies tokens.
#[derive(Clone)]
struct VerificationKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Keys of a provider that verify tokens.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<VerificationKey>,
    /// SHA-256 of the set as the provider sends it.
    pub digest: String,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys.len()).field("digest", &self.digest).finish()
    }
}

impl KeySet {
    /// Parses a JWK set. Keys that verify no signatures, and kinds that are unknown here, are left out.
    ///
    /// # Errors
    /// [`Error::Jwt`] for no set, no usable key, or too many.
    pub fn parse(from: &str, bytes: &[u8]) -> Result<Self, Error> {
        let set: Value = serde_json::from_slice(bytes).map_err(|error| failed(from, &error))?;
        let all = set["keys"].as_array().ok_or_else(|| failed(from, &"expected a JWK set"))?;
        if all.len() > MAX_KEYS {
            let why = format!("the JWK set has {} keys; expected at most {MAX_KEYS}", all.len());
            return Err(failed(from, &why));
        }
        let keys: Vec<VerificationKey> = all.iter().filter_map(VerificationKey::new).collect();
        if keys.is_empty() {
            return Err(failed(from, &"the JWK set has no key of a supported kind"));
        }
        Ok(Self { keys, digest: sha256_hex(bytes) })
    }

    /// Keys that may have signed a token with this key id and algorithm. A token without a key id matches the only key
    /// of a set.
    pub fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let only = self.keys.len() == 1;
        let of_token = |key: &&VerificationKey| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => only,
        };
        let fitting = self.keys.iter().filter(of_token).filter(|key| key.algorithms.contains(&algorithm));
        fitting.take(MAX_CANDIDATES).map(|key| key.key.clone()).collect()
    }

    /// `true` if a key has this id, whatever it is for.
    pub fn knows(&self, id: Option<&str>) -> bool {
        id.is_none() || self.keys.iter().any(|key| key.id.as_deref() == id)
    }
}

impl VerificationKey {
    /// Usable key of a set.
    fn new(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let operations = common.key_operations.as_ref();
        if !signs || operations.is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return None;
        }
        let mut algorithms = algorithms(&jwk, value).to_vec();
        if let Some(own) = value.get("alg") {
            // A key for one algorithm verifies no other one.
            algorithms.retain(|algorithm| own.as_str().is_some_and(|own| own == format!("{algorithm:?}")));
        }
        if algorithms.is_empty() {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

/// Algorithms that the kind of a key allows.
fn algorithms(jwk: &Jwk, value: &Value) -> &'static [Algorithm] {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            let modulus = value["n"].as_str().unwrap_or_default().trim_start_matches('A');
            if modulus.len() < MIN_MODULUS_DIGITS { &[] } else { RSA }
        }
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(parameters) => match parameters.curve {
            EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => &[],
        },
        // Shared secrets, and kinds that are unknown here.
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Keys made by `PyJWT`.
    const GOLDEN: &str = include_str!("../golden/jwt.json");

    /// Set of the golden key with this id, changed.
    fn changed(id: &str, change: impl FnOnce(&mut Value)) -> Result<KeySet, Error> {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let keys = golden["jwks"]["keys"].as_array().unwrap();
        let mut key = keys.iter().find(|key| key["kid"] == id).unwrap().clone();
        change(&mut key);
        KeySet::parse("test", json!({ "keys": [key] }).to_string().as_bytes())
    }

    fn algorithms(id: &str, change: impl FnOnce(&mut Value)) -> usize {
        changed(id, change).map_or(0, |set| set.keys[0].algorithms.len())
    }

    #[test]
    fn a_key_verifies_what_it_is_for() {
        assert_eq!(algorithms("RS256", |_| {}), 6);
        assert_eq!(
            (algorithms("ES256", |_| {}), algorithms("ES384", |_| {}), algorithms("EdDSA", |_| {})),
            (1, 1, 1)
        );
        for (name, value, expected) in [
            ("use", json!("enc"), 0),
            ("use", json!("other"), 0),
            ("use", json!(1), 0),
            ("alg", json!("RS256"), 1),
            ("alg", json!("HS256"), 0),
            ("alg", json!("RSA-OAEP"), 0),
            ("alg", json!("none"), 0),
            ("alg", json!(["RS256"]), 0),
            ("key_ops", json!(["verify"]), 6),
            ("key_ops", json!(["encrypt"]), 0),
            ("key_ops", json!([]), 0),
            ("kty", json!("oct"), 0),
            ("n", json!("AQAB"), 0),
            ("n", json!(format!("{}AQAB", "A".repeat(400))), 0),
            ("kid", json!(7), 0),
        ] {
            let found = algorithms("RS256", |key| key[name] = value.clone());
            assert_eq!(found, expected, "{name}: {value}");
        }
        assert_eq!(algorithms("ES256", |key| key["crv"] = "P-521".into()), 0);
        // A public key that claims to be a shared secret.
        assert_eq!(
            algorithms("RS256", |key| *key = json!({ "kty": "oct", "kid": "RS256", "k": "c2VjcmV0" })),
            0
        );
    }

    #[test]
    fn sets_are_bounded_and_ids_may_be_shared_by_kinds() {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let keys = golden["jwks"]["keys"].as_array().unwrap();
        let many = json!({ "keys": vec![&keys[0]; MAX_KEYS + 1] }).to_string();
        assert!(KeySet::parse("test", many.as_bytes()).unwrap_err().to_string().contains("at most 100"));
        for wrong in ["", "[]", "{}", "{\"keys\": {}}", "{\"keys\": []}", "{\"keys\": [1, null, {}]}"] {
            assert!(KeySet::parse("test", wrong.as_bytes()).is_err(), "{wrong}");
        }
        let same = keys.iter().cloned().map(|mut key| {
            key["kid"] = "same".into();
            key
        });
        let set = KeySet::parse("test", json!({ "keys": same.collect::<Vec<_>>() }).to_string().as_bytes())
            .unwrap();
        let count = |id: Option<&str>, algorithm| set.candidates(id, algorithm).len();
        assert_eq!((count(Some("same"), Algorithm::RS256), count(Some("same"), Algorithm::ES256)), (2, 1));
        assert_eq!((count(None, Algorithm::RS256), count(Some(""), Algorithm::RS256)), (0, 0));
        assert_eq!(count(Some("same"), Algorithm::HS256), 0);
        assert!(set.knows(Some("same")) && !set.knows(Some("other")));
    }
}
