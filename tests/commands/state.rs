//! `status`, `history`, `check`, `client` and `serve`: what they say of a site that stands, and of one that was harmed.

use super::env::{Env, rot, trusted};
use super::fixture::{OURS, UPSTREAM};
use super::oracle;
use super::served::Served;
use super::site::{MAIN, SOURCES, Site, hello, libgreet, publish};

fn moved_on() -> Site {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    site
}

#[test]
fn status_shows_what_is_in_force() {
    let site = moved_on();
    let value = site.env.bivouac(&["--json", "status"]).exits_with(0).json();
    assert_eq!((&value["live"], &value["held"]), (&2.into(), &false.into()), "{value}");
    let repository = &value["repositories"][0];
    assert_eq!((&repository["name"], &repository["arch"]), (&"v3.23/site".into(), &"x86_64".into()));
    assert_eq!((&repository["packages"], &repository["stale"]), (&4.into(), &false.into()), "{value}");
    assert!(repository["last_error"].is_null(), "{value}");
    // The content that sites compare is the SHA-256 of the text that a client reads.
    let index = std::fs::read(site.env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz")).unwrap();
    assert!(
        oracle::description(&index).unwrap().starts_with(&repository["content"].as_str().unwrap()[..12]),
        "{value}"
    );
    for key in ["snapshot", "bytes", "age_seconds", "unchanged_seconds"] {
        assert!(!repository[key].is_null(), "{key}: {value}");
    }

    site.main_index(b"broken".to_vec());
    site.env.bivouac(&["sync"]).exits_with(3);
    let value = site.env.bivouac(&["--json", "status"]).json();
    assert!(!value["repositories"][0]["last_error"].is_null(), "{value}");
    site.watch.stop();
}

#[test]
fn history_lists_generations_newest_first() {
    let site = moved_on();
    let value = site.env.bivouac(&["--json", "history"]).exits_with(0).json();
    let seen: Vec<_> = value.as_array().unwrap().iter().map(|one| (one["id"].clone(), one["live"].clone())).collect();
    assert_eq!(seen, [(2.into(), true.into()), (1.into(), false.into())], "{value}");
    assert!(value[0]["time"].as_str().unwrap().ends_with('Z'), "{value}");
    site.watch.stop();
}

#[test]
fn history_and_status_say_which_generation_is_shown_again() {
    let site = moved_on();
    site.env.bivouac(&["rollback", "1"]).exits_with(0);
    let first = |command: &str| {
        let ran = site.env.bivouac(&[command]);
        ran.exits_with(0).stdout.lines().next().unwrap().to_owned()
    };
    assert!(first("history").ends_with("  rolled back to 1  live"), "{}", first("history"));
    let value = site.env.bivouac(&["--json", "history"]).exits_with(0).json();
    let cause = |one: &serde_json::Value| (one["cause"].clone(), one["shows"].clone());
    assert_eq!(cause(&value[0]), ("rollback".into(), 1.into()), "{value}");
    assert_eq!(cause(&value[1]), ("publication".into(), serde_json::Value::Null), "{value}");

    // As a restore records it.
    let record = site.env.path("store/generations/3.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("\"rollback\": 1", "\"restore\": 1")).unwrap();
    assert!(first("history").ends_with("  restored from generation 1  live"), "{}", first("history"));
    assert_eq!(first("status"), "generation 3 is live, restored from generation 1");
    let value = site.env.bivouac(&["--json", "status"]).json();
    assert_eq!((&value["held"], &value["restored_from"]), (&false.into(), &1.into()), "{value}");
    site.watch.stop();
}

#[test]
fn check_is_content_with_what_a_sync_left() {
    let site = moved_on();
    let value = site.env.bivouac(&["--json", "check"]).exits_with(0).json();
    assert_eq!(value["findings"], serde_json::json!([]), "{value}");
    assert_eq!(value["checked"]["objects"], 5, "{value}");
    site.watch.stop();
}

/// What `check` finds after `harm`, by subject.
fn found_after(harm: impl FnOnce(&Env)) -> String {
    let site = moved_on();
    let Site { env, watch } = site;
    watch.stop();
    harm(&env);
    let run = env.bivouac(&["--json", "check"]);
    let value = run.exits_with(5).json();
    let findings = value["findings"].as_array().unwrap();
    assert!(!findings.is_empty(), "{run}");
    for finding in findings {
        for key in ["code", "severity", "subject", "message"] {
            assert!(finding[key].is_string(), "{finding}");
        }
    }
    value["findings"].to_string()
}

#[test]
fn check_finds_a_rotten_object() {
    let mut name = String::new();
    let told = found_after(|env| {
        let object = env.files_below("store/pool/objects").remove(0);
        name = object.file_name().unwrap().to_str().unwrap().to_owned();
        rot(&object);
    });
    assert!(told.contains(&name), "{told}");
}

#[test]
fn check_finds_a_missing_object() {
    let mut name = String::new();
    let told = found_after(|env| {
        let object = env.files_below("store/pool/objects").remove(0);
        name = object.file_name().unwrap().to_str().unwrap().to_owned();
        std::fs::remove_file(object).unwrap();
    });
    assert!(told.contains(&name), "{told}");
}

#[test]
fn check_finds_what_is_wrong_in_the_public_tree() {
    let folder = "site/alpine/v3.23/site/x86_64";
    let told = found_after(|env| std::fs::remove_file(env.path(folder).join("hello-1.1-r0.apk")).unwrap());
    assert!(told.contains("hello-1.1-r0.apk"), "{told}");
    let told = found_after(|env| {
        // Another file in the link's place: the pool's object is as it was.
        let file = env.path(folder).join("hello-1.1-r0.apk");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, b"other bytes").unwrap();
    });
    assert!(told.contains("hello-1.1-r0.apk"), "{told}");
    let told = found_after(|env| rot(&env.path(folder).join("APKINDEX.tar.gz")));
    assert!(told.contains("APKINDEX.tar.gz"), "{told}");
}

#[test]
fn client_says_what_a_client_needs() {
    let site = moved_on();
    let run = site.env.bivouac(&["client", "--url", "https://mirror.example/alpine"]);
    run.exits_with(0);
    assert!(run.stdout.contains("https://mirror.example/alpine/v3.23/site"), "{run}");
    assert!(run.stdout.contains(OURS.name), "{run}");
    site.watch.stop();
}

#[test]
fn looking_at_nothing_is_told_kindly() {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n"
    ));
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    for command in ["status", "history", "check"] {
        env.bivouac(&[command]).exits_with(2).tells(&["there is no store", "hint: `bivouac sync` makes it"]);
    }
    assert!(!env.path("store").exists(), "looking makes nothing");
    assert!(env.upstream.take_log().is_empty(), "looking asks nobody");
}

#[test]
fn serve_shows_the_public_tree() {
    let site = moved_on();
    let served = Served::start(&site.env);
    let answer = served.get("/v3.23/site/x86_64/APKINDEX.tar.gz");
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(oracle::index(&answer.body, &[trusted(&OURS)]).unwrap().len(), 4);
    // Nothing beside the tree, however it is asked for.
    for path in ["/../../bivouac.toml", "/%2e%2e/%2e%2e/bivouac.toml", "/..%2f..%2fbivouac.toml", "//etc/passwd"] {
        let answer = served.get(path);
        assert_eq!(answer.status / 100, 4, "{path}: {}", answer.head);
    }
    site.watch.stop();
}
