//! Our signing key and the keys we trust: make, list, export.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rsa::rand_core::TryCryptoRng;
use serde::{Serialize, Serializer};

use super::seal::signers;
use super::{key_age, keyring};
use crate::apk::names::BadName;
use crate::apk::{Arch, KeyId, KeyName, SourceName};
use crate::config::{Config, KeyringChoice};
use crate::disk::durable;
use crate::disk::layout::{self, Store};
use crate::disk::private_file::Exposed;
use crate::error::{Class, Trouble};
use crate::sign::key_file::{Passphrase, PrivateKey};
use crate::sign::rotation::{PlacedKey, SigningRecord};
use crate::sign::{self, Signer};
use crate::{ledger, ledger::Ledger};

pub use crate::sign::key_file::ModulusBits;

/// Why a job on keys failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Our own key.
    #[error(transparent)]
    Key(#[from] sign::Error),
    /// The keys that a source trusts.
    #[error("keyring of source \"{source_name}\" is not usable")]
    Keyring {
        /// Which source.
        source_name: SourceName,
        /// Why.
        #[source]
        source: keyring::Error,
    },
    /// A new key's name.
    #[error("no key can have this name")]
    Name(#[source] BadName),
    /// No key that signs is meant.
    #[error("no key that signs is called \"{word}\"")]
    NoSuchKey {
        /// As it was typed.
        word: String,
        /// Those that sign.
        names: Vec<KeyName>,
    },
    /// Another key's file has the name.
    #[error("{} is there already and holds another key", .path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// What is remembered of our keys.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] layout::Error),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] durable::Error),
    /// There is no key to export.
    #[error("{} names no signing key", .config.display())]
    NoSigning {
        /// The configuration.
        config: PathBuf,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Key(error) => error.class(),
            Error::Keyring { source, .. } => source.class(),
            Error::Ledger(error) => error.class(),
            Error::Store(error) => error.class(),
            Error::Disk(error) => error.class(),
            Error::Name(_) | Error::NoSigning { .. } | Error::NoSuchKey { .. } | Error::InTheWay { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Key(error) => error.code(),
            Error::Keyring { source, .. } => source.code(),
            Error::Ledger(error) => error.code(),
            Error::Store(error) => error.code(),
            Error::Disk(error) => error.code(),
            Error::NoSuchKey { .. } => "no-such-key",
            Error::InTheWay { .. } => "key-exists",
            Error::Name(_) => "key-name",
            Error::NoSigning { .. } => "no-signing-key",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Key(error) => error.hint(),
            Error::Keyring { source, .. } => source.hint(),
            Error::Ledger(error) => error.hint(),
            Error::Store(error) => error.hint(),
            Error::Disk(error) => error.hint(),
            Error::NoSuchKey { names, .. } => {
                Some(format!("these sign now: {}", names.iter().map(KeyName::as_str).collect::<Vec<_>>().join(", ")))
            }
            Error::Name(_) | Error::InTheWay { .. } => None,
            Error::NoSigning { .. } => Some("`bivouac key new` makes one; name it under [signing] as key".into()),
        }
    }
}

/// A signing key and its two files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnKey {
    /// The public half's file name.
    pub name: KeyName,
    /// The modulus's bits.
    pub bits: usize,
    /// SHA-256 of the public half's DER, hex.
    pub fingerprint: String,
    /// The private half; where a program or a token holds it, the public one.
    pub private: PathBuf,
}

impl OwnKey {
    fn of(key: &dyn Signer, private: PathBuf) -> Self {
        OwnKey { name: key.key_name().clone(), bits: key.bits(), fingerprint: key.fingerprint(), private }
    }
}

/// A key with its age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aged<K> {
    /// The key.
    #[serde(flatten)]
    pub key: K,
    /// When it was made: by its name, for one of ours else by its file's time.
    pub made: Option<Timestamp>,
    /// The time since then.
    #[serde(rename = "age_seconds", serialize_with = "seconds_if_any")]
    pub age: Option<Duration>,
}

impl<K> Aged<K> {
    fn since(made: Option<Timestamp>, key: K, now: Timestamp) -> Self {
        Aged { key, made, age: made.map(|made| key_age::age(made, now)) }
    }
}

fn seconds_if_any<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs()).serialize(serializer)
}

/// A key that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewKey {
    /// The key.
    #[serde(flatten)]
    pub key: OwnKey,
    /// Whether its private half is encrypted.
    pub encrypted: bool,
}

/// A key whose signatures are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustedKey {
    /// For which source.
    pub source: SourceName,
    /// For which arches; absent: for all.
    pub arches: Option<Vec<Arch>>,
    /// The public key's file name.
    pub name: KeyName,
    /// SHA-256 of its DER, hex.
    pub fingerprint: String,
    /// Whether it is one of Alpine's built-in keys.
    pub built_in: bool,
}

/// Every key that a configuration names, and those that signed before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyList {
    /// What we sign with; during a rotation the newer one.
    pub signing: Option<Aged<OwnKey>>,
    /// What signs beside it until it is retired.
    pub retiring: Vec<Aged<OwnKey>>,
    /// What never signs again.
    pub retired: Vec<KeyId>,
    /// What is trusted, by source.
    pub trusted: Vec<Aged<TrustedKey>>,
}

/// The public half of a key of ours, for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicHalf {
    /// Its file name in `/etc/apk/keys`.
    pub name: KeyName,
    /// SHA-256 of its DER, hex.
    pub fingerprint: String,
    /// The file's content.
    pub pem: String,
}

/// Makes a key and writes both halves into `folder`, the private one in the clear. `name` is the private half's file name;
/// `.rsa` is added where it is missing.
pub fn make(folder: &Path, name: &str, bits: ModulusBits, rng: &mut impl TryCryptoRng) -> Result<OwnKey, Error> {
    let key = generate(name, bits, rng)?;
    let private = key.store(folder).map_err(sign::Error::from)?;
    Ok(OwnKey::of(&key, private))
}

/// The same; where a file holds a passphrase, the private half is encrypted with it.
pub fn make_under(
    passphrase_file: Option<&Path>,
    folder: &Path,
    name: &str,
    bits: ModulusBits,
    rng: &mut impl TryCryptoRng,
) -> Result<NewKey, Error> {
    let Some(file) = passphrase_file else {
        return Ok(NewKey { key: make(folder, name, bits, rng)?, encrypted: false });
    };
    // Before the seconds that a key takes.
    let passphrase = Passphrase::load(file, Exposed::Refuse).map_err(sign::Error::from)?;
    let key = generate(name, bits, rng)?;
    let private = key.store_encrypted(folder, &passphrase, rng).map_err(sign::Error::from)?;
    Ok(NewKey { key: OwnKey::of(&key, private), encrypted: true })
}

fn generate(name: &str, bits: ModulusBits, rng: &mut impl TryCryptoRng) -> Result<PrivateKey, Error> {
    let stem = name.strip_suffix(".rsa").unwrap_or(name);
    let public = format!("{stem}.rsa.pub").parse().map_err(Error::Name)?;
    Ok(PrivateKey::generate(bits, public, rng).map_err(sign::Error::from)?)
}

/// The name that a new key has unless another is asked for: `user@host-` and the time in hex, as abuild-keygen does.
/// Characters that a key's name cannot have are left out.
pub fn usual_name(user: &str, host: &str, now: SystemTime) -> String {
    let part = |text: &str, otherwise: &str| {
        let kept = |letter: &char| letter.is_ascii_alphanumeric() || "._+-".contains(*letter);
        let clean: String = text.chars().filter(kept).take(64).collect();
        let clean = clean.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric());
        if clean.is_empty() { otherwise.to_owned() } else { clean.to_owned() }
    };
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{}@{}-{seconds:08x}", part(user, "bivouac"), part(host, "localhost"))
}

/// The name of the key that follows on `former`: the same, with the time in hex as abuild-keygen puts it at the end.
pub(super) fn next_name(former: &KeyName, now: Timestamp) -> String {
    let stem = former.as_str().trim_end_matches(".pub").trim_end_matches(".rsa");
    let is_time = |end: &str| end.len() == 8 && end.bytes().all(|digit| digit.is_ascii_hexdigit());
    let base = stem.rsplit_once('-').filter(|(_, end)| is_time(end)).map_or(stem, |(base, _)| base);
    format!("{base}-{:08x}", now.as_second())
}

/// Every key that the configuration signs with and trusts.
pub fn list(config: &Config, now: Timestamp) -> Result<KeyList, Error> {
    let record = remembered(config)?;
    let mut ours = Vec::new();
    if let Some(signing) = &config.signing {
        for (PlacedKey { place, .. }, signer) in signers(signing, &record)? {
            let made = key_age::made(signer.key_name(), place.file(), now);
            ours.push(Aged::since(made, OwnKey::of(&*signer, place.file().to_owned()), now));
        }
    }
    let mut ours = ours.into_iter();
    let mut trusted = Vec::new();
    for (name, source) in &config.sources {
        let keyring = keyring::load(&source.keyring)
            .map_err(|error| Error::Keyring { source_name: name.clone(), source: error })?;
        trusted.extend(keyring.keys().map(|key| {
            let trusted = TrustedKey {
                source: name.clone(),
                arches: keyring.arches(key.name()).map(|arches| arches.into_iter().cloned().collect()),
                name: key.name().clone(),
                fingerprint: key.fingerprint().to_string(),
                built_in: source.keyring == KeyringChoice::Official,
            };
            // The file's time is that of a copy.
            Aged::since(key_age::made_by_name(key.name(), now), trusted, now)
        }));
    }
    let retired = record.retired.into_iter().map(|retired| retired.key).collect();
    Ok(KeyList { signing: ours.next(), retiring: ours.collect(), retired, trusted })
}

/// What the store remembers of our keys; nothing where there is none yet.
fn remembered(config: &Config) -> Result<SigningRecord, Error> {
    Ok(Ledger::new(Store::look(&config.store)?).signing()?)
}

/// The public halves of the keys that sign by the configuration, the newest first; of `word`, a name or the beginning of a
/// fingerprint, that one alone. They follow from the private halves: no second file is trusted to be their match.
pub fn export(config: &Config, word: Option<&str>) -> Result<Vec<PublicHalf>, Error> {
    let signing = config.signing.as_ref().ok_or_else(|| Error::NoSigning { config: config.file.clone() })?;
    let all = signers(signing, &remembered(config)?)?;
    let names = || all.iter().map(|(_, signer)| signer.key_name().clone()).collect();
    let half = |signer: &dyn Signer| PublicHalf {
        name: signer.key_name().clone(),
        fingerprint: signer.fingerprint(),
        pem: signer.public_pem(),
    };
    let is_meant = |signer: &dyn Signer| word.is_none_or(|word| signer.id().is_meant_by(word));
    let meant: Vec<PublicHalf> =
        all.iter().map(|(_, signer)| &**signer).filter(|signer| is_meant(*signer)).map(half).collect();
    match (meant.is_empty(), word) {
        (true, Some(word)) => Err(Error::NoSuchKey { word: word.to_owned(), names: names() }),
        _ => Ok(meant),
    }
}

/// Writes each of `halves` into `folder` (made where it is missing) under the name that clients look it up by, mode 0644, and
/// returns the files. One that is there with the same content is left; another key's file is never overwritten, and then
/// nothing is written at all.
pub fn export_to(folder: &Path, halves: &[PublicHalf]) -> Result<Vec<PathBuf>, Error> {
    let mut missing = Vec::new();
    for half in halves {
        let path = folder.join(half.name.as_str());
        match durable::read_if_present(&path)? {
            Some(there) if there == half.pem.as_bytes() => {}
            Some(_) => return Err(Error::InTheWay { path }),
            None => missing.push((path, half)),
        }
    }
    durable::create_folder(folder, 0o755)?;
    for (path, half) in missing {
        durable::write(&path, half.pem.as_bytes(), 0o644)?;
    }
    Ok(halves.iter().map(|half| folder.join(half.name.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_names_of_keys() {
        let now = UNIX_EPOCH + Duration::from_secs(0x6743_a0c1);
        for (user, host, expected) in [
            ("ops", "build.example.org", "ops@build.example.org-6743a0c1"),
            ("", "", "bivouac@localhost-6743a0c1"),
            ("-x y/z", "../h\n", "xyz@h-6743a0c1"),
            ("jürgen", "ö", "jrgen@localhost-6743a0c1"),
        ] {
            let name = usual_name(user, host, now);
            assert_eq!(name, expected);
            assert!(format!("{name}.rsa.pub").parse::<KeyName>().is_ok(), "{name}");
        }
        let long = usual_name(&"u".repeat(1000), &"h".repeat(1000), now);
        assert!(format!("{long}.rsa.pub").parse::<KeyName>().is_ok(), "{long}");
    }

    #[test]
    fn the_next_keys_name_is_the_former_with_another_time() {
        let now = Timestamp::from_second(0x6a00_0001).unwrap();
        for (former, next) in [
            ("ops@example.org-6743a0c1.rsa.pub", "ops@example.org-6a000001"),
            ("ops@my-host.rsa.pub", "ops@my-host-6a000001"),
            ("plain.pub", "plain-6a000001"),
        ] {
            assert_eq!(next_name(&former.parse().unwrap(), now), next, "{former}");
        }
    }

    #[test]
    fn a_hostile_name_makes_no_key() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "../x", "a/b", ".hidden", "a b"] {
            // "" becomes ".rsa.pub", which is hidden.
            let error = make(folder.path(), name, ModulusBits::Rsa2048, &mut getrandom::SysRng).unwrap_err();
            assert_eq!((error.code(), error.class()), ("key-name", Class::Usage), "{name:?}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
