//! May an index that verifies take the place of the one in force? By what was accepted before, and by whose signature.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Error, Setback};
use crate::apk::Entry;
use crate::error::Class;
use crate::jobs::sync::indexes::Fetched;
use crate::ledger::{Ledger, Trust};
use crate::snapshot::IndexKey;
use crate::verify::accepted::{History, How, Signers, Vouched};
use crate::verify::freshness::{self, Freshness, Older, State};
use crate::verify::keyring::Signer;
use crate::verify::{Keyring, VerifiedIndex};

/// What an index that comes is compared with.
pub(in crate::jobs) struct Standing<'a> {
    /// Which index.
    pub(in crate::jobs) key: &'a IndexKey,
    /// Whose signatures are trusted for its source.
    pub(in crate::jobs) keyring: &'a Keyring,
    /// Keys of whose record nothing follows for it: of what a bundle carries of its origin, the sender's.
    pub(in crate::jobs) apart: Option<&'a Keyring>,
    /// What was accepted before, of it and of others.
    pub(in crate::jobs) trust: &'a Trust,
    /// What it would follow.
    pub(in crate::jobs) current: Current<'a>,
    /// Where accepted states lie.
    pub(in crate::jobs) ledger: &'a Ledger,
    /// Whether the operator lets it go back.
    pub(in crate::jobs) going_back: GoingBack,
}

/// What an index would follow.
#[derive(Clone, Copy)]
pub(in crate::jobs) enum Current<'a> {
    /// Nothing is in force.
    Nothing,
    /// The accepted state of this id; of its history it is the newest.
    InForce(&'a str),
    /// One that this run works with and has not accepted yet.
    Candidate(&'a Fetched),
}

/// Whether the operator lets an index go back to an earlier state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) enum GoingBack {
    /// It stays where it is.
    Refused,
    /// If no URL has a newer one.
    Accepted,
}

/// What was found of an index.
pub(in crate::jobs) enum Judgement {
    /// It may follow what is in force; these signers are recorded with it.
    Good(Vec<(Signer, How)>),
    /// It is behind, or another one; the signers are recorded if it is accepted all the same.
    Behind(Behind, Vec<(Signer, How)>),
    /// No recorded signer vouches for it.
    Held(Setback),
}

/// An index that follows the one in force only if the operator says so.
pub(in crate::jobs) enum Behind {
    /// It was accepted before.
    Lag(Lag),
    /// It was not.
    Older(Setback),
    /// It is of another branch or repository of the same source.
    Elsewhere(Setback),
}

/// A URL has what was accepted before.
#[derive(Clone, Debug)]
pub(in crate::jobs) struct Lag {
    /// The URL.
    pub(in crate::jobs) url: String,
    /// Upstream's words for what it has.
    pub(in crate::jobs) description: Option<String>,
    /// When that was accepted.
    pub(in crate::jobs) accepted: Timestamp,
}

impl Lag {
    /// `has v3.23.0-4-gabc, which was accepted on …`.
    pub(in crate::jobs) fn told(&self) -> String {
        let what = self.description.as_deref().unwrap_or("an index");
        format!(
            "{} has {what}, which was accepted before, on {}",
            self.url,
            self.accepted.strftime("%Y-%m-%d %H:%M UTC")
        )
    }
}

/// Judges an index that verifies, from `url`.
pub(in crate::jobs) fn judge(standing: &Standing<'_>, url: &str, index: &VerifiedIndex) -> Result<Judgement, Error> {
    let key = standing.key;
    let vouched = match standing.signers() {
        Some(signers) => signers.judge(index.signers(), standing.keyring, &key.arch),
        None => Signers::default().judge(index.signers(), standing.keyring, &key.arch),
    };
    let record = match vouched {
        Vouched::Good(record) => record,
        Vouched::Held => return Ok(Judgement::Held(held(standing, url, index))),
    };
    let nothing = History::default();
    let history = standing.history().unwrap_or(&nothing);
    let came = State { signed: index.signed_id(), description: index.description() };
    let current = standing.state();
    let freshness = freshness::judge(history, current, came, index.entries(), || standing.listed())?;
    if freshness == Freshness::New
        && let Some(why) = standing.elsewhere(index)
    {
        return Ok(Judgement::Behind(Behind::Elsewhere(misplaced(key, url, index, why)), record));
    }
    Ok(match (freshness, standing.current) {
        (Freshness::New | Freshness::Same, _) => Judgement::Good(record),
        // What is not in force any more (its repository was taken out) is no reason to begin anew with a replay.
        (Freshness::Lag { .. }, Current::Nothing) => {
            let why = "it was accepted before, and a newer one after it; now nothing of it is in force".to_owned();
            Judgement::Behind(Behind::Older(standing.older(url, index, why)?), record)
        }
        (Freshness::Lag { accepted }, _) => {
            let description = index.description().map(str::to_owned);
            Judgement::Behind(
                Behind::Lag(Lag { url: url.trim_end_matches('/').to_owned(), description, accepted }),
                record,
            )
        }
        (Freshness::Older(older), _) => {
            let why = match older {
                Older::Described => "it was never accepted, and its description counts lower".to_owned(),
                Older::Lowered { lowered, shared } => {
                    format!(
                        "it was never accepted, and of {shared} names that both list, {lowered} have a lower version"
                    )
                }
            };
            Judgement::Behind(Behind::Older(standing.older(url, index, why)?), record)
        }
    })
}

impl<'a> Standing<'a> {
    fn history(&self) -> Option<&'a History> {
        self.trust.history(self.key)
    }

    fn signers(&self) -> Option<Cow<'a, Signers>> {
        let signers = self.trust.signers(&self.key.source, &self.key.arch)?;
        let Some(apart) = self.apart else { return Some(Cow::Borrowed(signers)) };
        let mut signers = signers.clone();
        let is_apart = |fingerprint: &str| apart.keys().any(|key| key.fingerprint().to_string() == fingerprint);
        signers.recorded.retain(|recorded| !is_apart(&recorded.fingerprint));
        Some(Cow::Owned(signers))
    }

    /// Why an index is not the one that was asked for. A signature does not say which index it is over, so upstream's words
    /// and what was accepted elsewhere must. The words count where they did before, or where Alpine itself signs.
    fn elsewhere(&self, index: &VerifiedIndex) -> Option<String> {
        let is_here = |description| freshness::is_of_branch(&self.key.path, description);
        let was_here =
            self.history().and_then(History::newest).and_then(|newest| is_here(newest.description.as_deref()));
        let by_alpine = || {
            let official = Keyring::official();
            index.signers().iter().any(|signer| official.keys().any(|key| key.fingerprint() == signer.fingerprint))
        };
        if is_here(index.description()) == Some(false) && was_here.unwrap_or_else(by_alpine) {
            let words = index.description().unwrap_or_default();
            return Some(format!("its description, {words}, is that of another branch"));
        }
        // What a bundle carries of its origin stands under several names by right.
        if self.key.path.starts_with('@') {
            return None;
        }
        // An index without a record says nothing of where it belongs; and a branch may have several names.
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let signed = index.signed_id();
        let others = self.trust.histories_beside(self.key);
        let (other, _) = others
            .filter(|(other, _)| !other.path.starts_with('@'))
            .find(|(other, history)| last(&other.path) != last(&self.key.path) && history.find(&signed).is_some())?;
        (!index.entries().is_empty()).then(|| format!("it was accepted as {other}"))
    }

    fn state(&self) -> Option<State<'_>> {
        match self.current {
            Current::Candidate(fetched) => {
                Some(State { signed: fetched.index.signed_id(), description: fetched.index.description() })
            }
            Current::InForce(_) | Current::Nothing => {
                let newest = self.history()?.newest()?;
                Some(State { signed: newest.signed, description: newest.description.as_deref() })
            }
        }
    }

    /// What the index lists that would be followed.
    fn listed(&self) -> Result<Vec<Entry>, Error> {
        Ok(match self.current {
            Current::Nothing => Vec::new(),
            Current::InForce(id) => self.ledger.accepted(id)?.entries().to_vec(),
            Current::Candidate(fetched) => fetched.index.entries().to_vec(),
        })
    }

    fn older(&self, url: &str, index: &VerifiedIndex, why: String) -> Result<Setback, Error> {
        let key = self.key;
        let message = format!("refused index {key}: it is older than the one that was accepted last");
        let mut setback = Setback::new(Class::Refused, "older", message);
        let named = |description: Option<&str>, entries: &[Entry]| {
            let built = freshness::newest_build(entries).map(|time| time.strftime("%Y-%m-%d").to_string());
            let built = built.map(|day| format!(", newest package built {day}")).unwrap_or_default();
            format!("{}{built}", description.unwrap_or("without a description"))
        };
        setback.details.push(why);
        if let Some(current) = self.state() {
            let what = if let Current::Nothing = self.current { "accepted last" } else { "in force" };
            setback.details.push(format!("{what}: {}", named(current.description, &self.listed()?)));
        }
        setback.details.push(format!("came: {}", named(index.description(), index.entries())));
        setback.details.push(at(url, key));
        let hint =
            "if upstream went back on purpose: `bivouac sync --accept-older` takes it, when no URL has a newer one";
        setback.hint = Some(hint.into());
        Ok(setback)
    }
}

/// An index that is another one than was asked for.
fn misplaced(key: &IndexKey, url: &str, index: &VerifiedIndex, why: String) -> Setback {
    let mut setback = Setback::new(Class::Refused, "misplaced", format!("refused index {key}: it is another one"));
    setback.details = vec![why, format!("it lists {} packages", index.entries().len()), at(url, key)];
    let hint = format!(
        "whoever serves it mixes indexes up; if it is right all the same: `bivouac sync --accept-older` for what takes from {}",
        key.place()
    );
    setback.hint = Some(hint);
    setback
}

/// Where an index was asked for.
pub(in crate::jobs) fn at(url: &str, key: &IndexKey) -> String {
    format!("url: {}/{}/APKINDEX.tar.gz", url.trim_end_matches('/'), key.place())
}

/// An index that only new signers signed.
fn held(standing: &Standing<'_>, url: &str, index: &VerifiedIndex) -> Setback {
    let key = standing.key;
    let message = format!("held index {key}: signed by a key that was never recorded for this source");
    let mut setback = Setback::new(Class::Refused, "new-signer", message);
    for signer in index.signers() {
        setback.details.push(format!("key: {}", signer.key));
        setback.details.push(format!("fingerprint: {}", signer.fingerprint));
    }
    setback.details.push(at(url, key));
    let signers = standing.signers();
    let recorded = signers.iter().flat_map(|signers| &signers.recorded);
    let recorded: Vec<&str> = recorded.map(|recorded| recorded.key.as_str()).collect();
    setback.details.push(format!("recorded so far: {}", recorded.join(", ")));
    setback.hint = Some(format!("if it is upstream's new key: `bivouac source accept-signer {}`", key.source));
    setback
}
