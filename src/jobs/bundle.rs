//! Write what is live as a signed bundle for a site without a network, and look into one.
//!
//! The live generation is what is sent, with upstream's signed indexes that it follows from. What the receiver is held to have
//! is left out. The manifest comes first in every volume, so all forms are decided before the first byte is written; the
//! record of what was sent comes last, when the whole bundle is on the medium.

mod deltas;
mod error;
mod held;
pub mod inspect;
mod medium;
mod program;
mod receipt;
mod shelf;
mod state;
mod tree;
mod volumes;

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Error, Mirror, seal};
use crate::apk::KeyId;
use crate::apk::names::{Arch, RepositoryName};
use crate::bundle::{self as container, LARGEST_MANIFEST};
use crate::config::Config;
use crate::plan::bundle::{self as plan, TreeFile, bundle_id, pieces, sending_time};
use crate::report::{Reporter, Silent};
use crate::sign::{Seal, Signer};
use crate::snapshot::manifest::{BundleId, Carried, FORM, Form, Manifest, Packed, SenderKey, What};

use deltas::{Deltas, Packing};
use held::Receiver;
use medium::Parcel;
use shelf::Shelf;
use state::LiveState;

pub use error::{CannotBundle, OtherSiteKey};
pub use held::Since;
pub use medium::Target;
pub use program::RidingProgram;

/// What to send, and where to.
#[derive(Clone, Debug)]
pub struct BundleRequest {
    /// These repositories; empty: all that are live.
    pub repositories: Vec<RepositoryName>,
    /// Where the bundle is to lie.
    pub to: Target,
    /// Whose state the receiver is held to have.
    pub since: Since,
    /// The most bytes of each volume; none: all in one.
    pub volume_size: Option<u64>,
    /// A program that rides along.
    pub program: Option<RidingProgram>,
    /// After which time its receiver ought to have had a newer one.
    pub expires: Duration,
    /// Threads that pack at once.
    pub threads: NonZero<usize>,
    /// The time of the call.
    pub now: Timestamp,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BundleReport {
    /// The bundle's first volume.
    pub file: PathBuf,
    /// Its name.
    pub id: BundleId,
    /// The bundle whose state the receiver is held to have; none where it is whole.
    pub base: Option<BundleId>,
    /// The site by whose receipt it was made.
    pub receipt_of: Option<String>,
    /// Packages that it carries.
    pub packages: u64,
    /// Of these, how many as deltas.
    pub deltas: u64,
    /// And how many whole.
    pub full: u64,
    /// Index files that it carries.
    pub indexes: u64,
    /// Bytes on the medium.
    pub bytes: u64,
    /// Bytes of all that it carries, each object whole.
    pub full_bytes: u64,
    /// Its volumes' files, in order.
    pub volumes: Vec<PathBuf>,
    /// After which time its receiver ought to have had a newer one.
    pub expires: Timestamp,
    /// Who signed it, the newest key first.
    pub signers: Vec<KeyId>,
    /// The state that it brings.
    pub repositories: Vec<RepositorySent>,
}

/// One repository and arch of the state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepositorySent {
    /// Its name.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// Packages that its index lists.
    pub packages: u64,
    /// Their sizes' sum, bytes.
    pub bytes: u64,
    /// How many of upstream's signed indexes prove where they are from.
    pub origins: usize,
    /// Whether all packages of one of those are there.
    pub whole: bool,
}

impl From<&Carried> for RepositorySent {
    fn from(carried: &Carried) -> Self {
        RepositorySent {
            name: carried.name.clone(),
            arch: carried.arch.clone(),
            packages: carried.packages,
            bytes: carried.bytes,
            origins: carried.origins.len(),
            whole: carried.whole.is_some(),
        }
    }
}

/// Writes a bundle. Takes no lock: it runs beside anything.
pub fn bundle(config: &Config, request: &BundleRequest, reporter: &dyn Reporter) -> Result<BundleReport, Error> {
    request.to.require_free()?;
    let mirror = Mirror::open(config)?;
    let seal = seal::of_config(config)?.ok_or(CannotBundle::Unsigned)?;
    let program = request.program.as_ref().map(RidingProgram::load).transpose()?;
    let receiver = held::receiver(&mirror, &request.since, reporter)?;
    let state = state::live(&mirror, &request.repositories)?;
    let shelf = Shelf::new(&mirror, &state);
    let cargo = load(&mirror, request, &receiver, &state, shelf, reporter)?;
    let newest = mirror.ledger.sent_bundle_ids()?.last().and_then(BundleId::time);
    let time = sending_time(request.now, newest);
    let repositories: Vec<Carried> = state.places.iter().map(|place| place.carried.clone()).collect();
    let mut manifest = Manifest {
        bundle: FORM,
        id: bundle_id(time, &repositories, &cargo.packed),
        time,
        expires: expiry(time, request.expires),
        base: receiver.held.base,
        keys: keys(&seal),
        repositories,
        volumes: u32::from(cargo.tree.is_none()),
        objects: cargo.packed,
        tool: program.as_ref().map(|program| program.tool.clone()),
    };
    if let Some(size) = request.volume_size {
        volumes::spread(&mut manifest, size)?;
    }
    manifest.id = bundle_id(time, &manifest.repositories, &manifest.objects);
    if manifest.print().len() as u64 > LARGEST_MANIFEST {
        return Err(CannotBundle::TooManyObjects { objects: manifest.objects.len() }.into());
    }
    let parcel = Parcel {
        manifest: &manifest,
        signed: &container::sign(&manifest, &seal)?,
        shelf,
        deltas: cargo.deltas.as_ref(),
        program: program.as_ref(),
    };
    // Where deltas were made, writing them is a moment.
    let listener = if cargo.deltas.is_some() { &Silent } else { reporter };
    let written = match &cargo.tree {
        None => medium::write_volumes(&request.to, parcel, listener)?,
        Some(files) => tree::write(&request.to, files, parcel, listener)?,
    };
    mirror.ledger.save_sent_bundle(&manifest, &state.places, &state.indexes)?;
    receiver.site.map(|site| mirror.ledger.save_site(&site)).transpose()?;
    Ok(report(&manifest, &seal, written))
}

/// What is to be carried, each object in its form.
struct Cargo {
    packed: Vec<Packed>,
    /// Where some may be deltas.
    deltas: Option<Deltas>,
    /// Where they lie beside the manifest, as files.
    tree: Option<Vec<TreeFile>>,
}

fn load(
    mirror: &Mirror<'_>,
    request: &BundleRequest,
    receiver: &Receiver,
    state: &LiveState,
    shelf: Shelf<'_>,
    reporter: &dyn Reporter,
) -> Result<Cargo, Error> {
    let Receiver { held, outlined, .. } = receiver;
    let size_of = |index: &_| state.indexes[index].len() as u64;
    let pieces = pieces(&state.places, &held.objects, size_of).expect("a generation's files are made of checked names");
    if held.base.is_some() {
        let likenesses = &held::likenesses(state)?;
        let bases = &held::bases(mirror, held, likenesses)?;
        let packing = Packing { mirror, shelf, places: &state.places, held, likenesses, bases, outlined };
        let (packed, deltas) = deltas::pack(packing, &pieces, request.threads, reporter)?;
        return Ok(Cargo { packed, deltas: Some(deltas), tree: None });
    }
    if matches!(request.to, Target::Folder(_)) && request.volume_size.is_none() {
        let (files, packed) = plan::tree(&state.places, &pieces);
        return Ok(Cargo { packed, deltas: None, tree: Some(files) });
    }
    let packed = pieces.iter().map(|piece| piece.packed(Form::Whole { volume: 1 })).collect();
    Ok(Cargo { packed, deltas: None, tree: None })
}

fn expiry(time: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| time.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

fn keys(seal: &Seal) -> Vec<SenderKey> {
    let key = |signer: &dyn Signer| SenderKey { name: signer.key_name().clone(), pem: signer.public_pem() };
    seal.signers().iter().map(|signer| key(&**signer)).collect()
}

fn report(manifest: &Manifest, seal: &Seal, written: medium::Written) -> BundleReport {
    let count = |is: fn(&Packed) -> bool| manifest.objects.iter().filter(|packed| is(packed)).count() as u64;
    let packages = count(|packed| matches!(packed.what, What::Package(..)));
    let deltas = count(|packed| matches!(packed.what, What::Package(..)) && matches!(packed.form, Form::Delta { .. }));
    BundleReport {
        file: written.volumes[0].clone(),
        id: manifest.id.clone(),
        base: manifest.base.as_ref().and_then(|base| base.id.clone()),
        receipt_of: manifest.base.as_ref().and_then(|base| base.receipt_of.clone()),
        packages,
        deltas,
        full: packages - deltas,
        indexes: manifest.objects.len() as u64 - packages,
        bytes: written.bytes,
        full_bytes: manifest.objects.iter().map(|packed| packed.size).sum(),
        volumes: written.volumes,
        expires: manifest.expires,
        signers: seal.keys(),
        repositories: manifest.repositories.iter().map(RepositorySent::from).collect(),
    }
}
