//! `bundle`: what goes on the medium. It is read here as anybody reads it, with tar, SHA-256 and RSA.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rsa::Pkcs1v15Sign;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::env::{Env, Ran};
use super::fixture::{Key, OURS, STRANGER, UPSTREAM, hex};
use super::site::{Site, extra, hello, index_of, libgreet};

mod hops;
mod increments;
mod media;
mod refused;

/// A volume's files by name.
struct Volume {
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

impl Volume {
    fn open(path: &Path) -> Volume {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let twice = files.insert(entry.path().unwrap().display().to_string(), content);
            assert!(twice.is_none());
        }
        Volume { files, bytes: bytes.len() as u64 }
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.files["manifest.json"]).unwrap()
    }

    /// The manifest must be signed by these and nobody else.
    #[track_caller]
    fn is_signed_by(&self, keys: &[&Key]) {
        let digest = Sha256::digest(&self.files["manifest.json"]);
        for key in keys {
            let signature = &self.files[&format!("manifest.json.{}.sig", key.name)];
            key.public().verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature).unwrap();
        }
        assert_eq!(self.files.keys().filter(|name| name.ends_with(".sig")).count(), keys.len());
    }

    /// The bytes that the manifest says are here, by digest; each must be what it says.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let (name, stream) = self.files.iter().find(|(name, _)| name.starts_with("objects.")).expect("a volume");
        let number: u64 = name.strip_prefix("objects.").unwrap().parse().unwrap();
        let (mut at, mut found) = (0, BTreeMap::new());
        for object in self.manifest()["objects"].as_array().unwrap().iter().filter(|one| one["volume"] == number) {
            let (size, digest) = match object["form"].as_str().unwrap() {
                "whole" => (&object["size"], &object["sha256"]),
                "delta" => (&object["length"], &object["delta"]),
                other => panic!("{other}"),
            };
            let bytes = stream[at..at + usize::try_from(size.as_u64().unwrap()).unwrap()].to_vec();
            assert_eq!(hex(&Sha256::digest(&bytes)), digest.as_str().unwrap(), "{object}");
            at += bytes.len();
            found.insert(object["sha256"].as_str().unwrap().to_owned(), bytes);
        }
        assert_eq!(at, stream.len(), "nothing lies between objects or behind them");
        found
    }
}

/// The names of packages that a manifest's objects are, in order.
fn packages(manifest: &Value) -> Vec<String> {
    let objects = manifest["objects"].as_array().unwrap().iter();
    let mut names: Vec<String> = objects
        .filter_map(|object| {
            let package = object["package"].as_array()?;
            Some(format!("{}-{}", package[0].as_str().unwrap(), package[1].as_str().unwrap()))
        })
        .collect();
    names.sort();
    names
}

fn digest_of(path: &Path) -> String {
    hex(&Sha256::digest(std::fs::read(path).unwrap()))
}

/// A site that was synced once. Nothing here changes its public tree.
fn standing() -> Env {
    let Site { env, watch } = Site::standing();
    watch.stop();
    env
}

fn bundle(env: &Env, arguments: &[&str]) -> Value {
    env.bivouac(&[&["bundle", "--json"], arguments].concat()).exits_with(0).json()
}

#[test]
fn a_whole_bundle_holds_all_that_is_live_with_proof_of_where_it_is_from() {
    let env = &standing();
    let report = bundle(env, &["--to", "x.bundle"]);
    let volume = Volume::open(&env.path("x.bundle"));
    volume.is_signed_by(&[&OURS]);
    let manifest = volume.manifest();
    assert_eq!(packages(&manifest), super::site::FIRST);

    // The state: our index as it is published, and upstream's two from which it follows.
    let place = &manifest["repositories"][0];
    let live = env.public().join("v3.23/site/x86_64");
    assert_eq!((&place["name"], &place["arch"]), (&"v3.23/site".into(), &"x86_64".into()));
    assert_eq!(place["index"], *digest_of(&live.join("APKINDEX.tar.gz")));
    let [hello, libgreet, extra] = [hello("1.0-r0"), libgreet(), extra("1.0-r0")].map(|one| one.build(&UPSTREAM));
    let origins =
        [&[&hello, &libgreet][..], &[&extra]].map(|packages| hex(&Sha256::digest(index_of(1, packages, &UPSTREAM))));
    assert_eq!(place["origins"], serde_json::json!(origins));
    assert_eq!(place["whole"], *origins[0], "all packages of upstream's main are there");
    let objects = volume.objects();
    for path in env.files_below(&format!("site/{}", env.generation().display())) {
        assert!(objects.contains_key(&digest_of(&path)), "{}", path.display());
    }
    assert_eq!(objects.len(), 4 + 3);

    // The report says the same.
    assert_eq!((&report["packages"], &report["full"], &report["deltas"]), (&4.into(), &4.into(), &0.into()));
    assert_eq!(report["bytes"], volume.bytes);
    assert_eq!(report["id"], manifest["id"]);
    assert_eq!(report["base"], Value::Null);
    let sizes: usize = objects.values().map(Vec::len).sum();
    assert_eq!(report["full_bytes"], sizes);
    let days = |from: &Value, to: &Value| {
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        time(to).duration_since(time(from)).as_hours() / 24
    };
    assert_eq!(days(&manifest["time"], &manifest["expires"]), 35);
    let other = bundle(env, &["--to", "y.bundle", "--expires", "60d"]);
    assert_eq!(days(&Volume::open(&env.path("y.bundle")).manifest()["time"], &other["expires"]), 60);
    assert!(other["id"].as_str() > report["id"].as_str(), "ids grow, also within one second");
    assert_eq!(file_names(&env.path("")).iter().filter(|name| name.starts_with(".bivouac")).count(), 0);
}

fn file_names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Text for people says what goes on the label.
#[test]
fn an_operator_is_told_what_to_write_on_the_label() {
    let env = standing();
    let ran = env.bivouac(&["bundle", "--to", "x.bundle"]);
    ran.exits_with(0);
    let id = Volume::open(&env.path("x.bundle")).manifest()["id"].as_str().unwrap().to_owned();
    let fingerprint = hex(&Sha256::digest(rsa_der(&OURS)));
    for words in [
        &format!("bundle {id}: 4 packages (0 as deltas, 4 whole), 3 indexes")[..],
        "  x.bundle\n",
        &format!("signed by {}, SHA-256 {fingerprint}", OURS.name),
        "there: bivouac import x.bundle\n",
    ] {
        assert!(ran.stdout.contains(words), "{words:?}\n{ran}");
    }
}

fn rsa_der(key: &Key) -> Vec<u8> {
    use rsa::pkcs8::EncodePublicKey as _;
    key.public().to_public_key_der().unwrap().as_bytes().to_vec()
}

#[test]
fn inspect_tells_all_of_it_without_a_configuration() {
    let env = &standing();
    bundle(env, &["--to", "x.bundle"]);
    let elsewhere = Env::new();
    let file = env.path("x.bundle").display().to_string();
    let look = |arguments: &[&str]| elsewhere.bivouac(&[&["bundle", "inspect", &file, "--json"], arguments].concat());
    let seen = look(&[]).exits_with(0).json();
    let seen = &seen["bundles"][0];
    assert_eq!(seen["id"], Volume::open(&env.path("x.bundle")).manifest()["id"]);
    assert_eq!(seen["signature"]["verdict"], "not-checked");
    assert_eq!((&seen["packages"], &seen["indexes"]), (&4.into(), &3.into()));
    assert_eq!(seen["repositories"][0]["name"], "v3.23/site");
    assert_eq!(seen["missing_volumes"], serde_json::json!([]));
    let told = elsewhere.bivouac(&["bundle", "inspect", &file]);
    assert!(told.exits_with(0).stdout.contains("signature not checked"), "{told}");

    // By a folder of keys, a file, and somebody else's.
    elsewhere.write(&format!("ours/{}", OURS.name), OURS.public_pem().as_bytes());
    elsewhere.write(&format!("theirs/{}", STRANGER.name), STRANGER.public_pem().as_bytes());
    for keys in ["ours", &format!("ours/{}", OURS.name)] {
        let seen = look(&["--keys", keys]).exits_with(0).json();
        assert_eq!(seen["bundles"][0]["signature"]["verdict"], "good");
        assert_eq!(seen["bundles"][0]["signature"]["signers"][0]["name"], OURS.name);
    }
    let refused = look(&["--keys", "theirs"]).exits_with(3).json();
    assert_eq!(refused["bundles"][0]["signature"]["code"], "unknown-signer");
    assert_eq!(elsewhere.files_below("store"), Vec::<PathBuf>::new());
}
