//! Onwards: a site that got a bundle sends one itself, and the proofs of origin go along.

use super::*;
use crate::env::private_name;
use crate::fixture::{CORP, NEXT};

/// A site that trusts `sender` for bundles and upstream for what is in them, and publishes all of it, signed by `ours`.
fn site(sender: &Key, ours: &Key, index: &str) -> Env {
    let env = Env::new();
    env.private_key(ours);
    env.write(&format!("trusted/{}", sender.name), sender.public_pem().as_bytes());
    let text = format!(
        "store = \"store\"\npublic = \"site/alpine\"\n[signing]\nkey = \"keys/{}\"\n\
         [sources.hq]\nbundles = \"transfer\"\nkeyring = [\"trusted/{}\"]\norigin = [\"trusted/{}\"]\nown = [\"corp-*\"]\n\
         [[repositories]]\nfrom = [\"hq:*\"]\nindex = \"{index}\"\n",
        private_name(ours),
        sender.name,
        UPSTREAM.name,
    );
    env.write("bivouac.toml", text.as_bytes());
    env
}

/// Carries a bundle over and takes it in.
fn take(from: &Env, file: &str, to: &Env) {
    to.write(&format!("transfer/{file}"), &std::fs::read(from.path(file)).unwrap());
    to.bivouac(&["import", &format!("transfer/{file}")]).exits_with(0);
    to.bivouac(&["sync"]).exits_with(0);
}

#[test]
fn proofs_of_origin_go_along_on_every_hop() {
    let hq = standing();
    bundle(&hq, &["--to", "x.bundle"]);
    let near = site(&OURS, &NEXT, "ours");
    take(&hq, "x.bundle", &near);
    let first = Volume::open(&hq.path("x.bundle")).manifest()["repositories"][0].clone();
    let report = bundle(&near, &["--to", "y.bundle"]);
    let second = Volume::open(&near.path("y.bundle"));
    second.is_signed_by(&[&NEXT]);
    let place = second.manifest()["repositories"][0].clone();
    let origins: Vec<&str> = place["origins"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let expected = [&first["origins"][0], &first["origins"][1], &first["index"]];
    assert_eq!(origins, expected.map(|one| one.as_str().unwrap()), "upstream's two, and HQ's that was made of them");
    assert_eq!(place["whole"], first["whole"], "upstream's own, not what HQ made of it");
    assert_eq!(place["index"], *digest_of(&near.public().join("v3.23/site/x86_64/APKINDEX.tar.gz")));
    assert_eq!(report["repositories"][0]["origins"], 3);

    // Further away the same proofs are asked for, and found; all that is lost is what they are worth without.
    let far = site(&NEXT, &CORP, "ours");
    take(&near, "y.bundle", &far);
    let listed = |env: &Env, key: &Key| {
        let live = env.live_records("v3.23/site", "x86_64", &[crate::env::trusted(key)]);
        live.iter().map(|one| format!("{}-{}", one.name, one.version)).collect::<Vec<_>>()
    };
    assert_eq!(listed(&far, &CORP), listed(&hq, &OURS));

    // And onwards by deltas.
    crate::site::publish(&hq, crate::site::COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    hq.bivouac(&["sync"]).exits_with(0);
    bundle(&hq, &["--to", "x2.bundle", "--since", "2999-01-01"]);
    take(&hq, "x2.bundle", &near);
    bundle(&near, &["--to", "y2.bundle", "--since", "2999-01-01"]);
    assert_eq!(packages(&Volume::open(&near.path("y2.bundle")).manifest()), ["extra-1.1-r0"]);
    take(&near, "y2.bundle", &far);
    assert!(listed(&far, &CORP).contains(&"extra-1.1-r0".to_owned()));
    assert_eq!(listed(&far, &CORP), listed(&hq, &OURS));
}

#[test]
fn a_plain_repository_is_imported_too() {
    let hq = standing();
    bundle(&hq, &["--to", "stick/"]);
    let near = site(&OURS, &NEXT, "upstream");
    near.bivouac(&["import", &hq.path("stick").display().to_string()]).exits_with(0);
    near.bivouac(&["sync"]).exits_with(0);
    let index = |env: &Env| digest_of(&env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz"));
    assert_eq!(index(&near), index(&hq), "HQ's index as it is");
    // What is passed on unchanged is its own proof.
    bundle(&near, &["--to", "y.bundle"]);
    let place = Volume::open(&near.path("y.bundle")).manifest()["repositories"][0].clone();
    assert_eq!(place["index"], *index(&hq));
    assert!(place["origins"].as_array().unwrap().contains(&place["index"]));
}
