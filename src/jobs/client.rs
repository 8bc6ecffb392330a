//! What a client needs: repositories lines, keys, and how to look whether it works.

use std::collections::BTreeMap;

use serde::Serialize;

use super::import::inbox::Inbox;
use super::{Error, keyring, mirror};
use crate::apk::names::KeyName;
use crate::apk::v2::sections::Limits;
use crate::apk::{Arch, KeyId};
use crate::config::{Config, FromPath, IndexMode, Repository};
use crate::disk::layout::{PublicTree, Store};
use crate::ledger::Ledger;
use crate::sign::Seal;
use crate::sign::rotation::UsedKey;
use crate::verify::{self, Keyring, PublicKey};

/// What a client needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientReport {
    /// Lines of `/etc/apk/repositories`: plain ones, which 2.x and 3.x both read.
    pub repositories: Vec<String>,
    /// For repositories whose name holds the arch, the lines for each arch: a client must have only its own, for it would
    /// look in vain for its arch below the others.
    pub by_arch: BTreeMap<Arch, Vec<String>>,
    /// The same lines for all arches, `{arch}` as it stands in the names.
    #[serde(skip)]
    pub templates: Vec<String>,
    /// Keys for `/etc/apk/keys`; any one that signs a repository is enough for it.
    pub keys: Vec<ClientKey>,
}

/// A public key that a client needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientKey {
    /// Its file name, which must be kept: signatures name it.
    pub name: KeyName,
    /// SHA-256 of its DER, hex.
    pub fingerprint: String,
    /// The file's content.
    pub pem: String,
    /// Which repositories it signs.
    pub repositories: Vec<String>,
    /// Whether it is ours or a source's.
    pub ours: bool,
}

/// A key of ours, its public half.
struct Ours {
    name: KeyName,
    fingerprint: String,
    pem: String,
}

/// Tells what a client needs that reaches the public tree under `url`, with the keys that sign next. Of a source's keyring all
/// keys are told: which of them signs next is upstream's choice.
pub fn client(config: &Config, url: &str) -> Result<ClientReport, Error> {
    let seal = super::seal::of_config(config)?;
    let signers = seal.iter().flat_map(Seal::signers);
    let ours =
        signers.map(|key| Ours { name: key.key_name().clone(), fingerprint: key.fingerprint(), pem: key.public_pem() });
    report(config, url, &ours.collect::<Vec<_>>())
}

/// The same with the keys that signed what is live, by what is remembered of them: no private half is touched. `None` before
/// the first publication.
pub fn client_of_live(config: &Config, url: &str) -> Result<Option<ClientReport>, Error> {
    let Some(number) = PublicTree::new(&config.public).live()? else { return Ok(None) };
    let ledger = mirror::records(config)?;
    let live = ledger.generation_summary(number)?;
    let signed: Vec<KeyId> = live.repositories.into_iter().flat_map(|state| state.keys).collect();
    let mut used = ledger.signing()?.used;
    used.retain(|used| signed.contains(&used.key));
    // The newest first, as they sign.
    used.sort_by_key(|used| signed.iter().position(|key| *key == used.key));
    // Made anew from the key: a script carries it to other machines.
    let read = |used: UsedKey| PublicKey::parse(used.key.name, used.pem.as_bytes()).ok();
    let ours = used.into_iter().filter_map(read).map(|key| Ours {
        name: key.name().clone(),
        fingerprint: key.fingerprint().to_string(),
        pem: key.pem().to_owned(),
    });
    report(config, url, &ours.collect::<Vec<_>>()).map(Some)
}

fn report(config: &Config, url: &str, ours: &[Ours]) -> Result<ClientReport, Error> {
    let base = url.trim_end_matches('/');
    let mut repositories: Vec<String> = Vec::new();
    let (mut by_arch, mut templates) = (BTreeMap::new(), Vec::new());
    let mut keys: Vec<ClientKey> = Vec::new();
    for repository in &config.repositories {
        let line = format!("{base}/{}", repository.name);
        if repository.name.is_by_arch() {
            for arch in &repository.arches {
                let lines: &mut Vec<String> = by_arch.entry(arch.clone()).or_default();
                lines.push(format!("{base}/{}", repository.name.line(arch)));
            }
            if !templates.contains(&line) {
                templates.push(line);
            }
        } else if !repositories.contains(&line) {
            repositories.push(line);
        }
        let name = repository.name.to_string();
        match repository.index {
            IndexMode::Ours | IndexMode::Cosigned => {
                for key in ours {
                    note(&mut keys, name.clone(), |repositories| ClientKey {
                        name: key.name.clone(),
                        fingerprint: key.fingerprint.clone(),
                        pem: key.pem.clone(),
                        repositories,
                        ours: true,
                    });
                }
            }
            IndexMode::Upstream | IndexMode::Origin => {
                for from in &repository.from {
                    let trusted = trusted(config, repository, from)?;
                    let signs = |key: &KeyName| repository.arches.iter().any(|arch| trusted.find(key, arch).is_some());
                    for key in trusted.keys().filter(|key| signs(key.name())) {
                        note(&mut keys, name.clone(), |repositories| ClientKey {
                            name: key.name().clone(),
                            fingerprint: key.fingerprint().to_string(),
                            pem: key.pem().to_owned(),
                            repositories,
                            ours: false,
                        });
                    }
                }
            }
        }
    }
    Ok(ClientReport { repositories, by_arch, templates, keys })
}

/// Whose keys sign a source's own index.
fn trusted(config: &Config, repository: &Repository, from: &FromPath) -> Result<Keyring, Error> {
    let source = &config.sources[&from.source];
    let Some(inbox) = Inbox::of(source, config.policy.sha1)? else {
        return keyring::load(&source.keyring).map_err(|cause| Error::Keyring { of: source.name.clone(), cause });
    };
    let Some(origin) = &inbox.origin else { return Ok(inbox.keyring) };
    if repository.index == IndexMode::Origin {
        return Ok(origin.keyring.clone());
    }
    // A sender passes its origin's index on as it is, or one of its own: the bundle in force tells.
    let ledger = Ledger::new(Store::look(&config.store)?);
    let Some(manifest) = ledger.bundle_in_force(&source.name)? else { return inbox.of_indexes() };
    for arch in &repository.arches {
        let Some(carried) = manifest.carried(&from.path, arch) else { continue };
        let Some(bytes) = ledger.bundled_index(&source.name, &carried.index)? else { continue };
        let by_sender = verify::index::verify(bytes, &inbox.keyring, arch, &Limits::default()).is_ok();
        return Ok(if by_sender { inbox.keyring } else { origin.keyring.clone() });
    }
    inbox.of_indexes()
}

/// Adds a key, or the repository to one that is there.
fn note(keys: &mut Vec<ClientKey>, repository: String, key: impl FnOnce(Vec<String>) -> ClientKey) {
    let key = key(vec![repository]);
    match keys.iter_mut().find(|have| have.name == key.name && have.fingerprint == key.fingerprint) {
        Some(have) => {
            let new = key.repositories.into_iter().filter(|name| !have.repositories.contains(name)).collect::<Vec<_>>();
            have.repositories.extend(new);
        }
        None => keys.push(key),
    }
}
