//! Why there is no key to sign with, each reason with its word and what mends it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::passphrase::MAX_PASSPHRASE;
use crate::apk::KeyName;
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::sign::public_half::MODULUS_BITS;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or cannot be read.
    #[error("signing key {} cannot be read", .path.display())]
    Unreadable {
        /// The key's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("signing key {} is open to others (mode {mode:04o})", .path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file's content is not a key that we can sign with.
    #[error("signing key {} {flaw}", .path.display())]
    Unusable {
        /// The key's file.
        path: PathBuf,
        /// What is the matter with it.
        flaw: Flaw,
    },
    /// The key is encrypted, and nothing says where its passphrase is.
    #[error("signing key {} is encrypted, and no file with its passphrase is named", .path.display())]
    NoPassphrase {
        /// The key's file.
        path: PathBuf,
    },
    /// The passphrase's file is not there or cannot be read.
    #[error("passphrase file {} cannot be read", .path.display())]
    PassphraseUnreadable {
        /// The passphrase's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the passphrase's file.
    #[error("passphrase file {} is open to others (mode {mode:04o})", .path.display())]
    PassphraseExposed {
        /// The passphrase's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The passphrase's file is empty, or too long to be one.
    #[error("passphrase file {} {flaw}", .path.display())]
    PassphraseUnusable {
        /// The passphrase's file.
        path: PathBuf,
        /// What is the matter with it.
        flaw: PassphraseFlaw,
    },
    /// It is not this key's passphrase.
    #[error("signing key {} does not open with the passphrase in {}", .path.display(), .passphrase_file.display())]
    WrongPassphrase {
        /// The key's file.
        path: PathBuf,
        /// The passphrase's file.
        passphrase_file: PathBuf,
    },
    /// The file's name cannot become a public key's.
    #[error("signing key {} has a name that no client's /etc/apk/keys can hold", .path.display())]
    BadName {
        /// The key's file.
        path: PathBuf,
    },
    /// A new key would replace this file.
    #[error("{} is there already; a key is never overwritten", .path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Something could not be computed: no randomness, or a fault in this machine's arithmetic.
    #[error("{what} with key {name} failed")]
    Arithmetic {
        /// What was computed.
        what: &'static str,
        /// The public key's file name.
        name: KeyName,
    },
    /// The new key's files could not be written.
    #[error("key {name} was not stored")]
    Unwritten {
        /// The public key's file name.
        name: KeyName,
        /// What failed.
        #[source]
        source: durable::Error,
    },
}

/// What is the matter with a key file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No PEM block at all.
    NoKey,
    /// The public half.
    Public,
    /// Encrypted in the form of RFC 1421, whose key is derived by one round of MD5.
    LegacyEncryption,
    /// Encrypted by a cipher, or with a key derived in a way, that is not understood.
    Cipher,
    /// A key of another kind: EC, Ed25519, DSA, or in OpenSSH's own form.
    NotRsa,
    /// A PEM block whose content cannot be read, or whose numbers do not fit together.
    Broken,
    /// An RSA key of so many bits.
    Bits(usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NoKey => f.write_str("holds no key in PEM form"),
            Flaw::Public => f.write_str("holds a public key; the private one belongs here"),
            Flaw::LegacyEncryption => {
                f.write_str("is encrypted in the old form (Proc-Type: 4,ENCRYPTED), which protects nothing")
            }
            Flaw::Cipher => f.write_str("is encrypted in a way that is not understood"),
            Flaw::NotRsa => f.write_str("is not an RSA key; apk's indexes are signed with RSA"),
            Flaw::Broken => f.write_str("is damaged: its numbers cannot be read or do not fit together"),
            Flaw::Bits(bits) => {
                write!(f, "has {bits} bits, not {} to {}", MODULUS_BITS.start(), MODULUS_BITS.end())
            }
        }
    }
}

/// Why a file's content is no passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassphraseFlaw {
    /// Nothing, or a newline alone.
    Empty,
    /// More bytes than any passphrase has.
    TooLong,
}

impl fmt::Display for PassphraseFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassphraseFlaw::Empty => f.write_str("is empty"),
            PassphraseFlaw::TooLong => write!(f, "has more than {MAX_PASSPHRASE} bytes, too many for a passphrase"),
        }
    }
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unreadable { source, .. } | Error::PassphraseUnreadable { source, .. }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Class::Usage
            }
            Error::Unreadable { .. } | Error::PassphraseUnreadable { .. } | Error::Arithmetic { .. } => Class::Host,
            Error::Exposed { .. }
            | Error::Unusable { .. }
            | Error::NoPassphrase { .. }
            | Error::PassphraseExposed { .. }
            | Error::PassphraseUnusable { .. }
            | Error::WrongPassphrase { .. }
            | Error::BadName { .. }
            | Error::Exists { .. } => Class::Usage,
            Error::Unwritten { source, .. } => source.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "key-unreadable",
            Error::Exposed { .. } => "key-exposed",
            Error::Unusable { .. } => "key-unusable",
            Error::NoPassphrase { .. } => "passphrase-missing",
            Error::PassphraseUnreadable { .. } => "passphrase-unreadable",
            Error::PassphraseExposed { .. } => "passphrase-exposed",
            Error::PassphraseUnusable { .. } => "passphrase-unusable",
            Error::WrongPassphrase { .. } => "passphrase-wrong",
            Error::BadName { .. } => "key-name",
            Error::Exists { .. } => "key-exists",
            Error::Arithmetic { .. } => "key-arithmetic",
            Error::Unwritten { source, .. } => source.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("`bivouac key new` makes one; name it under [signing] as key".into())
            }
            Error::Exposed { path, .. } => Some(format!(
                "chmod 600 {}; where no modes can be kept, exposed = \"accept\" under [signing]",
                path.display()
            )),
            Error::PassphraseExposed { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Error::Unusable { flaw: Flaw::Public, .. } => Some("the private key is the file without .pub".into()),
            Error::Unusable { path, flaw: Flaw::LegacyEncryption | Flaw::Cipher } => Some(format!(
                "openssl pkcs8 -topk8 -v2 aes-256-cbc -in {} -out NEW.rsa, readable by you alone",
                path.display()
            )),
            Error::NoPassphrase { .. } => {
                Some("name the file that holds its passphrase under [signing] as passphrase_file".into())
            }
            Error::PassphraseUnreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("write the passphrase there, readable by you alone".into())
            }
            Error::PassphraseUnusable { .. } => Some("one line, the passphrase; a newline behind it is dropped".into()),
            Error::WrongPassphrase { path, passphrase_file } => Some(format!(
                "openssl pkey -in {} -passin file:{} -noout tries it",
                path.display(),
                passphrase_file.display()
            )),
            Error::Exists { .. } => Some("choose another name".into()),
            Error::Unusable { .. }
            | Error::Unreadable { .. }
            | Error::PassphraseUnreadable { .. }
            | Error::BadName { .. }
            | Error::Arithmetic { .. } => None,
            Error::Unwritten { source, .. } => source.hint(),
        }
    }
}
