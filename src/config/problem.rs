//! What is wrong with a file, line by line.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, counted from 1; absent for what is missing from the file.
    pub line: Option<usize>,
    /// What is wrong, in one line.
    pub text: String,
    /// An action that mends it.
    pub hint: Option<String>,
}

/// All that is wrong with one file. As an error it has at least one problem; they stand in the order of their lines.
///
/// Printed, each problem is a line that begins with `FILE:LINE:`. A single problem keeps its hint apart
/// ([`Problems::hint`]); of several, each carries its own in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

impl Problems {
    /// None yet.
    pub(super) fn new(file: &Path) -> Self {
        Problems { file: file.to_owned(), list: Vec::new() }
    }

    pub(super) fn add(&mut self, line: impl Into<Option<usize>>, text: impl Into<String>) {
        self.push(line.into(), text.into(), None);
    }

    pub(super) fn add_with_hint(
        &mut self,
        line: impl Into<Option<usize>>,
        text: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(line.into(), text.into(), hint);
    }

    fn push(&mut self, line: Option<usize>, text: String, hint: Option<String>) {
        let problem = Problem { line, text, hint };
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    /// What was found so far; from here on it starts anew.
    pub(super) fn take(&mut self) -> Problems {
        Problems { file: self.file.clone(), list: std::mem::take(&mut self.list) }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// `value`, unless something is wrong.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Problems> {
        if self.list.is_empty() {
            return Ok(value);
        }
        // What is missing has no line and comes last: a key that is merely misspelled explains it.
        self.list.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Err(self)
    }

    /// The file, as its user named it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Each problem, in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// What mends the only problem; several carry their hints in their own lines.
    pub fn hint(&self) -> Option<String> {
        match &self.list[..] {
            [only] => only.hint.clone(),
            _ => None,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, "{line}:")?;
            }
            write!(f, " {}", problem.text)?;
            if let (Some(hint), true) = (&problem.hint, self.list.len() > 1) {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The hint `did you mean "…"?`, if one of `known` is near enough to `word` to have been meant.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // 0.8 is where typing errors and abbreviations ("acme-pkgs") still count and unrelated words of our own keys do not.
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| format!("did you mean {candidate:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near() {
        let keys = ["url", "keyring", "packages", "exclude", "arches", "acme-packages", "store"];
        for (word, meant) in [
            ("keyrng", "keyring"),
            ("pakages", "packages"),
            ("package", "packages"),
            ("archs", "arches"),
            ("acme-pkgs", "acme-packages"),
        ] {
            assert_eq!(did_you_mean(word, keys), Some(format!("did you mean {meant:?}?")), "{word}");
        }
        for word in ["colour", "x", "", "timezone"] {
            assert_eq!(did_you_mean(word, keys), None, "{word}");
        }
    }
}
