//! Which packages: names, globs and worlds, as `packages`, `exclude`, `must_install` and `reserve` list them.

use std::collections::BTreeMap;

use globset::Glob;

use super::{Resolver, did_you_mean};
use crate::apk::PackageName;
use crate::apk::dependency::Dependency;
use crate::config::Packages;
use crate::config::written::{self, At};

impl Resolver<'_> {
    /// What `packages` takes of which source.
    pub(super) fn packages(
        &mut self,
        label: &str,
        from: &[At<String>],
        packages: &At<written::Packages>,
        sources: &[written::Source],
    ) -> Packages {
        let takes_none =
            |line| (line, format!("{label} takes no packages"), "without the key, everything is taken".to_owned());
        let mut empty = None;
        let resolved = match &packages.value {
            written::Packages::List(list) => {
                empty = list.is_empty().then(|| takes_none(packages.line));
                Packages::List(list.iter().filter_map(|selector| self.selector(selector)).collect())
            }
            written::Packages::BySource(lists) => {
                if lists.is_empty() {
                    empty = Some(takes_none(packages.line));
                }
                let used: Vec<&str> = from
                    .iter()
                    .map(|text| text.value.split_once(':').map_or(&text.value[..], |(name, _)| name))
                    .collect();
                let mut by_source = BTreeMap::new();
                for (source, list) in lists {
                    let name = &source.value;
                    if !used.contains(&&name[..]) {
                        let text = format!("{label} has packages of source {name:?}, from which it does not take");
                        let hint = did_you_mean(name, used.iter().copied());
                        self.problems.add_with_hint(source.line, text, hint);
                    } else if sources.iter().any(|known| known.name.value == *name && known.directory.is_some()) {
                        let text =
                            format!("{label} has packages of source {name:?}, but a directory gives all it holds");
                        self.problems.add(source.line, text);
                    }
                    let list = list.iter().filter_map(|selector| self.selector(selector)).collect();
                    // A source whose name cannot be one has its own problem already.
                    if let Ok(name) = name.parse() {
                        by_source.insert(name, list);
                    }
                }
                Packages::BySource(by_source)
            }
        };
        if let Some((line, text, hint)) = empty {
            self.problems.add_with_hint(line, text, Some(hint));
        }
        resolved
    }

    /// What `packages` may list.
    fn selector(&mut self, text: &At<String>) -> Option<String> {
        if let Some(path) = text.value.strip_prefix('@') {
            let path = self.checked_path("a world file", &At { value: path.to_owned(), line: text.line })?;
            return Some(format!("@{}", path.display()));
        }
        if let Some(origin) = text.value.strip_prefix("origin:") {
            if let Err(error) = origin.parse::<PackageName>() {
                self.problems.add(text.line, error.to_string());
                return None;
            }
            return Some(text.value.clone());
        }
        self.pattern(text)
    }

    /// What `must_install` may list.
    pub(super) fn world(&mut self, text: &At<String>) -> Option<String> {
        if let Some(path) = text.value.strip_prefix('@') {
            let path = self.checked_path("a world file", &At { value: path.to_owned(), line: text.line })?;
            return Some(format!("@{}", path.display()));
        }
        if let Err(error) = Dependency::parse(&text.value) {
            self.problems.add_with_hint(
                text.line,
                format!("must_install: {error}"),
                Some("a term of apk's world format (\"nginx>1.26\"), or \"@FILE\" with such terms".to_owned()),
            );
            return None;
        }
        Some(text.value.clone())
    }

    /// A package's name, or a glob over names.
    pub(super) fn pattern(&mut self, text: &At<String>) -> Option<String> {
        if text.value.parse::<PackageName>().is_ok() { Some(text.value.clone()) } else { self.glob(text) }
    }

    /// Likewise, or a name that only provides have, with its kind: `so:libcorp.so.1`, `cmd:corp-*`.
    pub(super) fn provided_pattern(&mut self, text: &At<String>) -> Option<String> {
        match text.value.split_once(':') {
            Some((kind, name)) if kind.parse::<PackageName>().is_ok() => {
                let name = At { value: name.to_owned(), line: text.line };
                self.pattern(&name).map(|_| text.value.clone())
            }
            _ => self.pattern(text),
        }
    }

    fn glob(&mut self, text: &At<String>) -> Option<String> {
        let pattern = &text.value[..];
        let may_be_glob = pattern.contains(['*', '?', '[', '{'])
            && pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-*?[]{},!^".contains(&byte));
        if !may_be_glob {
            self.problems.add(text.line, format!("{pattern:?} is neither a package name nor a glob over names"));
            return None;
        }
        if let Err(error) = Glob::new(pattern) {
            self.problems.add(text.line, format!("{pattern:?} is not a glob: {}", error.kind()));
            return None;
        }
        Some(text.value.clone())
    }
}
