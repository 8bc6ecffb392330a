//! `[[repositories]]`: what is published, from where, and how much of it.

use std::num::NonZeroUsize;

use super::from::{is_of_bundles, star};
use super::matrix::{self, BadPlaceholder, MOST_ROWS, Row};
use super::{Resolver, did_you_mean};
use crate::apk::{Arch, RepositoryName};
use crate::config::written::{self, At};
use crate::config::{Dependencies, FromPath, Incomplete, IndexMode, Prefer, Repository, Rules, Starred};

/// Most versions of a name that may be kept; a larger number is a slip.
const MOST_VERSIONS: usize = 100;

/// What a block says, apart from what differs by row.
struct Block<'a> {
    written: &'a written::Repository,
    from: &'a [At<String>],
    arches: Vec<Arch>,
    rules: Rules,
}

/// What the blocks publish, each with the line of its block.
#[derive(Default)]
pub(super) struct Published {
    /// Every row of every block.
    pub(super) repositories: Vec<At<Repository>>,
    /// Blocks whose rows are known only from what bundles carry.
    pub(super) carried: Vec<At<Starred>>,
}

impl Resolver<'_> {
    pub(super) fn repositories(&mut self, blocks: &[written::Repository], sources: &[written::Source]) -> Published {
        let mut published = Published::default();
        if blocks.is_empty() {
            self.problems.add(None, "no [[repositories]]: nothing would be published");
        }
        for written in blocks {
            if let Some(star) = star(written) {
                let starred = self.starred(written, star, sources);
                published.carried.extend(starred.map(|starred| At { value: starred, line: written.line }));
                continue;
            }
            let before = self.problems.len();
            let Some(block) = self.block(written, sources) else { continue };
            self.check_rows(&block);
            if self.problems.len() > before {
                continue;
            }
            let mut together = None;
            for row in matrix::rows(&written.rows) {
                if let Some(mut repository) = self.row(&block, &row, sources) {
                    let label = format!("repository \"{}\"", repository.name);
                    repository.together = self.together(&label, written, || {
                        let word = || format!("{}/{}", repository.name, repository.arches[0]);
                        together.get_or_insert_with(word).clone()
                    });
                    published.repositories.push(At { value: repository, line: written.line });
                }
                // The first row that fails speaks for the others: their trouble is nearly always the same.
                if self.problems.len() > before {
                    break;
                }
            }
        }
        self.check_layout(&published.repositories);
        // What bundles carry may be beside others, too.
        if published.carried.is_empty() {
            self.check_beside(&published.repositories);
        }
        published
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
        let rules = self.rules(&label, written, &from.value, sources)?;
        Some(Block { written, from: &from.value, arches, rules })
    }

    /// What the block says that holds for each of its rows.
    pub(super) fn rules(
        &mut self,
        label: &str,
        written: &written::Repository,
        from: &[At<String>],
        sources: &[written::Source],
    ) -> Option<Rules> {
        let index = match &written.index {
            None => IndexMode::default(),
            Some(text) => {
                let modes = [IndexMode::Ours, IndexMode::Upstream, IndexMode::Cosigned, IndexMode::Origin];
                self.choice("repositories.index", text, &modes.map(|mode| (mode.word(), mode)))?
            }
        };
        self.check_byte_for_byte(label, index, written);
        let packages = written.packages.as_ref().map(|packages| self.packages(label, from, packages, sources));
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
        Some(Rules {
            index,
            packages,
            dependencies,
            exclude,
            prefer,
            keep_versions,
            must_install,
            beside: Vec::new(),
            incomplete,
            together: None,
        })
    }

    fn arches(&mut self, label: &str, written: &written::Repository) -> Option<Vec<Arch>> {
        let Some(list) = written.arches.as_ref().filter(|list| !list.value.is_empty()) else {
            let hint = "arches = [\"x86_64\"]".to_owned();
            let line = written.arches.as_ref().map_or(written.line, |list| list.line);
            self.problems.add_with_hint(line, format!("{label} has no arches"), Some(hint));
            return None;
        };
        let arches = self.listed_arches(label, &list.value);
        (!arches.is_empty()).then_some(arches)
    }

    /// Those that are listed, without those that are wrong.
    pub(super) fn listed_arches(&mut self, label: &str, list: &[At<String>]) -> Vec<Arch> {
        let mut arches: Vec<Arch> = Vec::new();
        for text in list {
            match self.arch(text) {
                Some(arch) if arches.contains(&arch) => {
                    self.problems.add(text.line, format!("{label} names the arch {arch} twice"));
                }
                Some(arch) => arches.push(arch),
                None => {}
            }
        }
        arches
    }

    /// An index that stays upstream's lists what upstream listed: no selection can be made from it.
    fn check_byte_for_byte(&mut self, label: &str, index: IndexMode, written: &written::Repository) {
        if index == IndexMode::Ours {
            return;
        }
        let word = index.word();
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
            // A sender's names may hold {arch}, as ours may.
            let fill = if is_of_bundles(text, sources) { Self::fill_name } else { Self::fill };
            filled.push(At { value: fill(self, text, row)?, line: text.line });
        }
        let name = self.name(written, row, &filled)?;
        let mut from: Vec<FromPath> = Vec::new();
        for text in &filled {
            let Some(one) = self.from(&name, text, block.rules.index, sources) else { continue };
            if from.contains(&one) {
                self.problems.add(text.line, format!("repository \"{name}\" takes from {:?} twice", text.value));
                continue;
            }
            from.push(one);
        }
        let beside = self.beside(&format!("repository \"{name}\""), Some(&name), written, row);
        let mut repository = block.rules.repository(name, block.arches.clone(), from);
        repository.beside = beside;
        Some(repository)
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

    /// The repositories beside this one, as written; whether they exist is seen when all are known.
    /// `own` is the name of the repository that they are beside, where it has one.
    pub(super) fn beside(
        &mut self,
        label: &str,
        own: Option<&RepositoryName>,
        written: &written::Repository,
        row: &Row<'_>,
    ) -> Vec<RepositoryName> {
        let mut beside: Vec<RepositoryName> = Vec::new();
        for text in written.beside.iter().flat_map(|beside| &beside.value) {
            let Some(filled) = self.fill_name(text, row) else { continue };
            match filled.parse::<RepositoryName>() {
                Ok(one) if Some(&one) == own => {
                    self.problems.add(text.line, format!("{label} is beside itself"));
                }
                Ok(one) if beside.contains(&one) => {
                    self.problems.add(text.line, format!("{label} has \"{one}\" beside it twice"));
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
