//! What was settled becomes the accepted state.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::settle::Settled;
use super::{AcceptOlder, Error, Mirror, SyncRequest, carry, indexes, kept, keys_of};
use crate::jobs::evidence;
use crate::ledger::Trust;
use crate::snapshot::evidence::Decision;
use crate::snapshot::{InForce, IndexKey, Role, Snapshot};
use crate::verify::accepted::Seen;

/// Makes what was settled the accepted state: objects first, then the indexes that name them, what is remembered of those, and
/// the snapshot that puts them in force. A snapshot is taken only when an index changed.
pub(super) fn accept(
    mirror: &Mirror<'_>,
    mut settled: Settled,
    request: &SyncRequest,
) -> Result<(Snapshot, Settled), Error> {
    mirror.pool.commit()?;
    let former = mirror.ledger.latest_snapshot()?;
    let configured: BTreeSet<IndexKey> =
        keys_of(&mirror.config.repositories.iter().collect::<Vec<_>>()).into_iter().collect();
    let mut indexes: Vec<InForce> = Vec::new();
    for index in &mut settled.indexes {
        if let Some(accepted) = index.accept(|entry| mirror.pool.find(entry), request.now) {
            let id = mirror.ledger.save_accepted(accepted)?;
            remember(&mut settled.trust, index, request.now);
            indexes.push(carry::in_force(mirror, index, id)?);
        }
        if let Some(kept) = kept::accepted(mirror, index, &settled.wishes, request.now) {
            let id = mirror.ledger.save_accepted(&kept)?;
            indexes.push(InForce::of(index.key.clone(), Role::Kept, id));
        }
    }
    mirror.ledger.save_trust(&mut settled.trust)?;
    let asked: BTreeSet<&IndexKey> = settled.indexes.iter().map(|index| &index.key).collect();
    if let Some(former) = &former {
        let others =
            former.indexes.iter().filter(|index| !asked.contains(&index.key) && configured.contains(&index.key));
        indexes.extend(others.cloned());
    }
    // Ids sort by time, to the second: of two in one second, or with a clock that was set back, the later must sort later.
    let after_former = former.as_ref().and_then(|former| former.time.checked_add(SignedDuration::from_secs(1)).ok());
    let snapshot = Snapshot::new(indexes, after_former.map_or(request.now, |least| least.max(request.now)));
    if let Some(former) = former.as_ref().filter(|former| former.indexes == snapshot.indexes) {
        return Ok((former.clone(), settled));
    }
    // Where nothing could be had so far, there is nothing to remember.
    if former.is_none() && snapshot.indexes.is_empty() {
        return Ok((snapshot, settled));
    }
    mirror.ledger.save_snapshot(&snapshot)?;
    evidence::record(mirror, &snapshot, decisions(&settled, request), request.now)?;
    Ok((snapshot, settled))
}

/// What this run refused, and what the command line let through.
fn decisions(settled: &Settled, request: &SyncRequest) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let mut decide = |word: &str, subject: String| decisions.push(Decision { word: word.to_owned(), subject });
    for index in &settled.indexes {
        if let Some(setback) = &index.setback {
            decide(&setback.code, index.key.to_string());
        }
        index.refused.iter().for_each(|refused| decide(&refused.code, refused.file.clone()));
    }
    request.accept_shrink.iter().for_each(|name| decide("accept-shrink", name.to_string()));
    request.accept_gate.iter().for_each(|name| decide("accept-gate", name.to_string()));
    match &request.accept_older {
        AcceptOlder::Nothing => {}
        AcceptOlder::All => decide("accept-older", "all".to_owned()),
        AcceptOlder::Only(names) => names.iter().for_each(|name| decide("accept-older", name.to_string())),
    }
    decisions
}

/// Remembers an index that this run accepted, and who signed it.
fn remember(trust: &mut Trust, index: &indexes::Index, now: Timestamp) {
    let (Some(from), Some(accepted)) = (&index.accepted_from, &index.in_force) else { return };
    let IndexKey { source, arch, .. } = &index.key;
    let seen = Seen { signed: from.signed, time: now, description: accepted.record().description.clone() };
    trust.history_mut(&index.key).accept(seen, from.digest, from.step);
    for (signer, how) in &from.signers {
        trust.signers_mut(source, arch).insert(signer.key.clone(), signer.fingerprint.to_string(), now, *how);
    }
    for proof in &from.proofs {
        let seen = Seen { signed: proof.signed, time: now, description: proof.description.clone() };
        trust.history_mut(&proof.key).accept(seen, proof.digest, proof.step);
        for (signer, how) in &proof.signers {
            trust.signers_mut(source, arch).insert(signer.key.clone(), signer.fingerprint.to_string(), now, *how);
        }
    }
}
