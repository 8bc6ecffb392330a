//! Asks one after the other for each object, until somebody has bytes with its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use futures_util::StreamExt as _;

use super::look::Seen;
use super::offers::{Offers, Opened, Request, Shelved, is_away};
use super::trees::Mender;
use super::{RepairRequest, ends_all};
use crate::apk::{ObjectId, SourceName};
use crate::backup::restore::Shelf;
use crate::bundle::{self, Offered};
use crate::delta;
use crate::disk::durable;
use crate::error::{Class, Trouble as _};
use crate::jobs::check::hash;
use crate::jobs::error::in_one_line;
use crate::jobs::upstream::Surroundings;
use crate::jobs::{Error, Mirror};
use crate::pool::{Arriving, RestoreError, Restoring};
use crate::report::{Reporter, Work};
use crate::snapshot::manifest::Form;
use crate::sources::http::Http;
use crate::sources::{self, PackageSink, SinkError};

/// Packages that are fetched at once, whatever number of sources there is; each source keeps to its own connections.
const AT_ONCE: usize = 16;

/// Packages from the network after which the trees are led to them: what came does not wait for the farthest.
const SHOWN_AT_ONCE: usize = 200;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Objects that are in the pool now and right, each with who had it.
    pub(super) from: BTreeMap<ObjectId, String>,
    /// Why others did not have it.
    pub(super) reasons: BTreeMap<ObjectId, Vec<Reason>>,
    /// Objects that have no place here, whoever gives them: nobody else is asked.
    barred: BTreeSet<ObjectId>,
}

/// Why an object did not come from one who might have had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// Refused: other bytes came. Host: it has no place here. Upstream: nobody could be asked. Damaged: it is not there, or as
    /// garbled as here.
    pub(super) class: Class,
    /// Who, and what is the matter.
    pub(super) text: String,
}

impl Outcome {
    /// What came back.
    pub(super) fn mended(&self) -> BTreeSet<ObjectId> {
        self.from.keys().copied().collect()
    }

    fn lacks(&self, object: &ObjectId) -> bool {
        !self.from.contains_key(object) && !self.barred.contains(object)
    }

    fn bar(&mut self, object: ObjectId, error: &dyn std::error::Error) {
        self.note(object, Class::Host, in_one_line(error));
        self.barred.insert(object);
    }

    fn note(&mut self, object: ObjectId, class: Class, text: String) {
        self.reasons.entry(object).or_default().push(Reason { class, text });
    }
}

/// Brings what can be had into the pool, and has `mender` show it as it comes.
///
/// # Errors
/// This host's trouble that ends all; `outcome` has what came before, and no more.
pub(super) async fn fetch(
    mirror: &Mirror<'_>,
    seen: &Seen,
    offers: &Offers,
    request: &RepairRequest,
    reporter: &dyn Reporter,
    outcome: &mut Outcome,
    mender: &mut Mender<'_>,
) -> Result<(), Error> {
    if seen.objects.is_empty() {
        return Ok(());
    }
    let bytes = seen.objects.values().map(|bad| bad.size).sum();
    reporter.work_begun(Work::Repair, seen.objects.len() as u64, bytes);
    let restoring = mirror.pool.mending();
    let fetching = Fetching { mirror, seen, offers, request, reporter, restoring: &restoring };
    let fetched = fetching.all(outcome, mender).await;
    // What came is kept and shown, also where the disk is full by now.
    let shown = fetching.show(outcome, mender);
    outcome.from.retain(|object, _| !restoring.is_pending(object));
    let finished = restoring.finish(&[]);
    fetched.and(shown)?;
    finished?;
    reporter.work_done(Work::Repair);
    Ok(())
}

struct Fetching<'f> {
    mirror: &'f Mirror<'f>,
    seen: &'f Seen,
    offers: &'f Offers,
    request: &'f RepairRequest,
    reporter: &'f dyn Reporter,
    restoring: &'f Restoring<'f>,
}

impl Fetching<'_> {
    async fn all(&self, outcome: &mut Outcome, mender: &mut Mender<'_>) -> Result<(), Error> {
        self.files(outcome)?;
        self.show(outcome, mender)?;
        for shelved in &self.offers.backups {
            self.backup(shelved, outcome)?;
            self.show(outcome, mender)?;
        }
        for opened in &self.offers.bundles {
            self.bundle(opened, outcome)?;
            self.show(outcome, mender)?;
        }
        self.urls(outcome, mender).await
    }

    /// Gives what came its name in the pool, and has the trees lead there.
    fn show(&self, outcome: &mut Outcome, mender: &mut Mender<'_>) -> Result<(), Error> {
        self.restoring.commit()?;
        for (object, error) in self.restoring.failed() {
            outcome.from.remove(&object);
            outcome.bar(object, &error);
        }
        mender.pass(outcome)
    }

    /// One object that this host does not take holds up no other.
    fn host(&self, outcome: &mut Outcome, object: ObjectId, error: Error) -> Result<(), Error> {
        if ends_all(&error) {
            return Err(error);
        }
        outcome.bar(object, &error);
        Ok(())
    }

    /// It is there now, or will be with the next batch.
    fn came(&self, outcome: &mut Outcome, object: ObjectId, from: String) {
        self.reporter.object_done(self.seen.objects[&object].size);
        outcome.from.insert(object, from);
    }

    fn files(&self, outcome: &mut Outcome) -> Result<(), Error> {
        for (object, paths) in &self.offers.files {
            for path in paths {
                let size = self.seen.objects[object].size;
                // Hashed where it lies: many files are of one size, and only one is worth writing.
                match is_object(path, size, object) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(cause) => {
                        outcome.note(*object, Class::Damaged, format!("{}: {cause}", path.display()));
                        continue;
                    }
                }
                let put = match File::open(path) {
                    // One byte more tells a file that grew, and stops at one that grows without end.
                    Ok(file) => self.restoring.put(object, size, &mut file.take(size.saturating_add(1))),
                    Err(cause) => Err(RestoreError::Read { object: *object, cause }),
                };
                match put {
                    Ok(_) => {
                        self.came(outcome, *object, path.display().to_string());
                        break;
                    }
                    // It changed since.
                    Err(error @ (RestoreError::WrongBytes { .. } | RestoreError::Read { .. })) => {
                        outcome.note(*object, Class::Damaged, format!("{}: {}", path.display(), in_one_line(&error)));
                    }
                    Err(error @ (RestoreError::Busy { .. } | RestoreError::Pool(_))) => {
                        self.host(outcome, *object, host(error))?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn backup(&self, shelved: &Shelved, outcome: &mut Outcome) -> Result<(), Error> {
        let wanted = |object: &ObjectId| self.seen.objects.contains_key(object) && outcome.lacks(object);
        let wanted: BTreeSet<ObjectId> = shelved.objects.iter().filter(|object| wanted(object)).copied().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.shelf(shelved, &wanted, outcome)
    }

    fn shelf(&self, shelved: &Shelved, wanted: &BTreeSet<ObjectId>, outcome: &mut Outcome) -> Result<(), Error> {
        let shelf = Shelf::new(&shelved.target, &shelved.backup);
        let restored = shelf.restore(&|object| wanted.contains(object), self.restoring, self.request.threads, &|_| {});
        let restored = match restored {
            Ok(restored) => restored,
            Err(error) if wanted.len() == 1 || ends_all(&error) => {
                let object = *wanted.first().expect("only what is wanted is asked for");
                if error.class() == Class::Host {
                    return self.host(outcome, object, error.into());
                }
                outcome.note(object, error.class(), format!("{}: {}", shelved.shown(), in_one_line(&error)));
                return Ok(());
            }
            // One of them is in trouble here; by itself it holds up no other.
            Err(_) => {
                for object in wanted {
                    self.shelf(shelved, &BTreeSet::from([*object]), outcome)?;
                }
                return Ok(());
            }
        };
        let lost: BTreeSet<ObjectId> = restored.lost.iter().map(|lost| lost.object).collect();
        for object in wanted.difference(&lost) {
            self.came(outcome, *object, shelved.shown());
        }
        for lost in restored.lost {
            let class = if is_away(&lost.why) { Class::Upstream } else { Class::Damaged };
            outcome.note(lost.object, class, format!("{}: {}", shelved.shown(), in_one_line(&lost.why)));
        }
        Ok(())
    }

    fn bundle(&self, opened: &Opened, outcome: &mut Outcome) -> Result<(), Error> {
        let wanted = |object: &ObjectId| self.seen.objects.contains_key(object) && outcome.lacks(object);
        let offered = Offered::of(&opened.volume, &opened.verified, wanted);
        if offered.iter().any(|offered| matches!(offered.packed().form, Form::Delta { .. })) {
            // What they are over may just have come.
            self.restoring.commit()?;
        }
        for offered in offered {
            let object = offered.packed().sha256;
            let from = opened.shown();
            let mut bytes = match offered.open(|base| base_of(self.mirror, base)) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => {
                    let text = format!("{from}: the former version that its delta is over is not here");
                    outcome.note(object, Class::Damaged, text);
                    continue;
                }
                Err(error) => {
                    outcome.note(object, error.class(), format!("{from}: {}", in_one_line(&error)));
                    continue;
                }
            };
            match self.restoring.put(&object, offered.packed().size, &mut *bytes) {
                Ok(_) => self.came(outcome, object, from),
                Err(error @ RestoreError::WrongBytes { .. }) => {
                    outcome.note(object, Class::Refused, format!("{from}: {error}"));
                }
                Err(error @ RestoreError::Read { .. }) => {
                    outcome.note(object, Class::Upstream, format!("{from}: {}", in_one_line(&error)));
                }
                Err(error @ (RestoreError::Busy { .. } | RestoreError::Pool(_))) => {
                    self.host(outcome, object, host(error))?;
                }
            }
        }
        Ok(())
    }

    async fn urls(&self, outcome: &mut Outcome, mender: &mut Mender<'_>) -> Result<(), Error> {
        let left: Vec<(&ObjectId, &Vec<Request>)> = self
            .offers
            .urls
            .iter()
            .filter(|(object, requests)| outcome.lacks(object) && !requests.is_empty())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let surroundings = Surroundings::new(self.mirror.config, &self.request.proxies, self.request.call.now);
        let mut upstreams: BTreeMap<&SourceName, Result<Option<Http>, Error>> = BTreeMap::new();
        for request in left.iter().flat_map(|(_, requests)| *requests) {
            let source = &self.mirror.config.sources[&request.source];
            upstreams.entry(&request.source).or_insert_with(|| surroundings.connect(source));
        }
        let upstreams = &upstreams;
        let fetched = futures_util::stream::iter(left)
            .map(|(object, requests)| async move { (*object, self.one(object, requests, upstreams).await) });
        let mut fetched = fetched.buffer_unordered(AT_ONCE);
        let mut came = 0_usize;
        while let Some((object, fetched)) = fetched.next().await {
            match fetched? {
                // Its bytes and itself were counted as they came over the wire.
                Fetched::From(source) => {
                    outcome.from.insert(object, format!("source \"{source}\""));
                    came += 1;
                    if came.is_multiple_of(SHOWN_AT_ONCE) {
                        self.show(outcome, mender)?;
                    }
                }
                Fetched::Nowhere(reasons) => {
                    let file = &self.seen.objects[&object].names[0].file;
                    let text = reasons.iter().map(|reason| &*reason.text).collect::<Vec<_>>().join("; ");
                    self.reporter.package_failed(file, &text);
                    outcome.reasons.entry(object).or_default().extend(reasons);
                }
            }
        }
        Ok(())
    }

    /// Asks for one object by each of its names, until its digest is right.
    async fn one(
        &self,
        object: &ObjectId,
        requests: &[Request],
        upstreams: &BTreeMap<&SourceName, Result<Option<Http>, Error>>,
    ) -> Result<Fetched, Error> {
        let mut reasons = Vec::new();
        let here = |error: Error| {
            let reason = Reason { class: Class::Host, text: in_one_line(&error) };
            if ends_all(&error) { Err(error) } else { Ok(Fetched::Nowhere(vec![reason])) }
        };
        let arriving = match self.restoring.begin(object, requests[0].size) {
            Ok(Some(arriving)) => arriving,
            Ok(None) => return Ok(Fetched::From(requests[0].source.clone())),
            Err(error) => return here(host(error)),
        };
        let mut sink = ObjectSink(arriving);
        for request in requests {
            let source = &request.source;
            let http = match &upstreams[source] {
                Ok(Some(http)) => http,
                Ok(None) => continue,
                Err(error) => {
                    reasons.push(Reason { class: Class::Upstream, text: in_one_line(error) });
                    continue;
                }
            };
            let (class, text) = match http.package(&request.as_package(), &mut sink, self.reporter).await {
                Ok(()) => {
                    if let Err(error) = sink.0.settle() {
                        return here(host(error));
                    }
                    self.reporter.package_stored(&request.file);
                    return Ok(Fetched::From(source.clone()));
                }
                Err(error @ (sources::Error::Sink { .. } | sources::Error::Client(_))) => return here(error.into()),
                Err(error @ sources::Error::NotFound(_)) => (Class::Damaged, in_one_line(&error)),
                Err(error) => (error.class(), in_one_line(&error)),
            };
            reasons.push(Reason { class, text });
        }
        // Where nothing came, nothing is left behind.
        if sink.0.is_empty()
            && let Err(error) = sink.0.discard()
        {
            return here(host(error));
        }
        Ok(Fetched::Nowhere(reasons))
    }
}

/// Whether the file at `path` is this object; of one of another size no byte is read.
fn is_object(path: &Path, size: u64, object: &ObjectId) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.len() == size && hash(path)? == *object)
}

enum Fetched {
    From(SourceName),
    Nowhere(Vec<Reason>),
}

fn host(error: RestoreError) -> Error {
    match error {
        RestoreError::Pool(error) => error.into(),
        error @ (RestoreError::Busy { .. } | RestoreError::Read { .. } | RestoreError::WrongBytes { .. }) => {
            crate::backup::Error::from(error).into()
        }
    }
}

/// What a delta of a bundle is over, if it is here: whether it is right is told by whoever applies the delta.
fn base_of(mirror: &Mirror<'_>, base: &ObjectId) -> Result<Option<Vec<u8>>, bundle::Error> {
    let path = mirror.pool.path(base);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(delta::LARGEST_TARGET as u64 + 1).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(durable::Error::new("read", path, cause).into()),
    }
}

/// Takes the bytes of one object and no others. Its digest is what it was verified by when it first came.
struct ObjectSink<'r>(Arriving<'r>);

fn judged(result: Result<(), RestoreError>) -> Result<(), SinkError> {
    result.map_err(|error| match error {
        RestoreError::Pool(crate::pool::Error::Disk(error)) => SinkError::Host(io::Error::new(error.kind(), error)),
        error => SinkError::Wrong(error.to_string()),
    })
}

impl PackageSink for ObjectSink<'_> {
    fn offset(&self) -> u64 {
        self.0.len()
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        judged(self.0.restart())
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        judged(self.0.feed(chunk))
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        judged(self.0.check())
    }
}
