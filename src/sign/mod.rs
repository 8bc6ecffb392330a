//! Our signature.
//!
//! A [`Signer`] holds a private key, or reaches one; a [`Seal`] is all that sign now, and [`index`] puts their signatures in
//! front of a merged index, or in front of upstream's own signed bytes. What comes out is a [`SignedIndex`], which only this
//! room makes and which alone (beside upstream's own file) can be published as an index. [`rotation`] tells who signs now.

pub mod command;
pub mod index;
pub mod key_file;
pub mod public_half;
pub mod rotation;
pub mod token;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use command::{Command, CommandKey};
pub use index::{Digests, Seal, SignedIndex};
pub use key_file::{KeyFile, PrivateKey};
pub use public_half::PublicHalf;
pub use token::{Token, TokenKey};

use crate::apk::KeyId;
use crate::apk::names::KeyName;
use crate::apk::v2::signature::{Algorithm, Signature};
use crate::error::{Class, Trouble};

/// Holds a private key, or reaches one.
pub trait Signer: fmt::Debug + Send + Sync {
    /// What clients have of it.
    fn public_half(&self) -> &PublicHalf;
    /// The public key's file name, as clients have it in `/etc/apk/keys`.
    fn key_name(&self) -> &KeyName {
        self.public_half().name()
    }
    /// SHA-256 of the public half's DER SubjectPublicKeyInfo, lower-case hex.
    fn fingerprint(&self) -> String {
        self.public_half().fingerprint()
    }
    /// The public half as clients need it: PEM, SubjectPublicKeyInfo.
    fn public_pem(&self) -> String {
        self.public_half().pem()
    }
    /// The modulus's bits.
    fn bits(&self) -> usize {
        self.public_half().bits()
    }
    /// Which key it is.
    fn id(&self) -> KeyId {
        KeyId { name: self.key_name().clone(), fingerprint: self.fingerprint() }
    }
    /// An RSA PKCS#1 v1.5 signature over `bytes`, checked against the public half before it is handed out.
    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, Error>;
}

/// Where a private key is. It is part of records of ours: the key that signs beside the configured one is found by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPlace {
    /// In a file.
    File(KeyFile),
    /// Another program holds it.
    Command(CommandKey),
    /// A token behind a PKCS#11 module holds it.
    Token(TokenKey),
}

impl KeyPlace {
    /// The file that tells the key's name: the private half's, or the public one's where the private one is elsewhere.
    pub fn file(&self) -> &Path {
        match self {
            KeyPlace::File(file) => &file.path,
            KeyPlace::Command(key) => &key.public,
            KeyPlace::Token(key) => &key.public,
        }
    }
}

/// Reaches the key at `place`.
pub fn open(place: &KeyPlace) -> Result<Box<dyn Signer>, Error> {
    match place {
        KeyPlace::File(file) => Ok(Box::new(PrivateKey::open(file)?)),
        KeyPlace::Command(key) => Ok(Box::new(Command::open(key)?)),
        KeyPlace::Token(key) => Ok(Box::new(Token::open(key)?)),
    }
}

/// Why no signature came.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key in a file.
    #[error(transparent)]
    Key(#[from] key_file::Error),
    /// Another program.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A token.
    #[error(transparent)]
    Token(#[from] token::Error),
    /// The public half of a key that is no file of ours.
    #[error(transparent)]
    Public(#[from] public_half::Error),
    /// Another key lies where a key that signs was left.
    #[error("the key in {} is not {name} any more: its fingerprint is {found}, not {expected}", .path.display())]
    Changed {
        /// The file that tells which key it is.
        path: PathBuf,
        /// The public key's file name.
        name: KeyName,
        /// The fingerprint that was recorded.
        expected: String,
        /// The one that is there.
        found: String,
    },
    /// The configuration names a key that has no part in the rotation that is under way.
    #[error("a rotation is under way: {new} and {old} sign, and the configuration names another key, {configured}")]
    BesideRotation {
        /// The configured key's name.
        configured: KeyName,
        /// The older of the two that sign.
        old: KeyName,
        /// The newer one.
        new: KeyName,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Key(error) => error.class(),
            Error::Command(error) => error.class(),
            Error::Token(error) => error.class(),
            Error::Public(error) => error.class(),
            Error::Changed { .. } | Error::BesideRotation { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Key(error) => error.code(),
            Error::Command(error) => error.code(),
            Error::Token(error) => error.code(),
            Error::Public(error) => error.code(),
            Error::Changed { .. } => "key-changed",
            Error::BesideRotation { .. } => "rotation-under-way",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Key(error) => error.hint(),
            Error::Command(error) => error.hint(),
            Error::Token(error) => error.hint(),
            Error::Public(error) => error.hint(),
            Error::Changed { .. } => {
                Some("put the key back; a new one needs a name of its own; in a rotation, `bivouac key retire` ends it with --now".into())
            }
            Error::BesideRotation { old, .. } => {
                Some(format!("name one of the two as key; if both are lost, `bivouac key retire {old} --now` first"))
            }
        }
    }
}
