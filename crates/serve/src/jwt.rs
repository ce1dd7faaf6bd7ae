//! Tokens of an identity provider (RFC 7519): who bears one may do what its scopes say.
//!
//! The provider's public keys are read when the server starts, every few minutes after, and when a token
//! names one that is not known yet (`OpenID` Connect Discovery 1.0, section 4; RFC 7517).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use cupola_registry::sha256_hex;
use cupola_spec::Jwt;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::error::Error;
use crate::keys::{Key, SCOPES, now};

/// Only what is signed by a key that the server does not have: a shared secret would let it, and whoever
/// mistakes a public key for one, make tokens.
const SIGNED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Time between two looks at the keys.
const PAUSE: Duration = Duration::from_mins(5);
/// The same, however many tokens name keys that are not known.
const LEAST: Duration = Duration::from_secs(5);
/// What a set of keys may take.
const LIMIT: usize = 1 << 20;
/// Seconds that clocks may be apart.
const LEEWAY: u64 = 30;
/// Tokens that are known to be good.
const KNOWN: usize = 4_096;

/// The tokens of a provider.
#[derive(Debug)]
pub(crate) struct Tokens {
    spec: Jwt,
    client: reqwest::Client,
    keys: RwLock<JwkSet>,
    /// Good tokens by their digest, so that a signature is computed once.
    known: Mutex<HashMap<String, (Arc<Key>, u64)>>,
    missed: Notify,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970, which need not be whole.
    exp: f64,
    #[serde(default)]
    sub: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Tokens {
    /// Reads the provider's keys.
    ///
    /// # Errors
    /// [`Error::Jwt`].
    pub async fn open(spec: Jwt) -> Result<Self, Error> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build();
        let client = client.map_err(|error| wrong(&spec.issuer, &error))?;
        let this = Self {
            keys: RwLock::new(JwkSet { keys: Vec::new() }),
            known: Mutex::default(),
            missed: Notify::new(),
            spec,
            client,
        };
        this.read().await?;
        Ok(this)
    }

    /// Reads the keys again and again.
    pub async fn follow(self: Arc<Self>) {
        loop {
            let _ = tokio::time::timeout(PAUSE, self.missed.notified()).await;
            if let Err(error) = self.read().await {
                tracing::error!(%error, "the provider's keys stay as they were");
            }
            tokio::time::sleep(LEAST).await;
        }
    }

    async fn read(&self) -> Result<(), Error> {
        let (from, bytes) = match &self.spec.jwks {
            Some(url) if url.starts_with("http") => (url.clone(), self.get(url).await?),
            Some(path) => {
                let bytes = tokio::fs::read(path).await.map_err(|error| wrong(path, &error))?;
                (path.clone(), bytes)
            }
            None => {
                let about =
                    format!("{}/.well-known/openid-configuration", self.spec.issuer.trim_end_matches('/'));
                let told: Value = serde_json::from_slice(&self.get(&about).await?)
                    .map_err(|error| wrong(&about, &error))?;
                let url = told["jwks_uri"].as_str().ok_or_else(|| wrong(&about, &"it has no jwks_uri"))?;
                (url.to_owned(), self.get(url).await?)
            }
        };
        // Keys of kinds that are not known here are somebody else's.
        let told: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&from, &error))?;
        let each = told["keys"].as_array().ok_or_else(|| wrong(&from, &"it is no JWK set"))?;
        let keys: Vec<Jwk> = each.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
        if keys.is_empty() {
            return Err(wrong(&from, &"it has no key of a known kind"));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = JwkSet { keys };
        // A key that was taken back takes its tokens along.
        self.known().clear();
        Ok(())
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, Error> {
        let said = |error: reqwest::Error| wrong(url, &error);
        let mut answer = self.client.get(url).send().await.map_err(said)?.error_for_status().map_err(said)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(said)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LIMIT {
                return Err(wrong(url, &"it is larger than 1 MiB"));
            }
        }
        Ok(bytes)
    }

    /// What the bearer of a token may do; nothing for a token that is not good.
    pub fn check(&self, token: &str) -> Option<Arc<Key>> {
        let digest = sha256_hex(token.as_bytes());
        if let Some((key, until)) = self.known().get(&digest)
            && now() < *until
        {
            return Some(Arc::clone(key));
        }
        let (key, until) = self.verified(token)?;
        let key = Arc::new(key);
        let mut known = self.known();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(digest, (Arc::clone(&key), until));
        Some(key)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Arc<Key>, u64)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verified(&self, token: &str) -> Option<(Key, u64)> {
        let header = decode_header(token).ok().filter(|header| SIGNED.contains(&header.alg))?;
        let Some(jwk) = self.key(header.kid.as_deref()) else {
            self.missed.notify_one();
            return None;
        };
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.spec.issuer]);
        validation.set_audience(&[&self.spec.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let claims = decode::<Claims>(token, &key, &validation).ok()?.claims;
        // What is no time has been refused; a saturating cast holds the rest.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let ends = claims.exp as u64;
        let subject = claims.sub.clone().unwrap_or_else(|| "-".to_owned());
        let key = Key {
            id: format!("jwt:{subject}"),
            scopes: scopes(claims.others.get(&self.spec.scopes)),
            name: subject,
            sha256: String::new(),
            before: None,
            rate: self.spec.rate,
            quota: None,
            expires: Some(ends),
        };
        Some((key, ends.saturating_add(LEEWAY)))
    }

    /// The key of that id; the only one, where a token names none.
    fn key(&self, id: Option<&str>) -> Option<Jwk> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        match (id, keys.keys.as_slice()) {
            (Some(id), _) => keys.find(id).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }
}

/// Words of a text, or a list of them; those that mean nothing here are left out.
fn scopes(claim: Option<&Value>) -> Vec<String> {
    let words: Vec<&str> = match claim {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let known = |word: &&str| SCOPES.contains(&word.split(':').next().unwrap_or_default());
    words.into_iter().filter(known).map(str::to_owned).collect()
}

fn wrong(from: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Jwt { from: from.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and tokens by `PyJWT`.
    const GOLDEN: &str = include_str!("golden/jwt.json");

    async fn tokens(golden: &Value) -> Tokens {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), golden["jwks"].to_string()).unwrap();
        let spec = Jwt {
            issuer: "https://id.example".into(),
            audience: "cupola".into(),
            jwks: Some(file.path().to_string_lossy().into_owned()),
            scopes: "scope".into(),
            rate: None,
        };
        Tokens::open(spec).await.unwrap()
    }

    #[tokio::test]
    async fn tokens_of_pyjwt_are_taken_as_it_takes_them() {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let tokens = tokens(&golden).await;
        for (name, token) in golden["good"].as_object().unwrap() {
            let key = tokens.check(token.as_str().unwrap());
            let key = key.unwrap_or_else(|| panic!("{name} is good"));
            assert_eq!(
                (key.id.as_str(), key.scopes.as_slice()),
                ("jwt:ada", &["predict:blobs".to_owned()][..])
            );
            assert!(Arc::ptr_eq(&key, &tokens.check(token.as_str().unwrap()).unwrap()), "known again");
        }
        for (name, token) in golden["bad"].as_object().unwrap() {
            assert!(tokens.check(token.as_str().unwrap()).is_none(), "{name} is not good");
        }
        let good = golden["good"]["RS256"].as_str().unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut changed = good.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of a signature may hold bits that nobody reads.
            assert!(at + 1 == good.len() || tokens.check(&changed).is_none(), "changed at {at}");
        }
        for text in ["", ".", "..", "a.b.c", "....", "\u{fffd}.x.y"] {
            assert!(tokens.check(text).is_none());
        }
    }
}
