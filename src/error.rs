//! Whose trouble an error is. Exit code, retry and heading follow from the class, and every stage's error enum sorts each
//! of its variants into one in a `match` without a wildcard: a new error does not compile until it has taken a side.

/// Whose trouble an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// This host's trouble, or a bug of ours: disk full, no permission, no memory.
    Host,
    /// The command line or the configuration asks for what cannot be.
    Usage,
    /// Not trusted, or held by a rule of the operator's.
    Refused,
    /// Upstream or a medium is away or incomplete; a retry may help.
    Upstream,
    /// Our own state on disk is not what we left there.
    Damaged,
    /// Another run holds the lock.
    Locked,
}

impl Class {
    /// The process's exit code for this class (product contract: 1 host, 2 usage, 3 refused, 4 upstream, 5 damaged,
    /// 6 locked).
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Host => 1,
            Class::Usage => 2,
            Class::Refused => 3,
            Class::Upstream => 4,
            Class::Damaged => 5,
            Class::Locked => 6,
        }
    }

    /// Which of several troubles a run exits with: the first of 5, 3, 1, 4; usage and lock troubles end a run at once and
    /// so come before all of them.
    pub fn worst(classes: impl IntoIterator<Item = Class>) -> Option<Class> {
        classes.into_iter().min_by_key(|class| class.order())
    }

    /// Where this class stands among several: the lowest is the one that a run exits with.
    pub fn order(self) -> u8 {
        match self {
            Class::Usage => 0,
            Class::Locked => 1,
            Class::Damaged => 2,
            Class::Refused => 3,
            Class::Host => 4,
            Class::Upstream => 5,
        }
    }
}

/// What every stage's error answers beside its text. The text (`Display`) names the thing that was refused or failed; causes
/// are in `source()` only, so that a chain printed line by line says each fact once.
pub trait Trouble: std::error::Error {
    /// Whose trouble it is.
    fn class(&self) -> Class;
    /// A stable word for `--json` and scripts, kebab-case, listed in README.
    fn code(&self) -> &'static str;
    /// An action that mends it, if there is one.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// An error and its causes in one line, joined by `: `.
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_troubles_exit_with_the_first_of_5_3_1_4() {
        use Class::*;
        assert_eq!(Class::worst([Upstream, Host, Refused, Damaged]), Some(Damaged));
        assert_eq!(Class::worst([Upstream, Host, Refused]), Some(Refused));
        assert_eq!(Class::worst([Upstream, Host]), Some(Host));
        assert_eq!(Class::worst([Upstream]), Some(Upstream));
        assert_eq!(Class::worst([]), None);
    }
}
