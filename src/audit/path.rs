//! A request's target as the file that it means.

use super::log::hex;

/// The path of a target: no scheme, authority or query; not unescaped yet.
pub(super) fn path_of(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Undoes percent escapes once. `None`: one of them is none.
pub(super) fn unescape(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let [high, low, ..] = after else { return None };
            bytes.push(hex(*high)? << 4 | hex(*low)?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Folder and file of an absolute path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.strip_prefix('/').unwrap_or(path).rsplit_once('/').unwrap_or(("", path.strip_prefix('/').unwrap_or(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path() {
        for (target, path) in [
            ("/a/b?c=/d", "/a/b"),
            ("http://host:80/a/b#x", "/a/b"),
            ("http://host", "/"),
            ("*", "*"),
            ("/x://y/z", "/x://y/z"),
        ] {
            assert_eq!(path_of(target), path);
        }
        assert_eq!(unescape("/a%7Eb%2b+").as_deref(), Some("/a~b++"));
        assert_eq!((unescape("/%zz"), unescape("/%4"), unescape("/%")), (None, None, None));
        assert_eq!(
            (split("/a/b/c"), split("/c"), split("/"), split("c")),
            (("a/b", "c"), ("", "c"), ("", ""), ("", "c"))
        );
    }
}
