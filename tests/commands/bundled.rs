//! A site that gets bundles instead of a network.

use super::env::{Env, trusted};
use super::fixture::{CORP, Package, UPSTREAM};
use super::site::{MAIN, SOURCES, publish};

const HQ: &str = r#"
[sources.hq]
bundles = "transfer"
keyring = ["trusted/builder@upstream.example-00000001.rsa.pub"]
origin = ["trusted/builder@corp.example-00000004.rsa.pub"]
"#;

fn env() -> Env {
    let env = Env::new();
    let tool = Package::new("corp-tool", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    publish(&env, MAIN, 1, &[&Package::new("hello", "1-r0").build(&UPSTREAM)], &UPSTREAM);
    env
}

fn repository(name: &str, from: &str, index: &str) -> String {
    format!("\n[[repositories]]\nname = \"{name}\"\nfrom = [\"{from}\"]\narches = [\"x86_64\"]\nindex = \"{index}\"\n")
}

#[test]
fn what_was_never_imported_is_named_with_what_brings_it_and_the_rest_is_published() {
    let env = env();
    let corp = repository("corp", "corp", "ours");
    for (index, place) in [("ours", ""), ("upstream", ""), ("cosigned", ""), ("origin", "@origin/")] {
        env.configure(&format!("{SOURCES}{HQ}{}{corp}", repository("v3.23/main", "hq:v3.23/main", index)));
        env.bivouac(&["sync"]).exits_with(4).tells(&[
            &format!("index {place}v3.23/main/x86_64 from source \"hq\": nothing was imported yet"),
            "hint: `bivouac import PATH`",
        ]);
        let error = env.bivouac(&["--json", "sync"]).exits_with(4).json();
        assert_eq!(error["repositories"][0]["error"]["code"], "nothing-imported", "{index}");
        assert_eq!(error["repositories"][1]["error"], serde_json::Value::Null, "{index}");
        assert_eq!(env.live("corp", "x86_64"), ["corp-tool-1.0-r0"], "{index}");
    }
    assert!(env.upstream.take_log().is_empty(), "nobody is asked for bundles");
}

#[test]
fn a_source_that_turns_to_bundles_keeps_what_was_accepted() {
    let env = env();
    let main = |from: &str| repository("v3.23/main", from, "upstream");
    env.configure(&format!("{SOURCES}{}", main("up:v3.23/main")));
    env.bivouac(&["sync"]).exits_with(0);
    let start = SOURCES.find("[sources.corp]").unwrap();
    let hq = HQ.replace("sources.hq", "sources.up");
    env.configure(&format!("{hq}{}{}", &SOURCES[start..], main("up:v3.23/main")));
    env.bivouac(&["sync"]).exits_with(4).tells(&["nothing was imported yet"]);
    let live = env.live_records("v3.23/main", "x86_64", &[trusted(&UPSTREAM)]);
    assert_eq!(live.len(), 1);
    assert!(env.public().join("v3.23/main/x86_64/hello-1-r0.apk").is_file());
}

#[test]
fn clients_need_the_keys_of_whoever_signed_the_index() {
    let env = env();
    let (sender, origin) = ("builder@upstream.example-00000001.rsa.pub", "builder@corp.example-00000004.rsa.pub");
    // Until a bundle tells whose index a sender passes on, it may be either's.
    for (index, expected) in [("upstream", &[sender, origin][..]), ("origin", &[origin])] {
        env.configure(&format!("{HQ}{}", repository("v3.23/main", "hq:v3.23/main", index)));
        let client = env.bivouac(&["--json", "client", "--url", "http://mirror"]).exits_with(0).json();
        let keys: Vec<&str> =
            client["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
        assert_eq!(keys, expected, "{index}");
    }
}

#[test]
fn the_configuration_tells_what_bundles_bring() {
    let env = env();
    let all = "[[repositories]]\nfrom = [\"hq:*\"]\nindex = \"upstream\"\n";
    env.configure(&format!("{HQ}{}{all}", repository("v3.23/main", "hq:v3.23/main", "origin")));
    let check = env.bivouac(&["config", "check"]);
    assert_eq!(check.exits_with(0).stdout, "bivouac.toml: no mistakes; sources: 1, repositories: 1, and all of hq:*\n");
    let shown = env.bivouac(&["config", "show"]);
    env.write("shown.toml", shown.exits_with(0).stdout.as_bytes());
    let again = env.bivouac(&["--config", "shown.toml", "config", "show"]);
    assert_eq!(again.exits_with(0).stdout, shown.stdout);
}
