//! A real update: the boot media of 3.13.1, then those of 3.13.4. Nothing is downloaded twice.

use std::collections::BTreeSet;
use std::path::Path;

use super::client::{CLIENTS, real_alpine};
use super::env::{Env, trusted};
use super::fixture::OURS;
use super::upstream::{Request, Upstream};
use super::watch::Watch;

fn packages_of(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder.join("apks/aarch64"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".apk"))
        .collect()
}

/// The packages asked for, in order of name; each as often as it was asked for.
fn packages_asked(log: &[Request]) -> Vec<String> {
    let mut asked: Vec<_> = log
        .iter()
        .filter(|request| request.path.ends_with(".apk"))
        .map(|request| request.path.rsplit('/').next().unwrap().to_owned())
        .collect();
    asked.sort();
    asked
}

#[test]
fn from_3_13_1_to_3_13_4_fetches_exactly_the_new_packages() {
    let Some(real) = real_alpine() else { return };
    let (before, after) = (real.join("official/boot-media/3.13.1"), real.join("official/boot-media/3.13.4"));
    let env = Env::around(Upstream::of_folder(before.clone()));
    env.configure(
        "[sources.alpine]\nurl = [\"{upstream}\"]\nkeyring = \"alpine\"\n\n\
         [[repositories]]\nname = \"v3.13/main\"\narches = [\"aarch64\"]\nfrom = [\"alpine:apks\"]\n",
    );
    let watch = Watch::start(&env.public(), vec![trusted(&OURS)]);
    env.bivouac(&["sync"]).exits_with(0);
    let (old, new) = (packages_of(&before), packages_of(&after));
    assert_eq!(packages_asked(&env.upstream.take_log()), Vec::from_iter(old.clone()), "each of 65 once");

    // Nothing new: one conditional request, and nothing else.
    let generation = env.generation();
    env.bivouac(&["sync"]).exits_with(0);
    let log = env.upstream.take_log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((log[0].conditional, log[0].status), (true, 304), "{log:?}");
    assert_eq!(env.generation(), generation);

    env.upstream.change_folder(after.clone());
    env.bivouac(&["sync"]).exits_with(0);
    let log = env.upstream.take_log();
    let expected: Vec<_> = new.difference(&old).cloned().collect();
    assert_eq!(expected.len(), 20);
    assert_eq!(packages_asked(&log), expected);
    assert_eq!(log.len(), 22, "and the index: {log:?}");
    assert_eq!((log[21].conditional, log[21].status), (true, 304), "read again at the end: {log:?}");

    let live: BTreeSet<_> = env.live("v3.13/main", "aarch64").into_iter().map(|name| name + ".apk").collect();
    assert_eq!(live, new);
    // What left the index is still there for clients that have the former one.
    for gone in old.difference(&new) {
        assert!(env.public().join("v3.13/main/aarch64").join(gone).exists(), "{gone}");
    }

    let server = Upstream::of_folder(env.public());
    let keys = [env.path(&format!("keys/{}", OURS.name))];
    for client in &CLIENTS {
        let machine = client.machine(&real, "aarch64", &keys, &[format!("{}/v3.13/main", server.url())]);
        machine.updates_to(65);
        let base = new.iter().find(|name| name.starts_with("alpine-base-3")).unwrap();
        machine.fetches("alpine-base", &after.join("apks/aarch64").join(base));
        assert!(machine.adds(&["alpine-base"]).len() > 10);
    }
    watch.stop();
}
