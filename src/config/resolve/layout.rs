//! Where repositories lie in the public tree: no two in one folder, none inside another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Resolver;
use crate::config::Repository;
use crate::config::written::At;

impl Resolver<'_> {
    /// Refuses repositories whose folders (`<name>/<arch>`) are the same or lie in one another: clients would read one's
    /// index with the other's packages.
    pub(super) fn check_layout(&mut self, repositories: &[At<Repository>]) {
        let mut folders: BTreeMap<PathBuf, &At<Repository>> = BTreeMap::new();
        for repository in repositories {
            for arch in &repository.value.arches {
                let folder = repository.value.name.folder(arch);
                let Some(first) = folders.get(&folder) else {
                    folders.insert(folder, repository);
                    continue;
                };
                let text = format!(
                    "repository \"{}\" for {arch} is already defined at line {}",
                    repository.value.name, first.line
                );
                self.problems.add(repository.line, text);
            }
        }
        for (folder, inner) in &folders {
            for above in folder.ancestors().skip(1) {
                let Some(outer) = folders.get(above) else { continue };
                let text = format!(
                    "repository \"{}\" lies inside the folder {:?} of repository \"{}\"",
                    inner.value.name,
                    above.display().to_string(),
                    outer.value.name
                );
                self.problems.add(inner.line, text);
            }
        }
    }
}
