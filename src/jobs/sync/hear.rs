//! What an upstream answered, noted: the candidate, the setback, or that what is in force still is what upstream has.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::fetch::{Answer, Heard};
use super::indexes::{Asked, Candidate};
use super::judge::Lag;
use super::{Error, Mirror, Setback, vouch};
use crate::config::{Source, SourceKind};
use crate::error::Class;
use crate::ledger::{Lagging, SeenUrl};
use crate::report::Reporter;
use crate::snapshot::IndexKey;
use crate::sources::http::Validators;
use crate::verify::accepted::{Held, History};
use crate::verify::keyring::Signer;

/// Notes what was heard of the index at `at`.
pub(super) fn hear(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    at: usize,
    heard: Heard,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<(), Error> {
    let key = asked.indexes[at].key.clone();
    let source = &mirror.config.sources[&key.source];
    let held = hold(mirror, asked, &key, &heard, now);
    let urls = heard.urls.iter().map(|(url, had)| (url.clone(), SeenUrl { time: now, had: *had }));
    asked.state.entry(&key).urls.extend(urls);
    match heard.answer {
        Answer::Unchanged { url, validators } => {
            confirm(asked, at, url.zip(validators), now);
            reporter.index_unchanged(&key.source, &key.path, &key.arch);
            frozen(asked, at, source, now, reporter);
        }
        Answer::New(fetched) => {
            let packages = fetched.index.entries().len() as u64;
            reporter.index_verified(&key.source, &key.path, &key.arch, packages);
            asked.indexes[at].candidate = Some(Candidate::Signed(fetched));
            asked.state.entry(&key).lagging = None;
        }
        Answer::Lagging(lag) => lagging(asked, at, lag, source, now, reporter),
        Answer::Failed(mut setback) => {
            setback.details.extend(held);
            reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
            asked.indexes[at].setback = Some(setback);
        }
        Answer::Host(error) => return Err(error),
    }
    Ok(())
}

/// Upstream still has what is in force.
fn confirm(asked: &mut Asked, at: usize, words: Option<(String, Validators)>, now: Timestamp) {
    let index = &asked.indexes[at];
    let state = asked.state.entry(&index.key);
    state.confirmed = Some(now);
    state.last_error = None;
    state.lagging = None;
    if let Some((url, validators)) = words {
        if state.validators_of != index.known {
            state.validators_of = index.known;
            state.validators.clear();
        }
        state.validators.insert(url, validators);
    }
}

/// No URL has anything newer than what was accepted before. Ours stays in force, and after a while that is a trouble.
fn lagging(asked: &mut Asked, at: usize, lag: Lag, source: &Source, now: Timestamp, reporter: &Arc<dyn Reporter>) {
    let index = &mut asked.indexes[at];
    let key = &index.key;
    let newest = asked.trust.history(key).and_then(History::newest);
    let state = asked.state.entry(key);
    let told = lag.told();
    let since = state.lagging.take().map_or(now, |before| before.since);
    state.lagging = Some(Lagging { since, url: lag.url, description: lag.description });
    state.last_error = None;
    let confirmed = state.confirmed.or(newest.map(|newest| newest.time));
    let message = format!("index {key} lags: no URL of the source has what is in force");
    if confirmed.is_some_and(|confirmed| is_past(confirmed, source.stale_after(), now)) {
        let mut setback = Setback::new(Class::Upstream, "lagging", message);
        setback.details.push(told);
        setback
            .details
            .extend(confirmed.map(|time| format!("last confirmed: {}", time.strftime("%Y-%m-%d %H:%M UTC"))));
        setback.hint = Some(
            "name another URL; or, if upstream went back on purpose: `bivouac sync --accept-older` takes what it has"
                .into(),
        );
        reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
        index.setback = Some(setback);
    } else {
        let line = format!("{message}; ours stays ({told})");
        reporter.warning(&line);
        index.notes.push(line);
    }
}

/// Warns when upstream's index has been the same for longer than the configuration finds likely.
fn frozen(asked: &mut Asked, at: usize, source: &Source, now: Timestamp, reporter: &Arc<dyn Reporter>) {
    let index = &mut asked.indexes[at];
    let newest = asked.trust.history(&index.key).and_then(History::newest).map(|newest| newest.time);
    let Some(changed) = asked.state.index(&index.key).and_then(|state| state.changed).or(newest) else { return };
    if is_frozen(source, changed, now) {
        let line = format!("index {} has not changed since {}", index.key, changed.strftime("%Y-%m-%d %H:%M UTC"));
        reporter.warning(&line);
        index.notes.push(line);
    }
}

/// Whether an index that last changed at `changed` has not changed for longer than its source's `frozen_after`.
pub(in crate::jobs) fn is_frozen(source: &Source, changed: Timestamp, now: Timestamp) -> bool {
    match source.kind {
        SourceKind::Url { frozen_after: Some(span), .. } => is_past(changed, span, now),
        SourceKind::Url { frozen_after: None, .. } | SourceKind::Directory { .. } | SourceKind::Bundles { .. } => false,
    }
}

/// Whether more than `span` has passed since `then`.
fn is_past(then: Timestamp, span: Duration, now: Timestamp) -> bool {
    now.duration_since(then) > SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

/// Remembers the new signers that were seen, and forgets those that are not seen any more; what is known of them, a line each.
fn hold(mirror: &Mirror<'_>, asked: &mut Asked, key: &IndexKey, heard: &Heard, now: Timestamp) -> Vec<String> {
    // Of what could not be read, nobody knows who signed it.
    let is_known = match &heard.answer {
        Answer::Unchanged { .. } | Answer::New(_) | Answer::Lagging(_) => true,
        Answer::Failed(_) | Answer::Host(_) => false,
    };
    let was_held =
        asked.trust.signers(&key.source, &key.arch).is_some_and(|one| one.held.iter().any(|one| one.path == key.path));
    if heard.held.is_empty() && !(is_known && was_held) {
        return Vec::new();
    }
    let evidence = |signer: &Signer| Held {
        key: signer.key.clone(),
        fingerprint: signer.fingerprint.to_string(),
        first_seen: now,
        path: key.path.clone(),
        evidence: vouch::evidence(mirror, asked, key, signer),
    };
    let held: Vec<Held> = heard.held.iter().map(evidence).collect();
    let lines = held.iter().flat_map(|held| held.evidence.clone()).collect();
    asked.trust.signers_mut(&key.source, &key.arch).hold(&key.path, held);
    lines
}
