//! A site's receipt, judged: whose it is, and what the site has by it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use super::CannotBundle;
use super::error::OtherSiteKey;
use super::held::Receiver;
use crate::apk::{KeyId, ObjectId};
use crate::jobs::{Error, Mirror};
use crate::ledger::SiteRecord;
use crate::plan::bundle::receipt;
use crate::report::Reporter;
use crate::snapshot::receipt::outline::{self, Outline, Outlines};
use crate::snapshot::receipt::{LARGEST, Receipt};
use crate::verify::PublicKey;

/// Reads the receipt at `path`. Its site is known by its key from its first receipt on.
pub(super) fn receiver(mirror: &Mirror<'_>, path: &Path, reporter: &dyn Reporter) -> Result<Receiver, Error> {
    let (receipt, key, outlines) = load(mirror, path)?;
    let key = key.as_ref().map(id_of);
    let remembered = mirror.ledger.site(&receipt.site)?;
    if let Some(known) = remembered.as_ref().and_then(|record| record.key.as_ref())
        && key.as_ref().is_none_or(|key| key.fingerprint != known.fingerprint)
    {
        let refused = OtherSiteKey {
            path: path.to_owned(),
            record: mirror.ledger.site_file(&receipt.site),
            site: receipt.site,
            known: known.clone(),
            found: key,
        };
        return Err(CannotBundle::OtherSiteKey(Box::new(refused)).into());
    }
    if key.is_none() {
        reporter.warning(&format!(
            "the receipt {} is not signed: that it is from site {} is only what it says",
            path.display(),
            receipt.site
        ));
    }
    let sent = mirror.ledger.sent_bundle_ids()?;
    let in_force = receipt::in_force(&receipt, &sent);
    let state = match in_force {
        Some(id) if sent.contains(id) => Some(mirror.ledger.sent_bundle(id)?.0),
        _ => None,
    };
    let held = receipt::held(&receipt, in_force, state.as_ref());
    let record = SiteRecord {
        in_force: in_force.cloned(),
        objects: receipt.objects.len() as u64,
        site: receipt.site,
        time: receipt.time,
        key,
    };
    let is_newer = |remembered: &SiteRecord| remembered.time > record.time;
    let site = match remembered.filter(is_newer) {
        None => Some(record),
        Some(newer) => {
            let [this, that] = [record.time, newer.time].map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
            reporter.warning(&format!(
                "the receipt of site {} is of {this}, and one of {that} was used before: what came there since is sent again",
                record.site
            ));
            None
        }
    };
    Ok(Receiver { held, site, outlined: outlines.into_iter().collect() })
}

/// The receipt, whose key it is signed by, and what it tells of packages that are not here.
fn load(mirror: &Mirror<'_>, path: &Path) -> Result<(Receipt, Option<PublicKey>, Vec<Outline>), CannotBundle> {
    let unreadable = |cause| CannotBundle::ReceiptUnreadable { path: path.to_owned(), cause };
    let refused = |cause| CannotBundle::Receipt { path: path.to_owned(), cause };
    let mut lines = BufReader::new(File::open(path).map_err(unreadable)?);
    let first = next_line(&mut lines, LARGEST + 1).map_err(unreadable)?;
    let (receipt, key) = Receipt::parse(&first).map_err(refused)?;
    let mut rest = lines.take(outline::LARGEST);
    let (mut all, mut dropped) = (Outlines::default(), Vec::new());
    loop {
        let line = next_line(&mut rest, outline::LONGEST_LINE).map_err(unreadable)?;
        if line.is_empty() {
            break;
        }
        if receipt.signatures.is_none() && line.trim_ascii().is_empty() {
            continue;
        }
        let outline = all.read(&line).map_err(refused)?;
        if !mirror.pool.path(&outline.object).is_file() {
            dropped.push(outline);
        }
    }
    all.check(&receipt.signatures.clone().unwrap_or_else(|| Outlines::default().sum())).map_err(refused)?;
    let held: HashSet<&ObjectId> = receipt.objects.iter().collect();
    dropped.retain(|outline| held.contains(&outline.object));
    Ok((receipt, key, dropped))
}

/// The next line, or as much of it as `most` bytes; empty at the end.
fn next_line(lines: &mut impl BufRead, most: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.take(most).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn id_of(key: &PublicKey) -> KeyId {
    KeyId { name: key.name().clone(), fingerprint: key.fingerprint().to_string() }
}
