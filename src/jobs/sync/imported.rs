//! Sources of bundles: nobody is asked; their indexes are what imports brought.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::fetch::{Answer, Heard};
use super::indexes::{Asked, Fetched, Proof};
use super::judge::{self, Behind, Current, GoingBack, Judgement};
use super::{Error, Mirror, Setback, SyncRequest, hear};
use crate::apk::v2::sections::Limits;
use crate::apk::{ObjectId, SourceName};
use crate::error::Class;
use crate::jobs::import::inbox::{self, Inbox};
use crate::report::Reporter;
use crate::snapshot::IndexKey;
use crate::snapshot::manifest::Manifest;
use crate::sources::http::Validators;
use crate::verify::accepted::Step;
use crate::verify::{self, Keyring};

/// What stands before the path of an index that bundles carry of their sender's upstream.
///
/// Under one name, bundles carry two indexes: the sender's, and the one of its upstream, of which the sender's is made. Each has
/// its own states and its own signers, and a site may publish both, so each is accepted under a path of its own. No sender's
/// repository can have this one: names begin with a letter, a digit or `_`.
const ORIGIN: &str = "@origin/";
/// What stands before the path of a sender's index, its origin's proofs of which are remembered by their number behind it.
const PROOF: &str = "@proof/";

/// The path under which the upstream's own index is accepted that bundles carry beside the sender's of this name.
pub(super) fn origin_path(name: &str) -> String {
    format!("{ORIGIN}{name}")
}

/// The sender's name of the repository whose index is accepted under `path`.
pub(in crate::jobs) fn sender_name(path: &str) -> &str {
    path.strip_prefix(ORIGIN).unwrap_or(path)
}

/// What bundles brought for one source, as far as it is in force.
struct Brought {
    inbox: Inbox,
    manifest: Option<Manifest>,
}

impl Brought {
    fn expired(&self, now: Timestamp) -> Option<String> {
        let manifest = self.manifest.as_ref().filter(|manifest| manifest.expires < now)?;
        Some(expired(&self.inbox.source, manifest, now))
    }
}

/// Notes what the imports brought of each index of a source of bundles.
pub(super) fn look(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    request: &SyncRequest,
    reporter: &Arc<dyn Reporter>,
) -> Result<(), Error> {
    let mut sources: BTreeMap<SourceName, Brought> = BTreeMap::new();
    for inbox in inbox::all(mirror.config)? {
        let manifest = mirror.ledger.bundle_in_force(&inbox.source)?;
        sources.insert(inbox.source.clone(), Brought { inbox, manifest });
    }
    for at in 0..asked.indexes.len() {
        let Some(brought) = sources.get(&asked.indexes[at].key.source) else { continue };
        let heard = one(mirror, asked, at, brought, request)?;
        let unchanged = matches!(heard.answer, Answer::Unchanged { .. });
        hear::hear(mirror, asked, at, heard, request.now, reporter)?;
        let manifest = brought.manifest.as_ref();
        if unchanged && let Some(manifest) = manifest {
            asked.state.entry(&asked.indexes[at].key).confirmed = Some(manifest.time);
        }
        if let Some(line) = brought.expired(request.now) {
            asked.indexes[at].notes.push(line);
        }
    }
    for line in sources.values().filter_map(|brought| brought.expired(request.now)) {
        reporter.warning(&line);
    }
    Ok(())
}

/// That the sender meant its receiver to have had a newer bundle by now.
fn expired(source: &SourceName, manifest: &Manifest, now: Timestamp) -> String {
    let days = now.duration_since(manifest.time).as_hours() / 24;
    format!(
        "bundle {} of source \"{source}\" is {days} days old and expired on {}: ask the sender for a newer one",
        manifest.id,
        manifest.expires.strftime("%Y-%m-%d")
    )
}

/// What is in force of a source's bundles for one index.
fn one(
    mirror: &Mirror<'_>,
    asked: &Asked,
    at: usize,
    brought: &Brought,
    request: &SyncRequest,
) -> Result<Heard, Error> {
    let Brought { inbox, manifest } = brought;
    let index = &asked.indexes[at];
    let key = &index.key;
    let failed = |setback| Ok(Heard::of(Answer::Failed(setback)));
    let Some(manifest) = manifest else { return failed(nothing_imported(inbox, key)) };
    let (id, whose) = match named(manifest, key) {
        Ok(named) => named,
        Err(setback) => return failed(setback),
    };
    if index.known == Some(id) {
        return Ok(Heard::of(Answer::Unchanged { url: None, validators: None }));
    }
    let Some(bytes) = mirror.ledger.bundled_index(&inbox.source, &id)? else {
        let message = format!("index {key}: the store has lost what bundle {} brought of it", manifest.id);
        let mut setback = Setback::new(Class::Damaged, "record-missing", message);
        setback.hint = Some(format!("import bundle {} once more", manifest.id));
        return failed(setback);
    };
    let of_all = &asked.keyrings[&key.source];
    let of_origin = inbox.origin.as_ref().map(|origin| &origin.keyring);
    let keyring = of_origin.filter(|_| whose == Whose::Origin).unwrap_or(of_all);
    let index = match verify::index::verify(bytes, keyring, &key.arch, &Limits::default()) {
        Ok(index) => index,
        Err(error) => return failed(Setback::of(format!("refused index {key}"), &error)),
    };
    // A sender's own index is as new as the bundle that it signed, also when it went back on purpose.
    let by_sender = is_by_sender(&inbox.keyring, &index);
    let apart = (!by_sender).then_some(&inbox.keyring);
    let current = asked.indexes[at].accepted_id.as_deref().map_or(Current::Nothing, Current::InForce);
    let going_back = match request.accept_older.covers(mirror.config, key) {
        true => GoingBack::Accepted,
        false => GoingBack::Refused,
    };
    let standing = judge::Standing { going_back, keyring, apart, ..asked.standing(mirror, key, current) };
    let name = format!("bundle {}", manifest.id);
    let proofs = match by_sender {
        true => match proofs(mirror, asked, at, brought, going_back)? {
            Ok(proofs) => proofs,
            Err(heard) => return Ok(heard),
        },
        false => Vec::new(),
    };
    let fetched = |index, step, signers| Fetched {
        index,
        digest: id,
        url: name.clone(),
        validators: Validators::default(),
        as_of: Some(manifest.time),
        proofs,
        step,
        signers,
    };
    Ok(match judge::judge(&standing, &name, &index)? {
        Judgement::Good(signers) => Heard::of(Answer::New(fetched(index, Step::Forward, signers))),
        Judgement::Behind(_, signers) if by_sender || going_back == GoingBack::Accepted => {
            Heard::of(Answer::New(fetched(index, Step::Back, signers)))
        }
        Judgement::Behind(Behind::Lag(lag), _) => Heard::of(Answer::Lagging(lag)),
        Judgement::Behind(Behind::Older(setback) | Behind::Elsewhere(setback), _) => Heard::of(Answer::Failed(setback)),
        Judgement::Held(setback) => {
            Heard { answer: Answer::Failed(setback), held: index.signers().to_vec(), urls: Vec::new() }
        }
    })
}

/// What proves an index that the sender signed itself: its origin's own, none of them older than what was accepted with the bundle
/// before. The sender's order is its own; its origin's is not.
fn proofs(
    mirror: &Mirror<'_>,
    asked: &Asked,
    at: usize,
    brought: &Brought,
    going_back: GoingBack,
) -> Result<Result<Vec<Proof>, Heard>, Error> {
    let mut proofs = Vec::new();
    let key = &asked.indexes[at].key;
    let (Some(origin), Some(manifest)) = (&brought.inbox.origin, &brought.manifest) else { return Ok(Ok(proofs)) };
    let carried = manifest.carried(&key.path, &key.arch).expect("the caller has found it");
    for (number, id) in carried.origins.iter().enumerate() {
        let Some(bytes) = mirror.ledger.bundled_index(&key.source, id)? else { continue };
        let verified = verify::index::verify(bytes, &origin.keyring, &key.arch, &Limits::default());
        // One of another upstream of the sender's proves nothing.
        let Ok(index) = verified else { continue };
        let sender = key;
        let at = |path: String| IndexKey { path, ..sender.clone() };
        let key = at(format!("{PROOF}{}/{number}", sender.path));
        // What was accepted of it under another name is known as well: as what the site publishes of the origin's, and as what the
        // sender passed on as it is before it signed one of its own.
        let known = [key.clone(), at(origin_path(&sender.path)), sender.clone()];
        let known = known.iter().find(|known| asked.trust.history(known).is_some());
        let judged = known.filter(|_| carried.origins.len() == 1).unwrap_or(&key);
        let apart = Some(&brought.inbox.keyring);
        let standing = judge::Standing {
            going_back,
            keyring: &origin.keyring,
            apart,
            ..asked.standing(mirror, judged, Current::Nothing)
        };
        let (step, signers) = match judge::judge(&standing, &format!("bundle {}", manifest.id), &index)? {
            Judgement::Good(signers) => (Step::Forward, signers),
            Judgement::Behind(_, signers) if going_back == GoingBack::Accepted => (Step::Back, signers),
            Judgement::Behind(Behind::Lag(lag), _) => return Ok(Err(Heard::of(Answer::Lagging(lag)))),
            Judgement::Behind(Behind::Older(setback) | Behind::Elsewhere(setback), _) => {
                return Ok(Err(Heard::of(Answer::Failed(setback))));
            }
            Judgement::Held(setback) => {
                let held = index.signers().to_vec();
                return Ok(Err(Heard { answer: Answer::Failed(setback), held, urls: Vec::new() }));
            }
        };
        let description = index.description().map(str::to_owned);
        proofs.push(Proof { key, digest: *id, signed: index.signed_id(), description, step, signers });
    }
    Ok(Ok(proofs))
}

fn is_by_sender(keyring: &Keyring, index: &verify::VerifiedIndex) -> bool {
    index.signers().iter().any(|signer| keyring.keys().any(|key| key.fingerprint() == signer.fingerprint))
}

/// Whose index a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Sender,
    Origin,
}

/// The index file of `manifest` that a key means.
fn named(manifest: &Manifest, key: &IndexKey) -> Result<(ObjectId, Whose), Setback> {
    let (name, whose) = match key.path.strip_prefix(ORIGIN) {
        Some(name) => (name, Whose::Origin),
        None => (&key.path[..], Whose::Sender),
    };
    let message = |what: &str| format!("index {key}: bundle {} {what}", manifest.id);
    let Some(carried) = manifest.carried(name, &key.arch) else {
        let all: Vec<String> = manifest.repositories.iter().map(|one| format!("{}/{}", one.name, one.arch)).collect();
        let mut setback = Setback::new(Class::Upstream, "not-carried", message("does not carry it"));
        setback.details.push(format!("it carries {}", all.join(", ")));
        setback.hint = Some(format!(
            "ask the sender to bundle it, too; or, if it is gone for good, `bivouac sync --accept-shrink {name}` takes it out"
        ));
        return Err(setback);
    };
    match (whose, carried.whole) {
        (Whose::Sender, _) => Ok((carried.index, whose)),
        (Whose::Origin, Some(whole)) => Ok((whole, whose)),
        (Whose::Origin, None) => {
            let what = "carries no index of its origin all of whose packages the sender mirrors";
            let mut setback = Setback::new(Class::Upstream, "no-whole-origin", message(what));
            let hint = "index = \"upstream\" publishes the sender's index; or the sender mirrors all of it";
            setback.hint = Some(hint.into());
            Err(setback)
        }
    }
}

fn nothing_imported(inbox: &Inbox, key: &IndexKey) -> Setback {
    let message = format!("index {key}: nothing was imported yet");
    let mut setback = Setback::new(Class::Upstream, "nothing-imported", message);
    setback.hint = Some(format!("`bivouac import PATH`, or mount the medium at {}", inbox.folder.display()));
    setback
}
