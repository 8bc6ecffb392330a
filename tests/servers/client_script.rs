//! `client --script`, run by busybox on a root of its own, and the real apk there afterwards.

use std::path::Path;
use std::process::{Command, Output};

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, OURS, Package};
use super::program;
use super::upstream::Upstream;

/// A published tree with a repository by arch, and the script for clients of `url`.
fn scripted(env: &Env, url: &str) -> (String, String) {
    let (ours, corp) = (OURS.name.trim_end_matches(".pub"), CORP.name);
    env.write(
        "bivouac.toml",
        format!(
            "store = \"store\"\npublic = \"site/alpine\"\n\n[signing]\nkey = \"keys/{ours}\"\n\n\
             [sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{corp}\"]\n\n\
             [[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\n\
             [[repositories]]\nname = \"{{arch}}/main\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n"
        )
        .as_bytes(),
    );
    let hello = Package::new("hello", "1.0-r0").build(&CORP);
    env.write(&format!("packages/x86_64/{}", hello.file), &hello.bytes);
    env.bivouac(&["sync"]).exits_with(0);
    let told = env.bivouac(&["--json", "client", "--base", url]).exits_with(0).json();
    let script = env.bivouac(&["client", "--script", "--base", url]);
    let json = env.bivouac(&["--json", "client", "--script", "--base", url]).exits_with(0).json();
    assert_eq!(json["script"].as_str(), Some(script.exits_with(0).stdout.as_str()));
    (script.stdout, told["keys"][0]["fingerprint"].as_str().unwrap().to_owned())
}

fn run(busybox: &Path, env: &Env, script: &str, root: &Path, fingerprints: &[&str]) -> Output {
    let file = env.write("setup.sh", script.as_bytes());
    let mut command = Command::new(busybox);
    command.args(["ash"]).arg(file).arg("--root").arg(root).args(fingerprints);
    command.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap()
}

#[test]
fn a_machine_is_set_up_by_the_fingerprint_alone() {
    let Some(busybox) = program("busybox") else { return };
    let env = Env::new();
    let (script, fingerprint) = scripted(&env, "http://mirror.example/it's");
    let root = env.path("a root");
    let etc = root.join("etc/apk");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("arch"), "x86_64\n").unwrap();
    std::fs::write(etc.join("repositories"), "https://elsewhere.example/v3.23/main").unwrap();

    // A fingerprint that is not the key's, none, and one too many: nothing is touched.
    let wrong = format!("{:0>64}", 1);
    for (given, code) in [(&[wrong.as_str()][..], 1), (&[], 2), (&[&fingerprint, &wrong], 1), (&["*"], 2)] {
        let output = run(&busybox, &env, &script, &root, given);
        assert_eq!(output.status.code(), Some(code), "{given:?}: {output:?}");
        assert!(!etc.join("keys").exists() && !etc.join("repositories.before").exists(), "{given:?}");
    }
    // A key that was changed on the way is another key.
    let forged = script.replace(OURS.public_pem().trim_end(), CORP.public_pem().trim_end());
    assert_ne!(forged, script);
    let output = run(&busybox, &env, &forged, &root, &[&fingerprint]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!etc.join("keys").exists());

    // As people copy it, from other tools; and again, which changes nothing any more.
    let upper = fingerprint.to_uppercase();
    let colons = upper.as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two)).collect::<Vec<_>>();
    for given in [colons.join(":"), fingerprint.clone()] {
        let output = run(&busybox, &env, &script, &root, &[&given]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(std::fs::read_to_string(etc.join("keys").join(OURS.name)).unwrap().trim(), OURS.public_pem().trim());
        assert_eq!(
            std::fs::read_to_string(etc.join("repositories")).unwrap(),
            "https://elsewhere.example/v3.23/main\nhttp://mirror.example/it's/v3.23/site\n\
             http://mirror.example/it's/x86_64/main\n"
        );
        let before = std::fs::read_to_string(etc.join("repositories.before")).unwrap();
        assert_eq!(before, "https://elsewhere.example/v3.23/main");
    }
    // Another key under the name of ours stays, and stops it.
    std::fs::write(etc.join("keys").join(OURS.name), CORP.public_pem()).unwrap();
    let output = run(&busybox, &env, &script, &root, &[&fingerprint]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    env.bivouac(&["client", "--script", "--base", "http://a\nb"]).exits_with(2);
}

#[test]
fn real_clients_work_on_a_machine_that_it_set_up() {
    let Some(busybox) = program("busybox") else { return };
    let Some(real) = real_alpine() else { return };
    let env = Env::new();
    std::fs::create_dir_all(env.path("site")).unwrap();
    let server = Upstream::of_folder(env.public());
    let (script, fingerprint) = scripted(&env, &server.url());
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &[], &[]);
        // It is of another branch, and says so itself.
        std::fs::write(machine.file("etc/alpine-release"), "3.20.3\n").unwrap();
        let output = run(&busybox, &env, &script, &machine.file(""), &[&fingerprint]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("and here is v3.23: say with --branch"), "{output:?}");
        let output = run(&busybox, &env, &script, &machine.file(""), &["--branch", "v3.23", &fingerprint]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        machine.updates_to(1);
        assert_eq!(machine.adds(&["hello"]), ["hello"]);
    }
}

#[test]
fn a_machine_gets_the_repositories_of_its_own_branch() {
    let Some(busybox) = program("busybox") else { return };
    let env = Env::new();
    let (ours, corp) = (OURS.name.trim_end_matches(".pub"), CORP.name);
    let repositories: String = ["v3.22/site", "v3.23/site", "edge/site", "every"]
        .map(|name| format!("[[repositories]]\nname = \"{name}\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\n"))
        .concat();
    env.write(
        "bivouac.toml",
        format!(
            "store = \"store\"\npublic = \"site/alpine\"\n\n[signing]\nkey = \"keys/{ours}\"\n\n\
             [sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{corp}\"]\n\n{repositories}"
        )
        .as_bytes(),
    );
    let told = env.bivouac(&["--json", "client", "--base", "http://m"]).exits_with(0).json();
    let fingerprint = told["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
    let script = env.bivouac(&["client", "--script", "--base", "http://m"]).exits_with(0).stdout.clone();
    for (release, given, lines) in [
        ("3.23.1\n", &[][..], Some("http://m/v3.23/site\nhttp://m/every\n")),
        ("3.22.0\n", &[], Some("http://m/v3.22/site\nhttp://m/every\n")),
        ("3.24.0_alpha20261101\n", &[], Some("http://m/edge/site\nhttp://m/every\n")),
        ("3.21.3\n", &[], None),
        ("", &[], None),
        ("3.21.3\n", &["--branch", "edge"], Some("http://m/edge/site\nhttp://m/every\n")),
        ("3.23.1\n", &["--branch", "v3.2"], None),
    ] {
        let root = env.path("root");
        let _ = std::fs::remove_dir_all(&root);
        env.write("root/etc/apk/arch", b"x86_64\n");
        if !release.is_empty() {
            env.write("root/etc/alpine-release", release.as_bytes());
        }
        let output = run(&busybox, &env, &script, &root, &[given, &[&fingerprint]].concat());
        let found = std::fs::read_to_string(root.join("etc/apk/repositories")).ok();
        assert_eq!(found.as_deref(), lines, "{release:?} {given:?}: {output:?}");
        assert_eq!(output.status.success(), lines.is_some(), "{output:?}");
        assert_eq!(root.join("etc/apk/keys").exists(), lines.is_some(), "nothing is changed before all of it fits");
    }
}
