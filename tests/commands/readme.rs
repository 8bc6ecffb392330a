//! README's own words: its commands run, its list of error words is complete.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use crate::env::Env;
use crate::upstream::Upstream;

pub(crate) const README: &str = include_str!("../../README.md");

/// The fenced block of this language that holds `marker`.
pub(crate) fn block(language: &str, marker: &str) -> &'static str {
    let blocks = README.split("```").filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    blocks.into_iter().find(|block| block.contains(marker)).expect(marker)
}

/// The commands of the fenced block that holds `marker`, comments stripped.
fn commands(marker: &str) -> Vec<Vec<&'static str>> {
    let block = block("sh", marker);
    let line = |line: &'static str| line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    block.lines().map(line).filter(|words| !words.is_empty()).collect()
}

#[test]
fn ten_minutes_to_a_real_mirror() {
    let Some(real) = std::env::var_os("BIVOUAC_REAL_ALPINE") else {
        println!("skipped: no real Alpine data");
        return;
    };
    // Alpine's own signed index and packages stand for v3.23 main and community.
    let folder = tempfile::tempdir().unwrap();
    for repository in ["main", "community"] {
        let link = folder.path().join("v3.19").join(repository);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new(&real).join("official/boot-media/3.19.1/apks"), link).unwrap();
    }
    let env = Env::around(Upstream::of_folder(folder.path().to_owned()));
    std::fs::remove_file(env.path("bivouac.toml")).ok();
    let mut ran = Vec::new();
    for words in commands("bivouac init") {
        let ["bivouac", arguments @ ..] = words.as_slice() else { panic!("{words:?}") };
        ran.push(arguments.join(" "));
        match arguments {
            ["init"] => {
                env.bivouac(arguments).exits_with(0);
                let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
                let ours = text.replace("https://dl-cdn.alpinelinux.org/alpine", &env.upstream.url());
                assert_ne!(ours, text);
                // The boot media have no web server.
                assert!(ours.contains("\"nginx\""), "{ours}");
                // And an index stands only in its own branch's place.
                let ours = ours.replace("\"nginx\"", "\"openssl\"").replace("v3.23", "v3.19");
                std::fs::write(env.path("bivouac.toml"), ours).unwrap();
            }
            ["serve"] => {
                let listen = ["serve", "--json", "--listen", "127.0.0.1:0"];
                serve_answers(&env, &listen);
            }
            _ => {
                env.bivouac(arguments).exits_with(0);
            }
        }
    }
    assert_eq!(ran, ["init", "sync", "status", "client", "serve"]);
    // What `init` asks for came with all that it needs.
    let listed = env.files_below("public/.generations/1");
    let has = |name: &str| listed.iter().any(|file| file.file_name().unwrap().to_str().unwrap().starts_with(name));
    for name in ["alpine-base-3.19.1-r0", "busybox-1.36.1", "musl-1.2.4"] {
        assert!(has(name), "{name} in {listed:?}");
    }
    // The other commands that README names beside it.
    for arguments in [&["config", "check"][..], &["sync", "--dry-run"], &["check"], &["history"], &["status", "--json"]]
    {
        let named = format!("`bivouac {}`", arguments.join(" "));
        assert!(arguments.contains(&"--json") || README.contains(&named), "{named}");
        env.bivouac(arguments).exits_with(0);
    }
}

/// Starts a server, asks it for an index, and ends it.
fn serve_answers(env: &Env, arguments: &[&str]) {
    let mut server = env.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    out.read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let address = told["listening"].as_str().expect("an address");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /v3.19/site/x86_64/APKINDEX.tar.gz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
}

#[test]
fn the_first_two_commands_are_the_demo_and_the_tests() {
    assert_eq!(commands("-- demo"), [["cargo", "run", "--release", "--", "demo"]]);
    assert_eq!(commands("cargo test"), [["cargo", "test"]]);
    let ci = include_str!("../../.ci/run");
    assert!(ci.contains("cargo run --release -- demo --once") && ci.contains("cargo test"));
}

/// Quoted kebab-case words that stand where the sources put an error's or a finding's code.
fn codes(text: &str, found: &mut BTreeSet<String>) {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut note = |rest: &str| {
        let rest = rest.trim_start().trim_start_matches('{').trim_start();
        if let Some(word) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
            found.insert(word.to_owned());
        }
    };
    for method in text.split("fn code(&self) -> &'static str {").skip(1) {
        let body = method.split("\n    }").next().unwrap_or_default();
        body.split("=>").skip(1).for_each(&mut note);
    }
    text.split("code: ").skip(1).for_each(&mut note);
    for call in text.split("Setback::new(").skip(1) {
        call.split_once(',').map(|(_, rest)| rest).into_iter().for_each(&mut note);
    }
}

#[test]
fn every_error_word_is_listed() {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|ending| ending == "rs") && !entry.ends_with("tests.rs") {
                codes(&std::fs::read_to_string(&entry).unwrap(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(
        found.contains("unknown-signer") && found.contains("rebuilt") && found.contains("object-missing"),
        "{found:?}"
    );
    let missing: Vec<_> = found.iter().filter(|word| !README.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "README does not list {missing:?}");
}
