//! Reading of a provider's key set: from a file, a URL, or the URL in the provider's discovery document.

use std::path::PathBuf;
use std::time::Duration;

use cupola_spec::Jwt;
use cupola_store::read_limited;
use serde_json::Value;

use super::failed;
use super::key_set::MAX_KEY_SET_BYTES;
use crate::error::Error;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Client that follows no redirects: they would let whoever answers at one address choose the keys of another.
pub(super) fn client(issuer: &str) -> Result<reqwest::Client, Error> {
    let client = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.map_err(|error| failed(issuer, &error))
}

/// Source and bytes of the key set.
pub(super) async fn key_set(client: &reqwest::Client, spec: &Jwt) -> Result<(String, Vec<u8>), Error> {
    match &spec.jwks {
        Some(url) if is_url(url) => Ok((url.clone(), get(client, url).await?)),
        Some(path) => {
            let (file, limit) = (PathBuf::from(path), MAX_KEY_SET_BYTES as u64);
            let read = tokio::task::spawn_blocking(move || read_limited(&file, limit)).await;
            let bytes = read.map_err(|error| failed(path, &error))?.map_err(|error| failed(path, &error))?;
            Ok((path.clone(), bytes))
        }
        None => discover(client, spec).await,
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Reads the key set that the issuer's discovery document names (`OpenID` Connect Discovery 1.0, section 4).
async fn discover(client: &reqwest::Client, spec: &Jwt) -> Result<(String, Vec<u8>), Error> {
    let document = format!("{}/.well-known/openid-configuration", spec.issuer.trim_end_matches('/'));
    let bytes = get(client, &document).await?;
    let url = key_set_url(&bytes, &spec.issuer).map_err(|why| failed(&document, &why))?;
    let keys = get(client, &url).await?;
    Ok((url, keys))
}

/// Address of the keys in a discovery document, which must be the issuer's own.
fn key_set_url(document: &[u8], issuer: &str) -> Result<String, String> {
    let value: Value = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    if value["issuer"] != issuer {
        return Err(format!("the document is of the issuer {}, expected `{issuer}`", value["issuer"]));
    }
    let url = value["jwks_uri"].as_str().ok_or("`jwks_uri` is missing")?;
    let downgraded = issuer.starts_with("https://") && !url.starts_with("https://");
    if downgraded || !is_url(url) {
        return Err(format!("`jwks_uri` must be an https URL, found `{url}`"));
    }
    Ok(url.to_owned())
}

async fn get(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, Error> {
    let error = |error: reqwest::Error| failed(url, &error);
    let mut response = client.get(url).send().await.map_err(error)?.error_for_status().map_err(error)?;
    if response.status().is_redirection() {
        return Err(failed(url, &"redirects to another address, which is not followed; name that address"));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(error)? {
        if bytes.len() + chunk.len() > MAX_KEY_SET_BYTES {
            return Err(failed(url, &"the response is larger than 1 MiB"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_discovery_document_is_the_issuers_own() {
        let issuer = "https://id.example";
        let url = |document: &str| key_set_url(document.as_bytes(), issuer);
        let good = r#"{"issuer": "https://id.example", "jwks_uri": "https://keys.example/set"}"#;
        assert_eq!(url(good).unwrap(), "https://keys.example/set");
        for (document, words) in [
            (good.replace("//id", "//evil"), "expected `https://id.example`"),
            (good.replace("https://keys", "http://keys"), "must be an https URL"),
            (good.replace("https://keys.example/set", "/etc/passwd"), "must be an https URL"),
            ("{\"issuer\": \"https://id.example\"}".to_owned(), "`jwks_uri` is missing"),
            ("[".to_owned(), "EOF"),
        ] {
            let error = url(&document).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    /// URL of a server that sends one response.
    fn answers(response: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&response);
        });
        format!("http://{address}/keys")
    }

    #[tokio::test]
    async fn redirects_and_endless_responses_are_refused() {
        let client = client("test").unwrap();
        let moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let error = get(&client, &answers(moved.to_vec())).await.unwrap_err().to_string();
        assert!(error.contains("redirects to another address"), "{error}");
        let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        endless.resize(MAX_KEY_SET_BYTES + 100, b' ');
        let error = get(&client, &answers(endless)).await.unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB"), "{error}");
        let good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(get(&client, &answers(good.to_vec())).await.unwrap(), b"{}");
    }
}
