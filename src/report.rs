//! What a job tells while it works: typed events with empty bodies. A terminal, a journal and a test each listen in their
//! way; the work does not know who watches.

use crate::apk::{Arch, PackageFile, RepositoryName, SourceName, TreeName};

/// What is done with many objects, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// They are put into a bundle.
    Bundle,
    /// They are stored in a backup's target.
    Backup,
    /// They are brought back from there.
    Restore,
    /// They are brought back from wherever they are.
    Repair,
}

impl Work {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Bundle => "bundle",
            Work::Backup => "backup",
            Work::Restore => "restore",
            Work::Repair => "repair",
        }
    }
}

/// Listens to a job. Every method may be called from several threads at once and must not block for long.
pub trait Reporter: Send + Sync {
    /// A source's index is being asked for.
    fn index_requested(&self, _source: &SourceName, _path: &str, _arch: &Arch) {}
    /// Upstream's index is still the accepted one.
    fn index_unchanged(&self, _source: &SourceName, _path: &str, _arch: &Arch) {}
    /// A new index was read and verified; `packages` is how many it lists.
    fn index_verified(&self, _source: &SourceName, _path: &str, _arch: &Arch, _packages: u64) {}
    /// An index was refused or could not be had; its former state stays.
    fn index_failed(&self, _source: &SourceName, _path: &str, _arch: &Arch, _reason: &str) {}
    /// One URL has an index that was accepted before the one in force; another is asked.
    fn index_lags(&self, _source: &SourceName, _path: &str, _arch: &Arch, _reason: &str) {}
    /// Fetching begins: so many packages and bytes are wanted in all.
    fn fetch_planned(&self, _packages: u64, _bytes: u64) {}
    /// More bytes of packages arrived.
    fn bytes_fetched(&self, _bytes: u64) {}
    /// A package is in the pool, verified.
    fn package_stored(&self, _file: &PackageFile) {}
    /// A package could not be had or was refused.
    fn package_failed(&self, _file: &PackageFile, _reason: &str) {}
    /// An attempt failed and another follows after `wait_ms` milliseconds.
    fn retrying(&self, _what: &str, _reason: &str, _attempt: u32, _wait_ms: u64) {}
    /// All fetching is done.
    fn fetch_done(&self) {}
    /// A repository was merged and signed.
    fn repository_signed(&self, _name: &RepositoryName, _arch: &Arch, _packages: u64) {}
    /// A new generation went live.
    fn generation_live(&self, _number: u64) {}
    /// A new generation is seen beside live, below `@name`.
    fn generation_beside(&self, _name: &TreeName, _number: u64) {}
    /// Work on so many objects and bytes begins.
    fn work_begun(&self, _work: Work, _objects: u64, _bytes: u64) {}
    /// One more of them, of so many bytes, is where it belongs, or made into a delta.
    fn object_done(&self, _bytes: u64) {}
    /// All of them are.
    fn work_done(&self, _work: Work) {}
    /// Something worth a line: a warning that stops nothing.
    fn warning(&self, _message: &str) {}
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {}

/// `1.6 GiB`, `214 KiB`, `512 B`: binary units, at most one decimal.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `1 package`, `5,632 packages`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `5,632`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (219_136, "214 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_717_986_918, "1.6 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn numbers_agree_with_what_they_count() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "package", "packages"), "1 package");
        assert_eq!(counted(0, "package", "packages"), "0 packages");
    }
}
