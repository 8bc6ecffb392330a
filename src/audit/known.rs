//! What the mirror showed when, as far as its kept generations tell.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::path::{path_of, split, unescape};

/// The file name of an index.
pub(super) const INDEX: &str = "APKINDEX.tar.gz";

/// A generation that clients could see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub time: Timestamp,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "generation {} of {}", self.number, minute(self.time))
    }
}

/// A time as people read it.
pub(super) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// One package file of a generation.
#[derive(Clone, Debug)]
pub struct PackageShown<'p> {
    /// Its file name.
    pub file: &'p str,
    /// Bytes of the package's name in it.
    pub name: usize,
    /// When it left the index; `None` while it is listed.
    pub left: Option<Timestamp>,
}

/// A package that the operator took out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Its name.
    pub name: String,
    /// This version alone.
    pub version: Option<String>,
    /// Since when.
    pub time: Timestamp,
}

/// One file's stay, in places of the list of generations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// The first that holds it.
    pub(super) first: u32,
    /// The last that holds it.
    pub(super) last: u32,
    /// The last whose index lists it; `None`: in all that are kept it only lingers.
    pub(super) listed: Option<u32>,
    /// When it left the index, if it did.
    pub(super) left: Option<Timestamp>,
    name: u8,
}

impl Life {
    /// Name and version of the package in `file`.
    pub(super) fn parts<'f>(&self, file: &'f str) -> (&'f str, &'f str) {
        let (name, version) = file.split_at(usize::from(self.name));
        (name, version.strip_prefix('-').and_then(|version| version.strip_suffix(".apk")).unwrap_or_default())
    }
}

/// A repository's folder for an arch, in one view.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) view: usize,
    /// Its path below the tree: `v3.23/main/x86_64`.
    pub(super) path: String,
    pub(super) arch: String,
    /// What stands in clients' lists of repositories.
    pub(super) line: String,
    /// The first and the last generation that has it.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) files: BTreeMap<Box<str>, Life>,
}

/// What is seen in one place: live, or beside it below `@NAME`.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Empty for live, else `@qa/`.
    pub(super) prefix: String,
    /// All that are known, oldest first. The last is seen now.
    pub(super) generations: Vec<Shown>,
    pub(super) folders: Vec<usize>,
}

/// What the mirror showed when.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub(super) views: Vec<View>,
    pub(super) folders: Vec<Folder>,
    /// Every way in which a server lets a folder be spelled.
    spellings: HashMap<String, usize>,
    pub(super) withdrawn: Vec<Withdrawal>,
    /// What may stand in front of the tree's paths: the public link's name, where a server shows the folder around it.
    prefixes: Vec<String>,
}

impl Known {
    /// Nothing is known yet. `prefixes`: what may stand in front of the tree's paths in a request, without slashes at its ends.
    pub fn new(prefixes: Vec<String>, withdrawn: Vec<Withdrawal>) -> Self {
        Known { prefixes, withdrawn, ..Known::default() }
    }

    /// Begins what is seen live (no `tree`) or below `@TREE`; generations are added to it oldest first.
    pub fn begin_view(&mut self, tree: Option<&str>) {
        let prefix = tree.map_or_else(String::new, |tree| format!("@{tree}/"));
        self.views.push(View { prefix, generations: Vec::new(), folders: Vec::new() });
    }

    /// Adds a generation to the view that was begun last.
    pub fn add_generation(&mut self, shown: Shown) {
        if let Some(view) = self.views.last_mut() {
            view.generations.push(shown);
        }
    }

    /// Adds a repository's folder of the generation that was added last. `line` is what stands in clients' lists of repositories.
    pub fn add_folder<'p>(
        &mut self,
        path: &str,
        arch: &str,
        line: &str,
        files: impl Iterator<Item = PackageShown<'p>>,
    ) {
        let view = self.views.len().saturating_sub(1);
        let Some(seen) = self.views.last_mut() else { return };
        let now = u32::try_from(seen.generations.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let found = seen.folders.iter().copied().find(|at| self.folders[*at].path == path);
        let at = found.unwrap_or(self.folders.len());
        if found.is_none() {
            seen.folders.push(at);
            self.folders.push(Folder {
                view,
                path: path.to_owned(),
                arch: arch.to_owned(),
                line: line.to_owned(),
                first: now,
                last: now,
                files: BTreeMap::new(),
            });
        }
        let folder = &mut self.folders[at];
        folder.last = now;
        for file in files {
            let listed = file.left.is_none().then_some(now);
            let life = folder.files.entry(file.file.into()).or_insert(Life {
                first: now,
                last: now,
                listed,
                left: file.left,
                name: u8::try_from(file.name).unwrap_or(u8::MAX),
            });
            life.last = now;
            life.listed = listed.or(life.listed);
            life.left = file.left;
        }
    }

    /// All views are complete. `aliases` are links in the live tree, each with the folder that it leads to.
    pub fn finish<'a>(&mut self, aliases: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        // What did not linger left the index when it left the tree.
        for folder in &mut self.folders {
            let generations = &self.views[folder.view].generations;
            for life in folder.files.values_mut().filter(|life| life.left.is_none()) {
                life.left = generations.get(life.last as usize + 1).map(|next| next.time);
            }
        }
        for (at, folder) in self.folders.iter().enumerate() {
            let mut paths = vec![folder.path.clone()];
            for (alias, target) in aliases.clone() {
                match folder.path.strip_prefix(target) {
                    Some(rest) if rest.is_empty() || rest.starts_with('/') => paths.push(format!("{alias}{rest}")),
                    _ => {}
                }
            }
            // A name with the arch inside: its folder holds a link of that name to itself, for clients add the arch.
            if !folder.path.ends_with(&format!("/{}", folder.arch)) {
                paths.extend(paths.iter().map(|path| format!("{path}/{}", folder.arch)).collect::<Vec<_>>());
            }
            let view = &self.views[folder.view].prefix;
            for path in paths {
                for prefix in &self.prefixes {
                    self.spellings.entry(format!("{prefix}/{view}{path}")).or_insert(at);
                }
                // A repository of the link's name is the repository.
                self.spellings.insert(format!("{view}{path}"), at);
            }
        }
    }

    /// The folder that a path without slashes at its ends means, and its place among all.
    pub(super) fn folder(&self, path: &str) -> Option<usize> {
        self.spellings.get(path).copied()
    }

    /// The folder and the file's name that a target means, where the folder is one of ours.
    pub(super) fn locate(&self, target: &str) -> Option<(usize, String)> {
        let path = path_of(target);
        if let Some(at) = Some(split(path)).filter(|_| !path.contains('%')).and_then(|(folder, _)| self.folder(folder))
        {
            return Some((at, split(path).1.to_owned()));
        }
        let path = unescape(path)?;
        let (folder, file) = split(&path);
        Some((self.folder(folder)?, file.to_owned()))
    }

    /// A folder as its reader knows it: `v3.23/main/x86_64`, `@qa/v3.23/main/x86_64`.
    pub(super) fn label(&self, folder: usize) -> String {
        let folder = &self.folders[folder];
        format!("{}{}", self.views[folder.view].prefix, folder.path)
    }

    /// What remains of a path's segments behind what may stand in front of the tree: its view, and the rest.
    pub(super) fn below<'s, 'p>(&self, segments: &'s [&'p str]) -> (Option<usize>, &'s [&'p str]) {
        let mut rest = segments;
        for prefix in &self.prefixes {
            let count = prefix.split('/').count();
            if rest.len() >= count && prefix.split('/').eq(rest[..count].iter().copied()) {
                rest = &rest[count..];
                break;
            }
        }
        match rest.split_first() {
            Some((first, behind)) if first.starts_with('@') => {
                (self.views.iter().position(|view| view.prefix.trim_end_matches('/') == *first), behind)
            }
            _ => (self.views.iter().position(|view| view.prefix.is_empty()), rest),
        }
    }

    /// The generation at this place in a folder's view.
    pub(super) fn shown(&self, folder: &Folder, at: u32) -> Shown {
        self.views[folder.view].generations[at as usize]
    }

    /// Whether this generation is what the folder's view shows now.
    pub(super) fn is_now(&self, folder: &Folder, at: u32) -> bool {
        at as usize + 1 == self.views[folder.view].generations.len()
    }
}
