//! The house rules that no compiler holds: who may import whom, where I/O may be, who writes, how long a file may grow,
//! and that every folder has its page and every test file is declared. Each rule is a function from a file's text to what
//! is wrong with it, and each is tried on made-up bad snippets below: a rule that cannot fail holds nothing.

#![allow(clippy::unwrap_used, reason = "this is a test from end to end")]

use std::collections::BTreeSet;
use std::path::Path;

#[path = "house/scan.rs"]
mod scan;

use scan::{Use, cfg_test_blanked, code_only, uses};

/// Longest file of the product, its tests not counted.
const MAX_LINES: usize = 500;
/// The front door is a table of contents.
const MAX_MAIN_LINES: usize = 120;

/// Who may import whom (the table of the house style). `error` is open to all; `report` to all outside [`PURE`].
const ROOMS: &[(&str, &[&str])] = &[
    ("apk", &[]),
    ("delta", &[]),
    // `apk`: which version is the nearest; `finding`: what it tells has that shape.
    ("audit", &["apk", "finding"]),
    ("calendar", &[]),
    ("finding", &[]),
    ("error", &[]),
    ("verify", &["apk", "finding"]),
    ("select", &["apk", "finding"]),
    ("solve", &["apk", "finding"]),
    ("config", &["apk", "calendar", "finding"]),
    ("disk", &["apk", "finding"]),
    ("report", &["apk", "finding"]),
    // `finding`: a scan of a folder says what it saw and did not take.
    ("sources", &["apk", "disk", "finding"]),
    ("places", &["apk", "disk"]),
    ("snapshot", &["apk", "verify"]),
    ("merge", &["apk", "snapshot"]),
    ("plan", &["apk", "select", "solve", "snapshot", "merge"]),
    ("pool", &["apk", "verify", "snapshot", "plan", "disk", "finding"]),
    // Records on disk of what was accepted and published; it draws nothing of its own.
    ("ledger", &["apk", "disk", "verify", "snapshot", "sources", "plan", "sign"]),
    ("sign", &["apk", "merge", "disk"]),
    // What is published as upstream signed it comes out of the snapshot.
    ("publish", &["apk", "verify", "snapshot", "sign", "plan", "pool", "disk", "places"]),
    ("bundle", &["apk", "verify", "snapshot", "plan", "sign", "pool", "disk", "delta", "places"]),
    ("backup", &["apk", "verify", "snapshot", "plan", "sign", "pool", "disk", "delta", "places"]),
    ("serve", &["apk", "disk"]),
    ("doctor", &["apk", "verify", "solve", "sources", "finding"]),
    (
        "jobs",
        &[
            "apk", "delta", "audit", "finding", "verify", "select", "solve", "config", "disk", "sources", "places",
            "snapshot", "merge", "plan", "pool", "ledger", "sign", "publish", "bundle", "backup", "serve", "doctor",
        ],
    ),
    // `apk`, `config`: what it is asked about, and of which mirror.
    ("site", &["apk", "config", "jobs", "serve"]),
    // `disk`: the metrics' file is written as all of ours are. `calendar`: what the schedule means.
    ("ops", &["apk", "calendar", "jobs", "config", "disk", "serve", "site"]),
    // src/main.rs and src/cli: the binary. Its arguments become `apk`'s checked names at the door.
    ("cli", &["apk", "jobs", "site", "ops", "config", "finding"]),
];

/// Rooms that decide: no file, socket, clock, environment or thread of execution of their own. They hear of nothing and
/// tell nothing, so `report` is closed to them.
const PURE: &[&str] = &[
    "apk", "delta", "audit", "calendar", "verify", "select", "solve", "snapshot", "merge", "plan", "finding", "error",
];

/// What a pure room may not name: a path that begins so.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::os",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "tokio",
    "reqwest",
    "hyper",
    "hyper_util",
    "rustix",
    "getrandom",
    "tempfile",
    "indicatif",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];
/// … or that ends so, however it was imported.
const CLOCKS: &[&str] = &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "Utc::now"];
/// … or methods of `Path` that look at the disk.
const LOOKS_AT_DISK: &[&str] = &[
    "exists",
    "try_exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "canonicalize",
    "read_dir",
    "read_link",
    "symlink_metadata",
];

/// The one file that writes, and its parts below `src/disk/durable/`.
const WRITER: &str = "src/disk/durable.rs";
/// Ends of paths that change a disk.
const WRITES: &[&str] = &[
    "fs::write",
    "fs::rename",
    "fs::copy",
    "fs::hard_link",
    "fs::soft_link",
    "fs::remove_file",
    "fs::remove_dir",
    "fs::remove_dir_all",
    "fs::create_dir",
    "fs::create_dir_all",
    "fs::set_permissions",
    "fs::DirBuilder",
    "fs::OpenOptions",
    "OpenOptions::new",
    "DirBuilder::new",
    "File::create",
    "File::create_new",
    "File::create_buffered",
    "File::options",
    "unix::fs::symlink",
    "unix::fs::chown",
    "unix::fs::fchown",
    "fs::symlink",
    "unix::fs::OpenOptionsExt",
];
/// What of `rustix::fs` only looks, as long as nothing is opened with one of [`OPENS_TO_WRITE`].
const LOOKS: &[&str] = &[
    "AtFlags",
    "CWD",
    "Dir",
    "FileType",
    "Mode",
    "OFlags",
    "ResolveFlags",
    "fstat",
    "openat2",
    "readlinkat",
    "stat",
    "statat",
];
const OPENS_TO_WRITE: &[&str] =
    &["OFlags::CREATE", "OFlags::WRONLY", "OFlags::RDWR", "OFlags::TRUNC", "OFlags::APPEND", "OFlags::TMPFILE"];
/// Methods that change a disk, whatever they are called on.
const WRITING_METHODS: &[&str] =
    &["set_len", "set_permissions", "set_times", "set_modified", "create_new", "truncate", "append"];

const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared"];
const FORBIDDEN_TYPE_ENDS: &[&str] = &["Manager", "Handler", "Helper", "Processor", "Context", "Data", "Utils"];

/// `src/apk/v2/index.rs` is in room `apk`; the binary's files are in room `cli`; `src/lib.rs` is the map, in none.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    match first.strip_suffix(".rs").unwrap_or(first) {
        "lib" => None,
        "main" | "cli" => Some("cli"),
        other => Some(other),
    }
}

/// How deep a file's own module lies below the crate: `src/pool/mod.rs` 1, `src/pool/refs.rs` 2.
fn depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/");
    let parts = inside.split('/').count();
    if inside.ends_with("mod.rs") || inside == "main.rs" || inside == "lib.rs" { parts - 1 } else { parts }
}

/// The room that a path leads to, if it leads out of its own file's surroundings at all.
fn target<'a>(path: &str, used: &'a Use) -> Option<&'a str> {
    let segments = &used.segments;
    if room(path) == Some("cli") {
        return (segments[0] == "bivouac").then(|| segments.get(1).map_or("*", String::as_str));
    }
    if segments[0] == "crate" {
        return Some(segments.get(1).map_or("*", String::as_str));
    }
    let ups = segments.iter().take_while(|s| *s == "super").count();
    (ups > 0 && ups >= depth(path)).then(|| segments.get(ups).map_or("*", String::as_str))
}

fn crossed_lines(path: &str, text: &str) -> Vec<String> {
    let Some(own) = room(path) else { return Vec::new() };
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == own) else {
        return vec![format!("{path}: room `{own}` is not in the table of who may import whom")];
    };
    let mut wrong = Vec::new();
    for used in uses(&cfg_test_blanked(&code_only(text))) {
        let Some(to) = target(path, &used) else { continue };
        let open = to == own || to == "error" || (to == "report" && !PURE.contains(&own)) || allowed.contains(&to);
        if !open {
            wrong.push(format!("{path}:{}: `{own}` may not import `{to}` ({})", used.line, used.segments.join("::")));
        }
    }
    wrong
}

fn ends_with(used: &Use, end: &str) -> bool {
    let end: Vec<_> = end.split("::").collect();
    used.segments.len() >= end.len() && used.segments[used.segments.len() - end.len()..].iter().eq(end.iter())
}

fn begins_with(used: &Use, begin: &str) -> bool {
    let begin: Vec<_> = begin.split("::").collect();
    used.segments.len() >= begin.len() && used.segments[..begin.len()].iter().eq(begin.iter())
}

fn contains_run(used: &Use, run: &str) -> bool {
    let run: Vec<_> = run.split("::").collect();
    used.segments.windows(run.len()).any(|window| window.iter().eq(run.iter()))
}

fn impurities(path: &str, text: &str) -> Vec<String> {
    let Some(own) = room(path).filter(|own| PURE.contains(own)) else { return Vec::new() };
    let code = cfg_test_blanked(&code_only(text));
    let mut wrong: Vec<String> = uses(&code)
        .iter()
        .filter(|used| {
            IMPURE.iter().any(|begin| begins_with(used, begin))
                || CLOCKS.iter().any(|end| ends_with(used, end))
                || used.segments.join("::") == "std::*"
        })
        .map(|used| format!("{path}:{}: `{own}` is pure and names {}", used.line, used.segments.join("::")))
        .collect();
    wrong.extend(
        scan::method_calls(&code).into_iter().filter(|(_, method)| LOOKS_AT_DISK.contains(&method.as_str())).map(
            |(line, method)| format!("{path}:{line}: `{own}` is pure and calls .{method}(), which looks at the disk"),
        ),
    );
    wrong
}

fn bare_writes(path: &str, text: &str) -> Vec<String> {
    if path == WRITER || path.starts_with("src/disk/durable/") || !path.starts_with("src/") {
        return Vec::new();
    }
    let code = cfg_test_blanked(&code_only(text));
    let mut wrong = Vec::new();
    for used in uses(&code) {
        let full = used.segments.join("::");
        let renamed = used.renamed && (ends_with(&used, "fs") || ends_with(&used, "File"));
        let everything = full.ends_with("fs::*");
        let looks = used.segments.last().is_some_and(|name| LOOKS.contains(&name.as_str()));
        let raw = begins_with(&used, "rustix::fs") && !looks && !path.starts_with("src/disk/");
        let opens = !path.starts_with("src/disk/") && OPENS_TO_WRITE.iter().any(|end| contains_run(&used, end));
        if renamed || everything || raw || WRITES.iter().any(|end| contains_run(&used, end)) || opens {
            wrong.push(format!("{path}:{}: {full} outside {WRITER}", used.line));
        }
    }
    if code.contains("OpenOptions") || code.contains("std::fs") || code.contains("File") {
        for (line, method) in scan::method_calls(&code) {
            if WRITING_METHODS.contains(&method.as_str())
                && (code.contains("OpenOptions") || method.starts_with("set_"))
            {
                wrong.push(format!("{path}:{line}: .{method}() outside {WRITER}"));
            }
        }
    }
    wrong
}

/// SHA-1 of foreign bytes is computed by one hasher, which looks for attacks; and the library that verifies signatures hashes
/// by itself, so that its SHA-1 may be asked for only where the hasher is asked as well.
fn other_sha1(path: &str, text: &str) -> Vec<String> {
    const HASHER: &str = "src/apk/sha1.rs";
    // Signs with our own keys, and checks what they signed.
    const OURS: &str = "src/sign/";
    const KEYRING: &str = "src/verify/keyring.rs";
    if path == HASHER || path.starts_with(OURS) {
        return Vec::new();
    }
    let names_sha1 = |used: &Use| {
        let first = used.segments[0].as_str();
        let library = matches!(first, "sha1" | "sha1_checked");
        let verifier = path != KEYRING && used.segments.iter().any(|part| part.contains("_SHA1_"));
        let digest = first == "ring" && used.segments.iter().any(|part| part == "digest");
        library || verifier || digest
    };
    uses(&cfg_test_blanked(&code_only(text)))
        .iter()
        .filter(|used| names_sha1(used))
        .map(|used| format!("{path}:{}: {} outside {HASHER}", used.line, used.segments.join("::")))
        .collect()
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let blanked = cfg_test_blanked(text);
    let tests = text.lines().zip(blanked.lines()).filter(|(whole, rest)| whole != rest).count();
    let lines = text.lines().count() - tests;
    let limit = if path == "src/main.rs" { MAX_MAIN_LINES } else { MAX_LINES };
    (lines > limit).then(|| format!("{path}: {lines} lines without tests, at most {limit}"))
}

/// `fn f(loud: bool)` reads as `f(true)` where it is called. A derive macro's fields and return types are no parameters.
fn bool_parameters(path: &str, text: &str) -> Vec<String> {
    scan::parameters(&cfg_test_blanked(&code_only(text)))
        .into_iter()
        .filter(|(_, parameter)| parameter.split(':').nth(1).is_some_and(|ty| ty.trim() == "bool"))
        .map(|(line, parameter)| format!("{path}:{line}: parameter `{}`: two named variants instead", parameter.trim()))
        .collect()
}

fn forbidden_words(path: &str, text: &str) -> Vec<String> {
    let stem = Path::new(path).file_stem().unwrap().to_str().unwrap();
    let mut wrong: Vec<_> = path
        .split('/')
        .map(|part| part.trim_end_matches(".rs"))
        .filter(|part| FORBIDDEN_NAMES.contains(part))
        .map(|part| format!("{path}: a drawer named {part}; name it after what is in it"))
        .collect();
    wrong.dedup();
    if stem.ends_with("_utils") || stem.ends_with("_helpers") || stem.ends_with("_common") {
        wrong.push(format!("{path}: a drawer; name it after what is in it"));
    }
    for (line, name) in scan::type_names(&cfg_test_blanked(&code_only(text))) {
        if FORBIDDEN_TYPE_ENDS.iter().any(|end| name.ends_with(end)) {
            wrong.push(format!("{path}:{line}: type {name} says nothing of what it is"));
        }
    }
    wrong
}

fn pages_missing(files: &[(String, String)]) -> Vec<String> {
    let mut folders = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, text) in files {
        let (folder, name) = path.rsplit_once('/').unwrap();
        // `entry.rs` with its long tests in `entry/tests.rs`: that folder is no room.
        if name != "tests.rs" && folder != "src" {
            folders.insert(folder);
        }
        let is_page = matches!(name, "mod.rs" | "lib.rs") || (path == "src/main.rs");
        if is_page && !text.starts_with("//!") {
            wrong.push(format!("{path}: does not open with its page (//!)"));
        }
    }
    for folder in folders {
        let page = format!("{folder}/mod.rs");
        let beside = format!("{folder}.rs");
        if !files.iter().any(|(path, _)| *path == page || *path == beside) {
            wrong.push(format!("{folder}: no mod.rs, so no page"));
        }
    }
    wrong
}

/// A test file that no `mod` line names is compiled by nobody and always green.
fn undeclared_tests(files: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, _) in files {
        let parts: Vec<_> = path.split('/').collect();
        // `tests/x.rs` is a binary of its own, and so is `tests/x/main.rs`.
        if parts.len() < 3 || parts[parts.len() - 1] == "main.rs" && parts.len() == 3 {
            continue;
        }
        let name = parts[parts.len() - 1].trim_end_matches(".rs");
        let folder = parts[..parts.len() - 1].join("/");
        let (parents, name) = if name == "mod" {
            let up = parts[..parts.len() - 2].join("/");
            (vec![format!("{up}/main.rs"), format!("{up}/mod.rs")], parts[parts.len() - 2])
        } else {
            (vec![format!("{folder}/main.rs"), format!("{folder}/mod.rs"), format!("{folder}.rs")], name)
        };
        let declared = files.iter().filter(|(path, _)| parents.contains(path)).any(|(_, text)| {
            let code = code_only(text);
            code.lines().any(|line| {
                line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ") == format!("mod {name};")
            })
        });
        if !declared {
            wrong.push(format!("{path}: no `mod {name};` in {}", parents.join(" or ")));
        }
    }
    wrong
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(root, &root.join(folder), &mut files);
    files.sort();
    files
}

/// Files of the product: all below `src` but those that are tests from end to end.
fn product() -> Vec<(String, String)> {
    let mut files = rust_files("src");
    files.retain(|(path, _)| !path.ends_with("/tests.rs") && !path.contains("/tests/"));
    assert!(files.len() > 10, "the walk found only {} files", files.len());
    files
}

fn hold(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} broken:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    hold(product().iter().flat_map(|(path, text)| crossed_lines(path, text)).collect());
}

#[test]
fn pure_rooms_touch_nothing() {
    hold(product().iter().flat_map(|(path, text)| impurities(path, text)).collect());
}

#[test]
fn one_file_writes() {
    hold(product().iter().flat_map(|(path, text)| bare_writes(path, text)).collect());
}

#[test]
fn sha1_is_computed_in_one_place() {
    let files = product();
    hold(files.iter().flat_map(|(path, text)| other_sha1(path, text)).collect());
    let keyring = files.iter().find(|(path, _)| path == "src/verify/keyring.rs").unwrap();
    assert!(!other_sha1("src/verify/other.rs", &keyring.1).is_empty(), "the rule sees what the keyring may do");
}

#[test]
fn files_are_short() {
    let files = product().into_iter().chain(rust_files("benches"));
    hold(files.filter_map(|(path, text)| too_long(&path, &text)).collect());
}

#[test]
fn no_parameter_is_a_bare_bool() {
    hold(product().iter().flat_map(|(path, text)| bool_parameters(path, text)).collect());
}

#[test]
fn nothing_is_named_after_nothing() {
    let files = product().into_iter().chain(rust_files("tests")).chain(rust_files("benches"));
    hold(files.flat_map(|(path, text)| forbidden_words(&path, &text)).collect());
}

#[test]
fn every_folder_has_its_page() {
    hold(pages_missing(&product()));
}

#[test]
fn every_test_file_is_declared() {
    let files = rust_files("tests");
    assert!(files.iter().any(|(path, _)| path == "tests/house.rs"));
    hold(undeclared_tests(&files));
}

#[test]
fn no_test_is_switched_off() {
    let files = rust_files("tests").into_iter().chain(rust_files("src"));
    let marked = files.filter(|(_, text)| code_only(text).contains(concat!("#[", "ignore")));
    hold(marked.map(|(path, _)| path).collect());
}

mod the_rules_can_fail {
    use super::*;

    #[test]
    fn a_crossed_line_is_seen_however_it_is_written() {
        for (path, text, to) in [
            ("src/apk/names.rs", "use crate::verify::Keyring;", "verify"),
            ("src/apk/names.rs", "use crate::{error::Class, pool};", "pool"),
            (
                "src/apk/names.rs",
                "use crate::{\n  error::{self, Class},\n  disk::{durable::{self, write}},\n};",
                "disk",
            ),
            ("src/apk/names.rs", "fn f() { crate::jobs::sync() }", "jobs"),
            ("src/apk/names.rs", "use super::super::publish::Generation;", "publish"),
            ("src/apk/mod.rs", "use super::publish::Generation;", "publish"),
            ("src/apk/v2/index.rs", "type T = super::super::super::sign::Signer;", "sign"),
            ("src/merge/mod.rs", "use crate::verify::VerifiedIndex;", "verify"),
            ("src/sources/http.rs", "pub(crate) use crate::config::Config;", "config"),
            ("src/select/closure.rs", "use crate::report::Reporter;", "report"),
            ("src/finding.rs", "use crate::apk::Arch;", "apk"),
            ("src/serve/files.rs", "use crate::*;", "*"),
            ("src/cli/sync.rs", "use bivouac::pool::Pool;", "pool"),
            ("src/main.rs", "fn main() { bivouac::disk::durable::write() }", "disk"),
        ] {
            let wrong = crossed_lines(path, text);
            assert!(!wrong.is_empty(), "{path}: {text}");
            assert!(wrong.iter().all(|line| line.contains(&format!("may not import `{to}`"))), "{wrong:?}");
        }
        assert_eq!(crossed_lines("src/kitchen/mod.rs", "").len(), 1);
    }

    #[test]
    fn an_open_door_is_open() {
        for (path, text) in [
            (
                "src/verify/index.rs",
                "use crate::apk::Arch; use crate::error::{Class, Trouble}; use super::keyring::Keyring;",
            ),
            (
                "src/verify/index.rs",
                "// crate::pool\n/* crate::pool /* crate::pool */ */ const A: &str = \"crate::pool::X\";",
            ),
            (
                "src/verify/index.rs",
                "const A: &str = r#\"use crate::pool; \" \"#; const Q: char = '\"'; fn f<'a>(x: &'a u8) {}",
            ),
            ("src/verify/index.rs", "#[cfg(test)]\nmod tests {\n use crate::pool::Pool; fn f() { if true { } } }"),
            ("src/verify/index.rs", "#[cfg(test)]\nuse crate::pool::Pool;"),
            ("src/disk/lock.rs", "use crate::report::Reporter;"),
            ("src/jobs/sync.rs", "use crate::{pool::Pool, publish, sources::http, config::Config};"),
            ("src/cli/sync.rs", "use crate::cli::Global; use bivouac::jobs::sync; use super::progress;"),
            ("src/apk/v2/index.rs", "use super::super::names::Arch;"),
            ("src/lib.rs", "pub mod apk;"),
        ] {
            assert_eq!(crossed_lines(path, text), Vec::<String>::new(), "{text}");
        }
        // What follows a test item counts again.
        let text = "#[cfg(test)]\nmod tests { }\nuse crate::pool::Pool;";
        assert_eq!(crossed_lines("src/verify/index.rs", text).len(), 1);
        assert_eq!(crossed_lines("src/verify/index.rs", "#[cfg(not(test))]\nuse crate::pool::Pool;").len(), 1);
    }

    #[test]
    fn an_impure_decision_is_seen() {
        for text in [
            "use std::fs;",
            "use std::{collections::BTreeMap, net::{IpAddr, TcpStream as S}};\n",
            "fn f() -> u64 { std::time::SystemTime::now() }",
            "use std::time::Instant; fn f() { Instant::now() }",
            "fn f() { ::std::env::var(\"HOME\") }",
            "async fn f() { tokio::time::sleep() }",
            "fn f(p: &Path) -> bool { p.exists() }",
            "use std::*;",
        ] {
            assert!(!impurities("src/merge/rules.rs", text).is_empty(), "{text}");
            assert_eq!(impurities("src/pool/objects.rs", text), Vec::<String>::new());
        }
        let pure = "use std::time::{Duration, SystemTime}; use std::path::Path; fn f(now: SystemTime) {} // std::fs";
        assert_eq!(impurities("src/merge/rules.rs", pure), Vec::<String>::new());
    }

    #[test]
    fn a_second_writer_is_seen() {
        for text in [
            "fn f() { std::fs::write(\"a\", b\"\") }",
            "use std::fs; fn f() { fs::rename(a, b) }",
            "use std::fs::{self, File}; fn f() { File::create(a) }",
            "use std::fs::remove_dir_all;",
            "use std::fs::*;",
            "use std::fs as disk;",
            "use std::fs::OpenOptions;",
            "tokio::fs::create_dir_all(a).await",
            "use std::os::unix::fs::symlink;",
            "use std::fs::File; fn f(file: &File) { file.set_len(0) }",
            "fn f() { rustix::fs::renameat(a, b, c, d) }",
            "use rustix::fs::{OFlags, openat2};\nconst W: OFlags = OFlags::CREATE;",
            "fn f() { openat2(a, b, OFlags::RDONLY | OFlags::TRUNC, c, d) }",
        ] {
            assert!(!bare_writes("src/publish/switch.rs", text).is_empty(), "{text}");
            assert_eq!(bare_writes(WRITER, text), Vec::<String>::new());
        }
        let reads =
            "use std::fs::File; fn f() { File::open(a); std::fs::read(a); std::fs::metadata(a); vec.truncate(3); }";
        assert_eq!(bare_writes("src/publish/switch.rs", reads), Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_seen_and_its_tests_do_not_count() {
        let long = "fn f() {}\n".repeat(MAX_LINES + 1);
        assert!(too_long("src/apk/names.rs", &long).is_some());
        let fits = "fn f() {}\n".repeat(MAX_LINES);
        assert_eq!(too_long("src/apk/names.rs", &fits), None);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(700));
        assert_eq!(too_long("src/apk/names.rs", &format!("{fits}{tests}")), None);
        assert!(too_long("src/apk/names.rs", &format!("{fits}{tests}fn f() {{}}\n")).is_some());
        assert!(too_long("src/main.rs", &"\n".repeat(121)).is_some());
    }

    #[test]
    fn another_sha1_is_seen() {
        for text in [
            "use sha1::{Digest, Sha1};",
            "fn f() { let it = sha1_checked::Sha1::new(); }",
            "use ring::signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY;",
            "use ring::digest;",
        ] {
            assert!(!other_sha1("src/verify/package.rs", text).is_empty(), "{text}");
            assert!(other_sha1("src/apk/sha1.rs", text).is_empty());
        }
        let others = "use sha2::{Digest as _, Sha256}; use crate::apk::sha1::Sha1Policy; use super::sha1::Collision;";
        assert_eq!(other_sha1("src/apk/checksum.rs", others), Vec::<String>::new());
    }

    #[test]
    fn a_bool_parameter_is_seen() {
        assert_eq!(bool_parameters("src/a.rs", "pub fn f(a: u8, loud: bool) -> bool { true }").len(), 1);
        assert_eq!(
            bool_parameters("src/a.rs", "fn f<T: Fn(u8) -> bool>(&mut self, loud: bool,\n quiet: bool) {}").len(),
            2
        );
        assert_eq!(
            bool_parameters("src/a.rs", "struct A { loud: bool } fn f(a: Vec<bool>, g: fn(&str) -> bool) -> bool {}")
                .len(),
            0
        );
    }

    #[test]
    fn empty_names_are_seen() {
        assert_eq!(forbidden_words("src/utils.rs", "").len(), 1);
        assert_eq!(forbidden_words("src/pool/helpers/x.rs", "").len(), 1);
        assert_eq!(forbidden_words("tests/common/mod.rs", "").len(), 1);
        assert_eq!(forbidden_words("src/apk/index_utils.rs", "").len(), 1);
        assert_eq!(forbidden_words("src/pool/refs.rs", "pub struct PoolManager;\nenum SyncContext { A }").len(), 2);
        assert_eq!(forbidden_words("src/pool/refs.rs", "pub struct Pool; // struct PoolManager").len(), 0);
        assert_eq!(
            forbidden_words("src/a.rs", "type RowData = u8;\nimpl Body for A {\n    type Data = u8;\n}").len(),
            1
        );
    }

    #[test]
    fn a_missing_page_is_seen() {
        let files = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect()
        };
        assert_eq!(
            pages_missing(&files(&[("src/lib.rs", "//! The map."), ("src/pool/mod.rs", "pub mod refs;")])).len(),
            1
        );
        assert_eq!(pages_missing(&files(&[("src/lib.rs", "//! The map."), ("src/pool/refs.rs", "")])).len(), 1);
        let whole = [("src/pool/mod.rs", "//! Pool."), ("src/pool/refs.rs", ""), ("src/pool/refs/tests.rs", "")];
        assert_eq!(pages_missing(&files(&whole)), Vec::<String>::new());
    }

    #[test]
    fn an_orphaned_test_is_seen() {
        let files = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect()
        };
        let orphan = [
            ("tests/commands/main.rs", "mod env;\n// mod sync;"),
            ("tests/commands/env.rs", ""),
            ("tests/commands/sync.rs", ""),
        ];
        assert_eq!(undeclared_tests(&files(&orphan)).len(), 1);
        let declared = [
            ("tests/commands/main.rs", "mod env;\nmod bad;"),
            ("tests/commands/env.rs", ""),
            ("tests/commands/bad/mod.rs", ""),
        ];
        assert_eq!(undeclared_tests(&files(&declared)), Vec::<String>::new());
        assert_eq!(undeclared_tests(&files(&[("tests/laws/versions.rs", "")])).len(), 1);
    }
}
