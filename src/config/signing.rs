//! `[signing]`, resolved: who signs our indexes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::TokenKey;
use super::resolved::as_seconds;
use crate::apk::PackageName;

/// What `max_key_age` is when the file does not say: the guide's yearly rotation.
pub(super) const DEFAULT_MAX_KEY_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What `min_overlap` is when the file does not say.
pub(super) const DEFAULT_MIN_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a signing program may take when the file does not say.
pub(super) const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Who signs our indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The private key's file; where a program or a token signs, the public half's.
    pub key: PathBuf,
    /// Who holds the private half.
    #[serde(flatten)]
    pub holder: KeyHolder,
    /// Which signatures are written with it.
    pub digest: Digest,
    /// From which age on a sync says that the key should be rotated; none: never.
    #[serde(rename = "max_key_age_seconds", serialize_with = "as_seconds_if_any")]
    pub max_key_age: Option<Duration>,
    /// How long two keys sign during a rotation, at least, before the old one may be retired.
    #[serde(rename = "min_overlap_seconds", serialize_with = "as_seconds")]
    pub min_overlap: Duration,
    /// The package that brings our public keys to clients, in every index that we merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring_package: Option<PackageName>,
}

impl Signing {
    /// A key in the clear in a file that nobody else may read, by the defaults.
    pub fn by_file(key: PathBuf, digest: Digest) -> Self {
        let holder = KeyHolder::File { passphrase_file: None, exposed: ExposedKey::Refuse };
        Signing {
            key,
            holder,
            digest,
            max_key_age: Some(DEFAULT_MAX_KEY_AGE),
            min_overlap: DEFAULT_MIN_OVERLAP,
            keyring_package: None,
        }
    }

    /// The file that opens the private key's, where one is named.
    pub fn passphrase_file(&self) -> Option<&Path> {
        match &self.holder {
            KeyHolder::File { passphrase_file, .. } => passphrase_file.as_deref(),
            KeyHolder::Command { .. } | KeyHolder::Token { .. } => None,
        }
    }
}

/// Who holds the private half of our key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "holder", rename_all = "lowercase")]
pub enum KeyHolder {
    /// The file itself.
    File {
        /// What opens it, if it is encrypted.
        passphrase_file: Option<PathBuf>,
        /// What becomes of it if others may read it.
        exposed: ExposedKey,
    },
    /// Another program.
    Command {
        /// It and its arguments, in which `{digest}` stands for the digest's name.
        command: Vec<String>,
        /// The folder that it is started in.
        folder: PathBuf,
        /// How long it may take.
        #[serde(rename = "command_timeout_seconds", serialize_with = "as_seconds")]
        timeout: Duration,
    },
    /// A token behind a PKCS#11 module.
    Token {
        /// Which key in which token, through which module.
        token: TokenKey,
        /// The file that holds the PIN.
        pin_file: Option<PathBuf>,
        /// What becomes of the PIN if others may read it.
        exposed: ExposedKey,
    },
}

/// What becomes of a key, passphrase or PIN that others may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExposedKey {
    /// It is refused.
    #[default]
    Refuse,
    /// It is used all the same.
    Accept,
}

/// Which signatures our key writes into an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// `.SIGN.RSA256.` alone, which every apk since 2.7 accepts.
    #[default]
    Sha256,
    /// `.SIGN.RSA256.` and, after it, the older `.SIGN.RSA.`.
    Sha256AndSha1,
}

fn as_seconds_if_any<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs()).serialize(serializer)
}
