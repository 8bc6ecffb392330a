//! Repositories that list entries and hold no packages, and what the real apk would install from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bivouac::apk::v2::index;
use bivouac::apk::v2::sections::{Limits, split_index};
use bivouac::apk::{Arch, Entry, ObjectId};
use bivouac::merge::{Layer, Prefer, combine};
use bivouac::sign::index::sign_merged;
use bivouac::sign::{Digests, PrivateKey, Seal};
use tempfile::TempDir;

use super::client::{CLIENTS, Machine};
use super::fixture::OURS;

/// Chance that is the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    pub(crate) fn in_hundred(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

static SEAL: LazyLock<Seal> = LazyLock::new(|| {
    let key = PrivateKey::parse(&OURS.private_pem(), OURS.name.parse().unwrap()).unwrap();
    Seal::of(Box::new(key), Digests::Sha256)
});

/// A repository that lists these entries: merged and signed by our engine.
pub(crate) struct Listing {
    folder: TempDir,
}

impl Listing {
    pub(crate) fn of(entries: impl IntoIterator<Item = Entry>) -> Listing {
        let arch: Arch = "x86_64".parse().unwrap();
        let object = ObjectId::new([7; 32]);
        let layer = Layer { entries: entries.into_iter().map(|entry| (entry, object)).collect() };
        let signed = sign_merged(&combine(&[layer], Prefer::All, &arch), "test", &SEAL).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("x86_64")).unwrap();
        std::fs::write(folder.path().join("x86_64/APKINDEX.tar.gz"), signed.bytes()).unwrap();
        Listing { folder }
    }

    /// What goes into a client's list of repositories.
    pub(crate) fn address(&self) -> String {
        self.folder.path().to_str().unwrap().to_owned()
    }

    /// What it lists, in its order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        entries_in(self.folder.path())
    }
}

/// What the index of a repository lists.
pub(crate) fn entries_in(repository: &Path) -> Vec<Entry> {
    let file = std::fs::read(repository.join("x86_64/APKINDEX.tar.gz")).unwrap();
    index::parse(&split_index(&file, &Limits::default()).unwrap().text).unwrap()
}

/// An empty machine with apk 2.14 that trusts Alpine and us.
fn machine(real: &Path) -> Machine {
    let keys = TempDir::new().unwrap();
    let ours = keys.path().join(OURS.name);
    std::fs::write(&ours, OURS.public_pem()).unwrap();
    let mut trusted: Vec<PathBuf> =
        std::fs::read_dir(real.join("official/keys/x86_64")).unwrap().map(|entry| entry.unwrap().path()).collect();
    trusted.push(ours);
    CLIENTS[1].machine(real, "x86_64", &trusted, &[])
}

/// What the real apk would install for a world, `NAME (VERSION)`; what it prints when it refuses.
pub(crate) fn simulate(machine: &Machine, repositories: &[String], world: &str) -> Result<BTreeSet<String>, String> {
    std::fs::write(machine.file("etc/apk/world"), world).unwrap();
    let mut arguments = vec!["add", "--simulate", "--no-network"];
    for repository in repositories {
        arguments.extend(["--repository", repository]);
    }
    let ran = machine.apk(&arguments);
    assert!(!ran.printed.contains("UNTRUSTED") && !ran.printed.contains("WARNING"), "{ran}");
    let installed = |line: &str| Some(line.split_once(") Installing ")?.1.to_owned());
    match ran.code {
        Some(0) => Ok(ran.printed.lines().filter_map(installed).collect()),
        _ => {
            assert!(ran.printed.contains("unable to select packages"), "{ran}");
            Err(ran.printed)
        }
    }
}

/// Asks about each case, on as many machines at once as there are processors.
pub(crate) fn on_machines<T: Sync>(real: &Path, cases: &[T], ask: impl Fn(&Machine, &T) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let machine = machine(real);
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    ask(&machine, case);
                }
            });
        }
    });
}
