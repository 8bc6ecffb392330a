//! The texts beside a backup's manifest, a line for each object or file.

use std::fmt::Write as _;
use std::str::FromStr;

use super::{KeptFile, Stored, StoredForm};

/// A line that does not say what it must.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line} is not one of those: {text:?}")]
pub struct BadLines {
    /// Counted from 1.
    pub line: usize,
    /// Its beginning.
    pub text: String,
}

/// The text that tells where every object is.
pub fn print_objects(objects: &[Stored]) -> String {
    let mut text = String::with_capacity(objects.len() * 90);
    for Stored { sha256, size, segment, at, form } in objects {
        let line = match form {
            StoredForm::Whole => writeln!(text, "{sha256} {size} {segment} {at}"),
            StoredForm::Delta { length, delta, base } => {
                writeln!(text, "{sha256} {size} {segment} {at} {length} {delta} {base}")
            }
        };
        line.expect("writing to a string does not fail");
    }
    text
}

/// Reads it.
pub fn parse_objects(text: &str) -> Result<Vec<Stored>, BadLines> {
    parse(text, |line| {
        let mut words = line.split(' ');
        let (sha256, size) = (word(&mut words)?, number(&mut words)?);
        let (segment, at) = (u32::try_from(number(&mut words)?).ok()?, number(&mut words)?);
        let form = match words.next() {
            None => StoredForm::Whole,
            Some(length) => {
                let length = number(&mut [length].into_iter())?;
                StoredForm::Delta { length, delta: word(&mut words)?, base: word(&mut words)? }
            }
        };
        words.next().is_none().then_some(Stored { sha256, size, segment, at, form })
    })
}

/// The text that tells of every file that is no package.
pub fn print_files(files: &[KeptFile]) -> String {
    let mut text = String::with_capacity(files.len() * 120);
    for KeptFile { sha256, size, mode, modified, path } in files {
        writeln!(text, "{sha256} {size} {mode:04o} {modified} {path}").expect("writing to a string does not fail");
    }
    text
}

/// Reads it.
pub fn parse_files(text: &str) -> Result<Vec<KeptFile>, BadLines> {
    parse(text, |line| {
        let mut words = line.splitn(5, ' ');
        let (sha256, size) = (word(&mut words)?, number(&mut words)?);
        let mode = u32::from_str_radix(words.next()?, 8).ok().filter(|mode| *mode <= 0o7777)?;
        let modified = word(&mut words)?;
        Some(KeptFile { sha256, size, mode, modified, path: word(&mut words)? })
    })
}

fn parse<T>(text: &str, of_line: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, BadLines> {
    let bad = |at: usize, line: &str| BadLines { line: at + 1, text: line.chars().take(80).collect() };
    if !text.is_empty() && !text.ends_with('\n') {
        let last = text.lines().count() - 1;
        return Err(bad(last, text.lines().last().unwrap_or_default()));
    }
    text.split_terminator('\n').enumerate().map(|(at, line)| of_line(line).ok_or_else(|| bad(at, line))).collect()
}

fn word<'w, T: FromStr>(words: &mut impl Iterator<Item = &'w str>) -> Option<T> {
    words.next()?.parse().ok()
}

/// Digits alone: `parse` would take a sign.
fn number<'w>(words: &mut impl Iterator<Item = &'w str>) -> Option<u64> {
    words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}
