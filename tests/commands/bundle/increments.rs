//! `--since`: what the receiver has is not sent again, and what is new is short.

use super::*;
use crate::fixture::{Built, Package};

/// A package whose content is mostly the same in every version.
fn large(version: &str) -> Package {
    Package::new("large", version).with_noise(300_000)
}

/// A first bundle of `hello`, `libgreet`, `extra`, `corp-tool` and `large`, then a new version of `large` and of `hello`.
struct Pair {
    env: Env,
    first: Volume,
    second: Volume,
    report: Value,
}

fn pair() -> Pair {
    let Site { env, watch } = Site::before_the_first_sync();
    watch.stop();
    let upstream = |count, packages: &[Built]| {
        let packages: Vec<&Built> = packages.iter().collect();
        crate::site::publish(&env, crate::site::MAIN, count, &packages, &UPSTREAM);
        env.bivouac(&["sync"]).exits_with(0);
    };
    upstream(1, &[hello("1.0-r0"), libgreet(), large("1-r0")].map(|one| one.build(&UPSTREAM)));
    let first = bundle(&env, &["--to", "1.bundle"])["id"].as_str().unwrap().to_owned();
    upstream(2, &[hello("1.1-r0"), libgreet(), large("2-r0")].map(|one| one.build(&UPSTREAM)));
    let report = bundle(&env, &["--to", "2.bundle", "--since", &first]);
    let [first, second] = ["1.bundle", "2.bundle"].map(|file| Volume::open(&env.path(file)));
    Pair { env, first, second, report }
}

/// The objects of `volume`, rebuilt over those that the receiver has.
#[track_caller]
fn rebuilt(volume: &Volume, had: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let carried = volume.objects();
    let manifest = volume.manifest();
    let rebuild = |object: &Value| {
        let sha256 = object["sha256"].as_str().unwrap();
        let bytes = &carried[sha256];
        assert!(!had.contains_key(sha256), "{object} is there already");
        let whole = match object["form"].as_str().unwrap() {
            "whole" => bytes.clone(),
            _ => {
                let base = object["base"].as_str().map(|base| had.get(base).unwrap_or_else(|| panic!("{object}")));
                bivouac::delta::apply(base.map(Vec::as_slice), bytes, &Default::default()).unwrap()
            }
        };
        assert_eq!(hex(&Sha256::digest(&whole)), sha256);
        (sha256.to_owned(), whole)
    };
    manifest["objects"].as_array().unwrap().iter().map(rebuild).collect()
}

#[test]
fn an_increment_holds_what_is_new_as_deltas_over_what_was_sent() {
    let Pair { env, first, second, report } = pair();
    second.is_signed_by(&[&OURS]);
    let manifest = second.manifest();
    assert_eq!(packages(&manifest), ["hello-1.1-r0", "large-2-r0"]);
    assert_eq!(manifest["base"], serde_json::json!({"id": first.manifest()["id"], "time": first.manifest()["time"]}));
    assert_eq!(report["base"], first.manifest()["id"]);
    let mut had = first.objects();
    let new = rebuilt(&second, &had);
    // Two packages, our index and upstream's.
    assert_eq!(new.len(), 4);
    let large = manifest["objects"].as_array().unwrap().iter().find(|one| one["package"][0] == "large").unwrap();
    assert_eq!(large["form"], "delta");
    assert!(large["length"].as_u64().unwrap() * 50 < large["size"].as_u64().unwrap(), "{large}");
    assert_eq!((&report["packages"], &report["deltas"], &report["full"]), (&2.into(), &2.into(), &0.into()));
    assert!(report["bytes"].as_u64().unwrap() * 10 < report["full_bytes"].as_u64().unwrap(), "{report}");

    // Both together are all that is live, and the state names all of it.
    had.extend(new);
    for path in env.files_below(&format!("site/{}", env.generation().display())) {
        let lingers = ["hello-1.0", "large-1-"].iter().any(|name| path.display().to_string().contains(name));
        assert!(lingers || had.contains_key(&digest_of(&path)), "{}", path.display());
    }
    assert_eq!(manifest["repositories"][0]["packages"], 5);
}

#[test]
fn a_chain_of_increments_knows_the_whole_state() {
    let Pair { env, first, second, .. } = pair();
    let mut had = first.objects();
    had.extend(rebuilt(&second, &had));
    crate::site::publish(&env, crate::site::COMMUNITY, 2, &[&extra("1.1-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let second_id = second.manifest()["id"].as_str().unwrap().to_owned();
    bundle(&env, &["--to", "3.bundle", "--since", &second_id]);
    let third = Volume::open(&env.path("3.bundle"));
    assert_eq!(packages(&third.manifest()), ["extra-1.1-r0"], "what the first brought is known through the second");
    rebuilt(&third, &had);

    // A lost stick costs nothing: the same from the first one's state.
    bundle(&env, &["--to", "4.bundle", "--since", first.manifest()["id"].as_str().unwrap()]);
    let fourth = Volume::open(&env.path("4.bundle"));
    assert_eq!(packages(&fourth.manifest()), ["extra-1.1-r0", "hello-1.1-r0", "large-2-r0"]);
    rebuilt(&fourth, &first.objects());

    // Nothing new is a bundle, too: it says so and puts off the expiry.
    let report = bundle(&env, &["--to", "5.bundle", "--since", "2999-01-01"]);
    assert_eq!((&report["packages"], &report["indexes"]), (&0.into(), &0.into()));
    assert_eq!(report["base"], fourth.manifest()["id"]);
    assert_eq!(Volume::open(&env.path("5.bundle")).objects().len(), 0);
}

#[test]
fn what_prune_dropped_here_is_held_there_and_is_no_base() {
    let Site { env, watch } = Site::before_the_first_sync();
    watch.stop();
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let retain = "\n[publish]\nlinger = \"0s\"\n[retain]\nsnapshots = { last = 1, daily = 0, monthly = 0 }\n\
                  generations = { last = 1 }\n";
    env.write("bivouac.toml", (text + retain).as_bytes());
    let upstream = |count, packages: &[Built]| {
        let packages: Vec<&Built> = packages.iter().collect();
        crate::site::publish(&env, crate::site::MAIN, count, &packages, &UPSTREAM);
        env.bivouac(&["sync"]).exits_with(0);
    };
    let [one, two, back] = ["1-r0", "2-r0", "1-r0"].map(|version| large(version).build(&UPSTREAM));
    upstream(1, &[libgreet().build(&UPSTREAM), hello("1.0-r0").build(&UPSTREAM), one.clone()]);
    bundle(&env, &["--to", "1.bundle"]);
    let object = hex(&Sha256::digest(&one.bytes));
    let pooled = env.path(&format!("store/pool/objects/{}/{object}", &object[..2]));
    assert!(pooled.is_file());
    upstream(2, &[libgreet().build(&UPSTREAM), hello("1.0-r0").build(&UPSTREAM), two]);
    env.bivouac(&["prune"]).exits_with(0);
    assert!(!pooled.exists(), "prune has dropped it");
    bundle(&env, &["--to", "2.bundle", "--since", "2999-01-01"]);
    let [first, second] = ["1.bundle", "2.bundle"].map(|file| Volume::open(&env.path(file)));
    let new = rebuilt(&second, &first.objects());
    assert_eq!(packages(&second.manifest()), ["large-2-r0"]);
    let large =
        second.manifest()["objects"].as_array().unwrap().iter().find(|one| one["package"][0] == "large").cloned();
    assert_eq!(large.unwrap()["base"], Value::Null);
    assert_eq!(new.len(), 3);

    // It comes back here, and there it never went away.
    upstream(3, &[libgreet().build(&UPSTREAM), hello("1.0-r0").build(&UPSTREAM), back]);
    let id = first.manifest()["id"].as_str().unwrap().to_owned();
    bundle(&env, &["--to", "3.bundle", "--since", &id]);
    assert_eq!(packages(&Volume::open(&env.path("3.bundle")).manifest()), Vec::<String>::new());
}

#[test]
fn a_base_is_named_by_what_begins_its_id_or_by_a_date() {
    let Pair { env, first, second, .. } = pair();
    let ids = [&first, &second].map(|volume| volume.manifest()["id"].as_str().unwrap().to_owned());
    let common = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    let base = |file: &str, since: &str| bundle(&env, &["--to", file, "--since", since])["base"].clone();
    assert_eq!(base("a.bundle", &ids[0][..=common]), *ids[0]);
    let time = first.manifest()["time"].as_str().unwrap().to_owned();
    assert_eq!(base("b.bundle", &time), *ids[0]);
    let refused = |since: &str| {
        let ran = env.bivouac(&["bundle", "--json", "--to", "c.bundle", "--since", since]);
        ran.exits_with(2).json()["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&ids[0][..4]), "ambiguous");
    for (since, code) in
        [("2001-01-01", "no-such-bundle"), ("1999", "no-such-bundle"), ("2026-13-40", "no-such-bundle")]
    {
        assert_eq!(refused(since), code, "{since}");
    }
    assert!(!env.path("c.bundle").exists());
    let fresh = standing();
    let ran = fresh.bivouac(&["bundle", "--to", "x.bundle", "--since", "2026-01-01"]);
    ran.exits_with(2).tells(&["no bundle was made here yet", "without --since a bundle is whole"]);
}

/// What is not damaged here may not be spoilt by what is: a damaged base is passed over.
#[test]
fn a_damaged_base_costs_bytes_and_no_more() {
    let Pair { env, first, .. } = pair();
    let manifest = first.manifest();
    let large = manifest["objects"].as_array().unwrap().iter().find(|one| one["package"][0] == "large").unwrap();
    let object = large["sha256"].as_str().unwrap();
    let path = env.path(&format!("store/pool/objects/{}/{object}", &object[..2]));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    bundle(&env, &["--to", "3.bundle", "--since", manifest["id"].as_str().unwrap()]);
    let third = Volume::open(&env.path("3.bundle"));
    rebuilt(&third, &first.objects());
    let large =
        third.manifest()["objects"].as_array().unwrap().iter().find(|one| one["package"][0] == "large").cloned();
    assert_ne!(large.unwrap()["base"], *object);
}
