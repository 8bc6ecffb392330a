//! `signing.keyring_package`: a source of our own, which every index that we merge takes from.

use std::collections::BTreeMap;
use std::path::Path;

use super::Resolver;
use super::repositories::Published;
use crate::apk::SourceName;
use crate::config::{
    FromPath, IndexMode, KEYRING_SOURCE, KeyringChoice, Rebuilt, Signing, Source, SourceKind, Unsigned, keyring_folder,
};

impl Resolver<'_> {
    /// Adds the source, before the others of each repository, so that it supplies its package where several have the name.
    pub(super) fn add_keyring_package(
        &mut self,
        signing: &Signing,
        store: &Path,
        sources: &mut BTreeMap<SourceName, Source>,
        published: &mut Published,
        line: usize,
    ) {
        let Some(package) = &signing.keyring_package else { return };
        let name: SourceName = KEYRING_SOURCE.parse().expect("it is in the alphabet of sources");
        if sources.contains_key(&name) {
            self.problems.add(line, format!("signing.keyring_package needs the name {name:?}, which a source has"));
            return;
        }
        // What bundles carry gets the source when it is spread out.
        let mut takers = published.carried.iter().filter(|one| one.value.rules.index == IndexMode::Ours).count();
        for repository in published.repositories.iter_mut().filter(|one| one.value.index == IndexMode::Ours) {
            repository.value.from.insert(0, FromPath { source: name.clone(), path: String::new() });
            takers += 1;
        }
        if takers == 0 {
            self.problems.add(line, "signing.keyring_package needs a repository whose index is merged by us");
            return;
        }
        let source = Source {
            name: name.clone(),
            kind: SourceKind::Directory { path: keyring_folder(store), unsigned: Unsigned::Accept },
            keyring: KeyringChoice::Files(Vec::new()),
            reserve: vec![package.to_string()],
            rebuilt: Rebuilt::Refuse,
            max_shrink: None,
        };
        sources.insert(name, source);
    }
}
