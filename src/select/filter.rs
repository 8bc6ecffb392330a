//! Selectors: the items of `packages` and `exclude`, and the terms of world files.

use globset::{GlobBuilder, GlobMatcher};

use super::closure::offers;
use crate::apk::dependency::{self, Dependency, Offer, Sense};
use crate::apk::{Entry, Version};
use crate::error::{Class, Trouble};

/// An item of `packages` or `exclude` as written.
#[derive(Clone, Debug)]
pub enum Item {
    /// A name, a glob, or `origin:NAME`.
    Selector(Selector),
    /// `@FILE`: the caller reads the file and gives its text to [`Selector::read_world`].
    WorldFile(String),
}

/// Names some of an index's entries.
#[derive(Clone, Debug)]
pub struct Selector {
    text: Box<str>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// A readable, requiring dependency term: a plain name, or a world file's `name~1.2`.
    Term,
    Names(GlobMatcher),
    Origins(GlobMatcher),
}

/// Why an item of `packages` or `exclude` was refused.
#[derive(Debug, thiserror::Error)]
pub enum BadSelector {
    /// Not a glob: `[` without `]`, for one.
    #[error("{text:?} is not a glob")]
    Glob {
        /// The item.
        text: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// Neither name, glob, `origin:NAME` nor `@FILE`.
    #[error("{text:?} is not a package name, a glob, origin:NAME or @FILE")]
    Item {
        /// The item.
        text: String,
    },
    /// A name with an operator, which only world files hold.
    #[error("{text:?} names a version, which only a world file (@FILE) can")]
    VersionedItem {
        /// The item.
        text: String,
    },
    /// A world file's term that apk cannot read either.
    #[error("{text:?} is not a term of apk's world format")]
    WorldTerm {
        /// The term.
        text: String,
    },
}

impl Trouble for BadSelector {
    fn class(&self) -> Class {
        match self {
            BadSelector::Glob { .. }
            | BadSelector::Item { .. }
            | BadSelector::VersionedItem { .. }
            | BadSelector::WorldTerm { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            BadSelector::Glob { .. } | BadSelector::Item { .. } | BadSelector::VersionedItem { .. } => "bad-selector",
            BadSelector::WorldTerm { .. } => "bad-world",
        }
    }
}

impl Item {
    /// Reads one item: a package's or provided name, a glob (`*`, `?`, `[…]`, over package names), `origin:NAME` (a glob
    /// as well), or `@FILE`.
    pub fn parse(text: &str) -> Result<Item, BadSelector> {
        let bad = || BadSelector::Item { text: text.to_owned() };
        if let Some(file) = text.strip_prefix('@') {
            return if file.is_empty() { Err(bad()) } else { Ok(Item::WorldFile(file.to_owned())) };
        }
        let what = match text.strip_prefix("origin:") {
            Some(origin) if is_name(origin) => What::Origins(glob(origin)?),
            None if text.contains(['<', '>', '=', '~']) => {
                return Err(BadSelector::VersionedItem { text: text.to_owned() });
            }
            None if is_name(text) && text.contains(['*', '?', '[', '{']) => What::Names(glob(text)?),
            None if is_name(text) => What::Term,
            Some(_) | None => return Err(bad()),
        };
        Ok(Item::Selector(Selector { text: text.into(), what }))
    }
}

/// The letters of names that dependencies may use, and those of globs.
fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-,:/*?[]{}!^".contains(&byte);
    !text.is_empty() && !text.starts_with('!') && text.bytes().all(letter)
}

fn glob(text: &str) -> Result<GlobMatcher, BadSelector> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|source| BadSelector::Glob { text: text.to_owned(), source })
}

impl Selector {
    /// The selectors of a world file's text, in its order: `name`, `name=1.2`, `name~1.2`, `name>1.2`, with `#` comments.
    /// `!name` chooses nothing and is left out; a tag (`name@edge`) is the client's affair and ignored.
    pub fn read_world(text: &str) -> Result<Vec<Selector>, BadSelector> {
        let mut selectors = Vec::new();
        for term in dependency::parse_world(text) {
            let term = term.map_err(|bad| BadSelector::WorldTerm { text: bad.text.to_owned() })?;
            if term.sense == Sense::Requires {
                selectors.push(Selector { text: term.as_str().into(), what: What::Term });
            }
        }
        Ok(selectors)
    }

    /// The selector as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `entry` itself is named, by its name, version and origin; not by what it provides.
    pub fn names(&self, entry: &Entry) -> bool {
        match &self.what {
            What::Names(glob) => glob.is_match(entry.name().as_str()),
            What::Origins(glob) => entry.origin().is_some_and(|origin| glob.is_match(origin)),
            What::Term => self.term().is_some_and(|term| {
                let offer = Offer::Package(Version::new(entry.version().as_str()), entry.identity());
                term.name == entry.name().as_str() && term.satisfied_in_any_client(offer)
            }),
        }
    }

    /// Whether `entry` is named, or provides the name that is.
    pub fn is_met_by(&self, entry: &Entry) -> bool {
        let meets = |term: Dependency<'_>| {
            offers(entry).any(|(name, offer)| name == term.name && term.satisfied_in_any_client(offer))
        };
        self.names(entry) || self.term().is_some_and(meets)
    }

    /// Whether a package's or provided name is the one that is named, whatever its version. Origins name no names.
    pub fn covers(&self, name: &str) -> bool {
        match &self.what {
            What::Names(glob) => glob.is_match(name),
            What::Origins(_) => false,
            // Most names are told apart by their first letters.
            What::Term => self.text.starts_with(name) && self.term().is_some_and(|term| term.name == name),
        }
    }

    /// The term that this selector stands for, when it is no glob: what provides it is chosen as well, for a client would
    /// take that too.
    pub fn term(&self) -> Option<Dependency<'_>> {
        match self.what {
            What::Term => Some(Dependency::parse(&self.text).expect("both ways to make a Term read it first")),
            What::Names(_) | What::Origins(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Selector {
        match Item::parse(text).unwrap() {
            Item::Selector(selector) => selector,
            Item::WorldFile(file) => panic!("{text} is the file {file}"),
        }
    }

    fn entry(name: &str, version: &str, origin: &str) -> Entry {
        let text = format!("C:Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:1\no:{origin}\n");
        Entry::parse(&text).unwrap()
    }

    #[test]
    fn items_name_entries_by_name_glob_and_origin() {
        for (item, name, origin, expected) in [
            ("nginx", "nginx", "nginx", true),
            ("nginx", "nginx-doc", "nginx", false),
            ("nginx*", "nginx-doc", "nginx", true),
            ("*-dbg", "musl-dbg", "musl", true),
            ("*-dbg", "musl", "musl", false),
            ("postgresql1[67]", "postgresql16", "postgresql16", true),
            ("postgresql1[67]", "postgresql15", "postgresql15", false),
            ("lua5.?", "lua5.4", "lua5.4", true),
            ("lua5.?", "lua5x4", "x", false),
            ("libstdc++", "libstdc++", "gcc", true),
            ("origin:gcc", "libstdc++", "gcc", true),
            ("origin:gcc", "gcc", "gcc-cross", false),
            ("origin:gcc*", "gcc", "gcc-cross", true),
        ] {
            assert_eq!(selector(item).names(&entry(name, "1.0-r0", origin)), expected, "{item} and {name} of {origin}");
        }
    }

    #[test]
    fn names_are_covered_whoever_has_them() {
        for (item, name, expected) in [
            ("corp-*", "corp-tool", true),
            ("corp-*", "cmd:corp-tool", false),
            ("cmd:corp-*", "cmd:corp-tool", true),
            ("corp-{a,b}", "corp-b", true),
            ("corp", "corp", true),
            ("corp", "corp-tool", false),
            ("origin:corp*", "corp-tool", false),
        ] {
            assert_eq!(selector(item).covers(name), expected, "{item} and {name}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in ["", "@", "origin:", "a b", "!nginx", "a\n", "origin:a=1", "ä"] {
            assert!(matches!(Item::parse(bad), Err(BadSelector::Item { .. })), "{bad:?}");
        }
        assert!(matches!(Item::parse("nginx=1.2"), Err(BadSelector::VersionedItem { .. })));
        assert!(matches!(Item::parse("ngin[x"), Err(BadSelector::Glob { .. })));
        assert!(matches!(Item::parse("@world-web"), Ok(Item::WorldFile(file)) if file == "world-web"));
    }

    #[test]
    fn a_world_file_names_versions_and_its_conflicts_choose_nothing() {
        let world = "nginx=1.2-r0 # pinned\ncurl>7\n!dnsmasq\nbash~5.1\nvim@edge\n";
        let selectors = Selector::read_world(world).unwrap();
        let texts: Vec<_> = selectors.iter().map(Selector::as_str).collect();
        assert_eq!(texts, ["nginx=1.2-r0", "curl>7", "bash~5.1", "vim@edge"]);
        let names = |index: usize, name, version| selectors[index].names(&entry(name, version, name));
        assert!(names(0, "nginx", "1.2-r0") && !names(0, "nginx", "1.2-r1"));
        assert!(names(1, "curl", "8.0-r0") && !names(1, "curl", "6.0-r0"));
        assert!(names(2, "bash", "5.1.16-r2") && !names(2, "bash", "5.2-r0"));
        assert!(names(3, "vim", "9-r0"));
        assert!(matches!(Selector::read_world("a=\n"), Err(BadSelector::WorldTerm { text }) if text == "a="));
    }
}
