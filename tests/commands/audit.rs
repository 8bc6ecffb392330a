//! `bivouac audit` over logs against a mirror that dropped packages.

use std::io::Write as _;
use std::process::Stdio;

use super::env::Env;
use super::fixture::UPSTREAM;
use super::served::get;
use super::site::{REPOSITORY, SOURCES, Site, hello, libgreet};

const FOLDER: &str = "/v3.23/site/x86_64";

/// Two syncs: hello 1.0 left the index, and as nothing lingers, the tree.
fn site() -> Env {
    let site = Site::before_the_first_sync();
    site.env.configure(&format!("{SOURCES}{REPOSITORY}[publish]\nlinger = \"0s\"\n"));
    site.env.bivouac(&["sync"]).exits_with(0);
    site.main(2, &[&hello("1.2-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    // From here on packages go at once: that is what is asked for here, and what it watches against.
    site.watch.stop();
    site.env.bivouac(&["sync"]).exits_with(0);
    site.env
}

/// Ends with this value, also where a test fails.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn line(path: &str, status: u16) -> String {
    format!(
        "192.0.2.7 - - [01/Jan/2099:00:00:00 +0100] \"GET {path} HTTP/1.1\" {status} 10 \"-\" \"apk-tools/2.14.4\"\n"
    )
}

/// The finding about this path.
fn about<'r>(report: &'r serde_json::Value, path: &str) -> &'r serde_json::Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|one| one["subject"] == path).unwrap_or_else(|| panic!("{path} in {report}"))
}

/// Its code.
fn code_of(report: &serde_json::Value, path: &str) -> String {
    about(report, path)["code"].as_str().unwrap().to_owned()
}

const STAGED: [(&str, &str); 8] = [
    ("/v3.23/site/x86_64/hello-1.0-r0.apk", "left-index"),
    ("/v3.23/site/x86_64/hello-1.1-r0.apk", "never-listed"),
    ("/x86_64/APKINDEX.tar.gz", "wrong-layout"),
    ("/x86_64/v3.23/site/APKINDEX.tar.gz", "wrong-layout"),
    ("/v3.23/site/x86_64/libgreet%252d1.0-r0.apk", "misspelled"),
    ("/v3.23/site/armv7/APKINDEX.tar.gz", "not-mirrored"),
    ("/v3.23/site/x86_64/APKINDEX.tar.gz.sign", "other-format"),
    ("/favicon.ico", "outside"),
];

/// When it left, that it never was, what is wrong with the address: in words, and what to do.
const TOLD: [(&str, &[&str]); 4] = [
    (
        "/v3.23/site/x86_64/hello-1.0-r0.apk",
        &[
            "it left the index at 20",
            "listed until generation 1 of 20",
            "the tree with generation 2",
            "live has hello-1.2-r0.apk",
        ],
    ),
    ("/v3.23/site/x86_64/hello-1.1-r0.apk", &["no generation that is kept has it", "did you mean hello-1.2-r0.apk"]),
    (
        "/x86_64/APKINDEX.tar.gz",
        &["the address lacks v3.23/site", "the line ends in /v3.23/site", "apk adds the arch itself"],
    ),
    ("/x86_64/v3.23/site/APKINDEX.tar.gz", &["another order", "v3.23/site/x86_64", "the line ends in /v3.23/site"]),
];

#[test]
fn each_404_is_explained_whichever_log_it_is_in() {
    let site = site();
    let mut text = line(&format!("{FOLDER}/APKINDEX.tar.gz"), 200) + &line(&format!("{FOLDER}/hello-1.2-r0.apk"), 200);
    STAGED.iter().for_each(|(path, _)| text.push_str(&line(path, 404)));
    text.push_str(&line("/.env", 404));
    text.push_str("no line of a log \x1b[31m\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    site.write("access.log", text.as_bytes());
    site.write("access.log.2", &packed.finish().unwrap());
    let before = site.files_below("store");
    for log in ["access.log", "access.log.2"] {
        let ran = site.bivouac(&["audit", log, "--json"]);
        let report = ran.exits_with(0).json();
        for (path, code) in STAGED {
            assert_eq!(code_of(&report, path), code, "{log} {path}");
        }
        assert_eq!((&report["requests"], &report["garbage"]), (&11.into(), &1.into()), "{report}");
        // None is left over: each 404 is counted under one cause, and no path was let go.
        let causes = report["not_found"].as_object().unwrap().values();
        let explained: u64 = causes.map(|cause| cause["requests"].as_u64().unwrap()).sum();
        assert_eq!((Some(explained), &report["low_by"]["not_found"]), (report["statuses"]["404"].as_u64(), &0.into()));
        assert_eq!(explained, STAGED.len() as u64 + 1, "{report}");
        for (path, words) in TOLD {
            let told = about(&report, path).to_string();
            words.iter().for_each(|word| assert!(told.contains(word), "no {word:?} in {told}"));
        }
        assert_eq!(code_of(&report, "192.0.2.7"), "old-index");
        assert_eq!(report["packages"][0]["file"], "hello-1.2-r0.apk");
        assert_eq!(report["not_found"]["probing"]["requests"], 1);
    }
    let ran = site.bivouac(&["audit", "access.log"]);
    let told = &ran.exits_with(0).stdout;
    assert!(
        told.contains("live has hello-1.2-r0.apk") && told.contains("\\u{1b}[31m") && !told.contains('\x1b'),
        "{ran}"
    );
    assert_eq!(site.files_below("store"), before, "nothing is written");
}

#[test]
fn a_log_that_cannot_be_read_does_not_hide_the_others() {
    let site = site();
    site.write("good.log", line("/favicon.ico", 404).as_bytes());
    // Cut gzip: what was read counts, and the log is named.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(line("/favicon.ico", 404).repeat(2000).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    site.write("cut.log.gz", &packed[..packed.len() - 12]);
    let ran = site.bivouac(&["audit", "--json", "absent.log", "cut.log.gz", "good.log", "store"]);
    let report = ran.exits_with(4).json();
    let errors = report["logs"].as_array().unwrap().iter().filter(|log| !log["error"].is_null()).count();
    assert_eq!(errors, 3, "{report}");
    let cut = report["logs"].as_array().unwrap().iter().find(|log| log["log"] == "cut.log.gz").unwrap();
    assert!(cut["lines"].as_u64().unwrap() > 0, "what was read counts: {report}");
    ran.tells(&["absent.log", "cut.log.gz", "store"]);
    site.bivouac(&["audit"]).exits_with(2);
    site.bivouac(&["audit", "good.log", "--since", "yesterday"]).exits_with(2);
    let none = site.bivouac(&["audit", "good.log", "--until", "2026-01-01", "--json"]).exits_with(0).json();
    assert_eq!((&none["requests"], &none["left_out"]), (&0.into(), &1.into()));
}

#[test]
fn lines_of_our_own_server_are_read_from_standard_input() {
    let site = site();
    let log = site.path("serve.log");
    let mut command = site.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.stdout(std::fs::File::create(&log).unwrap()).stderr(Stdio::piped());
    let mut server = Ended(command.spawn().unwrap());
    let mut told = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.0.stderr.take().unwrap()), &mut told).unwrap();
    let (_, address) = told.split_once("http://").expect("it says where it listens");
    let address = address.split(['/', '\n', ' ']).next().unwrap();
    for path in ["/v3.23/site/x86_64/hello-1.2-r0.apk", "/v3.23/site/x86_64/hello-1.0-r0.apk", "/a\"b"] {
        let _ = get(address, path);
    }
    // It writes its log aside.
    let written = || std::fs::read_to_string(&log).unwrap().lines().count();
    for _ in 0..3000 {
        if written() >= 3 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(server);
    assert_eq!(written(), 3);
    let mut audit = site.command(&["audit", "-", "--json"]);
    let output = audit.stdin(std::fs::File::open(&log).unwrap()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["requests"], 3, "{report}");
    assert_eq!(code_of(&report, "/v3.23/site/x86_64/hello-1.0-r0.apk"), "left-index");
    assert_eq!(report["packages"][0]["file"], "hello-1.2-r0.apk");
}
