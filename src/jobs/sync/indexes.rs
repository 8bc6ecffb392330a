//! Every index is asked for once, conditionally; what came is verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;

use super::carry::{self, Carry};
use super::fetch::{Heard, Question, fetch};
use super::judge::{Current, GoingBack, Standing};
use super::{Accepted, Error, Mirror, Setback, SyncRequest, gather, hear, imported, keys_of};
use crate::apk::v2::sections::{Limits, split_signatures};
use crate::apk::v2::signature::Algorithm;
use crate::apk::{Arch, Entry, ObjectId, Sha1Policy, SignedId};
use crate::config::{Repository, Source, SourceKind};
use crate::jobs::import::inbox::Inbox;
use crate::jobs::upstream::Surroundings;
use crate::jobs::{keyring, trust};
use crate::ledger::{State, Trust};
use crate::report::Reporter;
use crate::snapshot::{CarriedFrom, InForce, IndexKey, Kind, SignedBy, Snapshot};
use crate::sources::http::{Http, Validators};
use crate::sources::seed::Seed;
use crate::verify::accepted::{How, Step};
use crate::verify::keyring::Signer;
use crate::verify::{Keyring, VerifiedIndex};

/// A source as this run uses it.
pub(in crate::jobs) struct Upstream {
    pub(super) http: Http,
    pub(super) seed: Seed,
    /// Requests under way at once.
    pub(super) connections: usize,
    /// How far its packages' identities are trusted.
    pub(super) sha1: Sha1Policy,
}

/// What was found out about the indexes.
pub(in crate::jobs) struct Asked {
    pub(in crate::jobs) indexes: Vec<Index>,
    pub(super) upstreams: BTreeMap<crate::apk::SourceName, Arc<Upstream>>,
    pub(super) keyrings: BTreeMap<crate::apk::SourceName, Arc<Keyring>>,
    pub(super) state: State,
    /// What was accepted before, and whose signatures vouch.
    pub(super) trust: Trust,
    pub(super) snapshot: Option<Snapshot>,
    /// Accepted indexes of repositories that are beside those asked for, and not asked for themselves.
    pub(super) beside: BTreeMap<IndexKey, Aside>,
}

/// An accepted index that a run looks at and does not ask for.
pub(in crate::jobs) struct Aside {
    /// What it lists.
    pub(super) listed: Vec<Entry>,
    /// Older versions that are kept beside it.
    pub(super) kept: Vec<Entry>,
}

/// One index of a source in this run.
pub(in crate::jobs) struct Index {
    pub(in crate::jobs) key: IndexKey,
    /// The id of its accepted state, if there is one.
    pub(super) accepted_id: Option<String>,
    /// Origins of it that keep an earlier state's entries, as the snapshot says.
    carried: Vec<CarriedFrom>,
    /// Digest of its accepted file, if all that vouched for it is trusted today: only then is it enough to ask whether it
    /// changed.
    pub(super) known: Option<ObjectId>,
    /// Its accepted state, once loaded.
    pub(super) in_force: Option<Accepted>,
    /// What its accepted state lists in place of packages that could not be had, once loaded.
    pub(super) carry_in_force: Option<Carry>,
    /// What may take its place.
    pub(super) candidate: Option<Candidate>,
    /// What the candidate lists in place of packages that cannot be had.
    pub(super) carry: Option<Carry>,
    /// A candidate of this run's all of which is in the pool, while a newer one is followed: what is gone back to when that
    /// one does not come whole.
    pub(super) complete: Option<Fetched>,
    /// Older versions that are kept beside what it lists.
    pub(super) kept: Vec<Entry>,
    /// Where the accepted state came from, if this run accepted it.
    pub(super) accepted_from: Option<Origin>,
    /// What went wrong with it in this run.
    pub(super) setback: Option<Setback>,
    /// Single packages that were refused or did not come: file, reason, code.
    pub(super) refused: Vec<super::Refused>,
    /// What is worth a line and stops nothing.
    pub(super) notes: Vec<String>,
}

/// A verified index that may become the accepted one.
pub(in crate::jobs) enum Candidate {
    Signed(Fetched),
    Gathered(gather::Gathered),
    /// The accepted state itself, of which packages were missing until now.
    Whole(Box<Accepted>),
}

/// Which URL gave an index, with which words it is asked for again, and what is remembered of it.
pub(in crate::jobs) struct Origin {
    pub(super) digest: ObjectId,
    pub(super) url: String,
    pub(super) validators: Validators,
    pub(super) as_of: Option<Timestamp>,
    pub(super) proofs: Vec<Proof>,
    pub(super) signed: SignedId,
    pub(super) step: Step,
    pub(super) signers: Vec<(Signer, How)>,
}

/// A source's own index, verified.
pub(in crate::jobs) struct Fetched {
    pub(super) index: VerifiedIndex,
    pub(super) digest: ObjectId,
    pub(super) url: String,
    pub(super) validators: Validators,
    /// When its source said that this is what it has; none: in this run.
    pub(super) as_of: Option<Timestamp>,
    /// What a bundle carries of its origin to prove it.
    pub(super) proofs: Vec<Proof>,
    /// Whether it goes back, because the operator says so.
    pub(super) step: Step,
    /// Who is to be recorded when it is accepted.
    pub(super) signers: Vec<(Signer, How)>,
}

/// An index of an origin's that proves another one, and is remembered with it.
pub(in crate::jobs) struct Proof {
    /// As which it is remembered.
    pub(super) key: IndexKey,
    pub(super) digest: ObjectId,
    pub(super) signed: SignedId,
    pub(super) description: Option<String>,
    pub(super) step: Step,
    pub(super) signers: Vec<(Signer, How)>,
}

impl Index {
    /// An index of which nothing is known but its accepted state.
    fn accepted(key: IndexKey, in_force: Option<InForce>) -> Self {
        let (accepted_id, carried) = in_force.map(|one| (Some(one.accepted), one.carried)).unwrap_or_default();
        Index {
            key,
            accepted_id,
            carried,
            known: None,
            in_force: None,
            carry_in_force: None,
            candidate: None,
            carry: None,
            complete: None,
            kept: Vec::new(),
            accepted_from: None,
            setback: None,
            refused: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The entries that this run works with: the candidate's with what is carried, else those in force.
    pub(super) fn entries(&self) -> Option<&[Entry]> {
        self.carry.as_ref().map(Carry::entries).or_else(|| self.whole_entries())
    }

    /// The same with nothing carried for the candidate's sake.
    pub(super) fn whole_entries(&self) -> Option<&[Entry]> {
        self.candidate_entries().or_else(|| self.former_entries())
    }

    /// All that the candidate lists.
    pub(super) fn candidate_entries(&self) -> Option<&[Entry]> {
        Some(match self.candidate.as_ref()? {
            Candidate::Signed(fetched) => fetched.index.entries(),
            Candidate::Gathered(gathered) => gathered.index.entries(),
            Candidate::Whole(accepted) => accepted.entries(),
        })
    }

    /// The entries in force, as far as they are loaded.
    pub(super) fn former_entries(&self) -> Option<&[Entry]> {
        self.carry_in_force.as_ref().map(Carry::entries).or_else(|| self.in_force.as_ref().map(Accepted::entries))
    }

    /// Whether what is listed is not the index itself.
    pub(super) fn is_carried(&self) -> bool {
        self.carry.is_some() || (self.candidate.is_none() && self.is_carried_in_force())
    }

    /// Whether what is in force is not the accepted index itself.
    pub(super) fn is_carried_in_force(&self) -> bool {
        match self.in_force {
            Some(_) => self.carry_in_force.is_some(),
            None => !self.carried.is_empty(),
        }
    }

    /// All that this run knows of it: what it lists, and what is kept beside that.
    pub(in crate::jobs) fn all_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries().into_iter().flatten().chain(&self.kept)
    }

    /// Makes the candidate, or else the accepted state with the objects that are there now, the state in force.
    pub(super) fn accept(
        &mut self,
        object_of: impl Fn(&Entry) -> Option<ObjectId>,
        now: Timestamp,
    ) -> Option<&Accepted> {
        if self.candidate.is_some() {
            self.carry_in_force = self.carry.take();
        }
        self.in_force = match (self.candidate.take(), self.in_force.take()) {
            (Some(Candidate::Signed(fetched)), _) => {
                let Fetched { index, digest, url, validators, as_of, proofs, step, signers } = fetched;
                let signed = index.signed_id();
                self.accepted_from = Some(Origin { digest, url, validators, as_of, proofs, signed, step, signers });
                Some(Accepted::signed(self.key.clone(), index, object_of, now))
            }
            (Some(Candidate::Gathered(gathered)), _) => Some(gathered.index),
            (Some(Candidate::Whole(accepted)), _) => Some(accepted.with_objects(object_of)),
            (None, Some(accepted)) => Some(accepted.with_objects(object_of)),
            (None, None) => None,
        };
        self.in_force.as_ref()
    }

    /// Gives the candidate up for the last one that was complete, else for the state in force; says whether there was one.
    pub(super) fn set_aside(&mut self) -> Fallback {
        self.carry = None;
        match (self.candidate.take(), self.complete.take()) {
            (_, Some(complete)) => {
                self.candidate = Some(Candidate::Signed(complete));
                Fallback::Former
            }
            (Some(_), None) => Fallback::Former,
            (None, None) => Fallback::Nothing,
        }
    }

    /// Goes on with a newer index than the one at hand; what went wrong with that one is past.
    pub(super) fn follow(&mut self, newer: Fetched) -> Option<Candidate> {
        self.carry = None;
        self.setback = None;
        self.refused.clear();
        self.candidate.replace(Candidate::Signed(newer))
    }

    /// Loads the accepted state, where there is one and it is not loaded yet.
    pub(super) fn load(&mut self, mirror: &Mirror<'_>) -> Result<(), Error> {
        if self.in_force.is_none()
            && let Some(id) = &self.accepted_id
        {
            let accepted = mirror.ledger.accepted(id)?;
            self.carry_in_force = Carry::load(mirror, &accepted, &self.carried)?;
            self.in_force = Some(accepted);
        }
        Ok(())
    }
}

/// What is left of an index whose candidate was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// An earlier state.
    Former,
    /// It was the state in force itself that was given up.
    Nothing,
}

fn trusts(keyring: &Keyring, signer: &SignedBy, arch: &Arch) -> bool {
    keyring.find(&signer.key, arch).is_some_and(|key| key.fingerprint().to_string() == signer.fingerprint)
}

fn load_keyring(mirror: &Mirror<'_>, source: &Source) -> Result<Keyring, Error> {
    if let Some(inbox) = Inbox::of(source, mirror.config.policy.sha1)? {
        return inbox.of_indexes();
    }
    let keyring = keyring::load(&source.keyring).map_err(|cause| Error::Keyring { of: source.name.clone(), cause })?;
    Ok(keyring.under(mirror.config.policy.sha1))
}

/// The indexes of a snapshot as they were accepted; nobody is asked.
pub(in crate::jobs) fn of_snapshot(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    snapshot: Snapshot,
) -> Result<Asked, Error> {
    let index = |key: IndexKey| {
        let in_force = snapshot.in_force(&key).cloned();
        Index::accepted(key, in_force)
    };
    Ok(Asked {
        indexes: keys_of(repositories).into_iter().map(index).collect(),
        upstreams: BTreeMap::new(),
        keyrings: BTreeMap::new(),
        state: mirror.ledger.state()?,
        trust: Trust::default(),
        snapshot: Some(snapshot),
        beside: BTreeMap::new(),
    })
}

/// Asks for every index of `repositories`.
pub(super) async fn ask(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    request: &SyncRequest,
    reporter: &Arc<dyn Reporter>,
) -> Result<Asked, Error> {
    let now = request.now;
    let surroundings = Surroundings::new(mirror.config, &request.proxies, now);
    let mut asked = Asked {
        indexes: Vec::new(),
        upstreams: BTreeMap::new(),
        keyrings: BTreeMap::new(),
        state: mirror.ledger.state()?,
        trust: trust::load(mirror)?,
        snapshot: mirror.ledger.latest_snapshot()?,
        beside: BTreeMap::new(),
    };
    let keys = keys_of(repositories);
    for key in &keys {
        let source = &mirror.config.sources[&key.source];
        if !asked.keyrings.contains_key(&key.source) {
            asked.keyrings.insert(key.source.clone(), Arc::new(load_keyring(mirror, source)?));
            if let SourceKind::Url { connections, seed, .. } = &source.kind
                && let Some(http) = surroundings.connect(source)?
            {
                let (seed, missing) = Seed::open(seed.iter().cloned());
                for finding in missing {
                    reporter.warning(&format!("{}: {}", finding.subject, finding.message));
                }
                let upstream = Upstream { http, seed, connections: *connections, sha1: mirror.config.policy.sha1 };
                asked.upstreams.insert(key.source.clone(), Arc::new(upstream));
            }
        }
        let mut in_force = asked.snapshot.as_ref().and_then(|snapshot| snapshot.in_force(key)).cloned();
        let mut known = None;
        if let Some(one) = &in_force {
            let record = mirror.ledger.accepted_record(&one.accepted)?;
            let kind = match source.kind {
                SourceKind::Url { .. } | SourceKind::Bundles { .. } => Kind::Signed,
                SourceKind::Directory { .. } => Kind::Gathered,
            };
            if record.kind == kind {
                let trusted =
                    record.signers.iter().all(|signer| trusts(&asked.keyrings[&key.source], signer, &key.arch));
                let outlived = kind == Kind::Signed
                    && mirror.config.policy.sha1 == Sha1Policy::Refuse
                    && !is_signed_beyond_sha1(mirror, &one.accepted, &record.signers)?;
                known = (trusted && !outlived).then_some(record.index);
                if kind == Kind::Signed {
                    trust::catch_up(mirror, &mut asked.trust, &record, &one.accepted)?;
                }
            } else {
                // The source was of another kind then: what was accepted under its name is not its own.
                in_force = None;
            }
        }
        asked.indexes.push(Index { known, ..Index::accepted(key.clone(), in_force) });
    }
    ask_upstreams(mirror, &mut asked, request, reporter).await?;
    imported::look(mirror, &mut asked, request, reporter)?;
    gather::gather(mirror, &mut asked, now, reporter)?;
    carry::try_again(mirror, &mut asked)?;
    Ok(asked)
}

/// Whether an index that was accepted would be, were signatures over SHA-1 nothing worth.
fn is_signed_beyond_sha1(mirror: &Mirror<'_>, accepted: &str, signers: &[SignedBy]) -> Result<bool, Error> {
    let index = mirror.ledger.accepted(accepted)?;
    let part = split_signatures(index.bytes(), &Limits::of_our_own())
        .expect("an accepted index was taken apart when it was loaded");
    Ok(part.signatures.iter().any(|signature| {
        signature.algorithm != Algorithm::Sha1 && signers.iter().any(|signer| signer.key == signature.key)
    }))
}

async fn ask_upstreams(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    request: &SyncRequest,
    reporter: &Arc<dyn Reporter>,
) -> Result<(), Error> {
    let places: Vec<usize> =
        (0..asked.indexes.len()).filter(|at| asked.upstreams.contains_key(&asked.indexes[*at].key.source)).collect();
    // Indexes are few, and each source bounds its own requests.
    let heard: Vec<(usize, Heard)> = stream::iter(places)
        .map(|at| {
            let asked = &*asked;
            async move { (at, ask_one(mirror, asked, at, request, reporter).await) }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    for (at, heard) in heard {
        hear::hear(mirror, asked, at, heard, request.now, reporter)?;
    }
    Ok(())
}

async fn ask_one(
    mirror: &Mirror<'_>,
    asked: &Asked,
    at: usize,
    request: &SyncRequest,
    reporter: &Arc<dyn Reporter>,
) -> Heard {
    let Index { key, known: accepted, accepted_id, .. } = &asked.indexes[at];
    let accepted = *accepted;
    let upstream = &asked.upstreams[&key.source];
    reporter.index_requested(&key.source, &key.path, &key.arch);
    // Validators are worth something only together with the bytes they belong to.
    let state = asked.state.index(key).filter(|state| accepted.is_some() && state.validators_of == accepted);
    let known: Vec<Option<Validators>> = (0..upstream.http.url_count())
        .map(|url| state?.validators.get(&upstream.http.shown_url(url)?).cloned())
        .collect();
    let current = accepted_id.as_deref().map_or(Current::Nothing, Current::InForce);
    let going_back = match request.accept_older.covers(mirror.config, key) {
        true => GoingBack::Accepted,
        false => GoingBack::Refused,
    };
    let standing = Standing { going_back, ..asked.standing(mirror, key, current) };
    fetch(upstream, &Question { known: &known, have: accepted, first_url: 0, standing }, reporter).await
}

impl Asked {
    /// What an index for `key` is compared with that would follow `current`.
    pub(super) fn standing<'a>(
        &'a self,
        mirror: &'a Mirror<'_>,
        key: &'a IndexKey,
        current: Current<'a>,
    ) -> Standing<'a> {
        Standing {
            key,
            keyring: &self.keyrings[&key.source],
            apart: None,
            trust: &self.trust,
            current,
            ledger: &mirror.ledger,
            going_back: GoingBack::Refused,
        }
    }
}
