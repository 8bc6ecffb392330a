//! What a check saw. A check returns all findings, typed; only being unable to look is an error.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Will become trouble, or looks wrong.
    Warning,
    /// Is wrong now.
    Error,
}

/// One thing that a check saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable word, kebab-case, listed in README.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The thing in full: a path, a package with its repository and arch, a key.
    pub subject: String,
    /// What is the matter with it; one line.
    pub message: String,
    /// An action that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
