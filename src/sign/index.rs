//! [`MergedIndex`], or upstream's own signed bytes, → [`SignedIndex`].
//!
//! Every signature is over the same bytes (the index member, to the end of the file) and never over another signature:
//! signing a signed file again breaks the new signature on every client. All entries stand in one gzip member whose tar is
//! cut. A client checks only the first entry whose key it has, so ours come first, SHA-256 before SHA-1.

use super::Signer;
use super::key_file::Error;
use crate::apk::names::KeyName;
use crate::apk::v2::index::{self, MAX_DESCRIPTION};
use crate::apk::v2::signature::{Algorithm, Signature, print_name};
use crate::apk::v2::tarball;
use crate::merge::MergedIndex;

/// Which signatures a key gives an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digests {
    /// `.SIGN.RSA256.`, which every apk since 2.7 accepts.
    Sha256,
    /// The older `.SIGN.RSA.` behind it.
    Sha256AndSha1,
}

impl Digests {
    /// The signatures to make, in the order in which clients are to meet them.
    pub fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Digests::Sha256 => &[Algorithm::Sha256],
            Digests::Sha256AndSha1 => &[Algorithm::Sha256, Algorithm::Sha1],
        }
    }
}

/// An index file with our signature in front. Only this module makes one.
#[derive(Clone, Debug)]
pub struct SignedIndex {
    bytes: Vec<u8>,
    signers: Vec<String>,
}

impl SignedIndex {
    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Names of its signature entries, in order: what tells whether a file would be made anew.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }
}

/// Names of the signature entries that [`sign_merged`] and [`cosign`] write for us.
pub fn signer_names(signer: &dyn Signer, digests: Digests) -> Vec<String> {
    digests.algorithms().iter().map(|algorithm| print_name(*algorithm, signer.key_name())).collect()
}

/// What `apk update` shows of one of our indexes: 12 hex digits of its content, then upstream's words, at most 160 bytes.
pub fn describe(merged: &MergedIndex, upstream: Option<&str>) -> String {
    let mut words = merged.content.hex()[..12].to_owned();
    if let Some(upstream) = upstream {
        words.push(' ');
        words.extend(upstream.chars().map(|word| if word.is_control() { ' ' } else { word }));
    }
    let mut end = words.len().min(MAX_DESCRIPTION);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    words.truncate(end);
    words
}

/// Signs a merged index. The same index, words and key give the same file: tar times are 0.
pub fn sign_merged(
    merged: &MergedIndex,
    description: &str,
    signer: &dyn Signer,
    digests: Digests,
) -> Result<SignedIndex, Error> {
    sign_member(&index::member(description, &merged.text, 0), &[], signer, digests)
}

/// Puts our signatures in front of the signed bytes of an index file that others signed. Of theirs those by a key in
/// `vouched` are kept (whoever accepted the file checked them); a client that met another one first would stop there.
pub fn cosign(
    signed: &[u8],
    theirs: Vec<Signature>,
    vouched: &[KeyName],
    signer: &dyn Signer,
    digests: Digests,
) -> Result<SignedIndex, Error> {
    let kept: Vec<Signature> = theirs.into_iter().filter(|signature| vouched.contains(&signature.key)).collect();
    sign_member(signed, &kept, signer, digests)
}

/// Signs an index member (or any bytes that are to follow a signature member) with `kept` behind our own signatures.
pub fn sign_member(
    member: &[u8],
    kept: &[Signature],
    signer: &dyn Signer,
    digests: Digests,
) -> Result<SignedIndex, Error> {
    let mut tar = Vec::new();
    let mut signers = Vec::new();
    for algorithm in digests.algorithms() {
        let name = print_name(*algorithm, signer.key_name());
        tarball::append(&mut tar, &name, &signer.sign(*algorithm, member)?.bytes, 0);
        signers.push(name);
    }
    for signature in kept.iter().filter(|signature| signature.key != *signer.key_name()) {
        let name = print_name(signature.algorithm, &signature.key);
        tarball::append(&mut tar, &name, &signature.bytes, 0);
        signers.push(name);
    }
    let mut bytes = index::gzip(&tar);
    bytes.extend_from_slice(member);
    Ok(SignedIndex { bytes, signers })
}
