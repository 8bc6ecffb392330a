//! What is asked for of a repository's offer, and what that needs.

use super::Mirror;
use super::offer::Offer;
use crate::apk::Entry;
use crate::apk::names::SourceName;
use crate::config::{self, Repository, SourceKind};
use crate::jobs::selection::Chosen;
use crate::select::{Closure, Dependencies, Request, Selector, Supply, Versions, Wanted, close};

/// A repository with its lists, and what it chooses from.
pub(super) struct Choice<'a> {
    pub(super) mirror: &'a Mirror<'a>,
    pub(super) repository: &'a Repository,
    pub(super) packages: &'a Chosen,
    pub(super) offer: &'a Offer,
}

/// What was chosen.
pub(super) struct Picked {
    /// By layer of the offer.
    pub(super) layers: Vec<Vec<Entry>>,
    /// Selectors that name nothing, and needs that nothing provides.
    pub(super) warnings: Vec<String>,
}

/// Chooses from an offer. What is listed `beside` it meets needs and has needs, and is not chosen itself. Warnings begin with
/// `place`.
pub(super) fn choose(choice: &Choice<'_>, beside: &[&[Entry]], place: &str) -> Picked {
    let offer = choice.offer;
    let lists = lists(choice.packages);
    let mut supplies = supplies(choice, &lists);
    supplies.extend(beside.iter().map(|entries| Supply { entries, wanted: Wanted::Nothing }));
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
    let closure = close(&supplies, &request);
    let mut layers = vec![Vec::new(); offer.layers.len()];
    for (place, _) in closure.chosen() {
        if let Some(layer) = layers.get_mut(place.supply) {
            layer.push(offer.layers[place.supply][place.entry].clone());
        }
    }
    Picked { layers, warnings: [idle(place, &closure, &lists), unmet(place, &closure, &supplies)].concat() }
}

/// The lists of selectors, each with the source that it is for, if it is not for all.
fn lists(packages: &Chosen) -> Vec<(Option<&SourceName>, &[Selector])> {
    match packages {
        Chosen::List(list) => vec![(None, list)],
        Chosen::BySource(lists) => lists.iter().map(|(source, list)| (Some(source), &list[..])).collect(),
    }
}

fn supplies<'o>(choice: &Choice<'o>, lists: &[(Option<&SourceName>, &[Selector])]) -> Vec<Supply<'o>> {
    let wanted = |source: &SourceName| match choice.mirror.config.sources[source].kind {
        // A directory always gives all it holds.
        SourceKind::Directory { .. } => Wanted::All,
        SourceKind::Url { .. } => {
            let list = lists.iter().position(|(of, _)| of.is_none_or(|of| of == source));
            list.map_or(Wanted::Nothing, Wanted::List)
        }
    };
    let layers = choice.offer.keys.iter().zip(&choice.offer.layers);
    layers.map(|(key, entries)| Supply { entries, wanted: wanted(&key.source) }).collect()
}

fn idle(place: &str, closure: &Closure<'_>, lists: &[(Option<&SourceName>, &[Selector])]) -> Vec<String> {
    let line = |(list, selector): &(usize, usize)| {
        let (source, selectors) = &lists[*list];
        let of = source.map_or("its sources".to_owned(), |source| format!("source \"{source}\""));
        format!("{place}: \"{}\" names no package of {of}", selectors[*selector].as_str())
    };
    closure.idle.iter().map(line).collect()
}

fn unmet(place: &str, closure: &Closure<'_>, supplies: &[Supply<'_>]) -> Vec<String> {
    let line = |unmet: &crate::select::Unmet<'_>| {
        let by: Vec<&str> =
            unmet.by.iter().take(3).map(|place| supplies[place.supply].entries[place.entry].name().as_str()).collect();
        let more = unmet.by.len().saturating_sub(by.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{place}: nothing provides {}, which {}{more} needs", unmet.term, by.join(", "))
    };
    closure.unmet.iter().map(line).collect()
}
