//! README's table for those who kept a repository by hand: it has every step of theirs, and each of its commands is run here, on a
//! site of its own, and does what the table says.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use age::secrecy::ExposeSecret as _;

use super::doctor::{Open, codes, finding, open_site};
use super::env::{Env, restrict, trusted};
use super::fixture::{CORP, OURS, Package, STRANGER, UPSTREAM};
use super::oracle;
use super::readme::README;
use super::served::{Served, get};
use super::site::{MAIN, hello, libgreet, publish};

/// The steps of the table, and what its last column says of each.
fn rows() -> Vec<(&'static str, &'static str)> {
    let (_, rest) = README.split_once("| step | by hand | now |\n|---|---|---|\n").expect("the table");
    let rows = rest.lines().take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    rows.map(|line| match cells(line)[..] {
        [step, _, now] => (step, now),
        _ => panic!("three cells: {line}"),
    })
    .collect()
}

/// What stands between backticks and begins with the program's name.
fn commands(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("bivouac "))
}

#[test]
fn the_table_has_every_step() {
    let steps: Vec<&str> = rows().iter().map(|(step, _)| *step).collect();
    let chapters = [5, 3, 2, 3, 3, 3, 5, 4];
    let all: Vec<String> = chapters
        .iter()
        .enumerate()
        .flat_map(|(at, points)| (1..=*points).map(move |point| format!("{}.{point}", at + 1)))
        .collect();
    assert_eq!(steps, all);
    for (step, now) in rows() {
        assert!(commands(now).next().is_some(), "{step} names no command: {now}");
    }
}

#[test]
fn each_command_of_the_table_does_what_it_says() {
    let all: BTreeSet<&str> = rows().iter().flat_map(|(_, now)| commands(now)).collect();
    for command in all {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        match words[0] {
            "init" | "sync" | "status" | "config" | "check" | "why" => on_the_mirror(&words),
            "key" => keys(&words),
            "index" | "sign" | "verify" => loose_files(&words),
            "client" | "serve" | "web-config" => towards_clients(&words),
            "doctor" => doctor(&words),
            "withdraw" | "prune" | "publish" | "promote" | "rollback" => what_is_shown(&words),
            "backup" | "restore" => backups(&words),
            "audit" => audit(&words),
            _ => unknown(&words),
        }
    }
}

#[track_caller]
fn unknown(words: &[&str]) {
    panic!("README's table names a command that no case here runs: bivouac {}", words.join(" "));
}

fn on_the_mirror(words: &[&str]) {
    let Open { env } = open_site();
    match words {
        ["init"] => {
            let empty = Env::new();
            std::fs::remove_dir_all(empty.path("keys")).unwrap();
            empty.bivouac(words).exits_with(0);
            assert!(empty.path("bivouac.toml").is_file() && !empty.files_below("keys").is_empty());
        }
        ["sync"] => {
            // What was put into the folder is in the tree, and its index is signed.
            let fresh = Package::new("corp-new", "1.0-r0").build(&CORP);
            env.write(&format!("packages/{}", fresh.file), &fresh.bytes);
            env.bivouac(words).exits_with(0);
            assert!(env.live("v3.23/site", "x86_64").contains(&"corp-new-1.0-r0".to_owned()));
            // And what nobody trusted signed is not.
            let forged = Package::new("corp-forged", "1.0-r0").build(&STRANGER);
            env.write(&format!("packages/{}", forged.file), &forged.bytes);
            env.bivouac(words).exits_with(3).tells(&["corp-forged"]);
        }
        ["status"] => assert!(env.bivouac(words).exits_with(0).stdout.contains("v3.23/site/x86_64")),
        ["config", "check"] => {
            env.bivouac(words).exits_with(0);
            env.write("bivouac.toml", b"stroe = \"store\"\n");
            env.bivouac(words).exits_with(2).tells(&["store"]);
        }
        ["config", "show"] => assert!(env.bivouac(words).exits_with(0).stdout.contains("v3.23/site")),
        ["check"] => {
            env.bivouac(words).exits_with(0);
            std::fs::remove_file(env.public().join("v3.23/site/x86_64/hello-1.0-r0.apk")).unwrap();
            env.bivouac(words).exits_with(5);
        }
        ["why", "NAME"] => assert!(env.bivouac(&["why", "libgreet"]).exits_with(0).stdout.contains("libgreet-1.0-r0")),
        _ => unknown(words),
    }
}

fn keys(words: &[&str]) {
    let Open { env } = open_site();
    match words {
        ["key", "new", "NAME"] => {
            env.bivouac(&["key", "new", "team@corp.example-1", "--bits", "2048"]).exits_with(0);
            assert!(env.path("keys/team@corp.example-1.rsa.pub").is_file());
        }
        ["key", "list"] => assert!(env.bivouac(words).exits_with(0).stdout.contains(OURS.name)),
        ["key", "export", "--to", "DIR"] => {
            env.bivouac(&["key", "export", "--to", "etc/apk/keys"]).exits_with(0);
            assert!(env.path("etc/apk/keys").join(OURS.name).is_file());
        }
        ["key", "rotate"] => {
            env.bivouac(&["key", "rotate", "--bits", "2048"]).exits_with(0);
            let index = std::fs::read(env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz")).unwrap();
            assert_eq!(oracle::signature_names(&index).len(), 2);
            assert!(oracle::index(&index, &[trusted(&OURS)]).is_ok(), "a client with the old key goes on");
        }
        ["key", "retire", "KEY"] => {
            env.bivouac(&["key", "rotate", "--bits", "2048"]).exits_with(0);
            env.bivouac(&["key", "retire", OURS.name]).exits_with(3).tells(&["signs until"]);
            env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
        }
        _ => unknown(words),
    }
}

fn loose_files(words: &[&str]) {
    let Open { env } = open_site();
    let package = Package::new("mypkg", "1.0.1-r0").build(&CORP);
    env.write(&format!("loose/{}", package.file), &package.bytes);
    let index = "loose/APKINDEX.tar.gz";
    env.bivouac(&["index", "loose"]).exits_with(0);
    match words {
        ["index", "DIR"] => {
            let listed = oracle::index(&std::fs::read(env.path(index)).unwrap(), &[trusted(&OURS)]).unwrap();
            assert_eq!(listed.len(), 1);
        }
        ["sign", "FILE"] => {
            env.bivouac(&["sign", index]).exits_with(0);
            assert!(oracle::index(&std::fs::read(env.path(index)).unwrap(), &[trusted(&OURS)]).is_ok());
        }
        ["verify", "FILE", "--keys", "DIR"] => {
            env.bivouac(&["verify", index, "--keys", "keys"]).exits_with(0);
            env.bivouac(&["verify", index, "--keys", "trusted"]).exits_with(3);
        }
        _ => unknown(words),
    }
}

fn towards_clients(words: &[&str]) {
    let Open { env } = open_site();
    match words {
        ["client", "--url", "URL"] => {
            let printed = env.bivouac(&["client", "--url", "http://mirror.example"]).exits_with(0).stdout.clone();
            assert!(printed.contains("http://mirror.example/v3.23/site") && printed.contains(OURS.name), "{printed}");
        }
        ["client", "--script"] => {
            let script =
                env.bivouac(&["client", "--script", "--url", "http://mirror.example"]).exits_with(0).stdout.clone();
            let script = env.write("setup.sh", script.as_bytes());
            let root = env.write("machine/etc/apk/arch", b"x86_64\n").ancestors().nth(3).unwrap().to_owned();
            let told = env.bivouac(&["--json", "client", "--url", "http://mirror.example"]).exits_with(0).json();
            let right = told["keys"][0]["fingerprint"].as_str().unwrap().to_owned();
            let run = |fingerprint: &str| {
                let mut command = Command::new("sh");
                command.arg(&script).arg("--root").arg(&root).arg(fingerprint).output().unwrap()
            };
            let (key, lines) = (root.join("etc/apk/keys").join(OURS.name), root.join("etc/apk/repositories"));
            assert_eq!(
                (run(&"0".repeat(64)).status.code(), key.exists()),
                (Some(1), false),
                "another key's fingerprint"
            );
            let ran = run(&right);
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            assert!(key.is_file() && std::fs::read_to_string(lines).unwrap().contains("mirror.example/v3.23/site"));
        }
        ["serve"] => {
            let served = Served::start(&env);
            assert_eq!(served.get("/v3.23/site/x86_64/APKINDEX.tar.gz").status, 200);
        }
        ["web-config", "nginx"] => {
            assert!(README.contains("`bivouac web-config nginx` (or `lighttpd`, `caddy`, `busybox-httpd`)"));
            for server in ["nginx", "lighttpd", "caddy", "busybox-httpd"] {
                assert!(env.bivouac(&["web-config", server]).exits_with(0).stdout.contains("site/alpine"), "{server}");
            }
        }
        ["web-config", "nginx", "--tls-cert", "FILE", "--tls-key", "FILE"] => {
            let ran =
                env.bivouac(&["web-config", "nginx", "--tls-cert", "/etc/tls/m.pem", "--tls-key", "/etc/tls/m.key"]);
            assert!(ran.exits_with(0).stdout.contains("ssl_certificate_key"), "{ran}");
        }
        _ => unknown(words),
    }
}

fn doctor(words: &[&str]) {
    let Open { env } = open_site();
    let served = Served::start(&env);
    let url = format!("http://{}/v3.23/site", served.address);
    match words {
        ["doctor"] => assert_eq!(codes(env.bivouac(&["--json", "doctor"]).exits_with(0)), Vec::<String>::new()),
        ["doctor", "--user", "USER"] => {
            env.bivouac(&["doctor", "--user", "nobody"]).exits_with(0);
        }
        ["doctor", "URL"] => {
            env.bivouac(&["doctor", &url]).exits_with(0);
            let ran = env.bivouac(&["--json", "doctor", &format!("{url}/x86_64")]);
            assert!(finding(ran.exits_with(4), "wrong-layout").contains(&url), "{ran}");
        }
        ["doctor", "URL", "--world", "FILE"] => {
            env.write("world", b"corp-tool\nhello<2\n");
            env.bivouac(&["doctor", &url, "--world", "world"]).exits_with(0);
            env.write("world", b"corp-tool\nhello>2\n");
            finding(env.bivouac(&["--json", "doctor", &url, "--world", "world"]).exits_with(4), "unmet");
        }
        ["doctor", "URL", "--keys", "DIR"] => {
            env.bivouac(&["doctor", &url, "--keys", "keys"]).exits_with(0);
            let ran = env.bivouac(&["--json", "doctor", &url, "--keys", "trusted"]);
            assert!(finding(ran.exits_with(3), "unknown-signer").contains(OURS.name), "{ran}");
        }
        ["doctor", "URL", "--ca", "FILE"] => {
            let Some(https) = Https::start(&env) else { return println!("skipped: no openssl") };
            let line = format!("https://127.0.0.1:{}/v3.23/site", https.port);
            finding(env.bivouac(&["--json", "doctor", &line]).exits_with(4), "certificate-untrusted");
            env.bivouac(&["--json", "doctor", &line, "--ca", "ca.pem", "--sample", "1"]).exits_with(0);
        }
        _ => unknown(words),
    }
}

/// The live tree behind `openssl s_server`, with a certificate of an authority of its own. It ends with this value.
struct Https {
    child: Child,
    port: u16,
}

impl Https {
    fn start(env: &Env) -> Option<Https> {
        let new_key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
        let of_host = "-CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE";
        for line in [
            format!("{new_key} -subj /CN=authority -keyout ca.key -out ca.pem"),
            format!("{new_key} -subj /CN=host {of_host} -keyout host.key -out host.pem"),
        ] {
            let made = Command::new("openssl").args(line.split_whitespace()).current_dir(env.path("")).output().ok()?;
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let (certificate, key) = (env.path("host.pem"), env.path("host.key"));
        let mut child = Command::new("openssl")
            .args(["s_server", "-WWW", "-accept", "127.0.0.1:0", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .current_dir(env.public())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // `ACCEPT 127.0.0.1:PORT`
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = told.find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok());
        std::thread::spawn(move || told.count());
        Some(Https { child, port: port.expect("it says where it listens") })
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn what_is_shown(words: &[&str]) {
    let Open { env } = open_site();
    publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let live = || env.live("v3.23/site", "x86_64");
    assert!(live().contains(&"hello-1.1-r0".to_owned()));
    match words {
        ["withdraw", "NAME=VERSION"] => {
            env.bivouac(&["withdraw", "corp-tool=1.0-r0"]).exits_with(0);
            env.bivouac(&["sync"]).exits_with(0);
            assert!(!live().contains(&"corp-tool-1.0-r0".to_owned()));
        }
        ["prune"] => {
            let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
            let keep = "\n[retain]\nsnapshots = { last = 1, daily = 0, monthly = 0 }\ngenerations = { last = 1 }\n";
            env.write("bivouac.toml", (text + keep).as_bytes());
            env.bivouac(words).exits_with(0);
            assert!(!env.path("site/.generations/1").exists() && env.path("site/.generations/2").is_dir());
        }
        ["publish", "--as", "NAME"] => {
            env.bivouac(&["publish", "--as", "stable"]).exits_with(0);
            assert!(env.public().join("@stable/v3.23/site/x86_64/APKINDEX.tar.gz").is_file());
        }
        ["promote", "NAME"] => {
            env.bivouac(&["publish", "--as", "stable"]).exits_with(0);
            env.bivouac(&["promote", "stable"]).exits_with(0);
        }
        ["rollback"] => {
            env.bivouac(words).exits_with(0);
            assert!(live().contains(&"hello-1.0-r0".to_owned()));
        }
        _ => unknown(words),
    }
}

fn backups(words: &[&str]) {
    let Open { env } = open_site();
    let identity = age::x25519::Identity::generate();
    restrict(&env.write("identity.txt", identity.to_string().expose_secret().as_bytes()));
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let more =
        format!("\n[backups.disk]\ntarget = \"disk\"\ntool = false\nrecipients = [\"{}\"]\n", identity.to_public());
    env.write("bivouac.toml", (text + &more).as_bytes());
    std::fs::create_dir(env.path("disk")).unwrap();
    env.bivouac(&["backup", "init", "disk"]).exits_with(0);
    let report = env.bivouac(&["--json", "backup", "disk"]).exits_with(0).json();
    match words {
        ["backup", "NAME"] => assert!(!env.files_below("disk").is_empty()),
        ["restore", "--from", "TARGET", "--key", "FINGERPRINT", "--identity", "FILE"] => {
            let (key, before) = (report["signer"].as_str().unwrap(), env.live("v3.23/site", "x86_64"));
            for lost in ["store", "site", "keys"] {
                std::fs::remove_dir_all(env.path(lost)).unwrap();
            }
            std::fs::remove_file(env.path("bivouac.toml")).unwrap();
            env.bivouac(&["restore", "--from", "disk", "--key", key, "--identity", "identity.txt"]).exits_with(0);
            assert_eq!(env.live("v3.23/site", "x86_64"), before);
        }
        _ => unknown(words),
    }
}

fn audit(words: &[&str]) {
    assert_eq!(words, ["audit", "LOG"]);
    let Open { env } = open_site();
    let mut command = env.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut told).unwrap();
    let address = told.split("http://").nth(1).unwrap().split('/').next().unwrap();
    assert_eq!(get(address, "/v3.23/site/x86_64/hello-9-r0.apk").status, 404);
    let mut log = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut log).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    env.write("access.log", log.as_bytes());
    let report = env.bivouac(&["--json", "audit", "access.log"]).exits_with(0).json();
    assert_eq!(report["not_found"]["never-listed"]["requests"], 1, "{report}");
}
