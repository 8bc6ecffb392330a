//! Asking for an index once more: it may have changed while its packages were fetched.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::Mirror;
use super::fetch::{Answer, Question, fetch};
use super::indexes::{Asked, Candidate, Fetched};
use super::judge::Current;
use crate::apk::ObjectId;
use crate::error::Trouble as _;
use crate::report::Reporter;
use crate::sources::http::Validators;

/// What the index is now.
pub(super) enum Reread {
    /// Still the one that this run works with.
    Same,
    /// Another one, verified.
    Newer(Box<Fetched>),
    /// It cannot be said: no good index came. One line.
    Unknown(String),
}

/// The index that this run works with, as its URL is asked about it.
struct Held {
    digest: ObjectId,
    url: usize,
    validators: Validators,
}

/// Whether the indexes at `places` are still those that this run works with: one conditional request each, to the URL that
/// gave it. What another URL has says nothing about this one's.
pub(super) async fn reread(
    mirror: &Mirror<'_>,
    asked: &Asked,
    places: Vec<usize>,
    reporter: &Arc<dyn Reporter>,
) -> Vec<(usize, Reread)> {
    stream::iter(places)
        .map(|at| async move { (at, one(mirror, asked, at, reporter).await) })
        .buffer_unordered(64)
        .collect()
        .await
}

async fn one(mirror: &Mirror<'_>, asked: &Asked, at: usize, reporter: &Arc<dyn Reporter>) -> Reread {
    let key = &asked.indexes[at].key;
    let Some(held) = held(asked, at) else { return Reread::Same };
    let upstream = &asked.upstreams[&key.source];
    let mut known = vec![None; upstream.http.url_count()];
    known[held.url] = Some(held.validators);
    let standing = asked.standing(mirror, key, current(asked, at));
    let question = Question { known: &known, have: Some(held.digest), first_url: held.url, standing };
    match fetch(upstream, &question, reporter).await.answer {
        Answer::Unchanged { .. } => Reread::Same,
        Answer::New(newer) if upstream.http.shown_url(held.url).as_ref() == Some(&newer.url) => {
            Reread::Newer(Box::new(newer))
        }
        Answer::New(_) => Reread::Unknown("its URL has nothing newer any more".to_owned()),
        Answer::Lagging(lag) => Reread::Unknown(lag.told()),
        Answer::Failed(setback) => Reread::Unknown(setback.one_line()),
        Answer::Host(error) => Reread::Unknown(format!("{error} ({})", error.code())),
    }
}

/// What the next index would follow: the one at hand, else what is in force.
fn current(asked: &Asked, at: usize) -> Current<'_> {
    let index = &asked.indexes[at];
    match (&index.candidate, &index.accepted_id) {
        (Some(Candidate::Signed(fetched)), _) => Current::Candidate(fetched),
        (_, Some(id)) => Current::InForce(id),
        (_, None) => Current::Nothing,
    }
}

/// `None` where nothing is known of the URL that gave it.
fn held(asked: &Asked, at: usize) -> Option<Held> {
    let index = &asked.indexes[at];
    let upstream = asked.upstreams.get(&index.key.source)?;
    let (digest, url, validators) = match &index.candidate {
        Some(Candidate::Signed(fetched)) => (fetched.digest, &fetched.url, &fetched.validators),
        Some(Candidate::Gathered(_)) => return None,
        Some(Candidate::Whole(_)) | None => {
            let state = asked.state.index(&index.key)?;
            let digest = state.validators_of.filter(|digest| index.known == Some(*digest))?;
            let (url, validators) = state.validators.first_key_value()?;
            (digest, url, validators)
        }
    };
    let url = (0..upstream.http.url_count()).find(|at| upstream.http.shown_url(*at).as_ref() == Some(url))?;
    Some(Held { digest, url, validators: validators.clone() })
}

/// Asks for the index at `at` from the first URL on, unconditionally: some of its packages are not to be had, and what a cache
/// says is unchanged may be what it still holds.
pub(super) async fn newer_anywhere(
    mirror: &Mirror<'_>,
    asked: &Asked,
    at: usize,
    reporter: &Arc<dyn Reporter>,
) -> Option<Fetched> {
    let key = &asked.indexes[at].key;
    // What a bundle brought has no other place to come from.
    let upstream = asked.upstreams.get(&key.source)?;
    let have = match &asked.indexes[at].candidate {
        Some(Candidate::Signed(fetched)) => Some(fetched.digest),
        _ => None,
    };
    let standing = asked.standing(mirror, key, current(asked, at));
    let question = Question { known: &[], have, first_url: 0, standing };
    match fetch(upstream, &question, reporter).await.answer {
        Answer::New(fetched) => Some(fetched),
        Answer::Unchanged { .. } | Answer::Lagging(_) | Answer::Failed(_) | Answer::Host(_) => None,
    }
}
