//! The configuration with every `from = ["hq:*"]` spread out over what was imported.

use std::collections::BTreeMap;

use super::Error;
use crate::apk::{Arch, RepositoryName, SourceName};
use crate::config::Config;
use crate::disk::layout::Store;
use crate::ledger::Ledger;

/// The configuration that jobs work with.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Every repository that bundles carry is in it.
    pub config: Config,
    /// A line for each that is left out because another one lies where it would.
    pub told: Vec<String>,
    /// Sources all of whose bundles are asked for, and none came yet.
    pub without: Vec<SourceName>,
    /// Repositories that bundles do not carry any more, and that were let go.
    pub dropped: Vec<RepositoryName>,
}

/// Spreads `config` out over what the bundles in force carry, and over what is in force of bundles before them: a repository does
/// not leave the tree because a bundle comes without it. The operator lets `gone` go.
pub fn spread(config: &Config, gone: &[RepositoryName]) -> Result<Spread, Error> {
    let mut spread = Spread { config: config.clone(), told: Vec::new(), without: Vec::new(), dropped: Vec::new() };
    if config.carried.is_empty() {
        return Ok(spread);
    }
    let ledger = Ledger::new(Store::look(&config.store)?);
    let snapshot = ledger.latest_snapshot()?;
    let mut carried: BTreeMap<SourceName, Vec<(RepositoryName, Arch)>> = BTreeMap::new();
    for source in config.carried.iter().map(|starred| &starred.source) {
        if carried.contains_key(source) {
            continue;
        }
        let manifest = ledger.bundle_in_force(source)?;
        let mut places: Vec<(RepositoryName, Arch)> =
            manifest.into_iter().flat_map(|one| one.repositories).map(|one| (one.name, one.arch)).collect();
        let before = snapshot.iter().flat_map(|snapshot| &snapshot.indexes).map(|index| &index.key);
        for key in before.filter(|key| key.source == *source) {
            let path = key.path.strip_prefix("@origin/").unwrap_or(&key.path);
            let Ok(name) = path.parse::<RepositoryName>() else { continue };
            let place = (name, key.arch.clone());
            if places.contains(&place) {
                continue;
            }
            match gone.contains(&place.0) {
                true => spread.dropped.push(place.0),
                false => places.push(place),
            }
        }
        if places.is_empty() {
            spread.without.push(source.clone());
        }
        carried.insert(source.clone(), places);
    }
    (spread.config, spread.told) = config.with_carried(&carried);
    Ok(spread)
}
