//! Adds requests up, one by one.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::known::{INDEX, Known};
use super::log::Request;
use super::path::path_of;
use super::probe;
use super::top::Top;

/// Clients, packages and paths of which counts are kept at the least; twice as many before the lightest go.
const CLIENTS: usize = 20_000;
const PACKAGES: usize = 20_000;
const PATHS: usize = 5_000;
/// Clients that are told apart when they are counted.
pub(super) const DISTINCT: usize = 500_000;
/// Longest path that is remembered, in bytes; what is behind it does not tell paths apart.
const LONGEST_PATH: usize = 1024;
/// Longest file name that is remembered, in bytes: what is longer is no file of ours, whatever a server answers.
const LONGEST_NAME: usize = 255;
/// Clients that were sent what a scanner hopes for.
const ANSWERED: usize = 1000;
/// Requests of one client that are remembered as samples.
const SAMPLES: usize = 3;
/// Clients that one path tells apart.
const ASKERS: usize = 100;
/// Repositories' folders that are remembered of one client.
const VISITED: usize = 64;

/// So many requests that found nothing, from one client, in so short a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// How many; 2 to 1000.
    pub count: u16,
    /// In how many seconds.
    pub seconds: u32,
}

/// What is counted, and what is remarkable.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Seconds since 1970 before which nothing counts.
    pub since: Option<i64>,
    /// Seconds since 1970 from which on nothing counts.
    pub until: Option<i64>,
    /// A client that fetches packages so many seconds after its last index works with an old one.
    pub stale: i64,
    /// What a burst is.
    pub burst: Burst,
}

/// Sums of requests.
#[derive(Debug)]
pub struct Tally<'k> {
    pub(super) known: &'k Known,
    pub(super) rules: Rules,
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) left_out: u64,
    pub(super) span: Option<(i64, i64)>,
    pub(super) statuses: BTreeMap<u16, u64>,
    /// By folder; the last is for what lies in none.
    pub(super) folders: Vec<Requests>,
    /// By folder's place and file name.
    pub(super) packages: Top<String, u64>,
    pub(super) clients: Top<String, Client>,
    pub(super) distinct: HashSet<u64>,
    /// By client: what scanners were sent. Kept apart, because one such request weighs more than all else.
    pub(super) answered: BTreeMap<String, Answered>,
    pub(super) missing: Top<String, Missing>,
    /// By status and path: what is refused, or failed.
    pub(super) troubles: Top<String, Missing>,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Requests {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) indexes: u64,
    pub(super) packages: u64,
    pub(super) not_found: u64,
}

/// One client.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    pub(super) bytes: u64,
    pub(super) not_found: u64,
    pub(super) agent: String,
    pub(super) folders: Vec<usize>,
    /// When it last was sent an index, or told that its own is still right.
    pub(super) last_index: Option<i64>,
    pub(super) last_package: Option<i64>,
    /// Packages that it asked for after they had left the index.
    pub(super) old: u64,
    /// The one of them that left first, and when.
    pub(super) oldest: Option<(i64, String)>,
    pub(super) probes: u64,
    pub(super) probe_samples: Vec<String>,
    pub(super) burst: Option<Bursting>,
    recent: VecDeque<i64>,
}

/// What one scanner was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    pub(super) requests: u64,
    pub(super) samples: Vec<String>,
}

/// All of a client's bursts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bursting {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) requests: u64,
}

/// A path that was asked for in vain.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) askers: HashSet<u64>,
    pub(super) asker: String,
}

impl Missing {
    fn note(&mut self, request: &Request<'_>, client: u64) {
        if self.askers.is_empty() {
            (self.first, self.last) = (request.time, request.time);
            self.asker = request.client.as_ref().to_owned();
        }
        self.first = self.first.min(request.time);
        self.last = self.last.max(request.time);
        if self.askers.len() < ASKERS {
            self.askers.insert(client);
        }
    }

    /// By how many clients it was asked for, in words.
    pub(super) fn by(&self) -> String {
        match self.askers.len() {
            1 => self.asker.clone(),
            ASKERS.. => format!("{ASKERS} clients or more"),
            count => format!("{count} clients"),
        }
    }
}

impl<'k> Tally<'k> {
    /// Nothing is counted yet.
    pub fn new(known: &'k Known, rules: Rules) -> Self {
        Tally {
            known,
            rules,
            requests: 0,
            bytes: 0,
            left_out: 0,
            span: None,
            statuses: BTreeMap::new(),
            folders: vec![Requests::default(); known.folders.len() + 1],
            packages: Top::new(PACKAGES),
            clients: Top::new(CLIENTS),
            distinct: HashSet::new(),
            answered: BTreeMap::new(),
            missing: Top::new(PATHS),
            troubles: Top::new(PATHS),
        }
    }

    /// Counts one request. Those of one client should come in the order of their time: bursts are seen in it.
    pub fn count(&mut self, request: &Request<'_>) {
        let time = request.time;
        if self.rules.since.is_some_and(|since| time < since) || self.rules.until.is_some_and(|until| time >= until) {
            self.left_out += 1;
            return;
        }
        self.requests += 1;
        self.bytes += request.bytes;
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        *self.statuses.entry(request.status).or_default() += 1;
        let number = hash(&request.client);
        if self.distinct.len() < DISTINCT {
            self.distinct.insert(number);
        }

        let located = self.known.locate(&request.target);
        let is_sent = matches!(request.status, 200 | 206) && request.method == "GET";
        let is_missing = matches!(request.status, 404 | 410);
        let at = located.as_ref().map_or(self.known.folders.len(), |(at, _)| *at);
        let sums = &mut self.folders[at];
        sums.requests += 1;
        sums.bytes += request.bytes;
        sums.not_found += u64::from(is_missing);

        let client = self.clients.of(request.client.as_ref(), 1);
        client.bytes += request.bytes;
        if client.agent.is_empty() {
            client.agent = cut(&request.agent, 200).to_owned();
        }
        if client.folders.len() < VISITED && !client.folders.contains(&at) {
            client.folders.push(at);
        }
        if let Some((at, file)) = &located {
            if file == INDEX && matches!(request.status, 200 | 206 | 304) {
                sums.indexes += 1;
                client.last_index = client.last_index.max(Some(time));
            } else if file.ends_with(".apk") && (is_sent || is_missing) {
                if is_sent {
                    sums.packages += 1;
                    client.last_package = client.last_package.max(Some(time));
                    *self.packages.of(format!("{at}/{}", cut(file, LONGEST_NAME)).as_str(), 1) += request.bytes;
                }
                let left = self.known.folders[*at].files.get(file.as_str()).and_then(|life| life.left);
                if let Some(left) = left.map(|left| left.as_second()).filter(|left| time > *left) {
                    client.old += 1;
                    if client.oldest.as_ref().is_none_or(|(oldest, _)| left < *oldest) {
                        client.oldest = Some((left, file.clone()));
                    }
                }
            }
        } else if let Some(probe) = client.probe(request)
            && is_sent
            && probe == Probe::OfWhatIsThere
            && (self.answered.len() < ANSWERED || self.answered.contains_key(request.client.as_ref()))
        {
            let answered = self.answered.entry(request.client.as_ref().to_owned()).or_default();
            answered.requests += 1;
            sample(&mut answered.samples, &request.target);
        }
        if is_missing {
            client.miss(time, self.rules.burst);
            self.missing.of(cut(path_of(&request.target), LONGEST_PATH), 1).note(request, number);
        }
        let is_trouble =
            request.status >= 500 || request.status == 403 && located.is_some_and(|(_, file)| !file.is_empty());
        if is_trouble {
            let key = format!("{} {}", request.status, cut(path_of(&request.target), LONGEST_PATH));
            self.troubles.of(key.as_str(), 1).note(request, number);
        }
    }
}

/// What a scanner hopes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// A file that is shown, or a server that speaks something else.
    OfWhatIsThere,
    /// Software that minds a query; whatever is sent says nothing.
    OfAQuery,
}

/// Adds a target to some, if they are few and it is another one.
fn sample(list: &mut Vec<String>, target: &str) {
    let target = cut(target, 200);
    if list.len() < SAMPLES && !list.iter().any(|known| known == target) {
        list.push(target.to_owned());
    }
}

impl Client {
    fn probe(&mut self, request: &Request<'_>) -> Option<Probe> {
        // What is no HTTP at all is sent by those who try other protocols; an empty line by those who only connect.
        let is_other = request.method.is_empty() && !matches!(request.target.as_ref(), "" | "-");
        if !is_other && probe::probing(&request.target).is_none() {
            return None;
        }
        self.probes += 1;
        sample(&mut self.probe_samples, &request.target);
        let by_path = is_other || probe::probing_path(&request.target).is_some();
        Some(if by_path { Probe::OfWhatIsThere } else { Probe::OfAQuery })
    }

    fn miss(&mut self, time: i64, burst: Burst) {
        self.not_found += 1;
        self.recent.push_back(time);
        let count = usize::from(burst.count.max(2));
        while self.recent.len() > count {
            self.recent.pop_front();
        }
        let Some(first) = self
            .recent
            .front()
            .copied()
            .filter(|first| self.recent.len() == count && first.abs_diff(time) <= u64::from(burst.seconds))
        else {
            return;
        };
        let bursting = self.burst.get_or_insert(Bursting { first, last: first, requests: 0 });
        // The first window counts whole, each further request of it for itself.
        bursting.requests += if first > bursting.last || bursting.requests == 0 { count as u64 } else { 1 };
        bursting.last = bursting.last.max(time);
    }
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
