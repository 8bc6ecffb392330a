//! One package: its versions, what it needs and what needs it.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::query::{Query, link};
use super::{said, words};
use crate::apk::dependency::{Dependency, Sense};
use crate::jobs::catalogue::{Catalogue, Listed, Shelf};
use crate::serve::Page;

/// So many of a list are shown at first; the rest unfolds.
const AT_FIRST: usize = 24;

pub(super) fn page(catalogue: &Catalogue, query: &Query) -> Page {
    let name = query.text("name");
    let versions = catalogue.named(name);
    // One version may need other things in another arch.
    let (wanted, of) = (query.text("version"), query.text("in"));
    let is_of = |one: &&Listed| catalogue.shelves_of(one).any(|shelf| shelf.folder() == of);
    let mut of_version = versions.iter().filter(|one| wanted.is_empty() || one.version() == wanted);
    let shown = of_version.clone().find(is_of).or_else(|| of_version.next()).or(versions.first());
    let Some(shown) = shown else {
        return said(404, "No such package", &format!("Nothing here is called “{name}”."));
    };
    let content = html! {
        h1 { (name) " " span.version { (shown.version()) } }
        @if !shown.description().is_empty() { p.short { (shown.description()) } }
        p.why { "As it is in " (shelves(catalogue, shown)) }
        (facts(shown))
        section aria-labelledby="versions" {
            h2 #versions { "Versions" }
            (table(catalogue, versions, shown))
            p { a href=(link("why", &[("name", name)])) { "Why is it mirrored?" } }
        }
        (needs(catalogue, shown))
        (list("needed", "Needed by", &dependants(catalogue, shown)))
        (list("provides", "Provides", &provided(shown)))
        (list("siblings", "Built from the same source", &siblings(catalogue, shown)))
    };
    Frame { title: name, part: Part::Packages, up: "" }.page(200, content)
}

fn facts(shown: &Listed) -> Markup {
    let url = shown.url();
    // Whatever else a package may say there, a browser is not sent to it.
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    html! {
        dl.facts {
            dt { "Source package" } dd { a href=(link("search", &[("q", shown.origin())])) { (shown.origin()) } }
            @if !shown.licence().is_empty() { dt { "Licence" } dd { (shown.licence()) } }
            @if !url.is_empty() {
                dt { "Home page" }
                dd { @if is_web { a href=(url) rel="noopener noreferrer nofollow" { (url) } } @else { (url) } }
            }
            @if !shown.install_if().is_empty() {
                dt { "Comes by itself with" } dd { code { (shown.install_if()) } }
            }
        }
    }
}

/// A row for each version in a repository, and there a link for each arch.
fn table(catalogue: &Catalogue, versions: &[Listed], shown: &Listed) -> Markup {
    html! {
        div.sideways tabindex="0" role="region" aria-label="All versions" {
            table {
                thead { tr { th scope="col" { "Version" } th scope="col" { "Repository" } th scope="col" { "Files" } } }
                tbody {
                    @for version in versions {
                        @for (repository, files) in by_repository(catalogue, version) {
                            tr {
                                th scope="row" {
                                    @if version == shown { (version.version()) } @else {
                                        a href=(to_version(version, &files)) { (version.version()) }
                                    }
                                }
                                td { (repository) }
                                td {
                                    ul.inline {
                                        @for (shelf, size) in files {
                                            li {
                                                a href={ (shelf.folder()) "/" (crate::serve::encode(&version.file())) }
                                                    title=(version.file()) { (shelf.arch) }
                                                " (" (words::size(size)) ")"
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn to_version(version: &Listed, files: &[(&Shelf, u64)]) -> String {
    let folder = files.first().map_or_else(String::new, |(shelf, _)| shelf.folder());
    link("package", &[("name", version.name()), ("version", version.version()), ("in", &folder)])
}

/// `v3.23/main for x86_64, aarch64; v3.22/main for x86_64`.
fn shelves(catalogue: &Catalogue, shown: &Listed) -> String {
    let arches = |files: Vec<(&Shelf, u64)>| -> String {
        files.iter().map(|(shelf, _)| shelf.arch.as_str()).collect::<Vec<_>>().join(", ")
    };
    let repositories = by_repository(catalogue, shown).into_iter();
    repositories.map(|(name, files)| format!("{name} for {}", arches(files))).collect::<Vec<_>>().join("; ")
}

fn by_repository<'c>(catalogue: &'c Catalogue, version: &Listed) -> BTreeMap<&'c str, Vec<(&'c Shelf, u64)>> {
    let mut repositories: BTreeMap<&str, Vec<(&Shelf, u64)>> = BTreeMap::new();
    for (shelf, size) in &version.on {
        let shelf = &catalogue.shelves[usize::from(*shelf)];
        repositories.entry(shelf.name.as_str()).or_default().push((shelf, *size));
    }
    repositories
}

fn needs(catalogue: &Catalogue, shown: &Listed) -> Markup {
    let needs = catalogue.needs(shown);
    let (needed, conflicts): (Vec<_>, Vec<_>) = needs.iter().partition(|(term, _)| term.sense == Sense::Requires);
    html! {
        (list("needs", "Needs", &needed.into_iter().map(|need| term(need)).collect::<Vec<_>>()))
        (list("conflicts", "Cannot stand beside", &conflicts.into_iter().map(|need| term(need)).collect::<Vec<_>>()))
    }
}

/// A term, and the names that fulfil it where that is not said by the term itself.
fn term((term, suppliers): &(Dependency<'_>, Option<BTreeSet<&str>>)) -> Markup {
    let text = term.as_str();
    let Some(suppliers) = suppliers else {
        return html! { code { (text) } };
    };
    html! {
        @if suppliers.is_empty() {
            code { (text) }
            @if term.sense == Sense::Requires { " " span.why { "not beside it on this mirror" } }
        } @else if suppliers.len() == 1 && suppliers.contains(text) {
            a href=(to(text)) { (text) }
        } @else {
            code { (text) } " ← "
            @for (at, name) in suppliers.iter().enumerate() {
                @if at > 0 { ", " }
                a href=(to(name)) { (name) }
            }
        }
    }
}

fn dependants(catalogue: &Catalogue, shown: &Listed) -> Vec<Markup> {
    let through = |name: &str, term: &str| {
        html! { a href=(to(name)) { (name) } @if term != shown.name() { " " span.why { (term) } } }
    };
    catalogue.dependants(shown).into_iter().map(|(name, term)| through(name, term)).collect()
}

fn provided(shown: &Listed) -> Vec<Markup> {
    shown
        .provides()
        .map(|provide| html! { code { (provide.name) @if let Some(version) = provide.version { "=" (version.as_str()) } } })
        .collect()
}

fn siblings(catalogue: &Catalogue, shown: &Listed) -> Vec<Markup> {
    let others = catalogue.built_with(shown.origin()).into_iter().filter(|name| *name != shown.name());
    others.map(|name| html! { a href=(to(name)) { (name) } }).collect()
}

fn to(name: &str) -> String {
    link("package", &[("name", name)])
}

/// A section, if there is anything to list.
fn list(id: &str, title: &str, items: &[Markup]) -> Markup {
    html! {
        @if !items.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) " " span.count { (words::number(items.len() as u64)) } }
                ul.columns { @for item in items.iter().take(AT_FIRST) { li { (item) } } }
                @if items.len() > AT_FIRST {
                    details {
                        summary { (words::number((items.len() - AT_FIRST) as u64)) " more" }
                        ul.columns { @for item in items.iter().skip(AT_FIRST) { li { (item) } } }
                    }
                }
            }
        }
    }
}
