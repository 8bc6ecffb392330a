//! What a server is shown so that it lets us in, and which authorities are believed beside the system's: read from files, at
//! use. Nothing of a secret is in `Debug`, in an error or in what is shown of a source.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use url::Url;

use crate::disk::private_file::{self, Unread};
use crate::error::{Class, Trouble};

/// Largest file that is read; a bundle of all public authorities takes 220 kB.
const MAX_FILE: u64 = 4 << 20;

/// Headers that are the client's own business: one of them from a file would change what is asked, or of whom.
const NOT_FROM_A_FILE: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "proxy-authorization",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Why a file that a source's access needs cannot be used. `what` is the configuration's key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or cannot be read.
    #[error("{what} {} cannot be read", .path.display())]
    Unreadable {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("{what} {} is open to others (mode {mode:04o})", .path.display())]
    Exposed {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's content is not what belongs there.
    #[error("{what} {} {flaw}", .path.display())]
    Unusable {
        /// The key that names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is the matter with it; never a part of it.
        flaw: &'static str,
    },
    /// Certificate and key are each in order, and not of one pair.
    #[error("client_cert {} and client_key {} do not belong together", .certificate.display(), .key.display())]
    OtherPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unreadable { source, .. } if source.kind() != io::ErrorKind::NotFound => Class::Host,
            Error::Unreadable { .. } | Error::Exposed { .. } | Error::Unusable { .. } | Error::OtherPair { .. } => {
                Class::Usage
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "access-unreadable",
            Error::Exposed { .. } => "access-exposed",
            Error::Unusable { .. } => "access-unusable",
            Error::OtherPair { .. } => "client-cert-mismatch",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Exposed { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Error::Unreadable { .. } | Error::Unusable { .. } | Error::OtherPair { .. } => None,
        }
    }
}

/// One header that lets us in. It goes to the host, scheme and port that a source's URL names and to no other.
#[derive(Clone)]
pub struct Credentials {
    name: HeaderName,
    value: HeaderValue,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credentials {
    /// From a file that holds one line, `user:password` (RFC 7617: the first colon ends the user's name).
    pub fn from_basic_file(path: &Path) -> Result<Self, Error> {
        const WHAT: &str = "basic_file";
        let line = secret_line(WHAT, path)?;
        match line.split_once(':') {
            Some((user, password)) => Ok(Credentials::basic(user.as_bytes(), password.as_bytes())),
            None => Err(unusable(WHAT, path, "does not hold user:password")),
        }
    }

    /// From a file that holds one line, `Name: value`.
    pub fn from_header_file(path: &Path) -> Result<Self, Error> {
        const WHAT: &str = "header_file";
        let line = secret_line(WHAT, path)?;
        let flaw = |flaw| unusable(WHAT, path, flaw);
        let (name, value) = line.split_once(':').ok_or_else(|| flaw("does not hold a header (Name: value)"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| flaw("does not begin with a header's name"))?;
        if NOT_FROM_A_FILE.contains(&name.as_str()) {
            return Err(flaw("names a header that is not ours to choose"));
        }
        let mut value: HeaderValue = value.trim().parse().map_err(|_| flaw("holds a value that no header can have"))?;
        value.set_sensitive(true);
        Ok(Credentials { name, value })
    }

    fn basic(user: &[u8], password: &[u8]) -> Self {
        let pair = BASE64.encode([user, b":", password].concat());
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is ASCII");
        value.set_sensitive(true);
        Credentials { name: AUTHORIZATION, value }
    }

    /// User and password of a URL, if it has any.
    pub(super) fn of_url(url: &Url) -> Option<Self> {
        let password = url.password();
        (!url.username().is_empty() || password.is_some())
            .then(|| Credentials::basic(&percent_decoded(url.username()), &percent_decoded(password.unwrap_or(""))))
    }

    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }
}

/// Authorities that are believed beside the system's.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// From a file of certificates in PEM form, at least one.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        const WHAT: &str = "ca";
        let unreadable = |source| Error::Unreadable { what: WHAT, path: path.to_owned(), source };
        let mut pem = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE), &mut pem).map_err(unreadable)?;
        let certificates = certificates(WHAT, path, &pem)?;
        let mut store = rustls::RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|_| unusable(WHAT, path, "holds what cannot be an authority"))?;
        }
        Ok(Authorities(certificates))
    }

    pub(super) fn certificates(&self) -> impl Iterator<Item = reqwest::Certificate> {
        self.0.iter().filter_map(|certificate| reqwest::Certificate::from_der(certificate).ok())
    }
}

/// A certificate of ours and its key, for servers that ask who we are.
#[derive(Clone)]
pub struct ClientCertificate {
    pem: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(…)")
    }
}

impl ClientCertificate {
    /// From two files in PEM form, which may be the same one: the certificate, those that lead to its authority after it, and
    /// its private key without a passphrase. The key's file is private by the rule of [`private_file::read`].
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let private =
            |what, path: &Path| private_file::read(path, MAX_FILE).map_err(|unread| unread_of(what, path, unread));
        let key_pem = private("client_key", key)?;
        let unreadable = |source| Error::Unreadable { what: "client_cert", path: certificate.to_owned(), source };
        let chain_pem = std::fs::read(certificate).map_err(unreadable)?;
        let chain = certificates("client_cert", certificate, &chain_pem)?;
        let private_key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| {
            let is_encrypted = String::from_utf8_lossy(&key_pem).contains("ENCRYPTED");
            let flaw = match is_encrypted {
                true => "is encrypted with a passphrase, which is not supported yet",
                false => "holds no private key in PEM form",
            };
            unusable("client_key", key, flaw)
        })?;
        let (pem_chain, pem_key) = (chain.clone(), pem("PRIVATE KEY", &private_key));
        match CertifiedKey::from_der(chain, private_key, &rustls::crypto::ring::default_provider()) {
            Ok(_) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(Error::OtherPair { certificate: certificate.to_owned(), key: key.to_owned() });
            }
            Err(_) => return Err(unusable("client_key", key, "is of a kind that is not understood, or damaged")),
        }
        let pem = pem_chain.iter().flat_map(|one| pem_block("CERTIFICATE", one)).chain(pem_key).collect();
        Ok(ClientCertificate { pem })
    }

    pub(super) fn identity(&self) -> reqwest::Result<reqwest::Identity> {
        reqwest::Identity::from_pem(&self.pem)
    }
}

/// The key's block under the label of its own form.
fn pem(fallback: &str, key: &PrivateKeyDer<'_>) -> Vec<u8> {
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => fallback,
    };
    pem_block(label, key.secret_der())
}

fn pem_block(label: &str, der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der)).into_bytes()
}

fn certificates(what: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(unusable(what, path, "holds no certificate in PEM form")),
    }
}

fn unusable(what: &'static str, path: &Path, flaw: &'static str) -> Error {
    Error::Unusable { what, path: path.to_owned(), flaw }
}

fn unread_of(what: &'static str, path: &Path, unread: Unread) -> Error {
    match unread {
        Unread::Io(source) => Error::Unreadable { what, path: path.to_owned(), source },
        Unread::Exposed { mode } => Error::Exposed { what, path: path.to_owned(), mode },
    }
}

/// The only line of a secret's file, without the newline that editors put at its end.
fn secret_line(what: &'static str, path: &Path) -> Result<String, Error> {
    let bytes = private_file::read(path, MAX_FILE).map_err(|unread| unread_of(what, path, unread))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable(what, path, "is not text"))?;
    let line = text.trim_end_matches(['\n', '\r']);
    match (line.is_empty(), line.contains(['\n', '\r', '\0'])) {
        (true, _) => Err(unusable(what, path, "is empty")),
        (_, true) => Err(unusable(what, path, "has more than one line")),
        (false, false) => Ok(line.to_owned()),
    }
}

/// A `%` that begins no pair of hexadecimal digits stands for itself, as the URL standard has it.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|pair| bytes[at] == b'%' && pair.iter().all(u8::is_ascii_hexdigit));
        let value = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        decoded.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::durable;

    fn put(folder: &tempfile::TempDir, content: &str, mode: u32) -> PathBuf {
        let path = folder.path().join("secret");
        durable::write(&path, content.as_bytes(), mode).unwrap();
        path
    }

    #[test]
    fn a_password_becomes_a_header_that_debug_does_not_show() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::from_basic_file(&put(&folder, "Aladdin:open:sesame\n", 0o600)).unwrap();
        let (name, value) = credentials.header();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=="));
        for shown in [format!("{credentials:?}"), format!("{value:?}")] {
            assert!(!shown.contains("QWxh") && !shown.contains("sesame"), "{shown}");
        }
    }

    #[test]
    fn a_url_gives_what_was_encoded_in_it() {
        let of = |url: &str| Credentials::of_url(&url.parse().unwrap()).map(|found| found.header().1);
        assert_eq!(of("https://m/x"), None);
        assert_eq!(of("https://a%40b:p%3Aw%25@m/x").unwrap(), format!("Basic {}", BASE64.encode("a@b:p:w%")));
        assert_eq!(of("https://token@m/x").unwrap(), format!("Basic {}", BASE64.encode("token:")));
    }

    #[test]
    fn a_header_is_taken_as_it_stands_and_not_every_one() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| Credentials::from_header_file(&put(&folder, text, 0o600));
        let (name, value) = read("X-Api-Key:  s3cret \n").unwrap().header();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-api-key", "s3cret"));
        for (text, flaw) in [
            ("s3cret", "does not hold a header (Name: value)"),
            ("s3 cret: x", "does not begin with a header's name"),
            ("Host: s3cret", "names a header that is not ours to choose"),
            ("X: s3cret\nY: s3cret", "has more than one line"),
            ("X: s3cret\u{7}", "holds a value that no header can have"),
            ("\n", "is empty"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().ends_with(flaw), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert_eq!((error.code(), error.class()), ("access-unusable", Class::Usage));
        }
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o640, 0o604] {
            let path = put(&folder, "user:s3cret", mode);
            let error = Credentials::from_basic_file(&path).unwrap_err();
            assert_eq!(error.to_string(), format!("basic_file {} is open to others (mode {mode:04o})", path.display()));
            assert_eq!(error.hint().unwrap(), format!("chmod 600 {}", path.display()));
            assert_eq!((error.code(), error.class()), ("access-exposed", Class::Usage));
        }
        let error = Credentials::from_basic_file(&folder.path().join("none")).unwrap_err();
        assert_eq!((error.code(), error.class()), ("access-unreadable", Class::Usage));
    }
}
