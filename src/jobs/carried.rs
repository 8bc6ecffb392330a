//! The configuration with every `from = ["hq:*"]` spread out over what was imported.

use std::collections::BTreeMap;

use super::Error;
use crate::apk::{Arch, RepositoryName, SourceName};
use crate::config::{Config, SourceKind};
use crate::disk::layout::Store;
use crate::ledger::Ledger;

/// The configuration that jobs work with: what bundles carry is known from what was imported. And a line for each repository
/// that is left out because another one lies where it would.
pub fn spread(config: &Config) -> Result<(Config, Vec<String>), Error> {
    if config.carried.is_empty() {
        return Ok((config.clone(), Vec::new()));
    }
    let ledger = Ledger::new(Store::look(&config.store)?);
    let mut carried: BTreeMap<SourceName, Vec<(RepositoryName, Arch)>> = BTreeMap::new();
    for source in config.sources.values().filter(|source| matches!(source.kind, SourceKind::Bundles { .. })) {
        let Some(manifest) = ledger.bundle_in_force(&source.name)? else { continue };
        let places = manifest.repositories.into_iter().map(|carried| (carried.name, carried.arch));
        carried.insert(source.name.clone(), places.collect());
    }
    Ok(config.with_carried(&carried))
}
