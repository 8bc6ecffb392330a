//! Everything is gone, and comes back: by `restore`, to each of three points, and by hand, with the commands that the page in the
//! target itself gives. A real apk installs from what came back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret as _;

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, NEXT, OURS, Package};

const MIRROR: &str = r#"
[sources.corp]
directory = "packages"
keyring = ["trusted/builder@corp.example-00000004.rsa.pub"]

[[repositories]]
name = "v3.23/site"
arches = ["x86_64", "aarch64"]
from = ["corp"]

[publish]
linger = "0s"

[backups.disk]
target = "disk"
tool = false
"#;

/// A mirror with a backup that has its keys in it.
struct Site {
    env: Env,
    identity: PathBuf,
}

impl Site {
    fn new() -> Site {
        let env = Env::new();
        let identity = age::x25519::Identity::generate();
        let file = env.write("safe/identity.txt", identity.to_string().expose_secret().as_bytes());
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        env.write(&format!("trusted/{}", CORP.name), CORP.public_pem().as_bytes());
        env.configure(&format!("{MIRROR}recipients = [\"{}\"]\n", identity.to_public()));
        std::fs::create_dir(env.path("disk")).unwrap();
        env.bivouac(&["backup", "init"]).exits_with(0);
        Site { env, identity: file }
    }

    fn package(&self, package: Package) {
        let built = package.build(&CORP);
        self.env.write(&format!("packages/{}", built.file), &built.bytes);
    }

    /// Makes a backup; returns its id and what stands on the label.
    fn backup(&self) -> (String, String) {
        let report = self.env.bivouac(&["--json", "backup"]).exits_with(0).json();
        assert_eq!(report["left_out"], serde_json::json!([]), "{report}");
        let word = |key: &str| report[key].as_str().unwrap().to_owned();
        (word("id"), word("signer"))
    }

    /// Takes away all that a disaster takes; the disk is in another building.
    fn burn_down(&self) {
        for folder in ["store", "site", "keys", "trusted", "packages"] {
            std::fs::remove_dir_all(self.env.path(folder)).unwrap();
        }
        std::fs::remove_file(self.env.path("bivouac.toml")).unwrap();
    }
}

/// Every file below a folder, links followed, by its path there.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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

fn noarch(name: &str, version: &str) -> Package {
    Package::new(name, version).arch("noarch").with_noise(20_000)
}

#[test]
fn each_of_three_points_comes_back_after_all_is_gone() {
    let Some(real) = real_alpine() else { return };
    let site = Site::new();
    let env = &site.env;
    let ours = env.write(&format!("client/{}", OURS.name), OURS.public_pem().as_bytes());
    let next = env.write(&format!("client/{}", NEXT.name), NEXT.public_pem().as_bytes());
    let mut points = Vec::new();
    let mut point = |names: &[&'static str], keys: Vec<PathBuf>| {
        env.bivouac(&["sync"]).exits_with(0);
        points.push((site.backup(), tree(&env.public()), names.to_vec(), keys));
    };
    site.package(noarch("corp-lib", "1.0-r0"));
    point(&["corp-lib"], vec![ours.clone()]);
    std::fs::remove_file(env.path("packages/corp-lib-1.0-r0.apk")).unwrap();
    site.package(noarch("corp-lib", "1.1-r0"));
    site.package(noarch("corp-tool", "1.0-r0").depends("corp-lib>=1.1"));
    point(&["corp-lib", "corp-tool"], vec![ours.clone()]);
    // Two keys sign from here on: a client that has either is served.
    let key = env.private_key(&NEXT);
    env.bivouac(&["key", "rotate", "--key", &key]).exits_with(0);
    site.package(noarch("corp-extra", "3-r1"));
    point(&["corp-extra", "corp-lib", "corp-tool"], vec![next.clone()]);
    let keys: BTreeMap<PathBuf, Vec<u8>> = tree(&env.path("keys"));
    site.burn_down();

    for (number, ((id, _), lost, names, keys)) in points.iter().enumerate() {
        let to = format!("restored-{number}");
        let identity = site.identity.to_str().unwrap();
        let arguments = ["--json", "restore", "--from", "disk", "--at", id, "--to", &to, "--identity", identity];
        let report = env.bivouac(&arguments).exits_with(0).json();
        assert_eq!((&report["id"], &report["verified"]), (&serde_json::json!(id), &serde_json::json!(true)));
        assert_eq!(report["lost"], serde_json::json!([]));
        assert!(tree(&env.path(&format!("{to}/public"))) == *lost, "point {number}");
        let config = format!("{to}/bivouac.toml");
        let checked = env.bivouac(&["--config", &config, "--json", "check", "--deep"]).exits_with(0).json();
        assert_eq!(checked["findings"], serde_json::json!([]));
        let repository = env.path(&format!("{to}/public/v3.23/site")).display().to_string();
        for client in &CLIENTS {
            for arch in ["x86_64", "aarch64"] {
                let machine = client.machine(&real, arch, keys, std::slice::from_ref(&repository));
                machine.updates_to(names.len());
                let mut installed = machine.adds(names);
                installed.sort();
                assert_eq!(installed.len(), names.len(), "{installed:?}");
            }
        }
    }

    // Where everything was, too; and the mirror works on: what is signed next is signed by both keys.
    let fingerprint = &points[2].0.1;
    let arguments = ["restore", "--from", "disk", "--key", fingerprint, "--identity", "safe/identity.txt"];
    env.bivouac(&arguments).exits_with(0);
    assert!(tree(&env.public()) == points[2].1);
    assert!(tree(&env.path("keys")) == keys, "all halves of all keys are back");
    env.bivouac(&["check"]).exits_with(0);
    site.package(noarch("corp-late", "1-r0"));
    for package in ["corp-lib-1.1-r0", "corp-tool-1.0-r0", "corp-extra-3-r1"] {
        let bytes = &points[2].1[Path::new(&format!("v3.23/site/x86_64/{package}.apk"))];
        env.write(&format!("packages/{package}.apk"), bytes);
    }
    env.bivouac(&["sync"]).exits_with(0);
    for key in [&ours, &next] {
        let line = env.path("site/alpine/v3.23/site").display().to_string();
        let machine = CLIENTS[1].machine(&real, "x86_64", std::slice::from_ref(key), &[line]);
        machine.updates_to(4);
        machine.adds(&["corp-late"]);
    }
    let history = env.bivouac(&["--json", "history"]).exits_with(0).json();
    assert!(history.as_array().unwrap().iter().any(|one| one["cause"]["restore"].is_u64() || one["shows"].is_u64()));
}

/// The commands of the page in the target that need no bivouac: what is indented by four.
fn commands_by_hand(page: &str) -> String {
    let (_, by_hand) = page.split_once("Without bivouac").unwrap();
    let is_command = |line: &&str| {
        line.starts_with("    ") && !line.starts_with("    backups/") && !line.starts_with("    segments/")
    };
    by_hand.lines().filter(is_command).map(|line| format!("{}\n", &line[4..])).collect()
}

#[test]
fn the_page_in_the_target_brings_a_working_repository_back_without_us() {
    let Some(real) = real_alpine() else { return };
    if Command::new("age").arg("--version").output().is_err() {
        println!("skipped: no age");
        return;
    }
    let site = Site::new();
    let env = &site.env;
    site.package(noarch("corp-lib", "1.1-r0"));
    site.package(noarch("corp-tool", "1.0-r0").depends("corp-lib>=1.1"));
    env.bivouac(&["sync"]).exits_with(0);
    let key = std::fs::read(env.path(&format!("keys/{}", OURS.name.strip_suffix(".pub").unwrap()))).unwrap();
    let (id, _) = site.backup();
    let lost = tree(&env.public());
    let ours = env.write(&format!("client/{}", OURS.name), OURS.public_pem().as_bytes());
    site.burn_down();

    let page = std::fs::read_to_string(env.path("disk/README.txt")).unwrap();
    std::fs::create_dir(env.path("by-hand")).unwrap();
    let script = commands_by_hand(&page)
        .replace("/an/empty/folder", &env.path("by-hand").display().to_string())
        .replace("/media/backup ", &format!("{} ", env.path("disk").display()))
        .replace("-verify KEY.rsa.pub", &format!("-verify {}", ours.display()))
        .replace("KEY.rsa.pub", OURS.name)
        .replace("IDENTITY", &site.identity.display().to_string())
        .replace("ID.tar", &format!("{id}.tar"));
    assert!(script.contains("sha256sum -c") && script.contains("openssl dgst"), "{script}");
    let ran = Command::new("sh").args(["-euc", &script]).current_dir(env.path(".")).output().unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{script}\n{printed}");
    assert!(printed.contains("Verified OK") && !printed.contains("not what was signed"), "{printed}");
    assert!(tree(&env.path("by-hand/public")) == lost);
    let private = env.path(&format!("by-hand/keys/{}", OURS.name.strip_suffix(".pub").unwrap()));
    assert!(std::fs::read(private).unwrap() == key);
    for client in &CLIENTS {
        let line = env.path("by-hand/public/v3.23/site").display().to_string();
        let machine = client.machine(&real, "x86_64", std::slice::from_ref(&ours), &[line]);
        machine.updates_to(2);
        assert_eq!(machine.adds(&["corp-tool"]).len(), 2);
    }
}
