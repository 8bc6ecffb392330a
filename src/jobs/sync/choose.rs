//! What is asked for of a repository's offer, and what that needs.

use super::Mirror;
use super::offer::Offer;
use crate::apk::Entry;
use crate::apk::names::SourceName;
use crate::config::{self, Repository, SourceKind};
use crate::jobs::selection::{Chosen, Selection};
use crate::select::{Closure, Dependencies, Request, Selector, Supply, Versions, Wanted, close};

/// A repository with its lists, and what messages call it.
pub(super) struct Choice<'a> {
    pub(super) mirror: &'a Mirror<'a>,
    pub(super) repository: &'a Repository,
    pub(super) selection: &'a Selection,
    pub(super) packages: &'a Chosen,
    pub(super) place: &'a str,
}

/// The chosen entries of each layer; `warnings` gets the selectors that name nothing and the needs that nothing provides.
pub(super) fn choose(choice: &Choice<'_>, offer: &Offer, warnings: &mut Vec<String>) -> Vec<Vec<Entry>> {
    let lists = lists(choice.packages);
    let supplies = supplies(choice, offer, &lists);
    let request = Request {
        lists: &lists.iter().map(|(_, list)| *list).collect::<Vec<_>>(),
        exclude: &choice.selection.exclude,
        versions: Versions::Newest,
        dependencies: match choice.repository.dependencies {
            config::Dependencies::Follow => Dependencies::Follow,
            config::Dependencies::Leave => Dependencies::Leave,
        },
    };
    let closure = close(&supplies, &request);
    warnings.extend(idle(choice.place, &closure, &lists));
    warnings.extend(unmet(choice.place, &closure, &supplies));
    let mut chosen = vec![Vec::new(); offer.layers.len()];
    for (place, _) in closure.chosen() {
        chosen[place.supply].push(offer.layers[place.supply][place.entry].clone());
    }
    chosen
}

/// The lists of selectors, each with the source that it is for, if it is not for all.
fn lists(packages: &Chosen) -> Vec<(Option<&SourceName>, &[Selector])> {
    match packages {
        Chosen::List(list) => vec![(None, list)],
        Chosen::BySource(lists) => lists.iter().map(|(source, list)| (Some(source), &list[..])).collect(),
    }
}

fn supplies<'o>(
    choice: &Choice<'_>,
    offer: &'o Offer,
    lists: &[(Option<&SourceName>, &[Selector])],
) -> Vec<Supply<'o>> {
    let wanted = |source: &SourceName| match choice.mirror.config.sources[source].kind {
        // A directory always gives all it holds.
        SourceKind::Directory { .. } => Wanted::All,
        SourceKind::Url { .. } => {
            let list = lists.iter().position(|(of, _)| of.is_none_or(|of| of == source));
            list.map_or(Wanted::Nothing, Wanted::List)
        }
    };
    let layers = offer.keys.iter().zip(&offer.layers);
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
