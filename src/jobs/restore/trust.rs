//! Which backup is meant, and why it is believed.
//!
//! The fingerprint on the disk's label is the proof. The encrypted part names the same one: under a passphrase only who knows
//! that could have written it; to a recipient anybody could who knows the recipient's public name, so there it tells no more than
//! that nobody changed one without the other.

use std::path::PathBuf;

use serde::Serialize;

use super::CannotRestore;
use crate::apk::KeyId;
use crate::backup::catalog::ids;
use crate::backup::vault::{Identities, Opener, Passphrase, Vault};
use crate::backup::{Backup, Target, Unverified};
use crate::disk::private_file::Exposed;
use crate::jobs::Error;
use crate::plan::restore::meant;
use crate::snapshot::backup::BackupId;

/// So many digits of a fingerprint tell one key from any that somebody could make.
const FEWEST_DIGITS: usize = 16;

/// What opens the encrypted part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenWith {
    /// The identity of a recipient, in this file.
    Identity(PathBuf),
    /// The passphrase in this file.
    PassphraseFile(PathBuf),
}

/// Whom a restore trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The fingerprint of the key that must have signed, or its first digits.
    pub key: Option<String>,
    /// What opens the encrypted part.
    pub open_with: Option<OpenWith>,
}

/// Why a backup is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The key on the disk's label signed it.
    Label,
    /// Who knows the passphrase names the signer.
    Passphrase,
    /// Whoever knows a recipient's public name, which stands on the disk, names the signer: that is no proof of who wrote it.
    Recipient,
}

/// A backup that is believed, and its encrypted part, where it was opened.
#[derive(Debug)]
pub(super) struct Believed {
    pub(super) backup: Backup,
    pub(super) vault: Option<Vault>,
    pub(super) signer: KeyId,
    pub(super) proof: Proof,
}

/// Finds the backup that `at` means, and believes it or says why not.
pub(super) fn believed(target: &Target, at: Option<&str>, trust: &Trust) -> Result<Believed, Error> {
    let place = target.place().shown();
    let (ids, _) = ids(target)?;
    let id = meant(&ids, at).map_err(|cause| CannotRestore::NoBackup { place: place.clone(), cause })?;
    let unverified = match (Unverified::open(target, id), at) {
        (Ok(unverified), _) => unverified,
        (Err(cause), None) => return Err(CannotRestore::Newest { cause, older: older(target, &ids, id) }.into()),
        (Err(error), Some(_)) => return Err(CannotRestore::from(error).into()),
    };
    let wanted = trust.key.as_deref().map(digits).transpose()?;
    let signers = unverified.signers().to_vec();
    if wanted.is_none() && trust.open_with.is_none() {
        let manifest = Box::new(unverified.manifest().clone());
        return Err(CannotRestore::Untrusted { place, manifest, signers }.into());
    }
    let by_label = |key: &&KeyId| wanted.as_ref().is_none_or(|wanted| key.fingerprint.starts_with(wanted));
    // The label first: of what it speaks against nothing is opened.
    if let Some(wanted) = wanted.clone().filter(|_| !signers.iter().any(|key| by_label(&key))) {
        let by_it = ids.iter().rev().find(|id| is_by(target, id, &wanted)).cloned();
        return Err(CannotRestore::OtherKey { id: id.clone(), wanted, signers, by_it }.into());
    }
    let vault = trust.open_with.as_ref().map(|with| open(target, &unverified, with)).transpose()?;
    let by_vault = |key: &&KeyId| vault.as_ref().is_none_or(|vault| vault.signers.contains(key));
    let agreed = signers.iter().filter(by_label).find(by_vault);
    // A prune that moved objects has signed anew, and could not open the encrypted part to say so there. The label decides.
    let signed_anew = wanted.is_some() && unverified.manifest().repacked.is_some();
    let by_label_alone = || signers.iter().find(by_label).filter(|_| signed_anew);
    let Some(signer) = agreed.or_else(by_label_alone).cloned() else {
        let named = vault.map(|vault| vault.signers).unwrap_or_default();
        return Err(CannotRestore::OtherSigner { id: id.clone(), signers, named }.into());
    };
    let backup = unverified.verify(|key| *key == signer).map_err(CannotRestore::from)?;
    let proof = match (&trust.key, &trust.open_with) {
        (Some(_), _) => Proof::Label,
        (None, Some(OpenWith::PassphraseFile(_))) => Proof::Passphrase,
        (None, _) => Proof::Recipient,
    };
    Ok(Believed { backup, vault, signer, proof })
}

/// The newest one before `id` that can be read.
fn older(target: &Target, ids: &[BackupId], id: &BackupId) -> Option<BackupId> {
    ids.iter().rev().filter(|one| *one < id).find(|one| Unverified::open(target, one).is_ok()).cloned()
}

/// Whether a backup reads and has a good signature by the key of which these are the first digits.
fn is_by(target: &Target, id: &BackupId, wanted: &str) -> bool {
    Unverified::open(target, id).is_ok_and(|one| one.signers().iter().any(|key| key.fingerprint.starts_with(wanted)))
}

/// The digits of a fingerprint, as a person types them from a label: any case, with spaces or colons.
fn digits(text: &str) -> Result<String, CannotRestore> {
    let digits: String =
        text.chars().filter(|c| !matches!(c, ' ' | ':' | '-')).collect::<String>().to_ascii_lowercase();
    let good = (FEWEST_DIGITS..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good { Ok(digits) } else { Err(CannotRestore::ShortKey { given: text.to_owned() }) }
}

fn open(target: &Target, unverified: &Unverified, with: &OpenWith) -> Result<Vault, CannotRestore> {
    let opener = match with {
        OpenWith::Identity(path) => Opener::Identity(Identities::load(path, Exposed::Refuse)?),
        OpenWith::PassphraseFile(path) => Opener::Passphrase(Passphrase::load(path, Exposed::Refuse)?),
    };
    let sealed = unverified.sealed_part(target)?;
    let sealed = sealed.ok_or_else(|| CannotRestore::NothingSealed { id: unverified.manifest().id.clone() })?;
    Ok(Vault::open(&sealed, &opener)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_typed_in_many_ways_and_never_too_short() {
        let long = "ab".repeat(32);
        for (text, expected) in [
            (long.as_str(), Some(long.as_str())),
            ("ABABABAB abababab", Some("abababababababab")),
            ("ab:ab:ab:ab:ab:ab:ab:ab", Some("abababababababab")),
            ("abababababababa", None),
            ("", None),
            ("xbababababababab", None),
            (&format!("{long}a"), None),
        ] {
            assert_eq!(digits(text).ok().as_deref(), expected, "{text:?}");
        }
    }
}
