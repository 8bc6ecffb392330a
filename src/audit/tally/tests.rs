use super::*;
use crate::audit::known::{PackageShown, Shown};
use crate::audit::log;
use crate::audit::summary::Summary;

fn summary(lines: &[String]) -> Summary {
    let mut known = Known::new(Vec::new(), Vec::new());
    known.begin_view(None);
    known.add_generation(Shown { number: 1, time: "2026-11-01T00:00:00Z".parse().unwrap() });
    let left = Some("2026-11-20T00:00:00Z".parse().unwrap());
    let files = [("new-1-r0.apk", None), ("old-1-r0.apk", left)];
    let files = files.into_iter().map(|(file, left)| PackageShown { file, name: 3, left });
    known.add_folder("v3.23/main/x86_64", "x86_64", "v3.23/main", files);
    known.finish(std::iter::empty());
    let burst = Burst { count: 5, seconds: 60 };
    let mut tally = Tally::new(&known, Rules { since: None, until: None, stale: 7 * 86_400, burst });
    lines.iter().for_each(|line| tally.count(&log::parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"))));
    tally.summary(10)
}

fn line(client: &str, time: &str, path: &str, status: u16) -> String {
    format!("{client} - - [{time} +0000] \"GET {path} HTTP/1.1\" {status} 100 \"-\" \"agent\"")
}

fn codes(summary: &Summary, client: &str) -> Vec<&'static str> {
    let of = |told: &&crate::audit::Told| told.finding.subject == client;
    summary.findings.iter().filter(of).map(|told| told.finding.code).collect()
}

const MAIN: &str = "/v3.23/main/x86_64";

#[test]
fn old_indexes_are_seen_by_what_is_fetched() {
    let (index, new, old) =
        (format!("{MAIN}/APKINDEX.tar.gz"), format!("{MAIN}/new-1-r0.apk"), format!("{MAIN}/old-1-r0.apk"));
    let told = summary(&[
        line("fresh", "19/Nov/2026:00:00:00", &old, 200),
        line("fresh", "25/Nov/2026:00:00:00", &index, 304),
        line("fresh", "25/Nov/2026:00:00:01", &new, 200),
        line("lingers", "25/Nov/2026:00:00:00", &old, 200),
        line("stale", "15/Nov/2026:00:00:00", &index, 200),
        line("stale", "25/Nov/2026:00:00:00", &new, 200),
        line("never", "28/Nov/2026:00:00:00", &new, 206),
    ]);
    assert_eq!(codes(&told, "fresh"), [""; 0]);
    for client in ["lingers", "stale", "never"] {
        assert_eq!(codes(&told, client), ["old-index"], "{client}");
    }
    let sums = &told.repositories[0];
    assert_eq!((sums.requests, sums.bytes, sums.clients, sums.indexes, sums.packages), (7, 700, 4, 2, 5));
    assert_eq!((told.packages[0].file.as_str(), told.packages[0].requests), ("new-1-r0.apk", 3));
    assert_eq!((told.top_clients[0].client.as_str(), told.top_clients[0].requests), ("fresh", 3));
}

#[test]
fn a_burst_is_so_many_in_so_short_a_time() {
    let at = |second: u32| format!("25/Nov/2026:00:{:02}:{:02}", second / 60, second % 60);
    let miss = |client: &str, second| line(client, &at(second), &format!("{MAIN}/x-{second}-r0.apk"), 404);
    let mut lines: Vec<String> = (0..6).map(|n| miss("quick", n * 10)).collect();
    lines.extend((0..6).map(|n| miss("slow", n * 16)));
    lines.extend((0..4).map(|n| miss("few", n)));
    let told = summary(&lines);
    assert_eq!(codes(&told, "quick"), ["burst"]);
    assert_eq!((codes(&told, "slow").len(), codes(&told, "few").len()), (0, 0));
    let burst = told.findings.iter().find(|told| told.finding.code == "burst").unwrap();
    assert_eq!(burst.requests, 6);
    assert_eq!(told.not_found["never-listed"].requests, 16);
}

#[test]
fn scanners_are_told_and_what_they_were_sent() {
    let when = "25/Nov/2026:00:00:00";
    let told = summary(&[
        line("scanner", when, "/.env", 404),
        line("scanner", when, "/\\x1b[31m/../etc/passwd", 400),
        line("lucky", when, "/.git/config", 200),
        line("browser", when, "/favicon.ico", 404),
        line("refused", when, &format!("{MAIN}/new-1-r0.apk"), 403),
        line("failed", when, &format!("{MAIN}/new-1-r0.apk"), 502),
    ]);
    assert_eq!(codes(&told, "scanner"), ["probing"]);
    assert_eq!(codes(&told, "lucky"), ["probe-answered"]);
    assert_eq!(codes(&told, "browser"), [""; 0]);
    let json = serde_json::to_string(&told).unwrap();
    assert!(json.contains("forbidden") && json.contains("server-error") && json.contains("\\\\u{1b}[31m"), "{json}");
    assert!(!json.contains('\u{1b}') && !json.contains("\\u001b"), "{json}");
}

#[test]
fn no_name_is_remembered_that_is_longer_than_a_files() {
    let name = |end: &str| format!("{MAIN}/{}{end}.apk", "x".repeat(60_000));
    let when = "25/Nov/2026:00:00:00";
    let told = summary(&[line("one", when, &name("a"), 200), line("two", when, &name("b"), 200)]);
    // What is behind the bound does not tell them apart.
    assert_eq!((told.packages.len(), told.packages[0].requests), (1, 2));
}
