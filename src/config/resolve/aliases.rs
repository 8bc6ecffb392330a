//! `[aliases]`: links in the public tree. None may hide a repository, lead out of the tree, or lead nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::repositories::Published;
use super::{Resolver, did_you_mean};
use crate::apk::RepositoryName;
use crate::config::written::At;

impl Resolver<'_> {
    /// The links, each with the folder that it leads to: a repository's, or one above some repository's. A link to a link is
    /// refused: so none can lead in a circle. Where bundles are to be carried, it may lead to what they bring.
    pub(super) fn aliases(
        &mut self,
        written: &[(At<String>, At<String>)],
        published: &Published,
    ) -> BTreeMap<RepositoryName, RepositoryName> {
        let folders: BTreeSet<PathBuf> = published
            .repositories
            .iter()
            .flat_map(|one| one.value.arches.iter().map(|arch| one.value.name.folder(arch)))
            .collect();
        let above: BTreeSet<&Path> = folders.iter().flat_map(|folder| folder.ancestors()).collect();
        let mut aliases: BTreeMap<RepositoryName, RepositoryName> = BTreeMap::new();
        for (name, target) in written {
            let Some(alias) = self.path_in_tree("an alias", name) else { continue };
            let Some(leads_to) = self.path_in_tree("what an alias leads to", target) else { continue };
            let (link, folder) = (Path::new(alias.as_str()), Path::new(leads_to.as_str()));
            if above.contains(link) {
                self.problems.add(name.line, format!("alias \"{alias}\" would hide the folder of a repository"));
            } else if link.ancestors().skip(1).any(|outer| folders.contains(outer)) {
                self.problems.add(name.line, format!("alias \"{alias}\" lies inside the folder of a repository"));
            } else if written
                .iter()
                .any(|(other, _)| link.ancestors().skip(1).any(|outer| outer == Path::new(&other.value)))
            {
                self.problems.add(name.line, format!("alias \"{alias}\" lies inside another alias"));
            } else if written.iter().any(|(other, _)| folder.starts_with(&other.value)) {
                let text = format!("alias \"{alias}\" leads to the alias \"{leads_to}\"; name the folder itself");
                self.problems.add(target.line, text);
            } else if link.starts_with(folder) {
                let text = format!("alias \"{alias}\" leads to \"{leads_to}\", in which it lies: a circle");
                self.problems.add(target.line, text);
            } else if !above.contains(folder) && published.carried.is_empty() {
                let text = format!("alias \"{alias}\" leads to \"{leads_to}\", where no repository lies");
                let known: Vec<&str> = above.iter().filter_map(|path| path.to_str()).collect();
                let hint = did_you_mean(leads_to.as_str(), known.iter().copied().filter(|path| !path.is_empty()));
                self.problems.add_with_hint(target.line, text, hint);
            } else {
                aliases.insert(alias, leads_to);
            }
        }
        aliases
    }

    /// Segments joined by `/`: no absolute path, no `..`, nothing hidden.
    fn path_in_tree(&mut self, what: &str, text: &At<String>) -> Option<RepositoryName> {
        match text.value.parse::<RepositoryName>() {
            Ok(path) if !path.is_by_arch() => Some(path),
            Ok(_) | Err(_) => {
                let text_of =
                    format!("{what} is {:?}, not segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /", text.value);
                self.problems.add(text.line, text_of);
                None
            }
        }
    }
}
