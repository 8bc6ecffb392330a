use super::*;
use crate::apk::Identity;
use crate::apk::names::PackageFile;

fn object(byte: u8) -> ObjectId {
    ObjectId::new([byte; 32])
}

fn place(name: &str, index: u8, origins: &[u8], packages: &[(&str, u8)]) -> SentPlace {
    let placed = |(name, byte): &(&str, u8)| Placed {
        file: PackageFile::new(&name.parse().unwrap(), &"1-r0".parse().unwrap()).unwrap(),
        object: object(*byte),
        identity: Identity::new([*byte; 20]),
        size: u64::from(*byte),
        left: None,
    };
    let carried = Carried {
        name: name.parse().unwrap(),
        arch: "x86_64".parse().unwrap(),
        index: object(index),
        origins: origins.iter().map(|byte| object(*byte)).collect(),
        whole: None,
        packages: packages.len() as u64,
        bytes: 0,
    };
    SentPlace { carried, files: packages.iter().map(placed).collect() }
}

fn told(places: &[SentPlace], held: &[u8]) -> Vec<String> {
    let held = held.iter().map(|byte| object(*byte)).collect();
    let pieces = pieces(places, &held, |_| 7).unwrap();
    pieces.iter().map(|piece| format!("{} {} {}", piece.sha256.as_bytes()[0], piece.place, piece.what)).collect()
}

#[test]
fn every_object_that_is_not_held_is_carried_once() {
    let places = [place("main", 100, &[101], &[("a", 1), ("b", 2)]), place("site", 102, &[101], &[("b", 2), ("c", 3)])];
    assert_eq!(
        told(&places, &[]),
        [
            "100 0 an index of main/x86_64",
            "101 0 an index of main/x86_64",
            "102 1 an index of site/x86_64",
            "1 0 a-1-r0.apk",
            "2 0 b-1-r0.apk",
            "3 1 c-1-r0.apk"
        ]
    );
    assert_eq!(
        told(&places, &[101, 2, 1, 77]),
        ["100 0 an index of main/x86_64", "102 1 an index of site/x86_64", "3 1 c-1-r0.apk"]
    );
    assert!(told(&places, &[100, 101, 102, 1, 2, 3]).is_empty());
    // An index that is upstream's own is its own origin, and one object.
    assert_eq!(told(&[place("main", 100, &[100], &[])], &[]), ["100 0 an index of main/x86_64"]);
}

#[test]
fn volumes_are_filled_first_fit() {
    let room = |first, others| Room { first, others };
    for (lengths, room, expected) in [
        (&[][..], room(10, 10), Ok((vec![], 1))),
        (&[4, 4, 4], room(10, 10), Ok((vec![1, 1, 2], 2))),
        // What is small goes where something is left.
        (&[6, 6, 4, 4], room(10, 10), Ok((vec![1, 2, 1, 2], 2))),
        (&[10, 0, 10], room(10, 10), Ok((vec![1, 1, 2], 2))),
        // The program takes from the first alone.
        (&[6, 3], room(5, 10), Ok((vec![2, 1], 2))),
        (&[6], room(0, 10), Ok((vec![2], 2))),
        (&[6], room(10, 5), Ok((vec![1], 1))),
        (&[1, 11], room(10, 10), Err(DoesNotFit::Object(1))),
        (&[9, 9], room(10, 5), Err(DoesNotFit::Object(1))),
        (&[1; 999], room(1, 1), Ok(((1..=999).collect(), 999))),
        (&[1; 1000], room(1, 1), Err(DoesNotFit::All)),
    ] {
        assert_eq!(in_volumes(lengths, room), expected, "{} in {room:?}", lengths.len());
    }
}

#[test]
fn volumes_are_numbered_where_there_are_several() {
    for (name, number, of, expected) in [
        ("x.bundle", 1, 1, "x.bundle"),
        ("x.bundle", 0, 0, "x.bundle"),
        ("x.bundle", 1, 2, "x.1.bundle"),
        ("x.bundle", 12, 12, "x.12.bundle"),
        ("x", 2, 2, "x.2.bundle"),
        ("x.tar", 1, 1, "x.tar"),
    ] {
        assert_eq!(volume_name(name, number, of), expected);
    }
}

#[test]
fn times_of_bundles_only_grow() {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let now = time("2026-11-24T03:17:00.75Z");
    for (newest, expected) in [
        (None, "2026-11-24T03:17:00Z"),
        (Some("2026-11-24T03:16:00Z"), "2026-11-24T03:17:00Z"),
        (Some("2026-11-24T03:17:00Z"), "2026-11-24T03:17:01Z"),
        (Some("2031-01-01T00:00:00Z"), "2031-01-01T00:00:01Z"),
    ] {
        assert_eq!(sending_time(now, newest.map(time)), time(expected), "{newest:?}");
    }
}

#[test]
fn the_name_tells_what_is_in_it() {
    let time = "2026-11-24T03:17:00Z".parse().unwrap();
    let [main, site] = [place("main", 100, &[], &[]), place("site", 100, &[], &[])].map(|place| place.carried);
    let id = bundle_id(time, std::slice::from_ref(&main), &[]);
    assert!(id.as_str().starts_with("20261124T031700Z-"), "{id}");
    assert_eq!(id, bundle_id(time, &[main], &[]));
    assert_ne!(id, bundle_id(time, &[site], &[]));
}

#[test]
fn a_bundle_is_meant_by_its_id_or_a_date() {
    let ids: Vec<BundleId> = ["20261101T120000Z-aaaaaaaa", "20261120T080000Z-bbbbbbbb", "20261120T080001Z-cccccccc"]
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    for (text, expected) in [
        ("20261101T120000Z-aaaaaaaa", 0),
        ("202611011", usize::MAX),
        ("20261101", 0),
        ("20261120T080000Z", 1),
        ("2026-11-01", 0),
        ("2026-11-19", 0),
        ("2026-11-20", 2),
        ("2027-01-01", 2),
        ("2026-11-20T08:00:00Z", 1),
        ("2026-11-20T09:00:00.5+01:00", 1),
        ("2026-11-20T07:59:59Z", 0),
    ] {
        let found = meant(&ids, text).ok();
        assert_eq!(found, ids.get(expected), "{text}");
    }
    let why = |text: &str| meant(&ids, text).unwrap_err().to_string();
    assert!(
        why("20261120").starts_with("\"20261120\" begins the ids of 2 bundles: 20261120T080000Z-"),
        "{}",
        why("20261120")
    );
    assert!(why("2026-10-31").contains("the earliest that is remembered is 20261101"));
    assert!(why("").contains("no bundle's id begins with"));
    for bad in ["2026-13-01", "2026-11-2", "2026-11-20 yesterday", "2026-"] {
        assert!(why(bad).contains("is no date"), "{bad}: {}", why(bad));
    }
    assert_eq!(meant(&[], "2026-11-20"), Err(NoBundle::NothingSent));
}

fn like(place: &str, name: &str, version: &str, origin: &str, byte: u8, size: u64) -> Likeness {
    let (repository, arch) = place.split_once(':').unwrap();
    Likeness {
        place: (repository.parse().unwrap(), arch.parse().unwrap()),
        name: name.into(),
        version: version.into(),
        origin: (!origin.is_empty()).then(|| origin.into()),
        object: object(byte),
        size,
        plain: size,
    }
}

#[test]
fn the_likeliest_base_goes_first() {
    let new = like("main:x86_64", "libssl", "3.1-r2", "openssl", 99, 10);
    let tried = |bases: &[Likeness]| -> Vec<u8> {
        let bases: Bases = bases.iter().cloned().collect();
        bases.of(&new).iter().map(|base| base.object.as_bytes()[0]).collect()
    };
    let [older, oldest] =
        [("3.1-r1", 1), ("3.0-r9", 2)].map(|(v, b)| like("main:x86_64", "libssl", v, "openssl", b, 1));
    let newer = like("main:x86_64", "libssl", "3.2-r0", "openssl", 3, 1);
    let edge = like("edge:x86_64", "libssl", "3.1-r1", "openssl", 4, 1);
    let arm = like("main:aarch64", "libssl", "3.1-r1", "openssl", 5, 1);
    let [small, large] =
        [(6, 5), (7, 50)].map(|(b, size)| like("main:x86_64", "openssl", "3.1-r1", "openssl", b, size));
    let other = like("main:x86_64", "zlib", "3.1-r1", "zlib", 8, 900);
    let itself = like("main:x86_64", "libssl", "3.1-r2", "openssl", 99, 10);
    let all = [&small, &arm, &oldest, &newer, &edge, &older, &large, &other, &itself].map(Clone::clone);
    assert_eq!(tried(&all), [1, 2, 3], "in its place: older versions first, the nearest of them before all");
    assert_eq!(tried(&[arm.clone(), edge.clone(), newer.clone()]), [3, 4, 5]);
    assert_eq!(
        tried(&[small.clone(), large.clone(), arm.clone()]),
        [5, 7, 6],
        "then what was built with it, the largest first"
    );
    assert_eq!(tried(&[other, itself]), [0; 0]);
    // The same object under two names is tried once.
    let twice = like("edge:x86_64", "libssl", "3.1-r1", "openssl", 1, 1);
    assert_eq!(tried(&[older, twice, edge]), [1, 4]);
}
