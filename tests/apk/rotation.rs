//! Real clients through a whole rotation: one that knows only the old key, one only the new, one both; and one that is told by
//! the keyring package.

use super::client::{Apk, CLIENTS, Machine, real_alpine};
use super::env::Env;
use super::fixture::{Key, NEXT, OURS, Package, UPSTREAM};
use super::site::{MAIN, publish};
use super::upstream::Upstream;

const CONFIGURATION: &str = "[sources.up]\nurl = [\"{upstream}/alpine\"]\n\
     keyring = [\"trusted/builder@upstream.example-00000001.rsa.pub\"]\n\n\
     [[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n\n\
     [[repositories]]\nname = \"v3.23/theirs\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\nindex = \"cosigned\"\n";

/// Upstream's state number `state`, synced.
fn upstream(env: &Env, state: u32) {
    let built = ["tool", "lib"].map(|name| {
        let content = format!("{name} {state}");
        let package = Package::new(name, &format!("{state}.0-r0"));
        package.with_file(&format!("{name}.txt"), content.as_bytes()).build(&UPSTREAM)
    });
    publish(env, MAIN, state, &built.each_ref(), &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
}

/// A mirror, its server, and who looks at it.
struct Rotation {
    env: Env,
    server: Upstream,
    real: std::path::PathBuf,
}

impl Rotation {
    fn new() -> Option<Rotation> {
        let real = real_alpine()?;
        let env = Env::new();
        env.configure(CONFIGURATION);
        let file = env.path("bivouac.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("[signing]\n", "[signing]\nkeyring_package = \"site-keys\"\n", 1)).unwrap();
        env.private_key(&NEXT);
        env.write(&format!("keys/{}", NEXT.name), NEXT.public_pem().as_bytes());
        upstream(&env, 1);
        let server = Upstream::of_folder(env.public());
        Some(Rotation { env, server, real })
    }

    /// A fresh machine that trusts these keys of ours and has these repositories.
    fn machine(&self, client: &Apk, keys: &[&Key], repositories: &[&str]) -> Machine {
        let keys: Vec<_> = keys.iter().map(|key| self.env.path(&format!("keys/{}", key.name))).collect();
        let lines: Vec<_> = repositories.iter().map(|name| format!("{}/v3.23/{name}", self.server.url())).collect();
        client.machine(&self.real, "x86_64", &keys, &lines)
    }

    /// Whoever knows one of `trusted` updates and installs, with each client and from each index of ours.
    fn serves(&self, keyrings: &[&[&Key]], version: &str) {
        for client in &CLIENTS {
            for keys in keyrings {
                for (repository, packages) in [("main", 3), ("theirs", 2)] {
                    let machine = self.machine(client, keys, &[repository]);
                    machine.updates_to(packages);
                    machine.finds("tool", version);
                    machine.adds(&["tool", "lib"]);
                }
            }
        }
    }
}

/// All that is installed in its newest version. (The index first: `--update-cache` takes one that is a minute old.)
fn upgrades(machine: &Machine) {
    for arguments in [&["update"][..], &["upgrade", "--no-scripts"]] {
        let ran = machine.apk(arguments);
        assert!(ran.code == Some(0) && !ran.printed.contains("WARNING"), "{ran}");
    }
}

#[test]
fn clients_with_either_key_update_and_install_through_every_stage() {
    let Some(rotation) = Rotation::new() else { return };
    let env = &rotation.env;
    let (old, new, both): (&[&Key], &[&Key], &[&Key]) = (&[&OURS], &[&NEXT], &[&OURS, &NEXT]);
    rotation.serves(&[old, both], "1.0-r0");
    // A machine of each client that lives through all of it, and has only what apk itself brings it.
    let lived: Vec<Machine> = CLIENTS.iter().map(|client| rotation.machine(client, old, &["main"])).collect();
    for machine in &lived {
        machine.updates_to(3);
        machine.adds(&["tool", "site-keys"]);
    }
    rotation.machine(&CLIENTS[1], new, &["main"]).mistrusts();

    env.bivouac(&["key", "rotate", "--key", &format!("keys/{}", NEXT.name.trim_end_matches(".pub"))]).exits_with(0);
    rotation.serves(&[old, new, both], "1.0-r0");
    for machine in &lived {
        machine.updates_to(3);
    }
    // News while both sign; with it comes the package with both keys.
    upstream(env, 2);
    rotation.serves(&[old, new, both], "2.0-r0");
    for machine in &lived {
        upgrades(machine);
        assert_eq!(std::fs::read_to_string(machine.file("tool.txt")).unwrap(), "tool 2");
        let installed = std::fs::read_to_string(machine.file(&format!("etc/apk/keys/{}", NEXT.name))).unwrap();
        assert_eq!(installed, NEXT.public_pem());
    }

    env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    rotation.serves(&[new, both], "2.0-r0");
    upstream(env, 3);
    rotation.serves(&[new, both], "3.0-r0");
    for client in &CLIENTS {
        for repository in ["main", "theirs"] {
            rotation.machine(client, old, &[repository]).mistrusts();
        }
    }
    for machine in &lived {
        upgrades(machine);
        assert_eq!(std::fs::read_to_string(machine.file("tool.txt")).unwrap(), "tool 3");
    }
}

#[test]
fn the_keyring_package_installs_by_itself_and_brings_trust() {
    let Some(rotation) = Rotation::new() else { return };
    let env = &rotation.env;
    env.bivouac(&["key", "package", "--to", ".", "--name", "corp-keys"]).exits_with(0);
    let file = env.files_below(".").into_iter().find(|file| file.to_string_lossy().contains("corp-keys-")).unwrap();
    for client in &CLIENTS {
        let machine = rotation.machine(client, &[], &["main"]);
        machine.mistrusts();
        let ran = machine.apk(&["add", "--no-scripts", "--allow-untrusted", "--no-network", file.to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{ran}");
        machine.updates_to(4);
        machine.adds(&["tool"]);
        // Whoever has the key finds the file itself signed by it.
        let ran = rotation.machine(client, &[&OURS], &[]).apk(&["verify", file.to_str().unwrap()]);
        assert!(ran.code == Some(0) && ran.printed.contains("OK"), "{ran}");
    }
}
