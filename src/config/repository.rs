//! One repository of the public tree, and what holds for it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Serialize;

use crate::apk::{Arch, RepositoryName, SourceName};

/// One repository of the public tree, in all its architectures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// Its folder below `public`.
    pub name: RepositoryName,
    /// At least one, each once, none of them `noarch`; in the order of the file.
    pub arches: Vec<Arch>,
    /// Where its packages come from, by priority; at least one.
    pub from: Vec<FromPath>,
    /// Whose index is published.
    pub index: IndexMode,
    /// What is taken from sources with a URL or bundles; absent: everything.
    pub packages: Option<Packages>,
    /// Whether what the chosen packages need is taken too. Has no meaning without `packages`.
    pub dependencies: Dependencies,
    /// Names and globs that are left out.
    pub exclude: Vec<String>,
    /// Which of several sources that have a name supply it.
    pub prefer: Prefer,
    /// Of each name so many versions: the newest that its source lists, and older ones, also such as it has dropped since, with
    /// what they need. Absent: every version that its source lists, and none that it dropped.
    pub keep_versions: Option<NonZeroUsize>,
    /// What must be installable from it, else its former state stays: terms of apk's world format, or `@` and an absolute path
    /// (a file in that format).
    pub must_install: Vec<String>,
    /// Repositories that the same clients have, each another one and defined: what they list meets needs here, and is not
    /// listed here for that. Two may be beside each other.
    pub beside: Vec<RepositoryName>,
    /// What becomes of an index of which packages cannot be had.
    pub incomplete: Incomplete,
    /// All repositories that say the same word here, in all their arches, move together or not at all.
    pub together: Option<String>,
}

/// What a block of `[[repositories]]` says besides names, arches and sources: it holds for each repository of the block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// [`Repository::index`].
    pub index: IndexMode,
    /// [`Repository::packages`].
    pub packages: Option<Packages>,
    /// [`Repository::dependencies`].
    pub dependencies: Dependencies,
    /// [`Repository::exclude`].
    pub exclude: Vec<String>,
    /// [`Repository::prefer`].
    pub prefer: Prefer,
    /// [`Repository::keep_versions`].
    pub keep_versions: Option<NonZeroUsize>,
    /// [`Repository::must_install`].
    pub must_install: Vec<String>,
    /// [`Repository::beside`].
    pub beside: Vec<RepositoryName>,
    /// [`Repository::incomplete`].
    pub incomplete: Incomplete,
    /// [`Repository::together`].
    pub together: Option<String>,
}

impl Rules {
    /// A repository for which they hold.
    pub(super) fn repository(&self, name: RepositoryName, arches: Vec<Arch>, from: Vec<FromPath>) -> Repository {
        let Rules { index, dependencies, prefer, keep_versions, incomplete, .. } = *self;
        Repository {
            name,
            arches,
            from,
            index,
            packages: self.packages.clone(),
            dependencies,
            exclude: self.exclude.clone(),
            prefer,
            keep_versions,
            must_install: self.must_install.clone(),
            beside: self.beside.clone(),
            incomplete,
            together: self.together.clone(),
        }
    }
}

impl Repository {
    /// Those that hold for it.
    pub(super) fn rules(&self) -> Rules {
        let Repository { index, dependencies, prefer, keep_versions, incomplete, .. } = *self;
        Rules {
            index,
            packages: self.packages.clone(),
            dependencies,
            exclude: self.exclude.clone(),
            prefer,
            keep_versions,
            must_install: self.must_install.clone(),
            beside: self.beside.clone(),
            incomplete,
            together: self.together.clone(),
        }
    }
}

/// What is taken from sources with a URL or bundles: names, globs, `origin:NAME`, or `@` and an absolute path (a file in apk's world
/// format).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Packages {
    /// From every one of them.
    List(Vec<String>),
    /// By source; each has a URL or bundles and is one of the repository's. From one that is not named nothing is taken for its own sake,
    /// only what others need.
    BySource(BTreeMap<SourceName, Vec<String>>),
}

/// A folder of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FromPath {
    /// Which source; it is defined.
    pub source: SourceName,
    /// The folder below the source's URL that holds the arch folders: checked segments joined by `/`, or empty for its top.
    /// Empty for a directory source. For bundles the repository's name at the sender, which may hold `{arch}`; never empty.
    pub path: String,
}

/// Whose index is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexMode {
    /// Merged and signed by us.
    #[default]
    Ours,
    /// Upstream's own, byte for byte: of bundles, the one that the sender published. There is exactly one source, it is no
    /// directory, and all of it is taken.
    Upstream,
    /// Upstream's signed part byte for byte, our signature first, upstream's kept. Otherwise as [`IndexMode::Upstream`].
    Cosigned,
    /// That of the sender's upstream, byte for byte, where the sender mirrored it whole. The one source has bundles and names
    /// its origin. Otherwise as [`IndexMode::Upstream`].
    Origin,
}

impl IndexMode {
    /// As the file has it.
    pub fn word(self) -> &'static str {
        match self {
            IndexMode::Ours => "ours",
            IndexMode::Upstream => "upstream",
            IndexMode::Cosigned => "cosigned",
            IndexMode::Origin => "origin",
        }
    }

    /// Whether our signature is on it.
    pub fn has_our_signature(self) -> bool {
        match self {
            IndexMode::Ours | IndexMode::Cosigned => true,
            IndexMode::Upstream | IndexMode::Origin => false,
        }
    }
}

/// Which of several sources that have a name supply it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The first in `from`, with every version that it lists.
    #[default]
    Order,
    /// All versions compete.
    Newest,
    /// Every version of every source.
    All,
}

/// What becomes of an index of which packages cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Incomplete {
    /// Its former state stays.
    #[default]
    Refuse,
    /// What every URL lacks or has wrong keeps its former version, with its whole origin; the rest moves on.
    Carry,
}

/// Whether what the chosen packages need is taken too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependencies {
    /// It is, through provides.
    #[default]
    Follow,
    /// Only what is named is taken.
    Leave,
}
