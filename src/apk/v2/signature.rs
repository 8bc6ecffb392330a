//! Signature entries: `.SIGN.<ALG>.<KEYFILE>`, each over the same bytes behind the signature members.

use std::fmt;

use super::index::gzip;
use super::tarball;
use crate::apk::names::KeyName;

/// The digest that a signature is over; all are RSA PKCS#1 v1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `RSA`: SHA-1, what Alpine signs with.
    Sha1,
    /// `RSA256`.
    Sha256,
    /// `RSA512`.
    Sha512,
}

impl Algorithm {
    /// The word in the entry's name.
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "RSA",
            Algorithm::Sha256 => "RSA256",
            Algorithm::Sha512 => "RSA512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it is over.
    pub algorithm: Algorithm,
    /// The public key's file name.
    pub key: KeyName,
    /// The raw signature, as long as the key's modulus.
    pub bytes: Vec<u8>,
}

/// What an entry's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryName {
    /// A signature in a form that is verified here.
    Known(Algorithm, KeyName),
    /// A signature in a form that clients skip as unknown (`DSA`, `ECDSA`), or whose key name no client can hold.
    Unknown,
    /// Starts like a signature but names no algorithm and key: a format error to every client.
    Malformed,
    /// No signature at all.
    Other,
}

/// Reads an entry's name.
pub fn parse_name(name: &str) -> EntryName {
    let Some(rest) = name.strip_prefix(".SIGN.") else { return EntryName::Other };
    let Some((algorithm, key)) = rest.split_once('.') else { return EntryName::Malformed };
    let algorithm = match algorithm {
        "RSA" => Algorithm::Sha1,
        "RSA256" => Algorithm::Sha256,
        "RSA512" => Algorithm::Sha512,
        _ => return EntryName::Unknown,
    };
    key.parse().map_or(EntryName::Unknown, |key| EntryName::Known(algorithm, key))
}

/// The entry's name for a signature.
pub fn print_name(algorithm: Algorithm, key: &KeyName) -> String {
    format!(".SIGN.{algorithm}.{key}")
}

/// The gzip member that holds `signatures`, in this order: clients use the first whose key they have. Its tar is cut, without
/// zero blocks. Put it in front of exactly the bytes that were signed.
pub fn member(signatures: &[Signature]) -> Vec<u8> {
    let mut tar = Vec::new();
    for signature in signatures {
        tarball::append(&mut tar, &print_name(signature.algorithm, &signature.key), &signature.bytes, 0);
    }
    gzip(&tar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_back() {
        let name = ".SIGN.RSA256.ops@example.org-6743a0c1.rsa.pub";
        let EntryName::Known(algorithm, key) = parse_name(name) else { panic!("{name}") };
        assert_eq!(algorithm, Algorithm::Sha256);
        assert_eq!(print_name(algorithm, &key), name);
    }

    #[test]
    fn odd_names_are_told_apart() {
        assert_eq!(parse_name(".PKGINFO"), EntryName::Other);
        assert_eq!(parse_name(".SIGN.publickeyname"), EntryName::Malformed);
        assert_eq!(parse_name(".SIGN.DSA.k.pub"), EntryName::Unknown);
        assert_eq!(parse_name(".SIGN.rsa.k.pub"), EntryName::Unknown);
        assert_eq!(parse_name(".SIGN.RSA.../k.pub"), EntryName::Unknown);
    }
}
