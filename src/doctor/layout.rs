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

/// All that may be meant by `line` on a client of `arch`, the likeliest first. `names` are repositories that are known by
/// name, as they follow a server's address.
pub fn candidates(line: &Url, arch: &str, names: &[String]) -> Vec<Candidate> {
    let given: Vec<String> =
        line.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |segments: &[String], kind: Kind| {
        let candidate = Candidate { line: with(line, segments), kind };
        if segments != given && !found.iter().any(|one| one.line == candidate.line) {
            found.push(candidate);
        }
    };
    let mut bare = given.clone();
    if bare.last().is_some_and(|last| last == INDEX || last == INDEX_V3) {
        bare.pop();
    }
    if bare.last().is_some_and(|last| ALPINE_ARCHES.contains(&last.as_str())) {
        bare.pop();
    }
    add(&bare, Kind::WithoutArch);
    // The arch in the middle, out of it or into it.
    let without: Vec<String> = bare.iter().filter(|part| !ALPINE_ARCHES.contains(&part.as_str())).cloned().collect();
    add(&without, Kind::WithoutArch);
    for at in (0..without.len()).rev() {
        let mut first = without.clone();
        first.insert(at, arch.to_owned());
        add(&first, Kind::ArchFirst);
    }
    for name in names {
        let mut longer = without.clone();
        longer.extend(name.split('/').map(str::to_owned));
        add(&longer, Kind::Below);
    }
    let branches: Vec<&str> = {
        let of_names = names.iter().filter_map(|name| name.split('/').next()).filter(|part| is_branch(part));
        let mut all: Vec<&str> = of_names.chain(BRANCHES.iter().copied()).collect();
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|branch| seen.insert(*branch));
        all
    };
    let is_repository = without.last().is_some_and(|last| REPOSITORIES.contains(&last.as_str()));
    match without.iter().position(|part| is_branch(part)) {
        Some(at) => {
            if at + 1 == without.len() {
                for repository in REPOSITORIES {
                    let mut longer = without.clone();
                    longer.push((*repository).to_owned());
                    add(&longer, Kind::Below);
                }
            }
            for branch in &branches {
                let mut other = without.clone();
                (*branch).clone_into(&mut other[at]);
                add(&other, Kind::OtherBranch);
            }
        }
        None if is_repository => {
            for branch in &branches {
                let mut longer = without.clone();
                longer.insert(without.len() - 1, (*branch).to_owned());
                add(&longer, Kind::OtherBranch);
            }
        }
        None => {
            for branch in &branches {
                for repository in &REPOSITORIES[..1] {
                    let mut longer = without.clone();
                    longer.extend([(*branch).to_owned(), (*repository).to_owned()]);
                    add(&longer, Kind::Below);
                }
            }
        }
    }
    match without.first() {
        Some(first) if first == TOP => add(&without[1..], Kind::OtherTop),
        Some(_) => add(&[&[TOP.to_owned()], &without[..]].concat(), Kind::OtherTop),
        None => {}
    }
    found
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
        let found = candidates(&line.parse().unwrap(), "x86_64", &names);
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
