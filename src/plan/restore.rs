//! Which backup an operator means.

use super::bundle::end_of;
use crate::snapshot::backup::BackupId;

/// A text that stands for no backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBackup {
    /// None is there.
    #[error("there is no backup yet")]
    None,
    /// No id begins so.
    #[error("no backup's id begins with {text:?}; the newest is {newest}")]
    Unknown {
        /// What was typed.
        text: String,
        /// The newest one.
        newest: BackupId,
    },
    /// Several do.
    #[error("{text:?} begins the ids of {count} backups: {first}, {second}, …")]
    Ambiguous {
        /// What was typed.
        text: String,
        /// How many.
        count: usize,
        /// The oldest of them.
        first: BackupId,
        /// The next.
        second: BackupId,
    },
    /// The first one is later.
    #[error("no backup was made at or before {text}; the earliest is {earliest}")]
    NoneBefore {
        /// What was typed.
        text: String,
        /// The earliest one.
        earliest: BackupId,
    },
    /// It looks like a date and is none.
    #[error("{text:?} is no date (2026-11-20, 2026-11-20T08:00:00Z)")]
    NoDate {
        /// What was typed.
        text: String,
    },
}

/// The one of `ids`, the earliest first, that `text` means: its id or a beginning of it, or the newest that was made at or before
/// a time, or by the end of a day (UTC). Without a text the newest.
pub fn meant<'i>(ids: &'i [BackupId], text: Option<&str>) -> Result<&'i BackupId, NoBackup> {
    let (Some(earliest), Some(newest)) = (ids.first(), ids.last()) else { return Err(NoBackup::None) };
    let Some(text) = text.map(str::to_owned) else { return Ok(newest) };
    // Ids have their first dash behind the time.
    if text.as_bytes().get(4) == Some(&b'-') {
        let Some(end) = end_of(&text) else { return Err(NoBackup::NoDate { text }) };
        let is_by_then = |id: &&BackupId| id.time().is_some_and(|time| time <= end);
        let found = ids.iter().rev().find(is_by_then);
        return found.ok_or_else(|| NoBackup::NoneBefore { text, earliest: earliest.clone() });
    }
    let found: Vec<&BackupId> =
        ids.iter().filter(|id| !text.is_empty() && id.as_str().starts_with(text.as_str())).collect();
    match found.as_slice() {
        [] => Err(NoBackup::Unknown { text, newest: newest.clone() }),
        [one] => Ok(one),
        [first, second, ..] => {
            let (first, second) = ((*first).clone(), (*second).clone());
            Err(NoBackup::Ambiguous { text, count: found.len(), first, second })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_means_the_newest_backup_by_then_and_a_date_its_whole_day() {
        let ids: Vec<BackupId> =
            ["20261118T030000Z-00000001", "20261120T030000Z-00000002", "20261120T230000Z-00000003"]
                .iter()
                .map(|id| id.parse().unwrap())
                .collect();
        for (text, expected) in [
            (None, Some(2)),
            (Some("2026-11-20"), Some(2)),
            (Some("2026-11-19"), Some(0)),
            (Some("2026-11-20T03:00:00Z"), Some(1)),
            (Some("2026-11-20T02:59:59Z"), Some(0)),
            (Some("2026-11-17"), None),
            (Some("2026-13-17"), None),
            (Some("20261118"), Some(0)),
            (Some("20261120"), None),
            (Some("20261120T23"), Some(2)),
            (Some(""), None),
            (Some("x"), None),
        ] {
            assert_eq!(meant(&ids, text).ok(), expected.map(|at: usize| &ids[at]), "{text:?}");
        }
        assert_eq!(meant(&[], None), Err(NoBackup::None));
        let earliest = ids[0].clone();
        assert_eq!(meant(&ids, Some("2026-11-17")), Err(NoBackup::NoneBefore { text: "2026-11-17".into(), earliest }));
    }
}
