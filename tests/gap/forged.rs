//! Bundles that are whole and lie.

use super::fixture::{CORP, Form, OURS, Package, STRANGER, UPSTREAM};
use super::handmade::{archive, digest};
use super::sites::{Gap, main_index};

#[test]
fn a_forged_manifest_signed_by_another_key() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    gap.carry("x.bundle", &parcel.volume(1, &STRANGER));
    gap.refuses(
        &["x.bundle"],
        3,
        "unknown-signer",
        &[STRANGER.name, "which is not in the keyring of a source with bundles", "hint: if this key may make bundles"],
    );
    // Who may sign packages may not make bundles.
    gap.carry("x.bundle", &parcel.volume(1, &CORP));
    gap.refuses(&["x.bundle"], 3, "unknown-signer", &[CORP.name]);
    // A stranger under the right name.
    let mut entries = parcel.entries(1, &STRANGER);
    entries[1].name = format!("manifest.json.{}.sig", OURS.name);
    gap.carry("x.bundle", &archive(&entries));
    gap.refuses(&["x.bundle"], 3, "bad-signature", &[OURS.name, "is not over this manifest", "hint: do not trust it"]);
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}

#[test]
fn a_forged_manifest_under_the_senders_signature_over_another() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    let mut forged = parcel.clone();
    forged.manifest["expires"] = "2036-01-01T00:00:00Z".into();
    let mut entries = parcel.entries(1, &OURS);
    entries[0].bytes = forged.manifest.to_string().into_bytes();
    gap.carry("x.bundle", &archive(&entries));
    gap.refuses(
        &["x.bundle"],
        3,
        "bad-signature",
        &["is not over this manifest", "ask the sender for the bundle, and how this one came about"],
    );
    // Beside a good one over the forged text by a key that nobody trusts.
    let (_, signature) = STRANGER.sign(Form::Rsa256, &entries[0].bytes);
    let by_stranger = super::handmade::Entry::file(&format!("manifest.json.{}.sig", STRANGER.name), &signature);
    entries.insert(1, by_stranger);
    gap.carry("x.bundle", &archive(&entries));
    gap.refuses(&["x.bundle"], 3, "bad-signature", &[OURS.name]);
    // And with none.
    let mut entries = parcel.entries(1, &OURS);
    entries.remove(1);
    gap.carry("x.bundle", &archive(&entries));
    gap.refuses(&["x.bundle"], 3, "unsigned", &["x.bundle is not signed", "hint: do not trust it"]);
}

/// The sender's key signs the manifest, and the manifest vouches for the delta, which gives another package than it says.
#[test]
fn a_delta_whose_result_has_another_hash() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let hello = parcel.object("hello-1.2-r0.apk").clone();
    let base = gap.first.bodies[hello["base"].as_str().unwrap()].clone();
    let delta = bivouac::delta::make(Some(&base), b"another program");
    assert_ne!(digest(b"another program"), hello["sha256"]);
    let good = parcel.volume(1, &OURS);
    parcel.set_body(hello["sha256"].as_str().unwrap(), delta);
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.refuses(
        &["x.bundle"],
        3,
        "bundle-damaged",
        &["hello-1.2-r0.apk is not what the manifest says", "ask the sender for the same bundle again"],
    );
    gap.carry("x.bundle", &good);
    gap.takes(&["x.bundle"]);
}

/// The sender may make bundles, and what it sends must come from upstream: its own word is enough for `corp-*` alone.
#[test]
fn the_senders_signature_is_right_and_upstreams_inside_is_missing() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    let upstreams = parcel.clone();
    let hint = "hint: ask the sender how that came about; sources.hq.own = [\"NAME\"] takes the sender's own word";
    // The same packages in an index that the sender signed, and nothing of upstream's beside it.
    let mut other = parcel.clone();
    other.set_index("v3.23/main", &main_index(2, &[], &OURS));
    gap.carry("x.bundle", &other.volume(1, &OURS));
    let what = "v3.23/main/x86_64 carries no index that a key of sources.hq.origin signed";
    gap.refuses(&["x.bundle"], 3, "no-origin", &[what, OURS.name, hint]);
    // One package more than upstream's index lists, which upstream did not sign either.
    let stowaway = Package::new("stowaway", "1.0-r0").build(&OURS);
    let mut other = parcel.clone();
    other.set_index("v3.23/main", &main_index(2, &[&stowaway], &OURS));
    other.add_index("v3.23/main", &main_index(2, &[], &UPSTREAM));
    other.add_package(&stowaway);
    gap.carry("x.bundle", &other.volume(1, &OURS));
    let what = "v3.23/main/x86_64 lists 1 packages for which nothing of the origin's vouches";
    gap.refuses(&["x.bundle"], 3, "no-origin", &[what, "stowaway-1.0-r0.apk", hint]);
    // Other bytes under a name and version that upstream's index lists, too.
    let mut other = parcel.clone();
    let swapped = Package::new("fresh", "1.0-r0").with_file("usr/bin/fresh", b"other").build(&OURS);
    other.objects_mut().retain(|object| super::handmade::file(object) != swapped.file);
    other.set_index("v3.23/main", &main_index(2, &[&swapped], &OURS));
    other.add_index("v3.23/main", &main_index(2, &[], &UPSTREAM));
    other.add_package(&swapped);
    gap.carry("x.bundle", &other.volume(1, &OURS));
    gap.refuses(&["x.bundle"], 3, "no-origin", &["lists 1 packages", &swapped.file, hint]);
    // And an index of upstream's that another key signed.
    let mut other = parcel;
    other.set_index("v3.23/main", &main_index(2, &[], &STRANGER));
    gap.carry("x.bundle", &other.volume(1, &OURS));
    gap.refuses(&["x.bundle"], 3, "unknown-signer", &["its index of v3.23/main/x86_64 is not to be trusted"]);
    gap.carry("x.bundle", &upstreams.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}
