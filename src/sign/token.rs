//! A signer that is a key in a token (smart card, HSM, SoftHSM), reached through its PKCS#11 module.
//!
//! The module is loaded into this process, so whoever names it is trusted with everything. It is asked for the least: one
//! private RSA key, and `CKM_RSA_PKCS` over a DigestInfo (RFC 8017 9.2) that is made here. What it answers is used only when
//! the public half accepts it.
//!
//! What always holds: the token is not touched before there is something to sign; a PIN is tried once in a run, and never
//! where the token says that one more failure locks it; and a module that hangs is waited for 60 seconds, not longer.

#[cfg(feature = "pkcs11")]
mod module;
#[cfg(feature = "pkcs11")]
mod worker;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Signer;
use super::public_half::{self, PublicHalf};
use crate::apk::KeyName;
use crate::apk::v2::signature::{Algorithm, Signature};
use crate::disk::private_file::Exposed;
use crate::error::{Class, Trouble};

/// A key whose private half is in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKey {
    /// The public half's file.
    pub public: PathBuf,
    /// The module: a shared object's path, or a name that the system's loader looks for.
    pub library: PathBuf,
    /// Which key in which token.
    pub wanted: Wanted,
    /// The file that holds the PIN; without one the token is used without logging in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
    /// Whether the PIN is used even where others may read it.
    #[serde(default)]
    pub exposed: Exposed,
}

/// Which key in which token; what is absent fits any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The token's label.
    pub token: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The key's label.
    pub object: Option<String>,
    /// The key's id.
    pub id: Option<Vec<u8>>,
}

#[cfg(feature = "pkcs11")]
impl Wanted {
    /// The token in words.
    fn token_words(&self) -> String {
        let label = self.token.as_ref().map(|label| format!("labelled {label:?}"));
        let serial = self.serial.as_ref().map(|serial| format!("with the serial number {serial:?}"));
        words(label, serial)
    }

    /// The key in words.
    fn key_words(&self) -> String {
        let label = self.object.as_ref().map(|label| format!("labelled {label:?}"));
        let id = self.id.as_ref().map(|id| format!("with the id {}", crate::apk::checksum::hex(id)));
        words(label, id)
    }
}

#[cfg(feature = "pkcs11")]
fn words(first: Option<String>, second: Option<String>) -> String {
    match (first, second) {
        (Some(first), Some(second)) => format!("{first} and {second}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "at all".to_owned(),
    }
}

/// Why a token gave no signature that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// This program was built without it.
    #[error("this bivouac was built without PKCS#11")]
    NotBuiltIn,
    /// The module is not there, or is none.
    #[error("PKCS#11 module {} was not loaded: {why}", .library.display())]
    Module {
        /// The module.
        library: PathBuf,
        /// What the loader or the module said.
        why: String,
    },
    /// No token fits.
    #[error("PKCS#11 module {} has no token {wanted}", .library.display())]
    NoToken {
        /// The module.
        library: PathBuf,
        /// Which one was looked for.
        wanted: String,
    },
    /// Several tokens fit.
    #[error("PKCS#11 module {} has {found} tokens {wanted}", .library.display())]
    Tokens {
        /// The module.
        library: PathBuf,
        /// Which one was looked for.
        wanted: String,
        /// How many.
        found: usize,
    },
    /// No key fits.
    #[error("token {token:?} has no private RSA key {wanted}{}", if *.logged_in { "" } else { " (no PIN was given)" })]
    NoKey {
        /// The token's label.
        token: String,
        /// Which one was looked for.
        wanted: String,
        /// Whether a PIN was given: private keys are hidden without.
        logged_in: bool,
    },
    /// Several keys fit.
    #[error("token {token:?} has {found} private RSA keys {wanted}")]
    Keys {
        /// The token's label.
        token: String,
        /// Which one was looked for.
        wanted: String,
        /// How many.
        found: usize,
    },
    /// The PIN's file cannot be read.
    #[error("PIN file {} cannot be read: {why}", .path.display())]
    PinUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Others than its owner may read the PIN's file.
    #[error("PIN file {} is open to others (mode {mode:04o})", .path.display())]
    PinExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The PIN's file holds no PIN.
    #[error("PIN file {} holds no PIN: one line of text, at most {MAX_PIN} bytes", .path.display())]
    PinUnusable {
        /// The file.
        path: PathBuf,
    },
    /// The token did not take the PIN. It was tried once.
    #[error("token {token:?} refused the PIN: {why}; it was tried once")]
    PinRefused {
        /// The token's label.
        token: String,
        /// What the module said.
        why: &'static str,
    },
    /// One more wrong PIN locks the token, so none was tried; or it is locked already.
    #[error("the PIN was not tried on token {token:?}: {why}")]
    PinNotTried {
        /// The token's label.
        token: String,
        /// How it stands.
        why: &'static str,
    },
    /// The module failed.
    #[error("PKCS#11 failed while {what}: {why}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// What the module said.
        why: String,
    },
    /// The module hangs.
    #[error("the token gave no signature within {limit} s")]
    TooSlow {
        /// The time that it had, in seconds.
        limit: u64,
    },
    /// Another key's signature.
    #[error("the token's key is not the private half of {key}: its signature does not fit")]
    OtherKey {
        /// The public half's file name.
        key: KeyName,
    },
}

/// Longest PIN, in bytes; tokens take far fewer.
const MAX_PIN: usize = 255;

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::NotBuiltIn
            | Error::Module { .. }
            | Error::NoToken { .. }
            | Error::Tokens { .. }
            | Error::NoKey { .. }
            | Error::Keys { .. }
            | Error::PinUnreadable { .. }
            | Error::PinExposed { .. }
            | Error::PinUnusable { .. }
            | Error::PinRefused { .. }
            | Error::PinNotTried { .. }
            | Error::OtherKey { .. } => Class::Usage,
            Error::Failed { .. } | Error::TooSlow { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotBuiltIn => "token-not-built-in",
            Error::Module { .. } => "token-module",
            Error::NoToken { .. } => "token-missing",
            Error::Tokens { .. } => "token-ambiguous",
            Error::NoKey { .. } => "token-key-missing",
            Error::Keys { .. } => "token-key-ambiguous",
            Error::PinUnreadable { .. } => "pin-unreadable",
            Error::PinExposed { .. } => "pin-exposed",
            Error::PinUnusable { .. } => "pin-unusable",
            Error::PinRefused { .. } => "pin-refused",
            Error::PinNotTried { .. } => "pin-not-tried",
            Error::Failed { .. } => "token-failed",
            Error::TooSlow { .. } => "token-too-slow",
            Error::OtherKey { .. } => "token-other-key",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotBuiltIn => Some("cargo build --features pkcs11".into()),
            Error::Module { .. } => Some("module-path in pkcs11 under [signing] is the path of a shared object".into()),
            Error::NoToken { library, .. } | Error::Tokens { library, .. } => {
                Some(format!("pkcs11-tool --module {} --list-slots lists them", library.display()))
            }
            Error::NoKey { logged_in: false, .. } => Some("name the file that holds the PIN as pin_file".into()),
            Error::NoKey { .. } | Error::Keys { .. } => Some(
                "object and id in pkcs11 under [signing] name the key; `pkcs11-tool --login --list-objects` lists them"
                    .into(),
            ),
            Error::PinExposed { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Error::PinRefused { .. } => Some(
                "correct the PIN before the next run: each wrong one brings the token nearer to being locked".into(),
            ),
            Error::PinNotTried { .. } => Some("log in with the token's own tool; that sets its count back".into()),
            Error::OtherKey { .. } => {
                Some("key under [signing] names the public half of the key that pkcs11 names".into())
            }
            Error::PinUnreadable { .. } | Error::PinUnusable { .. } | Error::Failed { .. } | Error::TooSlow { .. } => {
                None
            }
        }
    }
}

/// A key in a token, and its public half.
pub struct Token {
    public: PublicHalf,
    #[cfg(feature = "pkcs11")]
    worker: worker::Worker,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads the public half; the token is not asked before there is something to sign.
    pub fn open(key: &TokenKey) -> Result<Token, public_half::Error> {
        Ok(Token {
            public: PublicHalf::load(&key.public)?,
            #[cfg(feature = "pkcs11")]
            worker: worker::Worker::of(key.clone()),
        })
    }

    #[cfg(feature = "pkcs11")]
    fn answer(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.worker.sign(module::digest_info(algorithm, bytes))
    }

    #[cfg(not(feature = "pkcs11"))]
    fn answer(&self, _: Algorithm, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::NotBuiltIn)
    }
}

impl Signer for Token {
    fn public_half(&self) -> &PublicHalf {
        &self.public
    }

    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, super::Error> {
        let signature = self.answer(algorithm, bytes)?;
        if !self.public.accepts(algorithm, bytes, &signature) {
            return Err(Error::OtherKey { key: self.public.name().clone() }.into());
        }
        Ok(Signature { algorithm, key: self.public.name().clone(), bytes: signature })
    }
}
