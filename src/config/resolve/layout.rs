//! Where repositories lie in the public tree: no two in one folder, none inside another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Resolver;
use crate::config::Repository;
use crate::config::written::At;

/// The folders (`<name>/<arch>`) that are taken in the public tree, each with what has it.
pub(in crate::config) struct Folders<T> {
    taken: BTreeMap<PathBuf, T>,
}

/// Why a folder cannot be had beside those that are taken: clients would read one's index with the other's packages.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) enum Clash<'f, T> {
    /// It is taken.
    Taken(&'f T),
    /// It lies inside this one.
    Inside(&'f Path, &'f T),
    /// This one lies inside it.
    Around(&'f Path, &'f T),
}

impl<T> Folders<T> {
    pub(in crate::config) fn new() -> Self {
        Folders { taken: BTreeMap::new() }
    }

    pub(in crate::config) fn take(&mut self, folder: PathBuf, by: T) {
        self.taken.insert(folder, by);
    }

    /// All that stands against taking `folder`.
    pub(in crate::config) fn clashes(&self, folder: &Path) -> Vec<Clash<'_, T>> {
        if let Some(by) = self.taken.get(folder) {
            return vec![Clash::Taken(by)];
        }
        let above = folder.ancestors().skip(1).filter_map(|above| self.taken.get_key_value(above));
        // Paths are ordered by their components: what lies below a folder follows it directly.
        let below = self.taken.range(folder.to_owned()..).take_while(|(below, _)| below.starts_with(folder));
        let above = above.map(|(above, by)| Clash::Inside(above.as_path(), by));
        above.chain(below.map(|(below, by)| Clash::Around(below.as_path(), by))).collect()
    }
}

impl Resolver<'_> {
    /// Refuses repositories whose folders are the same or lie in one another.
    pub(super) fn check_layout(&mut self, repositories: &[At<Repository>]) {
        let mut folders: Folders<&At<Repository>> = Folders::new();
        for repository in repositories {
            for arch in &repository.value.arches {
                let folder = repository.value.name.folder(arch);
                let inside = |inner: &At<Repository>, above: &Path, outer: &At<Repository>| {
                    let text = format!(
                        "repository \"{}\" lies inside the folder {:?} of repository \"{}\"",
                        inner.value.name,
                        above.display().to_string(),
                        outer.value.name
                    );
                    (inner.line, text)
                };
                let mut is_taken = false;
                for clash in folders.clashes(&folder) {
                    let (line, text) = match clash {
                        Clash::Taken(first) => {
                            is_taken = true;
                            let name = &repository.value.name;
                            let text =
                                format!("repository \"{name}\" for {arch} is already defined at line {}", first.line);
                            (repository.line, text)
                        }
                        Clash::Inside(above, outer) => inside(repository, above, outer),
                        Clash::Around(_, inner) => inside(inner, &folder, repository),
                    };
                    self.problems.add(line, text);
                }
                if !is_taken {
                    folders.take(folder, repository);
                }
            }
        }
    }
}
