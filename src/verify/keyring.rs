//! Public keys trusted for a source, by file name and arch.
//!
//! A signature names its key by file name alone, so two different keys under one name are refused when the keyring is made.

use std::fmt;

use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents,
};
use rsa::PublicKey as RsaPublicKey;
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};

use crate::apk::names::{Arch, KeyName};
use crate::apk::sha1::Sha1Policy;
use crate::apk::v2::signature::{Algorithm, Signature};

/// SHA-256 of a public key's DER (SubjectPublicKeyInfo): what `openssl pkey -pubin -outform der | sha256sum` prints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a DER SubjectPublicKeyInfo.
    pub fn of(der: &[u8]) -> Self {
        Fingerprint(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::apk::checksum::hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a file is no public key that clients could use.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// A private key where the public half belongs.
    #[error("public key {0} is a private key; its public half (.rsa.pub) belongs here")]
    Private(KeyName),
    /// PKCS#1, which apk 2.12 cannot load.
    #[error("public key {0} is in PKCS#1 form (BEGIN RSA PUBLIC KEY), which apk 2.12 cannot load")]
    Pkcs1(KeyName),
    /// Anything else that is no key.
    #[error("public key {name} is not an RSA key in PEM form (BEGIN PUBLIC KEY)")]
    NotAKey {
        /// The file's name.
        name: KeyName,
        /// What the parser said.
        #[source]
        source: Option<rsa::pkcs8::spki::Error>,
    },
    /// Too small to trust or too large to check.
    #[error("public key {name} has {bits} bits; 1024 to 8192 are accepted")]
    Size {
        /// The file's name.
        name: KeyName,
        /// The modulus' length.
        bits: usize,
    },
    /// A name that stands for two keys.
    #[error("two different public keys are named {0}")]
    TwoOfOneName(KeyName),
}

/// One public key under the file name that signatures call it by.
#[derive(Clone)]
pub struct PublicKey {
    name: KeyName,
    fingerprint: Fingerprint,
    pem: Box<str>,
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
}

impl PublicKey {
    /// Reads a PEM file's content. `name` is the file's name.
    pub fn parse(name: KeyName, pem: &[u8]) -> Result<PublicKey, BadKey> {
        let Ok(text) = std::str::from_utf8(pem) else { return Err(BadKey::NotAKey { name, source: None }) };
        if text.contains("PRIVATE KEY-----") {
            return Err(BadKey::Private(name));
        }
        if text.contains("-----BEGIN RSA PUBLIC KEY-----") {
            return Err(BadKey::Pkcs1(name));
        }
        let key = match RsaPublicKey::from_public_key_pem(text.trim()) {
            Ok(key) => key,
            Err(source) => return Err(BadKey::NotAKey { name, source: Some(source) }),
        };
        let modulus = key.n_bytes();
        let bits = modulus.len() * 8;
        if !(1024..=8192).contains(&bits) {
            return Err(BadKey::Size { name, bits });
        }
        let Ok(der) = key.to_public_key_der() else { return Err(BadKey::NotAKey { name, source: None }) };
        // A file may hold anything around its key, and the text is printed into scripts: what is kept is made anew from the key.
        let Ok(text) = der.to_pem("PUBLIC KEY", LineEnding::LF) else {
            return Err(BadKey::NotAKey { name, source: None });
        };
        Ok(PublicKey {
            fingerprint: Fingerprint::of(der.as_bytes()),
            pem: text.into(),
            modulus,
            exponent: key.e_bytes(),
            name,
        })
    }

    /// The file name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What people compare.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The key in PEM form, and nothing else that its file may hold.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether `signature` over `message` is this key's. Where it is over SHA-1, known collision attacks are looked for.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        self.verifies_under(Sha1Policy::Detect, algorithm, message, signature)
    }

    fn verifies_under(&self, sha1: Sha1Policy, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Verdict {
        let parameters = match algorithm {
            Algorithm::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        };
        let components = RsaPublicKeyComponents { n: &*self.modulus, e: &*self.exponent };
        if components.verify(parameters, message, signature).is_err() {
            return Verdict::Bad;
        }
        // ring hashes by itself and knows no attack. What the key did not sign is not worth looking at.
        match algorithm {
            Algorithm::Sha1 if sha1.digest(message).is_err() => Verdict::Collision,
            Algorithm::Sha1 | Algorithm::Sha256 | Algorithm::Sha512 => Verdict::Good,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.name)
    }
}

/// What a check of one signature gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is that key's signature over those bytes.
    Good,
    /// It is not.
    Bad,
    /// It is, and as well over other bytes: these carry a known attack on SHA-1.
    Collision,
}

/// For which arches a key is trusted.
#[derive(Clone, Debug)]
enum Scope {
    All,
    Arches(Vec<Arch>),
}

impl Scope {
    fn covers(&self, arch: &Arch) -> bool {
        match self {
            Scope::All => true,
            Scope::Arches(arches) => arch.is_noarch() || arches.contains(arch),
        }
    }
}

/// How a key came into a keyring. Only one that the configuration names itself is trusted for being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listing {
    /// It is one of Alpine's official keys.
    BuiltIn,
    /// It lies in a folder that the configuration names.
    InFolder,
    /// The configuration names its file.
    ByFile,
}

/// A key of a keyring.
#[derive(Clone, Debug)]
struct Member {
    key: PublicKey,
    scope: Scope,
    listing: Listing,
}

/// Public keys trusted for one source.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<Member>,
    sha1: Sha1Policy,
}

impl Keyring {
    /// A keyring of nobody.
    pub fn new() -> Self {
        Keyring::default()
    }

    /// Alpine's official keys, each for the arches that it signs, as Alpine's own key package lists them.
    pub fn official() -> Self {
        let mut keyring = Keyring::new();
        for (name, arches, pem) in OFFICIAL {
            let key = PublicKey::parse(name.parse().expect("built-in names are checked by a test"), pem.as_bytes())
                .expect("built-in keys are checked by a test");
            let arches =
                arches.iter().map(|arch| arch.parse().expect("built-in arches are checked by a test")).collect();
            keyring.keys.push(Member { key, scope: Scope::Arches(arches), listing: Listing::BuiltIn });
        }
        keyring
    }

    /// The same keys, SHA-1 trusted so far.
    pub fn under(self, sha1: Sha1Policy) -> Self {
        Keyring { sha1, ..self }
    }

    /// How far SHA-1 is trusted.
    pub fn sha1(&self) -> Sha1Policy {
        self.sha1
    }

    /// Trusts `key`, listed by file, for every arch.
    pub fn add(&mut self, key: PublicKey) -> Result<(), BadKey> {
        self.add_as(key, None, Listing::ByFile)
    }

    /// Trusts `key`, which came in as `listing` says, for `arch`, or for every arch.
    pub fn add_as(&mut self, key: PublicKey, arch: Option<Arch>, listing: Listing) -> Result<(), BadKey> {
        let scope = arch.map_or(Scope::All, |arch| Scope::Arches(vec![arch]));
        self.push(Member { key, scope, listing })
    }

    fn push(&mut self, member: Member) -> Result<(), BadKey> {
        let is_rival = |one: &Member| one.key.name == member.key.name && one.key.fingerprint != member.key.fingerprint;
        if self.keys.iter().any(is_rival) {
            return Err(BadKey::TwoOfOneName(member.key.name));
        }
        self.keys.push(member);
        Ok(())
    }

    /// The keys of both, each for its arches; SHA-1 trusted as far as here. Two keys of one name are none.
    pub fn and(&self, other: &Keyring) -> Result<Keyring, BadKey> {
        let mut both = self.clone();
        other.keys.iter().try_for_each(|member| both.push(member.clone()))?;
        Ok(both)
    }

    /// The key of this file name, if it is trusted for `arch`; `noarch` (a package's only) is covered by every key.
    pub fn find(&self, name: &KeyName, arch: &Arch) -> Option<&PublicKey> {
        let is_meant = |member: &&Member| member.key.name == *name && member.scope.covers(arch);
        self.keys.iter().find(is_meant).map(|member| &member.key)
    }

    /// How the key with this fingerprint came to be trusted for `arch`: the strongest way of several.
    pub fn listing(&self, fingerprint: &Fingerprint, arch: &Arch) -> Option<Listing> {
        let is_meant = |member: &&Member| member.key.fingerprint == *fingerprint && member.scope.covers(arch);
        self.keys.iter().filter(is_meant).map(|member| member.listing).max()
    }

    /// For which arches the key of this file name is trusted, in the order in which they were named; none: for all.
    pub fn arches(&self, name: &KeyName) -> Option<Vec<&Arch>> {
        let mut arches = Vec::new();
        for member in self.keys.iter().filter(|member| member.key.name == *name) {
            match &member.scope {
                Scope::All => return None,
                Scope::Arches(some) => arches.extend(some),
            }
        }
        Some(arches)
    }

    /// All keys, each once.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        let first = |at: usize| !self.keys[..at].iter().any(|have| have.key.name == self.keys[at].key.name);
        (0..self.keys.len()).filter(move |at| first(*at)).map(|at| &self.keys[at].key)
    }

    /// A word for each key: its name and fingerprint, and for which arches it is trusted; and one for how far SHA-1 is. Equal
    /// words, equal trust.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .keys
            .iter()
            .map(|Member { key, scope, .. }| format!("{} {} {scope:?}", key.name, key.fingerprint))
            .collect();
        words.sort();
        words.push(format!("sha1 {}", self.sha1.word()));
        words
    }

    /// Checks every signature whose key is trusted for `arch`. One bad one refuses all: a client that holds that key
    /// would stop at it, too. Where SHA-1 is refused, a good signature over it counts for nothing.
    pub fn verify(&self, arch: &Arch, message: &[u8], signatures: &[Signature]) -> Result<Vec<Signer>, Untrusted> {
        let (mut good, mut weak) = (Vec::new(), Vec::new());
        for signature in signatures {
            let Some(key) = self.find(&signature.key, arch) else { continue };
            match key.verifies_under(self.sha1, signature.algorithm, message, &signature.bytes) {
                Verdict::Bad => return Err(Untrusted::BadSignature(signature.key.clone())),
                Verdict::Collision => return Err(Untrusted::Sha1Collision(signature.key.clone())),
                Verdict::Good if signature.algorithm == Algorithm::Sha1 && self.sha1 == Sha1Policy::Refuse => {
                    weak.push(signature.key.clone());
                }
                Verdict::Good => {
                    let signer = Signer { key: key.name.clone(), fingerprint: key.fingerprint };
                    if !good.contains(&signer) {
                        good.push(signer);
                    }
                }
            }
        }
        if !good.is_empty() {
            return Ok(good);
        }
        if !weak.is_empty() {
            return Err(Untrusted::Sha1Refused(weak));
        }
        if signatures.is_empty() {
            return Err(Untrusted::Unsigned);
        }
        let elsewhere =
            signatures.iter().find(|signature| self.keys.iter().any(|member| member.key.name == signature.key));
        match elsewhere {
            Some(signature) => Err(Untrusted::OtherArch { key: signature.key.clone(), arch: arch.clone() }),
            None => Err(Untrusted::UnknownSigner(signatures.iter().map(|signature| signature.key.clone()).collect())),
        }
    }
}

/// Whose good signature was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key's file name.
    pub key: KeyName,
    /// Which key that was.
    pub fingerprint: Fingerprint,
}

/// Why no trust follows from a file's signatures.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Untrusted {
    /// No signature in a known form.
    #[error("it is not signed")]
    Unsigned,
    /// Only keys that nobody listed.
    #[error("signed by a key that is not in its keyring: {}", .0.iter().map(KeyName::as_str).collect::<Vec<_>>().join(", "))]
    UnknownSigner(Vec<KeyName>),
    /// A key of the keyring, but not for this arch.
    #[error("signed by {key}, which the keyring does not trust for {arch}")]
    OtherArch {
        /// The signature's key.
        key: KeyName,
        /// The arch that was asked for.
        arch: Arch,
    },
    /// Good signatures, but over SHA-1 alone.
    #[error("signed over SHA-1 alone, by {}, and [policy] sha1 = \"refuse\"", .0.iter().map(KeyName::as_str).collect::<Vec<_>>().join(", "))]
    Sha1Refused(Vec<KeyName>),
    /// A trusted key's good signature over SHA-1 of bytes that carry a known attack.
    #[error("what {0} signed carries a known SHA-1 collision attack: that signature is as good over other bytes")]
    Sha1Collision(KeyName),
    /// A trusted key's name over other bytes.
    #[error("bad signature of {0}: the bytes are not what that key signed")]
    BadSignature(KeyName),
}

macro_rules! official {
    ($($id:literal: $($arch:literal)*;)*) => {
        &[$((
            concat!("alpine-devel@lists.alpinelinux.org-", $id, ".rsa.pub"),
            &[$($arch),*],
            include_str!(concat!("official/alpine-devel@lists.alpinelinux.org-", $id, ".rsa.pub")),
        )),*]
    };
}

/// Name, arches, PEM.
const OFFICIAL: &[(&str, &[&str], &str)] = official! {
    "4a6a0840": "x86" "x86_64";
    "5243ef4b": "x86";
    "524d27bb": "armhf" "armv7";
    "5261cecb": "x86_64";
    "58199dcc": "aarch64";
    "58cbb476": "ppc64le";
    "58e4f17d": "s390x";
    "5e69ca50": "mips64";
    "60ac2099": "riscv64";
    "6165ee59": "x86_64";
    "61666e3f": "x86";
    "616a9724": "armhf";
    "616abc23": "ppc64le";
    "616ac3bc": "s390x";
    "616adfeb": "armv7";
    "616ae350": "aarch64";
    "616db30d": "riscv64";
    "66ba20fe": "loongarch64";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_keys_parse_and_stand_for_their_arches() {
        let keyring = Keyring::official();
        assert_eq!(keyring.keys().count(), 18);
        let new: KeyName = "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub".parse().unwrap();
        assert!(keyring.find(&new, &"x86_64".parse().unwrap()).is_some());
        assert!(keyring.find(&new, &"aarch64".parse().unwrap()).is_none());
    }

    #[test]
    fn what_is_no_public_key_is_refused_by_what_it_is() {
        let parse = |pem: &str| PublicKey::parse("k.rsa.pub".parse().unwrap(), pem.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            parse("-----BEGIN RSA PRIVATE KEY-----\n"),
            "public key k.rsa.pub is a private key; its public half (.rsa.pub) belongs here",
        );
        assert!(parse("-----BEGIN RSA PUBLIC KEY-----\n").contains("PKCS#1"));
        assert!(parse("hello").ends_with("is not an RSA key in PEM form (BEGIN PUBLIC KEY)"));
    }

    #[test]
    fn what_stands_around_a_key_is_not_handed_on() {
        let (_, _, pem) = OFFICIAL[0];
        let key = |text: &str| PublicKey::parse("k.rsa.pub".parse().unwrap(), text.as_bytes());
        let plain = key(pem).unwrap();
        for text in [format!("END\ntouch /x\n{pem}"), pem.replace('\n', "\r\n")] {
            let read = key(&text).unwrap();
            assert_eq!((read.pem(), read.fingerprint()), (plain.pem(), plain.fingerprint()), "{text:?}");
        }
        assert_eq!(plain.pem().trim(), pem.trim());
        assert!(key(&format!("{pem}touch /x\n")).is_err(), "and behind it nothing may stand");
    }

    #[test]
    fn two_keys_of_one_name_are_refused() {
        let (_, _, one) = OFFICIAL[0];
        let (_, _, two) = OFFICIAL[1];
        let key = |pem: &str| PublicKey::parse("k.rsa.pub".parse().unwrap(), pem.as_bytes()).unwrap();
        let mut keyring = Keyring::new();
        keyring.add(key(one)).unwrap();
        keyring.add(key(one)).unwrap();
        assert!(matches!(keyring.add(key(two)), Err(BadKey::TwoOfOneName(_))));
    }
}
