//! The line of `/etc/apk/repositories` that was meant. A client asks for `LINE/ARCH/APKINDEX.tar.gz`; where that is not there,
//! what people usually get wrong about the line is tried: the arch at its end or in its middle, the branch or a folder of the
//! server left out, the file itself named.

use url::Url;

use crate::apk::names::ALPINE_ARCHES;

/// The index of v2.
pub const INDEX: &str = "APKINDEX.tar.gz";
/// The index of v3, which apk 2 cannot read.
pub const INDEX_V3: &str = "Packages.adb";

const REPOSITORIES: &[&str] = &["main", "community", "testing"];
/// Newest first, the links before all.
const BRANCHES: &[&str] = &["latest-stable", "edge", "v3.24", "v3.23", "v3.22", "v3.21", "v3.20", "v3.19"];
/// The folder in which most mirrors keep Alpine.
const TOP: &str = "alpine";
/// So many folders at the beginning of a line may be too many.
const MOST_TOPS: usize = 3;

/// Another line that may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The line.
    pub line: Url,
    /// How it differs.
    pub kind: Kind,
}

/// How a line differs from the one that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is the same, without what a client adds by itself.
    WithoutArch,
    /// The arch stands before the repository: `/x86_64/main`.
    ArchFirst,
    /// It has a branch, or another one.
    OtherBranch,
    /// A folder of the server was left out, or is too much.
    OtherTop,
    /// It lies below: the given line is a server's root, or a branch.
    Below,
}

/// `LINE/ARCH/FILE`, as a client asks for it.
pub fn file(line: &Url, arch: &str, file: &str) -> Url {
    below(line, &[arch, file])
}

/// `LINE/FILE`.
pub fn beside(line: &Url, file: &str) -> Url {
    below(line, &[file])
}

fn below(line: &Url, segments: &[&str]) -> Url {
    let mut url = line.clone();
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn with(line: &Url, segments: &[String]) -> Url {
    let mut url = line.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(segments);
    }
    url
}

/// What is known of a server beside the line that was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Repositories by name, as they follow a server's address: `v3.23/main`.
    pub names: Vec<String>,
    /// Folders in which the tree may lie, below the server's root: `alpine`, `mirror/alpine`.
    pub tops: Vec<String>,
}

/// All that may be meant by `line` on a client of `arch`, the likeliest first.
pub fn candidates(line: &Url, arch: &str, hints: &Hints) -> Vec<Candidate> {
    let given: Vec<String> =
        line.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut found = Found { line, given: given.clone(), candidates: Vec::new() };
    let mut bare = given;
    if bare.last().is_some_and(|last| last == INDEX || last == INDEX_V3) {
        bare.pop();
    }
    if bare.last().is_some_and(|last| ALPINE_ARCHES.contains(&last.as_str())) {
        bare.pop();
    }
    found.add(&bare, Kind::WithoutArch);
    // The arch in the middle, out of it or into it.
    let without: Vec<String> = bare.iter().filter(|part| !ALPINE_ARCHES.contains(&part.as_str())).cloned().collect();
    found.add(&without, Kind::WithoutArch);
    found.arch_first(&without, arch);
    for name in &hints.names {
        found.add(&joined(&without, name), Kind::Below);
    }
    branches(&mut found, &without, arch, &hints.names);
    tops(&mut found, &bare, &without, arch, hints);
    found.candidates
}

/// The branch that was left out, is another, or is not in the server's tree.
fn branches(found: &mut Found<'_>, without: &[String], arch: &str, names: &[String]) {
    let of_names = names.iter().filter_map(|name| name.split('/').next()).filter(|part| is_branch(part));
    let mut branches: Vec<&str> = of_names.chain(BRANCHES.iter().copied()).collect();
    let mut seen = std::collections::BTreeSet::new();
    branches.retain(|branch| seen.insert(*branch));
    let is_repository = without.last().is_some_and(|last| REPOSITORIES.contains(&last.as_str()));
    match without.iter().position(|part| is_branch(part)) {
        Some(at) => {
            if at + 1 == without.len() {
                for repository in REPOSITORIES {
                    found.add(&joined(without, repository), Kind::Below);
                }
            }
            let mut none = without.to_vec();
            none.remove(at);
            if !none.is_empty() {
                found.add(&none, Kind::OtherBranch);
                found.arch_first(&none, arch);
            }
            for branch in &branches {
                let mut other = without.to_vec();
                (*branch).clone_into(&mut other[at]);
                found.add(&other, Kind::OtherBranch);
            }
        }
        None if is_repository => {
            for branch in &branches {
                let mut longer = without.to_vec();
                longer.insert(without.len() - 1, (*branch).to_owned());
                found.add(&longer, Kind::OtherBranch);
            }
        }
        None => {
            for branch in &branches {
                found.add(&joined(without, &format!("{branch}/{}", REPOSITORIES[0])), Kind::Below);
            }
        }
    }
}

/// The server's root is another folder than the line takes it for: it lies further in, or further out.
fn tops(found: &mut Found<'_>, bare: &[String], without: &[String], arch: &str, hints: &Hints) {
    for count in 1..without.len().min(MOST_TOPS + 1) {
        let inner = &without[count..];
        found.add(inner, Kind::OtherTop);
        found.arch_first(inner, arch);
    }
    for top in hints.tops.iter().map(String::as_str).chain([TOP]) {
        if without.is_empty() || without.iter().zip(top.split('/')).all(|(have, part)| have == part) {
            continue;
        }
        let top: Vec<String> = top.split('/').map(str::to_owned).collect();
        found.add(&[&top[..], without].concat(), Kind::OtherTop);
        // A tree of the arch first is written with its arch.
        found.add(&[&top[..], bare].concat(), Kind::OtherTop);
    }
    for name in &hints.names {
        found.add(&joined(&[], name), Kind::OtherTop);
        for top in &hints.tops {
            found.add(&joined(&joined(&[], top), name), Kind::OtherTop);
        }
    }
}

fn joined(front: &[String], rest: &str) -> Vec<String> {
    front.iter().cloned().chain(rest.split('/').map(str::to_owned)).collect()
}

/// Candidates, each once and none of them the line itself.
struct Found<'l> {
    line: &'l Url,
    given: Vec<String>,
    candidates: Vec<Candidate>,
}

impl Found<'_> {
    fn add(&mut self, segments: &[String], kind: Kind) {
        let candidate = Candidate { line: with(self.line, segments), kind };
        if segments != self.given && !self.candidates.iter().any(|one| one.line == candidate.line) {
            self.candidates.push(candidate);
        }
    }

    fn arch_first(&mut self, without: &[String], arch: &str) {
        for at in (0..without.len()).rev() {
            let mut first = without.to_vec();
            first.insert(at, arch.to_owned());
            self.add(&first, Kind::ArchFirst);
        }
    }
}

/// `v3.23` or `edge`.
pub fn is_branch(part: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered =
        || part.strip_prefix('v')?.split_once('.').map(|(major, minor)| is_number(major) && is_number(minor));
    matches!(part, "edge" | "latest-stable") || numbered().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(line: &str, names: &[&str]) -> Vec<(String, Kind)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let tops = vec!["mirror/site".to_owned(), "site".to_owned()];
        let found = candidates(&line.parse().unwrap(), "x86_64", &Hints { names, tops });
        found.into_iter().map(|one| (one.line.to_string(), one.kind)).collect()
    }

    #[track_caller]
    fn has(line: &str, names: &[&str], meant: &str, kind: Kind) {
        let found = lines(line, names);
        assert!(found.contains(&(meant.to_owned(), kind)), "{line}: no {meant} in {found:#?}");
    }

    #[test]
    fn what_people_get_wrong_leads_to_what_they_meant() {
        for line in [
            "http://m/v3.23/main/x86_64",
            "http://m/v3.23/main/x86_64/",
            "http://m/v3.23/main/x86_64/APKINDEX.tar.gz",
            "http://m/v3.23/main/aarch64",
            "http://m/v3.23/x86_64/main",
        ] {
            has(line, &[], "http://m/v3.23/main", Kind::WithoutArch);
        }
        has("http://m/main", &[], "http://m/x86_64/main", Kind::ArchFirst);
        has("http://m/main", &[], "http://m/v3.23/main", Kind::OtherBranch);
        has("http://m/alpine/main", &["v9.9/main"], "http://m/alpine/v9.9/main", Kind::OtherBranch);
        has("http://m/v3.99/main", &[], "http://m/edge/main", Kind::OtherBranch);
        has("http://m/v3.23/main", &[], "http://m/alpine/v3.23/main", Kind::OtherTop);
        has("http://m/alpine/v3.23/main", &[], "http://m/v3.23/main", Kind::OtherTop);
        has("http://m/a/b/v3.23/main", &[], "http://m/v3.23/main", Kind::OtherTop);
        has("http://m/v3.23/main", &[], "http://m/mirror/site/v3.23/main", Kind::OtherTop);
        has("http://m/x86_64/main", &[], "http://m/site/x86_64/main", Kind::OtherTop);
        // The tree of one who keeps the arch first, and no branch.
        has("http://m/v3.23/main", &[], "http://m/x86_64/main", Kind::ArchFirst);
        has("http://m/repo/x86_64/main", &[], "http://m/x86_64/main", Kind::ArchFirst);
        has("http://m/wrong/v3.23/main", &["v3.23/site"], "http://m/v3.23/site", Kind::OtherTop);
        has("http://m/", &["v3.23/site"], "http://m/v3.23/site", Kind::Below);
        has("http://m", &[], "http://m/edge/main", Kind::Below);
        has("http://m/v3.23", &[], "http://m/v3.23/community", Kind::Below);
    }

    #[test]
    fn the_line_itself_is_no_candidate_and_none_stands_twice() {
        for line in ["http://m/", "http://m/v3.23/main", "http://m/main/x86_64", "http://m/a/b/c"] {
            let found = lines(line, &["v3.23/main", "v3.23/main"]);
            let mut once: Vec<&String> = found.iter().map(|(line, _)| line).collect();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), found.len(), "{line}: {found:?}");
            assert!(!found.iter().any(|(candidate, _)| candidate == line), "{line}");
        }
    }

    #[test]
    fn files_are_asked_for_as_a_client_does() {
        for line in ["http://m/v3.23/main", "http://m/v3.23/main/"] {
            assert_eq!(file(&line.parse().unwrap(), "x86", INDEX).as_str(), "http://m/v3.23/main/x86/APKINDEX.tar.gz");
        }
        assert_eq!(beside(&"http://m/x/?t=1".parse().unwrap(), INDEX).as_str(), "http://m/x/APKINDEX.tar.gz?t=1");
    }

    #[test]
    fn branches_are_told_from_other_folders() {
        for (part, is) in
            [("v3.23", true), ("edge", true), ("latest-stable", true), ("v3", false), ("v.1", false), ("site", false)]
        {
            assert_eq!(is_branch(part), is, "{part}");
        }
    }
}
