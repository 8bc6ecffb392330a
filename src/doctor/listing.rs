//! The page of a server's root folder, where it shows one: what lies there is where a line may have to begin.

/// So many folders are looked at.
const MOST: usize = 10;

/// Largest page that is read, bytes.
pub const MAX_PAGE: u64 = 256 << 10;

/// The folders that a page of a web server's lists, in its order. Their names are plain ones: whatever else may stand in a link is
/// passed over.
pub fn folders(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for link in page.split("href=").skip(1) {
        let Some(quote) = link.chars().next().filter(|first| matches!(first, '"' | '\'')) else { continue };
        let Some(target) = link[1..].split(quote).next().and_then(|target| target.strip_suffix('/')) else { continue };
        let name = target.trim_start_matches("./").trim_start_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~@-".contains(&byte);
        let is_folder = !name.is_empty() && name.bytes().all(is_plain) && !name.starts_with('.');
        if is_folder && found.len() < MOST && !found.iter().any(|have| have == name) {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_every_servers_page_are_found() {
        for (page, names) in [
            ("<a href=\"../\">../</a>\n<a href=\"alpine/\">alpine/</a> - <a href=\"x.apk\">x</a>", &["alpine"][..]),
            ("<td><a href=\"./mirror/\">mirror</a></td><a href='v3.23/'>", &["mirror", "v3.23"]),
            ("<a href=\"/alpine/\">a</a><a href=\"alpine/\">", &["alpine"]),
            ("<a href=\"https://other.example/\"><a href=\"a/b/\"><a href=\"?C=N;O=D\"><a href=\"%2e%2e/\">", &[]),
            ("<a href=", &[]),
            ("<a href=\"\u{202e}/\">", &[]),
            ("", &[]),
        ] {
            assert_eq!(folders(page), names, "{page}");
        }
        assert_eq!(folders(&(0..99).map(|n| format!("<a href=\"{n}/\">")).collect::<String>()).len(), MOST);
    }
}
