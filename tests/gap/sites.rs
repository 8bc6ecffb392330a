//! The online side and a site without a network, each in a folder of its own. What goes from one to the other is copied, file
//! by file.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::env::{Env, Ran, private_name, trusted};
use super::fixture::{AFAR, Built, CORP, Key, OURS, Package, UPSTREAM, signed, unsigned_index};
use super::handmade::{Parcel, digest};
use super::oracle::Trusted;

const MAIN: &str = "/alpine/v3.23/main/x86_64";

/// Who supplies the online side.
pub(crate) const SOURCES: &str = r#"
[sources.up]
url = ["{upstream}/alpine"]
keyring = ["trusted/builder@upstream.example-00000001.rsa.pub"]

[sources.corp]
directory = "packages"
keyring = ["trusted/builder@corp.example-00000004.rsa.pub"]
"#;

const HQ: &str = r#"
[[repositories]]
from = ["up:v3.23/main"]
arches = ["x86_64"]
index = "upstream"

[[repositories]]
name = "v3.23/corp"
arches = ["x86_64"]
from = ["corp"]
"#;

/// A site that publishes what the online side has, as it is.
pub(crate) const SITE: &str = r#"
store = "store"
public = "site/alpine"

[sources.hq]
bundles = "transfer"
keyring = ["trusted/ops@site.example-00000003.rsa.pub"]
origin = ["trusted/builder@upstream.example-00000001.rsa.pub"]
own = ["corp-*"]

[[repositories]]
from = ["hq:*"]
index = "upstream"
"#;

/// The online side and a site.
pub(crate) struct Gap {
    pub(crate) hq: Env,
    pub(crate) site: Env,
    /// What the site has had.
    pub(crate) first: Parcel,
}

/// What upstream and the private directory have in one of two states. `tool` changes a little, `heap` not at all.
fn goods(state: u32) -> (Vec<Package>, Package) {
    let version = format!("1.{state}-r0");
    let mut main = vec![
        Package::new("hello", &version).depends("libgreet").with_noise(3_000),
        Package::new("libgreet", "1.0-r0").with_noise(2_000),
        Package::new("tool", &version).with_noise(60_000),
    ];
    if state > 1 {
        main.push(Package::new("fresh", "1.0-r0").with_noise(5_000));
    }
    (main, Package::new("corp-agent", &version).with_noise(10_000))
}

impl Gap {
    /// The online side in its first state, and a site that has it and publishes it.
    pub(crate) fn standing() -> Gap {
        Gap::standing_with(SITE)
    }

    pub(crate) fn standing_with(site: &str) -> Gap {
        let (hq, site) = (Env::in_memory(), site_with(site));
        hq.configure(&format!("{SOURCES}{HQ}"));
        let mut gap = Gap { hq, site, first: Parcel { manifest: Value::Null, bodies: BTreeMap::new() } };
        gap.first = gap.sent(1);
        gap.carry("first.bundle", &gap.first.volume(1, &OURS));
        gap.import(&["first.bundle"]).exits_with(0);
        gap.site.bivouac(&["sync"]).exits_with(0);
        gap.shows(1);
        gap
    }

    /// The online side goes into a state, and sends all of it.
    pub(crate) fn sent(&self, state: u32) -> Parcel {
        let (main, corp) = goods(state);
        let main: Vec<Built> = main.iter().map(|package| package.build(&UPSTREAM)).collect();
        for package in &main {
            self.hq.upstream.put(&format!("{MAIN}/{}", package.file), package.bytes.clone());
        }
        self.hq.upstream.put(&format!("{MAIN}/APKINDEX.tar.gz"), index(state, &main, &UPSTREAM));
        let _ = std::fs::remove_dir_all(self.hq.path("packages"));
        let corp = corp.build(&CORP);
        self.hq.write(&format!("packages/{}", corp.file), &corp.bytes);
        self.hq.bivouac(&["sync"]).exits_with(0);
        let file = format!("{state}.bundle");
        self.hq.bivouac(&["bundle", "--to", &file]).exits_with(0);
        let parcel = Parcel::open(&[self.hq.path(&file)]);
        std::fs::remove_file(self.hq.path(&file)).unwrap();
        parcel
    }

    /// What takes a site from the first state to the second.
    pub(crate) fn increment(&self) -> Parcel {
        self.sent(2).since(&self.first)
    }

    /// Puts a file on the medium, and the medium into the site.
    pub(crate) fn carry(&self, name: &str, bytes: &[u8]) -> PathBuf {
        self.site.write(&format!("medium/{name}"), bytes)
    }

    /// Imports files of the medium.
    pub(crate) fn import(&self, names: &[&str]) -> Ran {
        self.site.bivouac(&self.arguments(&[], names).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn arguments(&self, flags: &[&str], names: &[&str]) -> Vec<String> {
        let words = flags.iter().chain(&["import"]).map(|word| (*word).to_owned());
        words.chain(names.iter().map(|name| format!("medium/{name}"))).collect()
    }

    /// All that the site shows and knows: its public tree byte for byte, what `status` says, its snapshots.
    pub(crate) fn seen(&self) -> Seen {
        seen(&self.site)
    }

    /// Fails unless the site publishes exactly what the online side had in a state.
    #[track_caller]
    pub(crate) fn shows(&self, state: u32) {
        let (main, corp) = goods(state);
        let folder = self.site.public().join("v3.23");
        for (name, packages) in [("main", &main[..]), ("corp", std::slice::from_ref(&corp))] {
            let signer: &Key = if name == "main" { &UPSTREAM } else { &OURS };
            let listed = self.site.live_records(
                &format!("v3.23/{name}"),
                "x86_64",
                &[(signer.name.to_owned(), signer.public())],
            );
            let mut wanted =
                packages.iter().map(|package| format!("{}-{}", package.name, package.version)).collect::<Vec<_>>();
            wanted.sort();
            let mut found = listed.iter().map(|one| format!("{}-{}", one.name, one.version)).collect::<Vec<_>>();
            found.sort();
            assert_eq!(found, wanted, "{name}");
            for package in packages {
                let built = package.build(if name == "main" { &UPSTREAM } else { &CORP });
                let file = folder.join(name).join("x86_64").join(&built.file);
                assert!(std::fs::read(&file).is_ok_and(|bytes| bytes == built.bytes), "{}", file.display());
            }
        }
    }

    /// Puts the site's store and public tree aside, to begin from there again.
    pub(crate) fn save(&self) {
        std::fs::create_dir(self.site.path("saved")).unwrap();
        self.copy(&["store", "site"], "saved");
    }

    /// Back to what was saved.
    pub(crate) fn restore(&self) {
        for top in ["store", "site"] {
            std::fs::remove_dir_all(self.site.path(top)).unwrap();
        }
        self.copy(&["saved/store", "saved/site"], ".");
    }

    /// Links stay links, and what is one file under two names stays so.
    fn copy(&self, from: &[&str], to: &str) {
        let status = Command::new("cp").arg("-a").args(from).arg(to).current_dir(self.site.path("")).status();
        assert!(status.unwrap().success(), "cp -a {from:?} {to}");
    }

    /// What lies at `names` is not taken: exit code, word, and what the operator reads; and all is as it was before.
    #[track_caller]
    pub(crate) fn refuses(&self, names: &[&str], code: i32, word: &str, told: &[&str]) {
        let before = self.seen();
        let ran = self.import(names);
        ran.exits_with(code).tells(told);
        let arguments = self.arguments(&["--json"], names);
        let ran = self.site.bivouac(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        ran.exits_with(code);
        assert_eq!(ran.json()["error"]["code"], word, "{ran}");
        assert_eq!(self.seen(), before, "{ran}");
        assert!(self.site.upstream.take_log().is_empty(), "there is no network");
    }

    /// What lies at `names` is taken, and is what the online side has in its second state.
    #[track_caller]
    pub(crate) fn takes(&self, names: &[&str]) {
        self.import(names).exits_with(0);
        self.site.bivouac(&["sync"]).exits_with(0);
        self.shows(2);
    }
}

/// A site without a network, of this configuration, that trusts the online side and upstream.
pub(crate) fn site_with(configuration: &str) -> Env {
    let site = Env::in_memory();
    site.write(&format!("trusted/{}", OURS.name), OURS.public_pem().as_bytes());
    site.private_key(&AFAR);
    site.write("bivouac.toml", configuration.as_bytes());
    site
}

/// A site's configuration, with a key of its own.
pub(crate) fn signing(configuration: &str) -> String {
    let place = "public = \"site/alpine\"\n";
    assert!(configuration.contains(place));
    configuration.replace(place, &format!("{place}\n[signing]\nkey = \"keys/{}\"\n", private_name(&AFAR)))
}

/// Whom clients of a site trust that signs for itself.
pub(crate) fn afar() -> Trusted {
    trusted(&AFAR)
}

/// An upstream's index in its `count`th state.
pub(crate) fn index(count: u32, packages: &[Built], signer: &Key) -> Vec<u8> {
    let entries: Vec<_> = packages.iter().map(|package| package.entry.as_str()).collect();
    signed(&unsigned_index(&entries, &format!("v3.23.0-{count}-g0123456789")), &[signer])
}

/// The index of upstream's main repository in a state of [`Gap`], with these packages more or in place of theirs.
pub(crate) fn main_index(state: u32, others: &[&Built], signer: &Key) -> Vec<u8> {
    let (main, _) = goods(state);
    let mut built: Vec<Built> = main.iter().map(|package| package.build(&UPSTREAM)).collect();
    built.retain(|package| others.iter().all(|other| other.file != package.file));
    built.extend(others.iter().map(|other| (*other).clone()));
    index(state, &built, signer)
}

/// What somebody sees who looks at a site.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    tree: BTreeMap<PathBuf, String>,
    status: Value,
    snapshots: Value,
}

/// All that a site shows and knows.
pub(crate) fn seen(site: &Env) -> Seen {
    let text = |file: &Path| match std::fs::read_link(file) {
        Ok(link) => format!("→ {}", String::from_utf8_lossy(link.as_os_str().as_bytes())),
        Err(_) => digest(&std::fs::read(file).unwrap()),
    };
    let tree = site.files_below("site").into_iter().map(|file| (file.clone(), text(&file))).collect();
    let mut status = site.bivouac(&["--json", "status"]).json();
    without_ages(&mut status);
    Seen { tree, status, snapshots: site.bivouac(&["--json", "snapshots"]).json() }
}

/// Takes out what grows while one looks, and what is known to be on its way.
fn without_ages(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // Nor how runs ended, and what else is on the disk.
            let passing = ["age_seconds", "unchanged_seconds", "pending", "tasks", "space"];
            fields.retain(|name, _| !passing.contains(&&name[..]));
            fields.values_mut().for_each(without_ages);
        }
        Value::Array(values) => values.iter_mut().for_each(without_ages),
        _ => {}
    }
}
