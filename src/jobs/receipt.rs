//! What a site without a network holds, written down for its sender.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Error, Mirror, seal};
use crate::apk::v2::signature::Algorithm;
use crate::apk::{KeyId, ObjectId, Place, SiteName, SourceName};
use crate::config::{Config, SourceKind};
use crate::delta::{self, LARGEST_TARGET};
use crate::disk::durable;
use crate::ledger::Ledger;
use crate::sign;
use crate::snapshot::manifest::{BundleId, SenderKey};
use crate::snapshot::receipt::outline::{Outline, Outlines, OutlinesSum};
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
    /// Packages of which it tells enough for deltas over them, where the sender has dropped them.
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

/// How much a receipt tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What is here, by digest.
    Digests,
    /// And of what is live, enough for deltas by a sender that has dropped it.
    Outlines,
}

/// Makes the receipt of what is here now. Takes no lock: what goes or comes meanwhile is in the next one. The objects are those
/// that lie in the pool; that they are undamaged is for `check` to say.
pub fn receipt(
    config: &Config,
    site: SiteName,
    detail: Detail,
    now: Timestamp,
) -> Result<(String, ReceiptReport), Error> {
    let mirror = Mirror::open(config)?;
    let sealed = seal::of_config(config)?;
    let signer = sealed.as_ref().map(|seal| &seal.signers()[0]);
    let (lines, sum) = match detail {
        Detail::Digests => (String::new(), None),
        Detail::Outlines => outlines(&mirror).map(|(lines, sum)| (lines, Some(sum)))?,
    };
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
        signatures: sum,
    };
    let text = receipt.signed(|bytes| {
        let signature = signer.map(|signer| signer.sign(Algorithm::Sha256, bytes)).transpose()?;
        Ok::<_, sign::Error>(signature.map(|signature| signature.bytes))
    })?;
    let text = text + &lines;
    let report = ReceiptReport {
        file: None,
        objects: receipt.objects.len() as u64,
        bundles: receipt.sources.iter().map(BundlesCame::from).collect(),
        site: receipt.site,
        time: now,
        signatures: receipt.signatures.map_or(0, |sum| sum.count),
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

/// A line for each package that is live, in the order of their digests. What is damaged or too large is left out: no delta is
/// made over it.
fn outlines(mirror: &Mirror<'_>) -> Result<(String, OutlinesSum), Error> {
    let live = mirror.published(&Place::Live)?;
    let mut packages = BTreeMap::new();
    for state in live.iter().flat_map(|live| &live.repositories) {
        for placed in state.listed() {
            packages.entry(placed.object).or_insert((state, placed));
        }
    }
    let (mut lines, mut all) = (String::new(), Outlines::default());
    for (object, (state, placed)) in packages {
        let Some(signature) = signature_of(&mirror.pool.path(&object), &object, placed.size)? else { continue };
        let name = placed.file.name().parse().expect("a generation's files are made of checked names");
        let version = placed.file.version().parse().expect("a generation's files are made of checked versions");
        let place = (state.name.clone(), state.arch.clone());
        let line = Outline { object, place, name, version, signature }.print();
        all.note(&line);
        lines.push_str(&line);
    }
    Ok((lines, all.sum()))
}

/// What deltas over an object need; none where it is not what it was, or larger than any delta is over.
fn signature_of(path: &Path, object: &ObjectId, size: u64) -> Result<Option<Vec<u8>>, Error> {
    if size > LARGEST_TARGET as u64 {
        return Ok(None);
    }
    let Some(bytes) = durable::read_if_present(path)? else { return Ok(None) };
    let is_it = ObjectId::new(Sha256::digest(&bytes).into()) == *object;
    Ok(is_it.then(|| delta::signature(&bytes)).flatten())
}
