//! Finds the usual faults of a mirror and says what to do: a file per trouble.
//!
//! - [`layout`]: the line of `/etc/apk/repositories` that was meant.
//! - [`listing`]: what a server's root folder shows.
//! - [`reach`]: name, connection, certificate, status.
//! - [`head`]: what an answer's head does to clients: redirects, codings, types, ranges.
//! - [`signer`]: who signed an index, and what a client's keys say to that.
//! - [`packages`]: whether packages of an index are there, and are what it says.
//! - [`age`]: what is old, and whose clock is wrong.
//! - [`needs`]: what cannot be installed.
//! - [`ground`]: what the web server's user can read; whose the folders are.
//! - [`server`]: all that can be seen of a server from outside, in that order.
//!
//! Each look returns what it saw, a [`Diagnosis`] each; only being unable to look at all is an error, and that is the caller's.
//! Nothing here changes anything or takes a lock.
//!
//! A diagnosis that is an error says whose trouble it is; exit codes follow from that. A signer that a client does not know and
//! bytes that are not what was signed are refused (3); what is missing, stale or cannot be reached is upstream's (4); our own
//! state, other than we left it, is damaged (5); permissions, disk and clock are this host's (1). Warnings count for nothing.

pub mod age;
pub mod ground;
pub mod head;
pub mod layout;
pub mod listing;
pub mod needs;
pub mod packages;
pub mod reach;
pub mod server;
pub mod signer;

use std::path::Path;

use crate::error::{Class, Trouble, in_one_line};
use crate::finding::{Finding, Severity};

/// One thing that is wrong, or may become so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Stable word, kebab-case, listed in README.
    pub code: &'static str,
    /// How bad it is, and whose trouble.
    pub weight: Weight,
    /// The thing in full.
    pub subject: String,
    /// What is the matter with it; one line.
    pub message: String,
    /// An action that mends it.
    pub hint: Option<String>,
}

/// How bad a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Worth knowing.
    Info,
    /// Will become trouble.
    Warning,
    /// Is wrong now; whose trouble it is.
    Error(Class),
}

impl Diagnosis {
    /// What an error of a stage says, as trouble with `subject`.
    pub fn of(error: &dyn Trouble, subject: String) -> Diagnosis {
        Diagnosis {
            code: error.code(),
            weight: Weight::Error(mendable(error.class())),
            subject,
            message: in_one_line(error),
            hint: error.hint(),
        }
    }

    /// Whose trouble it is, if it is an error.
    pub fn class(&self) -> Option<Class> {
        match self.weight {
            Weight::Error(class) => Some(class),
            Weight::Info | Weight::Warning => None,
        }
    }

    /// As every check tells it.
    pub fn finding(self) -> Finding {
        let severity = match self.weight {
            Weight::Info => Severity::Info,
            Weight::Warning => Severity::Warning,
            Weight::Error(_) => Severity::Error,
        };
        Finding { code: self.code, severity, subject: self.subject, message: self.message, hint: self.hint }
    }
}

/// A file that the configuration names and that cannot be used ends other commands as a mistake in it (2). Here it is one
/// finding among many, about this host.
fn mendable(class: Class) -> Class {
    match class {
        Class::Usage | Class::Locked => Class::Host,
        Class::Host | Class::Refused | Class::Upstream | Class::Damaged => class,
    }
}

/// How many things of one kind are told before they are only counted.
const TOLD: usize = 20;

/// Tells the first of `all` and counts the rest in one more line.
fn told(mut all: Vec<Diagnosis>, what: &str) -> Vec<Diagnosis> {
    let Some(more) = all.len().checked_sub(TOLD).filter(|more| *more > 0) else { return all };
    all.truncate(TOLD);
    let last = all.last_mut().expect("so many were kept");
    last.message = format!("{} (and {more} more {what})", last.message);
    all
}

/// A path as it is typed into a shell: hints are copied.
pub fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+~@:-".contains(&byte);
    match text.bytes().all(is_plain) && !text.starts_with(['~', '-']) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Bytes as people say them, of disks: `63.6 GB`. Rounded down.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_are_counted() {
        let one = |number: usize| Diagnosis {
            code: "c",
            weight: Weight::Warning,
            subject: number.to_string(),
            message: "away".into(),
            hint: None,
        };
        assert_eq!(told((0..TOLD).map(one).collect(), "packages").last().unwrap().message, "away");
        let all = told((0..TOLD + 3).map(one).collect(), "packages");
        assert_eq!((all.len(), all[TOLD - 1].message.as_str()), (TOLD, "away (and 3 more packages)"));
    }

    #[test]
    fn paths_are_quoted_where_a_shell_would_take_them_apart() {
        for (path, word) in [
            ("/srv/mirror/alpine", "/srv/mirror/alpine"),
            ("/srv/the mirror", "'/srv/the mirror'"),
            ("/srv/it's", r"'/srv/it'\''s'"),
            ("~x", "'~x'"),
        ] {
            assert_eq!(typed(Path::new(path)), word);
        }
    }

    #[test]
    fn sizes_are_said_in_the_largest_fitting_unit() {
        for (bytes, text) in [(999_999, "999999 bytes"), (1_999_999, "1 MB"), (63_691_234_567, "63.6 GB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn only_errors_count_for_the_exit_code() {
        let one = |weight| Diagnosis { code: "c", weight, subject: String::new(), message: String::new(), hint: None };
        assert_eq!(one(Weight::Warning).class(), None);
        assert_eq!(one(Weight::Info).class(), None);
        assert_eq!(one(Weight::Error(Class::Upstream)).class(), Some(Class::Upstream));
    }
}
