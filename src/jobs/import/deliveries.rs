//! Bundles as they lie on a medium: volumes found, opened, and told apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::inbox::Inbox;
use crate::apk::SourceName;
use crate::bundle::{self, Verified, Volume};
use crate::error::Trouble as _;
use crate::jobs::sync::Setback;
use crate::snapshot::manifest::{BundleId, SUFFIX};

/// Volumes of one bundle, each verified; at least one.
pub(super) struct Delivery {
    pub(super) volumes: Vec<(Volume, Verified)>,
}

/// What lies on a medium.
#[derive(Default)]
pub(super) struct Deliveries {
    /// By source, the earliest bundle first.
    pub(super) bundles: BTreeMap<(SourceName, BundleId), Delivery>,
    /// Files that are no bundle for us, each with the reason.
    pub(super) refused: Vec<(PathBuf, Setback)>,
}

/// The files that `path` stands for: itself, or the bundles of a folder, in the order of their names.
pub(in crate::jobs) fn files(path: &Path) -> Result<Vec<PathBuf>, bundle::Error> {
    let medium = |cause| bundle::Error::Medium { path: path.to_owned(), cause };
    if !fs::metadata(path).map_err(medium)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(medium)? {
        let file = entry.map_err(medium)?.path();
        // Hidden ones are being written, or are what another system left beside each file.
        let is_bundle = |name: &str| name.ends_with(SUFFIX) && !name.starts_with('.');
        if file.file_name().and_then(|name| name.to_str()).is_some_and(is_bundle) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

impl Deliveries {
    /// Opens `file` and finds the source whose keyring vouches for it.
    pub(super) fn add(&mut self, file: &Path, inboxes: &[Inbox]) {
        match open(file, inboxes) {
            Ok((source, volume, verified)) => {
                let id = verified.manifest().id.clone();
                let delivery = self.bundles.entry((source, id)).or_insert_with(|| Delivery { volumes: Vec::new() });
                delivery.volumes.push((volume, verified));
            }
            Err(error) => self.refuse(file, &error),
        }
    }

    /// Notes why a file is none for us.
    pub(super) fn refuse(&mut self, file: &Path, error: &bundle::Error) {
        let what = match error.class() {
            crate::error::Class::Upstream => "cannot be read",
            _ => "is refused",
        };
        self.refused.push((file.to_owned(), Setback::of(format!("bundle {} {what}", file.display()), error)));
    }
}

/// A volume, and the source whose keyring vouches for it. Of several that do, the one in whose folder it lies, else the first by
/// name.
fn open(file: &Path, inboxes: &[Inbox]) -> Result<(SourceName, Volume, Verified), bundle::Error> {
    let volume = Volume::open(file)?;
    let mut worst = None;
    let (mine, others): (Vec<&Inbox>, Vec<&Inbox>) = inboxes.iter().partition(|inbox| file.starts_with(&inbox.folder));
    for inbox in mine.into_iter().chain(others) {
        match volume.verify(&inbox.keyring) {
            Ok(verified) => return Ok((inbox.source.clone(), volume, verified)),
            // That nobody here knows the signer says less than any other reason.
            Err(error @ bundle::Error::UnknownSigner { .. }) => worst = worst.or(Some(error)),
            Err(error) => worst = Some(error),
        }
    }
    Err(worst
        .unwrap_or_else(|| bundle::Error::UnknownSigner { path: file.to_owned(), signers: volume.claimed_signers() }))
}
