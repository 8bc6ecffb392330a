//! Versions order totally and transitively, under both generations' rules, valid or not.

use bivouac::apk::{Rules, Version};
use proptest::prelude::*;

const RULES: [Rules; 2] = [Rules::V2, Rules::V3];

/// Digits with the zeros that make trouble; few different ones, so that versions meet.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-2]",
        2 => "0{0,2}[0-9]{1,2}",
        1 => "[0-9]{15,20}",
    ]
}

/// Follows the grammar of 3.0.
fn valid() -> impl Strategy<Value = String> {
    let suffix =
        (proptest::sample::select(vec!["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"]), number())
            .prop_flat_map(|(name, number)| prop_oneof![Just(format!("_{name}")), Just(format!("_{name}{number}"))]);
    (
        proptest::collection::vec(number(), 1..4),
        proptest::option::of("[a-c]"),
        proptest::collection::vec(suffix, 0..3),
        proptest::option::weighted(0.2, "[0-9a-f]{1,3}"),
        proptest::option::of(number()),
    )
        .prop_map(|(numbers, letter, suffixes, hash, revision)| {
            let mut text = numbers.join(".");
            text += &letter.unwrap_or_default();
            text += &suffixes.concat();
            text += &hash.map(|hash| format!("~{hash}")).unwrap_or_default();
            text += &revision.map(|number| format!("-r{number}")).unwrap_or_default();
            text
        })
}

/// Any text that looks like a version, and some that does not.
fn any() -> impl Strategy<Value = String> {
    prop_oneof![3 => valid(), 2 => "[0-2ab._~r-]{0,8}", 1 => "\\PC{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_grammar_s_versions_are_valid(text in valid()) {
        prop_assert!(Version::new(&text).is_valid(Rules::V3));
    }

    #[test]
    fn every_text_equals_itself_and_orders_both_ways(a in any(), b in any()) {
        let (a, b) = (Version::new(&a), Version::new(&b));
        for rules in RULES {
            prop_assert!(a.compare_under(a, rules).is_eq());
            prop_assert_eq!(a.compare_under(b, rules), b.compare_under(a, rules).reverse());
        }
    }

    #[test]
    fn the_order_is_transitive(texts in proptest::array::uniform3(any())) {
        for rules in RULES {
            let mut versions = texts.each_ref().map(|text| Version::new(text));
            versions.sort_by(|a, b| a.compare_under(*b, rules));
            let [low, middle, high] = versions;
            // Sorted neighbours are in order; so the ends must be, and equal neighbours must stand alike to a third.
            prop_assert!(low.compare_under(high, rules).is_le(), "{:?} under {:?}", texts, rules);
            if low.compare_under(middle, rules).is_eq() {
                prop_assert_eq!(low.compare_under(high, rules), middle.compare_under(high, rules));
            }
            if middle.compare_under(high, rules).is_eq() {
                prop_assert_eq!(low.compare_under(middle, rules), low.compare_under(high, rules));
            }
        }
    }

    #[test]
    fn a_valid_version_matches_itself_and_its_first_number_by_tilde(text in valid()) {
        let version = Version::new(&text);
        prop_assert!(version.matches_fuzzy(version, Rules::V3));
        let first: String = text.chars().take_while(char::is_ascii_digit).collect();
        prop_assert!(version.matches_fuzzy(Version::new(&first), Rules::V3));
    }
}
