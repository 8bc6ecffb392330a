//! Volumes, the plain repository, and the program that rides along.

use super::*;

/// A site with enough in it for several volumes.
fn filled() -> Env {
    let Site { env, watch } = Site::before_the_first_sync();
    watch.stop();
    let packages: Vec<_> = (0..12)
        .map(|number| crate::fixture::Package::new(&format!("pack{number}"), "1-r0").with_noise(9000 + 3000 * number))
        .chain([hello("1.0-r0"), libgreet()])
        .map(|package| package.build(&UPSTREAM))
        .collect();
    crate::site::publish(&env, crate::site::MAIN, 1, &packages.iter().collect::<Vec<_>>(), &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    env
}

#[test]
fn no_volume_is_larger_than_asked_for_and_every_object_is_in_one() {
    let env = filled();
    let report = bundle(&env, &["--to", "x.bundle", "--volume-size", "90kB"]);
    let volumes = report["volumes"].as_array().unwrap().clone();
    assert!(volumes.len() >= 4, "{volumes:?}");
    assert_eq!(volumes[0], "x.1.bundle");
    assert_eq!(report["file"], volumes[0]);
    let mut found = BTreeMap::new();
    let mut bytes = 0;
    let mut manifests = std::collections::BTreeSet::new();
    for (number, path) in volumes.iter().enumerate() {
        let volume = Volume::open(&env.path(path.as_str().unwrap()));
        assert!(volume.bytes <= 90_000, "{path}: {}", volume.bytes);
        assert!(volume.files.contains_key(&format!("objects.{}", number + 1)));
        volume.is_signed_by(&[&OURS]);
        manifests.insert(volume.files["manifest.json"].clone());
        bytes += volume.bytes;
        for (object, content) in volume.objects() {
            assert!(found.insert(object, content).is_none(), "in two volumes");
        }
    }
    assert_eq!(manifests.len(), 1, "the same manifest in each");
    assert_eq!(report["bytes"], bytes);
    for path in env.files_below(&format!("site/{}", env.generation().display())) {
        assert!(found.contains_key(&digest_of(&path)), "{}", path.display());
    }

    // One is lost on the way.
    std::fs::rename(env.path("x.2.bundle"), env.path("lost")).unwrap();
    let seen = env.bivouac(&["bundle", "inspect", "x.1.bundle", "--json"]).exits_with(0).json();
    assert_eq!(seen["bundles"][0]["missing_volumes"], serde_json::json!([2]));
    assert_eq!(seen["bundles"][0]["of_volumes"], volumes.len());
    assert_eq!(seen["bundles"][0]["volumes"].as_array().unwrap().len(), volumes.len() - 1);

    // What fits in one has the name that was asked for.
    let one = bundle(&env, &["--to", "y.bundle", "--volume-size", "4GB"]);
    assert_eq!(one["volumes"], serde_json::json!(["y.bundle"]));
    // In a folder, each under the bundle's own name.
    let many = bundle(&env, &["--to", "disk/", "--volume-size", "90kB"]);
    let id = many["id"].as_str().unwrap();
    assert_eq!(file_names(&env.path("disk"))[0], format!("{id}.1.bundle"));
    assert_eq!(file_names(&env.path("disk")).len(), volumes.len());
}

#[test]
fn a_volume_too_small_for_its_largest_is_refused_with_the_least_that_does() {
    let env = filled();
    let ask = |size: &str, more: &[&str]| {
        let words = ["bundle", "--json", "--to", "x.bundle", "--volume-size", size];
        env.bivouac(&[&words[..], more].concat())
    };
    let ran = ask("40kB", &[]);
    assert_eq!(ran.exits_with(2).json()["error"]["code"], "volume-too-small");
    ran.tells(&["no volume of 40000 bytes has room for pack11-1-r0.apk"]);
    let hint = ran.json()["error"]["hint"].as_str().unwrap().to_owned();
    let least = hint.split('`').nth(1).unwrap().strip_prefix("--volume-size ").unwrap().to_owned();
    let short = least.strip_suffix('B').unwrap().parse::<u64>().unwrap() - 600;
    ask(&format!("{short}B"), &[]).exits_with(2);
    ask(&least, &[]).exits_with(0);
    assert_eq!(ask("1kB", &[]).exits_with(2).json()["error"]["code"], "volume-too-small");
    let program = ask("1MB", &["--with-tool"]);
    program.exits_with(2).tells(&["has room for the manifest and the program"]);
}

#[test]
fn the_program_rides_along_in_the_first_volume() {
    let env = filled();
    let binary = std::fs::read(env!("CARGO_BIN_EXE_bivouac")).unwrap();
    let size = format!("{}B", binary.len() + 100_000);
    let report = bundle(&env, &["--to", "x.bundle", "--with-tool", "--volume-size", &size]);
    let volumes: Vec<Volume> = report["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| Volume::open(&env.path(path.as_str().unwrap())))
        .collect();
    assert!(volumes.len() >= 2, "{report}");
    let tool = volumes[0].manifest()["tool"].clone();
    assert_eq!(tool["sha256"], hex(&Sha256::digest(&binary)));
    assert_eq!(tool["size"], binary.len());
    assert!(volumes[0].files["bivouac"] == binary, "the program is what runs here");
    for volume in &volumes {
        assert!(volume.bytes <= binary.len() as u64 + 100_000);
        volume.objects();
    }
    assert!(volumes[1..].iter().all(|volume| !volume.files.contains_key("bivouac")));

    // As a folder: an executable file.
    bundle(&env, &["--to", "stick/", "--with-tool"]);
    let file = env.path("stick/bivouac");
    assert!(std::fs::read(&file).unwrap() == binary);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o755);
    let told = env.bivouac(&["bundle", "inspect", "stick"]).exits_with(0).stdout.clone();
    assert!(told.contains("the program rides along: bivouac "), "{told}");
}

#[test]
fn a_whole_bundle_in_a_folder_is_a_plain_repository() {
    let env = standing();
    env.write("stick/holiday.txt", b"mine");
    let report = bundle(&env, &["--to", "stick"]);
    let id = report["id"].as_str().unwrap().to_owned();
    assert_eq!(report["file"], format!("stick/{id}.bundle"));
    let volume = Volume::open(&env.path(&format!("stick/{id}.bundle")));
    volume.is_signed_by(&[&OURS]);
    assert!(volume.files.keys().all(|name| !name.starts_with("objects.")), "its objects lie beside it");
    let manifest = volume.manifest();
    assert_eq!(manifest["volumes"], 0);
    assert_eq!(manifest["objects"].as_array().unwrap().len(), 4 + 3);
    for object in manifest["objects"].as_array().unwrap() {
        let path = env.path("stick").join(object["path"].as_str().unwrap());
        assert_eq!(*digest_of(&path), object["sha256"], "{object}");
    }
    // The same files as in the public tree, none a link, and the manifest knows each.
    let live = env.public().join("v3.23/site/x86_64");
    let there = env.path("stick/v3.23/site/x86_64");
    for name in file_names(&live) {
        assert_eq!(digest_of(&there.join(&name)), digest_of(&live.join(&name)), "{name}");
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&there.join(&name).symlink_metadata().unwrap()), 1);
    }
    let expected = 4 + 1 + 2 + 1 + 1;
    assert_eq!(env.files_below("stick").len(), expected, "{:?}", env.files_below("stick"));
    let sum: u64 = env.files_below("stick").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(report["bytes"], sum - 4);

    let seen = env.bivouac(&["bundle", "inspect", "stick", "--json"]).exits_with(0).json();
    assert_eq!((&seen["bundles"][0]["id"], &seen["bundles"][0]["missing_files"]), (&report["id"], &0.into()));
    std::fs::remove_file(there.join("hello-1.0-r0.apk")).unwrap();
    let seen = env.bivouac(&["bundle", "inspect", "stick", "--json"]).exits_with(0).json();
    assert_eq!(seen["bundles"][0]["missing_files"], 1);

    // Not over what lies there; an increment goes beside it.
    let ran = env.bivouac(&["bundle", "--json", "--to", "stick"]);
    assert_eq!(ran.exits_with(2).json()["error"]["code"], "exists");
    let next = bundle(&env, &["--to", "stick", "--since", &id]);
    assert_eq!(next["file"], format!("stick/{}.bundle", next["id"].as_str().unwrap()));
}

#[test]
fn a_repository_named_by_arch_is_found_on_a_medium_without_links() {
    let env = standing();
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", text.replace("v3.23/site", "{arch}/site").as_bytes());
    env.bivouac(&["sync"]).exits_with(0);
    bundle(&env, &["--to", "stick/"]);
    // A client of the line `<stick>/x86_64/site` asks for this.
    assert!(env.path("stick/x86_64/site/x86_64/APKINDEX.tar.gz").is_file());
    assert!(env.path("stick/x86_64/site/x86_64/hello-1.0-r0.apk").is_file());
}

#[test]
fn an_export_that_fails_leaves_no_bundle() {
    let env = standing();
    let object = digest_of(&env.public().join("v3.23/site/x86_64/libgreet-1.0-r0.apk"));
    let path = env.path(&format!("store/pool/objects/{}/{object}", &object[..2]));
    let good = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, [&good[..good.len() - 1], b"?"].concat()).unwrap();
    let ran = env.bivouac(&["bundle", "--json", "--to", "stick/"]);
    assert_eq!(ran.exits_with(5).json()["error"]["code"], "object-damaged");
    assert_eq!(env.files_below("stick"), Vec::<PathBuf>::new());
    let ran = env.bivouac(&["bundle", "--json", "--to", "x.bundle", "--volume-size", "20kB"]);
    assert_eq!(ran.exits_with(5).json()["error"]["code"], "object-damaged");
    assert!(!file_names(&env.path("")).iter().any(|name| name.starts_with("x.")));
}
