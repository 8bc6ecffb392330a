//! Why a package is mirrored.
//!
//! What is not published is not told: neither what a source lists and the rules leave out, nor by which rules.

use maud::{Markup, html};

use super::frame::{Frame, Part};
use super::query::{Query, link};
use super::said;
use crate::apk::PackageName;
use crate::config::Config;
use crate::jobs::Error;
use crate::jobs::catalogue::Catalogue;
use crate::jobs::why::{self, WhyRepository, in_one_line};
use crate::serve::Page;

pub(super) fn page(config: &Config, catalogue: &Catalogue, query: &Query) -> Result<Page, Error> {
    let text = query.text("name");
    // Looked up first: it costs nothing, and drawing up what today's rules choose takes a while.
    let name = text.parse::<PackageName>().ok().filter(|_| !catalogue.named(text).is_empty());
    let Some(name) = name else {
        return Ok(said(404, "No such package", &format!("Nothing here is called “{text}”.")));
    };
    let report = match why::why(config, &name) {
        Ok(report) => Some(report),
        // It is shown by a state that was gone back to, or is kept.
        Err(Error::NoSuchPackage { .. }) => None,
        Err(error) => return Err(error),
    };
    let repositories = report.iter().flat_map(|report| &report.repositories);
    let chosen: Vec<&WhyRepository> = repositories.filter(|one| !one.packages.is_empty()).collect();
    let content = html! {
        h1 { "Why is " a href=(link("package", &[("name", text)])) { (text) } " mirrored?" }
        @if let (Some(report), false) = (&report, chosen.is_empty()) {
            p { "From snapshot " code { (report.snapshot) } ", by today's rules. Each line leads from the package to what was asked \
                for." }
            @for repository in chosen { (of_repository(repository)) }
        } @else {
            p { "It is here from an earlier state: by today's rules nothing asks for it any more." }
        }
    };
    Ok(Frame { title: &format!("Why {text}"), part: Part::Packages, up: "" }.page(200, content))
}

fn of_repository(repository: &WhyRepository) -> Markup {
    html! {
        section {
            h2 { (repository.name) " " span.version { (repository.arch) } }
            ul.chains {
                @for package in &repository.packages {
                    li {
                        p { strong { (package.file) } ", " (package.from) }
                        p.why { (in_one_line(&package.chain)) }
                    }
                }
            }
        }
    }
}
