//! Why a request found nothing.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::known::{Folder, INDEX, Known, Life, minute};
use super::path::{path_of, split, unescape};
use super::probe;
use crate::apk::Version;
use crate::apk::names::ALPINE_ARCHES;

/// Why a request found nothing; in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It was in the tree at that time, and is.
    WasThere,
    /// The address lacks, doubles or swaps a part.
    WrongLayout,
    /// It lies in another folder.
    WrongFolder,
    /// The same name, spelled so that it is another file.
    Misspelled,
    /// It left the index, and its linger is over.
    LeftIndex,
    /// The operator took it out.
    Withdrawn,
    /// It came later.
    CameLater,
    /// No kept generation has it.
    NeverListed,
    /// The repository is not published any more.
    RepositoryGone,
    /// The branch, repository or arch is not mirrored.
    NotMirrored,
    /// A file that no repository here has: another format, a signature beside the index.
    OtherFormat,
    /// A file outside of all repositories.
    Outside,
    /// What scanners ask for.
    Probing,
    /// The target is no path.
    Malformed,
}

impl Cause {
    /// Stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::WasThere => "was-there",
            Cause::WrongLayout => "wrong-layout",
            Cause::WrongFolder => "wrong-folder",
            Cause::Misspelled => "misspelled",
            Cause::LeftIndex => "left-index",
            Cause::Withdrawn => "withdrawn",
            Cause::CameLater => "came-later",
            Cause::NeverListed => "never-listed",
            Cause::RepositoryGone => "repository-gone",
            Cause::NotMirrored => "not-mirrored",
            Cause::OtherFormat => "other-format",
            Cause::Outside => "outside",
            Cause::Probing => "probing",
            Cause::Malformed => "malformed",
        }
    }
}

/// Why a request found nothing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The kind.
    pub cause: Cause,
    /// One line.
    pub message: String,
    /// An action that mends it, or what was meant.
    pub hint: Option<String>,
}

fn told(cause: Cause, message: impl Into<String>, hint: Option<String>) -> Explained {
    Explained { cause, message: message.into(), hint }
}

/// How many folders are named where several may be meant.
const NAMED: usize = 3;

impl Known {
    /// Why a target that was asked for last at `time` found nothing.
    pub fn explain(&self, target: &str, time: Timestamp) -> Explained {
        if let Some(what) = probe::probing(target).filter(|_| self.locate(target).is_none()) {
            return told(Cause::Probing, format!("a scanner asks for it: {what}"), None);
        }
        let Some(path) = unescape(path_of(target)).filter(|path| path.starts_with('/')) else {
            return told(Cause::Malformed, "the target is no path, or has a broken escape", None);
        };
        let (folder, file) = split(&path);
        let here = self.folder(folder).map(|at| &self.folders[at]);
        if let Some(here) = here
            && let Some(explained) = self.stay(here, file, time)
        {
            return explained;
        }
        self.other_spelling(&path)
            .or_else(|| here.map(|here| self.unknown_file(here, file)))
            .unwrap_or_else(|| self.unknown_folder(folder, file))
    }

    /// A file that this folder has, or had.
    fn stay(&self, folder: &Folder, file: &str, time: Timestamp) -> Option<Explained> {
        if !self.is_now(folder, folder.last) {
            let last = self.shown(folder, folder.last);
            let message = format!("{} is not published any more; {last} was the last that had it", folder.path);
            return Some(told(
                Cause::RepositoryGone,
                message,
                Some(format!("take {} from those clients' lists", folder.line)),
            ));
        }
        let (first, last) = match folder.files.get(file) {
            Some(life) => (life.first, life.last),
            None if file == INDEX => (folder.first, folder.last),
            None => return None,
        };
        let appeared = self.shown(folder, first);
        if self.is_now(folder, last) {
            if time < appeared.time {
                let message = format!("it came with {appeared}, after it was asked for");
                return Some(told(Cause::CameLater, message, Some("nothing to do: it is there now".to_owned())));
            }
            let message = format!("it is in the tree, and was at that time: {appeared} has it");
            let hint =
                "the web server looks elsewhere, or may not read it: compare its root with the folder around `public`";
            return Some(told(Cause::WasThere, message, Some(hint.to_owned())));
        }
        let life = folder.files.get(file)?;
        Some(self.gone(folder, file, life))
    }

    /// A package that the tree does not have any more.
    fn gone(&self, folder: &Folder, file: &str, life: &Life) -> Explained {
        let (name, version) = life.parts(file);
        let instead = nearest(self, folder, name, version);
        let hint = instead
            .as_ref()
            .map(|near| format!("live has {near}; `apk update` on the client brings its index up to date"));
        let withdrawn = self
            .withdrawn
            .iter()
            .find(|taken| taken.name == name && taken.version.as_deref().is_none_or(|taken| taken == version));
        if let Some(taken) = withdrawn {
            return told(Cause::Withdrawn, format!("it was withdrawn at {}", minute(taken.time)), hint);
        }
        let listed = match life.listed {
            Some(at) => format!("listed until {}", self.shown(folder, at)),
            None => "listed by no generation that is kept".to_owned(),
        };
        let next = self.shown(folder, life.last + 1);
        let left = format!("it left the index at {}", minute(life.left.unwrap_or(next.time)));
        let message = format!("{left} ({listed}) and the tree with {next}, its linger being over");
        let hint =
            hint.or_else(|| Some("`apk update` on the client; a longer `linger` keeps such files for it".to_owned()));
        told(Cause::LeftIndex, message, hint)
    }

    /// A path that would be a file of ours, written otherwise.
    fn other_spelling(&self, path: &str) -> Option<Explained> {
        let again = unescape(path).filter(|again| again != path);
        let slashes = path.replace('\\', "/");
        let slashes = slashes.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/");
        let candidates = [
            (again, "it is escaped twice"),
            (Some(path.replace(' ', "+")), "a blank stands where the name has a plus: somebody took + for an escape"),
            (Some(slashes.clone()), "its slashes are doubled or turned, or it ends in one"),
            (
                Some(path.trim_end_matches(|end: char| !end.is_ascii_alphanumeric()).to_owned()),
                "something is behind its name",
            ),
        ];
        for (candidate, why) in candidates {
            if let Some(meant) =
                candidate.as_deref().filter(|other| *other != path).and_then(|other| self.present(other))
            {
                return Some(told(
                    Cause::Misspelled,
                    format!("{why}: to a server that is another file"),
                    Some(format!("did you mean /{meant}?")),
                ));
            }
        }
        // In another case: looked for in the folder of that name alone.
        let (folder, file) = split(path);
        let meant =
            self.folders.iter().enumerate().filter(|(_, one)| self.is_now(one, one.last)).find_map(|(at, one)| {
                let label = self.label(at);
                if !folder.to_ascii_lowercase().ends_with(&label.to_ascii_lowercase()) {
                    return None;
                }
                let names = std::iter::once(INDEX)
                    .chain(range(one, file).filter(|(_, life)| self.is_now(one, life.last)).map(|(name, _)| name));
                let found = names.into_iter().find(|name| name.eq_ignore_ascii_case(file))?;
                let meant = format!("{label}/{found}");
                (!path.ends_with(&meant)).then_some(meant)
            })?;
        Some(told(
            Cause::Misspelled,
            "capital and small letters are different files",
            Some(format!("did you mean /{meant}?")),
        ))
    }

    /// The path of what a path means in the tree as it is, if anything.
    fn present(&self, path: &str) -> Option<String> {
        let (folder, file) = split(path);
        let at = self.folder(folder)?;
        let here = &self.folders[at];
        let has = file == INDEX && self.is_now(here, here.last)
            || here.files.get(file).is_some_and(|life| self.is_now(here, life.last));
        has.then(|| format!("{}/{file}", self.label(at)))
    }

    /// A file that a folder of ours never had.
    fn unknown_file(&self, folder: &Folder, file: &str) -> Explained {
        if !file.ends_with(".apk") {
            return other_file(file);
        }
        let elsewhere = self.folders_with(folder.view, file);
        if !elsewhere.is_empty() {
            let hint = format!("did you mean {}?", elsewhere.join(", "));
            return told(
                Cause::WrongFolder,
                format!("{} does not have it; another folder does", folder.path),
                Some(hint),
            );
        }
        let oldest = self.shown(folder, 0);
        let message = format!("no generation that is kept has it, back to {oldest}");
        if let Some((name, version)) = package(folder, file) {
            let hint = match nearest(self, folder, name, version) {
                Some(near) => format!("did you mean {near}, which is live?"),
                None => format!("{name} has left {} in every version", folder.path),
            };
            return told(Cause::NeverListed, message, Some(hint));
        }
        let alike = alike(self, folder, file).map(|near| format!("did you mean {near}, which is live?"));
        told(Cause::NeverListed, message, alike)
    }

    /// A folder that is none of ours.
    fn unknown_folder(&self, folder: &str, file: &str) -> Explained {
        let segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
        let (view, asked) = self.below(&segments);
        let Some(at) = view else {
            return told(
                Cause::NotMirrored,
                "no tree of this name is beside live",
                Some("it may have been promoted".to_owned()),
            );
        };
        let view = &self.views[at];
        if file != INDEX && !file.ends_with(".apk") {
            return if file.starts_with("APKINDEX") || file.ends_with(".adb") {
                other_file(file)
            } else {
                outside(file)
            };
        }
        let live: Vec<(usize, &Folder)> = view
            .folders
            .iter()
            .map(|at| (*at, &self.folders[*at]))
            .filter(|(_, folder)| self.is_now(folder, folder.last))
            .collect();
        let mut fits: Vec<(usize, Misfit, usize)> = live
            .iter()
            .filter(|(_, folder)| file == INDEX || folder.files.contains_key(file))
            .filter_map(|(at, folder)| misfit(asked, &folder.path).map(|(parts, how)| (parts, how, *at)))
            .collect();
        fits.sort_by_key(|(parts, _, at)| (*parts, *at));
        if let Some((least, how, _)) = fits.first().cloned() {
            fits.retain(|(parts, other, _)| {
                *parts == least && std::mem::discriminant(other) == std::mem::discriminant(&how)
            });
            let folders: Vec<&Folder> = fits.iter().take(NAMED).map(|(_, _, at)| &self.folders[*at]).collect();
            let lines: BTreeSet<&str> = folders.iter().map(|folder| folder.line.as_str()).collect();
            let lines =
                lines.into_iter().map(|line| format!("/{}{line}", view.prefix)).collect::<Vec<_>>().join(" or ");
            let hint = format!("in /etc/apk/repositories the line ends in {lines}; apk adds the arch itself");
            return told(Cause::WrongLayout, how.in_words(asked), Some(hint));
        }
        let elsewhere = if file == INDEX { Vec::new() } else { self.folders_with(at, file) };
        if !elsewhere.is_empty() {
            let hint = format!("did you mean {}?", elsewhere.join(", "));
            return told(Cause::WrongFolder, "no repository lies there; another folder has that file", Some(hint));
        }
        let asked_folder = asked.join("/");
        let near = live
            .iter()
            .map(|(at, folder)| (strsim::jaro(&asked_folder, &folder.path), *at))
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let hint = near.map(|(_, at)| format!("mirrored are {}", self.some_of(&live, at)));
        told(Cause::NotMirrored, not_mirrored(asked, &live), hint)
    }

    /// The nearest folder, and a few others.
    fn some_of(&self, live: &[(usize, &Folder)], nearest: usize) -> String {
        let others = live.iter().map(|(at, _)| *at).filter(|at| *at != nearest);
        let names: Vec<String> = std::iter::once(nearest).chain(others).take(NAMED).map(|at| self.label(at)).collect();
        let more = live.len().saturating_sub(NAMED);
        if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
    }

    /// The paths in this view at which `file` lies now.
    fn folders_with(&self, view: usize, file: &str) -> Vec<String> {
        let folders = self.folders.iter().enumerate().filter(|(_, folder)| folder.view == view);
        folders
            .filter(|(_, folder)| folder.files.get(file).is_some_and(|life| self.is_now(folder, life.last)))
            .take(NAMED)
            .map(|(at, _)| format!("/{}/{file}", self.label(at)))
            .collect()
    }
}

/// What is amiss with the folder of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Misfit {
    /// The same parts in another order.
    Order(String),
    /// These are missing.
    Lacks(String),
    /// These are too many.
    Extra(String),
}

impl Misfit {
    fn in_words(&self, asked: &[&str]) -> String {
        match self {
            Misfit::Order(right) => format!("its parts stand in another order than here, where the folder is {right}"),
            Misfit::Lacks(_) if asked.is_empty() => {
                "nothing is at the root itself: branch, repository and arch are missing".to_owned()
            }
            Misfit::Lacks(parts) => format!("the address lacks {parts}"),
            Misfit::Extra(parts) if ALPINE_ARCHES.contains(&parts.as_str()) => {
                format!("the arch {parts} is there twice: apk adds it to what stands in its list")
            }
            Misfit::Extra(parts) => format!("{parts} is too much in the address"),
        }
    }
}

/// In how many parts the folder that was asked for differs from ours, where it is ours but for parts that are missing, too many
/// or in another order.
fn misfit(asked: &[&str], ours: &str) -> Option<(usize, Misfit)> {
    let ours_parts: Vec<&str> = ours.split('/').collect();
    let rest = |from: &[&str], without: &[&str]| {
        let mut rest: Vec<String> = from.iter().map(|part| (*part).to_owned()).collect();
        for part in without {
            if let Some(at) = rest.iter().position(|other| other == part) {
                rest.remove(at);
            }
        }
        rest
    };
    let (lacks, extra) = (rest(&ours_parts, asked), rest(asked, &ours_parts));
    match (lacks.is_empty(), extra.is_empty()) {
        (true, true) => Some((0, Misfit::Order(ours.to_owned()))),
        (false, true) => Some((lacks.len(), Misfit::Lacks(lacks.join("/")))),
        (true, false) => Some((extra.len(), Misfit::Extra(extra.join("/")))),
        (false, false) => None,
    }
}

/// Which part of a folder is known nowhere.
fn not_mirrored(asked: &[&str], live: &[(usize, &Folder)]) -> String {
    if let [front @ .., arch] = asked
        && ALPINE_ARCHES.contains(arch)
        && live.iter().any(|(_, folder)| folder.path.rsplit_once('/').is_some_and(|(path, _)| path == front.join("/")))
    {
        return format!("{} is not mirrored for {arch}", front.join("/"));
    }
    let parts: BTreeSet<&str> = live.iter().flat_map(|(_, folder)| folder.path.split('/')).collect();
    let unknown: Vec<&str> = asked.iter().copied().filter(|part| !parts.contains(part)).collect();
    if asked.is_empty() {
        "packages lie below a repository and an arch, not at the top".to_owned()
    } else if unknown.is_empty() {
        format!("{} is no repository of this mirror", asked.join("/"))
    } else {
        format!("{} is not mirrored here", unknown.join("/"))
    }
}

fn other_file(file: &str) -> Explained {
    match file {
        "" => told(Cause::Outside, "a folder's page; the server shows none", None),
        file if file.starts_with(INDEX) => {
            let hint = "the signature is inside the index; nothing lies beside it".to_owned();
            told(Cause::OtherFormat, format!("clients of apk ask for {INDEX} alone"), Some(hint))
        }
        file if file.ends_with(".adb") => {
            let hint = format!("write the repository without an index name: apk 3 then asks for {INDEX}");
            told(Cause::OtherFormat, "an index in apk's version 3 format is not published here", Some(hint))
        }
        file => outside(file),
    }
}

fn outside(file: &str) -> Explained {
    let browser = ["favicon.ico", "robots.txt", "sitemap.xml", "humans.txt", "ads.txt"].contains(&file)
        || file.starts_with("apple-touch-icon");
    if browser {
        return told(Cause::Outside, "browsers and search engines ask every server for it", None);
    }
    told(Cause::Outside, "no file of any repository here", None)
}

/// Files whose names begin like this one, in any case of its first letter.
fn range<'f>(folder: &'f Folder, file: &str) -> impl Iterator<Item = (&'f str, &'f Life)> {
    let first = file.chars().next().unwrap_or('\0');
    let bounds = |letter: char| {
        let from: Box<str> = letter.to_string().into();
        folder
            .files
            .range(from..)
            .take_while(move |(name, _)| name.starts_with(letter))
            .map(|(name, life)| (name.as_ref(), life))
    };
    let (small, capital) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    bounds(small).chain(bounds(capital).filter(move |_| small != capital))
}

/// Every version of a name that a folder has, or had.
fn versions<'f>(folder: &'f Folder, name: &str) -> impl Iterator<Item = (&'f str, &'f str, &'f Life)> {
    let begin = format!("{name}-");
    let (from, length): (Box<str>, usize) = (begin.clone().into(), name.len());
    folder
        .files
        .range(from..)
        .take_while(move |(file, _)| file.starts_with(&begin))
        .map(|(file, life)| (file.as_ref(), life.parts(file), life))
        .filter(move |(_, (name, _), _)| name.len() == length)
        .map(|(file, (_, version), life)| (file, version, life))
}

/// The version of a name that is listed now and stands nearest above `version`, else the highest.
fn nearest<'f>(known: &Known, folder: &'f Folder, name: &str, version: &str) -> Option<&'f str> {
    let asked = Version::new(version);
    let mut live: Vec<(&str, &str)> = versions(folder, name)
        .filter(|(_, _, life)| life.listed.is_some_and(|at| known.is_now(folder, at)))
        .map(|(file, version, _)| (file, version))
        .collect();
    live.sort_by(|one, other| Version::new(one.1).compare(Version::new(other.1)));
    let above = live.iter().find(|(_, version)| Version::new(version).compare(asked) != Ordering::Less);
    above.or(live.last()).map(|(file, _)| *file)
}

/// Name and version in a file name, where the folder has, or had, that name. Where one ends cannot be told from the text.
fn package<'f>(folder: &Folder, file: &'f str) -> Option<(&'f str, &'f str)> {
    let stem = file.strip_suffix(".apk")?;
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    let splits = dashes.map(|at| (&stem[..at], &stem[at + 1..]));
    splits.rev().find(|(name, _)| versions(folder, name).next().is_some())
}

/// The live file whose package's name is spelled most like this one.
fn alike<'f>(known: &Known, folder: &'f Folder, file: &str) -> Option<&'f str> {
    let stem = file.strip_suffix(".apk").unwrap_or(file);
    let name = stem
        .match_indices('-')
        .find(|(at, _)| stem[at + 1..].starts_with(|next: char| next.is_ascii_digit()))
        .map_or(stem, |(at, _)| &stem[..at]);
    range(folder, file)
        .filter(|(_, life)| life.listed.is_some_and(|at| known.is_now(folder, at)))
        .map(|(live, life)| (strsim::jaro_winkler(life.parts(live).0, name), live))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, live)| live)
}

#[cfg(test)]
mod tests;
