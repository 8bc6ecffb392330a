//! Real clients across a rollback, and with an index that is older than what is live.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::client::{CLIENTS, Machine, real_alpine};
use super::env::{Env, trusted};
use super::fixture::{Built, OURS, Package, UPSTREAM};
use super::site::{MAIN, publish};
use super::upstream::Upstream;
use super::watch::Watch;

const CONFIGURATION: &str = "[sources.up]\nurl = [\"{upstream}/alpine\"]\n\
     keyring = [\"trusted/builder@upstream.example-00000001.rsa.pub\"]\n\n\
     [[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n";

/// Upstream's state number `state`: three packages of that version.
fn state(env: &Env, state: u32) -> Vec<Built> {
    let built: Vec<Built> = ["tool", "lib", "extra"]
        .iter()
        .map(|name| {
            let package = Package::new(name, &format!("{state}.0-r0")).with_noise(2000);
            let content = format!("{name} {state}");
            package.with_file(&format!("{name}.txt"), content.as_bytes()).build(&UPSTREAM)
        })
        .collect();
    publish(env, MAIN, state, &built.iter().collect::<Vec<_>>(), &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    built
}

/// Every package of a state, written where its bytes can be compared with what the client gets.
fn originals(env: &Env, built: &[Built]) -> Vec<PathBuf> {
    built.iter().map(|package| env.write(&format!("originals/{}", package.file), &package.bytes)).collect()
}

fn fetches_all(machine: &Machine, originals: &[PathBuf]) {
    for (name, original) in ["tool", "lib", "extra"].iter().zip(originals) {
        machine.fetches(name, original);
    }
}

/// Sets the cached indexes' times back by five hours: apk asks again for what is older than four.
fn ages(machine: &Machine) {
    let cache = machine.file("var/cache/apk");
    let mut aged = 0;
    for file in std::fs::read_dir(&cache).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("APKINDEX") {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(5 * 3600)).unwrap();
            aged += 1;
        }
    }
    assert_eq!(aged, 1);
}

#[test]
fn clients_of_every_state_find_their_packages_across_rollbacks() {
    let Some(real) = real_alpine() else { return };
    let env = Env::new();
    env.configure(CONFIGURATION);
    let first = state(&env, 1);
    let watch = Watch::start(&env.public(), vec![trusted(&OURS)]);
    let server = Upstream::of_folder(env.public());
    let keys = [env.path(&format!("keys/{}", OURS.name))];
    let repositories = [format!("{}/v3.23/main", server.url())];
    let machine = |client: &super::client::Apk| {
        let machine = client.machine(&real, "x86_64", &keys, &repositories);
        machine.updates_to(3);
        machine
    };
    // One machine of each version that holds the index of the first generation, …
    let on_first: Vec<Machine> = CLIENTS.iter().map(machine).collect();
    let second = state(&env, 2);
    let on_second: Vec<Machine> = CLIENTS.iter().map(machine).collect();
    let third = state(&env, 3);
    let (first, second, third) = (originals(&env, &first), originals(&env, &second), originals(&env, &third));
    // … finds every package of it after two more went live.
    for machine in &on_first {
        fetches_all(machine, &first);
    }
    env.bivouac(&["rollback", "1"]).exits_with(0);
    for machine in &on_second {
        fetches_all(machine, &second);
        machine.adds(&["tool", "lib", "extra"]);
    }
    // A client whose index is older than four hours asks again, and is told of what is newer: the rollback.
    for machine in &on_second {
        ages(machine);
        let ran = machine.apk(&["upgrade", "--available", "--no-scripts"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        machine.finds("tool", "1.0-r0");
        assert_eq!(std::fs::read_to_string(machine.file("tool.txt")).unwrap(), "tool 1");
    }
    // The next sync does not undo it; publish does.
    env.bivouac(&["sync"]).exits_with(0);
    machine(&CLIENTS[1]).finds("tool", "1.0-r0");
    env.bivouac(&["publish"]).exits_with(0);
    for client in &CLIENTS {
        fetches_all(&machine(client), &third);
    }
    watch.stop();
}
