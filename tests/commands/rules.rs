//! The rules of a repository, one by one: what is published changes because of the key, and is as before without it.

use super::env::Env;
use super::fixture::{CORP, Package, UPSTREAM};
use super::site::{COMMUNITY, MAIN, SOURCES, publish};

const ALL: &str = "from = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]";

/// An environment with an empty private folder, not configured.
fn empty() -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    env
}

fn private(env: &Env, package: &Package) {
    let built = package.build(&CORP);
    env.write(&format!("packages/{}", built.file), &built.bytes);
}

fn upstream(env: &Env, folder: &str, count: u32, packages: &[Package]) {
    let built: Vec<_> = packages.iter().map(|package| package.build(&UPSTREAM)).collect();
    publish(env, folder, count, &built.iter().collect::<Vec<_>>(), &UPSTREAM);
}

/// Configures one repository with these keys, syncs, and answers what is listed and what the run said of it.
fn synced(env: &Env, keys: &str) -> (Vec<String>, serde_json::Value) {
    env.configure(&format!("{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n{keys}\n"));
    let value = env.bivouac(&["--json", "sync"]).exits_with(0).json();
    (env.live("v3.23/site", "x86_64"), value["repositories"][0].clone())
}

fn counts(report: &serde_json::Value) -> (u64, u64) {
    (report["shadowed"].as_u64().unwrap(), report["shadowed_newer"].as_u64().unwrap())
}

#[test]
fn prefer_decides_among_sources_that_have_a_name() {
    let env = empty();
    private(&env, &Package::new("hello", "1.0-r0"));
    upstream(&env, MAIN, 1, &[Package::new("hello", "1.1-r0"), Package::new("hello", "1.0-r0").with_noise(10)]);
    upstream(&env, COMMUNITY, 1, &[Package::new("hello", "0.9-r0"), Package::new("extra", "1-r0")]);
    let (by_order, report) = synced(&env, ALL);
    assert_eq!(by_order, ["extra-1-r0", "hello-1.0-r0"]);
    assert_eq!(counts(&report), (3, 1), "{report}");
    let (newest, report) = synced(&env, &format!("{ALL}\nprefer = \"newest\""));
    assert_eq!(newest, ["extra-1-r0", "hello-1.1-r0"]);
    assert_eq!(counts(&report), (3, 0), "{report}");
    let (all, report) = synced(&env, &format!("{ALL}\nprefer = \"all\""));
    assert_eq!(all, ["extra-1-r0", "hello-0.9-r0", "hello-1.0-r0", "hello-1.1-r0"]);
    assert_eq!(counts(&report), (1, 0), "the other hello-1.0-r0 has no place: {report}");
    let ours = std::fs::read(env.path("packages/hello-1.0-r0.apk")).unwrap();
    assert!(std::fs::read(env.public().join("v3.23/site/x86_64/hello-1.0-r0.apk")).unwrap() == ours);
    assert_eq!(synced(&env, ALL).0, by_order);
}

/// The same with other bytes in the configuration's sources.
fn synced_with(env: &Env, change: (&str, &str), keys: &str) -> super::env::Ran {
    let sources = SOURCES.replace(change.0, &format!("{}\n{}", change.0, change.1));
    assert_ne!(sources, SOURCES);
    env.configure(&format!("{sources}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n{keys}\n"));
    env.bivouac(&["--json", "sync"])
}

const OF_CORP: &str = "directory = \"packages\"";
const OF_UP: &str = "timeout = \"1s\"";

#[test]
fn a_reserved_name_is_supplied_and_provided_by_its_source_alone() {
    let env = empty();
    private(&env, &Package::new("corp-tool", "1.0-r0"));
    let foreign = [
        Package::new("corp-tool", "9.0-r0"),
        Package::new("corp-login", "1-r0"),
        Package::new("innocent", "1-r0").provides("corp-agent=99"),
        Package::new("other", "1-r0").depends("corp-tool"),
    ];
    upstream(&env, MAIN, 1, &foreign);
    upstream(&env, COMMUNITY, 1, &[]);
    let from = "from = [\"up:v3.23/main\", \"corp\"]\nprefer = \"newest\"";
    let without = ["corp-login-1-r0", "corp-tool-9.0-r0", "innocent-1-r0", "other-1-r0"];
    assert_eq!(synced(&env, from).0, without);
    env.upstream.take_log();
    let run = synced_with(&env, (OF_CORP, "reserve = [\"corp-*\"]"), from);
    run.exits_with(0).tells(&["innocent-1-r0.apk", "provides corp-agent", "corp-login-1-r0.apk"]);
    let warnings = run.json()["repositories"][0]["warnings"].to_string();
    assert!(warnings.contains("corp-tool-9.0-r0.apk of source \\\"up\\\" is left out"), "{warnings}");
    assert_eq!(env.live("v3.23/site", "x86_64"), ["corp-tool-1.0-r0", "other-1-r0"]);
    let report = &run.json()["repositories"][0];
    assert_eq!(counts(report), (3, 0), "{report}");
    let causes: Vec<_> = report["shadowed_entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| ["file", "cause", "by"].map(|key| entry[key].as_str().unwrap().to_owned()).join(" "))
        .collect();
    assert_eq!(
        causes,
        ["corp-tool-9.0-r0.apk reserved corp", "corp-login-1-r0.apk reserved corp", "innocent-1-r0.apk provides corp"]
    );
    let told = env.bivouac(&["-v", "sync"]);
    assert!(!told.stdout.contains("shadowed:"), "nothing was merged: {told}");
    assert_eq!(synced(&env, from).0, without);
}

#[test]
fn a_reserved_name_in_upstreams_own_index_stops_that_repository() {
    let env = empty();
    upstream(&env, MAIN, 1, &[Package::new("hello", "1-r0")]);
    upstream(&env, COMMUNITY, 1, &[]);
    let from = "from = [\"up:v3.23/main\"]\nindex = \"cosigned\"";
    assert_eq!(synced(&env, from).0, ["hello-1-r0"]);
    upstream(&env, MAIN, 2, &[Package::new("hello", "2-r0"), Package::new("corp-login", "1-r0")]);
    let run = synced_with(&env, (OF_CORP, "reserve = [\"corp-*\"]"), from);
    run.exits_with(3).tells(&["corp-login-1-r0.apk", "reserved for source \"corp\"", "index = \"ours\""]);
    assert_eq!(run.json()["repositories"][0]["error"]["code"], "reserved");
    assert_eq!(env.live("v3.23/site", "x86_64"), ["hello-1-r0"]);
    assert!(!env.upstream.take_log().iter().any(|request| request.path.contains("corp-login-1-r0.apk")));
    assert_eq!(synced(&env, from).0, ["corp-login-1-r0", "hello-2-r0"]);
}

#[test]
fn rebuilt_packages_are_refused_or_replaced_and_never_forgotten() {
    let env = empty();
    let first = Package::new("hello", "1-r0");
    let again = Package::new("hello", "1-r0").with_file("usr/bin/hello", b"other");
    upstream(&env, COMMUNITY, 1, &[]);
    upstream(&env, MAIN, 1, std::slice::from_ref(&first));
    assert_eq!(synced(&env, ALL).0, ["hello-1-r0"]);
    // Long gone from the index, and from the tree at once: the record of the first generation remembers.
    for (count, version) in [(2, "2-r0"), (3, "3-r0")] {
        upstream(&env, MAIN, count, &[Package::new("hello", version)]);
        let keys = format!("{ALL}\n[publish]\nlinger = \"0s\"");
        assert_eq!(synced(&env, &keys).0, [format!("hello-{version}")]);
    }
    let file = env.public().join("v3.23/site/x86_64/hello-1-r0.apk");
    assert!(!file.exists());
    upstream(&env, MAIN, 4, &[Package::new("hello", "3-r0"), again.clone()]);
    let config = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let run = env.bivouac(&["--json", "sync"]);
    run.exits_with(3).tells(&["hello-1-r0.apk", "rebuilt = \"accept\" under sources.up"]);
    assert_eq!(run.json()["repositories"][0]["error"]["code"], "rebuilt");
    assert_eq!(env.live("v3.23/site", "x86_64"), ["hello-3-r0"]);

    let run = synced_with(&env, (OF_UP, "rebuilt = \"accept\""), ALL);
    run.exits_with(0).tells(&["hello-1-r0.apk", "BAD signature until they update"]);
    assert!(std::fs::read(&file).unwrap() == again.build(&UPSTREAM).bytes);
    // From here on those bytes are the ones that stay.
    env.write("bivouac.toml", config.as_bytes());
    upstream(&env, MAIN, 5, &[Package::new("hello", "3-r0"), first]);
    env.bivouac(&["sync"]).exits_with(3).tells(&["hello-1-r0.apk"]);
    assert!(std::fs::read(&file).unwrap() == again.build(&UPSTREAM).bytes);
}

#[test]
fn packages_by_source() {
    let env = empty();
    private(&env, &Package::new("corp-tool", "1.0-r0"));
    upstream(&env, MAIN, 1, &[Package::new("agent", "1-r0").depends("lib"), Package::new("lib", "1-r0")]);
    upstream(&env, COMMUNITY, 1, &[Package::new("agent", "2-r0"), Package::new("game", "1-r0")]);
    let vendor = "[sources.vendor]\nurl = [\"{upstream}/alpine/v3.23/community\"]\n\
                  keyring = [\"trusted/builder@upstream.example-00000001.rsa.pub\"]\n";
    let configure = |packages: &str| {
        env.configure(&format!(
            "{SOURCES}{vendor}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n\
             from = [\"corp\", \"up:v3.23/main\", \"vendor\"]\nprefer = \"all\"\n{packages}\n"
        ));
        env.bivouac(&["sync"])
    };
    configure("packages = [\"agent\"]").exits_with(0);
    let alike = ["agent-1-r0", "agent-2-r0", "corp-tool-1.0-r0", "lib-1-r0"];
    assert_eq!(env.live("v3.23/site", "x86_64"), alike);
    configure("packages = { up = [\"agent\"], vendor = [\"game\"] }").exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["agent-1-r0", "corp-tool-1.0-r0", "game-1-r0", "lib-1-r0"]);
    // Of a source that is not named only what others need is taken.
    configure("packages = { vendor = [\"agent\", \"none\"] }")
        .exits_with(3)
        .tells(&["\"none\" names no package of source \"vendor\""]);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["agent-2-r0", "corp-tool-1.0-r0"]);
    configure("packages = [\"agent\"]").exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64"), alike);
}

#[test]
fn what_lies_beside_meets_needs_and_is_not_listed() {
    let env = empty();
    private(&env, &Package::new("corp-tool", "1.0-r0").depends("so:lib.so.1").depends("nginx"));
    let lib = Package::new("lib", "1-r0").provides("so:lib.so.1=1").depends("deep");
    upstream(&env, MAIN, 1, &[lib, Package::new("other", "1-r0")]);
    upstream(&env, COMMUNITY, 1, &[Package::new("nginx", "1-r0"), Package::new("deep", "1-r0").depends("other")]);
    let configure = |of_site: &str, of_extra: &str| {
        env.configure(&format!(
            "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n\
             from = [\"corp\", \"up:v3.23/community\"]\npackages = [\"nginx\"]\n{of_site}\n\
             [[repositories]]\nname = \"v3.23/extra\"\narches = [\"x86_64\"]\n\
             from = [\"up:v3.23/main\"]\npackages = [\"lib\"]\n{of_extra}\n"
        ));
        let run = env.bivouac(&["--json", "sync"]);
        let value = run.exits_with(0).json();
        let told = |at: usize| value["repositories"][at]["warnings"].to_string();
        (env.live("v3.23/site", "x86_64"), env.live("v3.23/extra", "x86_64"), told(0), told(1))
    };
    let alone = configure("", "");
    assert_eq!(alone.0, ["corp-tool-1.0-r0", "nginx-1-r0"]);
    assert_eq!(alone.1, ["lib-1-r0"]);
    assert!(alone.2.contains("nothing provides so:lib.so.1, which corp-tool needs"), "{}", alone.2);
    assert!(alone.3.contains("nothing provides deep, which lib needs"), "{}", alone.3);

    // What the neighbour's packages need comes along, here where a source has it.
    let site = configure("beside = [\"v3.23/extra\"]", "");
    assert_eq!(site.0, ["corp-tool-1.0-r0", "deep-1-r0", "nginx-1-r0"]);
    assert_eq!(site.1, ["lib-1-r0"]);
    assert!(
        site.2.contains("nothing provides other, which deep needs") && !site.2.contains("provides so:lib"),
        "{}",
        site.2
    );

    // Each beside the other: deep comes to the one because of the other's lib, and other to that because of deep.
    let ring = configure("beside = [\"v3.23/extra\"]", "beside = [\"v3.23/site\"]");
    assert_eq!(ring.0, ["corp-tool-1.0-r0", "deep-1-r0", "nginx-1-r0"]);
    assert_eq!(ring.1, ["lib-1-r0", "other-1-r0"]);
    assert_eq!((ring.2.as_str(), ring.3.as_str()), ("[]", "[]"));

    // A change beside is a change here, also where the neighbour itself is not synced.
    upstream(&env, MAIN, 2, &[Package::new("lib", "2-r0").provides("so:lib.so.2=1"), Package::new("other", "1-r0")]);
    let run = env.bivouac(&["sync", "v3.23/extra"]);
    run.exits_with(0);
    assert_eq!(env.live("v3.23/extra", "x86_64"), ["lib-2-r0"]);
    env.bivouac(&["sync", "v3.23/site"]).exits_with(0).tells(&["nothing provides so:lib.so.1"]);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["corp-tool-1.0-r0", "nginx-1-r0"]);
    upstream(&env, MAIN, 3, &[Package::new("lib", "1-r0").provides("so:lib.so.1=1").depends("deep")]);
    let reverted = configure("", "");
    assert_eq!((reverted.0, reverted.1), (alone.0, alone.1));
}

/// Upstream's main repository with these packages alone: what is listed no more is gone there.
fn upstream_moves_to(env: &Env, count: u32, packages: &[Package]) {
    for gone in ["app-1-r0", "app-2-r0", "app-3-r0", "app-9-r0", "lib-1-r0", "lib-2-r0", "other-1-r0"] {
        env.upstream.files().remove(&format!("{MAIN}/{gone}.apk"));
    }
    upstream(env, MAIN, count, packages);
}

#[test]
fn older_versions_stay_as_many_as_are_kept() {
    let env = empty();
    upstream(&env, COMMUNITY, 1, &[]);
    let app = |version: &str, lib: &str| Package::new("app", version).depends(lib);
    let lib = |version: &str| Package::new("lib", version).provides(&format!("so:lib.so.{}=1", &version[..1]));
    let two = "from = [\"up:v3.23/main\"]\npackages = [\"app\"]\nkeep_versions = 2";
    let one = "from = [\"up:v3.23/main\"]\npackages = [\"app\"]";
    upstream_moves_to(&env, 1, &[app("1-r0", "so:lib.so.1"), lib("1-r0"), Package::new("other", "1-r0")]);
    assert_eq!(synced(&env, two).0, ["app-1-r0", "lib-1-r0"]);
    upstream_moves_to(&env, 2, &[app("2-r0", "so:lib.so.2"), lib("2-r0")]);
    let kept = ["app-1-r0", "app-2-r0", "lib-1-r0", "lib-2-r0"];
    assert_eq!(synced(&env, two).0, kept);
    let generation = env.generation();
    assert_eq!(synced(&env, two).0, kept);
    assert_eq!(env.generation(), generation, "nothing new");

    // The first app is two versions back; its library is one back, and nothing needs it: it stays as any name's older one.
    upstream_moves_to(&env, 3, &[app("3-r0", "so:lib.so.2"), lib("2-r0")]);
    assert_eq!(synced(&env, two).0, ["app-2-r0", "app-3-r0", "lib-1-r0", "lib-2-r0"]);
    // Without the key only what upstream lists now; what was dropped meanwhile is not kept any more.
    let plain = synced(&env, one).0;
    assert_eq!(plain, ["app-3-r0", "lib-2-r0"]);
    assert_eq!(synced(&env, two).0, plain);

    // A version above the newest was withdrawn: it goes at once, and its name's older ones stay.
    upstream_moves_to(&env, 4, &[app("9-r0", "so:lib.so.2"), lib("2-r0")]);
    assert_eq!(synced(&env, two).0, ["app-3-r0", "app-9-r0", "lib-2-r0"]);
    upstream_moves_to(&env, 5, &[app("3-r0", "so:lib.so.2"), lib("2-r0")]);
    assert_eq!(synced(&env, two).0, ["app-3-r0", "lib-2-r0"]);
    // And so does a name that is listed no more.
    upstream_moves_to(&env, 6, &[app("4-r0", "so:lib.so.2"), lib("2-r0")]);
    assert_eq!(synced(&env, two).0, ["app-3-r0", "app-4-r0", "lib-2-r0"]);
    upstream_moves_to(&env, 7, &[lib("2-r0")]);
    env.bivouac(&["sync"]).exits_with(3).tells(&["\"app\" names no package of its sources"]);
    assert_eq!(env.live("v3.23/site", "x86_64"), Vec::<String>::new());
    env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn what_is_kept_is_part_of_the_snapshot() {
    let env = empty();
    let keys = "from = [\"corp\"]\nkeep_versions = 3";
    private(&env, &Package::new("tool", "1-r0"));
    assert_eq!(synced(&env, keys).0, ["tool-1-r0"]);
    std::fs::remove_file(env.path("packages/tool-1-r0.apk")).unwrap();
    private(&env, &Package::new("tool", "2-r0"));
    assert_eq!(synced(&env, keys).0, ["tool-1-r0", "tool-2-r0"]);
    let snapshot = env.bivouac(&["--json", "sync"]).json()["snapshot"].as_str().unwrap().to_owned();
    std::fs::remove_file(env.path("packages/tool-2-r0.apk")).unwrap();
    private(&env, &Package::new("tool", "3-r0"));
    let three = ["tool-1-r0", "tool-2-r0", "tool-3-r0"];
    assert_eq!(synced(&env, keys).0, three);
    env.bivouac(&["publish", &snapshot]).exits_with(0);
    assert_eq!(env.live("v3.23/site", "x86_64"), ["tool-1-r0", "tool-2-r0"]);
    assert_eq!(synced(&env, keys).0, three);
    // One package back from each name; a directory's own versions are all given whatever is kept.
    private(&env, &Package::new("tool", "4-r0"));
    private(&env, &Package::new("tool", "5-r0"));
    let all = ["tool-3-r0", "tool-4-r0", "tool-5-r0"];
    assert_eq!(synced(&env, "from = [\"corp\"]\nkeep_versions = 2").0, all);
}

#[test]
fn what_is_named_and_not_there_is_told_again_and_again_while_the_rest_moves() {
    let env = empty();
    upstream(&env, MAIN, 1, &[Package::new("app", "1-r0").depends("so:gone.so.1"), Package::new("lib", "1-r0")]);
    upstream(&env, COMMUNITY, 1, &[]);
    let configure = |packages: &str| {
        env.configure(&format!(
            "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n\
             from = [\"up:v3.23/main\"]\npackages = {packages}\n"
        ));
    };
    configure("[\"app\", \"nope\", \"no-*\"]");
    let plan = env.bivouac(&["--json", "sync", "--dry-run"]).exits_with(3).json();
    assert_eq!(plan["repositories"][0]["error"]["code"], "unmatched", "{plan}");
    for _ in 0..2 {
        let run = env.bivouac(&["--json", "sync"]);
        run.exits_with(3).tells(&["\"nope\" names no package of its sources"]);
        let report = &run.json()["repositories"][0];
        assert_eq!((&report["error"]["code"], &report["packages"]), (&"unmatched".into(), &1.into()), "{report}");
        // A glob that names nothing, and a need that nothing provides, are worth a line each, with its chain.
        let warnings: Vec<&str> =
            report["warnings"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let expected = [
            "v3.23/site/x86_64: \"no-*\" names no package of its sources",
            "v3.23/site/x86_64: nothing provides so:gone.so.1, which app needs (app ← named \"app\" in packages)",
        ];
        assert_eq!(warnings, expected);
    }
    configure("[\"app\", \"no-*\"]");
    env.bivouac(&["sync"]).exits_with(0);
}

#[test]
fn the_contracts_second_block_publishes_every_package_of_corp() {
    let env = empty();
    let corp = [
        Package::new("corp-tool", "1.0-r0").depends("nginx"),
        Package::new("corp-tool", "1.1-r0").depends("nginx"),
        Package::new("corp-lib", "1-r0").arch("noarch").provides("so:libcorp.so.1=1"),
        Package::new("nginx", "1.24-r9").provides("cmd:nginx=1.24-r9"),
    ];
    for package in &corp {
        private(&env, package);
    }
    let main = [
        Package::new("nginx", "1.26-r0").depends("so:libpcre2-8.so.0"),
        Package::new("postgresql16", "16.1-r0").depends("so:libpq.so.5"),
        Package::new("postgresql16-dbg", "16.1-r0"),
        Package::new("corp-tool", "9-r0"),
        Package::new("evil", "1-r0").provides("so:libcorp.so.1=99").provides("corp-tool=99"),
        Package::new("game", "1-r0"),
    ];
    upstream(&env, MAIN, 1, &main);
    upstream(&env, COMMUNITY, 1, &[Package::new("libpq", "16.1-r0").provides("so:libpq.so.5=5")]);
    let sources = SOURCES
        .replace("[sources.up]", "[sources.alpine]")
        .replace(OF_CORP, &format!("{OF_CORP}\nreserve = [\"corp-*\"]"));
    env.write("world-web", b"nginx\npostgresql16\ncorp-tool\n");
    env.configure(&format!(
        r#"{sources}
[[repositories]]
name     = "v3.23/site"
arches   = ["x86_64"]
from     = ["corp", "alpine:v3.23/main", "alpine:v3.23/community"]
prefer   = "order"
packages = ["nginx", "postgresql16*"]
dependencies = true
exclude  = ["*-dbg"]
beside   = ["v3.23/extra"]
keep_versions = 3
must_install = ["@world-web"]
incomplete = "refuse"
together = false
[[repositories]]
name     = "v3.23/extra"
arches   = ["x86_64"]
from     = ["alpine:v3.23/community"]
"#
    ));
    env.bivouac(&["sync"]).exits_with(0);
    let listed = env.live("v3.23/site", "x86_64");
    for package in &corp {
        let name = format!("{}-{}", package.name, package.version);
        assert!(listed.contains(&name), "{name}: {listed:?}");
    }
    assert_eq!(listed.len(), corp.len() + 2, "and postgresql16 with its library: {listed:?}");
    assert!(listed.contains(&"libpq-16.1-r0".to_owned()) && listed.contains(&"postgresql16-16.1-r0".to_owned()));
}
