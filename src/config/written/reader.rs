//! A TOML tree read key by key. Every value comes out with its line; what has the wrong shape becomes a problem and counts
//! as absent.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::At;
use super::keys::Keys;
use crate::config::problem::{Problems, did_you_mean};

/// One table of the file.
pub(super) struct Section<'t> {
    /// How its keys are called in messages: `sources.alpine`, `repositories`; empty at the top.
    name: String,
    table: &'t DeTable<'t>,
    /// Where it begins.
    pub(super) line: usize,
}

impl<'t> Section<'t> {
    /// The file itself.
    pub(super) fn top(table: &'t DeTable<'t>) -> Self {
        Section { name: String::new(), table, line: 1 }
    }

    /// A key's full name.
    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Where messages say that a key stands.
    fn place(&self) -> String {
        match &self.name[..] {
            "" => "the top of the file".into(),
            "repositories" => "[[repositories]]".into(),
            name => format!("[{name}]"),
        }
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// The entries in the order of the file; the parser keeps them in that of the alphabet.
    fn entries(&self) -> Vec<(&'t str, &'t Spanned<DeValue<'t>>, usize)> {
        let mut entries: Vec<_> =
            self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value, key.span().start)).collect();
        entries.sort_by_key(|(_, _, offset)| *offset);
        entries
    }
}

/// Reads one file and gathers what is wrong with it.
pub(super) struct Reader<'a> {
    text: &'a str,
    problems: Problems,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, file: &Path) -> Self {
        Reader { text, problems: Problems::new(file) }
    }

    /// The file's tree, or all that is wrong with its syntax.
    pub(super) fn document(&mut self) -> Result<Spanned<DeTable<'a>>, Problems> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map(|span| self.line(span.start));
            // The parser's message may have several lines ("expected …"); ours is one.
            let text = error.message().lines().collect::<Vec<_>>().join(", ");
            self.problems.add(line, text);
        }
        self.problems.take().or(document)
    }

    /// `value`, unless something was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        self.problems.or(value)
    }

    fn line(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        1 + self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
    }

    /// Refuses keys that the table cannot have.
    pub(super) fn check_keys(&mut self, section: &Section<'_>, keys: Keys) {
        for (key, _, offset) in section.entries() {
            if !keys.contains(&key) {
                let hint = did_you_mean(key, keys.iter().copied());
                let text = format!("unknown key {key:?} in {}", section.place());
                self.problems.add_with_hint(self.line(offset), text, hint);
            }
        }
    }

    fn wrong_type(&mut self, name: &str, expected: &str, value: &Spanned<DeValue<'_>>) {
        let line = self.line(value.span().start);
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problems.add(line, format!("{name} must be {expected}, not {found}"));
    }

    /// The value of `key` through `read`, which answers `None` for a wrong type.
    fn read<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        expected: &str,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<At<T>> {
        let value = section.value(key)?;
        match read(value.get_ref()) {
            Some(read) => Some(At { value: read, line: self.line(value.span().start) }),
            None => {
                self.wrong_type(&section.key(key), expected, value);
                None
            }
        }
    }

    pub(super) fn is_text(&self, section: &Section<'_>, key: &str) -> bool {
        section.value(key).is_some_and(|value| value.get_ref().is_str())
    }

    pub(super) fn is_table(&self, section: &Section<'_>, key: &str) -> bool {
        section.value(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// That `key` stands in the table, whatever its value.
    pub(super) fn presence(&mut self, section: &Section<'_>, key: &str) -> Option<At<()>> {
        section.value(key).map(|value| At { value: (), line: self.line(value.span().start) })
    }

    pub(super) fn text(&mut self, section: &Section<'_>, key: &str) -> Option<At<String>> {
        self.read(section, key, "text (\"…\")", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn switch(&mut self, section: &Section<'_>, key: &str) -> Option<At<bool>> {
        self.read(section, key, "true or false", |value| value.as_bool())
    }

    pub(super) fn count(&mut self, section: &Section<'_>, key: &str) -> Option<At<i64>> {
        self.read(section, key, "a whole number", |value| {
            let number = value.as_integer()?;
            i64::from_str_radix(number.as_str(), number.radix()).ok()
        })
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, section: &Section<'_>, key: &str) -> Option<At<Vec<At<String>>>> {
        self.texts_or(section, key, "a list of texts ([\"…\"])")
    }

    /// A list of texts, where other forms are `expected` too.
    pub(super) fn texts_or(&mut self, section: &Section<'_>, key: &str, expected: &str) -> Option<At<Vec<At<String>>>> {
        let value = section.value(key)?;
        self.list(&section.key(key), value, expected)
    }

    fn list(&mut self, name: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<At<Vec<At<String>>>> {
        let Some(elements) = value.get_ref().as_array() else {
            self.wrong_type(name, expected, value);
            return None;
        };
        let mut list = Vec::new();
        for element in elements.iter() {
            match element.get_ref().as_str() {
                Some(text) => list.push(At { value: text.to_owned(), line: self.line(element.span().start) }),
                None => self.wrong_type(&format!("each element of {name}"), "text (\"…\")", element),
            }
        }
        Some(At { value: list, line: self.line(value.span().start) })
    }

    pub(super) fn table<'t>(&mut self, section: &Section<'t>, key: &str) -> Option<Section<'t>> {
        let (at, value) = section.table.get_key_value(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(&section.key(key), &format!("a table ([{}])", section.key(key)), value);
            return None;
        };
        Some(Section { name: section.key(key), table, line: self.line(at.span().start) })
    }

    /// The tables inside a table, with their names.
    pub(super) fn tables_of<'t>(&mut self, section: &Section<'t>) -> Vec<(At<String>, Section<'t>)> {
        let mut tables = Vec::new();
        for (name, _, offset) in section.entries() {
            let name = At { value: name.to_owned(), line: self.line(offset) };
            if let Some(table) = self.table(section, &name.value) {
                tables.push((name, table));
            }
        }
        tables
    }

    /// The lists of texts inside a table, with their names.
    pub(super) fn lists_of(&mut self, section: &Section<'_>) -> Vec<(At<String>, Vec<At<String>>)> {
        let mut lists = Vec::new();
        for (name, value, offset) in section.entries() {
            if let Some(list) = self.list(&section.key(name), value, "a list of texts ([\"…\"])") {
                lists.push((At { value: name.to_owned(), line: self.line(offset) }, list.value));
            }
        }
        lists
    }

    /// The texts inside a table, with their names.
    pub(super) fn texts_of(&mut self, section: &Section<'_>) -> Vec<(At<String>, At<String>)> {
        let mut texts = Vec::new();
        for (name, _, offset) in section.entries() {
            if let Some(text) = self.text(section, name) {
                texts.push((At { value: name.to_owned(), line: self.line(offset) }, text));
            }
        }
        texts
    }

    /// The tables of `[[key]]`, in the order of the file.
    pub(super) fn array_of_tables<'t>(&mut self, section: &Section<'t>, key: &str) -> Vec<Section<'t>> {
        self.array_of_tables_or(section, key, &format!("a list of tables ([[{key}]])"))
    }

    /// The tables of a list, where other forms are `expected` too.
    pub(super) fn array_of_tables_or<'t>(
        &mut self,
        section: &Section<'t>,
        key: &str,
        expected: &str,
    ) -> Vec<Section<'t>> {
        let Some(value) = section.value(key) else { return Vec::new() };
        let Some(elements) = value.get_ref().as_array() else {
            self.wrong_type(&section.key(key), expected, value);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in elements.iter() {
            match element.get_ref().as_table() {
                Some(table) => {
                    tables.push(Section { name: section.key(key), table, line: self.line(element.span().start) })
                }
                None => self.wrong_type(&section.key(key), expected, element),
            }
        }
        tables
    }
}
