//! Below which folders a package may become another one under its name.

use std::collections::BTreeSet;

use crate::config::{Config, Rebuilt};

/// Folders of the public tree whose packages may be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Changing {
    /// All of it.
    All,
    /// These, below the tree; `{arch}` in one stands for any.
    Below(BTreeSet<String>),
}

impl Changing {
    pub(super) fn of(config: &Config) -> Changing {
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

    /// A regular expression (PCRE and RE2) for the paths of these packages; none: there are none.
    pub(super) fn pattern(&self) -> Option<String> {
        let folders = match self {
            Changing::All => return Some(r"\.apk$".to_owned()),
            Changing::Below(folders) if folders.is_empty() => return None,
            Changing::Below(folders) => folders.iter().map(|folder| literal(folder)).collect::<Vec<_>>().join("|"),
        };
        // Trees beside live have the same folders below their own name.
        Some(format!(r"^/(@[^/]+/)?({folders})/.*\.apk$"))
    }
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
}
