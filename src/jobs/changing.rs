//! Below which folders a package may become another one under its name.

use std::collections::BTreeSet;

use crate::config::{Config, Rebuilt};

/// Folders of the public tree whose packages may be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changing {
    /// All of it.
    All,
    /// These, below the tree; `{arch}` in one stands for any.
    Below(BTreeSet<String>),
}

impl Changing {
    /// By what a configuration says. What bundles carry is not known by name and counts as a whole.
    pub fn of(config: &Config) -> Changing {
        let accepts = |source| config.sources[source].rebuilt == Rebuilt::Accept;
        // What bundles carry has names that only they know.
        if config.carried.iter().any(|starred| accepts(&starred.source)) {
            return Changing::All;
        }
        let replaced = config.repositories.iter().filter(|one| one.from.iter().any(|from| accepts(&from.source)));
        let aliases: Vec<(String, String)> =
            config.aliases.iter().map(|(link, to)| (link.to_string(), to.to_string())).collect();
        let mut folders = BTreeSet::new();
        for repository in replaced {
            folders.insert(repository.name.to_string());
            folders.extend(through(&aliases, repository.name.as_str()));
            // A link names the arch itself; it never leads to another link.
            for folder in repository.arches.iter().map(|arch| repository.name.folder(arch)) {
                folders.extend(through(&aliases, &folder.to_string_lossy()));
            }
        }
        Changing::Below(folders)
    }

    /// Whether the package at this path is one of them. Trees beside live have the same folders below their own name.
    pub fn has(&self, path: &[String]) -> bool {
        let path = match path {
            [first, rest @ ..] if first.starts_with('@') => rest,
            path => path,
        };
        let is_package = path.last().is_some_and(|name| name.ends_with(".apk"));
        is_package
            && match self {
                Changing::All => true,
                Changing::Below(folders) => folders.iter().any(|folder| is_below(path, folder)),
            }
    }

    /// A regular expression (PCRE and RE2) for the paths of these packages; none: there are none.
    pub(in crate::jobs) fn pattern(&self) -> Option<String> {
        let folders = match self {
            Changing::All => return Some(r"\.apk$".to_owned()),
            Changing::Below(folders) if folders.is_empty() => return None,
            Changing::Below(folders) => folders.iter().map(|folder| literal(folder)).collect::<Vec<_>>().join("|"),
        };
        // Trees beside live have the same folders below their own name.
        Some(format!(r"^/(@[^/]+/)?({folders})/.*\.apk$"))
    }
}

fn is_below(path: &[String], folder: &str) -> bool {
    let mut path = path.iter();
    folder.split('/').all(|part| path.next().is_some_and(|segment| is_shaped(segment, part))) && path.next().is_some()
}

/// Whether a segment is `part`, in which `{arch}` stands for anything.
fn is_shaped(segment: &str, part: &str) -> bool {
    let Some((before, after)) = part.split_once("{arch}") else { return segment == part };
    let Some(rest) = segment.strip_prefix(before).filter(|rest| !rest.is_empty()) else { return false };
    rest.char_indices().skip(1).map(|(at, _)| &rest[at..]).chain([""]).any(|rest| is_shaped(rest, after))
}

/// The names under which links show `folder`, too.
fn through<'f>(aliases: &'f [(String, String)], folder: &'f str) -> impl Iterator<Item = String> + use<'f> {
    aliases.iter().filter_map(move |(link, to)| match folder.strip_prefix(to.as_str()) {
        Some("") => Some(link.clone()),
        Some(rest) if rest.starts_with('/') => Some(format!("{link}{rest}")),
        // The link leads into the folder, such as to one of its arches.
        _ => to.strip_prefix(folder).filter(|rest| rest.starts_with('/')).map(|_| link.clone()),
    })
}

/// A name as a regular expression. Names hold letters, digits and `._+~-`, and `{arch}` for what has no slash.
fn literal(folder: &str) -> String {
    let mut pattern = String::new();
    for c in folder.replace("{arch}", "*").chars() {
        match c {
            '*' => pattern.push_str("[^/]+"),
            '.' | '+' => pattern.extend(['\\', c]),
            _ => pattern.push(c),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_other_names_of_a_folder() {
        let aliases = [("latest", "v3.23"), ("arch", "x86_64/main"), ("new", "v3.23/main/x86_64"), ("v3", "v3.2")];
        let aliases: Vec<_> = aliases.iter().map(|(link, to)| ((*link).to_owned(), (*to).to_owned())).collect();
        let names = |folder| through(&aliases, folder).collect::<Vec<_>>();
        assert_eq!(names("v3.23/main"), ["latest/main", "new"]);
        assert_eq!(names("x86_64/main"), ["arch"]);
        assert_eq!(names("v3.23/mai"), ["latest/mai"]);
        assert!(names("v3.2x/main").is_empty());
    }

    #[test]
    fn a_link_into_a_repository_by_arch_shows_what_changes_there() {
        let text = "store = \"s\"\npublic = \"p/a\"\n[signing]\nkey = \"k.rsa\"\n[sources.s]\nurl = [\"http://h/\"]\n\
                    keyring = \"alpine\"\nrebuilt = \"accept\"\n[[repositories]]\nname = \"{arch}/main\"\nfrom = [\"s:m\"]\n\
                    arches = [\"x86_64\"]\n[aliases]\nlatest = \"x86_64/main\"\n";
        let config = Config::parse(text, std::path::Path::new("b.toml"), std::path::Path::new("/site"), None).unwrap();
        let pattern = Changing::of(&config).pattern().unwrap();
        assert_eq!(pattern, r"^/(@[^/]+/)?(latest|[^/]+/main)/.*\.apk$");
    }

    #[test]
    fn a_pattern_takes_a_name_as_it_stands() {
        let below = |names: &[&str]| Changing::Below(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(below(&[]).pattern(), None);
        assert_eq!(
            below(&["v3.23/c++", "{arch}/main"]).pattern().as_deref(),
            Some(r"^/(@[^/]+/)?(v3\.23/c\+\+|[^/]+/main)/.*\.apk$")
        );
        assert_eq!(Changing::All.pattern().as_deref(), Some(r"\.apk$"));
    }

    #[test]
    fn a_package_is_found_below_its_folder_by_either_means() {
        let below = |names: &[&str]| Changing::Below(names.iter().map(|name| (*name).to_owned()).collect());
        let changing = below(&["v3.23/main", "{arch}/site", "a{arch}b/c{arch}"]);
        for (path, has) in [
            ("v3.23/main/x86_64/a-1.apk", true),
            ("@qa/v3.23/main/x86_64/a-1.apk", true),
            ("v3.23/main/a-1.apk", true),
            ("v3.23/main/x86_64/APKINDEX.tar.gz", false),
            ("v3.23/main", false),
            ("v3.23/main.apk", false),
            ("v3.23/mainly/x86_64/a-1.apk", false),
            ("v3.23/community/x86_64/a-1.apk", false),
            ("x86_64/site/a-1.apk", true),
            ("a1b/c2/a.apk", true),
            ("ab/c2/a.apk", false),
            ("a1b/c/a.apk", false),
        ] {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(changing.has(&segments), has, "{path}");
        }
        assert!(Changing::All.has(&["a.apk".to_owned()]) && !Changing::All.has(&["a".to_owned()]));
        assert!(!below(&[]).has(&["a.apk".to_owned()]));
    }
}
