//! Versions are totally preordered under each generation's rules, valid or not, and all questions about them agree.

use bivouac::apk::{Rules, Version};

/// Reads `bytes` as up to four versions, one a line.
pub(crate) fn law(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let versions: Vec<Version<'_>> = text.lines().take(4).map(Version::new).collect();
    for rules in [Rules::V2, Rules::V3] {
        for a in &versions {
            alone(*a, rules);
            for b in &versions {
                pair(*a, *b, rules);
                versions.iter().for_each(|c| triple(*a, *b, *c, rules));
            }
        }
    }
}

fn alone(version: Version<'_>, rules: Rules) {
    assert!(version.compare_under(version, rules).is_eq());
    assert_eq!(Version::parse(version.as_str(), rules).is_ok(), version.is_valid(rules));
    if version.is_valid(rules) {
        assert!(version.matches_fuzzy(version, rules));
    }
}

fn pair(a: Version<'_>, b: Version<'_>, rules: Rules) {
    let order = a.compare_under(b, rules);
    assert_eq!(order, b.compare_under(a, rules).reverse());
    if rules == Rules::V3 {
        assert_eq!(order, a.compare(b));
    }
    // What equals a valid pattern matches it.
    if order.is_eq() && b.is_valid(rules) && a.is_valid(rules) {
        assert!(a.matches_fuzzy(b, rules));
    }
}

fn triple(a: Version<'_>, b: Version<'_>, c: Version<'_>, rules: Rules) {
    let (ab, bc, ac) = (a.compare_under(b, rules), b.compare_under(c, rules), a.compare_under(c, rules));
    if ab == bc || bc.is_eq() {
        assert_eq!(ac, ab);
    } else if ab.is_eq() {
        assert_eq!(ac, bc);
    }
}
