//! What was decided can be checked without us: the chain of the evidence log, by `check` and by the shell alone.

use std::process::Command;

use super::fixture::{OURS, UPSTREAM};
use super::site::{FIRST, Site, hello, libgreet};

const LOG: &str = "store/evidence.log";

/// Two snapshots, the second after a refusal was let through.
fn site_of_two_snapshots() -> Site {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync", "--accept-shrink", "v3.23/site"]).exits_with(0);
    site
}

fn log(site: &Site) -> Vec<u8> {
    std::fs::read(site.env.path(LOG)).unwrap()
}

fn lines(site: &Site) -> Vec<serde_json::Value> {
    let text = String::from_utf8(log(site)).unwrap();
    text.lines().map(|line| serde_json::from_str(line.rsplit_once(' ').unwrap().0).unwrap()).collect()
}

#[test]
fn every_snapshot_has_a_line_that_tells_what_it_is_of() {
    let site = site_of_two_snapshots();
    let written = lines(&site);
    assert_eq!(written.len(), 2);
    let indexes = |line: &serde_json::Value| -> Vec<(String, String)> {
        let of = |index: &serde_json::Value| {
            let text = |key: &str| index[key].as_str().unwrap().to_owned();
            (format!("{} {}", text("source"), text("path")), text("decision"))
        };
        line["indexes"].as_array().unwrap().iter().map(of).collect()
    };
    let expect = |decisions: [&str; 3]| -> Vec<(String, String)> {
        let sources = ["corp ", "up v3.23/community", "up v3.23/main"];
        sources.iter().zip(decisions).map(|(source, decision)| (source.to_string(), decision.to_owned())).collect()
    };
    assert_eq!(indexes(&written[0]), expect(["accepted"; 3]));
    assert_eq!(indexes(&written[1]), expect(["unchanged", "unchanged", "accepted"]));
    assert_eq!(written[1]["indexes"][2]["signers"][0], UPSTREAM.name);
    assert_eq!(written[1]["decisions"], serde_json::json!([{"word": "accept-shrink", "subject": "v3.23/site"}]));
    assert_eq!(written[1]["key"], OURS.name);
    site.env.bivouac(&["check"]).exits_with(0);
    // A run without news adds nothing.
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(lines(&site).len(), 2);
    site.watch.stop();
}

/// Runs the README's own text in a folder with the log and our public keys.
fn by_the_shell(site: &Site, log: &[u8]) -> (Option<i32>, String) {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## Evidence\n").unwrap();
    let (_, code) = section.split_once("```sh\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let folder = site.env.path("evidence");
    site.env.write("evidence/evidence.log", log);
    site.env.write(&format!("evidence/keys/{}", OURS.name), OURS.public_pem().as_bytes());
    let output = Command::new("sh").args(["-c", code]).current_dir(folder).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_shell_alone_checks_it() {
    let site = site_of_two_snapshots();
    let log = log(&site);
    let (code, said) = by_the_shell(&site, &log);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("Verified OK").count(), 2, "{said}");
    assert!(said.contains("last line: "), "{said}");
    let text = String::from_utf8(log.clone()).unwrap();
    let (first, second) = text.split_once('\n').unwrap();
    // A changed line, one taken out, and a changed last line, of which only the signature tells.
    for bad in [
        text.replacen("accepted", "acceptee", 1),
        second.to_owned(),
        format!("{first}\n{}", second.replace("shrink", "shrunk")),
    ] {
        let (code, said) = by_the_shell(&site, bad.as_bytes());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("broken: ") || said.contains("not signed by "), "{said}");
    }
    // Without a key's name and a signature the chain holds; that it is unsigned is told.
    let payload = second.rsplit_once(' ').unwrap().0;
    let bare = payload.replace(&format!("\"key\":\"{}\"", OURS.name), "\"key\":null");
    let (code, said) = by_the_shell(&site, format!("{first}\n{bare} -\n").as_bytes());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not signed: "), "{said}");
    site.watch.stop();
}

#[test]
fn check_finds_what_was_done_to_it() {
    let site = site_of_two_snapshots();
    let good = log(&site);
    let text = String::from_utf8(good.clone()).unwrap();
    let (first, second) = text.split_once('\n').unwrap();
    for (bad, code) in [
        (text.replacen("accepted", "acceptee", 1), "evidence-broken"),
        (second.to_owned(), "evidence-broken"),
        (format!("{first}\n"), "evidence-missing"),
        (String::new(), "evidence-missing"),
        (format!("{first}\n{}", second.replace("shrink", "shrunk")), "evidence-signature"),
        (format!("{first}\n{} -\n", second.rsplit_once(' ').unwrap().0), "evidence-signature"),
    ] {
        site.env.write(LOG, bad.as_bytes());
        let run = site.env.bivouac(&["check", "--json"]);
        run.exits_with(5);
        let found = run.json()["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == code);
        assert!(found, "{code}: {run}");
    }
    site.env.write(LOG, &good);
    site.env.bivouac(&["check"]).exits_with(0);
    site.watch.stop();
}

/// A run was stopped between a snapshot and its line, or in the middle of the line: the next one, with or without news,
/// mends it.
#[test]
fn what_a_stopped_run_left_is_mended_by_the_next() {
    let site = site_of_two_snapshots();
    let good = log(&site);
    let first = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for left in [first, first + 1, good.len() - 1] {
        site.env.write(LOG, &good[..left]);
        let run = site.env.bivouac(&["sync"]);
        run.exits_with(0);
        if left > first {
            run.tells(&["evidence.log", "cut off"]);
        }
        assert_eq!(lines(&site).len(), 2);
        site.env.bivouac(&["check"]).exits_with(0);
    }
    assert!(site.live() != FIRST);
    site.env.bivouac(&["prune"]).exits_with(0);
    assert_eq!(lines(&site).len(), 2);
    site.watch.stop();
}
