//! What is asked for of a repository's offer, and what that needs.

use serde::Serialize;

use super::Mirror;
use super::offer::Offer;
use crate::apk::Entry;
use crate::apk::names::SourceName;
use crate::config::{self, Repository, SourceKind};
use crate::jobs::selection::Chosen;
use crate::select::{Closure, Dependencies, Place, Reason, Request, Selector, Supply, Unmet, Versions, Wanted, close};

/// A repository with its lists, and what it chooses from.
pub(in crate::jobs) struct Choice<'a> {
    pub(in crate::jobs) mirror: &'a Mirror<'a>,
    pub(in crate::jobs) repository: &'a Repository,
    pub(in crate::jobs) packages: &'a Chosen,
    pub(in crate::jobs) offer: &'a Offer,
}

/// What was chosen.
pub(super) struct Picked {
    /// By layer of the offer.
    pub(super) layers: Vec<Vec<Entry>>,
    /// A line for each item of `packages` that is a plain name and names nothing.
    pub(super) unmatched: Vec<String>,
    /// Other items that name nothing, and needs that nothing provides.
    pub(super) warnings: Vec<String>,
}

/// Chooses from an offer. What is listed `beside` it meets needs and has needs, and is not chosen itself. Warnings begin with
/// `place`.
pub(super) fn choose(choice: &Choice<'_>, beside: &[&[Entry]], place: &str) -> Picked {
    let offer = choice.offer;
    let lists = lists(choice.packages);
    let supplies = supplies(choice, beside, &lists);
    let closure = closure(choice, &supplies, &lists);
    let mut layers = vec![Vec::new(); offer.layers.len()];
    for (place, _) in closure.chosen() {
        if let Some(layer) = layers.get_mut(place.supply) {
            layer.push(offer.layers[place.supply][place.entry].clone());
        }
    }
    let seen = Seen { closure: &closure, supplies: &supplies, lists: &lists };
    let (unmatched, idle) = idle(offer, place, &seen);
    Picked { layers, unmatched, warnings: [idle, unmet(choice, place, &seen)].concat() }
}

/// Why a package was chosen, one step of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The package's name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The reason.
    #[serde(flatten)]
    pub because: Because,
}

/// The reason of one step. Of the last three the other package that it speaks of is the next step's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Because {
    /// All of its source is taken.
    Whole {
        /// The source.
        source: SourceName,
    },
    /// `packages` names it, or what it provides.
    Named {
        /// The item that does.
        selector: String,
    },
    /// It is or provides what a chosen package needs.
    Needed {
        /// The term of that package's dependencies.
        term: String,
    },
    /// All terms of its `install_if` are provided by chosen packages, at last by that one.
    InstallIf {
        /// Its `install_if`.
        rule: String,
    },
    /// Another version of its name was chosen, and versions are kept.
    OtherVersion,
}

/// A chain in one line: `pcre2 ← so:libpcre2-8.so.0 needed by nginx ← named "nginx" in packages`.
pub fn in_one_line(chain: &[Step]) -> String {
    let mut line = chain.first().map(|step| step.name.clone()).unwrap_or_default();
    for (at, step) in chain.iter().enumerate() {
        let next = chain.get(at + 1).map_or("", |next| next.name.as_str());
        line.push_str(&match &step.because {
            Because::Whole { source } => format!(" ← all of source \"{source}\" is taken"),
            Because::Named { selector } => format!(" ← named \"{selector}\" in packages"),
            Because::Needed { term } if *term == step.name => format!(" ← needed by {next}"),
            Because::Needed { term } => format!(" ← {term} needed by {next}"),
            Because::InstallIf { rule } => format!(" ← install_if \"{rule}\", the last of it {next}"),
            Because::OtherVersion => " ← an older version is kept".to_owned(),
        });
    }
    line
}

/// A chosen package and why.
pub(in crate::jobs) struct Explained {
    /// Its layer.
    pub(in crate::jobs) layer: usize,
    pub(in crate::jobs) entry: Entry,
    /// From it back to what was asked for.
    pub(in crate::jobs) chain: Vec<Step>,
}

/// The packages of this name that are chosen, each with the shortest chain to it.
pub(in crate::jobs) fn explain(choice: &Choice<'_>, beside: &[&[Entry]], name: &str) -> Vec<Explained> {
    let lists = lists(choice.packages);
    let supplies = supplies(choice, beside, &lists);
    let closure = closure(choice, &supplies, &lists);
    let seen = Seen { closure: &closure, supplies: &supplies, lists: &lists };
    let ours = closure.chosen().map(|(place, _)| place).filter(|place| place.supply < choice.offer.layers.len());
    ours.filter(|place| seen.entry(*place).name().as_str() == name)
        .map(|place| Explained {
            layer: place.supply,
            entry: seen.entry(place).clone(),
            chain: seen.chain(choice, place),
        })
        .collect()
}

/// A closure with what it was made from.
struct Seen<'s> {
    closure: &'s Closure<'s>,
    supplies: &'s [Supply<'s>],
    lists: &'s [(Option<&'s SourceName>, &'s [Selector])],
}

impl Seen<'_> {
    fn entry(&self, place: Place) -> &Entry {
        &self.supplies[place.supply].entries[place.entry]
    }

    fn chain(&self, choice: &Choice<'_>, place: Place) -> Vec<Step> {
        let step = |(place, reason): (Place, Reason<'_>)| {
            let entry = self.entry(place);
            Step {
                name: entry.name().to_string(),
                file: entry.file().to_string(),
                because: self.because(choice, place, reason),
            }
        };
        self.closure.chain(place).into_iter().map(step).collect()
    }

    fn because(&self, choice: &Choice<'_>, place: Place, reason: Reason<'_>) -> Because {
        match reason {
            // What is listed beside is never wanted whole.
            Reason::Whole => Because::Whole { source: choice.offer.keys[place.supply].source.clone() },
            Reason::Root { selector } => match self.supplies[place.supply].wanted {
                Wanted::List(list) => Because::Named { selector: self.lists[list].1[selector].as_str().to_owned() },
                Wanted::All | Wanted::Nothing => unreachable!("a root is named by its supply's list"),
            },
            Reason::Needed { term, .. } => Because::Needed { term: term.to_owned() },
            Reason::InstallIf { rule, .. } => Because::InstallIf { rule: rule.to_owned() },
            Reason::OtherVersion { .. } => Because::OtherVersion,
        }
    }
}

fn closure<'o>(
    choice: &Choice<'_>,
    supplies: &[Supply<'o>],
    lists: &[(Option<&SourceName>, &[Selector])],
) -> Closure<'o> {
    let request = Request {
        lists: &lists.iter().map(|(_, list)| *list).collect::<Vec<_>>(),
        // The offer is without what is excluded; what is listed beside it is not this repository's to exclude.
        exclude: &[],
        versions: match choice.repository.keep_versions {
            None => Versions::Newest,
            Some(_) => Versions::AllOfEachName,
        },
        dependencies: match choice.repository.dependencies {
            config::Dependencies::Follow => Dependencies::Follow,
            config::Dependencies::Leave => Dependencies::Leave,
        },
    };
    close(supplies, &request)
}

/// The lists of selectors, each with the source that it is for, if it is not for all.
fn lists(packages: &Chosen) -> Vec<(Option<&SourceName>, &[Selector])> {
    match packages {
        Chosen::List(list) => vec![(None, list)],
        Chosen::BySource(lists) => lists.iter().map(|(source, list)| (Some(source), &list[..])).collect(),
    }
}

fn supplies<'o>(
    choice: &Choice<'o>,
    beside: &[&'o [Entry]],
    lists: &[(Option<&SourceName>, &[Selector])],
) -> Vec<Supply<'o>> {
    let wanted = |source: &SourceName| match choice.mirror.config.sources[source].kind {
        // A directory always gives all it holds.
        SourceKind::Directory { .. } => Wanted::All,
        SourceKind::Url { .. } | SourceKind::Bundles { .. } => {
            let list = lists.iter().position(|(of, _)| of.is_none_or(|of| of == source));
            list.map_or(Wanted::Nothing, Wanted::List)
        }
    };
    let layers = choice.offer.keys.iter().zip(&choice.offer.layers);
    let own = layers.map(|(key, entries)| Supply { entries, wanted: wanted(&key.source) });
    own.chain(beside.iter().map(|entries| Supply { entries, wanted: Wanted::Nothing })).collect()
}

/// The items that name nothing of the sources that they are for: plain names, and lines about the others. A glob may well be
/// for what is to come; whoever names a package means that there is one. Another source's package is one, too, and one that
/// was left out on purpose is not missing.
fn idle(offer: &Offer, place: &str, seen: &Seen<'_>) -> (Vec<String>, Vec<String>) {
    let (mut names, mut lines) = (Vec::new(), Vec::new());
    for (list, selector) in &seen.closure.idle {
        let (source, selectors) = &seen.lists[*list];
        let selector = &selectors[*selector];
        let of = source.map_or("its sources".to_owned(), |source| format!("source \"{source}\""));
        let what = format!("\"{}\" names no package of {of}", selector.as_str());
        let supplied = offer.layers.iter().flatten().any(|entry| selector.is_met_by(entry));
        let left_out = offer.left_out.iter().any(|entry| selector.is_met_by(entry));
        match selector.term() {
            _ if supplied && source.is_none() => {}
            Some(_) if !supplied && !left_out => names.push(what),
            _ => lines.push(format!("{place}: {what}")),
        }
    }
    (names, lines)
}

fn unmet(choice: &Choice<'_>, place: &str, seen: &Seen<'_>) -> Vec<String> {
    let line = |unmet: &Unmet<'_>| {
        let by: Vec<&str> = unmet.by.iter().take(3).map(|place| seen.entry(*place).name().as_str()).collect();
        let more = unmet.by.len().saturating_sub(by.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let chain = unmet.by.first().map(|first| in_one_line(&seen.chain(choice, *first))).unwrap_or_default();
        format!("{place}: nothing provides {}, which {}{more} needs ({chain})", unmet.term, by.join(", "))
    };
    seen.closure.unmet.iter().map(line).collect()
}
