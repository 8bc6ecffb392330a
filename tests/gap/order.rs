//! Bundles that come twice, late, in the wrong order, or to the wrong site.

use jiff::{SignedDuration, Timestamp};

use super::env::Ran;
use super::fixture::OURS;
use super::sites::Gap;

/// One line for each bundle, and nothing on standard error.
#[track_caller]
fn says(ran: &Ran, lines: &[String]) {
    ran.exits_with(0);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), lines, "{ran}");
    assert!(!ran.stderr.contains("error") && !ran.stderr.contains("warning"), "{ran}");
}

#[test]
fn an_import_repeated() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
    let before = gap.seen();
    let line = format!("bundle {} of \"hq\" was imported before: no new packages", parcel.id());
    for _ in 0..2 {
        says(&gap.import(&["x.bundle"]), std::slice::from_ref(&line));
    }
    assert_eq!(gap.seen(), before);
}

#[test]
fn a_replayed_old_bundle() {
    let gap = Gap::standing();
    let second = gap.increment();
    gap.carry("x.bundle", &second.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
    let before = gap.seen();
    // Imported before.
    let line = format!("bundle {} of \"hq\" was imported before: no new packages", gap.first.id());
    says(&gap.import(&["first.bundle"]), &[line]);
    assert_eq!(gap.seen(), before);
    // Never seen here, and older than what is in force: the sender's own signature does not bring it back.
    let mut old = gap.first.clone();
    old.manifest["id"] = "20200101T000000Z-00000000".into();
    old.manifest["time"] = "2020-01-01T00:00:00Z".into();
    gap.carry("old.bundle", &old.volume(1, &OURS));
    let line = "bundle 20200101T000000Z-00000000 of \"hq\" is older than what is in force, which stays: no new packages \
                (--accept-older puts it in force)";
    says(&gap.import(&["old.bundle"]), &[line.to_owned()]);
    assert_eq!(gap.seen(), before);
    gap.site.bivouac(&["sync"]).exits_with(0);
    gap.shows(2);
}

#[test]
fn a_bundle_for_another_sites_base() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    // A site that never had the first.
    let other = Gap::standing();
    let empty = super::sites::site_with(super::sites::SITE);
    empty.write("medium/x.bundle", &parcel.volume(1, &OURS));
    let base = gap.first.id();
    let hint = format!("hint: import bundle {base} first; or send the sender what `bivouac receipt` writes here");
    let ran = empty.bivouac(&["import", "medium/x.bundle"]);
    ran.exits_with(4).tells(&[&format!("it builds on bundle {base}, and not all of that is here"), &hint]);
    assert_eq!(empty.bivouac(&["--json", "import", "medium/x.bundle"]).json()["error"]["code"], "bundle-base-missing");
    assert!(!empty.public().exists());
    // One that had another: nothing of it moves.
    let mut foreign = parcel.clone();
    let id = "20260101T000000Z-00000000";
    foreign.manifest["base"]["id"] = id.into();
    // Later than what is in force there, whichever of the two senders was the faster.
    let times = [&foreign, &other.first].map(|parcel| parcel.manifest["time"].as_str().unwrap().parse::<Timestamp>());
    let later = times.into_iter().map(Result::unwrap).max().unwrap() + SignedDuration::from_secs(1);
    foreign.manifest["time"] = later.to_string().into();
    foreign.manifest["id"] = format!("{}-00000000", later.strftime("%Y%m%dT%H%M%SZ")).into();
    let digest = foreign.object("tool-1.2-r0.apk")["sha256"].as_str().unwrap().to_owned();
    foreign.object("tool-1.2-r0.apk")["base"] = "00".repeat(32).into();
    assert!(foreign.bodies.contains_key(&digest));
    foreign.name_anew();
    other.carry("x.bundle", &foreign.volume(1, &OURS));
    let hint = format!("hint: import bundle {id} first; or send the sender what `bivouac receipt` writes here");
    let packages = "tool-1.2-r0.apk";
    let told = [&hint[..], "1 deltas have no base here", packages];
    other.refuses(&["x.bundle"], 4, "bundle-base-missing", &told);
    // What is missing heals it, and what came of it is not read again.
    empty.write("medium/first.bundle", &gap.first.volume(1, &OURS));
    let report = empty.bivouac(&["--json", "import", "medium/first.bundle"]).exits_with(0).json();
    assert_eq!(report["id"], base);
    let report = empty.bivouac(&["--json", "import", "medium/x.bundle"]).exits_with(0).json();
    assert_eq!(report["id"], parcel.id());
    let healed = Gap { site: empty, ..gap };
    healed.site.bivouac(&["sync"]).exits_with(0);
    healed.shows(2);
}

#[test]
fn two_bundles_in_the_wrong_order_in_one_call() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    let empty = super::sites::site_with(super::sites::SITE);
    let fresh = Gap { site: empty, ..gap };
    fresh.carry("a.bundle", &parcel.volume(1, &OURS));
    fresh.carry("z.bundle", &fresh.first.volume(1, &OURS));
    fresh.takes(&["a.bundle", "z.bundle"]);
}

/// What a site takes of the bundles is less than what they bring, and its prune drops the rest: what later bundles build on
/// is kept.
#[test]
fn a_partial_site_whose_prune_runs_after_each_sync() {
    let partial = format!(
        "{}{}",
        super::sites::SITE.split("[[repositories]]").next().unwrap(),
        "[[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"hq:v3.23/main\"]\n\
         packages = [\"hello\"]\n\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\n\n\
         [publish]\nlinger = \"0s\"\n"
    );
    let gap = Gap::standing();
    let parcel = gap.increment();
    let site = super::sites::site_with(&super::sites::signing(&partial));
    let signed = |site: &super::env::Env| site.live_records("v3.23/main", "x86_64", &[super::sites::afar()]);
    let gap = Gap { site, ..gap };
    gap.carry("first.bundle", &gap.first.volume(1, &OURS));
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.import(&["first.bundle"]).exits_with(0);
    for _ in 0..2 {
        gap.site.bivouac(&["sync"]).exits_with(0);
        gap.site.bivouac(&["prune"]).exits_with(0);
    }
    assert_eq!(
        signed(&gap.site).iter().map(super::oracle::Listed::file).collect::<Vec<_>>(),
        ["hello-1.1-r0.apk", "libgreet-1.0-r0.apk"]
    );
    let report = gap.site.bivouac(&["--json", "import", "medium/x.bundle"]).exits_with(0).json();
    assert!(report["deltas_applied"].as_u64().unwrap() >= 3, "{report}");
    gap.site.bivouac(&["sync"]).exits_with(0);
    assert_eq!(
        signed(&gap.site).iter().map(super::oracle::Listed::file).collect::<Vec<_>>(),
        ["hello-1.2-r0.apk", "libgreet-1.0-r0.apk"]
    );
    gap.site.bivouac(&["check"]).exits_with(0);
}
