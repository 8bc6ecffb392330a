//! What cannot be installed: every package of a repository asked for alone, or a client's whole world. The answer is that of
//! apk on an empty machine that has these repositories.

use std::collections::HashMap;

use super::{Diagnosis, Weight, told};
use crate::apk::Entry;
use crate::apk::dependency::{Dependency, parse_world};
use crate::error::Class;
use crate::solve::{Catalogue, Cause, Link, Obstacle};

/// Each thing that is in the way of packages of `own`, with `beside` at hand: once, however many packages it stops.
pub fn unmet(own: &[Entry], beside: &[&[Entry]], subject: &str) -> Vec<Diagnosis> {
    let supplies: Vec<&[Entry]> = std::iter::once(own).chain(beside.iter().copied()).collect();
    let catalogue = Catalogue::new(&supplies);
    let mut order: Vec<(Obstacle, usize, &Entry)> = Vec::new();
    let mut places: HashMap<(Option<Link>, Cause), usize> = HashMap::new();
    for entry in own {
        let term = format!("{}={}", entry.name(), entry.version());
        let Ok(term) = Dependency::parse(&term) else { continue };
        let Err(obstacles) = catalogue.resolve(&[term]) else { continue };
        for obstacle in obstacles {
            let root = (obstacle.chain.last().cloned(), obstacle.cause.clone());
            match places.get(&root) {
                Some(place) => order[*place].1 += 1,
                None => {
                    places.insert(root, order.len());
                    order.push((obstacle, 0, entry));
                }
            }
        }
    }
    let one = |(mut obstacle, more, entry): (Obstacle, usize, &Entry)| {
        // That it was asked for alone is not what is wrong.
        if obstacle.chain.len() > 1 {
            obstacle.chain.remove(0);
        }
        let others = match more {
            0 => String::new(),
            more => format!(" (it stops {more} more)"),
        };
        Diagnosis {
            code: "unmet",
            weight: Weight::Error(Class::Upstream),
            subject: format!("{subject}: {}-{}", entry.name(), entry.version()),
            message: format!("cannot be installed: {obstacle}{others}"),
            hint: Some(cure(&obstacle, &supplies)),
        }
    };
    told(order.into_iter().map(one).collect(), "things are in the way")
}

/// What is in the way of a world, in apk's world format, with these repositories at hand.
pub fn world(text: &str, name: &str, supplies: &[&[Entry]], subject: &str) -> Vec<Diagnosis> {
    let (mut seen, mut terms) = (Vec::new(), Vec::new());
    for term in parse_world(text) {
        match term {
            Ok(term) => terms.push(term),
            Err(bad) => seen.push(Diagnosis {
                code: "bad-world",
                weight: Weight::Error(Class::Host),
                subject: name.to_owned(),
                message: bad.to_string(),
                hint: Some(
                    "write it as /etc/apk/world has it: names, each with a version's condition if it needs one"
                        .to_owned(),
                ),
            }),
        }
    }
    if let Err(obstacles) = Catalogue::new(supplies).resolve(&terms) {
        seen.extend(obstacles.into_iter().map(|obstacle| Diagnosis {
            code: "unmet",
            weight: Weight::Error(Class::Upstream),
            subject: format!("{subject}: {name}"),
            message: format!("cannot be installed: {obstacle}"),
            hint: Some(cure(&obstacle, supplies)),
        }));
    }
    told(seen, "things are in the way")
}

/// What to do about it. A client's own words for the same are shorter by far.
fn cure(obstacle: &Obstacle, supplies: &[&[Entry]]) -> String {
    match &obstacle.cause {
        Cause::NobodyProvides => match missing(obstacle).and_then(|term| other_version(term, supplies)) {
            Some(there) => format!(
                "there is {there}, so the package was built for another branch: build it anew on this one, or take it from the \
                 repository of this branch"
            ),
            None => "take in what provides it: add it to `packages`, its repository to `from`, or name the repository that \
                     clients have besides (`beside`; here `--beside URL`)"
                .to_owned(),
        },
        Cause::OtherVersions { .. } => {
            "the two were built for different branches: build the package anew against this branch, or keep the version that fits \
             (`keep_versions`, `rollback`)"
                .to_owned()
        }
        Cause::MustBeNamed { .. } => "name one of them in the world, or give one a provider_priority".to_owned(),
        Cause::Present { .. } | Cause::RuledOut { .. } | Cause::SameName { .. } => {
            "the two cannot be on one machine: take one of them out of the world, or out of the repository (`exclude`)"
                .to_owned()
        }
        Cause::Twice { .. } => "build the package anew: apk installs none that provides a name twice".to_owned(),
    }
}

/// The term that cannot be met.
fn missing(obstacle: &Obstacle) -> Option<&str> {
    match obstacle.chain.last()? {
        Link::World { term } | Link::Needs { term, .. } => Some(term),
        Link::InstallIf { .. } => None,
    }
}

/// A library under the number of another branch: `so:libicudata.so.76 of icu-libs-76.1-r0`, where `so:libicudata.so.73` is asked for.
fn other_version(term: &str, supplies: &[&[Entry]]) -> Option<String> {
    let name = term.split(['<', '>', '=', '~']).next()?;
    let (stem, _) = name.strip_prefix("so:")?.split_once(".so")?;
    let begins = format!("so:{stem}.so");
    let is_same = |provided: &str| {
        provided.strip_prefix(&begins).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '=']))
    };
    supplies.iter().flat_map(|entries| entries.iter()).find_map(|entry| {
        let provided = entry.field(b'p')?.split(' ').find(|provided| is_same(provided))?;
        let provided = provided.split('=').next().unwrap_or(provided);
        Some(format!("{provided} of {}-{}", entry.name(), entry.version()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, version: &str, more: &str) -> Entry {
        let identity = "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let more = if more.is_empty() { String::new() } else { format!("\n{more}") };
        Entry::parse(&format!("C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:1\nT:x\nU:x\nL:x{more}")).unwrap()
    }

    #[test]
    fn one_missing_library_is_one_finding_that_counts_whom_it_stops() {
        let own = [entry("a", "1-r0", "D:b"), entry("b", "1-r0", "D:so:z.so.1"), entry("c", "1-r0", "D:a")];
        let seen = unmet(&own, &[], "main/x86_64");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!((seen[0].code, seen[0].subject.as_str()), ("unmet", "main/x86_64: a-1-r0"));
        assert!(seen[0].message.contains("so:z.so.1, which nothing provides (it stops 2 more)"), "{}", seen[0].message);
        let beside = [entry("z", "1-r0", "p:so:z.so.1=1")];
        assert_eq!(unmet(&own, &[&beside], "main/x86_64"), []);
    }

    #[test]
    fn another_version_than_is_there_has_its_own_cure() {
        let own = [entry("a", "1-r0", "D:b>2"), entry("b", "1-r0", "")];
        let seen = unmet(&own, &[], "r");
        assert!(seen[0].hint.as_ref().unwrap().contains("different branches"), "{seen:?}");
    }

    #[test]
    fn a_library_under_another_number_tells_another_branch() {
        let own = [entry("old", "1-r0", "D:so:libicudata.so.73")];
        let base = [entry("icu-libs", "76.1-r0", "p:so:libicudata.so.76=76.1 so:libicuuc.so.76=76.1")];
        let hint = |beside: &[Entry]| unmet(&own, &[beside], "r")[0].hint.clone().unwrap();
        assert!(hint(&base).contains("so:libicudata.so.76 of icu-libs-76.1-r0"), "{}", hint(&base));
        let other = [entry("icu-data", "76.1-r0", "p:so:libicudata-full.so.76=76.1")];
        assert!(hint(&other).contains("take in what provides it"), "{}", hint(&other));
    }

    #[test]
    fn a_world_is_asked_whole() {
        let own = [entry("a", "1-r0", "D:!b"), entry("b", "1-r0", "")];
        assert_eq!(world("a\n", "w", &[&own], "r"), []);
        let seen = world("a\nb\n", "w", &[&own], "r");
        assert!(seen.iter().all(|one| one.code == "unmet") && !seen.is_empty(), "{seen:?}");
        assert_eq!(world("nothing\n", "w", &[&own], "r")[0].subject, "r: w");
    }
}
