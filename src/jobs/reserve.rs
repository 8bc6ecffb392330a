//! Names that belong to one source: nobody else may supply or provide them, in any repository. A public index that one day
//! lists `corp-login` with a higher version must not reach the machines that mean the company's own.
//!
//! Who wants foreign code on those machines has four ways, and each is closed:
//! - a package of a reserved name, and a package that provides one (a client takes the highest version of either);
//! - a package that installs itself beside a reserved one (`install_if`);
//! - a package that is or provides what private packages need of each other, under a name that no pattern was written for
//!   (`so:libcorp.so.1`, which the build finds by itself). What a package of the owner needs and one of its reserved packages
//!   provides is therefore reserved too, in the repositories that take from the owner. Names that nothing of the owner's
//!   needs are not: a private package that happens to provide `cmd:ls` must not drive busybox out.

use std::collections::{HashMap, HashSet};

use super::Error;
use crate::apk::dependency::Sense;
use crate::apk::names::SourceName;
use crate::apk::{Entry, dependency};
use crate::config::Config;
use crate::merge::Cause;
use crate::select::filter::{Item, Selector};

/// Who has reserved which names.
#[derive(Debug)]
pub(super) struct Reserve<'c> {
    patterns: Vec<(&'c SourceName, Selector)>,
}

/// What is reserved in one repository for one arch.
#[derive(Debug)]
pub(super) struct Guard<'r> {
    reserve: &'r Reserve<'r>,
    /// What private packages need of each other, and for whom it is reserved.
    inner: HashMap<String, &'r SourceName>,
}

impl<'c> Reserve<'c> {
    /// What the configuration reserves.
    pub(super) fn of(config: &'c Config) -> Result<Self, Error> {
        let mut patterns = Vec::new();
        for source in config.sources.values() {
            for text in &source.reserve {
                let bad = |cause| Error::Reserve { of: source.name.clone(), cause };
                match Item::parse(text).map_err(bad)? {
                    Item::Selector(selector) => patterns.push((&source.name, selector)),
                    Item::WorldFile(_) => unreachable!("the configuration was checked: no such pattern begins with @"),
                }
            }
        }
        Ok(Reserve { patterns })
    }

    /// What is reserved in a repository that takes these entries from these sources.
    pub(super) fn guard<'r, 'e>(&'r self, layers: impl Iterator<Item = (&'e SourceName, &'e [Entry])>) -> Guard<'r> {
        let mut inner = HashMap::new();
        if self.patterns.is_empty() {
            return Guard { reserve: self, inner };
        }
        let layers: Vec<_> = layers.collect();
        let owners: HashSet<&SourceName> = self.patterns.iter().map(|(owner, _)| *owner).collect();
        for owner in owners {
            let mine = || layers.iter().filter(|(source, _)| *source == owner).flat_map(|(_, entries)| *entries);
            let needed: HashSet<&str> = mine().flat_map(needs).collect();
            let reserved = mine().filter(|entry| self.is_for(owner, entry.name().as_str()));
            let provided = reserved.flat_map(provides).filter(|name| needed.contains(name));
            inner.extend(provided.map(|name| (name.to_owned(), owner)));
        }
        Guard { reserve: self, inner }
    }

    /// Whether a package of this name is another source's alone, and `source` is not even to be asked for it.
    pub(super) fn is_kept_from(&self, source: &SourceName, name: &str) -> bool {
        self.owner(source, name).is_some()
    }

    fn is_for(&self, source: &SourceName, name: &str) -> bool {
        self.patterns.iter().any(|(owner, pattern)| *owner == source && pattern.covers(name))
    }

    /// For whom the patterns reserve `name`, if not for `source`. A name that two sources reserve is for both.
    fn owner(&self, source: &SourceName, name: &str) -> Option<&'c SourceName> {
        let (owner, _) = self.patterns.iter().find(|(_, pattern)| pattern.covers(name))?;
        (!self.is_for(source, name)).then_some(*owner)
    }
}

impl Guard<'_> {
    /// Why `source` may not supply `entry`; `None` where it may.
    pub(super) fn forbids(&self, source: &SourceName, entry: &Entry) -> Option<Cause> {
        if self.reserve.patterns.is_empty() {
            return None;
        }
        if let Some(owner) = self.owner(source, entry.name().as_str()) {
            return Some(Cause::Reserved { owner: owner.clone() });
        }
        let provided = provides(entry)
            .find_map(|name| Some(Cause::Provides { name: name.to_owned(), owner: self.owner(source, name)?.clone() }));
        provided.or_else(|| {
            triggers(entry).find_map(|name| {
                Some(Cause::InstallIf { name: name.to_owned(), owner: self.reserve.owner(source, name)?.clone() })
            })
        })
    }

    fn owner(&self, source: &SourceName, name: &str) -> Option<&SourceName> {
        let by_pattern = self.reserve.owner(source, name);
        by_pattern.or_else(|| self.inner.get(name).copied().filter(|owner| *owner != source))
    }
}

/// The names that an entry provides. What cannot be read provides nothing to any client.
fn provides(entry: &Entry) -> impl Iterator<Item = &str> {
    dependency::parse_provides(entry.field(b'p').unwrap_or_default()).flatten().map(|provide| provide.name)
}

/// The names that an entry needs.
fn needs(entry: &Entry) -> impl Iterator<Item = &str> {
    required(entry.field(b'D'))
}

/// The names whose presence installs it.
fn triggers(entry: &Entry) -> impl Iterator<Item = &str> {
    required(entry.field(b'i'))
}

fn required(list: Option<&str>) -> impl Iterator<Item = &str> {
    let terms = dependency::parse_list(list.unwrap_or_default()).flatten();
    terms.filter(|term| term.sense == Sense::Requires).map(|term| term.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, fields: &str) -> Entry {
        let identity = crate::apk::Identity::new([7; 20]);
        Entry::parse(&format!("C:{identity}\nP:{name}\nV:1\nA:x86\nS:1\nI:2\nT:\nU:\nL:\n{fields}")).unwrap()
    }

    fn source(name: &str) -> SourceName {
        name.parse().unwrap()
    }

    fn reserve<'c>(owner: &'c SourceName, patterns: &[&str]) -> Reserve<'c> {
        let selector = |text: &&str| match Item::parse(text).unwrap() {
            Item::Selector(selector) => (owner, selector),
            Item::WorldFile(file) => panic!("{file}"),
        };
        Reserve { patterns: patterns.iter().map(selector).collect() }
    }

    #[test]
    fn no_other_source_supplies_provides_or_joins_a_reserved_name() {
        let (corp, up) = (source("corp"), source("up"));
        let reserve = reserve(&corp, &["corp-*", "so:libcorp*"]);
        let guard = reserve.guard(std::iter::empty());
        let owner = || corp.clone();
        let provides = |name: &str| Some(Cause::Provides { name: name.into(), owner: owner() });
        for (name, fields, cause) in [
            ("corp-login", "", Some(Cause::Reserved { owner: owner() })),
            ("evil", "p:corp-agent=99", provides("corp-agent")),
            ("evil", "p:cmd:ls corp-agent", provides("corp-agent")),
            ("evil", "p:so:libcorp.so.1=1.9", provides("so:libcorp.so.1")),
            ("evil", "i:musl corp-tool", Some(Cause::InstallIf { name: "corp-tool".into(), owner: owner() })),
            ("evil", "i:!corp-tool musl", None),
            ("app", "D:corp-tool", None),
            ("xcorp-login", "p:cmd:xcorp-login=1", None),
        ] {
            let entry = entry(name, fields);
            assert_eq!(guard.forbids(&up, &entry), cause, "{name} {fields}");
            assert_eq!(guard.forbids(&corp, &entry), None, "{name} {fields}");
        }
    }

    #[test]
    fn what_private_packages_need_of_each_other_is_theirs() {
        let (corp, up) = (source("corp"), source("up"));
        let reserve = reserve(&corp, &["corp-*"]);
        let own = [
            entry("corp-app", "D:so:libcorp.so.1 so:libc.musl-x86_64.so.1 !corp-old cmd:ls"),
            entry("corp-lib", "p:so:libcorp.so.1=1.2 cmd:corp-lib=1"),
            entry("corp-box", "p:cmd:cat=1"),
            // Not a reserved name: what it provides is not protected, though others of its source need it.
            entry("box", "p:cmd:ls=1"),
        ];
        let foreign = [entry("musl", "p:so:libc.musl-x86_64.so.1=1")];
        let guard = reserve.guard([(&corp, &own[..]), (&up, &foreign[..])].into_iter());
        let forbidden = |fields: &str| guard.forbids(&up, &entry("x", fields));
        let provides = |name: &str| Some(Cause::Provides { name: name.into(), owner: corp.clone() });
        assert_eq!(forbidden("p:so:libcorp.so.1=9"), provides("so:libcorp.so.1"));
        for fine in ["p:so:libc.musl-x86_64.so.1=2", "p:cmd:cat=2", "p:cmd:ls=2", "p:cmd:corp-lib=2"] {
            assert_eq!(forbidden(fine), None, "{fine}");
        }
        assert_eq!(
            reserve.guard([(&up, &foreign[..])].into_iter()).forbids(&up, &entry("x", "p:so:libcorp.so.1")),
            None
        );
    }

    #[test]
    fn of_a_name_that_two_sources_reserve_both_may_supply() {
        let (corp, labs) = (source("corp"), source("labs"));
        let both = Reserve {
            patterns: [reserve(&corp, &["corp-*"]), reserve(&labs, &["corp-*"])]
                .into_iter()
                .flat_map(|one| one.patterns)
                .collect(),
        };
        let guard = both.guard(std::iter::empty());
        let entry = entry("corp-tool", "");
        assert_eq!((guard.forbids(&corp, &entry), guard.forbids(&labs, &entry)), (None, None));
        assert!(guard.forbids(&source("up"), &entry).is_some());
    }
}
