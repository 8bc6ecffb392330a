//! What the pool lacks is fetched into it, verified while it arrives.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Error;
use super::indexes::Upstream;
use super::want::Lacking;
use crate::apk::names::SourceName;
use crate::apk::v2::sections::Limits;
use crate::apk::{Entry, Identity, Sha1Policy};
use crate::error::{Class, Trouble};
use crate::jobs::error::in_one_line;
use crate::pool::{self, Incoming, Pool};
use crate::report::Reporter;
use crate::sources::seed::Supplied;
use crate::sources::{self, PackageRequest, PackageSink, SinkError};
use crate::verify::package::{PackageVerifier, Promise, VerifiedPackage};

/// What came of one package.
pub(super) struct Fetched {
    /// Its place among those that were lacking.
    pub(super) at: usize,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// It is in the pool; so many bytes came over the wire.
    Stored { wire_bytes: u64 },
    /// It did not come, or was refused.
    Failed { class: Class, code: String, reason: String },
}

/// What is still to be fetched from one source. Each source has its own, so that a slow one keeps no other waiting.
struct Queue {
    groups: std::vec::IntoIter<Vec<(usize, Lacking)>>,
    under_way: usize,
    limit: usize,
}

impl Queue {
    fn next(&mut self) -> Option<Vec<(usize, Lacking)>> {
        let group = (self.under_way < self.limit).then(|| self.groups.next()).flatten()?;
        self.under_way += 1;
        Some(group)
    }
}

/// A queue for each source, of the packages that come from it; a group goes with its first package's.
fn queues(lacking: &[(usize, Lacking)], connections: impl Fn(&SourceName) -> usize) -> BTreeMap<SourceName, Queue> {
    let mut groups: BTreeMap<SourceName, Vec<Vec<(usize, Lacking)>>> = BTreeMap::new();
    for group in by_identity(lacking) {
        let source = group[0].1.key.source.clone();
        groups.entry(source).or_default().push(group.into_iter().cloned().collect());
    }
    let queue = |(source, groups): (SourceName, Vec<_>)| {
        // One more task than connections keeps every connection busy while a package is put into its place.
        let limit = connections(&source) + 1;
        (source, Queue { groups: groups.into_iter(), under_way: 0, limit })
    };
    groups.into_iter().map(queue).collect()
}

/// Fetches all of `lacking` from their sources. Ends early only for this host's trouble.
pub(super) async fn fetch(
    pool: &Pool,
    upstreams: &BTreeMap<SourceName, Arc<Upstream>>,
    lacking: &[(usize, Lacking)],
    reporter: &Arc<dyn Reporter>,
) -> Result<Vec<Fetched>, Error> {
    let mut queues = queues(lacking, |source| upstreams[source].connections);
    let mut under_way: JoinSet<Result<(SourceName, Vec<Fetched>), Error>> = JoinSet::new();
    let mut done = Vec::with_capacity(lacking.len());
    loop {
        for (source, queue) in &mut queues {
            while let Some(group) = queue.next() {
                let group: Vec<_> = group
                    .into_iter()
                    .map(|(at, lacking)| (at, Arc::clone(&upstreams[&lacking.key.source]), lacking))
                    .collect();
                let (source, pool, reporter) = (source.clone(), pool.clone(), Arc::clone(reporter));
                under_way.spawn(async move {
                    let mut done = Vec::with_capacity(group.len());
                    for (at, upstream, lacking) in group {
                        let outcome = fetch_one(&pool, &upstream, &lacking, &reporter).await?;
                        match &outcome {
                            Outcome::Stored { .. } => reporter.package_stored(lacking.entry.file()),
                            Outcome::Failed { reason, .. } => reporter.package_failed(lacking.entry.file(), reason),
                        }
                        done.push(Fetched { at, outcome });
                    }
                    Ok((source, done))
                });
            }
        }
        match under_way.join_next().await {
            None => return Ok(done),
            Some(Ok(result)) => {
                let (source, fetched) = result?;
                if let Some(queue) = queues.get_mut(&source) {
                    queue.under_way -= 1;
                }
                done.extend(fetched);
            }
            Some(Err(crash)) => return Err(Error::Crashed(crash)),
        }
    }
}

/// What is lacking, in its order, by identity. A package arrives in the pool under its identity, one at a time; indexes may
/// well list one identity twice, by right (the same package signed anew has another size) or wrongly.
fn by_identity(lacking: &[(usize, Lacking)]) -> Vec<Vec<&(usize, Lacking)>> {
    let mut places: HashMap<Identity, usize> = HashMap::new();
    let mut groups: Vec<Vec<&(usize, Lacking)>> = Vec::new();
    for one in lacking {
        let place = *places.entry(*one.1.entry.identity()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

async fn fetch_one(
    pool: &Pool,
    upstream: &Upstream,
    lacking: &Lacking,
    reporter: &Arc<dyn Reporter>,
) -> Result<Outcome, Error> {
    let entry = &lacking.entry;
    // Clients build the path from `A:`; so do we.
    let arch = entry.arch().unwrap_or(&lacking.key.arch);
    let request = PackageRequest { path: &lacking.key.path, arch, file: entry.file(), size: entry.size() };
    let mut sink = PoolSink::begin(pool, entry, upstream.sha1)?;
    let held = sink.offset();
    let mut wire_bytes = 0;
    let seeded = match upstream.seed.is_empty() {
        true => Supplied::Nothing,
        false => upstream.seed.supply(&request, &mut sink)?,
    };
    if seeded == Supplied::Nothing {
        match upstream.http.package(&request, &mut sink, &**reporter).await {
            Ok(()) => wire_bytes = entry.size().saturating_sub(held),
            Err(error @ (sources::Error::Sink { .. } | sources::Error::Client(_))) => return Err(error.into()),
            Err(error) => {
                let (class, code) = (error.class(), error.code().to_owned());
                return Ok(Outcome::Failed { class, code, reason: in_one_line(&error) });
            }
        }
    }
    let (incoming, package) = sink.into_parts().expect("a content sink holds a verified package");
    let pool = pool.clone();
    // May flush a whole batch.
    tokio::task::spawn_blocking(move || pool.insert(incoming, &package)).await.map_err(Error::Crashed)??;
    Ok(Outcome::Stored { wire_bytes })
}

/// Verifies a package's bytes while it puts them into the pool's incoming folder.
struct PoolSink {
    entry: Entry,
    sha1: Sha1Policy,
    incoming: Incoming,
    verifier: PackageVerifier,
    verified: Option<VerifiedPackage>,
}

impl PoolSink {
    /// Takes up what an earlier run left, after verifying it again: it may be torn.
    fn begin(pool: &Pool, entry: &Entry, sha1: Sha1Policy) -> Result<Self, pool::Error> {
        let mut incoming = pool.begin(entry.identity())?;
        let mut verifier = verifier(entry, sha1);
        if !incoming.is_empty() {
            let mut reader = incoming.reader()?;
            let mut buffer = vec![0; 256 << 10];
            let good = loop {
                match io::Read::read(&mut reader, &mut buffer) {
                    Ok(0) => break true,
                    Ok(length) if verifier.feed(&buffer[..length]).is_ok() => {}
                    Ok(_) | Err(_) => break false,
                }
            };
            drop(reader);
            if !good || verifier.taken() != incoming.len() {
                incoming.truncate(0)?;
                verifier = self::verifier(entry, sha1);
            }
        }
        Ok(PoolSink { entry: entry.clone(), sha1, incoming, verifier, verified: None })
    }

    fn into_parts(self) -> Option<(Incoming, VerifiedPackage)> {
        Some((self.incoming, self.verified?))
    }
}

fn verifier(entry: &Entry, sha1: Sha1Policy) -> PackageVerifier {
    PackageVerifier::new(Promise::Entry(entry.clone()), Limits::default()).under(sha1)
}

fn host(error: pool::Error) -> SinkError {
    let kind = match &error {
        pool::Error::Disk(error) => error.kind(),
        _ => io::ErrorKind::Other,
    };
    SinkError::Host(io::Error::new(kind, error))
}

impl PackageSink for PoolSink {
    fn offset(&self) -> u64 {
        self.verifier.taken()
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        self.verifier = verifier(&self.entry, self.sha1);
        self.verified = None;
        self.incoming.truncate(0).map_err(host)
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
        self.verifier.feed(chunk).map_err(|error| SinkError::Wrong(in_one_line(&error)))?;
        self.incoming.write(chunk).map_err(host)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let verifier = std::mem::replace(&mut self.verifier, verifier(&self.entry, self.sha1));
        match verifier.finish() {
            Ok(package) => {
                self.verified = Some(package);
                Ok(())
            }
            Err(error) => Err(SinkError::Wrong(in_one_line(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::IndexKey;

    fn lacking(source: &str, number: u8) -> Lacking {
        use base64::Engine as _;
        let identity = base64::engine::general_purpose::STANDARD.encode([number; 20]);
        let text = format!("C:Q1{identity}\nP:p{number}\nV:1-r0\nA:x86_64\nS:1\nI:1\nT:a package\n");
        let key =
            IndexKey { source: source.parse().unwrap(), path: "main".to_owned(), arch: "x86_64".parse().unwrap() };
        Lacking { key, entry: Entry::parse(&text).unwrap(), wish: 0 }
    }

    #[test]
    fn a_source_that_brings_nothing_keeps_no_other_waiting() {
        // All of the slow source's packages stand first.
        let slow = (0..50).map(|number| lacking("slow", number));
        let all: Vec<_> = slow.chain((50..60).map(|number| lacking("fast", number))).enumerate().collect();
        let mut queues = queues(&all, |_| 2);
        let mut taken = |source: &str| {
            let queue = queues.get_mut(&source.parse::<SourceName>().unwrap()).unwrap();
            std::iter::from_fn(|| queue.next()).map(|group| group[0].0).collect::<Vec<_>>()
        };
        assert_eq!(taken("slow"), [0, 1, 2], "one more than it has connections");
        assert_eq!(taken("fast"), [50, 51, 52]);
        queues.get_mut(&"fast".parse::<SourceName>().unwrap()).unwrap().under_way -= 2;
        let fast = queues.get_mut(&"fast".parse::<SourceName>().unwrap()).unwrap();
        assert_eq!(std::iter::from_fn(|| fast.next()).map(|group| group[0].0).collect::<Vec<_>>(), [53, 54]);
    }
}
