//! TLS, and mutual TLS if `clients` is given.

use std::path::Path;
use std::sync::Arc;

use cupola_spec::Tls;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::error::Error;

/// Acceptor with the given certificates.
///
/// # Errors
/// [`Error::Tls`], which names the file.
pub(crate) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, Error> {
    let error_in = |path: &str, why: String| Error::Tls { path: path.into(), why };
    let chain = certificates(&tls.cert)?;
    let key = PrivateKeyDer::from_pem_file(Path::new(&tls.key))
        .map_err(|error| error_in(&tls.key, error.to_string()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error_in(&tls.cert, error.to_string()))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| error_in(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| error_in(path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| error_in(&tls.cert, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let error_in = |why: String| Error::Tls { path: path.into(), why };
    let each = CertificateDer::pem_file_iter(Path::new(path)).map_err(|error| error_in(error.to_string()))?;
    let found: Vec<_> = each.collect::<Result<_, _>>().map_err(|error| error_in(error.to_string()))?;
    if found.is_empty() { Err(error_in("the file has no certificate".to_owned())) } else { Ok(found) }
}
