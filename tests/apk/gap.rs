//! Real clients at a site without a network: each repository of it is taken by whoever trusts the key that signed it, whether
//! upstream's, the sender's or the site's, and by nobody else.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::{CLIENTS, real_alpine};
use super::env::{Env, private_name};
use super::fixture::{AFAR, CORP, OURS, Package};
use super::upstream::Upstream;

/// The site: the sender's indexes as they are, upstream's own that the sender mirrors whole, and one that is merged there.
const SITE: &str = r#"
store = "store"
public = "site/alpine"

[sources.hq]
bundles = "transfer"
keyring = ["trusted/ops@site.example-00000003.rsa.pub"]
origin = "alpine"
own = ["corp-*"]
"#;

/// A site without a network and with a key of its own, with these blocks.
fn site(repositories: &str) -> Env {
    let site = Env::new();
    site.private_key(&AFAR);
    site.write(&format!("keys/{}", AFAR.name), AFAR.public_pem().as_bytes());
    site.write(&format!("trusted/{}", OURS.name), OURS.public_pem().as_bytes());
    let signing = format!("\n[signing]\nkey = \"keys/{}\"\n", private_name(&AFAR));
    site.write("bivouac.toml", format!("{SITE}{signing}{repositories}").as_bytes());
    site
}

fn block(name: &str, from: &str, arch: &str, index: &str) -> String {
    format!("\n[[repositories]]\nname = \"{name}\"\nfrom = [{from}]\narches = [\"{arch}\"]\nindex = \"{index}\"\n")
}

fn alpine_keys(real: &Path, arch: &str) -> Vec<PathBuf> {
    let folder = real.join("official/keys").join(arch);
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Carries what lies at a path of one root to another's medium.
fn carry(from: &Env, what: &str, to: &Env) {
    std::fs::create_dir_all(to.path("medium")).unwrap();
    let copied = Command::new("cp").arg("-r").arg(from.path(what)).arg(to.path("medium")).status().unwrap();
    assert!(copied.success(), "{what}");
}

/// The online side: Alpine's boot media as they are, once more merged, and the company's own packages.
fn online(real: &Path) -> Env {
    let hq = Env::around(Upstream::of_folder(real.join("official/boot-media/3.19.1")));
    let library = Package::new("corp-lib", "2.1-r0").arch("noarch").provides("corp-abi=2");
    let tool = Package::new("corp-tool", "1.0-r0").depends("corp-abi>=2").depends("busybox");
    for package in [library, tool.with_noise(100_000)] {
        let built = package.build(&CORP);
        hq.write(&format!("packages/x86_64/{}", built.file), &built.bytes);
    }
    hq.configure(&format!(
        "[sources.alpine]\nurl = [\"{{upstream}}\"]\nkeyring = \"alpine\"\n\n\
         [sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{}\"]\n{}{}{}",
        CORP.name,
        block("v3.19/main", "\"alpine:apks\"", "x86_64", "upstream"),
        block("v3.19/merged", "\"alpine:apks\"", "x86_64", "ours"),
        block("v3.19/corp", "\"corp\"", "x86_64", "ours"),
    ));
    hq.bivouac(&["sync"]).exits_with(0);
    hq
}

#[test]
fn clients_behind_the_gap_trust_exactly_who_signed() {
    let Some(real) = real_alpine() else { return };
    let hq = online(&real);
    let site = site(
        &[
            block("v3.19/main", "\"hq:v3.19/main\"", "x86_64", "upstream"),
            block("v3.19/corp", "\"hq:v3.19/corp\"", "x86_64", "upstream"),
            block("v3.19/proved", "\"hq:v3.19/merged\"", "x86_64", "origin"),
            block("v3.19/site", "\"hq:v3.19/corp\", \"hq:v3.19/main\"", "x86_64", "ours"),
        ]
        .concat(),
    );
    hq.bivouac(&["bundle", "--to", "x.bundle"]).exits_with(0);
    carry(&hq, "x.bundle", &site);
    site.bivouac(&["import", "medium/x.bundle"]).exits_with(0);
    site.bivouac(&["sync"]).exits_with(0);

    let server = Upstream::of_folder(site.public());
    let lines =
        |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("{}/v3.19/{name}", server.url())).collect() };
    let alpine = alpine_keys(&real, "x86_64");
    let hqs = [site.path(&format!("trusted/{}", OURS.name))];
    let sites = [site.path(&format!("keys/{}", AFAR.name))];
    let original = real.join("official/boot-media/3.19.1/apks/x86_64/alpine-base-3.19.1-r0.apk");
    for client in &CLIENTS {
        // Whoever trusts the signer alone updates and installs.
        for (name, keys, packages) in
            [("main", &alpine[..], 100), ("proved", &alpine, 100), ("site", &sites, 102), ("corp", &hqs, 2)]
        {
            let machine = client.machine(&real, "x86_64", keys, &lines(&[name]));
            machine.updates_to(packages);
            match name {
                "corp" => machine.finds("corp-tool", "1.0-r0"),
                _ => {
                    machine.fetches("alpine-base", &original);
                    assert_eq!(machine.adds(&["alpine-base"]).len(), 25, "{name}");
                }
            }
            if name == "site" {
                machine.adds(&["corp-tool", "corp-lib"]);
            }
        }
        // And nobody who trusts another.
        for (name, strangers) in [
            ("main", [&hqs[..], &sites]),
            ("proved", [&hqs, &sites]),
            ("corp", [&alpine, &sites]),
            ("site", [&alpine, &hqs]),
        ] {
            for keys in strangers {
                client.machine(&real, "x86_64", keys, &lines(&[name])).mistrusts();
            }
        }
        // A machine with both keys has the company's packages beside Alpine's.
        let both: Vec<PathBuf> = alpine.iter().chain(&hqs).cloned().collect();
        let machine = client.machine(&real, "x86_64", &both, &lines(&["main", "corp"]));
        machine.updates_to(102);
        machine.adds(&["corp-tool", "corp-lib", "busybox"]);
    }
}

/// A whole bundle as a folder: the site imports it, and a machine installs straight from it, Alpine's packages and the
/// company's.
#[test]
fn a_folder_is_a_bundle_and_a_repository() {
    let Some(real) = real_alpine() else { return };
    let hq = online(&real);
    let site = site("\n[[repositories]]\nfrom = [\"hq:*\"]\nindex = \"upstream\"\n");
    hq.bivouac(&["bundle", "--to", "stick/"]).exits_with(0);
    carry(&hq, "stick", &site);
    let mut keys = alpine_keys(&real, "x86_64");
    keys.push(site.path(&format!("trusted/{}", OURS.name)));
    let stick = ["main", "corp"].map(|name| site.path("medium/stick/v3.19").join(name).display().to_string());
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &keys, &stick);
        machine.updates_to(102);
        let installed = machine.adds(&["alpine-base", "corp-tool"]);
        assert_eq!(installed.len(), 27, "{installed:?}");
        // 2.12 exits with 0 whatever it read, where it reads files.
        let stranger = client.machine(&real, "x86_64", &keys[..keys.len() - 1], &stick[1..]);
        let ran = stranger.apk(&["update"]);
        assert!(ran.printed.contains("UNTRUSTED signature") && ran.printed.contains("0 distinct packages"), "{ran}");
        assert_ne!(stranger.apk(&["add", "--no-scripts", "corp-lib"]).code, Some(0));
    }
    let report = site.bivouac(&["--json", "import", "medium/stick"]).exits_with(0).json();
    assert_eq!(report["packages"], 102, "{report}");
    site.bivouac(&["sync"]).exits_with(0);
    let server = Upstream::of_folder(site.public());
    for client in &CLIENTS {
        let lines = ["main", "corp"].map(|name| format!("{}/v3.19/{name}", server.url()));
        let machine = client.machine(&real, "x86_64", &keys, &lines);
        machine.updates_to(102);
        assert_eq!(machine.adds(&["alpine-base", "corp-tool"]).len(), 27);
    }
}

/// Alpine's step from 3.13.1 to 3.13.4, by deltas: rebuilt bit for bit, and installed machines upgrade.
#[test]
fn a_real_update_crosses_by_deltas() {
    let Some(real) = real_alpine() else { return };
    let [before, after] = ["3.13.1", "3.13.4"].map(|release| real.join("official/boot-media").join(release));
    let hq = Env::around(Upstream::of_folder(before));
    hq.configure(&format!(
        "[sources.alpine]\nurl = [\"{{upstream}}\"]\nkeyring = \"alpine\"\n{}",
        block("v3.13/main", "\"alpine:apks\"", "aarch64", "ours")
    ));
    hq.bivouac(&["sync"]).exits_with(0);
    let site = site(&block("v3.13/main", "\"hq:v3.13/main\"", "aarch64", "origin"));
    let first = hq.bivouac(&["--json", "bundle", "--to", "1.bundle"]).exits_with(0).json();
    carry(&hq, "1.bundle", &site);
    site.bivouac(&["import", "medium/1.bundle"]).exits_with(0);
    site.bivouac(&["sync"]).exits_with(0);
    let server = Upstream::of_folder(site.public());
    let keys = alpine_keys(&real, "aarch64");
    let lines = [format!("{}/v3.13/main", server.url())];
    let machines: Vec<_> = CLIENTS.iter().map(|client| client.machine(&real, "aarch64", &keys, &lines)).collect();
    for machine in &machines {
        machine.updates_to(65);
        machine.finds("alpine-base", "3.13.1-r0");
        machine.adds(&["alpine-base"]);
    }

    hq.upstream.change_folder(after.clone());
    hq.bivouac(&["sync"]).exits_with(0);
    let since = ["--json", "bundle", "--to", "2.bundle", "--since", first["id"].as_str().unwrap()];
    let sent = hq.bivouac(&since).exits_with(0).json();
    assert_eq!((&sent["packages"], &sent["deltas"]), (&20.into(), &20.into()), "{sent}");
    carry(&hq, "2.bundle", &site);
    let report = site.bivouac(&["--json", "import", "medium/2.bundle"]).exits_with(0).json();
    assert_eq!((&report["packages"], &report["deltas_applied"]), (&20.into(), &20.into()), "{report}");
    site.bivouac(&["sync"]).exits_with(0);
    let folder = after.join("apks/aarch64");
    for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()) {
        let here = std::fs::read(site.public().join("v3.13/main/aarch64").join(&file)).unwrap();
        assert!(here == std::fs::read(folder.join(&file)).unwrap(), "{file:?}: index and packages are Alpine's own");
    }
    for machine in &machines {
        let ran = machine.apk(&["update"]);
        assert!(ran.printed.contains("3.13.4 [") && !ran.printed.contains("WARNING"), "{ran}");
        machine.finds("alpine-base", "3.13.4-r0");
        // apk itself would be run anew, and this one is for another processor.
        let ran = machine.apk(&["upgrade", "--no-self-upgrade", "--no-scripts"]);
        assert!(ran.code == Some(0) && !ran.printed.contains("ERROR"), "{ran}");
        assert!(ran.printed.contains("Upgrading alpine-base (3.13.1-r0 -> 3.13.4-r0)"), "{ran}");
    }
}
