//! Alpine's own indexes.

use std::path::PathBuf;

use bivouac::apk::Entry;
use bivouac::apk::v2::{index, sections};

/// Where the real data lies; `None`, said aloud, where there is none.
#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from);
    if data.is_none() {
        eprintln!("skipped: no real Alpine data");
    }
    data
}

/// The text of an official index, `v3.16/main/x86_64`.
pub(crate) fn index_text(path: &str) -> Option<String> {
    let file = data()?.join("official/index").join(path).join("APKINDEX.tar.gz");
    let parts = sections::split_index(&std::fs::read(file).unwrap(), &sections::Limits::default()).unwrap();
    Some(parts.text)
}

/// The entries of an official index.
pub(crate) fn entries(path: &str) -> Option<Vec<Entry>> {
    Some(index::parse(&index_text(path)?).unwrap())
}
