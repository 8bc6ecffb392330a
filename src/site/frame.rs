//! What stands around every page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::serve::Page;

/// Which part of the site a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Home,
    Packages,
    Snapshots,
    Setup,
    Files,
    /// None that stands in the menu.
    Other,
}

const MENU: [(Part, &str, &str); 5] = [
    (Part::Home, "./", "Mirror"),
    (Part::Packages, "search", "Packages"),
    (Part::Snapshots, "snapshots", "Snapshots"),
    (Part::Setup, "setup", "Set up a client"),
    (Part::Files, "files", "Files"),
];

/// A page's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'f> {
    /// Its name in the window's title.
    pub(super) title: &'f str,
    pub(super) part: Part,
    /// From it to the top: empty, or `../` as often as it lies deep.
    pub(super) up: &'f str,
}

impl Frame<'_> {
    /// The page with this content.
    pub(super) fn page(self, status: u16, content: Markup) -> Page {
        self.with_search(status, "", content)
    }

    /// The same; `wanted` stands in the search field.
    pub(super) fn with_search(self, status: u16, wanted: &str, content: Markup) -> Page {
        let up = self.up;
        let html = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Alpine packages" }
                    link rel="icon" type="image/svg+xml" href={ (up) "icon.svg" };
                    link rel="stylesheet" href={ (up) "style.css" };
                    script src={ (up) "copy.js" } defer {}
                }
                body {
                    a.skip href="#content" { "To the content" }
                    header {
                        div.wide {
                            a.brand href={ (up) "./" } { (TENT) "Alpine packages" }
                            nav aria-label="Pages" {
                                ul {
                                    @for (part, href, name) in MENU {
                                        li {
                                            @if part == self.part {
                                                a href={ (up) (href) } aria-current="page" { (name) }
                                            } @else {
                                                a href={ (up) (href) } { (name) }
                                            }
                                        }
                                    }
                                }
                            }
                            form.find role="search" action={ (up) "search" } {
                                label.unseen for="q" { "Find a package" }
                                input #q type="search" name="q" value=(wanted) placeholder="Name, or what it provides"
                                    maxlength="200" autocomplete="off" spellcheck="false";
                                button { "Search" }
                            }
                        }
                    }
                    main #content.wide { (content) }
                    footer {
                        div.wide { p { "Mirrored, verified and signed by bivouac." } }
                    }
                }
            }
        };
        Page::html(status, html.into_string())
    }
}

/// A tent, drawn in the text's colour.
const TENT: PreEscaped<&str> = PreEscaped(
    "<svg class=\"tent\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 4 2 20h20zM12 11l-4 9h8z\" \
     fill-rule=\"evenodd\"/></svg>",
);
