//! A site's receipt, judged: whose it is, and what the site has by it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::CannotBundle;
use super::error::OtherSiteKey;
use super::held::Receiver;
use crate::apk::KeyId;
use crate::jobs::{Error, Mirror};
use crate::ledger::SiteRecord;
use crate::plan::bundle::receipt;
use crate::report::Reporter;
use crate::snapshot::receipt::{LARGEST, Receipt};
use crate::verify::PublicKey;

/// Reads the receipt at `path`. Its site is known by its key from its first receipt on.
pub(super) fn receiver(mirror: &Mirror<'_>, path: &Path, reporter: &dyn Reporter) -> Result<Receiver, Error> {
    let (receipt, key) = load(path)?;
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
    Ok(Receiver { held, site })
}

fn load(path: &Path) -> Result<(Receipt, Option<PublicKey>), CannotBundle> {
    let bytes = read(path).map_err(|cause| CannotBundle::ReceiptUnreadable { path: path.to_owned(), cause })?;
    Receipt::parse(&bytes).map_err(|cause| CannotBundle::Receipt { path: path.to_owned(), cause })
}

/// No more than tells that it is too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn id_of(key: &PublicKey) -> KeyId {
    KeyId { name: key.name().clone(), fingerprint: key.fingerprint().to_string() }
}
