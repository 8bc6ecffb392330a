//! [`MergedIndex`], or upstream's own signed bytes, → [`SignedIndex`].
//!
//! Every signature is over the same bytes (the index member, to the end of the file) and never over another signature:
//! signing a signed file again breaks the new signature on every client. All entries stand in one gzip member whose tar is
//! cut. A client checks only the first entry whose key it has, so ours come first, the newest key's before an older one's, and
//! each key's SHA-256 before its SHA-1.

use super::{Error, Signer};
use crate::apk::KeyId;
use crate::apk::names::KeyName;
use crate::apk::v2::index::{self, MAX_DESCRIPTION};
use crate::apk::v2::signature::{self, Algorithm, Signature, print_name};
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

/// All that sign an index now, and how. The newest key comes first.
#[derive(Debug)]
pub struct Seal {
    signers: Vec<Box<dyn Signer>>,
    digests: Digests,
}

impl Seal {
    /// One key.
    pub fn of(signer: Box<dyn Signer>, digests: Digests) -> Self {
        Seal { signers: vec![signer], digests }
    }

    /// Further keys behind those that are there. During a rotation clients may have either.
    pub fn and(mut self, further: impl IntoIterator<Item = Box<dyn Signer>>) -> Self {
        self.signers.extend(further);
        self
    }

    /// The keys, the newest first; at least one.
    pub fn signers(&self) -> &[Box<dyn Signer>] {
        &self.signers
    }

    /// Which signatures each gives.
    pub fn digests(&self) -> Digests {
        self.digests
    }

    /// Their names and fingerprints.
    pub fn keys(&self) -> Vec<KeyId> {
        self.signers.iter().map(|signer| signer.id()).collect()
    }

    /// Names of the signature entries that [`sign_merged`] and [`cosign`] write for us.
    pub fn entry_names(&self) -> Vec<String> {
        let names = self.entries().map(|(signer, algorithm)| print_name(algorithm, signer.key_name()));
        names.collect()
    }

    /// Our signatures over `bytes`, in the order in which clients are to meet them.
    pub fn signatures(&self, bytes: &[u8]) -> Result<Vec<Signature>, Error> {
        self.entries().map(|(signer, algorithm)| signer.sign(algorithm, bytes)).collect()
    }

    fn entries(&self) -> impl Iterator<Item = (&dyn Signer, Algorithm)> {
        self.signers
            .iter()
            .flat_map(|signer| self.digests.algorithms().iter().map(move |algorithm| (&**signer, *algorithm)))
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

/// Signs a merged index. The same index, words and keys give the same file: tar times are 0.
pub fn sign_merged(merged: &MergedIndex, description: &str, seal: &Seal) -> Result<SignedIndex, Error> {
    sign_member(&index::member(description, &merged.text, 0), &[], seal)
}

/// Puts our signatures in front of the signed bytes of an index file that others signed. Of theirs those by a key in
/// `vouched` are kept (whoever accepted the file checked them); a client that met another one first would stop there.
pub fn cosign(signed: &[u8], theirs: Vec<Signature>, vouched: &[KeyName], seal: &Seal) -> Result<SignedIndex, Error> {
    let kept: Vec<Signature> = theirs.into_iter().filter(|signature| vouched.contains(&signature.key)).collect();
    sign_member(signed, &kept, seal)
}

/// Signs an index member (or any bytes that are to follow a signature member) with `kept` behind our own signatures. Of a key
/// of ours no other signature is kept.
pub fn sign_member(member: &[u8], kept: &[Signature], seal: &Seal) -> Result<SignedIndex, Error> {
    let is_ours = |key: &KeyName| seal.signers.iter().any(|signer| signer.key_name() == key);
    let mut signatures = seal.signatures(member)?;
    signatures.extend(kept.iter().filter(|signature| !is_ours(&signature.key)).cloned());
    let signers = signatures.iter().map(|signature| print_name(signature.algorithm, &signature.key)).collect();
    let mut bytes = signature::member(&signatures);
    bytes.extend_from_slice(member);
    Ok(SignedIndex { bytes, signers })
}
