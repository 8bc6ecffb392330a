//! `from`: one folder of a source, one repository of bundles, or all that bundles carry.

use super::{Resolver, did_you_mean};
use crate::apk::{Arch, RepositoryName, SourceName};
use crate::config::written::{self, At};
use crate::config::{FromPath, IndexMode, Starred};

/// What stands behind the `:` for all that bundles carry.
const ALL: &str = "*";

/// Source and path of `"source:path"` or `"source"`.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((name, path)) => (name, Some(path)),
        None => (text, None),
    }
}

/// The text of `from` that asks for all that bundles carry, if the block has one.
pub(super) fn star(written: &written::Repository) -> Option<&At<String>> {
    written.from.iter().flat_map(|from| &from.value).find(|text| split(&text.value).1 == Some(ALL))
}

/// Whether a text of `from`, its placeholders not filled yet, names a source of bundles.
pub(super) fn is_of_bundles(text: &At<String>, sources: &[written::Source]) -> bool {
    let (name, _) = split(&text.value);
    sources.iter().any(|source| source.name.value == name && source.bundles.is_some())
}

impl Resolver<'_> {
    /// `"source:path"` or `"source"`.
    pub(super) fn from(
        &mut self,
        repository: &RepositoryName,
        text: &At<String>,
        index: IndexMode,
        sources: &[written::Source],
    ) -> Option<FromPath> {
        let label = format!("repository \"{repository}\"");
        let (name, path) = split(&text.value);
        let source = self.source_of(&label, text, sources)?;
        // A source whose name cannot be one has its own problem already.
        let source_name = source.name.value.parse().ok()?;
        self.check_origin(&label, text, index, source);
        if source.directory.is_some() {
            if path.is_some() {
                let text_of = format!("{label} takes from {:?}, but a directory has no paths", text.value);
                self.problems.add_with_hint(text.line, text_of, Some(format!("write {name:?}")));
            }
            if index != IndexMode::Ours {
                let text_of = format!("{label} keeps upstream's index, but source {name:?} is a directory");
                let hint = "index = \"ours\" makes an index and signs it with our key".to_owned();
                self.problems.add_with_hint(text.line, text_of, Some(hint));
            }
            return Some(FromPath { source: source_name, path: String::new() });
        }
        let path = path.unwrap_or_default();
        if path.is_empty() && source.bundles.is_some() {
            let text_of =
                format!("{label} takes from {:?}, but bundles hold repositories, each by its name", text.value);
            let hint = format!("\"{name}:v3.23/main\" is one of them, \"{name}:*\" all");
            self.problems.add_with_hint(text.line, text_of, Some(hint));
            return None;
        }
        // A path below a URL follows the same rules as one below our own tree.
        if !path.is_empty() && path.parse::<RepositoryName>().is_err() {
            let text_of = format!("{label} takes from {:?}, whose path is not segments joined by /", text.value);
            self.problems.add(text.line, text_of);
            return None;
        }
        Some(FromPath { source: source_name, path: path.to_owned() })
    }

    /// The source that a text of `from` names.
    fn source_of<'s>(
        &mut self,
        label: &str,
        text: &At<String>,
        sources: &'s [written::Source],
    ) -> Option<&'s written::Source> {
        let (name, _) = split(&text.value);
        let source = sources.iter().find(|source| source.name.value == name);
        if source.is_none() {
            let hint = did_you_mean(name, sources.iter().map(|source| &source.name.value[..]));
            let text_of = format!("{label} takes from source {name:?}, which is not defined");
            self.problems.add_with_hint(text.line, text_of, hint);
        }
        source
    }

    /// The index of the sender's upstream comes with bundles alone, and somebody has to vouch for it.
    fn check_origin(&mut self, label: &str, text: &At<String>, index: IndexMode, source: &written::Source) {
        // Of a directory no index is kept at all, which is said of it.
        if index != IndexMode::Origin || source.directory.is_some() {
            return;
        }
        let name = &source.name.value;
        if source.bundles.is_none() {
            let text_of =
                format!("{label} publishes the index of its sender's upstream, but source {name:?} has no sender");
            let hint = "index = \"upstream\" publishes the source's own index as it is".to_owned();
            self.problems.add_with_hint(text.line, text_of, Some(hint));
        } else if source.origin.is_none() {
            let text_of =
                format!("{label} publishes the index of its sender's upstream, but source {name:?} has no origin");
            let hint = format!("sources.{name}.origin = \"alpine\" says whose signature has to be on it");
            self.problems.add_with_hint(text.line, text_of, Some(hint));
        }
    }

    /// A block with `from = ["hq:*"]`.
    pub(super) fn starred(
        &mut self,
        written: &written::Repository,
        star: &At<String>,
        sources: &[written::Source],
    ) -> Option<Starred> {
        let label = format!("repository from {:?}", star.value);
        let before = self.problems.len();
        let source = self.source_of(&label, star, sources)?;
        if source.bundles.is_none() {
            let text_of = format!(
                "{label} takes all there is, but only bundles say what they carry, and source {:?} has none",
                source.name.value
            );
            self.problems.add(star.line, text_of);
            return None;
        }
        let from = written.from.as_ref().map_or(&[][..], |from| &from.value);
        if let Some(other) = from.iter().find(|text| *text != star) {
            let text_of = format!("{label} takes from {:?} as well, but {:?} stands alone", other.value, star.value);
            self.problems.add(other.line, text_of);
        }
        for (key, line) in [
            ("a name", written.name.as_ref().map(|name| name.line)),
            ("\"for\"", written.rows.first().map(|(name, _)| name.line)),
        ] {
            if let Some(line) = line {
                let text_of = format!("{label} cannot have {key}: what is carried keeps the sender's names");
                self.problems.add(line, text_of);
            }
        }
        let arches = self.carried_arches(&label, written);
        let mut rules = self.rules(&label, written, from, sources)?;
        self.check_origin(&label, star, rules.index, source);
        rules.beside = self.beside(&label, None, written, &Vec::new());
        rules.together = self.together(&label, written, || star.value.clone());
        let source = source.name.value.parse::<SourceName>().ok()?;
        (self.problems.len() == before).then_some(Starred { source, arches, rules })
    }

    /// Those to which a block is restricted; empty: to none.
    fn carried_arches(&mut self, label: &str, written: &written::Repository) -> Vec<Arch> {
        let Some(list) = &written.arches else { return Vec::new() };
        if list.value.is_empty() {
            let hint = "without the key, all are taken that are carried".to_owned();
            self.problems.add_with_hint(list.line, format!("{label} has no arches"), Some(hint));
        }
        self.listed_arches(label, &list.value)
    }
}
