//! A repository's state of an earlier generation, to be shown again.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::super::seal::seal;
use super::super::sync::build::Made;
use super::super::{Error, Mirror};
use crate::apk::names::PackageFile;
use crate::apk::v2::index::{self, BadIndex};
use crate::apk::v2::sections::{BadSections, Limits, SignaturePart, split_index, split_signatures};
use crate::apk::v2::signature::Signature;
use crate::apk::{Entry, ObjectId};
use crate::error::{Class, Trouble};
use crate::ledger::Withdrawn;
use crate::merge::{Layer, MergedIndex, Prefer, combine};
use crate::plan::publish::{Mode, Placed, RepositoryState};
use crate::publish::Publishable;
use crate::sign::Seal;
use crate::sign::index::{describe, sign_member, sign_merged};

/// Why a state cannot be shown again.
#[derive(Debug, thiserror::Error)]
pub enum CannotShow {
    /// It lists what is withdrawn, and nobody can sign it without.
    #[error("{file} is withdrawn, and the index of {place} cannot be signed without it: no key of ours is in use")]
    Unsigned {
        /// The package.
        file: PackageFile,
        /// Repository and arch.
        place: String,
    },
    /// Its index file does not read back, though its bytes are those that were recorded: a bug.
    #[error("an index that was published does not read back")]
    Sections(#[source] BadSections),
    /// Likewise.
    #[error("an index that was published does not read back")]
    Entries(#[source] BadIndex),
}

impl Trouble for CannotShow {
    fn class(&self) -> Class {
        match self {
            CannotShow::Unsigned { .. } => Class::Refused,
            CannotShow::Sections(_) | CannotShow::Entries(_) => Class::Damaged,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            CannotShow::Unsigned { .. } => "withdrawn",
            CannotShow::Sections(_) | CannotShow::Entries(_) => "index-damaged",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CannotShow::Unsigned { .. } => Some("name a key in [signing], or choose a state without it".into()),
            CannotShow::Sections(_) | CannotShow::Entries(_) => None,
        }
    }
}

/// The state that generation `number` showed for a repository: its index byte for byte, unless it lists what is withdrawn,
/// or was signed by a key of ours that is not today's: then it is signed anew.
pub(in crate::jobs) fn remake(
    mirror: &Mirror<'_>,
    number: u64,
    shown: &RepositoryState,
    withdrawn: &[Withdrawn],
) -> Result<Made, Error> {
    let index = Publishable::again(&mirror.tree, number, shown)?;
    let mut state = shown.clone();
    state.files.retain(Placed::is_listed);
    // Upstream's own index is shown as it is: nothing can be taken out of it.
    let is_withdrawn = |file: &PackageFile| shown.mode == Mode::Ours && withdrawn.iter().any(|rule| rule.names(file));
    let dropped = state.files.iter().find(|placed| is_withdrawn(&placed.file)).map(|placed| placed.file.clone());
    let seal = match shown.mode {
        Mode::Upstream => None,
        Mode::Ours | Mode::Cosigned => seal_of(mirror, shown, dropped.as_ref())?,
    };
    let Some(seal) = seal.filter(|seal| dropped.is_some() || shown.keys != seal.keys()) else {
        return Ok(Made { state, index });
    };
    // It follows from nothing that a sync would recognise: the next one decides it anew.
    state.inputs = String::new();
    let signed = if dropped.is_some() {
        let parts = split_index(index.bytes(), &Limits::of_our_own()).map_err(CannotShow::Sections)?;
        state.files.retain(|placed| !is_withdrawn(&placed.file));
        let merged = without_dropped(&parts.text, &state)?;
        // Ours begin with twelve digits of their content, which is another now; upstream's words follow.
        let words = shown.description.split_once(' ').map(|(_, words)| words);
        state.description = describe(&merged, words);
        let signed = sign_merged(&merged, &state.description, seal)?;
        state.content = merged.content;
        signed
    } else {
        // The index itself is not even inflated.
        let part = split_signatures(index.bytes(), &Limits::of_our_own()).map_err(CannotShow::Sections)?;
        let SignaturePart { signatures, signed_from } = part;
        let is_ours = |signature: &Signature| shown.keys.iter().any(|key| key.name == signature.key);
        let theirs: Vec<Signature> = signatures.into_iter().filter(|signature| !is_ours(signature)).collect();
        sign_member(&index.bytes()[signed_from..], &theirs, seal)?
    };
    state.signers = signed.signers().to_vec();
    state.keys = seal.keys();
    state.index = ObjectId::new(Sha256::digest(signed.bytes()).into());
    state.packages = state.files.len() as u64;
    state.bytes = state.files.iter().map(|placed| placed.size).sum();
    Ok(Made { state, index: Publishable::Signed(signed) })
}

/// Our key, which must be there where an index has to be signed anew.
fn seal_of<'m>(
    mirror: &'m Mirror<'_>,
    shown: &RepositoryState,
    dropped: Option<&PackageFile>,
) -> Result<Option<&'m Seal>, Error> {
    match (seal(mirror)?, dropped) {
        (None, Some(file)) => {
            let place = format!("{}/{}", shown.name, shown.arch);
            Err(CannotShow::Unsigned { file: file.clone(), place }.into())
        }
        (seal, _) => Ok(seal),
    }
}

/// What the index that generation `number` showed for a repository lists.
pub(in crate::jobs) fn entries_shown(
    mirror: &Mirror<'_>,
    number: u64,
    shown: &RepositoryState,
) -> Result<Vec<Entry>, Error> {
    let index = Publishable::again(&mirror.tree, number, shown)?;
    let parts = split_index(index.bytes(), &Limits::of_our_own()).map_err(CannotShow::Sections)?;
    Ok(index::parse(&parts.text).map_err(CannotShow::Entries)?)
}

/// The index of what is left of `state`, whose former index had this text.
fn without_dropped(text: &str, state: &RepositoryState) -> Result<MergedIndex, CannotShow> {
    let objects: HashMap<&PackageFile, ObjectId> =
        state.files.iter().map(|placed| (&placed.file, placed.object)).collect();
    let entries = index::parse(text).map_err(CannotShow::Entries)?;
    let left = entries.into_iter().filter_map(|entry| {
        let object = *objects.get(entry.file())?;
        Some((entry, object))
    });
    Ok(combine(&[Layer { entries: left.collect() }], Prefer::All, &state.arch))
}
