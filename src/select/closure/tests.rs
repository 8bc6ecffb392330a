use super::*;
use crate::select::filter::Item;

/// An entry from lines like `nginx 1.2-r0`, `D:so:libz.so.1`, `p:cmd:nginx=1.2-r0`.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for record in text.trim().split("\n\n") {
        let mut lines = record.lines().map(str::trim);
        let (name, version) = lines.next().unwrap().split_once(' ').unwrap();
        let mut text =
            format!("C:Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:1\nT:\nU:\nL:\n");
        for line in lines {
            text += line;
            text += "\n";
        }
        entries.push(Entry::parse(&text).unwrap());
    }
    entries
}

fn selectors(items: &[&str]) -> Vec<Selector> {
    let read = |item: &&str| match Item::parse(item).unwrap() {
        Item::Selector(selector) => selector,
        Item::WorldFile(_) => panic!("{item} is a file"),
    };
    items.iter().map(read).collect()
}

struct Asked<'a> {
    roots: &'a [&'a str],
    exclude: &'a [&'a str],
    versions: Versions,
    dependencies: Dependencies,
}

const NEWEST: Asked<'static> =
    Asked { roots: &[], exclude: &[], versions: Versions::Newest, dependencies: Dependencies::Follow };

/// One supply, asked for `asked`; hands the names of what was chosen with the closure.
fn closed<'e>(entries: &'e [Entry], asked: &Asked<'_>) -> (Vec<String>, Closure<'e>) {
    let (roots, exclude) = (selectors(asked.roots), selectors(asked.exclude));
    let request =
        Request { lists: &[&roots], exclude: &exclude, versions: asked.versions, dependencies: asked.dependencies };
    let closure = close(&[Supply { entries, wanted: Wanted::List(0) }], &request);
    let names = closure.chosen().map(|(place, _)| {
        let entry = &entries[place.entry];
        format!("{}-{}", entry.name(), entry.version())
    });
    (names.collect(), closure)
}

fn at(entry: usize) -> Place {
    Place { supply: 0, entry }
}

const SMALL: &str = "
nginx 1.2-r0
D:so:libz.so.1 /bin/sh !apache
p:cmd:nginx=1.2-r0

zlib 1.3-r0
p:so:libz.so.1=1.3

zlib-ng 2.0-r0
p:so:libz.so.1=1.2.9

busybox 1.36-r0
p:/bin/sh

nginx-openrc 1.2-r0
i:openrc nginx=1.2-r0

docs 0.2-r6

openrc 0.45-r0

apache 2.4-r0
";

#[test]
fn all_providers_come_and_each_has_its_reason() {
    let entries = entries(SMALL);
    let (names, closure) = closed(&entries, &Asked { roots: &["nginx"], ..NEWEST });
    assert_eq!(names, ["nginx-1.2-r0", "zlib-1.3-r0", "zlib-ng-2.0-r0", "busybox-1.36-r0"]);
    assert_eq!(closure.unmet, []);
    assert_eq!(closure.idle, []);
    assert_eq!(closure.reason(at(0)), Some(Reason::Root { selector: 0 }));
    assert_eq!(closure.reason(at(1)), Some(Reason::Needed { by: at(0), term: "so:libz.so.1" }));
    assert_eq!(closure.reason(at(7)), None, "a conflict adds nothing");
    assert_eq!(closure.reason(at(8)), None, "there is no such place");
}

#[test]
fn install_if_comes_when_all_its_terms_are_chosen() {
    let entries = entries(SMALL);
    let (names, closure) = closed(&entries, &Asked { roots: &["openrc", "nginx"], ..NEWEST });
    assert!(names.contains(&"nginx-openrc-1.2-r0".to_owned()), "{names:?}");
    let rule = Reason::InstallIf { by: at(0), rule: "openrc nginx=1.2-r0" };
    assert_eq!(closure.chain(at(4)), [(at(4), rule), (at(0), Reason::Root { selector: 1 })]);
    assert_eq!(closure.chain(at(7)), []);
}

#[test]
fn install_if_asks_for_its_version_and_one_term_may_be_met_once() {
    let entries = entries(
        "
        a 2.0

        b 1.0

        a-doc 1.0
        i:b a=1.0

        b-doc 1.0
        i:b b=1.0 !c

        only-conflicts 1.0
        i:!zzz
        ",
    );
    let (names, _) = closed(&entries, &Asked { roots: &["a", "b"], ..NEWEST });
    assert_eq!(names, ["a-2.0", "b-1.0", "b-doc-1.0"]);
}

#[test]
fn old_and_new_clients_both_find_what_they_would_take() {
    let entries = entries(
        "
        root 1
        D:a~3.8.1 b<8.2.001

        a 3.8-r0

        a 3.9-r0

        b 8.2.0

        b 9
        ",
    );
    // Only 2.x lets 3.8-r0 satisfy ~3.8.1; only 3.0 puts 8.2.0 below 8.2.001.
    let (names, _) = closed(&entries, &Asked { roots: &["root"], ..NEWEST });
    assert_eq!(names, ["root-1", "a-3.8-r0", "b-8.2.0"]);
}

#[test]
fn what_nobody_provides_is_reported_with_the_reason_and_the_chain() {
    let entries = entries(
        "
        root 1
        D:a

        a 1
        D:nobody b>2 gone c= b>2

        b 1

        gone 1

        other 1
        D:nobody
        ",
    );
    let (names, closure) = closed(&entries, &Asked { roots: &["root", "other"], exclude: &["gone"], ..NEWEST });
    assert_eq!(names, ["root-1", "a-1", "other-1"]);
    let unmet: Vec<_> = closure.unmet.iter().map(|unmet| (unmet.term, unmet.why, unmet.by.as_slice())).collect();
    assert_eq!(
        unmet,
        [
            ("nobody", Why::NobodyProvides, &[at(4), at(1)][..]),
            ("b>2", Why::OtherVersions, &[at(1)]),
            ("gone", Why::Excluded, &[at(1)]),
            ("c=", Why::Unreadable, &[at(1)]),
        ]
    );
    let needed = Reason::Needed { by: at(0), term: "a" };
    assert_eq!(closure.chain(at(1)), [(at(1), needed), (at(0), Reason::Root { selector: 0 })]);
}

#[test]
fn exclude_wins_over_roots_and_an_idle_selector_is_named() {
    let entries = entries(SMALL);
    let asked = Asked { roots: &["nginx", "zlib*", "nothing-such", "docs"], exclude: &["zlib-ng", "docs"], ..NEWEST };
    let (names, closure) = closed(&entries, &asked);
    assert_eq!(names, ["nginx-1.2-r0", "zlib-1.3-r0", "busybox-1.36-r0"]);
    assert_eq!(closure.idle, [(0, 2), (0, 3)]);
}

#[test]
fn roots_take_the_newest_version_or_all() {
    let entries = entries(
        "
        a 1.9-r0

        a 1.10-r0

        ab 1

        a 1.10_rc1-r0

        alias 3
        p:a=0.5
        ",
    );
    let with = |roots, versions| closed(&entries, &Asked { roots, versions, ..NEWEST }).0;
    assert_eq!(with(&["a"], Versions::Newest), ["a-1.10-r0", "alias-3"], "what provides the name is a root as well");
    assert_eq!(with(&["a"], Versions::All), ["a-1.9-r0", "a-1.10-r0", "a-1.10_rc1-r0", "alias-3"]);
    assert_eq!(with(&["a*"], Versions::Newest), ["a-1.10-r0", "ab-1", "alias-3"]);
}

#[test]
fn dependencies_can_be_left() {
    let entries = entries(SMALL);
    let asked = Asked { roots: &["nginx", "openrc"], dependencies: Dependencies::Leave, ..NEWEST };
    let (names, closure) = closed(&entries, &asked);
    assert_eq!(names, ["nginx-1.2-r0", "openrc-0.45-r0"]);
    assert_eq!(closure.unmet, []);
}

#[test]
fn several_supplies_are_closed_together_and_each_has_its_own_roots() {
    let private = entries("agent 1\nD:nginx\n\nunlisted 1\nD:curl");
    let main = entries(SMALL);
    let community = entries("nginx 9\n\ncurl 8\nD:so:libz.so.1");
    let roots = selectors(&["openrc"]);
    let supplies = [
        Supply { entries: &private, wanted: Wanted::All },
        Supply { entries: &main, wanted: Wanted::List(0) },
        Supply { entries: &community, wanted: Wanted::Nothing },
    ];
    let request =
        Request { lists: &[&roots], exclude: &[], versions: Versions::Newest, dependencies: Dependencies::Follow };
    let closure = close(&supplies, &request);
    let names: Vec<_> = closure
        .chosen()
        .map(|(place, _)| (place.supply, supplies[place.supply].entries[place.entry].name().as_str()))
        .collect();
    assert_eq!(
        names,
        [
            (0, "agent"),
            (0, "unlisted"),
            (1, "nginx"),
            (1, "zlib"),
            (1, "zlib-ng"),
            (1, "busybox"),
            (1, "nginx-openrc"),
            (1, "openrc"),
            (2, "nginx"),
            (2, "curl"),
        ]
    );
    assert_eq!(closure.reason(Place { supply: 0, entry: 1 }), Some(Reason::Whole));
    assert_eq!(closure.unmet, []);
}

// What an index may hold against us.

#[test]
fn dependency_cycles_are_closed_once() {
    let entries = entries("a 1\nD:b\n\nb 1\nD:c a\n\nc 1\nD:a c\n\nelse 1\nD:a");
    for root in ["a", "b", "c"] {
        let (names, closure) = closed(&entries, &Asked { roots: &[root], ..NEWEST });
        assert_eq!(names, ["a-1", "b-1", "c-1"]);
        assert_eq!(closure.unmet, []);
        for (place, _) in closure.chosen() {
            let chain = closure.chain(place);
            assert!(chain.len() <= 3 && matches!(chain.last(), Some((_, Reason::Root { .. }))), "{chain:?}");
        }
    }
}

#[test]
fn self_provides_need_nobody_else() {
    let entries = entries("a 1\nD:a=2 b\np:a=2 b b=1\n\nc 1\nD:c>1\np:c=1");
    let (names, closure) = closed(&entries, &Asked { roots: &["a", "c"], ..NEWEST });
    assert_eq!(names, ["a-1", "c-1"]);
    let unmet: Vec<_> = closure.unmet.iter().map(|unmet| (unmet.term, unmet.why)).collect();
    assert_eq!(unmet, [("c>1", Why::OtherVersions)]);
}

#[test]
fn thousands_of_providers_of_one_name() {
    // All are chosen for the one that needs the name, and each of them needs it again.
    let index: Vec<String> = (0..5000).map(|number| format!("p{number} 1\np:all={number}\nD:all>10 all")).collect();
    let entries = entries(&format!("root 1\nD:all>10\n\n{}", index.join("\n\n")));
    let (names, closure) = closed(&entries, &Asked { roots: &["root"], ..NEWEST });
    assert_eq!(names.len(), 5001, "the ten that only `all` wants come with the others");
    assert_eq!(closure.reason(at(1)), Some(Reason::Needed { by: at(12), term: "all" }));
    assert_eq!(closure.chain(at(5000)).len(), 2);
}

#[test]
fn absurd_version_strings() {
    let entries = entries(
        "root 1\nD:a>1 b c=v2.4 d>1 e=1..2 f<999999999999999999999\n\na 999999999999999999999999.1\n\nb v1x\n\nc 1\n\n\
         c-alias 1\np:c=v2.4\n\nd -\n\ne 1..2\n\nf 3",
    );
    let (names, closure) = closed(&entries, &Asked { roots: &["root"], ..NEWEST });
    // Whatever some client accepts is taken: 3.0 reads numbers of any length, 2.x what it cannot read.
    assert!(names.contains(&"a-999999999999999999999999.1".to_owned()), "{names:?}");
    assert!(names.contains(&"b-v1x".to_owned()) && names.contains(&"c-alias-1".to_owned()), "{names:?}");
    assert!(closure.unmet.iter().all(|unmet| unmet.why == Why::OtherVersions), "{:?}", closure.unmet);
}

#[test]
fn an_install_if_ring() {
    let entries = entries("a 1\ni:c\n\nb 1\ni:a\n\nc 1\ni:b\n\nself 1\ni:self\n\nother 1");
    let asked = |roots| closed(&entries, &Asked { roots, ..NEWEST }).0;
    assert_eq!(asked(&["other"]), ["other-1"]);
    assert_eq!(asked(&["b"]), ["a-1", "b-1", "c-1"]);
    assert_eq!(asked(&["self"]), ["self-1"]);
}

#[test]
fn a_world_that_cannot_be_met_is_told_term_by_term() {
    let entries = entries("base 3\nD:busybox>=2 tools\n\nbusybox 1\n\ntools 1\nD:so:libz nowhere");
    let (names, closure) = closed(&entries, &Asked { roots: &["base", "nothing"], ..NEWEST });
    assert_eq!(names, ["base-3", "tools-1"]);
    assert_eq!(closure.idle, [(0, 1)]);
    let unmet: Vec<_> = closure.unmet.iter().map(|unmet| (unmet.term, unmet.why, unmet.by.as_slice())).collect();
    assert_eq!(
        unmet,
        [
            ("busybox>=2", Why::OtherVersions, &[at(0)][..]),
            ("so:libz", Why::NobodyProvides, &[at(2)]),
            ("nowhere", Why::NobodyProvides, &[at(2)]),
        ]
    );
}
