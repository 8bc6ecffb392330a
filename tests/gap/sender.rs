//! What a sender may do that holds its own key and not its upstream's, and what becomes of a site whose sender errs.

use serde_json::json;

use super::fixture::{CORP, OURS, Package, UPSTREAM};
use super::handmade::Parcel;
use super::sites::{Gap, main_index};

/// The same bundle, made at another time.
fn dated(parcel: &Parcel, time: &str) -> Parcel {
    let mut parcel = parcel.clone();
    parcel.manifest["time"] = time.into();
    let compact: String = time.chars().filter(|one| one.is_ascii_alphanumeric()).collect();
    parcel.manifest["id"] = format!("{compact}-00000000").into();
    parcel
}

#[test]
fn a_bundle_from_the_future_is_held() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    gap.carry("x.bundle", &dated(&parcel, "2999-01-01T00:00:00Z").volume(1, &OURS));
    gap.refuses(
        &["x.bundle"],
        3,
        "bundle-from-the-future",
        &["made on 2999-01-01", "compare the clocks of both sides"],
    );
    // It keeps none out that is made before.
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}

#[test]
fn an_older_bundle_takes_the_place_when_the_operator_says_so() {
    let gap = Gap::standing();
    gap.carry("x.bundle", &gap.increment().volume(1, &OURS));
    gap.takes(&["x.bundle"]);
    gap.shows(2);
    gap.site.bivouac(&["import", "medium/first.bundle"]).exits_with(0);
    gap.site.bivouac(&["sync"]).exits_with(0);
    gap.shows(2);
    gap.site.bivouac(&["import", "--accept-older", "medium/first.bundle"]).exits_with(0);
    gap.site.bivouac(&["sync"]).exits_with(0);
    gap.shows(1);
    // A later one takes its place again when it comes.
    let again = gap.site.bivouac(&["--json", "import", "medium/x.bundle"]).exits_with(0).json();
    assert_eq!(again["bundles"][0]["outcome"], "imported");
}

#[test]
fn a_repository_that_bundles_do_not_carry_any_more_stays_until_it_is_let_go() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let places = parcel.manifest["repositories"].as_array_mut().unwrap();
    places.retain(|place| place["name"] == "v3.23/main");
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.import(&["x.bundle"]).exits_with(4);
    let hint = "`bivouac sync --accept-shrink v3.23/corp` takes it out";
    gap.site.bivouac(&["sync"]).exits_with(4).tells(&["index v3.23/corp/x86_64", "does not carry it", hint]);
    assert_eq!(gap.site.live("v3.23/corp", "x86_64"), ["corp-agent-1.1-r0"]);
    gap.site.bivouac(&["sync", "--accept-shrink", "v3.23/corp"]).exits_with(0);
    assert!(!gap.site.public().join("v3.23/corp").exists());
    gap.site.bivouac(&["sync"]).exits_with(0);
}

#[test]
fn a_record_of_upstreams_that_the_sender_changed() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    let good = main_index(2, &[], &UPSTREAM);
    // Bytes of upstream's, under a record that makes clients install them for another name.
    let mut other = parcel;
    let forged = Package::new("libgreet", "1.0-r0").with_noise(2_000).build(&UPSTREAM);
    let mut record = forged.clone();
    record.entry = forged.entry.trim_end().to_owned() + "\np:hello=99\n";
    other.set_index("v3.23/main", &main_index(2, &[&record], &OURS));
    other.add_index("v3.23/main", &good);
    gap.carry("x.bundle", &other.volume(1, &OURS));
    gap.refuses(&["x.bundle"], 3, "no-origin", &["lists 1 packages", "libgreet-1.0-r0.apk"]);
}

#[test]
fn an_older_index_of_upstreams_under_the_senders_signature() {
    let gap = Gap::standing();
    let second = gap.increment();
    gap.carry("x.bundle", &second.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
    // Upstream's first state once more, as the proof of an index that the sender signs itself.
    let mut parcel = dated(&gap.first, second.manifest["time"].as_str().unwrap());
    parcel.manifest["id"] = format!("{}-ffffffff", second.id().split('-').next().unwrap()).into();
    parcel.set_index("v3.23/main", &main_index(1, &[], &OURS));
    parcel.add_index("v3.23/main", &main_index(1, &[], &UPSTREAM));
    gap.carry("y.bundle", &parcel.volume(1, &OURS));
    let before = gap.site.live_records("v3.23/main", "x86_64", &[super::env::trusted(&UPSTREAM)]).len();
    gap.import(&["y.bundle"]).exits_with(3).tells(&["it is older than the one that was accepted last"]);
    gap.site.bivouac(&["sync"]).exits_with(3);
    assert_eq!(gap.site.live_records("v3.23/main", "x86_64", &[super::env::trusted(&UPSTREAM)]).len(), before);
}

#[test]
fn a_package_of_the_senders_own_that_reaches_into_upstreams_names() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    for line in ["p:hello=99", "i:hello"] {
        let mut agent = Package::new("corp-agent", "9.0-r0").build(&CORP);
        agent.entry = format!("{}\n{line}\n", agent.entry.trim_end());
        let mut other = parcel.clone();
        other.set_index("v3.23/main", &main_index(2, &[&agent], &OURS));
        other.add_index("v3.23/main", &main_index(2, &[], &UPSTREAM));
        other.add_package(&agent);
        gap.carry("x.bundle", &other.volume(1, &OURS));
        gap.refuses(&["x.bundle"], 3, "no-origin", &["corp-agent-9.0-r0.apk"]);
    }
}

#[test]
fn one_identity_twice_in_a_bundle() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    // The same package signed anew is another file.
    let again = Package::new("fresh", "1.0-r0").with_noise(5_000).build(&OURS);
    parcel.add_package(&again);
    let twice: Vec<_> = parcel.objects().iter().filter(|object| object["package"][0] == json!("fresh")).collect();
    assert_eq!((twice.len(), &twice[0]["package"]), (2, &twice[1]["package"]));
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}
