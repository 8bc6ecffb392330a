//! What a snapshot came from, written down where it can be checked without us: a line for each snapshot, right after it.

use jiff::Timestamp;

use super::seal::{note_used, seal};
use super::{Error, Mirror};
use crate::apk::v2::signature::Algorithm;
use crate::apk::{KeyName, LineId};
use crate::finding::{Finding, Severity};
use crate::report::Reporter;
use crate::sign::rotation::SigningRecord;
use crate::snapshot::evidence::{Decision, How, Judged, Line, Payload, follow, id_of, parse_line, print_line};
use crate::snapshot::{Role, Snapshot};
use crate::verify::PublicKey;
use crate::verify::keyring::Verdict;

/// Gives the newest snapshot the line that it lacks: a run was stopped between the two, or the store is from before there
/// was evidence.
pub(in crate::jobs) fn catch_up(mirror: &Mirror<'_>, now: Timestamp, reporter: &dyn Reporter) -> Result<(), Error> {
    let end = mirror.ledger.mend_evidence()?;
    if end.torn > 0 {
        reporter.warning(&format!("evidence.log: {} bytes of a line that was not finished are cut off", end.torn));
    }
    match mirror.ledger.latest_snapshot()? {
        Some(snapshot) => record(mirror, &snapshot, Vec::new(), now),
        None => Ok(()),
    }
}

/// Writes the line of `snapshot`, the newest one, unless it is there.
pub(in crate::jobs) fn record(
    mirror: &Mirror<'_>,
    snapshot: &Snapshot,
    decisions: Vec<Decision>,
    now: Timestamp,
) -> Result<(), Error> {
    let last = mirror.ledger.mend_evidence()?.last;
    let is_it = |line: &Vec<u8>| parse_line(line).is_ok_and(|line| line.payload.snapshot == snapshot.id);
    if last.as_ref().is_some_and(is_it) {
        return Ok(());
    }
    // What the line is checked by is known before there is a line.
    note_used(mirror, now)?;
    let seal = seal(mirror)?;
    let signer = seal.map(|seal| &seal.signers()[0]);
    let payload = Payload {
        previous: last.map_or(LineId::new([0; 32]), |line| id_of(&line)),
        time: now,
        snapshot: snapshot.id.clone(),
        indexes: judged(mirror, snapshot)?,
        decisions,
        key: signer.map(|signer| signer.key_name().clone()),
    };
    let text = payload.print();
    let signature = signer.map(|signer| signer.sign(Algorithm::Sha256, text.as_bytes())).transpose()?;
    let line = print_line(&text, signature.as_ref().map(|signature| &signature.bytes[..]));
    Ok(mirror.ledger.append_evidence(&line)?)
}

fn judged(mirror: &Mirror<'_>, snapshot: &Snapshot) -> Result<Vec<Judged>, Error> {
    let before = mirror.ledger.snapshot_ids()?.into_iter().rfind(|id| *id.as_str() < *snapshot.id);
    let before = before.map(|id| mirror.ledger.snapshot(&id)).transpose()?;
    let judge = |index: &crate::snapshot::InForce| -> Result<Judged, Error> {
        let record = mirror.ledger.accepted_record(&index.accepted)?;
        let was = before.as_ref().and_then(|before| before.accepted(&index.key));
        let decision = match index.role {
            Role::Kept => How::Kept,
            Role::Listed if !index.carried.is_empty() => How::Carried,
            Role::Listed if was == Some(&index.accepted) => How::Unchanged,
            Role::Listed => How::Accepted,
        };
        let signers = record.signers.into_iter().map(|signer| signer.key).collect();
        Ok(Judged { key: record.key, sha256: record.index, signers, decision })
    };
    snapshot.indexes.iter().map(judge).collect()
}

/// Whether the chain holds, every line's signature is one of ours, and the newest snapshot is in it.
pub(in crate::jobs) fn check(
    mirror: &Mirror<'_>,
    signing: SigningRecord,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let log = mirror.ledger.evidence()?;
    let keys = our_keys(signing);
    let mut newest = None;
    for (at, line) in follow(&log).enumerate() {
        let subject = format!("evidence.log:{}", at + 1);
        match line {
            Err(bad) => {
                newest = None;
                findings.push(finding("evidence-broken", subject, super::error::in_one_line(&bad)));
            }
            Ok(line) => {
                if let Err(message) = check_signature(&line, &keys) {
                    findings.push(finding("evidence-signature", subject, message));
                }
                newest = Some(line.payload.snapshot);
            }
        }
    }
    let snapshot = mirror.ledger.snapshot_ids()?.pop();
    if let Some(snapshot) = snapshot.filter(|id| newest.as_deref() != Some(id.as_str())) {
        let message = "the newest snapshot is not what its last line tells of".to_owned();
        let mut missing = finding("evidence-missing", snapshot.as_str().to_owned(), message);
        missing.hint = Some("the next sync writes the line".into());
        findings.push(missing);
    }
    Ok(())
}

fn finding(code: &'static str, subject: String, message: String) -> Finding {
    Finding { code, severity: Severity::Error, subject, message, hint: None }
}

/// Every key that ever signed for us.
fn our_keys(signing: SigningRecord) -> Vec<PublicKey> {
    signing.used.into_iter().filter_map(|used| PublicKey::parse(used.key.name, used.pem.as_bytes()).ok()).collect()
}

fn check_signature(line: &Line<'_>, keys: &[PublicKey]) -> Result<(), String> {
    let (name, signature): (&KeyName, _) = match (&line.payload.key, &line.signature) {
        (None, None) => return Ok(()),
        (Some(name), Some(signature)) => (name, signature),
        (Some(name), None) => return Err(format!("it names {name} and is not signed")),
        (None, Some(_)) => return Err("it is signed and names no key".into()),
    };
    // Keys of one name may have followed each other.
    let mut named = keys.iter().filter(|key| key.name() == name).peekable();
    if named.peek().is_none() {
        return Err(format!("it is signed by {name}, which never signed for us"));
    }
    match named.any(|key| key.verifies(Algorithm::Sha256, line.signed.as_bytes(), signature) == Verdict::Good) {
        true => Ok(()),
        false => Err(format!("its signature is not {name}'s over what it says")),
    }
}
