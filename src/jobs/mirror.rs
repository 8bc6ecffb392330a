//! What every job works on: one configuration's store, records, pool and public tree.

use std::sync::OnceLock;

use super::Error;
use super::seal::Signers;
use crate::apk::names::Place;
use crate::config::Config;
use crate::disk::layout::{PublicTree, Store};
use crate::ledger::Ledger;
use crate::plan::publish::Generation;
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
    /// Who signs in this run, once somebody asked; see [`super::seal`].
    pub(super) signers: OnceLock<Option<Signers>>,
}

/// The records alone, for one who only looks and needs nothing else: opening the pool reads the whole list of what it has.
pub(super) fn records(config: &Config) -> Result<Ledger, Error> {
    Ok(Ledger::new(Store::look(&config.store)?))
}

impl<'c> Mirror<'c> {
    /// For one who only looks, also where nothing is stored yet: changes nothing.
    pub fn look(config: &'c Config) -> Result<Self, Error> {
        let store = Store::look(&config.store)?;
        let pool = Pool::look(&store.pool_folder())?;
        let ledger = Ledger::new(store.clone());
        Ok(Mirror { config, ledger, pool, tree: PublicTree::new(&config.public), store, signers: OnceLock::new() })
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
        Ok(Mirror { config, ledger, pool, tree: PublicTree::new(&config.public), store, signers: OnceLock::new() })
    }

    /// The whole record of what is seen at `place`.
    pub fn published(&self, place: &Place) -> Result<Option<Generation>, Error> {
        Ok(self.tree.shown(place)?.map(|number| self.ledger.generation(number)).transpose()?)
    }

    /// What the next generation of `place` follows: what is seen there, or for a tree that is new, live.
    pub fn former(&self, place: &Place) -> Result<Option<Generation>, Error> {
        match self.published(place)? {
            Some(generation) => Ok(Some(generation)),
            None => self.published(&Place::Live),
        }
    }

    /// Where something can be seen: live, and the trees beside it.
    pub(super) fn places(&self) -> Result<Vec<Place>, Error> {
        let mut places = vec![Place::Live];
        places.extend(self.tree.named()?.into_keys().map(Place::Beside));
        Ok(places)
    }

    /// Whether publishing is held: a rollback is live.
    pub fn is_held(&self) -> Result<bool, Error> {
        let live = self.tree.live()?.map(|number| self.ledger.generation_summary(number)).transpose()?;
        Ok(live.is_some_and(|live| live.is_hold()))
    }
}
