//! A real apk and a whole bundle on a medium: a machine installs straight from it. And a real update, as a bundle.

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{OURS, hex};
use super::upstream::Upstream;

#[test]
fn a_machine_installs_straight_from_the_stick() {
    let Some(real) = real_alpine() else { return };
    let env = Env::around(Upstream::of_folder(real.join("official/boot-media/3.19.1")));
    env.configure(
        "[sources.alpine]\nurl = [\"{upstream}\"]\nkeyring = \"alpine\"\n\n\
         [[repositories]]\nname = \"v3.19/main\"\narches = [\"x86_64\"]\nfrom = [\"alpine:apks\"]\nindex = \"upstream\"\n\n\
         [[repositories]]\nname = \"{arch}/ours\"\narches = [\"x86_64\"]\nfrom = [\"alpine:apks\"]\n",
    );
    env.bivouac(&["sync"]).exits_with(0);
    let report = env.bivouac(&["bundle", "--json", "--to", "stick/"]).exits_with(0).json();
    assert_eq!(report["packages"], 100, "each object once, though two repositories list it");
    let original = real.join("official/boot-media/3.19.1/apks/x86_64/alpine-base-3.19.1-r0.apk");
    let official: Vec<_> =
        std::fs::read_dir(real.join("official/keys/x86_64")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let ours = vec![env.path(&format!("keys/{}", OURS.name))];
    for client in &CLIENTS {
        // Upstream's own index needs upstream's keys alone, ours only ours.
        for (keys, line) in [(&official, "stick/v3.19/main"), (&ours, "stick/x86_64/ours")] {
            let machine = client.machine(&real, "x86_64", keys, &[env.path(line).display().to_string()]);
            machine.updates_to(100);
            machine.fetches("alpine-base", &original);
            assert_eq!(machine.adds(&["alpine-base"]).len(), 25, "{line}");
        }
    }
}

#[test]
fn a_real_update_travels_as_a_fifth_of_its_packages() {
    let Some(real) = real_alpine() else { return };
    let [before, after] = ["3.13.1", "3.13.4"].map(|release| real.join("official/boot-media").join(release));
    let env = Env::around(Upstream::of_folder(before));
    env.configure(
        "[sources.alpine]\nurl = [\"{upstream}\"]\nkeyring = \"alpine\"\n\n\
         [[repositories]]\nname = \"v3.13/main\"\narches = [\"aarch64\"]\nfrom = [\"alpine:apks\"]\n",
    );
    env.bivouac(&["sync"]).exits_with(0);
    let first = env.bivouac(&["bundle", "--json", "--to", "1.bundle"]).exits_with(0).json();
    env.upstream.change_folder(after.clone());
    env.bivouac(&["sync"]).exits_with(0);
    let since = ["bundle", "--json", "--to", "2.bundle", "--since", first["id"].as_str().unwrap()];
    let report = env.bivouac(&since).exits_with(0).json();
    println!("{report}");
    let [bytes, whole] = ["bytes", "full_bytes"].map(|key| report[key].as_u64().unwrap());
    assert!(report["packages"].as_u64().unwrap() >= 20 && whole > 6_000_000, "{report}");
    assert!(bytes * 100 <= whole * 20, "{bytes} of {whole}");

    // The bundle and what was there before are the new state, bit for bit.
    let volume = bivouac::bundle::Volume::open(&env.path("2.bundle")).unwrap();
    let manifest = volume.unverified().unwrap();
    for (begin, packed) in manifest.volume(1) {
        let mut carried = Vec::new();
        std::io::Read::read_to_end(&mut volume.objects(begin, packed.length()).unwrap(), &mut carried).unwrap();
        let rebuilt = match &packed.form {
            bivouac::snapshot::manifest::Form::Delta { base, .. } => {
                let base = base.map(|base| had(&env, &base.hex()));
                bivouac::delta::apply(base.as_deref(), &carried, &Default::default()).unwrap()
            }
            _ => carried,
        };
        assert_eq!(hex(&<sha2::Sha256 as sha2::Digest>::digest(&rebuilt)), packed.sha256.hex(), "{}", packed.what);
    }
}

/// An object of the first bundle: in the pool, or an index that was sent.
fn had(env: &Env, object: &str) -> Vec<u8> {
    let pooled = env.path(&format!("store/pool/objects/{}/{object}", &object[..2]));
    std::fs::read(pooled).or_else(|_| std::fs::read(env.path(&format!("store/bundles/sent/indexes/{object}")))).unwrap()
}
