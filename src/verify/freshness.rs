//! Is an index newer than the one in force? Its format has no counter, so upstream's own words decide, and where there are
//! none, the versions of what it lists. Times never do: a rebuilt branch may well be built earlier than what it replaces.
//!
//! 1. What was accepted before is *lag*: a mirror that is behind, or a replay. Ours stays, and nobody need be alarmed.
//! 2. What was never accepted and counts lower by upstream's words is *older*.
//! 3. Where one of the two has no such words, what lowers more than half of the names that both have is *older*.

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Timestamp;

use super::accepted::History;
use crate::apk::version::{Rules, Version};
use crate::apk::{Entry, SignedId};

/// Upstream's words for a state, as `git describe` writes them: the tag, and how many commits came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described<'a> {
    /// Without its `v`; a version by apk's grammar.
    pub tag: &'a str,
    /// Commits after the tag; 0 for a tag alone.
    pub count: u64,
}

impl<'a> Described<'a> {
    /// Reads `v3.23.0-45-g0123456789`, `v3.23.0` and `3.13.4` (boot media); before it may stand the 12 hex digits and the blank
    /// that we put there ourselves. Anything else says nothing. A tag without `v` needs a dot: else it may be a commit.
    pub fn parse(description: &'a str) -> Option<Self> {
        let text = without_our_prefix(description);
        let (tag, count) = match text.rsplit_once("-g") {
            Some((before, commit)) if is_hex(commit) => {
                let (tag, count) = before.rsplit_once('-')?;
                (tag, count.parse().ok()?)
            }
            _ => (text, 0),
        };
        let tag = match tag.strip_prefix('v') {
            Some(tag) => tag,
            None if tag.contains('.') => tag,
            None => return None,
        };
        let is_number = tag.starts_with(|first: char| first.is_ascii_digit());
        (is_number && Version::new(tag).is_valid(Rules::V3)).then_some(Described { tag, count })
    }

    /// Which of two states is later.
    pub fn compare(self, other: Described<'_>) -> Ordering {
        Version::new(self.tag).compare(Version::new(other.tag)).then(self.count.cmp(&other.count))
    }
}

/// The branch that a path names, `3.23` of `v3.23/main`, if it names one.
fn branch_of_path(path: &str) -> Option<&str> {
    let is_branch = |text: &&str| {
        text.split_once('.').is_some_and(|(major, minor)| [major, minor].iter().all(|part| is_number(part)))
    };
    path.split('/').filter_map(|segment| segment.strip_prefix('v')).find(is_branch)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether upstream's words for an index are those of the branch that its path names; `None` where one of them names none. A
/// signature does not say what it is for: who sits on the wire can put one branch's index in another's place.
pub fn is_of_branch(path: &str, description: Option<&str>) -> Option<bool> {
    let branch = branch_of_path(path)?;
    let tag = Described::parse(description?)?.tag;
    let rest = tag.strip_prefix(branch);
    let (major, _) = tag.split_once('.')?;
    // `20240807` is a day's tag of edge, which is no branch of this kind.
    is_number(major).then(|| rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit())))
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn without_our_prefix(description: &str) -> &str {
    match description.split_once(' ') {
        Some((own, theirs)) if own.len() == 12 && is_hex(own) => theirs,
        _ => description,
    }
}

/// Which of two descriptions is the later state's; `None` where one of them does not tell.
pub fn compare_descriptions(one: Option<&str>, other: Option<&str>) -> Option<Ordering> {
    Some(Described::parse(one?)?.compare(Described::parse(other?)?))
}

/// A state of an index, as far as it is needed to tell how new it is.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// What was signed.
    pub signed: SignedId,
    /// Upstream's words for it.
    pub description: Option<&'a str>,
}

/// How new an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It may follow what is in force.
    New,
    /// What is in force, by the same or other signatures.
    Same,
    /// It was accepted before what is in force.
    Lag {
        /// When.
        accepted: Timestamp,
    },
    /// It was never accepted, and is older than what is in force.
    Older(Older),
}

/// What makes an index older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// Upstream's words count lower.
    Described,
    /// Names whose newest version is lower than in force: more than half of those that both list.
    Lowered {
        /// So many are lower.
        lowered: usize,
        /// So many are in both.
        shared: usize,
    },
}

/// Judges an index that came, against the one in force and what was accepted before. What is in force lists `listed`, which
/// is asked for only if descriptions do not decide.
pub fn judge<E>(
    history: &History,
    in_force: Option<State<'_>>,
    came: State<'_>,
    entries: &[Entry],
    listed: impl FnOnce() -> Result<Vec<Entry>, E>,
) -> Result<Freshness, E> {
    let Some(in_force) = in_force else { return Ok(Freshness::New) };
    if in_force.signed == came.signed {
        return Ok(Freshness::Same);
    }
    if let Some(seen) = history.find(&came.signed) {
        return Ok(Freshness::Lag { accepted: seen.time });
    }
    match compare_descriptions(came.description, in_force.description) {
        Some(Ordering::Less) => return Ok(Freshness::Older(Older::Described)),
        Some(Ordering::Equal | Ordering::Greater) => return Ok(Freshness::New),
        None => {}
    }
    let listed = listed()?;
    let (lowered, shared) = lowered(entries, &listed);
    Ok(if lowered * 2 > shared { Freshness::Older(Older::Lowered { lowered, shared }) } else { Freshness::New })
}

/// How many names have a lower newest version in `came` than in `had`, and how many are in both.
fn lowered(came: &[Entry], had: &[Entry]) -> (usize, usize) {
    let had = newest(had);
    let (mut lowered, mut shared) = (0, 0);
    for (name, version) in newest(came) {
        let Some(before) = had.get(name) else { continue };
        shared += 1;
        lowered += usize::from(version.compare(*before) == Ordering::Less);
    }
    (lowered, shared)
}

fn newest(entries: &[Entry]) -> HashMap<&str, Version<'_>> {
    let mut newest: HashMap<&str, Version<'_>> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let version = Version::new(entry.version().as_str());
        newest
            .entry(entry.name().as_str())
            .and_modify(|best| {
                if version.compare(*best) == Ordering::Greater {
                    *best = version;
                }
            })
            .or_insert(version);
    }
    newest
}

/// The latest build time (`t:`) of what an index lists: shown to people, never a reason.
pub fn newest_build(entries: &[Entry]) -> Option<Timestamp> {
    let time = |entry: &Entry| Timestamp::from_second(entry.field(b't')?.parse().ok()?).ok();
    entries.iter().filter_map(time).max()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::apk::ObjectId;
    use crate::verify::accepted::{Seen, Step};

    #[test]
    fn upstreams_words_name_the_branch() {
        for (path, description, expected) in [
            ("v3.22/main", "v3.22.1-45-g0123456789", Some(true)),
            ("v3.22/main", "v3.22.0_rc1-3-g0123456789", Some(true)),
            ("v3.22/main", "v3.22", Some(true)),
            ("v3.22/main", "v3.23_alpha20250612-3-g0123456789", Some(false)),
            ("v3.22/main", "v3.23.0-45-g0123456789", Some(false)),
            ("v3.2/main", "v3.20.0-45-g0123456789", Some(false)),
            ("mirror/v3.22/main", "0123456789ab v3.22.1-45-g0123456789", Some(true)),
            // What names no branch says nothing.
            ("edge/main", "v3.22.1-45-g0123456789", None),
            ("v3.22/main", "v20250612-45-g0123456789", None),
            ("v3.22/main", "nightly", None),
            ("", "v3.22.1", None),
        ] {
            assert_eq!(is_of_branch(path, Some(description)), expected, "{path} {description}");
        }
        assert_eq!(is_of_branch("v3.22/main", None), None);
    }

    #[test]
    fn descriptions_are_read_as_git_writes_them() {
        for (text, read) in [
            ("v3.16.3-13-g4d933a1fa3", Some(("3.16.3", 13))),
            ("v3.23.2-0-gabc", Some(("3.23.2", 0))),
            ("v3.23.2", Some(("3.23.2", 0))),
            ("3.13.4", Some(("3.13.4", 0))),
            ("v20240807-123-gabc", Some(("20240807", 123))),
            ("v3.23.0_rc1-2-gabc", Some(("3.23.0_rc1", 2))),
            ("0123456789ab v3.23.2-45-g0123456789", Some(("3.23.2", 45))),
            ("0123456789ab 3.13.4", Some(("3.13.4", 0))),
            ("0123456789ab", None),
            ("0123456789a v3.23.2", None),
            ("edge", None),
            ("v3.23-x-gabc", None),
            ("v3.23.2-1-gxyz", None),
            ("v3.23.2-gabc", None),
            ("vgabc", None),
            ("v", None),
            // Commits without a tag: `git describe --always`.
            ("1234567", None),
            ("123456e", None),
            ("v3.23.2-99999999999999999999-gabc", None),
            ("", None),
        ] {
            let expected = read.map(|(tag, count)| Described { tag, count });
            assert_eq!(Described::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn tags_are_versions_and_counts_are_numbers() {
        for (one, other, order) in [
            ("v3.23.2-9-gabc", "v3.23.2-10-gabd", Ordering::Less),
            ("v3.23.9-900-gabc", "v3.23.10", Ordering::Less),
            ("v3.23.0_rc2-1-ga", "v3.23.0", Ordering::Less),
            ("v3.23.0", "v3.23.0-0-gabc", Ordering::Equal),
            ("v20240807-1-ga", "v20240606-500-gb", Ordering::Greater),
            ("0123456789ab v3.23.1", "v3.23.0-7-gabc", Ordering::Greater),
        ] {
            assert_eq!(compare_descriptions(Some(one), Some(other)), Some(order), "{one} {other}");
            assert_eq!(compare_descriptions(Some(other), Some(one)), Some(order.reverse()), "{other} {one}");
        }
        assert_eq!(compare_descriptions(Some("edge"), Some("v3.23.0")), None);
        assert_eq!(compare_descriptions(None, Some("v3.23.0")), None);
    }

    fn entry(name: &str, version: &str) -> Entry {
        let text = format!("C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:{name}\nV:{version}\nA:x86\nS:1\nI:2\nT:\nU:\nL:\nt:7");
        Entry::parse(&text).unwrap()
    }

    fn entries(versions: &[(&str, &str)]) -> Vec<Entry> {
        versions.iter().map(|(name, version)| entry(name, version)).collect()
    }

    fn state(number: u8, description: Option<&'static str>) -> State<'static> {
        State { signed: SignedId::new([number; 32]), description }
    }

    /// The state numbered 1 was accepted, then number 2, which is in force.
    fn history() -> History {
        let mut history = History::default();
        for number in [1, 2] {
            let time = Timestamp::from_second(i64::from(number)).unwrap();
            let seen = Seen { signed: SignedId::new([number; 32]), time, description: None };
            history.accept(seen, ObjectId::new([number; 32]), Step::Forward);
        }
        history
    }

    fn judged(in_force: State<'_>, came: State<'_>, had: &[Entry], entries: &[Entry]) -> Freshness {
        judge(&history(), Some(in_force), came, entries, || Ok::<_, Infallible>(had.to_vec())).unwrap()
    }

    #[test]
    fn what_was_accepted_before_is_lag_and_never_an_alarm() {
        let (lower, higher) = (Some("v3.1"), Some("v3.2"));
        let lag = Freshness::Lag { accepted: Timestamp::from_second(1).unwrap() };
        for (force, came) in [(higher, lower), (lower, higher), (None, None)] {
            assert_eq!(judged(state(2, force), state(1, came), &[], &[]), lag);
        }
        assert_eq!(judged(state(2, None), state(2, None), &[], &[]), Freshness::Same);
    }

    #[test]
    fn descriptions_decide_where_both_have_them() {
        let (had, lower) = (entries(&[("a", "2"), ("b", "2")]), entries(&[("a", "1"), ("b", "1")]));
        let (v1, v2) = (Some("v3.23.1-4-gabc"), Some("v3.23.1-5-gabc"));
        assert_eq!(judged(state(2, v2), state(3, v1), &lower, &had), Freshness::Older(Older::Described));
        // A state that counts on may lower whatever it likes.
        assert_eq!(judged(state(2, v1), state(3, v2), &had, &lower), Freshness::New);
        assert_eq!(judged(state(2, v2), state(3, v2), &had, &lower), Freshness::New);
    }

    #[test]
    fn without_descriptions_more_than_half_of_the_shared_names_must_be_lower() {
        let had = entries(&[("a", "1"), ("a", "2"), ("b", "2"), ("c", "2"), ("d", "2"), ("gone", "9")]);
        for (came, expected) in [
            (entries(&[("a", "1"), ("b", "1"), ("c", "2"), ("d", "3")]), Freshness::New),
            (
                entries(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "3"), ("new", "1")]),
                Freshness::Older(Older::Lowered { lowered: 3, shared: 4 }),
            ),
            // Only the newest version of a name counts, on both sides.
            (entries(&[("a", "1"), ("a", "2"), ("b", "1"), ("c", "2"), ("d", "2")]), Freshness::New),
            (entries(&[("other", "1")]), Freshness::New),
            (entries(&[]), Freshness::New),
        ] {
            for (force, words) in [(None, None), (Some("edge"), Some("v3.1")), (Some("v3.2"), Some("edge"))] {
                assert_eq!(judged(state(2, force), state(3, words), &had, &came), expected);
            }
        }
    }

    #[test]
    fn the_first_of_all_is_new() {
        let came = entries(&[("a", "1")]);
        let judged = judge(&History::default(), None, state(3, None), &came, || Err(())).unwrap();
        assert_eq!(judged, Freshness::New);
        assert_eq!(newest_build(&came), Some(Timestamp::from_second(7).unwrap()));
        assert_eq!(newest_build(&[]), None);
    }
}
