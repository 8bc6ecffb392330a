//! What speaks for a key that signs a source's index for the first time, and what against it.

use std::io::BufReader;

use super::Mirror;
use super::indexes::Asked;
use crate::apk::Entry;
use crate::snapshot::accepted::Record;
use crate::snapshot::{IndexKey, Role};
use crate::verify::Keyring;
use crate::verify::keyring::Signer;
use crate::verify::keys_package;

/// What the names of packages of keys end in.
const KEYS: &str = "-keys";

/// Lines about `signer`, who signed the index of `key`.
pub(super) fn evidence(mirror: &Mirror<'_>, asked: &Asked, key: &IndexKey, signer: &Signer) -> Vec<String> {
    let mut lines = vec![official(key, signer)];
    let packages = packages(mirror, asked, key);
    let found: Vec<String> = packages.iter().filter_map(|package| package.says_of(mirror, signer)).collect();
    match found.is_empty() {
        true => lines.push(format!(
            "no package of keys (*{KEYS}) that a recorded signer vouched for is here and holds it ({} looked into)",
            packages.len()
        )),
        false => lines.extend(found),
    }
    lines
}

fn official(key: &IndexKey, signer: &Signer) -> String {
    let official = Keyring::official();
    let arch = &key.arch;
    match (official.listing(&signer.fingerprint, arch), official.keys().find(|one| *one.name() == signer.key)) {
        (Some(_), _) => format!("it is one of Alpine's official keys for {arch}, by the list built in"),
        (None, Some(one)) if one.fingerprint() == signer.fingerprint => {
            format!("it is one of Alpine's official keys, but not for {arch}, by the list built in")
        }
        (None, Some(_)) => "an official key of Alpine's has this name, and is ANOTHER key".to_owned(),
        (None, None) => "it is none of Alpine's official keys, by the list built in".to_owned(),
    }
}

/// A package of keys that an index in force lists which a recorded signer signed.
struct Package {
    entry: Entry,
    /// What was accepted, when and by whose signature.
    record: Record,
    vouches: String,
}

/// All of them, of indexes of the same source and arch.
fn packages(mirror: &Mirror<'_>, asked: &Asked, key: &IndexKey) -> Vec<Package> {
    let mut packages = Vec::new();
    let in_force = asked.snapshot.iter().flat_map(|snapshot| &snapshot.indexes);
    let is_near = |one: &IndexKey| one.source == key.source && one.arch == key.arch;
    for one in in_force.filter(|one| one.role == Role::Listed && is_near(&one.key)) {
        // Evidence that cannot be read is none; damage is told where it matters.
        let Ok(accepted) = mirror.ledger.accepted(&one.accepted) else { continue };
        let record = accepted.record();
        let recorded = asked.trust.signers(&key.source, &key.arch).map(|signers| &signers.recorded[..]);
        let is_recorded = |fingerprint: &str| {
            recorded.is_some_and(|recorded| recorded.iter().any(|one| one.fingerprint == fingerprint))
        };
        let Some(vouches) = record.signers.iter().find(|signer| is_recorded(&signer.fingerprint)) else { continue };
        let of_keys = accepted.entries().iter().filter(|entry| entry.name().as_str().ends_with(KEYS));
        packages.extend(of_keys.filter(|entry| mirror.pool.find(entry).is_some()).map(|entry| Package {
            entry: entry.clone(),
            record: record.clone(),
            vouches: vouches.key.to_string(),
        }));
    }
    packages
}

impl Package {
    /// What it says of a key, if it says anything.
    fn says_of(&self, mirror: &Mirror<'_>, signer: &Signer) -> Option<String> {
        let object = mirror.pool.find(&self.entry)?;
        let file = std::fs::File::open(mirror.pool.path(&object)).ok()?;
        let keys = keys_package::public_keys(BufReader::new(file)).ok()?;
        let told = |what: &str| {
            format!(
                "{} {what} (accepted {}, vouched for by {})",
                self.entry.file(),
                self.record.time.strftime("%Y-%m-%d"),
                self.vouches
            )
        };
        if keys.iter().any(|key| key.fingerprint() == signer.fingerprint) {
            return Some(told("holds this very key"));
        }
        keys.iter().any(|key| *key.name() == signer.key).then(|| told("holds ANOTHER key under this name"))
    }
}
