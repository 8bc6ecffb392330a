//! TLS 1.2 and 1.3 from files: who we are, and of whose authorities clients must show a certificate.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::error::Error;
use crate::disk::private_file;

/// What is agreed on where both sides can: HTTP/2.
pub(super) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Largest file that is read; a bundle of all public authorities takes 220 kB.
const MAX_FILE: u64 = 4 << 20;

const CERT: &str = "serve.tls.cert";
const KEY: &str = "serve.tls.key";
const CLIENT_CA: &str = "serve.client_ca";

/// The files that TLS needs, in PEM form.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its authority after it.
    pub certificate: PathBuf,
    /// Its private key, closed to others by the rule of [`private_file::read`]. May be the same file.
    pub key: PathBuf,
    /// Authorities of which every client must show a certificate.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).cloned().collect()
    }

    /// What a handshake needs, of files that fit together. Sessions are remembered in it: whoever resumes one under another
    /// certificate or authority begins anew.
    pub(super) fn read(&self) -> Result<Arc<ServerConfig>, Error> {
        let key_pem =
            private_file::read(&self.key, MAX_FILE).map_err(|unread| Error::of_secret(KEY, &self.key, unread))?;
        let chain = certificates(CERT, &self.certificate)?;
        let key = private_key(&self.key, &key_pem)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites of both versions");
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities(path)?, provider);
                builder
                    .with_client_cert_verifier(verifier.build().expect("there is an authority, and no list of revoked"))
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Error::OtherPair { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            rustls::Error::InvalidCertificate(_) => {
                Error::unusable(CERT, &self.certificate, "begins with a certificate that is damaged or not understood")
            }
            _ => Error::unusable(KEY, &self.key, "is of a kind that is not understood, or damaged"),
        })?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }
}

fn authorities(path: &Path) -> Result<Arc<RootCertStore>, Error> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(CLIENT_CA, path)? {
        let added = store.add(certificate);
        added.map_err(|_| Error::unusable(CLIENT_CA, path, "holds what cannot be an authority"))?;
    }
    Ok(Arc::new(store))
}

/// At least one.
fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |source: io::Error| Error::Unreadable { what, path: path.to_owned(), source };
    let mut pem = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut pem)).map_err(unreadable)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::unusable(what, path, "holds no certificate in PEM form")),
        Err(_) => Err(Error::unusable(what, path, "holds a certificate that is cut short or damaged")),
    }
}

fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let is_encrypted = String::from_utf8_lossy(pem).contains("ENCRYPTED");
        let flaw = match is_encrypted {
            true => "is encrypted with a passphrase, and nobody is there to type it: `openssl pkey` writes it without",
            false => "holds no private key in PEM form",
        };
        Error::unusable(KEY, path, flaw)
    })
}
