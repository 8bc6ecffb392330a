//! `bundle --receipt`: what is sent by what a site says that it has.

use serde_json::Value;

use super::*;
use crate::fixture::{Form, NEXT, STRANGER};

/// Another version of hello at the sender's upstream, synced there.
fn renew(hq: &Env, count: u32, version: &str) {
    let next = hello(version).build(&UPSTREAM);
    publish(hq, MAIN, count, &[&next, &crate::site::libgreet().build(&UPSTREAM)], &UPSTREAM);
    hq.bivouac(&["sync"]).exits_with(0);
}

/// The site's receipt of this moment, laid at the sender.
fn send_receipt(hq: &Env, plant: &Env) -> String {
    let printed = plant.bivouac(&["receipt", "--site", "plant-3"]);
    hq.write("r.txt", printed.exits_with(0).stdout.as_bytes());
    printed.stdout.clone()
}

/// A receipt that says something else, signed by `key`.
fn forged(receipt: &str, key: Option<&Key>, change: impl Fn(&mut Value)) -> String {
    let (payload, _) = receipt.trim_end().rsplit_once(' ').unwrap();
    let mut payload: Value = serde_json::from_str(payload).unwrap();
    payload["key"] = key.map_or(Value::Null, |key| serde_json::json!({"name": key.name, "pem": key.public_pem()}));
    change(&mut payload);
    let payload = payload.to_string();
    let signature = key.map_or("-".to_owned(), |key| BASE64.encode(key.sign(Form::Rsa256, payload.as_bytes()).1));
    format!("{payload} {signature}\n")
}

fn index_of_live(env: &Env) -> String {
    hex(&Sha256::digest(std::fs::read(env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz")).unwrap()))
}

#[test]
fn what_the_site_has_is_left_out_whatever_was_lost_on_the_way() {
    let (hq, plant) = (&standing(), &plant());
    let first = carry(hq, plant, &[]);
    renew(hq, 2, "1.1-r0");
    let lost = hq.bivouac(&["bundle", "--json", "--to", "lost.bundle", "--since", first["id"].as_str().unwrap()]);
    assert_eq!(lost.exits_with(0).json()["packages"], 1);
    renew(hq, 3, "1.2-r0");

    send_receipt(hq, plant);
    let sent = carry(hq, plant, &["--receipt", "r.txt"]);
    assert_eq!((&sent["base"], &sent["receipt_of"]), (&first["id"], &"plant-3".into()));
    assert_eq!((&sent["packages"], &sent["indexes"]), (&1.into(), &2.into()), "hello, our index and upstream's");
    assert_eq!(index_of_live(plant), index_of_live(hq));

    let (json, text) = status(hq, 0);
    let site = &json["sites"][0];
    assert_eq!((&site["site"], &site["in_force"], &site["newest"]), (&"plant-3".into(), &first["id"], &sent["id"]));
    assert_eq!(
        (&site["behind_bundles"], &site["behind_indexes"], &site["live_indexes"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!((&site["objects"], &site["key"]["name"]), (&4.into(), &OURS.name.into()));
    let id = first["id"].as_str().unwrap();
    assert!(text.contains(&format!("site plant-3 has {id}, by its receipt of ")), "{text}");
    assert!(text.contains("  2 bundles on the way to it ("), "{text}");
    assert!(text.contains("  1 of 1 indexes that are live here are newer than there"), "{text}");

    // It came, and so the site says.
    send_receipt(hq, plant);
    let last = carry(hq, plant, &["--receipt", "r.txt"]);
    assert_eq!((&last["base"], &last["packages"], &last["indexes"]), (&sent["id"], &0.into(), &0.into()));
    let (json, _) = status(hq, 0);
    let site = &json["sites"][0];
    assert_eq!(
        (&site["in_force"], &site["behind_bundles"], &site["behind_indexes"]),
        (&sent["id"], &1.into(), &0.into())
    );
    assert_eq!(site["behind_live_seconds"], Value::Null);
    assert_eq!(status(plant, 0).0["bundles"][0]["in_force"]["id"], last["id"]);
}

#[test]
fn what_a_site_has_lost_comes_again() {
    let (hq, plant) = (&standing(), &plant());
    carry(hq, plant, &[]);
    let gone = plant.files_below("store/pool/objects").remove(0);
    std::fs::remove_file(gone).unwrap();
    plant.bivouac(&["check"]).exits_with(5);
    send_receipt(hq, plant);
    let sent = carry(hq, plant, &["--receipt", "r.txt"]);
    assert_eq!((&sent["packages"], &sent["indexes"]), (&1.into(), &0.into()));
    assert_eq!(pool(plant), pool(hq));
}

#[test]
fn a_receipt_that_is_not_to_be_believed_is_refused() {
    let (hq, plant) = (&standing(), &plant());
    carry(hq, plant, &[]);
    let receipt = send_receipt(hq, plant);
    let refused = |text: &str, code: &str, words: &[&str]| {
        hq.write("bad.txt", text.as_bytes());
        let ran = hq.bivouac(&["bundle", "--json", "--to", "x.bundle", "--receipt", "bad.txt"]);
        assert_eq!(ran.exits_with(3).json()["error"]["code"], code);
        ran.tells(words);
        assert!(!hq.path("x.bundle").exists());
    };
    refused(
        &receipt.replacen("plant-3", "plant-4", 1),
        "bad-signature",
        &["its signature is not by", "hint: copy it once more"],
    );
    refused(&receipt[..receipt.len() / 2], "bad-receipt", &["refused receipt bad.txt"]);
    refused("a letter\n", "bad-receipt", &["it is not one line of a payload and a signature"]);
    refused(
        &forged(&receipt, Some(&OURS), |it| it["receipt"] = 2.into()),
        "bad-receipt",
        &["it has form 2", "hint: take a release"],
    );
    assert!(status(hq, 0).0["sites"].as_array().unwrap().is_empty(), "nothing is remembered of it");
    hq.bivouac(&["bundle", "--to", "x.bundle", "--receipt", "none.txt"])
        .exits_with(1)
        .tells(&["none.txt cannot be read"]);

    // From its first receipt on the site is known by its key.
    hq.bivouac(&["bundle", "--to", "1.bundle", "--receipt", "r.txt"]).exits_with(0);
    let words = ["site plant-3 signs with ops@site.example-00000003.rsa.pub (SHA-256 ", "sites/plant-3.json here"];
    refused(&forged(&receipt, Some(&STRANGER), |_| ()), "other-site-key", &words);
    refused(&forged(&receipt, None, |_| ()), "other-site-key", &["it is not signed"]);
    hq.write("next.txt", forged(&receipt, Some(&NEXT), |_| ()).as_bytes());
    std::fs::remove_file(hq.path("store/bundles/sites/plant-3.json")).unwrap();
    hq.bivouac(&["bundle", "--to", "2.bundle", "--receipt", "next.txt"]).exits_with(0);
    assert_eq!(status(hq, 0).0["sites"][0]["key"]["name"], NEXT.name);
}

#[test]
fn an_unsigned_receipt_and_an_older_one_are_taken_with_a_word() {
    let (hq, plant) = (&standing(), &plant());
    carry(hq, plant, &[]);
    let receipt = send_receipt(hq, plant);
    hq.write("unsigned.txt", forged(&receipt, None, |_| ()).as_bytes());
    let ran = hq.bivouac(&["bundle", "--to", "1.bundle", "--receipt", "unsigned.txt"]);
    ran.exits_with(0).tells(&["warning: the receipt unsigned.txt is not signed"]);
    assert_eq!(status(hq, 0).0["sites"][0]["key"], Value::Null);

    // It signs from now on, and the older of two receipts is not the last word of the site.
    hq.bivouac(&["bundle", "--to", "2.bundle", "--receipt", "r.txt"]).exits_with(0);
    let older = forged(&receipt, Some(&OURS), |it| it["time"] = "2026-01-01T00:00:00Z".into());
    hq.write("older.txt", older.as_bytes());
    let ran = hq.bivouac(&["bundle", "--to", "3.bundle", "--receipt", "older.txt"]);
    ran.exits_with(0).tells(&["warning: the receipt of site plant-3 is of 2026-01-01 00:00 UTC"]);
    let (json, _) = status(hq, 0);
    assert_eq!(json["sites"][0]["key"]["name"], OURS.name);
    assert_ne!(json["sites"][0]["receipt"], "2026-01-01T00:00:00Z");
}

#[test]
fn a_site_that_has_none_of_our_bundles_is_held_to_have_what_its_pool_holds() {
    let (hq, plant) = (&standing(), &plant());
    carry(hq, plant, &[]);
    renew(hq, 2, "1.1-r0");
    let receipt = send_receipt(hq, plant);
    let stranger = forged(&receipt, Some(&OURS), |it| it["sources"] = Value::Array(vec![]));
    hq.write("stranger.txt", stranger.as_bytes());
    let sent = carry(hq, plant, &["--receipt", "stranger.txt"]);
    assert_eq!((&sent["base"], &sent["packages"], &sent["indexes"]), (&Value::Null, &1.into(), &3.into()));
    assert_eq!(index_of_live(plant), index_of_live(hq));
}

#[test]
fn over_what_was_dropped_here_deltas_are_made_by_what_the_site_tells() {
    let Site { env: hq, watch } = Site::before_the_first_sync();
    watch.stop();
    let hq = &hq;
    let plant = &plant();
    let large = |version: &str| crate::fixture::Package::new("large", version).with_noise(300_000).build(&UPSTREAM);
    let upstream = |count, version: &str| {
        let packages = [hello("1.0-r0").build(&UPSTREAM), crate::site::libgreet().build(&UPSTREAM), large(version)];
        publish(hq, MAIN, count, &packages.iter().collect::<Vec<_>>(), &UPSTREAM);
        hq.bivouac(&["sync"]).exits_with(0);
    };
    upstream(1, "1-r0");
    let first = hex(&Sha256::digest(&large("1-r0").bytes));
    carry(hq, plant, &[]);
    upstream(2, "2-r0");
    let dropped = hq.files_below("store/pool/objects").into_iter().find(|file| file.ends_with(&first)).unwrap();
    std::fs::remove_file(dropped).unwrap();

    send_receipt(hq, plant);
    let whole = hq.bivouac(&["bundle", "--json", "--to", "whole.bundle", "--receipt", "r.txt"]).exits_with(0).json();
    assert_eq!(whole["packages"], 1);
    assert!(whole["bytes"].as_u64().unwrap() > 300_000, "over nothing: {whole}");

    let told = plant.bivouac(&["receipt", "--json", "--site", "plant-3", "--signatures", "-o", "r.txt"]);
    assert_eq!(told.exits_with(0).json()["signatures"], 5);
    let receipt = std::fs::read_to_string(plant.path("r.txt")).unwrap();
    let lines: Vec<&str> = receipt.lines().collect();
    assert_eq!(payload(&format!("{}\n", lines[0]), Some(&OURS))["signatures"]["count"], 5);
    let line = lines.iter().find(|line| line.starts_with(&first)).unwrap();
    assert!(line.starts_with(&format!("{first} v3.23/site/x86_64 large 1-r0 ")), "{line}");

    // Every line is under the receipt's signature.
    let below = receipt.strip_prefix(lines[0]).unwrap();
    let other = format!("{}{}", lines[0], below.replacen("large 1-r0", "large 1-r9", 1));
    for bad in [other, format!("{receipt}{}\n", lines[1]), lines[..5].join("\n"), format!("{}\n", lines[0])] {
        hq.write("bad.txt", bad.as_bytes());
        let ran = hq.bivouac(&["bundle", "--json", "--to", "x.bundle", "--receipt", "bad.txt"]);
        assert_eq!(ran.exits_with(3).json()["error"]["code"], "bad-receipt");
        ran.tells(&["the lines below its first one are not those that it names"]);
    }

    hq.write("r.txt", receipt.as_bytes());
    let short = carry(hq, plant, &["--receipt", "r.txt"]);
    assert_eq!((&short["packages"], &short["deltas"]), (&1.into(), &1.into()));
    assert!(short["bytes"].as_u64().unwrap() < 60_000, "{short}");
    assert_eq!(index_of_live(plant), index_of_live(hq));
    assert!(plant.public().join("v3.23/site/x86_64/large-2-r0.apk").is_file());
}
