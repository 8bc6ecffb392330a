//! A small mirror of private packages with a backup on `disk`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use serde_json::Value;

use super::env::{Env, Ran};
use super::fixture::{CORP, OURS, Package};

const MIRROR: &str = r#"
[sources.corp]
directory = "packages"
keyring = ["trusted/builder@corp.example-00000004.rsa.pub"]

[[repositories]]
name = "v3.23/site"
arches = ["x86_64"]
from = ["corp"]

[publish]
linger = "0s"

[retain]
snapshots = { last = 1, daily = 0, monthly = 0 }
generations = { last = 1 }

[backups.disk]
target = "disk"
tool = false
"#;

/// The mirror and its disk.
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) identity: PathBuf,
}

impl World {
    /// With one package, synced; the disk is a target and empty. `rest` goes on in `[backups.disk]`.
    pub(crate) fn new(rest: &str) -> World {
        World::in_env(Env::new(), rest)
    }

    pub(crate) fn in_env(env: Env, rest: &str) -> World {
        let identity = age::x25519::Identity::generate();
        let file = env.write("safe/identity.txt", identity.to_string().expose_secret().as_bytes());
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        env.write(&format!("trusted/{}", CORP.name), CORP.public_pem().as_bytes());
        env.configure(&format!("{MIRROR}recipients = [\"{}\"]\n{rest}\n", identity.to_public()));
        std::fs::create_dir(env.path("disk")).unwrap();
        let world = World { env, identity: file };
        world.package("one", 1, 3_000);
        world.sync();
        world.env.bivouac(&["backup", "init"]).exits_with(0);
        world
    }

    /// Puts revision `revision` of a package in place of all others of its name.
    pub(crate) fn package(&self, name: &str, revision: u32, size: usize) {
        let folder = self.env.path("packages");
        if folder.is_dir() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with(&format!("{name}-1")) {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
        let built = Package::new(name, &format!("1-r{revision}")).arch("noarch").with_noise(size).build(&CORP);
        self.env.write(&format!("packages/{}", built.file), &built.bytes);
    }

    pub(crate) fn sync(&self) {
        self.env.bivouac(&["sync"]).exits_with(0);
    }

    /// Makes a backup that has nothing to complain of.
    pub(crate) fn backup(&self) -> Value {
        let report = self.env.bivouac(&["--json", "backup"]).exits_with(0).json();
        assert_eq!(report["findings"], Value::Array(Vec::new()), "{report}");
        report
    }

    /// Restores below `to`.
    pub(crate) fn restore(&self, to: &str, rest: &[&str]) -> Ran {
        let identity = self.identity.to_str().unwrap();
        let words = ["--json", "restore", "--from", "disk", "--to", to, "--identity", identity];
        self.env.bivouac(&[&words, rest].concat())
    }

    /// Reads all of the disk again; the codes of what is found.
    pub(crate) fn found(&self) -> Vec<String> {
        let ran = self.env.bivouac(&["--json", "backup", "check", "--read-data", "100%"]);
        let report = ran.json();
        report["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    }

    /// The one segment of which there is only one.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut files = self.env.files_below("disk/segments");
        files.sort();
        files
    }

    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        let mut files = self.env.files_below("disk/backups");
        files.sort();
        files
    }
}

/// Every file below a folder, links followed, by its path there.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(folder, folder, &mut files);
    files
}

/// The private half's file of our key.
pub(crate) fn our_key(env: &Env) -> PathBuf {
    env.path(&format!("keys/{}", OURS.name.strip_suffix(".pub").unwrap()))
}
