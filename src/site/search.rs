//! Packages by name, by what they provide, by where they come from.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::query::{Query, link};
use super::words;
use crate::jobs::catalogue::{Catalogue, Fit, Found, Listed};
use crate::serve::Page;

/// Names on one page.
const AT_ONCE: usize = 25;

pub(super) fn page(catalogue: &Catalogue, query: &Query) -> Page {
    let wanted = query.text("q");
    let found = if wanted.is_empty() { catalogue.all() } else { catalogue.search(wanted) };
    let pages = found.len().div_ceil(AT_ONCE).max(1);
    let page = query.page().min(pages);
    let shown: Vec<&Found<'_>> = found.iter().skip((page - 1) * AT_ONCE).take(AT_ONCE).collect();
    let title = if wanted.is_empty() { "Packages".to_owned() } else { format!("Packages: {wanted}") };
    let content = html! {
        h1 { @if wanted.is_empty() { "All packages" } @else { "Packages for “" (wanted) "”" } }
        @if found.is_empty() {
            p { "No name, nothing provided and no description fits. Try a part of the name, or fewer words." }
        } @else {
            p role="status" {
                (words::counted(found.len() as u64, "name", "names"))
                @if pages > 1 { ", page " (page) " of " (pages) }
                "."
            }
            ol.found start=((page - 1) * AT_ONCE + 1) {
                @for found in shown { (one(catalogue, found, wanted)) }
            }
            (pager(wanted, page, pages))
        }
    };
    Frame { title: &title, part: Part::Packages, up: "" }.with_search(200, wanted, content)
}

fn one(catalogue: &Catalogue, found: &Found<'_>, wanted: &str) -> Markup {
    let newest = &found.versions[0];
    html! {
        li {
            h2 { a href=(link("package", &[("name", newest.name())])) { (newest.name()) } }
            @match found.fit {
                Fit::Provides => p.why { "provides " code { (wanted) } },
                Fit::Origin => p.why { "built from " code { (newest.origin()) } },
                Fit::Exact | Fit::Begins | Fit::Holds | Fit::About => {},
            }
            @if !newest.description().is_empty() { p { (newest.description()) } }
            ul.versions {
                @for (repository, versions) in by_repository(catalogue, found.versions) {
                    li { span.where { (repository) } " " (versions.join(", ")) }
                }
            }
        }
    }
}

/// The versions in each repository, the newest first; repositories in order of their names.
fn by_repository<'c>(catalogue: &'c Catalogue, versions: &'c [Listed]) -> BTreeMap<&'c str, Vec<&'c str>> {
    let mut repositories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for version in versions {
        for (shelf, _) in &version.on {
            let of = repositories.entry(catalogue.shelves[usize::from(*shelf)].name.as_str()).or_default();
            if !of.contains(&version.version()) {
                of.push(version.version());
            }
        }
    }
    repositories
}

fn pager(wanted: &str, page: usize, pages: usize) -> Markup {
    let to = |page: usize| link("search", &[("q", wanted), ("page", &page.to_string())]);
    html! {
        @if pages > 1 {
            nav.pager aria-label="Further results" {
                @if page > 1 { a href=(to(page - 1)) rel="prev" { "← Before" } }
                @if page < pages { a href=(to(page + 1)) rel="next" { "Next →" } }
            }
        }
    }
}
