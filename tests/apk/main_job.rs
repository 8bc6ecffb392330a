//! The main job on real input: a complete official repository, a complete third-party one and a private folder, merged and
//! signed by us, as upstream signed it, and signed by both.

use std::path::{Path, PathBuf};

use super::client::{CLIENTS, Machine, real_alpine};
use super::env::{Env, trusted};
use super::fixture::{CORP, OURS, Package};
use super::oracle;
use super::upstream::Upstream;
use super::watch::Watch;

const OFFICIAL: &str = "official/boot-media/3.19.1/apks/x86_64";
const CONNECTEURS: &str = "third-party/connecteurs/main/x86_64";

const SOURCES: &str = r#"
[sources.alpine]
url = ["{upstream}/official/boot-media/3.19.1"]
keyring = "alpine"

[sources.connecteurs]
url = ["{upstream}/third-party/connecteurs"]
keyring = ["trusted/signing.rsa.pub"]

[sources.corp]
directory = "packages"
keyring = ["trusted/builder@corp.example-00000004.rsa.pub"]
"#;

/// An environment whose upstream is the folder of real data, with the private packages in place.
fn environment(real: &Path) -> Env {
    let env = Env::around(Upstream::of_folder(real.to_owned()));
    env.write("trusted/signing.rsa.pub", &std::fs::read(real.join("third-party/connecteurs/signing.rsa.pub")).unwrap());
    let library = Package::new("corp-lib", "2.1-r0").arch("noarch").provides("corp-abi=2");
    let tool =
        Package::new("corp-tool", "1.0_rc2-r3").depends("corp-abi>=2").depends("busybox").depends("so:libcrypto.so.3");
    for package in [library, tool.with_noise(300_000)] {
        let built = package.build(&CORP);
        env.write(&format!("packages/x86_64/{}", built.file), &built.bytes);
    }
    env
}

fn served(env: &Env) -> Upstream {
    Upstream::of_folder(env.public())
}

fn our_key(env: &Env) -> PathBuf {
    env.path(&format!("keys/{}", OURS.name))
}

fn alpine_keys(real: &Path) -> Vec<PathBuf> {
    let mut keys: Vec<_> =
        std::fs::read_dir(real.join("official/keys/x86_64")).unwrap().map(|entry| entry.unwrap().path()).collect();
    keys.sort();
    keys
}

fn version_in(index_folder: &Path, name: &str) -> String {
    let start = format!("{name}-");
    let file = std::fs::read_dir(index_folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|file| file.strip_prefix(&start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
        .unwrap();
    file[start.len()..].trim_end_matches(".apk").to_owned()
}

/// alpine-base from the official repository: 25 packages.
fn installs_alpine_base(machine: &Machine, real: &Path) {
    let folder = real.join(OFFICIAL);
    let version = version_in(&folder, "alpine-base");
    machine.finds("alpine-base", &version);
    machine.fetches("alpine-base", &folder.join(format!("alpine-base-{version}.apk")));
    let musl = version_in(&folder, "musl");
    machine.fetches("musl", &folder.join(format!("musl-{musl}.apk")));
    let installed = machine.adds(&["alpine-base"]);
    assert_eq!(installed.len(), 25, "{installed:?}");
    assert!(machine.file("bin/busybox").exists());
}

#[test]
fn merged_and_signed_by_us() {
    let Some(real) = real_alpine() else { return };
    let env = environment(&real);
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.19/site\"\narches = [\"x86_64\"]\n\
         from = [\"corp\", \"alpine:apks\", \"connecteurs:main\"]\n"
    ));
    let watch = Watch::start(&env.public(), vec![trusted(&OURS)]);
    env.bivouac(&["sync"]).exits_with(0);
    let packages = env.live("v3.19/site", "x86_64").len();
    assert_eq!(packages, 100 + 18 + 2);

    // Published are the very bytes of upstream, for every package.
    for listed in env.live_records("v3.19/site", "x86_64", &[trusted(&OURS)]) {
        assert_eq!(listed.arch, "x86_64");
        let ours = std::fs::read(env.public().join("v3.19/site/x86_64").join(listed.file())).unwrap();
        let theirs =
            [OFFICIAL, CONNECTEURS].iter().find_map(|folder| std::fs::read(real.join(folder).join(listed.file())).ok());
        let theirs = theirs.unwrap_or_else(|| std::fs::read(env.path("packages/x86_64").join(listed.file())).unwrap());
        assert!(ours == theirs, "{}", listed.file());
    }

    let server = served(&env);
    let repositories = [format!("{}/v3.19/site", server.url())];
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &[our_key(&env)], &repositories);
        machine.updates_to(packages);
        installs_alpine_base(&machine, &real);

        let crammd5 = version_in(&real.join(CONNECTEURS), "cyrus-sasl-crammd5");
        machine.finds("cyrus-sasl-crammd5", &crammd5);
        machine
            .fetches("cyrus-sasl-crammd5", &real.join(CONNECTEURS).join(format!("cyrus-sasl-crammd5-{crammd5}.apk")));
        machine.finds("corp-tool", "1.0_rc2-r3");
        machine.fetches("corp-tool", &env.path("packages/x86_64/corp-tool-1.0_rc2-r3.apk"));
        let installed = machine.adds(&["cyrus-sasl-crammd5", "corp-tool"]);
        for needed in ["corp-lib", "libcrypto3"] {
            assert!(installed.iter().any(|name| name == needed), "{needed} is missing among {installed:?}");
        }
        assert_eq!(
            std::fs::read_to_string(machine.file("usr/share/corp-tool/version")).unwrap(),
            "corp-tool 1.0_rc2-r3\n"
        );

        // Whoever trusts Alpine alone does not take what we signed.
        client.machine(&real, "x86_64", &alpine_keys(&real), &repositories).mistrusts();
    }
    watch.stop();
}

#[test]
fn as_upstream_signed_it() {
    let Some(real) = real_alpine() else { return };
    let env = environment(&real);
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.19/main\"\narches = [\"x86_64\"]\nfrom = [\"alpine:apks\"]\nindex = \"upstream\"\n"
    ));
    env.bivouac(&["sync"]).exits_with(0);
    let published = std::fs::read(env.public().join("v3.19/main/x86_64/APKINDEX.tar.gz")).unwrap();
    assert!(published == std::fs::read(real.join(OFFICIAL).join("APKINDEX.tar.gz")).unwrap(), "byte for byte");

    let server = served(&env);
    let repositories = [format!("{}/v3.19/main", server.url())];
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &alpine_keys(&real), &repositories);
        machine.updates_to(100);
        installs_alpine_base(&machine, &real);
        client.machine(&real, "x86_64", &[our_key(&env)], &repositories).mistrusts();
    }
}

#[test]
fn signed_by_us_and_by_upstream() {
    let Some(real) = real_alpine() else { return };
    let env = environment(&real);
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.19/main\"\narches = [\"x86_64\"]\nfrom = [\"alpine:apks\"]\nindex = \"cosigned\"\n"
    ));
    env.bivouac(&["sync"]).exits_with(0);
    let published = std::fs::read(env.public().join("v3.19/main/x86_64/APKINDEX.tar.gz")).unwrap();
    let upstream = std::fs::read(real.join(OFFICIAL).join("APKINDEX.tar.gz")).unwrap();
    // Ours first, upstream's kept, and one signed part.
    let names = oracle::signature_names(&published);
    assert_eq!(names[0], format!(".SIGN.RSA256.{}", OURS.name));
    assert_eq!(names[1..], oracle::signature_names(&upstream));
    let signed = &upstream[upstream.len() - 4096..];
    assert!(published.ends_with(signed));

    let server = served(&env);
    let repositories = [format!("{}/v3.19/main", server.url())];
    let (ours, theirs) = (vec![our_key(&env)], alpine_keys(&real));
    let both = [ours.clone(), theirs.clone()].concat();
    for client in &CLIENTS {
        for keys in [&ours, &theirs, &both] {
            let machine = client.machine(&real, "x86_64", keys, &repositories);
            machine.updates_to(100);
            installs_alpine_base(&machine, &real);
        }
        let nobody =
            client.machine(&real, "x86_64", &[real.join("third-party/connecteurs/signing.rsa.pub")], &repositories);
        nobody.mistrusts();
    }
}
