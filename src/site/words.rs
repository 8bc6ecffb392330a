//! Numbers, times and states as people read them.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::jobs::{Run, Task};

/// `1 package`, `5,632 packages`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `5,632`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `45 s`, `12 min`, `5 h`, `3 days`: in the largest unit of which there are two, or one if it is the smallest.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `3 min ago`; `just now` below a minute.
pub(super) fn ago(seconds: u64) -> String {
    if seconds < 60 { "just now".to_owned() } else { format!("{} ago", span(seconds)) }
}

/// A time to the minute, UTC.
pub(super) fn time(time: Timestamp) -> Markup {
    html! { time datetime=(time.strftime("%Y-%m-%dT%H:%M:%SZ")) { (time.strftime("%Y-%m-%d %H:%M")) " UTC" } }
}

/// A size with its exact bytes behind it, for whoever points there.
pub(super) fn size(bytes: u64) -> Markup {
    html! { span title={ (number(bytes)) " bytes" } { (crate::report::bytes(bytes)) } }
}

/// How something stands: in a colour, a sign and a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Good,
    Doubtful,
    Bad,
}

impl Standing {
    /// The style sheet's name for it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Standing::Good => "good",
            Standing::Doubtful => "doubtful",
            Standing::Bad => "bad",
        }
    }

    /// A badge that says `word`.
    pub(super) fn badge(self, word: &str) -> Markup {
        let sign = match self {
            Standing::Good => "●",
            Standing::Doubtful => "▲",
            Standing::Bad => "■",
        };
        html! { span class={ "badge " (self.class()) } { span aria-hidden="true" { (sign) } " " (word) } }
    }
}

/// How a run ended, by its exit code, and the word for it.
pub(super) fn ended(exit: u8) -> (Standing, &'static str) {
    match exit {
        0 => (Standing::Good, "done"),
        2 => (Standing::Bad, "configuration refused"),
        3 => (Standing::Bad, "something refused"),
        4 => (Standing::Doubtful, "upstream away or incomplete"),
        5 => (Standing::Bad, "damage found"),
        6 => (Standing::Doubtful, "another run was busy"),
        128.. => (Standing::Doubtful, "stopped"),
        _ => (Standing::Bad, "trouble on this host"),
    }
}

/// What came of a run, where that is for everybody's eyes: of what did not end well, and of backups, the words may tell of paths
/// and addresses that are the operator's own affair.
pub(super) fn outcome<'r>(task: &Task, run: &'r Run) -> &'r str {
    match (task, run.exit) {
        (Task::Sync | Task::Check, 0) => &run.summary,
        (Task::Import | Task::Backup(_) | Task::BackupCheck(_), 0) => "",
        _ => "the operator's log says more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [5, 119, 120, 7199, 7200, 172_799, 172_800].map(span),
            ["5 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]
        );
        assert_eq!([59, 60].map(ago), ["just now", "60 s ago"]);
        assert_eq!(counted(1, "package", "packages"), "1 package");
        assert_eq!(counted(0, "package", "packages"), "0 packages");
    }
}
