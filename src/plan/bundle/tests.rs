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
