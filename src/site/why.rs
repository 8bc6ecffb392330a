//! Why a package is mirrored, or is not.

use maud::html;

use super::frame::{Frame, Part};
use super::query::{Query, link};
use super::said;
use crate::apk::PackageName;
use crate::config::Config;
use crate::jobs::Error;
use crate::jobs::why::{self, WhyRepository, in_one_line};
use crate::serve::Page;

pub(super) fn page(config: &Config, query: &Query) -> Result<Page, Error> {
    let text = query.text("name");
    let Ok(name) = text.parse::<PackageName>() else {
        return Ok(said(404, "No such package", &format!("“{text}” is no package's name.")));
    };
    let report = why::why(config, &name)?;
    let content = html! {
        h1 { "Why is " a href=(link("package", &[("name", text)])) { (text) } " mirrored?" }
        p { "From snapshot " code { (report.snapshot) } ", by today's rules. Read each line from the package to what was asked for." }
        @for repository in report.repositories.iter().filter(|one| !is_unlisted(one)) {
            section {
                h2 { (repository.name) " " span.version { (repository.arch) } }
                ul.chains {
                    @for package in &repository.packages {
                        li {
                            p { strong { (package.file) } ", " (package.from) }
                            p.why { (in_one_line(&package.chain)) }
                        }
                    }
                    @for left_out in &repository.left_out {
                        li {
                            p { "Without " (left_out.file.as_deref().unwrap_or(text))
                                @if let Some(from) = &left_out.from { ", " (from) } }
                            p.why { (left_out.message) }
                        }
                    }
                }
            }
        }
        @let unlisted: Vec<String> = report.repositories.iter().filter(|one| is_unlisted(one))
            .map(|one| format!("{}/{}", one.name, one.arch)).collect();
        @if !unlisted.is_empty() { p { "No source lists it for " (unlisted.join(", ")) "." } }
    };
    Ok(Frame { title: &format!("Why {text}"), part: Part::Packages, up: "" }.page(200, content))
}

fn is_unlisted(repository: &WhyRepository) -> bool {
    repository.packages.is_empty() && repository.left_out.iter().all(|one| one.reason == "not-listed")
}
