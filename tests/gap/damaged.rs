//! Media that went bad on the way, or came in part.

use super::fixture::OURS;
use super::handmade::Parcel;
use super::sites::Gap;

#[test]
fn a_flipped_bit_anywhere() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    let good = parcel.volume(1, &OURS);
    let before = gap.seen();
    gap.save();
    // Head, manifest, signature, the objects' header, each object at its begin, middle and end, the end.
    let manifest = parcel.manifest.to_string().len();
    let signature = (512 + manifest).next_multiple_of(512);
    let objects = signature + 512 + 512 + 512;
    let mut places =
        vec![0, 100, 124, 148, 511, 512, 512 + manifest / 2, 512 + manifest - 1, signature, signature + 512];
    places.extend([signature + 512 + 255, objects - 512, objects - 400, good.len() - 1, good.len() - 1024]);
    let mut begin = objects;
    let mut forms = std::collections::BTreeSet::new();
    for object in parcel.objects() {
        let length = parcel.bodies[object["sha256"].as_str().unwrap()].len();
        forms.insert(object["form"].as_str().unwrap().to_owned());
        places.extend([begin, begin + 11, begin + length / 2, begin + length - 1]);
        begin += length;
    }
    assert!(forms.iter().eq(["delta", "whole"]), "{forms:?}");
    assert!(places.len() > 35, "{places:?}");
    for at in places {
        // Objects that came whole beside a damaged one are kept, and all of them together would be all of it.
        gap.restore();
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        gap.carry("x.bundle", &bytes);
        let ran = gap.import(&["x.bundle"]);
        assert!(matches!(ran.code, Some(3 | 4)), "byte {at} of {}: {ran}", good.len());
        assert!(ran.stderr.contains("hint: "), "byte {at}: {ran}");
        assert_eq!(gap.seen(), before, "byte {at}");
    }
    gap.carry("x.bundle", &good);
    gap.takes(&["x.bundle"]);
}

#[test]
fn a_cut_file() {
    let gap = Gap::standing();
    let good = gap.increment().volume(1, &OURS);
    for end in [513, 2_000, good.len() / 2, good.len() - 1] {
        gap.carry("x.bundle", &good[..end]);
        gap.refuses(&["x.bundle"], 4, "bundle-cut", &["is cut short", "copy it once more; or ask the sender"]);
    }
    for end in [0, 1, 511] {
        gap.carry("x.bundle", &good[..end]);
        gap.refuses(&["x.bundle"], 3, "not-a-bundle", &["x.bundle is no bundle", "hint: copy it once more"]);
    }
    gap.carry("x.bundle", &good);
    gap.takes(&["x.bundle"]);
}

#[test]
fn a_missing_volume() {
    let gap = Gap::standing();
    let parcel = gap.increment().in_two_volumes();
    gap.carry("x.1.bundle", &parcel.volume(1, &OURS));
    gap.carry("x.2.bundle", &parcel.volume(2, &OURS));
    let hint = format!("hint: import volume 1 of bundle {}, too; what came is kept", parcel.id());
    gap.refuses(&["x.2.bundle"], 4, "bundle-volume-missing", &["of its 2 volumes these are missing: 1", &hint]);
    // The other one alone then is enough.
    gap.takes(&["x.1.bundle"]);
}

#[test]
fn a_volume_of_another_bundle() {
    let gap = Gap::standing();
    let parcel = gap.increment().in_two_volumes();
    let mut other = parcel.clone();
    other.manifest["expires"] = "2036-01-01T00:00:00Z".into();
    // One that calls itself the same: signed by the right key, made by a sender whose store was copied, say.
    gap.carry("x.1.bundle", &parcel.volume(1, &OURS));
    gap.carry("x.2.bundle", &other.volume(2, &OURS));
    gap.refuses(&["x.1.bundle", "x.2.bundle"], 3, "bundle-two-manifests", &["two manifests have its id", "x.2.bundle"]);
    // One of a bundle of its own: the first still misses its second.
    other.manifest["id"] = "20360101T000000Z-00000000".into();
    gap.carry("x.2.bundle", &other.volume(2, &OURS));
    let missing = format!("bundle {} is not complete: of its 2 volumes these are missing: 2", parcel.id());
    gap.refuses(&["x.1.bundle"], 4, "bundle-volume-missing", &[&missing]);
    gap.carry("x.2.bundle", &parcel.volume(2, &OURS));
    gap.takes(&["x.1.bundle", "x.2.bundle"]);
}

/// Objects of one bundle under the manifest of another.
#[test]
fn objects_of_another_bundle() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    let mut entries = parcel.entries(1, &OURS);
    let stream = &mut entries[2].bytes;
    // Another delta of the same length stands for another.
    stream.reverse();
    gap.carry("x.bundle", &super::handmade::archive(&entries));
    gap.refuses(
        &["x.bundle"],
        3,
        "bundle-damaged",
        &["is not what the manifest says", "ask the sender for the same bundle"],
    );
    let longer: Parcel = parcel.clone();
    let mut entries = longer.entries(1, &OURS);
    entries[2].bytes.push(0);
    gap.carry("x.bundle", &super::handmade::archive(&entries));
    gap.refuses(&["x.bundle"], 3, "bundle-damaged", &["its objects are not those of its manifest"]);
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}
