//! What scanners ask for, on any server they find.

use super::path::{path_of, unescape};

/// Names that belong to no mirror of packages.
const NAMES: [&str; 22] = [
    "wp-login",
    "wp-admin",
    "wp-content",
    "wp-includes",
    "phpmyadmin",
    "cgi-bin",
    "actuator",
    "phpunit",
    "boaform",
    "hnap1",
    "xmlrpc",
    "solr",
    "jenkins",
    "manager",
    "owa",
    "autodiscover",
    "geoserver",
    "druid",
    "telescope",
    "server-status",
    "sdk",
    "etc",
];
/// Ends of names that no mirror of packages has.
const ENDS: [&str; 13] =
    [".php", ".asp", ".aspx", ".jsp", ".cgi", ".env", ".sql", ".bak", ".pem", ".key", ".yml", ".ini", ".do"];

/// What kind of probing a target is, if any.
pub fn probing(target: &str) -> Option<&'static str> {
    let query = target.split_once('?').map_or("", |(_, query)| query).to_ascii_lowercase();
    let hostile = ["${jndi", "<script", "%3cscript", "../", "..%2f", "union+select", "union%20select"];
    let in_query = || hostile.iter().any(|part| query.contains(part)).then_some("an attack in a query");
    probing_path(target).or_else(in_query)
}

/// The same by the path alone: a server of files that answers such a one shows what it should not, whereas of a query it takes no
/// notice. Written in any case, and with escapes in two layers: one of them is the scanner's attempt to get past somebody's
/// filter.
pub fn probing_path(target: &str) -> Option<&'static str> {
    let path = path_of(target);
    let once = unescape(path).unwrap_or_else(|| path.to_owned());
    let twice = unescape(&once).unwrap_or_else(|| once.clone());
    let path = twice.to_ascii_lowercase().replace('\\', "/");
    if path.split('/').any(|segment| segment == ".." || segment.starts_with("..;")) {
        return Some("a way out of the tree");
    }
    if path.contains('\0') {
        return Some("a NUL in a path");
    }
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if segments.clone().any(|segment| segment.starts_with('.') && segment != ".well-known" && segment != ".") {
        return Some("a hidden file");
    }
    let last = segments.clone().next_back().unwrap_or_default();
    let stem = |segment: &str| segment.split('.').next().unwrap_or_default().to_owned();
    if ENDS.iter().any(|end| last.ends_with(end)) || segments.any(|segment| NAMES.contains(&stem(segment).as_str())) {
        return Some("software that is not here");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_are_known_by_what_they_ask_for() {
        for target in [
            "/.env",
            "/v3.23/.git/config",
            "/wp-login.php",
            "/WP-ADMIN/",
            "/../../etc/passwd",
            "/%2e%2e/x",
            "/%252e%252e%252fx",
            "/a\\..\\b",
            "/cgi-bin/luci",
            "/x%00.apk",
            "/?x=${jndi:ldap://y}",
            "/index.php?a=b",
            "http://x/phpmyadmin/",
        ] {
            assert!(probing(target).is_some(), "{target}");
        }
    }

    #[test]
    fn a_query_is_answered_by_no_server_of_files() {
        for target in ["/?x=${jndi:ldap://y}", "/?x=../"] {
            assert_eq!((probing(target), probing_path(target)), (Some("an attack in a query"), None), "{target}");
        }
    }

    #[test]
    fn clients_are_not() {
        for target in [
            "/v3.23/main/x86_64/APKINDEX.tar.gz",
            "/v3.23/community/x86_64/php84-8.4.1-r0.apk",
            "/",
            "/favicon.ico",
            "/robots.txt",
            "/.well-known/security.txt",
            "/x/perl-cgi-4.67-r0.apk",
            "/%zz",
            "/v3.23//main",
            "/x/wp-cli-2.11.0-r0.apk",
        ] {
            assert_eq!(probing(target), None, "{target}");
        }
    }
}
