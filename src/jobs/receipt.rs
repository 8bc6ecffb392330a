//! What a site without a network holds, written down for its sender.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::{Error, Mirror, seal};
use crate::apk::v2::signature::Algorithm;
use crate::apk::{KeyId, ObjectId, SiteName, SourceName};
use crate::config::{Config, SourceKind};
use crate::disk::durable;
use crate::ledger::Ledger;
use crate::sign;
use crate::snapshot::manifest::{BundleId, SenderKey};
use crate::snapshot::receipt::{Came, FORM, Objects, Receipt};

/// A receipt that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptReport {
    /// Where it was written; none where it went to the standard output.
    pub file: Option<PathBuf>,
    /// Whose it is.
    pub site: SiteName,
    /// When it was made.
    pub time: Timestamp,
    /// Packages that it names.
    pub objects: u64,
    /// What came in bundles.
    pub bundles: Vec<BundlesCame>,
    /// Packages of which it tells enough for a delta against them, where the sender has them no more.
    pub signatures: u64,
    /// Its length.
    pub bytes: u64,
    /// The key that signed it; none: nobody did.
    pub key: Option<KeyId>,
}

/// What came in bundles for one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundlesCame {
    /// The source.
    pub source: SourceName,
    /// The bundle whose state it gives.
    pub in_force: Option<BundleId>,
    /// How many were complete here, as far as that is remembered.
    pub imported: u64,
}

/// Makes the receipt of what is here now. Takes no lock: what goes or comes meanwhile is in the next one. The objects are those
/// that lie in the pool; that they are undamaged is for `check` to say.
pub fn receipt(config: &Config, site: SiteName, now: Timestamp) -> Result<(String, ReceiptReport), Error> {
    let mirror = Mirror::open(config)?;
    let sealed = seal::of_config(config)?;
    let signer = sealed.as_ref().map(|seal| &seal.signers()[0]);
    let mut sources = Vec::new();
    let mut indexes = Vec::new();
    for source in config.sources.values().filter(|source| matches!(source.kind, SourceKind::Bundles { .. })) {
        let (came, here) = came(&mirror.ledger, &source.name)?;
        sources.push(came);
        indexes.extend(here);
    }
    indexes.sort_unstable();
    indexes.dedup();
    let receipt = Receipt {
        receipt: FORM,
        site,
        time: now,
        sources,
        objects: mirror.pool.stored()?.into_keys().collect::<Objects>(),
        indexes,
        key: signer.map(|signer| SenderKey { name: signer.key_name().clone(), pem: signer.public_pem() }),
    };
    let text = receipt.signed(|bytes| {
        let signature = signer.map(|signer| signer.sign(Algorithm::Sha256, bytes)).transpose()?;
        Ok::<_, sign::Error>(signature.map(|signature| signature.bytes))
    })?;
    let report = ReceiptReport {
        file: None,
        objects: receipt.objects.len() as u64,
        bundles: receipt.sources.iter().map(BundlesCame::from).collect(),
        site: receipt.site,
        time: now,
        signatures: 0,
        bytes: text.len() as u64,
        key: signer.map(|signer| signer.id()),
    };
    Ok((text, report))
}

/// Writes a receipt to `path`, in place of what is there.
pub fn save(text: &str, path: &Path) -> Result<(), Error> {
    Ok(durable::write(path, text.as_bytes(), 0o644)?)
}

impl From<&Came> for BundlesCame {
    fn from(came: &Came) -> Self {
        BundlesCame {
            source: came.source.clone(),
            in_force: came.in_force.clone(),
            imported: came.imported.len() as u64,
        }
    }
}

/// What came for a source, and the index files of it that are here.
fn came(ledger: &Ledger, source: &SourceName) -> Result<(Came, Vec<ObjectId>), Error> {
    let in_force = ledger.bundle_in_force(source)?;
    let mut here = Vec::new();
    for index in in_force.iter().flat_map(|manifest| &manifest.repositories).flat_map(|carried| carried.indexes()) {
        if ledger.bundled_index(source, index)?.is_some() {
            here.push(*index);
        }
    }
    let imported = ledger.imported_bundles(source)?.into_iter().map(|imported| imported.id).collect();
    Ok((Came { source: source.clone(), in_force: in_force.map(|manifest| manifest.id), imported }, here))
}
