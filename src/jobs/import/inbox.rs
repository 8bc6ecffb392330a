//! A source with bundles, as one run uses it.

use std::path::PathBuf;

use crate::apk::{Entry, Sha1Policy, SourceName};
use crate::config::{Config, KeyringChoice, Source, SourceKind};
use crate::jobs::{Error, keyring};
use crate::select::filter::{Item, Selector};
use crate::verify::Keyring;

/// A source with bundles, as one run uses it.
pub(in crate::jobs) struct Inbox {
    pub(in crate::jobs) source: SourceName,
    /// Where bundles are laid for it.
    pub(in crate::jobs) folder: PathBuf,
    /// Who may make bundles and sign the sender's indexes.
    pub(in crate::jobs) keyring: Keyring,
    /// Whose signatures must be found inside, too, and for which names they need not.
    pub(in crate::jobs) origin: Option<Origin>,
}

/// Whose signatures must be found inside a bundle.
pub(in crate::jobs) struct Origin {
    pub(in crate::jobs) keyring: Keyring,
    /// Names for which the sender's own word is enough.
    own: Vec<Selector>,
}

impl Origin {
    /// Whether the sender's own word is enough for `entry`.
    pub(in crate::jobs) fn is_own(&self, entry: &Entry) -> bool {
        self.is_own_name(entry.name().as_str())
    }

    /// The same of a name.
    pub(in crate::jobs) fn is_own_name(&self, name: &str) -> bool {
        self.own.iter().any(|pattern| pattern.covers(name))
    }
}

/// Every source with bundles, in the order of their names.
pub(in crate::jobs) fn all(config: &Config) -> Result<Vec<Inbox>, Error> {
    let inboxes = config.sources.values().map(|source| Inbox::of(source, config.policy.sha1));
    inboxes.filter_map(Result::transpose).collect()
}

fn patterns(source: &Source, own: &[String]) -> Result<Vec<Selector>, Error> {
    let bad = |cause| Error::Reserve { of: source.name.clone(), cause };
    let parse = |text: &String| match Item::parse(text).map_err(bad)? {
        Item::Selector(selector) => Ok(selector),
        Item::WorldFile(_) => unreachable!("the configuration was checked: no such pattern begins with @"),
    };
    own.iter().map(parse).collect()
}

impl Inbox {
    /// `source` as a run uses it, if it has bundles; SHA-1 trusted so far.
    pub(in crate::jobs) fn of(source: &Source, sha1: Sha1Policy) -> Result<Option<Inbox>, Error> {
        let SourceKind::Bundles { path, origin, own, .. } = &source.kind else { return Ok(None) };
        let load = |choice: &KeyringChoice| {
            let loaded = keyring::load(choice).map_err(|cause| Error::Keyring { of: source.name.clone(), cause })?;
            Ok::<_, Error>(loaded.under(sha1))
        };
        let origin = match origin {
            Some(choice) => Some(Origin { keyring: load(choice)?, own: patterns(source, own)? }),
            None => None,
        };
        let keyring = load(&source.keyring)?;
        Ok(Some(Inbox { source: source.name.clone(), folder: path.clone(), keyring, origin }))
    }

    /// Whose signature an index of this source may have: the sender's, or its origin's where the sender passes that on as it is.
    pub(in crate::jobs) fn of_indexes(&self) -> Result<Keyring, Error> {
        let Some(origin) = &self.origin else { return Ok(self.keyring.clone()) };
        self.keyring
            .and(&origin.keyring)
            .map_err(|cause| Error::Keyring { of: self.source.clone(), cause: keyring::Error::Rivals { cause } })
    }
}
