//! What a `.PKGINFO` says is what the index entry made of it says.

use bivouac::apk::v2::pkginfo::PkgInfo;
use bivouac::apk::{Entry, Identity};

/// Reads `bytes` as the content of a `.PKGINFO`.
pub(crate) fn law(bytes: &[u8]) {
    let Ok(info) = PkgInfo::parse(bytes) else { return };
    let (identity, arch) = (Identity::new([7; 20]), "x86_64".parse().unwrap());
    let Ok(entry) = info.entry(&identity, 4321, &arch) else { return };
    assert_eq!((entry.name(), entry.version(), entry.arch()), (&info.name, &info.version, Some(&arch)));
    assert_eq!((entry.identity(), entry.size(), entry.installed_size()), (&identity, 4321, info.installed_size));
    for (letter, terms) in [(b'D', &info.depends), (b'p', &info.provides), (b'i', &info.install_if)] {
        assert_eq!(entry.field(letter).unwrap_or_default(), terms.join(" "));
    }
    assert!(info.description.starts_with(entry.field(b'T').unwrap_or_default()));
    assert_eq!(entry.field(b'U').unwrap_or_default(), info.url);
    assert_eq!(entry.field(b'L').unwrap_or_default(), info.license);
    assert_eq!(entry.origin(), info.origin.as_deref());
    assert_eq!(entry.field(b'c'), info.commit.as_deref());
    // A client can install it, and the entry survives the way through an index.
    assert_eq!(entry.check_installable(), Ok(()));
    assert_eq!(Entry::parse(entry.text()).as_ref(), Ok(&entry));
}
