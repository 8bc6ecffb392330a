//! The measured tree: 5,000 packages of 1.6 GB, one for each entry of the real 3.17 index, signed by the bench key.
//!
//! ```text
//! target/bench-data/tree-3/
//! ├── complete                        "PACKAGES BYTES", written last
//! ├── keys/                           the bench key; keys/public/ holds its public half alone
//! └── upstream/v3.17/main/aarch64/    APKINDEX.tar.gz and the packages
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bivouac::apk::entry::Entry;
use bivouac::apk::v2::sections::{Limits, split_index};
use bivouac::apk::v2::{index, signature};

use crate::chance::{Chance, Filler};
use crate::key;
use crate::outcome::Outcome;
use crate::package::{self, BUILD_TIME, Package};

/// Raise when the generator's output changes; former trees are then left alone and no longer used.
const VERSION: u32 = 3;
/// What the packages sum up to, in bytes.
const TOTAL: u64 = 1_600_000_000;
const INDEX: &str = "official/index/v3.17/main/aarch64/APKINDEX.tar.gz";
/// The repository's path below the upstream's root.
pub(crate) const REPOSITORY: &str = "v3.17/main";
/// The index's arch.
pub(crate) const ARCH: &str = "aarch64";

/// A complete tree on disk.
pub(crate) struct Tree {
    /// What a mirror serves and takes.
    pub(crate) upstream: PathBuf,
    /// The folder that holds the index and the packages.
    pub(crate) packages_dir: PathBuf,
    /// The public key alone, as a client's `/etc/apk/keys`.
    pub(crate) public_keys: PathBuf,
    /// The private key, for our own index.
    pub(crate) private_key: PathBuf,
    /// How many packages.
    pub(crate) packages: u64,
    /// Their sizes' sum.
    pub(crate) bytes: u64,
}

/// Where the tree is or will be, below `data`.
fn root(data: &Path) -> PathBuf {
    data.join(format!("tree-{VERSION}"))
}

/// The finished tree below `data`, or none.
pub(crate) fn find(data: &Path) -> Option<Tree> {
    let root = root(data);
    let complete = fs::read_to_string(root.join("complete")).ok()?;
    let (packages, bytes) = complete.trim().split_once(' ')?;
    let upstream = root.join("upstream");
    Some(Tree {
        packages_dir: upstream.join(REPOSITORY).join(ARCH),
        upstream,
        public_keys: root.join("keys/public"),
        private_key: key::private_path(&root.join("keys")),
        packages: packages.parse().ok()?,
        bytes: bytes.parse().ok()?,
    })
}

/// How many bytes a package is to have, of entries whose sizes' sum is `listed`.
fn wished(entry: &Entry, listed: u64) -> u64 {
    (u128::from(entry.size()) * u128::from(TOTAL) / u128::from(listed)) as u64
}

/// The entries of the real index below `real`, which the tree has a package for each of.
fn pattern(real: &Path) -> Outcome<Vec<Entry>> {
    // The index's signature is not looked at: it is only a pattern here.
    let pattern = split_index(&fs::read(real.join(INDEX))?, &Limits::default())?;
    Ok(index::parse(&pattern.text)?)
}

/// Builds every `step`th package of the tree once more into `folder`, a day later and with the next revision: its content is the
/// same, as it is for most files of a rebuilt package.
pub(crate) fn rebuild(data: &Path, real: &Path, step: usize, folder: &Path) -> Outcome<()> {
    let entries = pattern(real)?;
    let listed: u64 = entries.iter().map(Entry::size).sum();
    let key = key::ensure(&root(data).join("keys"))?;
    let filler = Filler::new();
    fs::create_dir_all(folder)?;
    for (number, entry) in entries.iter().enumerate().step_by(step) {
        let version = entry.version().as_str();
        let next = format!("{version}9");
        let text: String = entry
            .text()
            .lines()
            .map(|line| if line.starts_with("V:") { format!("V:{next}\n") } else { format!("{line}\n") })
            .collect();
        let next = Entry::parse(text.trim_end())?;
        let mut chance = Chance::new(number as u64);
        let package = package::build(&next, BUILD_TIME + 86_400, wished(entry, listed), &key, &filler, &mut chance)?;
        fs::write(folder.join(next.file().as_str()), &package.bytes)?;
    }
    Ok(())
}

/// Makes the tree below `data` from the real index below `real`, on all cores.
pub(crate) fn generate(data: &Path, real: &Path) -> Outcome<()> {
    let root = root(data);
    let entries = pattern(real)?;
    let listed: u64 = entries.iter().map(Entry::size).sum();
    let key = key::ensure(&root.join("keys"))?;
    let packages_dir = root.join("upstream").join(REPOSITORY).join(ARCH);
    if packages_dir.exists() {
        fs::remove_dir_all(&packages_dir)?;
    }
    fs::create_dir_all(&packages_dir)?;

    let filler = Filler::new();
    let next = AtomicUsize::new(0);
    let built = Mutex::new(vec![None; entries.len()]);
    let make = || -> Outcome<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(number) else { return Ok(()) };
            let wished = wished(entry, listed);
            let package = package::build(entry, BUILD_TIME, wished, &key, &filler, &mut Chance::new(number as u64))?;
            fs::write(packages_dir.join(entry.file().as_str()), &package.bytes)?;
            let size = package.bytes.len() as u64;
            built.lock().map_err(|_| "another thread failed")?[number] = Some((rewrite(entry, &package), size));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(make)).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a generator thread panicked")?)
    })?;

    let built: Vec<(String, u64)> = built.into_inner()?.into_iter().flatten().collect();
    let text: String = built.iter().map(|(record, _)| record.as_str()).collect();
    let signed = index::member("v3.17.0-bench", &text, BUILD_TIME);
    let file = [signature::member(&[key.sign(&signed)?]), signed].concat();
    fs::write(packages_dir.join("APKINDEX.tar.gz"), file)?;
    let bytes: u64 = built.iter().map(|(_, size)| size).sum();
    fs::write(root.join("complete"), format!("{} {bytes}\n", built.len()))?;
    Ok(())
}

/// The entry's record with the new package's `C:`, `S:` and `I:`, and the empty line that ends it.
fn rewrite(entry: &Entry, package: &Package) -> String {
    let mut text = String::with_capacity(entry.text().len() + 2);
    for line in entry.text().lines() {
        match line.as_bytes().first() {
            Some(b'C') => text.push_str(&format!("C:{}", package.identity)),
            Some(b'S') => text.push_str(&format!("S:{}", package.bytes.len())),
            Some(b'I') => text.push_str(&format!("I:{}", package.installed)),
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text.push('\n');
    text
}
