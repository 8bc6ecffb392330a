use super::*;
use crate::apk::Identity;
use crate::apk::dependency::parse_world;

/// Entries from records like `nginx 1.2-r0`, `D:so:libz.so.1`, `p:cmd:nginx=1.2-r0`.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, record) in text.trim().split("\n\n").enumerate() {
        let mut lines = record.lines().map(str::trim);
        let (name, version) = lines.next().unwrap().split_once(' ').unwrap();
        let mut identity = [0; 20];
        identity[..8].copy_from_slice(&number.to_be_bytes());
        let mut text = format!("C:{}\nP:{name}\nV:{version}\nS:1\nI:1\n", Identity::new(identity));
        lines.for_each(|line| text += &format!("{line}\n"));
        entries.push(Entry::parse(&text).unwrap());
    }
    entries
}

/// The answer in one line: `a-1 b-2`, or `no: ` and the first obstacle.
fn answer(supplies: &[&[Entry]], world: &str) -> String {
    let terms: Vec<_> = parse_world(world).map(Result::unwrap).collect();
    match Catalogue::new(supplies).resolve(&terms) {
        Ok(resolution) => {
            let named = |entry: &&Entry| format!("{}-{}", entry.name(), entry.version());
            resolution.packages.iter().map(named).collect::<Vec<_>>().join(" ")
        }
        Err(obstacles) => format!("no: {}", obstacles[0]),
    }
}

/// Worlds of one index with their answers.
#[track_caller]
fn answers(index: &str, expected: &[(&str, &str)]) {
    let entries = entries(index);
    for (world, expected) in expected {
        assert_eq!(answer(&[&entries], world), *expected, "{world}");
    }
}

// Each row of the tables below was put to apk 2.14.4, which says yes and no alike and installs the same.

#[test]
fn the_highest_version_is_taken_and_a_term_in_force_takes_another() {
    answers(
        "
        a 1\nD:x

        x 2

        x 1

        c 1\nD:d

        d 1\nD:x=1

        e 1\nD:!x=2",
        &[
            ("a", "a-1 x-2"),
            ("a c", "a-1 x-1 c-1 d-1"),
            ("a x<2", "a-1 x-1"),
            ("a e", "a-1 x-1 e-1"),
            ("a c x>1", "no: the world needs c; c-1 needs d; d-1 needs x=1, but x-1 is ruled out: the world needs x>1"),
        ],
    );
}

#[test]
fn a_need_that_nothing_meets_does_not_make_its_package_give_way() {
    answers("a 2\nD:nobody\n\na 1", &[("a", "no: the world needs a; a-2 needs nobody, which nothing provides")]);
    answers("a 2\nD:l=9\n\na 1\n\nl 1", &[("a", "no: the world needs a; a-2 needs l=9, of which there is only l-1")]);
    answers(
        "a 2\nD:!b\n\na 1\n\nb 1",
        &[("a b", "no: the world needs a; a-2 rules out b, but b-1 comes in: the world needs b")],
    );
    answers(
        "p2 1\np:x=2\nD:nobody\n\np1 1\np:x=1\n\na 1\nD:x",
        &[("a", "no: the world needs a; a-1 needs x; p2-1 needs nobody, which nothing provides")],
    );
}

#[test]
fn a_need_that_lost_its_supplier_makes_its_package_give_way() {
    answers("a 2\nD:l=2\n\na 1\n\nb 1\nD:l=1\n\nl 1\n\nl 2", &[("a b", "a-1 b-1 l-1"), ("a", "a-2 l-2")]);
    answers(
        "a 1\nD:x\n\nx 2\nD:y=2\n\nx 1\nD:y=1\n\ny 2\nD:z=2\n\ny 1\nD:z=1\n\nz 1\n\nz 2\n\nb 1\nD:z=1",
        &[("a b", "a-1 x-1 y-1 z-1 b-1")],
    );
}

#[test]
fn a_name_has_one_owner() {
    answers(
        "
        a 1\np:x=1

        b 1\np:x=2

        c 1\np:x

        d 1\np:x

        x 1

        needs 1\nD:x",
        &[
            ("a b", "no: the world needs b, but b-1 and a-1 both provide x: the world needs a"),
            ("a c", "no: the world needs c, but c-1 and a-1 both provide x: the world needs a"),
            ("c d", "c-1 d-1"),
            ("x b", "b-1"),
            ("x c", "c-1"),
            ("needs c", "c-1 needs-1"),
            ("needs", "b-1 needs-1"),
            ("x=1 b", "no: the world needs b, but b-1 is ruled out: the world needs x=1"),
        ],
    );
    // A second way to another provider is found although the first would have been better.
    answers("p2 1\np:x=2 y=1\n\np1 1\np:x=1\n\nb 1\np:y=1\n\na 1\nD:x", &[("a b", "p1-1 b-1 a-1")]);
}

#[test]
fn what_offers_a_name_without_a_version_must_be_named_or_have_a_priority() {
    answers(
        "
        a 1\nD:x

        w 1\np:x

        b 1\nD:c

        c 1\nD:w

        own 1\nD:y\np:y

        e 1\nD:z

        f 1\np:z\nk:5

        g 1\np:z\nk:9

        h 1\nD:z>0",
        &[
            ("a", "no: the world needs a; a-1 needs x, which a client takes from w-1 only if the world names it"),
            ("a w", "a-1 w-1"),
            ("a b", "a-1 w-1 b-1 c-1"),
            ("own", "own-1"),
            ("e", "e-1 g-1"),
            ("e !g", "e-1 f-1"),
            (
                "h",
                "no: the world needs h; h-1 needs z>0, of which there is only f-1 (z without a version), g-1 (z without a \
                 version)",
            ),
        ],
    );
}

#[test]
fn install_if_comes_in_and_its_needs_count() {
    answers("a 1\n\nb 1\n\nz 1\ni:a b\nD:l\n\nl 1", &[("a", "a-1"), ("a b", "a-1 b-1 z-1 l-1"), ("a b !z", "a-1 b-1")]);
    answers("a 1\n\nz 1\ni:a\nD:!a", &[("a", "a-1")]);
    answers("a 1\np:x=1\n\nz 1\ni:a\np:x=2", &[("a", "a-1")]);
    answers("a 1\nD:l\n\nl 2\n\nl 1\n\nz 1\ni:a\nD:l=1", &[("a", "a-1 l-1 z-1")]);
    answers("a 1\n\nb 1\nD:l=2\n\nl 2\n\nl 1\n\nz 1\ni:a\nD:l=1", &[("a b", "a-1 b-1 l-2")]);
    answers("a 1\np:x\n\nz 1\ni:x\n\ny 1\ni:a=2\n\nw 1\ni:a !q", &[("a", "a-1 z-1")]);
    answers(
        "a 1\n\nb 1\n\nz 1\ni:a b\nD:nobody",
        &[(
            "a b",
            "no: the world needs a; z-1 comes in by its install_if (a b); z-1 needs nobody, which nothing provides",
        )],
    );
}

#[test]
fn an_identity_names_one_package() {
    let index = entries("a 1\n\na 2");
    assert_eq!(answer(&[&index], &format!("a><{}", index[0].identity())), "a-1");
    let other = format!("a><{}", Identity::new([9; 20]));
    assert_eq!(answer(&[&index], &other), format!("no: the world needs {other}, of which there is only a-1, a-2"));
}

#[test]
fn several_repositories_are_one_market_and_what_both_list_is_one_package() {
    let (main, community) = (entries("a 1\nD:b\n\nl 1"), entries("filler 1\n\nl 2\n\nb 1\nD:l"));
    assert_eq!(answer(&[&main, &community], "a"), "a-1 l-2 b-1");
    assert_eq!(answer(&[&main, &main], "a l"), "no: the world needs a; a-1 needs b, which nothing provides");
    assert_eq!(answer(&[&main, &main], "l"), "l-1");
    assert_eq!(answer(&[], ""), "");
    assert_eq!(answer(&[], "a"), "no: the world needs a, which nothing provides");
}

#[test]
fn every_obstacle_is_told_once() {
    let index = entries("a 1\nD:c nobody\n\nb 1\nD:c nowhere\n\nc 1\nD:nobody");
    let terms: Vec<_> = parse_world("a b").map(Result::unwrap).collect();
    let obstacles = Catalogue::new(&[&index]).resolve(&terms).unwrap_err();
    let told: Vec<_> = obstacles.iter().map(Obstacle::to_string).collect();
    assert_eq!(
        told,
        [
            "the world needs a; a-1 needs nobody, which nothing provides",
            "the world needs b; b-1 needs nowhere, which nothing provides"
        ]
    );
}

// What an index may hold against us.

#[test]
fn dependency_cycles_are_installed() {
    answers(
        "a 1\nD:b\n\nb 1\nD:c>0\n\nc 1\nD:a b\n\nself 1\nD:self\n\nother 1\nD:other=2\n\nx 1\nD:virtual\n\ny 1\nD:x\np:virtual",
        &[
            ("a", "a-1 b-1 c-1"),
            ("c", "a-1 b-1 c-1"),
            ("self", "self-1"),
            ("other", "no: the world needs other; other-1 needs other=2, of which there is only other-1"),
            ("y", "x-1 y-1"),
            ("x", "no: the world needs x; x-1 needs virtual, which a client takes from y-1 only if the world names it"),
        ],
    );
}

#[test]
fn self_provides_install_nowhere() {
    answers(
        "a 2\np:a=3\n\na 1\n\nb 1\np:b=1\n\nc 1\np:x=1 x=2\n\nd 1\np:x=1\n\ne 1\np:y y\n\nf 1\np:w w=1\n\nneeds 1\nD:b",
        &[
            ("a", "no: the world needs a, but a-2 provides a twice over"),
            ("b", "no: the world needs b, but b-1 provides b twice over"),
            ("needs", "no: the world needs needs; needs-1 needs b, but b-1 provides b twice over"),
            ("x", "no: the world needs x, but c-1 provides x twice over"),
            ("e", "e-1"),
            ("f", "no: the world needs f, but f-1 provides w twice over"),
        ],
    );
}

#[test]
fn a_package_that_conflicts_with_itself_is_not_installed() {
    answers(
        "a 1\nD:!x\np:x=1\n\nb 1\nD:!x\np:x\n\nc 1\nD:!c<1",
        &[
            ("a", "no: the world needs a; a-1 rules out x, but a-1 comes in: the world needs a"),
            ("b", "no: the world needs b; b-1 rules out x, but b-1 comes in: the world needs b"),
            ("c", "c-1"),
        ],
    );
}

#[test]
fn thousands_of_providers_of_one_name() {
    // Each can be had for a name of its own and for the one of all, and each needs that one, too.
    let index: Vec<String> =
        (0..5000).map(|number| format!("p{number} 1\np:all={number} q{number}=1\nD:all")).collect();
    let entries = entries(&format!("root 1\nD:all>10\n\n{}", index.join("\n\n")));
    assert_eq!(answer(&[&entries], "root"), "root-1 p4999-1");
    assert_eq!(answer(&[&entries], "root all<20"), "root-1 p19-1");
    assert_eq!(
        answer(&[&entries], "root q7"),
        "no: the world needs q7, but p7-1 is ruled out: the world needs root; root-1 needs all>10"
    );
    assert!(answer(&[&entries], "p1 p2").starts_with("no: the world needs p2, but p2-1 and p1-1 both provide all"));
}

#[test]
fn thousands_of_versions_of_one_name() {
    let index: Vec<String> = (0..5000).map(|number| format!("a {number}\nD:b={number}\n\nb {number}")).collect();
    let entries = entries(&index.join("\n\n"));
    assert_eq!(answer(&[&entries], "a"), "a-4999 b-4999");
    assert_eq!(answer(&[&entries], "a b=7"), "a-7 b-7");
}

#[test]
fn a_chain_of_thousands() {
    let index: Vec<String> = (0..20_000).map(|number| format!("p{number} 1\nD:p{}", number + 1)).collect();
    let entries = entries(&index.join("\n\n"));
    let no = answer(&[&entries], "p0");
    assert!(no.starts_with("no: the world needs p0; p0-1 needs p1; p1-1 needs p2"), "{}", &no[..80]);
    assert!(no.ends_with("p19999-1 needs p20000, which nothing provides"));
}

#[test]
fn absurd_version_strings() {
    answers(
        "
        a 999999999999999999999999.1

        b v1x

        c 1\np:x=v1x

        d 1\np:x=1

        bad 1\nD:c b= nobody

        first 1\nD:nobody b=

        rule 1\ni:c y=

        lost 1\np:m=1 n= o=1",
        &[
            ("a", "a-999999999999999999999999.1"),
            ("a>1", "no: the world needs a>1, of which there is only a-999999999999999999999999.1"),
            ("b", "b-v1x"),
            ("b>0", "b-v1x"),
            ("c", "c-1 rule-1"),
            ("c d", "no: the world needs d, but d-1 and c-1 both provide x: the world needs c"),
            // What cannot be read, and all behind it on its line, is not there.
            ("bad", "c-1 bad-1 rule-1"),
            ("first", "no: the world needs first; first-1 needs nobody, which nothing provides"),
            ("m", "lost-1"),
            ("o", "no: the world needs o, which nothing provides"),
        ],
    );
}

#[test]
fn an_install_if_ring() {
    answers(
        "a 1\ni:c\n\nb 1\ni:a\n\nc 1\ni:b\n\nself 1\ni:self\n\nother 1",
        &[("other", "other-1"), ("a", "a-1 b-1 c-1"), ("self", "self-1")],
    );
}

#[test]
fn a_world_that_cannot_be_met() {
    answers(
        "alpine-base 3\nD:busybox>=2 apk-tools\n\nbusybox 1\n\napk-tools 1\nD:so:libz\n\nzlib 1\np:so:libz=1",
        &[
            (
                "alpine-base",
                "no: the world needs alpine-base; alpine-base-3 needs busybox>=2, of which there is only busybox-1",
            ),
            (
                "busybox !busybox",
                "no: the world needs busybox, but busybox-1 is ruled out: the world rules out busybox",
            ),
            ("busybox>1 busybox<1", "no: the world needs busybox>1, of which there is only busybox-1"),
            (
                "apk-tools !zlib",
                "no: the world needs apk-tools; apk-tools-1 needs so:libz, but zlib-1 is ruled out: the world rules out zlib",
            ),
            ("nothing", "no: the world needs nothing, which nothing provides"),
        ],
    );
}
