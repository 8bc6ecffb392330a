//! Which of several states of one index is the newest, and who has another.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::{AtUrl, Compared, State};
use crate::error::Class;
use crate::finding::Severity;
use crate::verify::freshness::compare_descriptions;

/// What a sync says of an index that it does not take though its signature is good.
pub(super) const NOT_TAKEN: [&str; 3] = [LAGGING, "older", "new-signer"];

/// What was accepted before what is in force.
pub(super) const LAGGING: &str = "lagging";

/// What tells how new a state is.
#[derive(Clone, Copy)]
struct Age<'a> {
    state: &'a State,
    /// What the server says; nothing for what was accepted.
    last_modified: Option<Timestamp>,
}

impl<'a> Age<'a> {
    fn of(url: &'a AtUrl) -> Option<Self> {
        Some(Age { state: url.state.as_ref()?, last_modified: url.last_modified })
    }

    /// By upstream's own words where both have such as can be compared, else by the servers' times.
    fn compare(self, other: Age<'_>) -> Option<Ordering> {
        if self.state.digest == other.state.digest {
            return Some(Ordering::Equal);
        }
        let words = (self.state.description.as_deref(), other.state.description.as_deref());
        if let Some(order) = compare_descriptions(words.0, words.1).filter(|order| *order != Ordering::Equal) {
            return Some(order);
        }
        Some(self.last_modified?.cmp(&other.last_modified?)).filter(|order| *order != Ordering::Equal)
    }
}

/// Notes who is behind, and who has what cannot be put in order.
pub(super) fn compare(mut index: Compared) -> Compared {
    let accepted = index.accepted.as_ref().map(|state| Age { state, last_modified: None });
    let newest =
        index.urls.iter().filter_map(Age::of).chain(accepted).reduce(|newest, next| match next.compare(newest) {
            Some(Ordering::Greater) => next,
            _ => newest,
        });
    let Some(newest) = newest else { return index };
    let newest_state = newest.state.clone();
    let verdicts: Vec<_> = index.urls.iter().map(|url| Some(Age::of(url)?.compare(newest))).collect();
    let is_accepted = index.accepted.as_ref().is_some_and(|accepted| accepted.digest == newest_state.digest);
    for (url, verdict) in index.urls.iter_mut().zip(verdicts) {
        // What a sync would not take has been told already.
        let Some(verdict) = verdict.filter(|_| !NOT_TAKEN.contains(&url.status)) else { continue };
        let (word, how) = match verdict {
            Some(Ordering::Equal) => continue,
            Some(_) => ("behind", "is older than"),
            None => ("differs", "is another one than"),
        };
        let named =
            |state: &State| state.description.clone().unwrap_or_else(|| format!("{:.12}", state.digest.to_string()));
        let whose = if is_accepted { "what was accepted" } else { "the newest" };
        let own = url.state.as_ref().map(named).unwrap_or_default();
        let message = format!("{own} {how} {whose}, {}", named(&newest_state));
        url.note(Class::Upstream, &index.key, word, Severity::Warning, message, None);
        if url.status == "current" {
            url.status = word;
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::ObjectId;

    fn state(description: &str, digest: u8) -> State {
        State { digest: ObjectId::new([digest; 32]), description: Some(description.to_owned()) }
    }

    fn at(description: &str, digest: u8, modified: Option<&str>) -> AtUrl {
        AtUrl {
            url: format!("http://{digest}"),
            status: "current",
            state: Some(state(description, digest)),
            entries: Some(1),
            signers: Vec::new(),
            last_modified: modified.map(|time| time.parse().unwrap()),
            age_seconds: None,
            sampled: 0,
            missing: Vec::new(),
            troubles: Vec::new(),
        }
    }

    fn verdicts(accepted: Option<State>, urls: Vec<AtUrl>) -> Vec<&'static str> {
        let key = crate::snapshot::IndexKey {
            source: "up".parse().unwrap(),
            path: "v3.23/main".to_owned(),
            arch: "x86_64".parse().unwrap(),
        };
        compare(Compared { key, accepted, urls }).urls.iter().map(|url| url.status).collect()
    }

    #[test]
    fn upstreams_own_words_go_before_times() {
        let urls = vec![
            at("v3.23.2-9-gabc123", 1, Some("2026-03-03T00:00:00Z")),
            at("v3.23.2-10-gabc124", 2, Some("2026-03-01T00:00:00Z")),
            at("v3.23.10-0-gabc125", 3, None),
            at("v3.23.10-0-gabc125", 3, None),
        ];
        assert_eq!(verdicts(None, urls), ["behind", "behind", "current", "current"]);
    }

    #[test]
    fn without_words_times_decide_and_without_both_nothing_does() {
        let older = || at("edge", 1, Some("2026-03-01T00:00:00Z"));
        let newer = || at("edge", 2, Some("2026-03-02T00:00:00Z"));
        assert_eq!(verdicts(None, vec![older(), newer()]), ["behind", "current"]);
        assert_eq!(verdicts(None, vec![newer(), older()]), ["current", "behind"]);
        assert_eq!(verdicts(None, vec![older(), at("edge", 2, None)]), ["current", "differs"]);
    }

    #[test]
    fn what_was_accepted_counts_too() {
        let accepted = Some(state("v3.23.2-12-gabc126", 4));
        assert_eq!(verdicts(accepted, vec![at("v3.23.2-11-gabc125", 3, None)]), ["behind"]);
    }
}
