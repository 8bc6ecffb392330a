//! The closure: laws on made-up indexes, counts on Alpine's own.

use bivouac::apk::{Entry, Identity};
use bivouac::select::{
    Closure, Dependencies, Item, Place, Reason, Request, Selector, Supply, Versions, Wanted, Why, close,
};
use proptest::prelude::*;

use crate::real;

fn selectors(names: &[impl AsRef<str>]) -> Vec<Selector> {
    let read = |name: &str| match Item::parse(name).unwrap() {
        Item::Selector(selector) => selector,
        Item::WorldFile(_) => panic!("{name} is a file"),
    };
    names.iter().map(|name| read(name.as_ref())).collect()
}

fn closure<'e>(indexes: &[&'e [Entry]], roots: &[impl AsRef<str>]) -> Closure<'e> {
    let roots = selectors(roots);
    let supplies: Vec<_> = indexes.iter().map(|entries| Supply { entries, wanted: Wanted::List(0) }).collect();
    let request =
        Request { lists: &[&roots], exclude: &[], versions: Versions::Newest, dependencies: Dependencies::Follow };
    close(&supplies, &request)
}

/// All that the indexes hold is wanted.
fn whole<'e>(indexes: &[&'e [Entry]]) -> Closure<'e> {
    let supplies: Vec<_> = indexes.iter().map(|entries| Supply { entries, wanted: Wanted::All }).collect();
    let request = Request { lists: &[], exclude: &[], versions: Versions::All, dependencies: Dependencies::Follow };
    close(&supplies, &request)
}

fn places(closure: &Closure<'_>) -> Vec<Place> {
    closure.chosen().map(|(place, _)| place).collect()
}

/// Forty names that need, provide and `install_if` each other at random.
fn index() -> impl Strategy<Value = Vec<Entry>> {
    let name = || (0..40_u32).prop_map(|number| format!("p{number}"));
    let terms = move |most| {
        let term = (name(), proptest::sample::select(vec!["", "", "=1.0", ">1.0", "~2"]), 0..8_u8);
        proptest::collection::vec(term, 0..most).prop_map(|terms| {
            let terms: Vec<_> = terms
                .into_iter()
                .map(|(name, version, sign)| format!("{}{name}{version}", if sign == 0 { "!" } else { "" }))
                .collect();
            terms.join(" ")
        })
    };
    let provides = proptest::collection::vec((name(), proptest::sample::select(vec!["", "=1.0", "=2.1"])), 0..2);
    let entry = (name(), proptest::sample::select(vec!["1.0", "1.1", "2.0"]), terms(4), provides, terms(3));
    proptest::collection::vec(entry, 1..60).prop_map(|records| {
        let entry =
            |(number, (name, version, needs, provides, rule)): (usize, (String, &str, String, Vec<_>, String))| {
                let mut identity = [0; 20];
                identity[..8].copy_from_slice(&number.to_be_bytes());
                let provides: Vec<String> =
                    provides.iter().map(|(name, version): &(String, &str)| format!("{name}{version}")).collect();
                let (identity, provides) = (Identity::new(identity), provides.join(" "));
                let mut text = format!("C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:1\nT:\nU:\nL:\n");
                for (letter, value) in [('D', needs), ('p', provides), ('i', rule)] {
                    if !value.is_empty() {
                        text += &format!("{letter}:{value}\n");
                    }
                }
                Entry::parse(&text).unwrap()
            };
        records.into_iter().enumerate().map(entry).collect()
    })
}

fn roots() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec((0..40_u32).prop_map(|number| format!("p{number}")), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// What was chosen, taken as an index of its own and wanted whole, needs nothing more and lacks nothing else.
    #[test]
    fn closing_twice_changes_nothing(entries in index(), roots in roots()) {
        let first = closure(&[&entries], &roots);
        let chosen: Vec<Entry> = first.chosen().map(|(place, _)| entries[place.entry].clone()).collect();
        let request = Request { lists: &[], exclude: &[], versions: Versions::All, dependencies: Dependencies::Follow };
        let whole = [Supply { entries: &chosen, wanted: Wanted::All }, Supply { entries: &entries, wanted: Wanted::Nothing }];
        let second = close(&whole, &request);
        prop_assert_eq!(second.chosen().filter(|(place, _)| place.supply == 0).count(), chosen.len());
        for (place, _) in second.chosen().filter(|(place, _)| place.supply == 1) {
            prop_assert!(first.reason(Place { supply: 0, ..place }).is_some(), "{} is new", entries[place.entry].name());
        }
        let terms = |closure: &Closure<'_>| closure.unmet.iter().map(|unmet| unmet.term.to_owned()).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(terms(&first), terms(&second));
    }

    #[test]
    fn more_roots_never_choose_less(entries in index(), mut names in roots(), more in roots()) {
        let less = places(&closure(&[&entries], &names));
        names.extend(more);
        let all = closure(&[&entries], &names);
        prop_assert!(less.into_iter().all(|place| all.reason(place).is_some()));
    }

    /// Every chain ends at a root and each step's claim is true of the entries.
    #[test]
    fn every_reason_holds(entries in index(), names in roots()) {
        let closure = closure(&[&entries], &names);
        for (place, reason) in closure.chosen() {
            let chain = closure.chain(place);
            let ends_at_root = matches!(chain.last(), Some((_, Reason::Root { .. })));
            prop_assert!(ends_at_root);
            prop_assert!(chain.len() <= entries.len());
            match reason {
                Reason::Needed { by, term } => {
                    prop_assert!(entries[by.entry].field(b'D').unwrap().split(' ').any(|stands| stands == term));
                }
                Reason::OtherVersion { by } => prop_assert_eq!(entries[by.entry].name(), entries[place.entry].name()),
                Reason::InstallIf { rule, .. } => prop_assert_eq!(entries[place.entry].field(b'i'), Some(rule)),
                Reason::Root { selector } => {
                    let name = &names[selector];
                    let provides = entries[place.entry].field(b'p').unwrap_or_default();
                    prop_assert!(
                        entries[place.entry].name().as_str() == name
                            || provides.split(' ').any(|stands| stands.split('=').next() == Some(name))
                    );
                }
                Reason::Whole => prop_assert!(false, "no supply is wanted whole"),
            }
        }
    }
}

/// Alpine's own index against counts and sizes (of S:) measured by other means: all providers, and what install_if adds.
#[test]
fn real_roots_close_to_the_measured_counts() {
    let Some(entries) = real::entries("v3.16/main/x86_64") else { return };
    for (root, providers, with_install_if) in [
        ("curl", (10, "3.3"), (11, "3.3")),
        ("alpine-base", (23, "3.2"), (24, "3.2")),
        ("nginx", (7, "3.0"), (8, "3.0")),
        ("postgresql14", (23, "26.2"), (24, "26.2")),
        ("build-base", (21, "64.3"), (21, "64.3")),
        ("linux-lts", (115, "508.8"), (116, "508.8")),
    ] {
        let closure = closure(&[&entries], &[root]);
        let total = |counts: fn(&Reason<'_>) -> bool| {
            let sizes: Vec<u64> = closure
                .chosen()
                .filter(|(_, reason)| counts(reason))
                .map(|(place, _)| entries[place.entry].size())
                .collect();
            (sizes.len(), format!("{:.1}", sizes.iter().sum::<u64>() as f64 / 1e6))
        };
        let (packages, megabytes) = total(|reason| !matches!(reason, Reason::InstallIf { .. }));
        assert_eq!((packages, megabytes.as_str()), providers, "{root}");
        let (packages, megabytes) = total(|_| true);
        assert_eq!((packages, megabytes.as_str()), with_install_if, "{root}");
        assert_eq!(closure.unmet, [], "{root}");
    }
}

/// Of the whole 3.16 main one term is unmet: its provider lives in community.
#[test]
fn real_main_alone_lacks_one_package_of_community() {
    let Some(entries) = real::entries("v3.16/main/x86_64") else { return };
    let closure = whole(&[&entries]);
    let unmet: Vec<_> = closure.unmet.iter().map(|unmet| (unmet.term, unmet.why)).collect();
    assert_eq!(unmet, [("nvme-cli", Why::NobodyProvides)]);
}

#[test]
fn real_whole_indexes_lack_what_is_known() {
    let (Some(main), Some(community)) = (real::entries("v3.21/main/x86_64"), real::entries("v3.21/community/x86_64"))
    else {
        return;
    };
    assert_eq!(main.len() + community.len(), 25_392);
    let indexes = [main.as_slice(), community.as_slice()];
    let closure = whole(&indexes);
    assert_eq!(closure.chosen().count(), 25_392);
    let unmet: Vec<_> = closure
        .unmet
        .iter()
        .flat_map(|unmet| {
            unmet.by.iter().map(|by| (indexes[by.supply][by.entry].name().as_str(), unmet.term, unmet.why))
        })
        .collect();
    let nobody = |package, term| (package, term, Why::NobodyProvides);
    assert_eq!(unmet, [nobody("perl-anyevent-mqtt-monitor", "perl-gtk2"), nobody("pipe-viewer-gtk", "perl-gtk3")]);
}
