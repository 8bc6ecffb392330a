//! From a source's URL and checked names to the address of a file.

use url::Url;

use crate::apk::Arch;

/// `<base>/<path>/<arch>/<file>`. Characters are sent as apk sends them: `+`, `.`, `_`, `-` raw, so that any server apk
/// clients can use serves us too; what a URL path cannot hold is percent-encoded. The base's query, if it has one, stays
/// (some object stores keep a token there).
pub(super) fn file(base: &Url, path: &str, arch: &Arch, file: &str) -> Option<Url> {
    let mut url = base.clone();
    url.set_fragment(None);
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend(path.split('/').filter(|segment| !segment.is_empty()))
        .push(arch.as_str())
        .push(file);
    Some(url)
}

/// A URL as it may be shown: user, password and query can be secrets and are left out.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Both succeed on whatever has a host, and only that can carry a user.
        let _ = url.set_password(None);
        let _ = url.set_username("***");
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_layout_and_the_spelling_of_apk() {
        let arch: Arch = "x86_64".parse().unwrap();
        for (base, path, name, expected) in [
            ("http://m/alpine", "v3.23/main", "a-1-r0.apk", "http://m/alpine/v3.23/main/x86_64/a-1-r0.apk"),
            ("http://m/alpine/", "/v3.23//main/", "a-1-r0.apk", "http://m/alpine/v3.23/main/x86_64/a-1-r0.apk"),
            ("http://m", "", "libstdc++-14.2.0-r4.apk", "http://m/x86_64/libstdc++-14.2.0-r4.apk"),
            ("http://m", "", "a-1~beef-r0.apk", "http://m/x86_64/a-1~beef-r0.apk"),
            ("http://m", "a b", "x%2f?#y.apk", "http://m/a%20b/x86_64/x%252f%3F%23y.apk"),
            ("http://m/a?token=s", "main", "a.apk", "http://m/a/main/x86_64/a.apk?token=s"),
            // `..` cannot climb: the segment writer leaves it out.
            ("http://m/alpine", "../secret", "a.apk", "http://m/alpine/secret/x86_64/a.apk"),
        ] {
            assert_eq!(file(&base.parse().unwrap(), path, &arch, name).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_shown_address_holds_no_secret() {
        for (url, expected) in [
            ("https://me:hunter2@m/x", "https://***@m/x"),
            ("https://token@m/x", "https://***@m/x"),
            ("https://m/x?sig=hunter2", "https://m/x?***"),
            ("https://m/x", "https://m/x"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), expected);
        }
    }
}
