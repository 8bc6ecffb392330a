//! `[[repositories]]`: what is published, from where, and how much of it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use globset::Glob;

use super::matrix::{self, BadPlaceholder, MOST_ROWS, Row};
use super::{Resolver, did_you_mean};
use crate::apk::dependency::Dependency;
use crate::apk::{Arch, PackageName, RepositoryName};
use crate::config::written::{self, At};
use crate::config::{Dependencies, FromPath, Incomplete, IndexMode, Packages, Prefer, Repository};

/// Most versions of a name that may be kept; a larger number is a slip.
const MOST_VERSIONS: usize = 100;

/// What a block says, apart from what differs by row.
struct Block<'a> {
    written: &'a written::Repository,
    from: &'a [At<String>],
    arches: Vec<Arch>,
    index: IndexMode,
    packages: Option<Packages>,
    dependencies: Dependencies,
    exclude: Vec<String>,
    prefer: Prefer,
    keep_versions: Option<NonZeroUsize>,
    incomplete: Incomplete,
    must_install: Vec<String>,
}

impl Resolver<'_> {
    /// Every row of every block, with the line of its block.
    pub(super) fn repositories(
        &mut self,
        blocks: &[written::Repository],
        sources: &[written::Source],
    ) -> Vec<At<Repository>> {
        let mut repositories = Vec::new();
        if blocks.is_empty() {
            self.problems.add(None, "no [[repositories]]: nothing would be published");
        }
        for written in blocks {
            let before = self.problems.len();
            let Some(block) = self.block(written, sources) else { continue };
            self.check_rows(&block);
            if self.problems.len() > before {
                continue;
            }
            let mut together = None;
            for row in matrix::rows(&written.rows) {
                if let Some(mut repository) = self.row(&block, &row, sources) {
                    repository.together = self.together(&repository, written, &mut together);
                    repositories.push(At { value: repository, line: written.line });
                }
                // The first row that fails speaks for the others: their trouble is nearly always the same.
                if self.problems.len() > before {
                    break;
                }
            }
        }
        self.check_layout(&repositories);
        self.check_beside(&repositories);
        repositories
    }

    fn block<'w>(&mut self, written: &'w written::Repository, sources: &[written::Source]) -> Option<Block<'w>> {
        let label = match (&written.name, written.from.as_ref().and_then(|from| from.value.first())) {
            (Some(name), _) => format!("repository {:?}", name.value),
            (None, Some(from)) => format!("repository from {:?}", from.value),
            (None, None) => "repository".to_owned(),
        };
        let Some(from) = written.from.as_ref().filter(|from| !from.value.is_empty()) else {
            self.problems.add(written.line, format!("{label} takes from no source"));
            return None;
        };
        let arches = self.arches(&label, written)?;
        let index = match &written.index {
            None => IndexMode::default(),
            Some(text) if text.value == "origin" => {
                self.problems.add(text.line, "repositories.index = \"origin\" is not supported yet");
                return None;
            }
            Some(text) => self.choice(
                "repositories.index",
                text,
                &[("ours", IndexMode::Ours), ("upstream", IndexMode::Upstream), ("cosigned", IndexMode::Cosigned)],
            )?,
        };
        self.check_byte_for_byte(&label, index, written);
        let packages = written.packages.as_ref().map(|packages| self.packages(&label, &from.value, packages, sources));
        let dependencies = match &written.dependencies {
            None | Some(At { value: true, .. }) => Dependencies::Follow,
            Some(At { value: false, .. }) => Dependencies::Leave,
        };
        if let (Some(dependencies), None) = (&written.dependencies, &packages) {
            let text = format!("{label} says dependencies, which has no meaning without packages: everything is taken");
            self.problems.add(dependencies.line, text);
        }
        let exclude = written.exclude.iter().flat_map(|exclude| &exclude.value);
        let exclude = exclude.filter_map(|pattern| self.pattern(pattern)).collect();
        let prefer = match &written.prefer {
            None => Prefer::default(),
            Some(text) => {
                let choices = [("order", Prefer::Order), ("newest", Prefer::Newest), ("all", Prefer::All)];
                self.choice("repositories.prefer", text, &choices)?
            }
        };
        let keep_versions = match &written.keep_versions {
            None => None,
            Some(At { value, line }) => {
                let count =
                    usize::try_from(*value).ok().filter(|count| *count <= MOST_VERSIONS).and_then(NonZeroUsize::new);
                if count.is_none() {
                    let text = format!("repositories.keep_versions is {value}, not 1 to {MOST_VERSIONS}");
                    self.problems.add(*line, text);
                }
                count
            }
        };
        let incomplete = match &written.incomplete {
            None => Incomplete::default(),
            Some(text) => {
                let choices = [("refuse", Incomplete::Refuse), ("carry", Incomplete::Carry)];
                self.choice("repositories.incomplete", text, &choices)?
            }
        };
        let must_install = written.must_install.iter().flat_map(|worlds| &worlds.value);
        let must_install = must_install.filter_map(|world| self.world(world)).collect();
        Some(Block {
            written,
            from: &from.value,
            arches,
            index,
            packages,
            dependencies,
            exclude,
            prefer,
            keep_versions,
            incomplete,
            must_install,
        })
    }

    fn packages(
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

    fn arches(&mut self, label: &str, written: &written::Repository) -> Option<Vec<Arch>> {
        let Some(list) = written.arches.as_ref().filter(|list| !list.value.is_empty()) else {
            let hint = "arches = [\"x86_64\"]".to_owned();
            let line = written.arches.as_ref().map_or(written.line, |list| list.line);
            self.problems.add_with_hint(line, format!("{label} has no arches"), Some(hint));
            return None;
        };
        let mut arches: Vec<Arch> = Vec::new();
        for text in &list.value {
            match self.arch(text) {
                Some(arch) if arches.contains(&arch) => {
                    self.problems.add(text.line, format!("{label} names the arch {arch} twice"));
                }
                Some(arch) => arches.push(arch),
                None => {}
            }
        }
        (!arches.is_empty()).then_some(arches)
    }

    /// An index that stays upstream's lists what upstream listed: no selection can be made from it.
    fn check_byte_for_byte(&mut self, label: &str, index: IndexMode, written: &written::Repository) {
        let word = match index {
            IndexMode::Ours => return,
            IndexMode::Upstream => "upstream",
            IndexMode::Cosigned => "cosigned",
        };
        let carry = written.incomplete.as_ref().filter(|text| text.value == "carry");
        for (key, line) in [
            ("packages", written.packages.as_ref().map(|value| value.line)),
            ("exclude", written.exclude.as_ref().map(|value| value.line)),
            ("prefer", written.prefer.as_ref().map(|value| value.line)),
            ("keep_versions", written.keep_versions.as_ref().map(|value| value.line)),
            ("incomplete = \"carry\"", carry.map(|value| value.line)),
        ] {
            if let Some(line) = line {
                let text = format!("{label} keeps upstream's index (index = {word:?}) and so cannot have {key}");
                let hint = "index = \"ours\" lists what was chosen and signs it with our key".to_owned();
                self.problems.add_with_hint(line, text, Some(hint));
            }
        }
        if let Some(from) = written.from.as_ref().filter(|from| from.value.len() > 1) {
            let text =
                format!("{label} keeps upstream's index (index = {word:?}) and so takes from exactly one source");
            self.problems.add(from.line, text);
        }
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
    fn world(&mut self, text: &At<String>) -> Option<String> {
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
    fn pattern(&mut self, text: &At<String>) -> Option<String> {
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

    /// What is wrong with `for` itself, and with the placeholders that refer to it.
    fn check_rows(&mut self, block: &Block<'_>) {
        let variables = &block.written.rows;
        for (name, values) in variables {
            if values.is_empty() {
                self.problems
                    .add(name.line, format!("\"for\" gives {:?} no values: nothing would be published", name.value));
            }
            if name.value == "arch" {
                self.problems.add(name.line, "\"for\" cannot have \"arch\": architectures are listed in arches");
            }
            let placeholder = format!("{{{}}}", name.value);
            let templates = block.from.iter().chain(&block.written.name);
            if !templates.into_iter().any(|text| text.value.contains(&placeholder)) {
                self.problems
                    .add(name.line, format!("neither from nor name has {placeholder}, which \"for\" gives values"));
            }
        }
        let rows = variables.iter().try_fold(1_usize, |rows, (_, values)| rows.checked_mul(values.len()));
        if rows.is_none_or(|rows| rows > MOST_ROWS) {
            self.problems.add(block.written.line, format!("\"for\" makes more than {MOST_ROWS} repositories"));
        }
    }

    fn row(&mut self, block: &Block<'_>, row: &Row<'_>, sources: &[written::Source]) -> Option<Repository> {
        let written = block.written;
        let mut filled = Vec::new();
        for text in block.from {
            filled.push(At { value: self.fill(text, row)?, line: text.line });
        }
        let name = self.name(written, row, &filled)?;
        let mut from: Vec<FromPath> = Vec::new();
        for text in &filled {
            let Some(one) = self.from(&name, text, block.index, sources) else { continue };
            if from.contains(&one) {
                self.problems.add(text.line, format!("repository \"{name}\" takes from {:?} twice", text.value));
                continue;
            }
            from.push(one);
        }
        let beside = self.beside(&name, written, row);
        Some(Repository {
            name,
            arches: block.arches.clone(),
            from,
            index: block.index,
            packages: block.packages.clone(),
            dependencies: block.dependencies,
            exclude: block.exclude.clone(),
            prefer: block.prefer,
            keep_versions: block.keep_versions,
            incomplete: block.incomplete,
            must_install: block.must_install.clone(),
            together: None,
            beside,
        })
    }

    /// The name as written, or the path of a single `from`.
    fn name(&mut self, written: &written::Repository, row: &Row<'_>, from: &[At<String>]) -> Option<RepositoryName> {
        let text = match &written.name {
            Some(name) => At { value: self.fill_name(name, row)?, line: name.line },
            None => {
                let path = match from {
                    [only] => only.value.split_once(':').map_or("", |(_, path)| path),
                    _ => "",
                };
                if path.is_empty() {
                    let reason = if from.len() > 1 { "takes from several" } else { "takes from the top of a source" };
                    self.problems.add(written.line, format!("a repository that {reason} needs a name"));
                    return None;
                }
                At { value: path.to_owned(), line: from[0].line }
            }
        };
        match text.value.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.problems.add(text.line, error.to_string());
                None
            }
        }
    }

    /// `"source:path"` or `"source"`.
    fn from(
        &mut self,
        repository: &RepositoryName,
        text: &At<String>,
        index: IndexMode,
        sources: &[written::Source],
    ) -> Option<FromPath> {
        let (name, path) = match text.value.split_once(':') {
            Some((name, path)) => (name, Some(path)),
            None => (&text.value[..], None),
        };
        let Some(source) = sources.iter().find(|source| source.name.value == name) else {
            let hint = did_you_mean(name, sources.iter().map(|source| &source.name.value[..]));
            let text_of = format!("repository \"{repository}\" takes from source {name:?}, which is not defined");
            self.problems.add_with_hint(text.line, text_of, hint);
            return None;
        };
        // A source whose name cannot be one has its own problem already.
        let source_name = source.name.value.parse().ok()?;
        if source.directory.is_some() {
            if path.is_some() {
                let text_of =
                    format!("repository \"{repository}\" takes from {:?}, but a directory has no paths", text.value);
                self.problems.add_with_hint(text.line, text_of, Some(format!("write {name:?}")));
            }
            if index != IndexMode::Ours {
                let text_of =
                    format!("repository \"{repository}\" keeps upstream's index, but source {name:?} is a directory");
                let hint = "index = \"ours\" makes an index and signs it with our key".to_owned();
                self.problems.add_with_hint(text.line, text_of, Some(hint));
            }
            return Some(FromPath { source: source_name, path: String::new() });
        }
        let path = path.unwrap_or_default();
        // A path below a URL follows the same rules as one below our own tree.
        if !path.is_empty() && path.parse::<RepositoryName>().is_err() {
            let text_of = format!(
                "repository \"{repository}\" takes from {:?}, whose path is not segments joined by /",
                text.value
            );
            self.problems.add(text.line, text_of);
            return None;
        }
        Some(FromPath { source: source_name, path: path.to_owned() })
    }

    /// The repositories beside this one, as written; whether they exist is seen when all are known.
    fn beside(&mut self, name: &RepositoryName, written: &written::Repository, row: &Row<'_>) -> Vec<RepositoryName> {
        let mut beside: Vec<RepositoryName> = Vec::new();
        for text in written.beside.iter().flat_map(|beside| &beside.value) {
            let Some(filled) = self.fill_name(text, row) else { continue };
            match filled.parse::<RepositoryName>() {
                Ok(one) if one == *name => {
                    self.problems.add(text.line, format!("repository \"{name}\" is beside itself"));
                }
                Ok(one) if beside.contains(&one) => {
                    self.problems.add(text.line, format!("repository \"{name}\" has \"{one}\" beside it twice"));
                }
                Ok(one) => beside.push(one),
                Err(error) => self.problems.add(text.line, error.to_string()),
            }
        }
        beside
    }

    /// Refuses names of `beside` that no repository has.
    fn check_beside(&mut self, repositories: &[At<Repository>]) {
        let names = || repositories.iter().map(|one| one.value.name.as_str());
        for At { value: repository, line } in repositories {
            for beside in &repository.beside {
                if names().all(|name| name != beside.as_str()) {
                    let hint = did_you_mean(beside.as_str(), names());
                    let text =
                        format!("repository \"{}\" has \"{beside}\" beside it, which is not defined", repository.name);
                    self.problems.add_with_hint(*line, text, hint);
                }
            }
        }
    }

    /// A repository's name with its placeholders filled; `{arch}` stays: it stands for each arch.
    fn fill_name(&mut self, text: &At<String>, row: &Row<'_>) -> Option<String> {
        let mut row = row.clone();
        row.push(("arch", "{arch}"));
        self.fill(text, &row)
    }

    /// A text with its placeholders filled.
    fn fill(&mut self, text: &At<String>, row: &Row<'_>) -> Option<String> {
        match matrix::fill(&text.value, row) {
            Ok(filled) => Some(filled),
            Err(BadPlaceholder::Unpaired) => {
                self.problems.add(text.line, format!("{:?} has a brace without its partner", text.value));
                None
            }
            Err(BadPlaceholder::Unknown(name)) => {
                let text_of = format!("{:?} has {{{name}}}, to which \"for\" gives no values", text.value);
                let hint = did_you_mean(name, row.iter().map(|(variable, _)| *variable));
                self.problems.add_with_hint(text.line, text_of, hint);
                None
            }
        }
    }
}
