//! What is wrong with a file, line by line.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as its user named it.
    pub file: PathBuf,
    /// Where, counted from 1; absent for what is missing from the file.
    pub line: Option<usize>,
    /// What is wrong, in one line.
    pub text: String,
    /// An action that mends it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    /// `FILE:LINE: what is wrong`, without the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.text)
    }
}

/// All that is wrong with one file. As an error it has at least one problem; they stand in the order of their lines.
///
/// A single problem is the error's text, and its hint the error's. Several are counted in the text and listed by the
/// error's source, a line each, with their hints in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Listing,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listing(Vec<Problem>);

impl Problems {
    /// None yet.
    pub(super) fn new(file: &Path) -> Self {
        Problems { file: file.to_owned(), list: Listing::default() }
    }

    pub(super) fn add(&mut self, line: impl Into<Option<usize>>, text: impl Into<String>) {
        self.add_with_hint(line, text, None);
    }

    pub(super) fn add_with_hint(
        &mut self,
        line: impl Into<Option<usize>>,
        text: impl Into<String>,
        hint: Option<String>,
    ) {
        let problem = Problem { file: self.file.clone(), line: line.into(), text: text.into(), hint };
        if !self.list.0.contains(&problem) {
            self.list.0.push(problem);
        }
    }

    /// What was found so far; from here on it starts anew.
    pub(super) fn take(&mut self) -> Problems {
        Problems { file: self.file.clone(), list: std::mem::take(&mut self.list) }
    }

    pub(super) fn len(&self) -> usize {
        self.list.0.len()
    }

    /// `value`, unless something is wrong.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Problems> {
        if self.list.0.is_empty() {
            return Ok(value);
        }
        // What is missing has no line and comes last: a mistake above may explain it.
        self.list.0.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Err(self)
    }

    /// Each problem, in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.0.iter()
    }

    /// What mends the only problem; several carry their hints in their own lines.
    pub fn hint(&self) -> Option<String> {
        match &self.list.0[..] {
            [only] => only.hint.clone(),
            _ => None,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.list.0[..] {
            [only] => only.fmt(f),
            several => write!(f, "{} has {} mistakes", self.file.display(), several.len()),
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
            if let Some(hint) = &problem.hint {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        (self.list.0.len() > 1).then_some(&self.list as _)
    }
}

impl std::error::Error for Listing {}

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
