//! Another key of ours beside the one that signs, and the end of the old one: no client notices, if it has either.
//!
//! 1. [`rotate`]: the new key is made and recorded; then every index of ours, live and beside live, is signed by both and
//!    published again. Its text stays what it is, so nothing is merged and no package is read.
//! 2. Clients get the new public half, by hand or by the keyring package, while both sign.
//! 3. [`retire`]: the old key is recorded as retired; then every index is signed by the new one alone and published again.
//!
//! The record comes first each time: whatever ends a run between the two, the next sync signs by the record.

mod cannot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rsa::rand_core::TryCryptoRng;
use serde::Serialize;

use super::publish::{PlaceReport, remake, renew};
use super::seal::{SealWord, configured, digests, has_a_part, seal_of};
use super::sync::build::{accepted_ids, inputs};
use super::{Call, Error, Mirror, keyring_package, keys};
use crate::apk::KeyId;
use crate::apk::names::Place;
use crate::config::{Config, Signing};
use crate::disk::lock::Purpose;
use crate::ledger::{State, Withdrawn};
use crate::plan::publish::{Generation, Mode, RepositoryState, Wish};
use crate::report::Reporter;
use crate::sign::key_file::ModulusBits;
use crate::sign::rotation::{PlacedKey, Rotation, SigningRecord};
use crate::sign::{self, KeyFile, KeyPlace, Seal};
use crate::snapshot::IndexKey;

pub use cannot::CannotRotate;

/// Which key is to be the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewKey {
    /// One that is made now, beside the one that signs.
    Made {
        /// Its name, without `.rsa`; else that of the key that signs, with the time of the call in hex.
        name: Option<String>,
        /// Its modulus.
        bits: ModulusBits,
    },
    /// One that is there, in this file.
    Taken(PathBuf),
}

/// Whether a key is retired before clients had the time to get its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Not before `min_overlap` has passed.
    Kept,
    /// At once: the key is in wrong hands.
    CutShort,
}

/// What changed for keys and clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RotationReport {
    /// Who signs now, the newest first.
    pub signing: Vec<KeyId>,
    /// The file that is to be named as `key` in the configuration.
    pub file: PathBuf,
    /// Whether the configuration names another key than that.
    pub configuration_is_behind: bool,
    /// The key that was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<KeyId>,
    /// From when on the older key may be retired, while two sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ripe: Option<Timestamp>,
    /// New generations, one for each place that shows an index of ours.
    pub places: Vec<PlaceReport>,
    /// The keyring package that the next sync publishes, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring_package: Option<String>,
}

/// Puts another key beside the one that signs. A rotation that was recorded, and stopped before its indexes were published, is
/// brought to its end.
pub fn rotate(
    config: &Config,
    new: NewKey,
    call: Call,
    rng: &mut impl TryCryptoRng,
    reporter: &Arc<dyn Reporter>,
) -> Result<RotationReport, Error> {
    let signing = signing(config)?;
    let (mirror, _lock) = call.open(config, Purpose::Rotate)?;
    let mut record = mirror.ledger.signing()?;
    let before = seal_word(signing, &record)?;
    if record.rotation.is_none() {
        let alone = alone(signing, &record)?;
        let (old, new) = match (&new, formerly(&mirror, &record, &alone)?) {
            // The configuration names the new key already, and nothing was published by it yet.
            (NewKey::Made { name: None, .. }, Some(former)) => (former, alone),
            _ => {
                let new = new_key(&alone, new, call.now, rng)?;
                (alone, new)
            }
        };
        is_another(&record, &old.key, &new.key)?;
        record.rotation = Some(Rotation { old, new, since: call.now });
        mirror.ledger.save_signing(&record)?;
    } else if let Some(other) = other_than(record.rotation.as_ref(), &new)
        && !is_behind(&mirror, &seal_of(signing, &record)?)?
    {
        return Err(other.into());
    }
    sign_all_anew(&mirror, signing, &record, &before, None, call, reporter)
}

/// Ends the rotation: `word` names the key that signs no more.
pub fn retire(
    config: &Config,
    word: &str,
    overlap: Overlap,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<RotationReport, Error> {
    let signing = signing(config)?;
    let (mirror, _lock) = call.open(config, Purpose::Retire)?;
    let mut record = mirror.ledger.signing()?;
    let before = seal_word(signing, &record)?;
    let rotating = record.rotation.as_ref().map(|rotation| (rotation, [&rotation.old.key, &rotation.new.key]));
    let meant = rotating.and_then(|(rotation, keys)| {
        let [old, new] = keys;
        let meant = keys.into_iter().find(|key| key.is_meant_by(word))?;
        Some((rotation, meant.clone(), if meant == old { new.clone() } else { old.clone() }))
    });
    let Some((rotation, retired, successor)) = meant else {
        // Retired before, perhaps by a run that was stopped before its indexes were published.
        let again = record.retired.iter().find(|retired| retired.key.is_meant_by(word)).map(|one| one.key.clone());
        if let Some(again) = again.filter(|_| record.rotation.is_none()) {
            return sign_all_anew(&mirror, signing, &record, &before, Some(again), call, reporter);
        }
        let candidates = rotating.map(|(_, keys)| keys.map(KeyId::clone).to_vec()).unwrap_or_default();
        return Err(CannotRotate::NotRotating { word: word.to_owned(), candidates }.into());
    };
    let ripe = rotation.ripe(min_overlap(signing));
    if overlap == Overlap::Kept && call.now < ripe {
        return Err(CannotRotate::Unripe { old: retired, new: successor, ripe }.into());
    }
    if overlap == Overlap::Kept {
        alone(signing, &record)?;
        let is_old = retired == rotation.old.key;
        if let Some(package) = keyring_package::unpublished(&mirror, &record, &successor)?.filter(|_| is_old) {
            return Err(CannotRotate::Unpublished { package, old: retired, new: successor }.into());
        }
    }
    record.retire(&retired, call.now);
    // The successor must be there before the record says that it signs alone.
    seal_of(signing, &record)?;
    mirror.ledger.save_signing(&record)?;
    sign_all_anew(&mirror, signing, &record, &before, Some(retired), call, reporter)
}

/// The error for a rotation that is under way, unless it is the one that is asked for.
fn other_than(rotation: Option<&Rotation>, asked: &NewKey) -> Option<CannotRotate> {
    let Rotation { old, new, since } = rotation?;
    let same = matches!(asked, NewKey::Taken(path) if new.place.file() == absolute(path));
    (!same).then(|| CannotRotate::UnderWay { old: old.key.clone(), new: new.key.clone(), since: *since })
}

/// A file that is found again whatever folder a later run is started in.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn signing(config: &Config) -> Result<&Signing, CannotRotate> {
    config.signing.as_ref().ok_or_else(|| CannotRotate::NoSigning { config: config.file.clone() })
}

fn min_overlap(signing: &Signing) -> SignedDuration {
    SignedDuration::try_from(signing.min_overlap).unwrap_or(SignedDuration::MAX)
}

/// What of those who sign by `record` an index follows from. Of the keys only the configured one must be there: another may be
/// lost, which is why it is retired.
fn seal_word(signing: &Signing, record: &SigningRecord) -> Result<SealWord, sign::Error> {
    let (signer, place) = configured(signing)?;
    let own = PlacedKey { key: signer.id(), place };
    let keys: Vec<KeyId> = record.signers(&own).into_iter().map(|placed| placed.key).collect();
    Ok(SealWord::of_keys(&keys, digests(signing.digest)))
}

/// The key that signs alone.
fn alone(signing: &Signing, record: &SigningRecord) -> Result<PlacedKey, sign::Error> {
    let (signer, place) = configured(signing)?;
    let own = PlacedKey { key: signer.id(), place };
    has_a_part(&own, record)?;
    Ok(record.signers(&own).remove(0))
}

fn new_key(old: &PlacedKey, new: NewKey, now: Timestamp, rng: &mut impl TryCryptoRng) -> Result<PlacedKey, Error> {
    // What opens the old key opens the new one, too.
    let file = match (&old.place, new) {
        (KeyPlace::File(beside), NewKey::Taken(path)) => KeyFile { path: absolute(&path), ..beside.clone() },
        (_, NewKey::Taken(path)) => KeyFile::plain(absolute(&path)),
        (KeyPlace::File(beside), NewKey::Made { name, bits }) => {
            let folder = beside.path.parent().unwrap_or(Path::new("/"));
            let name = name.unwrap_or_else(|| keys::next_name(&old.key.name, now));
            let passphrase_file = beside.passphrase_file.as_deref();
            let made = keys::make_under(passphrase_file, folder, &name, bits, rng).map_err(Box::new)?;
            KeyFile { path: made.key.private, ..beside.clone() }
        }
        (_, NewKey::Made { .. }) => return Err(CannotRotate::Elsewhere { key: old.key.clone() }.into()),
    };
    let place = KeyPlace::File(file);
    let key = sign::open(&place)?.id();
    Ok(PlacedKey { key, place })
}

/// The key that signed what is live, where the configuration names another by now.
fn formerly(mirror: &Mirror<'_>, record: &SigningRecord, alone: &PlacedKey) -> Result<Option<PlacedKey>, Error> {
    let Some(number) = mirror.tree.live()? else { return Ok(None) };
    let live = mirror.ledger.generation_summary(number)?;
    let Some(keys) = live.repositories.iter().map(|state| &state.keys).find(|keys| !keys.is_empty()) else {
        return Ok(None);
    };
    let used = record.used.iter().find(|used| used.key == keys[0] && !keys.contains(&alone.key));
    Ok(used.map(|used| PlacedKey { key: used.key.clone(), place: used.place.clone() }))
}

/// Two keys of one name, or one key twice, are no rotation; and a retired key never signs again.
fn is_another(record: &SigningRecord, old: &KeyId, new: &KeyId) -> Result<(), CannotRotate> {
    if new.name == old.name || new.fingerprint == old.fingerprint {
        return Err(CannotRotate::SameName { key: old.clone() });
    }
    if record.is_retired(new) {
        return Err(CannotRotate::WasRetired { key: new.clone() });
    }
    Ok(())
}

/// Whether some index of ours that clients see is not signed by all who sign now, and by nobody else.
fn is_behind(mirror: &Mirror<'_>, seal: &Seal) -> Result<bool, Error> {
    let keys = seal.keys();
    for place in mirror.places()? {
        let Some(number) = mirror.tree.shown(&place)? else { continue };
        let shown = mirror.ledger.generation_summary(number)?;
        if shown.repositories.iter().any(|state| state.mode != Mode::Upstream && state.keys != keys) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Signs every index of ours by all who sign now, and publishes them.
fn sign_all_anew(
    mirror: &Mirror<'_>,
    signing: &Signing,
    record: &SigningRecord,
    before: &SealWord,
    retired: Option<KeyId>,
    call: Call,
    reporter: &Arc<dyn Reporter>,
) -> Result<RotationReport, Error> {
    let seal = seal_of(signing, record)?;
    let renewal = Renewal { seal: &seal, before, after: SealWord::of(&seal), withdrawn: mirror.ledger.withdrawn()? };
    let mut signed = Vec::new();
    for place in mirror.places()? {
        signed.extend(sign_anew(mirror, place, &renewal, call.now, reporter)?);
    }
    let package = keyring_package::refresh(mirror, &seal, call.now)?;
    let (own, _) = configured(signing)?;
    let newest = record.signers(&alone(signing, record)?).remove(0);
    Ok(RotationReport {
        signing: seal.keys(),
        configuration_is_behind: own.id() != newest.key,
        file: newest.place.file().to_owned(),
        retired,
        ripe: record.rotation.as_ref().map(|rotation| rotation.ripe(min_overlap(signing))),
        places: signed,
        keyring_package: package.map(|package| package.to_string()),
    })
}

/// With what every index is signed anew.
struct Renewal<'r> {
    seal: &'r Seal,
    /// What the indexes followed from until now.
    before: &'r SealWord,
    after: SealWord,
    withdrawn: Vec<Withdrawn>,
}

fn sign_anew(
    mirror: &Mirror<'_>,
    place: Place,
    renewal: &Renewal<'_>,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<Option<PlaceReport>, Error> {
    let Some(shown) = mirror.published(&place)? else { return Ok(None) };
    let keys = renewal.seal.keys();
    let origins = Origins::of(mirror, &shown)?;
    let (mut wishes, mut made) = (Vec::new(), Vec::new());
    for state in &shown.repositories {
        if state.mode == Mode::Upstream || state.keys == keys {
            wishes.push(Wish::Former(state.name.clone(), state.arch.clone()));
            continue;
        }
        let mut again = remake(mirror, shown.number, state, &renewal.withdrawn)?;
        if again.state.content == state.content {
            again.state.inputs = origins.renewed(mirror, state, renewal)?;
        }
        wishes.push(Wish::Listing(Box::new(again.state.clone())));
        made.push(again);
    }
    if made.is_empty() {
        return Ok(None);
    }
    renew(mirror, place, (&shown, shown.clone()), (wishes, made), now, reporter).map(Some)
}

/// From what the indexes of a generation followed.
struct Origins {
    number: u64,
    accepted: BTreeMap<IndexKey, String>,
    known: State,
}

impl Origins {
    fn of(mirror: &Mirror<'_>, generation: &Generation) -> Result<Self, Error> {
        let accepted = match generation.snapshot.parse() {
            Ok(id) => accepted_ids(&mirror.ledger.snapshot(&id)?),
            Err(_) => BTreeMap::new(),
        };
        Ok(Origins { number: generation.number, accepted, known: mirror.ledger.state()? })
    }

    /// From what an index follows that is signed anew: from what it followed before, but for the keys, as long as that is what
    /// today's rules would lead to. Else from nothing that a sync would recognise: the next one decides it anew.
    fn renewed(&self, mirror: &Mirror<'_>, state: &RepositoryState, renewal: &Renewal<'_>) -> Result<String, Error> {
        let mut repositories = mirror.config.repositories.iter();
        let Some(repository) = repositories.find(|repository| repository.name == state.name) else {
            return Ok(String::new());
        };
        let inputs = |word| inputs(mirror, repository, &state.arch, &self.accepted, Some(word), &renewal.withdrawn);
        match self.known.follows(self.number, state, &inputs(renewal.before)?) {
            true => inputs(&renewal.after),
            false => Ok(String::new()),
        }
    }
}

/// The state of our keys, for those who look.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SigningStatus {
    /// Who signs, the newest first.
    pub keys: Vec<KeyId>,
    /// Since when two sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotating_since: Option<Timestamp>,
    /// From when on the older key may be retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ripe: Option<Timestamp>,
    /// Keys that never sign again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<KeyId>,
}

/// What is known of our keys without reading a private half: who signed what is live, and what is recorded.
pub(super) fn status(config: &Config, record: &SigningRecord, live: Option<&[RepositoryState]>) -> SigningStatus {
    let shown = live.into_iter().flatten().find(|state| !state.keys.is_empty());
    let rotation = record.rotation.as_ref();
    SigningStatus {
        keys: shown.map(|state| state.keys.clone()).unwrap_or_default(),
        rotating_since: rotation.map(|rotation| rotation.since),
        ripe: rotation.zip(config.signing.as_ref()).map(|(rotation, signing)| rotation.ripe(min_overlap(signing))),
        retired: record.retired.iter().map(|retired| retired.key.clone()).collect(),
    }
}
