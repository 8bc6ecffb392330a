//! Sources in the real world: passwords, certificates, redirects, proxies and rate limits against servers that are not ours,
//! nginx and squid; and our own tree behind those servers, as `web-config` sets them up.
//! Each is started by the test with a configuration of its own, on loopback, and ended by its process id.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod audited;
mod browser;
mod certificates;
mod client_script;
mod compared;
mod doctor;
mod logins;
mod nginx;
mod proxies;
mod redirects;
mod site;
mod squid;
mod tls;
mod web_config;

// Shared with the command tests, each using what it needs.
#[path = "../apk/client.rs"]
#[allow(dead_code, reason = "shared")]
mod client;
#[path = "../commands/env.rs"]
#[allow(dead_code, reason = "shared")]
mod env;
#[path = "../commands/fixture.rs"]
#[allow(dead_code, reason = "shared")]
mod fixture;
#[path = "../commands/oracle.rs"]
#[allow(dead_code, reason = "shared")]
mod oracle;
#[path = "../commands/served.rs"]
#[allow(dead_code, reason = "shared")]
mod served;
#[path = "../commands/upstream.rs"]
#[allow(dead_code, reason = "shared")]
mod upstream;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use env::Env;
use fixture::{Package, UPSTREAM, signed, unsigned_index};

/// What stands in every secret of these tests, so that one search finds any of them.
const SECRET: &str = "hunter2-s3cret";

/// A program of the system, or the word that it is not here.
fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/usr/local/sbin"].iter().map(|folder| Path::new(folder).join(name));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no {name}");
    }
    found
}

/// A port that was free a moment ago. None is named twice: two servers would each take it for their own.
fn free_port() -> u16 {
    static NAMED: std::sync::Mutex<std::collections::BTreeSet<u16>> =
        std::sync::Mutex::new(std::collections::BTreeSet::new());
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        if NAMED.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Waits until `child` listens on all `ports`; false when it ended instead.
fn listens(child: &mut Child, ports: &[u16]) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if ports.iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An environment with an upstream's files in `upstream/alpine`, for a real server to serve.
fn filled() -> Env {
    let env = Env::new();
    let packages = [
        Package::new("hello", "1.0-r0").build(&UPSTREAM),
        Package::new("noise", "1.0-r0").with_noise(300_000).build(&UPSTREAM),
    ];
    let folder = "upstream/alpine/v3.23/main/x86_64";
    for package in &packages {
        env.write(&format!("{folder}/{}", package.file), &package.bytes);
    }
    let entries: Vec<_> = packages.iter().map(|package| package.entry.as_str()).collect();
    let index = signed(&unsigned_index(&entries, "v3.23.0-1-g0123456789"), &[&UPSTREAM]);
    env.write(&format!("{folder}/APKINDEX.tar.gz"), &index);
    env
}

/// What the mirror of [`filled`] publishes.
const ALL: [&str; 2] = ["hello-1.0-r0", "noise-1.0-r0"];

/// Configures a mirror of `url`; `access` are further lines of its source.
fn mirror(env: &Env, url: &str, access: &str) {
    env.configure(&format!(
        "[sources.up]\nurl = [\"{url}/alpine\"]\nkeyring = [\"trusted/{}\"]\ntimeout = \"5s\"\n{access}\n\n\
         [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n",
        UPSTREAM.name
    ));
}

/// Writes a file that only its owner may read.
fn secret(env: &Env, inside: &str, content: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = env.write(inside, content.as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Runs every command that could tell a secret, and looks for it in what they print and leave.
#[track_caller]
fn no_secret_is_told(env: &Env) {
    for arguments in [
        &["sync"][..],
        &["--json", "sync"],
        &["--log", "json", "-v", "sync"],
        &["sync", "--dry-run"],
        &["--json", "status"],
        &["config", "show"],
        &["--json", "config", "show"],
        &["source", "check"],
        &["--json", "source", "check"],
    ] {
        let ran = env.bivouac(arguments);
        assert!(!format!("{ran}").contains(SECRET), "{ran}");
        assert!(!ran.stderr.contains("panicked"), "{ran}");
    }
    for file in env.files_below("store").into_iter().chain(env.files_below("site")) {
        // The public link leads to a folder that is walked by its own name.
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let told = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!told, "{}", file.display());
    }
}
