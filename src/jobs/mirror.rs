//! What every job works on: one configuration's store, records, pool and public tree.

use super::Error;
use crate::config::Config;
use crate::disk::layout::{PublicTree, Store};
use crate::ledger::Ledger;
use crate::pool::Pool;

/// One configuration's store, records, pool and public tree.
#[derive(Debug)]
pub struct Mirror<'c> {
    /// The operator's wishes.
    pub config: &'c Config,
    /// The store.
    pub store: Store,
    /// Its records.
    pub ledger: Ledger,
    /// Its packages.
    pub pool: Pool,
    /// What clients see.
    pub tree: PublicTree,
}

impl<'c> Mirror<'c> {
    /// Opens what is there and makes what is missing.
    pub fn open_or_create(config: &'c Config) -> Result<Self, Error> {
        Self::on(config, Store::open_or_create(&config.store)?)
    }

    /// Opens what is there; an error where there is no store yet.
    pub fn open(config: &'c Config) -> Result<Self, Error> {
        Self::on(config, Store::open(&config.store)?)
    }

    /// On a store that is open. Whoever is going to change something takes the store's lock first: what another run leaves
    /// while we wait for it must be seen.
    pub fn on(config: &'c Config, store: Store) -> Result<Self, Error> {
        let pool = Pool::open(&store.pool_folder())?;
        let ledger = Ledger::new(store.clone());
        Ok(Mirror { config, ledger, pool, tree: PublicTree::new(&config.public), store })
    }
}
