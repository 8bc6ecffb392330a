//! Every URL of a source compared, for each index that the configuration takes from it: who answers, who is behind, whose
//! packages are not all there, whose signature is good. For that nothing is changed and no lock is taken. And a signer that is
//! held back is accepted.

mod accept;
mod compare;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::sync::judge::{self, Behind, Current, GoingBack, Judgement, Standing};
use super::sync::keys_of;
use super::upstream::Surroundings;
use super::{Error, Mirror, ProxyVariables, keyring, trust};
use crate::apk::names::{Arch, SourceName};
use crate::apk::v2::sections::Limits;
use crate::apk::{Entry, ObjectId, Sha1Policy};
use crate::config::{Config, Source};
use crate::error::{Class, Trouble};
use crate::finding::{Finding, Severity};
use crate::ledger::{Ledger, Trust};
use crate::report::Reporter;
use crate::snapshot::IndexKey;
use crate::sources;
use crate::sources::PackageRequest;
use crate::sources::http::{Http, HttpSettings, IndexReply, IndexRequest, Presence};
use crate::verify::{self, Keyring, VerifiedIndex};

pub use accept::{AcceptSignerReport, AcceptSignerRequest, AcceptedSigner, accept_signer};

/// How many packages of an index are looked for at each URL, evenly spread over it.
const SAMPLE: usize = 12;
/// Attempts at each file: a look is not worth the patience of a sync.
const ATTEMPTS: u32 = 2;
/// How many indexes are asked for at once, over all sources; each URL bounds its own connections.
const AT_ONCE: usize = 16;

/// What is asked.
#[derive(Clone, Debug)]
pub struct SourceCheckRequest {
    /// Only this source; absent: every one with a URL.
    pub only: Option<SourceName>,
    /// The time of the call.
    pub now: Timestamp,
    /// The environment's proxies, for sources that name none of their own.
    pub proxies: ProxyVariables,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct SourceCheckReport {
    /// All that is wrong.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub checked: Checked,
    /// Each index, with what each URL has of it.
    pub indexes: Vec<Compared>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Sources with a URL.
    pub sources: u64,
    /// Their URLs.
    pub urls: u64,
    /// Indexes, each at each URL.
    pub indexes: u64,
    /// Packages looked for.
    pub packages: u64,
}

/// One index at all URLs of its source.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Which index.
    #[serde(flatten)]
    pub key: IndexKey,
    /// What the last sync accepted of it.
    pub accepted: Option<State>,
    /// What each URL has, in the configuration's order.
    pub urls: Vec<AtUrl>,
}

/// One state of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// SHA-256 of the index file.
    pub digest: ObjectId,
    /// Upstream's words for it.
    pub description: Option<String>,
}

/// What one URL has of an index.
#[derive(Clone, Debug, Serialize)]
pub struct AtUrl {
    /// The source's URL, as it may be shown.
    pub url: String,
    /// `current`, `behind`, `differs` or `incomplete`; `lagging`, `older` or `new-signer` where a sync would not take it; else the
    /// code of what went wrong.
    pub status: &'static str,
    /// Its state, if it came and is signed by a key that is trusted for it.
    #[serde(flatten)]
    pub state: Option<State>,
    /// How many packages it lists.
    pub entries: Option<u64>,
    /// Who signed it, of those that are trusted.
    pub signers: Vec<String>,
    /// When the server says that it was changed.
    pub last_modified: Option<Timestamp>,
    /// How long ago that was, seconds.
    pub age_seconds: Option<u64>,
    /// How many of its packages were looked for.
    pub sampled: u64,
    /// Those that are not there.
    pub missing: Vec<String>,
    #[serde(skip)]
    troubles: Vec<(Class, Finding)>,
}

impl SourceCheckReport {
    /// Whose trouble it is, if there is any.
    pub fn worst(&self) -> Option<Class> {
        let urls = self.indexes.iter().flat_map(|index| &index.urls);
        Class::worst(urls.flat_map(|url| &url.troubles).map(|(class, _)| *class))
    }
}

/// Looks at every URL.
///
/// # Errors
/// When it cannot look: a source that is not configured, files of keys or secrets that cannot be used. What servers do is a
/// finding.
pub async fn check(
    config: &Config,
    request: &SourceCheckRequest,
    reporter: Arc<dyn Reporter>,
) -> Result<SourceCheckReport, Error> {
    if let Some(name) = request.only.as_ref().filter(|name| !config.sources.contains_key(name)) {
        return Err(no_such_source(config, name));
    }
    let surroundings = Surroundings::new(config, &request.proxies, request.now);
    let mut checked = Checked::default();
    let mut asked = BTreeMap::new();
    for source in config.sources.values().filter(|source| request.only.as_ref().is_none_or(|name| *name == source.name))
    {
        let Some(settings) = surroundings.settings(source)? else { continue };
        let looked_at = LookedAt::new(source, &settings, config.policy.sha1)?;
        checked.sources += 1;
        checked.urls += looked_at.urls.len() as u64;
        asked.insert(source.name.clone(), looked_at);
    }
    let keys: Vec<IndexKey> = keys_of(&config.repositories.iter().collect::<Vec<_>>())
        .into_iter()
        .filter(|key| asked.contains_key(&key.source))
        .collect();
    let memory = Memory::load(config, &keys)?;
    let look = |key: IndexKey| {
        let (looked_at, memory, reporter, now) = (&asked[&key.source], memory.as_ref(), &reporter, request.now);
        async move {
            let looking = Looking { key: &key, keyring: &looked_at.keyring, memory, now };
            let urls = stream::iter(&looked_at.urls).then(|http| at_url(http, &looking, &**reporter));
            let urls = urls.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>, Error>>()?;
            let accepted = memory.and_then(|memory| memory.accepted.get(&key)).map(|accepted| accepted.state.clone());
            Ok(compare::compare(Compared { key, accepted, urls }))
        }
    };
    let indexes: Vec<Result<Compared, Error>> = stream::iter(keys).map(look).buffered(AT_ONCE).collect().await;
    let indexes = indexes.into_iter().collect::<Result<Vec<_>, Error>>()?;
    let at_urls = || indexes.iter().flat_map(|index| &index.urls);
    checked.indexes = at_urls().count() as u64;
    checked.packages = at_urls().map(|url| url.sampled).sum();
    let findings = at_urls().flat_map(|url| &url.troubles).map(|(_, finding)| finding.clone()).collect();
    Ok(SourceCheckReport { findings, checked, indexes })
}

/// One source, each URL by itself.
struct LookedAt {
    urls: Vec<Http>,
    keyring: Keyring,
}

impl LookedAt {
    fn new(source: &Source, settings: &HttpSettings, sha1: Sha1Policy) -> Result<Self, Error> {
        let keyring =
            keyring::load(&source.keyring).map_err(|cause| Error::Keyring { of: source.name.clone(), cause })?;
        let keyring = keyring.under(sha1);
        let alone = |url: &url::Url| {
            let mut alone = HttpSettings { urls: vec![url.clone()], ..settings.clone() };
            alone.backoff.attempts = ATTEMPTS;
            Http::new(alone)
        };
        let urls = settings.urls.iter().map(alone).collect::<Result<Vec<_>, _>>()?;
        Ok(LookedAt { urls, keyring })
    }
}

fn no_such_source(config: &Config, name: &SourceName) -> Error {
    let likeness = |known: &&SourceName| strsim::jaro(known.as_str(), name.as_str());
    let nearest = config.sources.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    Error::NoSuchSource { name: name.clone(), nearest: nearest.filter(|near| likeness(near) > 0.7).cloned() }
}

/// What earlier syncs accepted. A mirror that was never synced has none.
struct Memory {
    ledger: Ledger,
    trust: Trust,
    accepted: BTreeMap<IndexKey, Accepted>,
}

/// What the last sync accepted of an index.
struct Accepted {
    id: String,
    state: State,
}

impl Memory {
    fn load(config: &Config, keys: &[IndexKey]) -> Result<Option<Self>, Error> {
        let mirror = match Mirror::open(config) {
            Ok(mirror) => mirror,
            Err(error) if error.code() == "no-store" => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(snapshot) = mirror.ledger.latest_snapshot()? else { return Ok(None) };
        let mut trust = trust::load(&mirror)?;
        let mut accepted = BTreeMap::new();
        for key in keys {
            let Some(id) = snapshot.accepted(key) else { continue };
            let record = mirror.ledger.accepted_record(id)?;
            trust::catch_up(&mirror, &mut trust, &record, id)?;
            let state = State { digest: record.index, description: record.description };
            accepted.insert(key.clone(), Accepted { id: id.to_owned(), state });
        }
        Ok(Some(Memory { ledger: mirror.ledger, trust, accepted }))
    }
}

/// One index that is looked at.
struct Looking<'l> {
    key: &'l IndexKey,
    keyring: &'l Keyring,
    memory: Option<&'l Memory>,
    now: Timestamp,
}

impl Looking<'_> {
    /// What a sync would say of an index from `url` that verifies.
    fn judge(&self, url: &str, index: &VerifiedIndex) -> Result<Option<Judgement>, Error> {
        let Some(memory) = self.memory else { return Ok(None) };
        let key = self.key;
        let standing = Standing {
            apart: None,
            key,
            keyring: self.keyring,
            trust: &memory.trust,
            current: memory.accepted.get(key).map_or(Current::Nothing, |accepted| Current::InForce(&accepted.id)),
            ledger: &memory.ledger,
            going_back: GoingBack::Refused,
        };
        judge::judge(&standing, url, index).map(Some)
    }
}

/// What one URL has of one index. Only this host's trouble is an error.
async fn at_url(http: &Http, looking: &Looking<'_>, reporter: &dyn Reporter) -> Result<AtUrl, Error> {
    let Looking { key, keyring, now, .. } = *looking;
    let url = http.shown_url(0).unwrap_or_default();
    let mut seen = AtUrl {
        url: url.trim_end_matches('/').to_owned(),
        status: "current",
        state: None,
        entries: None,
        signers: Vec::new(),
        last_modified: None,
        age_seconds: None,
        sampled: 0,
        missing: Vec::new(),
        troubles: Vec::new(),
    };
    let request = IndexRequest { path: &key.path, arch: &key.arch, known: &[], first_url: 0 };
    let (bytes, validators) = match http.index(&request, reporter).await {
        Ok(IndexReply::Fetched { bytes, validators, .. }) => (bytes, validators),
        // Nothing was known, so nothing can be unchanged; the client makes a fault of such an answer.
        Ok(IndexReply::Unchanged { .. }) => return Ok(seen),
        Err(error @ sources::Error::Client(_)) => return Err(error.into()),
        Err(error) => {
            seen.trouble(key, &error);
            return Ok(seen);
        }
    };
    let digest = ObjectId::new(Sha256::digest(&bytes).into());
    let modified = validators.last_modified.as_deref();
    seen.last_modified = modified.and_then(|text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
    seen.age_seconds = seen.last_modified.map(|time| u64::try_from(now.as_second() - time.as_second()).unwrap_or(0));
    match verify::index::verify(bytes, keyring, &key.arch, &Limits::default()) {
        Err(error) => seen.trouble(key, &error),
        Ok(index) => {
            seen.state = Some(State { digest, description: index.description().map(str::to_owned) });
            seen.entries = Some(index.entries().len() as u64);
            seen.signers = index.signers().iter().map(|signer| signer.key.to_string()).collect();
            if let Some(judgement) = looking.judge(&seen.url, &index)? {
                seen.take(key, judgement);
            }
            seen.sample(http, key, index.entries(), reporter).await?;
        }
    }
    Ok(seen)
}

impl AtUrl {
    fn subject(&self, key: &IndexKey) -> String {
        format!("{} at {}", key.place(), self.url)
    }

    /// Notes what went wrong with the whole index.
    fn trouble(&mut self, key: &IndexKey, error: &dyn Trouble) {
        self.note(error.class(), key, error.code(), Severity::Error, super::error::in_one_line(error), error.hint());
        self.status = error.code();
    }

    /// Notes why a sync would not take it, if it would not.
    fn take(&mut self, key: &IndexKey, judgement: Judgement) {
        let (class, word, severity, message, hint) = match judgement {
            Judgement::Good(_) => return,
            Judgement::Behind(Behind::Lag(lag), _) => {
                (Class::Upstream, compare::LAGGING, Severity::Warning, lag.told(), None)
            }
            Judgement::Behind(Behind::Elsewhere(setback), _) => {
                (setback.class, "misplaced", Severity::Error, setback.one_line(), setback.hint)
            }
            Judgement::Behind(Behind::Older(setback), _) => {
                (setback.class, "older", Severity::Error, setback.one_line(), setback.hint)
            }
            Judgement::Held(setback) => {
                (setback.class, "new-signer", Severity::Error, setback.one_line(), setback.hint)
            }
        };
        self.note(class, key, word, severity, message, hint);
        self.status = word;
    }

    fn note(
        &mut self,
        class: Class,
        key: &IndexKey,
        word: &'static str,
        severity: Severity,
        message: String,
        hint: Option<String>,
    ) {
        let finding = Finding { code: word, severity, subject: self.subject(key), message, hint };
        self.troubles.push((class, finding));
    }

    /// Looks for some packages of the index.
    async fn sample(
        &mut self,
        http: &Http,
        key: &IndexKey,
        entries: &[Entry],
        reporter: &dyn Reporter,
    ) -> Result<(), Error> {
        let chosen = spread(entries.len(), SAMPLE).map(|at| &entries[at]);
        let ask = |entry| async move { (entry, presence(http, &key.path, &key.arch, entry, reporter).await) };
        let answers: Vec<(&Entry, Result<Presence, sources::Error>)> =
            stream::iter(chosen).map(ask).buffered(SAMPLE).collect().await;
        let mut lengths = Vec::new();
        for (entry, answer) in answers {
            match answer {
                Ok(Presence::There) => {}
                Ok(Presence::Absent) => self.missing.push(entry.file().to_string()),
                Ok(Presence::OtherLength(length)) => {
                    lengths.push(format!("{} has {length} bytes, not {}", entry.file(), entry.size()));
                }
                Err(error @ sources::Error::Client(_)) => return Err(error.into()),
                Err(error) => {
                    self.trouble(key, &error);
                    return Ok(());
                }
            }
            self.sampled += 1;
        }
        if !lengths.is_empty() {
            self.status = "wrong-size";
            let message = format!("packages are not what the index says: {}", lengths.join(", "));
            self.note(Class::Refused, key, "wrong-size", Severity::Error, message, None);
        }
        if !self.missing.is_empty() {
            self.status = "incomplete";
            let (missing, sampled) = (self.missing.len(), self.sampled);
            let message =
                format!("{missing} of {sampled} packages looked for are not there: {}", self.missing.join(", "));
            self.note(Class::Upstream, key, "incomplete", Severity::Error, message, None);
        }
        Ok(())
    }
}

async fn presence(
    http: &Http,
    path: &str,
    arch: &Arch,
    entry: &Entry,
    reporter: &dyn Reporter,
) -> Result<Presence, sources::Error> {
    let arch = entry.arch().unwrap_or(arch);
    http.probe(&PackageRequest { path, arch, file: entry.file(), size: entry.size() }, reporter).await
}

/// At most `wanted` places of `count`, evenly spread, the first and the last among them; the same every time.
fn spread(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let chosen = count.min(wanted);
    (0..chosen).map(move |at| if chosen > 1 { at * (count - 1) / (chosen - 1) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_sample_is_spread_over_all_of_it() {
        let of = |count, wanted| spread(count, wanted).collect::<Vec<_>>();
        assert!(of(0, 4).is_empty());
        assert_eq!(of(1, 4), [0]);
        assert_eq!(of(3, 4), [0, 1, 2]);
        assert_eq!(of(10, 4), [0, 3, 6, 9]);
        assert_eq!(of(25_392, 12).last(), Some(&25_391));
    }
}
