//! Who signs in this run: the configured key, and with it whoever the record of our keys names beside it or in its place.
//!
//! A key may take a passphrase's rounds or a token's PIN to be reached, so a run reaches each once: [`seal`] asks when it is
//! called first and keeps the answer. A run that changes who signs calls it after the change is recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Error, Mirror};
use crate::apk::{KeyId, SourceName};
use crate::config::{Config, Digest, ExposedKey, KeyHolder, Signing, TokenModule};
use crate::disk::layout::Store;
use crate::disk::private_file::Exposed;
use crate::ledger::Ledger;
use crate::sign::rotation::{Noted, PlacedKey, Rotation, SigningRecord};
use crate::sign::token::Wanted;
use crate::sign::{self, CommandKey, Digests, KeyFile, KeyPlace, Seal, Signer, TokenKey};
use crate::verify::Keyring;
use crate::verify::keyring::PublicKey;

/// All that sign, and where each key is, in the same order.
#[derive(Debug)]
pub(in crate::jobs) struct Signers {
    seal: Seal,
    placed: Vec<PlacedKey>,
}

/// All that sign, where some repository needs it.
pub(in crate::jobs) fn seal<'m>(mirror: &'m Mirror<'_>) -> Result<Option<&'m Seal>, Error> {
    Ok(signers_of(mirror)?.map(|signers| &signers.seal))
}

fn signers_of<'m>(mirror: &'m Mirror<'_>) -> Result<Option<&'m Signers>, Error> {
    if let Some(known) = mirror.signers.get() {
        return Ok(known.as_ref());
    }
    let found = match signing_that_is_needed(mirror) {
        Some(signing) => {
            let record = mirror.ledger.signing()?;
            let (placed, signers): (_, Vec<_>) = signers(signing, &record)?.into_iter().unzip();
            let seal = sealed(signing, signers);
            require_record(mirror, &record, &seal)?;
            Some(Signers { seal, placed })
        }
        None => None,
    };
    Ok(mirror.signers.get_or_init(|| found).as_ref())
}

/// What is live was signed, so who did is remembered. Where nothing is, a key that was retired could sign again.
fn require_record(mirror: &Mirror<'_>, record: &SigningRecord, seal: &Seal) -> Result<(), Error> {
    let Some(number) = mirror.tree.live()?.filter(|_| record.used.is_empty()) else { return Ok(()) };
    let live = mirror.ledger.generation_summary(number)?;
    let signed = live.repositories.into_iter().find_map(|state| state.keys.into_iter().next());
    match signed.filter(|signed| *signed != seal.keys()[0]) {
        Some(signed) => Err(Error::KeysForgotten { path: mirror.store.signing_file(), signed: signed.name }),
        None => Ok(()),
    }
}

fn signing_that_is_needed<'c>(mirror: &Mirror<'c>) -> Option<&'c Signing> {
    let needed = mirror.config.repositories.iter().any(|repository| repository.index.has_our_signature());
    mirror.config.signing.as_ref().filter(|_| needed)
}

/// All that sign when `signing` is configured, by what is remembered of our keys.
pub(in crate::jobs) fn seal_of(signing: &Signing, record: &SigningRecord) -> Result<Seal, sign::Error> {
    Ok(sealed(signing, signers(signing, record)?.into_iter().map(|(_, signer)| signer)))
}

fn sealed(signing: &Signing, signers: impl IntoIterator<Item = Box<dyn Signer>>) -> Seal {
    let mut signers = signers.into_iter();
    let first = signers.next().expect("somebody always signs: at least the configured key");
    Seal::of(first, digests(signing.digest)).and(signers)
}

/// A key that signs, and where it is.
pub(in crate::jobs) type Placed = (PlacedKey, Box<dyn Signer>);

/// The same one by one, the newest first; at least one.
pub(in crate::jobs) fn signers(signing: &Signing, record: &SigningRecord) -> Result<Vec<Placed>, sign::Error> {
    let (configured, place) = configured(signing)?;
    let own = PlacedKey { key: configured.id(), place };
    has_a_part(&own, record)?;
    let mut configured = Some(configured);
    let mut signers = Vec::new();
    for placed in record.signers(&own) {
        let signer = match configured.take_if(|_| placed.key == own.key) {
            Some(signer) => signer,
            None => open(&placed)?,
        };
        signers.push((placed, signer));
    }
    Ok(signers)
}

/// Refuses a configured key by which clients would be shut out although they have what they were given: one beside the two of a
/// rotation, and another one under the name of one that signed.
pub(in crate::jobs) fn has_a_part(own: &PlacedKey, record: &SigningRecord) -> Result<(), sign::Error> {
    if let Some(Rotation { old, new, .. }) = record.rotation_without(own) {
        let [old, new] = [old, new].map(|placed| placed.key.name.clone());
        return Err(sign::Error::BesideRotation { configured: own.key.name.clone(), old, new });
    }
    match record.namesake(&own.key) {
        None => Ok(()),
        Some(namesake) => Err(sign::Error::Changed {
            path: own.place.file().to_owned(),
            name: own.key.name.clone(),
            expected: namesake.fingerprint.clone(),
            found: own.key.fingerprint.clone(),
        }),
    }
}

/// The configured key and where it is.
pub(in crate::jobs) fn configured(signing: &Signing) -> Result<(Box<dyn Signer>, KeyPlace), sign::Error> {
    let place = place_of(signing);
    Ok((sign::open(&place)?, place))
}

/// Where the configured key is.
pub(in crate::jobs) fn place_of(signing: &Signing) -> KeyPlace {
    match &signing.holder {
        KeyHolder::File { passphrase_file, exposed } => KeyPlace::File(KeyFile {
            path: signing.key.clone(),
            passphrase_file: passphrase_file.clone(),
            exposed: exposed_of(*exposed),
        }),
        KeyHolder::Command { command, folder, timeout } => KeyPlace::Command(CommandKey {
            public: signing.key.clone(),
            command: command.clone(),
            folder: folder.clone(),
            timeout: *timeout,
        }),
        KeyHolder::Token { token, pin_file, exposed } => KeyPlace::Token(TokenKey {
            public: signing.key.clone(),
            library: match &token.module {
                TokenModule::Path(path) => path.into(),
                TokenModule::Name(name) => format!("lib{name}.so").into(),
            },
            wanted: Wanted {
                token: token.token.clone(),
                serial: token.serial.clone(),
                object: token.object.clone(),
                id: token.id.clone(),
            },
            pin_file: pin_file.clone(),
            exposed: exposed_of(*exposed),
        }),
    }
}

/// What becomes of a secret that others may read, in the words of whoever reads it.
fn exposed_of(exposed: ExposedKey) -> Exposed {
    match exposed {
        ExposedKey::Refuse => Exposed::Refuse,
        ExposedKey::Accept => Exposed::Accept,
    }
}

/// A key that was recorded, which must still be that key.
pub(in crate::jobs) fn open(placed: &PlacedKey) -> Result<Box<dyn Signer>, sign::Error> {
    let signer = sign::open(&placed.place)?;
    if signer.fingerprint() != placed.key.fingerprint {
        return Err(sign::Error::Changed {
            path: placed.place.file().to_owned(),
            name: placed.key.name.clone(),
            expected: placed.key.fingerprint.clone(),
            found: signer.fingerprint(),
        });
    }
    Ok(signer)
}

/// The signatures that the configuration's word stands for.
pub(in crate::jobs) fn digests(digest: Digest) -> Digests {
    match digest {
        Digest::Sha256 => Digests::Sha256,
        Digest::Sha256AndSha1 => Digests::Sha256AndSha1,
    }
}

/// All that sign by `config`, whether or not there is a store that remembers more than the configured key; none where nothing
/// is configured to sign with.
pub(in crate::jobs) fn of_config(config: &Config) -> Result<Option<Seal>, Error> {
    let Some(signing) = &config.signing else { return Ok(None) };
    Ok(Some(seal_of(signing, &remembered(config)?)?))
}

/// What the store remembers of our keys; nothing where there is none yet.
pub(in crate::jobs) fn remembered(config: &Config) -> Result<SigningRecord, Error> {
    Ok(Ledger::new(Store::look(&config.store)?).signing()?)
}

/// Remembers whoever signs from now on, with the public half: what was signed is checked by it later.
pub(in crate::jobs) fn note_used(mirror: &Mirror<'_>, now: Timestamp) -> Result<(), Error> {
    let Some(signers) = signers_of(mirror)? else { return Ok(()) };
    let mut record = mirror.ledger.signing()?;
    let mut noted = Noted::Before;
    for (placed, signer) in signers.placed.iter().zip(signers.seal.signers()) {
        if record.note_used(placed.clone(), signer.public_pem(), now) == Noted::New {
            noted = Noted::New;
        }
    }
    if noted == Noted::New {
        mirror.ledger.save_signing(&record)?;
    }
    Ok(())
}

/// Fails where a source trusts another key under the name of one of ours: a client could have only one of the two files.
pub(in crate::jobs) fn refuse_namesakes(
    seal: &Seal,
    keyrings: &BTreeMap<SourceName, Arc<Keyring>>,
) -> Result<(), Error> {
    for (source, keyring) in keyrings {
        for ours in seal.keys() {
            let is_namesake =
                |key: &PublicKey| *key.name() == ours.name && key.fingerprint().to_string() != ours.fingerprint;
            if keyring.keys().any(is_namesake) {
                return Err(Error::Namesake { name: ours.name, of: source.clone() });
            }
        }
    }
    Ok(())
}

/// What of a seal an index follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::jobs) struct SealWord(String);

impl SealWord {
    pub(in crate::jobs) fn of(seal: &Seal) -> Self {
        SealWord::of_keys(&seal.keys(), seal.digests())
    }

    /// The word of a seal whose keys need not be there any more.
    pub(in crate::jobs) fn of_keys(keys: &[KeyId], digests: Digests) -> Self {
        let keys: Vec<&str> = keys.iter().map(|key| key.fingerprint.as_str()).collect();
        SealWord(format!("{}\0{digests:?}", keys.join(" ")))
    }
}

impl fmt::Display for SealWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
