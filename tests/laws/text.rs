//! What was printed parses to the same, and parsing never panics.

use bivouac::apk::dependency::{self, Dependency};
use bivouac::apk::v2::index;
use bivouac::apk::{Entry, Identity};
use proptest::prelude::*;

use crate::real;

fn list() -> impl Strategy<Value = String> {
    proptest::collection::vec("[!]?[a-z][a-z0-9.:/_+-]{0,8}((=|<|>=|~)[0-9]\\.[0-9])?", 1..4)
        .prop_map(|terms| terms.join(" "))
}

/// A record in apk's order; the letters that apk leaves out are left out at times.
fn record() -> impl Strategy<Value = String> {
    // Sizes up to what is believed of a package: 1 TiB.
    let bytes = || 0..=1_u64 << 40;
    let required = (any::<[u8; 20]>(), "[a-z0-9][a-z0-9._+-]{0,12}", "[0-9]\\.[0-9]{1,3}(-r[0-9])?", bytes(), bytes());
    let free = proptest::collection::vec(proptest::option::of("[^\\p{C}\n\r]{0,20}"), 7);
    let lists = proptest::collection::vec(proptest::option::of(list()), 3);
    (required, free, proptest::option::of(any::<u32>()), lists).prop_map(
        |((identity, name, version, size, installed), free, time, lists)| {
            let mut text =
                format!("C:{}\nP:{name}\nV:{version}\nA:x86_64\nS:{size}\nI:{installed}\n", Identity::new(identity));
            let mut line = |letter: char, value: &Option<String>| {
                if let Some(value) = value {
                    text += &format!("{letter}:{value}\n");
                }
            };
            for (letter, value) in "TULomc".chars().zip(&free) {
                if letter == 'c' {
                    line('t', &time.map(|time| time.to_string()));
                }
                line(letter, value);
            }
            for (letter, value) in "Dpi".chars().zip(&lists) {
                line(letter, value);
            }
            text
        },
    )
}

proptest! {
    #[test]
    fn an_entry_prints_what_it_was_parsed_from(text in record()) {
        let entry = Entry::parse(&text).unwrap();
        prop_assert_eq!(entry.text(), text.trim_end_matches('\n'));
        prop_assert_eq!(Entry::parse(entry.text()).unwrap(), entry);
    }

    #[test]
    fn an_index_prints_what_it_was_parsed_from(records in proptest::collection::vec(record(), 0..6)) {
        let text: String = records.iter().map(|record| format!("{record}\n")).collect();
        let entries = index::parse(&text).unwrap();
        prop_assert_eq!(entries.len(), records.len());
        prop_assert_eq!(index::print(&entries), text);
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "\\PC{0,80}", lines in "([CPVASIDpix]:[ -~]{0,12}\n){0,8}") {
        for text in [&text, &lines] {
            let _ = Entry::parse(text);
            let _ = index::parse(text);
            dependency::parse_world(text).for_each(drop);
            dependency::parse_provides(text).for_each(drop);
            dependency::parse_list(text).for_each(drop);
        }
    }

    #[test]
    fn a_term_prints_what_it_was_parsed_from(line in list()) {
        let terms: Vec<_> = dependency::parse_list(&line).map(|term| term.unwrap().to_string()).collect();
        prop_assert_eq!(terms.join(" "), line);
    }
}

/// Alpine's own indexes print back to the text that Alpine signed.
#[test]
fn real_indexes_print_what_they_were_parsed_from() {
    for path in ["v3.16/main/x86_64", "v3.17/main/aarch64", "v3.21/main/x86_64", "v3.21/community/x86_64"] {
        let Some(text) = real::index_text(path) else { return };
        let printed = index::print(&index::parse(&text).unwrap());
        assert!(printed == text, "{path} came out different");
    }
}

/// Every term of Alpine's own indexes can be read, also those whose versions apk calls invalid.
#[test]
fn all_terms_of_real_indexes_are_read() {
    for path in ["v3.16/main/x86_64", "v3.17/main/aarch64", "v3.21/main/x86_64", "v3.21/community/x86_64"] {
        let Some(entries) = real::entries(path) else { return };
        let mut terms = 0;
        for entry in &entries {
            for letter in [b'D', b'i', b'p'] {
                for term in entry.field(letter).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
                    assert!(Dependency::parse(term).is_ok(), "{path}: {} {term}", entry.name());
                    terms += 1;
                }
            }
        }
        assert!(terms > 20_000, "{path} has only {terms}");
    }
}
