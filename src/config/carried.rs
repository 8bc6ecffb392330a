//! `from = ["hq:*"]`: all that bundles carry. What that is becomes known when one is imported, so a block that asks for it
//! stays apart until then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::resolve::layout::{Clash, Folders};
use super::{Config, FromPath, IndexMode, KEYRING_SOURCE, Repository, Rules};
use crate::apk::{Arch, RepositoryName, SourceName};

/// A block that publishes all that a source's bundles carry, under the sender's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Starred {
    /// Whose bundles; it is defined, and of that kind.
    pub source: SourceName,
    /// Only these arches; empty: all that are carried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arches: Vec<Arch>,
    /// What holds for each repository.
    #[serde(flatten)]
    pub rules: Rules,
}

impl Starred {
    /// As `from` has it: `hq:*`.
    pub fn from(&self) -> String {
        format!("{}:*", self.source)
    }

    /// What of `carried` it publishes: each name with its arches, all in the order given.
    fn chosen<'c>(&self, carried: &'c [(RepositoryName, Arch)]) -> Vec<(&'c RepositoryName, Vec<Arch>)> {
        let mut chosen: Vec<(&RepositoryName, Vec<Arch>)> = Vec::new();
        for (name, arch) in carried.iter().filter(|(_, arch)| self.arches.is_empty() || self.arches.contains(arch)) {
            match chosen.iter_mut().find(|(known, _)| *known == name) {
                Some((_, arches)) if arches.contains(arch) => {}
                Some((_, arches)) => arches.push(arch.clone()),
                None => chosen.push((name, vec![arch.clone()])),
            }
        }
        chosen
    }
}

/// The public tree as far as it is given away.
struct Ground<'c> {
    folders: Folders<RepositoryName>,
    aliases: &'c BTreeMap<RepositoryName, RepositoryName>,
}

impl Ground<'_> {
    fn take(&mut self, repository: &Repository) {
        for arch in &repository.arches {
            self.folders.take(repository.name.folder(arch), repository.name.clone());
        }
    }

    /// Why a repository cannot lie there, if it cannot.
    fn against(&self, name: &RepositoryName, arches: &[Arch]) -> Option<String> {
        arches.iter().find_map(|arch| self.against_folder(&name.folder(arch)))
    }

    fn against_folder(&self, folder: &Path) -> Option<String> {
        let clash = self.folders.clashes(folder).into_iter().next().map(|clash| match clash {
            Clash::Taken(by) => format!("its folder {folder:?} is that of repository \"{by}\""),
            Clash::Inside(above, by) => format!("it would lie inside the folder {above:?} of repository \"{by}\""),
            Clash::Around(below, by) => format!("the folder {below:?} of repository \"{by}\" would lie inside it"),
        });
        let in_the_way = |alias: &&RepositoryName| {
            let link = Path::new(alias.as_str());
            folder.starts_with(link) || link.starts_with(folder)
        };
        let alias = || self.aliases.keys().find(in_the_way).map(|alias| format!("alias \"{alias}\" is in its way"));
        clash.or_else(alias)
    }
}

impl Config {
    /// The configuration with every [`Config::carried`] block spread out over what its source's bundles are known to carry:
    /// `carried` has each repository's name at the sender, an arch at a time. A name that a block of its own defines is that
    /// block's; of two starred ones, it is the first one's.
    ///
    /// What holds for every configuration holds for the result. What is left out for that is told, a line each: repositories
    /// whose folders are taken, aliases that lead nowhere, and names of `beside` that nobody has.
    pub fn with_carried(&self, carried: &BTreeMap<SourceName, Vec<(RepositoryName, Arch)>>) -> (Config, Vec<String>) {
        let mut spread = self.clone();
        let mut told = Vec::new();
        let mut ground = Ground { folders: Folders::new(), aliases: &self.aliases };
        self.repositories.iter().for_each(|repository| ground.take(repository));
        let explicit: BTreeSet<&RepositoryName> = self.repositories.iter().map(|repository| &repository.name).collect();
        let mut first: BTreeMap<&RepositoryName, &Starred> = BTreeMap::new();
        for starred in &self.carried {
            let of_source = carried.get(&starred.source).map_or(&[][..], Vec::as_slice);
            for (name, arches) in starred.chosen(of_source).into_iter().filter(|(name, _)| !explicit.contains(name)) {
                let taken = first.get(name).map(|first| format!("\"{}\" brings it already", first.from()));
                if let Some(reason) = taken.or_else(|| ground.against(name, &arches)) {
                    let from = starred.from();
                    told.push(format!("repository \"{name}\" of \"{from}\" is left out: {reason}"));
                    continue;
                }
                let repository = self.carried_repository(starred, name, arches);
                ground.take(&repository);
                first.insert(name, starred);
                spread.repositories.push(repository);
            }
        }
        // Without such a block all of this was seen when the file was read.
        if !self.carried.is_empty() {
            spread.drop_dangling(&mut told);
        }
        (spread, told)
    }

    fn carried_repository(&self, starred: &Starred, name: &RepositoryName, arches: Vec<Arch>) -> Repository {
        let own = self.sources.keys().find(|source| source.as_str() == KEYRING_SOURCE);
        let own = own.filter(|_| starred.rules.index == IndexMode::Ours);
        let own = own.map(|source| FromPath { source: source.clone(), path: String::new() });
        let carried = FromPath { source: starred.source.clone(), path: name.to_string() };
        let mut repository = starred.rules.repository(name.clone(), arches, own.into_iter().chain([carried]).collect());
        // The block's list is one for all: each has the others of it beside itself.
        repository.beside.retain(|beside| beside != name);
        repository
    }

    /// Takes out aliases and names of `beside` that lead to no repository.
    fn drop_dangling(&mut self, told: &mut Vec<String>) {
        let folders: Vec<_> = self
            .repositories
            .iter()
            .flat_map(|repository| repository.arches.iter().map(|arch| repository.name.folder(arch)))
            .collect();
        self.aliases.retain(|alias, target| {
            let leads_somewhere = folders.iter().any(|folder| folder.starts_with(target.as_str()));
            if !leads_somewhere {
                told.push(format!("alias \"{alias}\" is left out: it leads to \"{target}\", where no repository lies"));
            }
            leads_somewhere
        });
        let names: BTreeSet<RepositoryName> = self.repositories.iter().map(|one| one.name.clone()).collect();
        let mut missing = BTreeSet::new();
        for repository in &mut self.repositories {
            let (known, unknown) =
                std::mem::take(&mut repository.beside).into_iter().partition(|one| names.contains(one));
            repository.beside = known;
            missing.extend::<Vec<RepositoryName>>(unknown);
        }
        told.extend(missing.iter().map(|name| format!("nothing is beside \"{name}\": no such repository is carried")));
    }
}
