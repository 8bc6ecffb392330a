//! A signer that is held back is accepted by the operator's word; the next sync takes what it signed.

use serde::Serialize;

use crate::apk::names::{Arch, KeyName, SourceName};
use crate::config::Config;
use crate::disk::lock::Purpose;
use crate::jobs::{Call, Error, trust};

/// What is asked.
#[derive(Clone, Debug)]
pub struct AcceptSignerRequest {
    /// Whose signers.
    pub source: SourceName,
    /// This key alone, by its file name or the beginning of its fingerprint; absent: all that are held back.
    pub key: Option<String>,
}

/// Who vouches for a source from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcceptSignerReport {
    /// The source.
    pub source: SourceName,
    /// Each key, with the arch that it signs for.
    pub accepted: Vec<AcceptedSigner>,
}

/// A key that was held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcceptedSigner {
    /// Its file name.
    pub key: KeyName,
    /// SHA-256 of its DER, hex.
    pub fingerprint: String,
    /// For indexes of this arch.
    pub arch: Arch,
}

/// Fewest digits by which a fingerprint is named.
const DIGITS: usize = 8;

/// Records the signers of a source that are held back.
///
/// # Errors
/// When the source is not configured, and when no such signer is held back.
pub fn accept_signer(config: &Config, request: &AcceptSignerRequest, call: &Call) -> Result<AcceptSignerReport, Error> {
    let name = &request.source;
    if !config.sources.contains_key(name) {
        return Err(super::no_such_source(config, name));
    }
    let (mirror, _lock) = call.open(config, Purpose::AcceptSigner)?;
    let mut remembered = trust::load(&mirror)?;
    let is_meant = |key: &KeyName, fingerprint: &str| {
        request.key.as_deref().is_none_or(|word| {
            key.as_str() == word || (word.len() >= DIGITS && fingerprint.starts_with(&word.to_ascii_lowercase()))
        })
    };
    let mut accepted = Vec::new();
    for arch in remembered.arches(name) {
        let signers = remembered.signers_mut(name, &arch);
        let taken = signers.accept_held(|held| is_meant(&held.key, &held.fingerprint), call.now);
        accepted.extend(taken.into_iter().map(|held| AcceptedSigner {
            key: held.key,
            fingerprint: held.fingerprint,
            arch: arch.clone(),
        }));
    }
    if accepted.is_empty() {
        return Err(Error::NothingHeld { of: name.clone(), key: request.key.clone() });
    }
    mirror.ledger.save_trust(&mut remembered)?;
    Ok(AcceptSignerReport { source: name.clone(), accepted })
}
