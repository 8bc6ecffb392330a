//! Sums over everything that was served since the start. They only grow, but for the connections that are open.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `APKINDEX.tar.gz`.
    Index,
    /// An `.apk` file.
    Package,
    /// A page, such as that of a folder.
    Page,
    /// Other files, and what could not be read as a request.
    Other,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Index, Kind::Package, Kind::Page, Kind::Other];

    /// Of a file, by the target that was asked for, its query left out.
    pub(super) fn of(path: &str) -> Kind {
        match path.rsplit('/').next().unwrap_or_default() {
            "APKINDEX.tar.gz" => Kind::Index,
            name if name.ends_with(".apk") => Kind::Package,
            _ => Kind::Other,
        }
    }

    /// As a word for a label.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Index => "index",
            Kind::Package => "package",
            Kind::Page => "page",
            Kind::Other => "other",
        }
    }
}

/// Why a connection was closed on a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its TLS handshake failed: it does not believe our certificate, or showed none that we do.
    Handshake,
    /// It began a request and did not end it in time.
    Head,
    /// It asked nothing for a while, or nothing at all. No fault of anybody's.
    Idle,
    /// It took too little of a reply, or nothing.
    Slow,
    /// All places were taken, and it had been idle for longest.
    Full,
    /// Its address had all places that one address may have.
    Address,
}

impl Cut {
    const ALL: [Cut; 6] = [Cut::Handshake, Cut::Head, Cut::Idle, Cut::Slow, Cut::Full, Cut::Address];

    /// As a word for a label.
    pub fn word(self) -> &'static str {
        match self {
            Cut::Handshake => "handshake",
            Cut::Head => "head",
            Cut::Idle => "idle",
            Cut::Slow => "slow",
            Cut::Full => "full",
            Cut::Address => "address",
        }
    }
}

/// Upper bounds of the latencies that are counted together, in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
];

/// How many there were of everything.
#[derive(Debug, Default)]
pub struct Traffic {
    /// By kind, then by status class from 1xx on.
    requests: [[AtomicU64; 5]; 4],
    bytes: [AtomicU64; 4],
    /// By bound; the last for what is above all.
    latencies: [AtomicU64; BOUNDS.len() + 1],
    latency_micros: AtomicU64,
    accepted: AtomicU64,
    open: AtomicU64,
    cuts: [AtomicU64; Cut::ALL.len()],
}

/// How long replies took to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    /// For each bound in seconds, how many took at most so long.
    pub up_to: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long they took together, in seconds.
    pub sum: f64,
}

impl Traffic {
    /// Requests by what was asked for and by the first digit of the reply's status.
    pub fn requests(&self) -> impl Iterator<Item = (Kind, u16, u64)> {
        Kind::ALL.into_iter().zip(&self.requests).flat_map(|(kind, classes)| {
            (1..).zip(classes).map(move |(class, count)| (kind, class, count.load(Relaxed)))
        })
    }

    /// Bytes of bodies that were sent.
    pub fn bytes(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(&self.bytes).map(|(kind, bytes)| (kind, bytes.load(Relaxed)))
    }

    /// From a request's arrival until the reply's head was ready.
    pub fn latencies(&self) -> Latencies {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(BOUNDS.len());
        for (bound, one) in BOUNDS.iter().zip(&self.latencies) {
            count += one.load(Relaxed);
            up_to.push((*bound as f64 / 1e6, count));
        }
        count += self.latencies[BOUNDS.len()].load(Relaxed);
        Latencies { up_to, count, sum: self.latency_micros.load(Relaxed) as f64 / 1e6 }
    }

    /// Connections that were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Connections that were closed on their clients.
    pub fn cuts(&self) -> impl Iterator<Item = (Cut, u64)> {
        Cut::ALL.into_iter().zip(&self.cuts).map(|(cut, count)| (cut, count.load(Relaxed)))
    }

    pub(super) fn came(&self) {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
    }

    pub(super) fn went(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(super) fn cut(&self, why: Cut) {
        self.cuts[why as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn began(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latencies[BOUNDS.partition_point(|bound| *bound < micros)].fetch_add(1, Relaxed);
        self.latency_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn answered(&self, kind: Kind, status: u16, bytes: u64) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[kind as usize][class].fetch_add(1, Relaxed);
        self.bytes[kind as usize].fetch_add(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_name() {
        for (path, kind) in [
            ("/v3.23/main/x86_64/APKINDEX.tar.gz", Kind::Index),
            ("/v3.23/main/x86_64/a%7e1-r0.apk", Kind::Package),
            ("/keys/a.rsa.pub", Kind::Other),
            ("/.apk/", Kind::Other),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
        for (at, cut) in Cut::ALL.into_iter().enumerate() {
            assert_eq!(cut as usize, at);
        }
    }

    #[test]
    fn a_latency_counts_below_its_own_bound_and_all_above() {
        let traffic = Traffic::default();
        for micros in [250, 251, 1_000, 20_000_000] {
            traffic.began(Duration::from_micros(micros));
        }
        let latencies = traffic.latencies();
        assert_eq!(latencies.up_to[..3], [(0.00025, 1), (0.0005, 2), (0.001, 3)]);
        assert_eq!((latencies.up_to[13], latencies.count), ((10.0, 3), 4));
        assert_eq!(latencies.sum, 20.001501);
    }

    #[test]
    fn odd_statuses_have_a_class() {
        let traffic = Traffic::default();
        for status in [206, 999, 0] {
            traffic.answered(Kind::Package, status, 5);
        }
        let counted: Vec<_> = traffic.requests().filter(|(_, _, count)| *count > 0).collect();
        assert_eq!(counted, [(Kind::Package, 1, 1), (Kind::Package, 2, 1), (Kind::Package, 5, 1)]);
        assert_eq!(traffic.bytes().nth(1), Some((Kind::Package, 15)));
    }
}
