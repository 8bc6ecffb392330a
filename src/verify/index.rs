//! Bytes + keyring → [`VerifiedIndex`].

use sha2::{Digest as _, Sha256};

use super::keyring::{Keyring, Signer, Untrusted};
use crate::apk::names::{Arch, KeyName};
use crate::apk::v2::index::{self, BadIndex};
use crate::apk::v2::sections::{self, BadSections, IndexParts, Limits, SignaturePart};
use crate::apk::{Entry, SignedId, names::PackageFile};
use crate::error::{Class, Trouble};

/// An index that a key of its keyring signed, taken apart. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedIndex {
    bytes: Vec<u8>,
    signed_from: usize,
    description: Option<String>,
    signers: Vec<Signer>,
    entries: Vec<Entry>,
}

impl VerifiedIndex {
    /// The file, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signed part: from the first byte behind the signatures to the end.
    pub fn signed(&self) -> &[u8] {
        &self.bytes[self.signed_from..]
    }

    /// Names what was signed, whoever signed it.
    pub fn signed_id(&self) -> SignedId {
        SignedId::new(Sha256::digest(self.signed()).into())
    }

    /// The signature part.
    pub fn signatures(&self) -> &[u8] {
        &self.bytes[..self.signed_from]
    }

    /// Upstream's words for this state.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The keys of the keyring that signed it, in file order.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Its records, in file order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Why an index was refused.
#[derive(Debug, thiserror::Error)]
pub enum RefusedIndex {
    /// No trust follows from its signatures.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Its container is broken, or of another kind.
    #[error(transparent)]
    Sections(#[from] BadSections),
    /// A record is refused.
    #[error(transparent)]
    Entry(#[from] BadIndex),
    /// A record of another arch: clients would look for it in another folder, or not install it.
    #[error("it lists {file} for {found}, which does not belong in an index for {arch}")]
    OtherArch {
        /// The package.
        file: PackageFile,
        /// Its `A:`.
        found: Arch,
        /// The folder's.
        arch: Arch,
    },
}

impl Trouble for RefusedIndex {
    fn class(&self) -> Class {
        match self {
            RefusedIndex::Untrusted(_)
            | RefusedIndex::Sections(_)
            | RefusedIndex::Entry(_)
            | RefusedIndex::OtherArch { .. } => Class::Refused,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RefusedIndex::Untrusted(Untrusted::Unsigned) => "unsigned",
            RefusedIndex::Untrusted(Untrusted::UnknownSigner(_)) => "unknown-signer",
            RefusedIndex::Untrusted(Untrusted::OtherArch { .. }) => "signer-of-other-arch",
            RefusedIndex::Untrusted(Untrusted::BadSignature(_)) => "bad-signature",
            RefusedIndex::Untrusted(Untrusted::Sha1Refused(_)) => "sha1-refused",
            RefusedIndex::Untrusted(Untrusted::Sha1Collision(_)) => "sha1-collision",
            RefusedIndex::Sections(BadSections::ApkV3(_)) => "apk-v3",
            RefusedIndex::Sections(_) => "bad-index",
            RefusedIndex::Entry(_) => "bad-entry",
            RefusedIndex::OtherArch { .. } => "other-arch",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RefusedIndex::Untrusted(Untrusted::UnknownSigner(_)) => Some(
                "if this key is meant to be trusted, put its public half in keys/ and name it under the source's `keyring`"
                    .into(),
            ),
            RefusedIndex::Untrusted(Untrusted::Sha1Refused(keys)) => Some(sha1_hint(keys)),
            _ => None,
        }
    }
}

/// What to do where only SHA-1 vouches and may not.
pub(super) fn sha1_hint(keys: &[KeyName]) -> String {
    let keys = keys.iter().map(KeyName::as_str).collect::<Vec<_>>().join(", ");
    format!("ask for signatures over SHA-256 (.SIGN.RSA256.{keys}), or say [policy] sha1 = \"detect\"")
}

/// Verifies an index file that lies in no arch's folder: it is held to be for the arch that its first record names. Every
/// key of `keyring` that is trusted for that arch counts.
pub fn verify_loose(bytes: Vec<u8>, keyring: &Keyring, limits: &Limits) -> Result<VerifiedIndex, RefusedIndex> {
    let parts = sections::split_index(&bytes, limits)?;
    let named = parts.text.lines().find_map(|line| line.strip_prefix("A:")?.parse().ok());
    let arch = named.unwrap_or_else(|| "noarch".parse().expect("it is in the alphabet of arches"));
    let signers = keyring.verify(&arch, &bytes[parts.signed_from..], &parts.signatures)?;
    take(bytes, parts, signers, &arch)
}

/// Verifies an index file for `arch`.
pub fn verify(bytes: Vec<u8>, keyring: &Keyring, arch: &Arch, limits: &Limits) -> Result<VerifiedIndex, RefusedIndex> {
    // Nothing of the index itself is inflated before its signature is found good.
    let SignaturePart { signatures, signed_from } = sections::split_signatures(&bytes, limits)?;
    let signers = keyring.verify(arch, &bytes[signed_from..], &signatures)?;
    let (description, text) = sections::read_index(&bytes[signed_from..], limits)?;
    take(bytes, IndexParts { signatures, signed_from, description, text }, signers, arch)
}

fn take(bytes: Vec<u8>, parts: IndexParts, signers: Vec<Signer>, arch: &Arch) -> Result<VerifiedIndex, RefusedIndex> {
    let entries = index::parse(&parts.text)?;
    drop(parts.text);
    for entry in &entries {
        if let Some(found) = entry.arch().filter(|found| *found != arch && !found.is_noarch()) {
            return Err(RefusedIndex::OtherArch {
                file: entry.file().clone(),
                found: found.clone(),
                arch: arch.clone(),
            });
        }
    }
    Ok(VerifiedIndex { bytes, signed_from: parts.signed_from, description: parts.description, signers, entries })
}
