//! What is remembered of upstreams, brought in line with what is in force.

use super::{Error, Mirror};
use crate::ledger::Trust;
use crate::snapshot::accepted::Record;
use crate::snapshot::{IndexKey, Kind};
use crate::verify::accepted::{History, How, Seen, Step};

/// What is remembered. Where nothing was saved yet, it begins with every index that lies in the store.
pub(super) fn load(mirror: &Mirror<'_>) -> Result<Trust, Error> {
    if let Some(trust) = mirror.ledger.trust()? {
        return Ok(trust);
    }
    let mut trust = Trust::default();
    let mut records = Vec::new();
    for id in mirror.ledger.accepted_ids()? {
        records.push((mirror.ledger.accepted_record(&id)?, id));
    }
    records.sort_by_key(|(record, _)| record.time);
    for (record, id) in records.iter().filter(|(record, _)| record.kind == Kind::Signed) {
        remember(mirror, &mut trust, record, id)?;
        vouch(&mut trust, record);
    }
    Ok(trust)
}

/// Makes the accepted state `id`, of which `record` tells, the newest that is remembered. It is already, but after a run that
/// was stopped, and on a store that an earlier bivouac left.
pub(super) fn catch_up(mirror: &Mirror<'_>, trust: &mut Trust, record: &Record, id: &str) -> Result<(), Error> {
    if trust.history(&record.key).and_then(History::newest_file) != Some(record.index) {
        remember(mirror, trust, record, id)?;
    }
    if trust.signers(&record.key.source, &record.key.arch).is_none_or(|signers| signers.recorded.is_empty()) {
        vouch(trust, record);
    }
    Ok(())
}

fn remember(mirror: &Mirror<'_>, trust: &mut Trust, record: &Record, id: &str) -> Result<(), Error> {
    let signed = mirror.ledger.signed_id(id)?;
    let seen = Seen { signed, time: record.time, description: record.description.clone() };
    trust.history_mut(&record.key).accept(seen, record.index, Step::Forward);
    Ok(())
}

fn vouch(trust: &mut Trust, record: &Record) {
    let IndexKey { source, arch, .. } = &record.key;
    for signer in &record.signers {
        let signers = trust.signers_mut(source, arch);
        signers.insert(signer.key.clone(), signer.fingerprint.clone(), record.time, How::FirstContact);
    }
}
