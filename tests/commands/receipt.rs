//! `receipt`: what a site says that it holds, read here as anybody reads it.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rsa::Pkcs1v15Sign;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::env::Env;
use super::fixture::{Key, OURS, UPSTREAM, hex};
use super::site::{MAIN, SOURCES, Site, hello, publish};

mod sent;

/// A receipt's payload, which must be signed by `key`, or by nobody.
#[track_caller]
fn payload(receipt: &str, key: Option<&Key>) -> Value {
    let (payload, signature) = receipt.strip_suffix('\n').unwrap().rsplit_once(' ').unwrap();
    match key {
        Some(key) => {
            let digest = Sha256::digest(payload.as_bytes());
            key.public().verify(Pkcs1v15Sign::new::<Sha256>(), &digest, &BASE64.decode(signature).unwrap()).unwrap();
        }
        None => assert_eq!(signature, "-"),
    }
    let payload: Value = serde_json::from_str(payload).unwrap();
    assert_eq!(payload["key"]["name"].as_str(), key.map(|key| key.name));
    payload
}

/// The objects that a payload names, in hex.
fn objects(payload: &Value) -> Vec<String> {
    let bytes = BASE64.decode(payload["objects"].as_str().unwrap()).unwrap();
    bytes.chunks(32).map(hex).collect()
}

/// What lies in the pool, in order.
fn pool(env: &Env) -> Vec<String> {
    let files = env.files_below("store/pool/objects");
    let mut names: Vec<String> =
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn standing() -> Env {
    let Site { env, watch } = Site::standing();
    watch.stop();
    env
}

#[test]
fn it_names_what_the_pool_holds_and_is_signed_by_the_sites_key() {
    let env = &standing();
    let before = env.files_below("");
    let printed = env.bivouac(&["receipt", "--site", "plant-3"]);
    let receipt = payload(&printed.exits_with(0).stdout, Some(&OURS));
    assert_eq!((&receipt["receipt"], &receipt["site"]), (&1.into(), &"plant-3".into()));
    assert_eq!(objects(&receipt).len(), 4);
    assert_eq!(objects(&receipt), pool(env));
    assert_eq!(receipt["key"]["pem"], OURS.public_pem());
    assert_eq!((&receipt["sources"], &receipt["indexes"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(env.files_below(""), before, "a look changes nothing");

    // It says what is there now.
    let next = hello("1.1-r0").build(&UPSTREAM);
    env.upstream.put(&format!("{MAIN}/{}", next.file), next.bytes.clone());
    publish(env, MAIN, 2, &[&next, &super::site::libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let printed = env.bivouac(&["receipt", "--site", "plant-3"]);
    let later = payload(&printed.exits_with(0).stdout, Some(&OURS));
    assert!(objects(&later).contains(&hex(&Sha256::digest(&next.bytes))));
    assert_eq!(objects(&later), pool(env));
}

#[test]
fn it_goes_where_it_is_asked_to_and_json_tells_where() {
    let env = &standing();
    env.bivouac(&["receipt", "--site", "a", "-o", "r.txt"]).exits_with(0);
    payload(&std::fs::read_to_string(env.path("r.txt")).unwrap(), Some(&OURS));
    let report = env.bivouac(&["receipt", "--json", "--site", "b"]).exits_with(0).json();
    let file = report["file"].as_str().unwrap();
    assert!(file.starts_with("receipt-b-") && file.ends_with("Z.txt"), "{file}");
    let text = std::fs::read_to_string(env.path(file)).unwrap();
    let receipt = payload(&text, Some(&OURS));
    assert_eq!(report["bytes"], text.len() as u64);
    assert_eq!((&report["site"], &report["time"]), (&receipt["site"], &receipt["time"]));
    assert_eq!((&report["objects"], &report["signatures"]), (&4.into(), &0.into()));
    assert_eq!(report["key"]["name"], OURS.name);
    let told = env.bivouac(&["receipt", "--site", "a", "-o", "r.txt"]);
    for word in ["receipt of a: 4 packages", "r.txt", OURS.name, "bivouac bundle --receipt r.txt"] {
        assert!(told.exits_with(0).stdout.contains(word), "{word}: {told}");
    }
    env.bivouac(&["receipt", "--site", "a", "-o", "no-such-folder/r.txt"]).exits_with(1);
    for bad in ["", "../a", "a/b", ".a", "a b"] {
        env.bivouac(&["receipt", "--site", bad]).exits_with(2);
    }
}

#[test]
fn a_site_without_a_key_says_that_nobody_signed() {
    let env = Env::new();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    let upstream = "[[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\nindex = \"upstream\"\n";
    env.configure(&format!("{SOURCES}{upstream}"));
    let file = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", file.replace("[signing]\n", "").replace("key = \"keys/", "# \"").as_bytes());
    env.bivouac(&["receipt", "--site", "a"]).exits_with(2).tells(&["no store"]);
    env.bivouac(&["sync"]).exits_with(0);
    let printed = env.bivouac(&["receipt", "--site", "a"]);
    printed.exits_with(0).tells(&["warning: the receipt is not signed"]);
    assert_eq!(objects(&payload(&printed.stdout, None)).len(), 1);
}

/// Runs the README's own text in the root.
fn by_the_shell(env: &Env) -> bool {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## Receipts\n").unwrap();
    let (_, code) = section.split_once("```sh\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let output = Command::new("sh").args(["-c", code]).current_dir(env.path("")).output().unwrap();
    assert_eq!(std::fs::read_to_string(env.path("site.pub")).unwrap(), OURS.public_pem());
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("Verified OK")
}

#[test]
fn the_shell_alone_checks_it() {
    let env = &standing();
    env.bivouac(&["receipt", "--site", "plant-3", "-o", "receipt.txt"]).exits_with(0);
    assert!(by_the_shell(env));
    let text = std::fs::read_to_string(env.path("receipt.txt")).unwrap();
    env.write("receipt.txt", text.replacen("plant-3", "plant-4", 1).as_bytes());
    assert!(!by_the_shell(env));
}

/// A site without a network that takes all of another one's bundles from its folder `transfer`.
fn plant() -> Env {
    let env = Env::new();
    env.configure(&format!(
        "[sources.hq]\nbundles = \"transfer\"\nkeyring = [\"keys/{}\"]\n\n[[repositories]]\nfrom = [\"hq:*\"]\nindex = \"upstream\"\n",
        OURS.name
    ));
    env
}

/// Makes a bundle, carries it over and takes it in; returns what `bundle --json` said.
fn carry(hq: &Env, plant: &Env, arguments: &[&str]) -> Value {
    let name = format!("{}.bundle", plant.files_below("transfer").len());
    let report = hq.bivouac(&[&["bundle", "--json", "--to", &name], arguments].concat()).exits_with(0).json();
    plant.write(&format!("transfer/{name}"), &std::fs::read(hq.path(&name)).unwrap());
    plant.bivouac(&["sync"]).exits_with(0);
    report
}

fn status(env: &Env, code: i32) -> (Value, String) {
    let json = env.bivouac(&["status", "--json"]).exits_with(code).json();
    let text = env.bivouac(&["status"]);
    (json, text.exits_with(code).stdout.clone())
}

#[test]
fn a_site_says_which_bundle_it_has_and_its_status_how_old_that_is() {
    let (hq, plant) = (&standing(), &plant());
    plant.bivouac(&["sync"]).exits_with(4);
    let (json, text) = status(plant, 4);
    assert_eq!((&json["bundles"][0]["in_force"], &json["bundles"][0]["stale"]), (&Value::Null, &true.into()));
    assert!(text.contains("bundles of \"hq\": none was complete here so far  STALE\n"), "{text}");

    let sent = carry(hq, plant, &[]);
    let (json, text) = status(plant, 0);
    let bundles = &json["bundles"][0];
    assert_eq!((&bundles["in_force"]["id"], &bundles["in_force"]["expired"]), (&sent["id"], &false.into()));
    assert_eq!((&bundles["source"], &bundles["pending"]), (&"hq".into(), &Value::Array(vec![])));
    assert!(text.contains(&format!("bundles of \"hq\": {} is in force, made", sent["id"].as_str().unwrap())), "{text}");
    assert!(text.contains("a newer one should come by"), "{text}");

    let printed = plant.bivouac(&["receipt", "--site", "plant-3"]);
    let receipt = payload(&printed.exits_with(0).stdout, Some(&OURS));
    let came = &receipt["sources"][0];
    assert_eq!((&came["source"], &came["in_force"]), (&"hq".into(), &sent["id"]));
    assert_eq!(came["imported"], Value::Array(vec![sent["id"].clone()]));
    assert_eq!(objects(&receipt), pool(hq));
    let indexes: Vec<_> = receipt["indexes"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let live = hq.public().join("v3.23/site/x86_64/APKINDEX.tar.gz");
    assert!(indexes.contains(&&*hex(&Sha256::digest(std::fs::read(live).unwrap()))), "{indexes:?}");
    assert_eq!(indexes.len(), 3, "and its two origins");

    // The same bundle, made much earlier.
    let file = plant.path("store/bundles/from/hq/in-force.json");
    let mut manifest: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    manifest["expires"] = "2026-02-05T00:00:00Z".into();
    std::fs::write(&file, manifest.to_string()).unwrap();
    let (json, text) = status(plant, 0);
    assert_eq!(json["bundles"][0]["in_force"]["expired"], true, "which only warns");
    assert!(text.contains("it expired on 2026-02-05 00:00 UTC: ask the sender for a newer one"), "{text}");
    manifest["time"] = "2026-01-01T00:00:00Z".into();
    std::fs::write(&file, manifest.to_string()).unwrap();
    let (json, text) = status(plant, 4);
    assert!(json["bundles"][0]["stale"] == true && json["bundles"][0]["age_seconds"].as_u64().unwrap() > 36 * 86_400);
    assert!(text.contains("ago  STALE\n"), "{text}");
}

#[test]
fn what_an_incomplete_bundle_lacks_is_told() {
    let (hq, plant) = (&standing(), &plant());
    let first = carry(hq, plant, &[]);
    let id = first["id"].as_str().unwrap();

    // One of two that build on each other is lost.
    let renew = |count, version: &str| {
        let next = hello(version).build(&UPSTREAM);
        publish(hq, MAIN, count, &[&next, &super::site::libgreet().build(&UPSTREAM)], &UPSTREAM);
        hq.bivouac(&["sync"]).exits_with(0);
    };
    renew(2, "1.1-r0");
    let lost = hq.bivouac(&["bundle", "--json", "--to", "lost.bundle", "--since", id]).exits_with(0).json();
    // The other takes two volumes, and has indexes over the former ones.
    let large = super::fixture::Package::new("large", "1-r0").with_noise(200_000).build(&UPSTREAM);
    let other = super::fixture::Package::new("larger", "1-r0").with_noise(200_000).build(&UPSTREAM);
    publish(hq, MAIN, 3, &[&large, &other, &super::site::libgreet().build(&UPSTREAM)], &UPSTREAM);
    hq.bivouac(&["sync"]).exits_with(0);
    let since = lost["id"].as_str().unwrap();
    let arguments = ["bundle", "--json", "--to", "v.bundle", "--since", since, "--volume-size", "300kB"];
    let split = hq.bivouac(&arguments).exits_with(0).json();
    assert_eq!(split["volumes"].as_array().unwrap().len(), 2);
    plant.write("transfer/v.1.bundle", &std::fs::read(hq.path("v.1.bundle")).unwrap());
    plant.bivouac(&["sync"]).exits_with(4);

    let (json, text) = status(plant, 0);
    let bundles = &json["bundles"][0];
    assert_eq!(bundles["in_force"]["id"], first["id"], "what was in force stays");
    let pending = &bundles["pending"][0];
    assert_eq!((&pending["id"], &pending["volumes"]), (&split["id"], &2.into()));
    assert_eq!((&pending["missing_volumes"], &pending["missing_base"]), (&serde_json::json!([2]), &lost["id"]));
    assert!(
        text.contains(&format!("{} is not complete: volume 2 of 2 did not come (", split["id"].as_str().unwrap())),
        "{text}"
    );
    assert!(pending["waiting_objects"].as_u64().unwrap() > 0, "{pending}");
    assert!(text.contains(" of it cannot be rebuilt yet"), "{text}");
    assert!(text.contains(&format!("; it builds on {since}, which was never complete here")), "{text}");
}
