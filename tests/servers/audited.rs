//! `audit` on the logs that real servers write of real clients: each with the block that `web-config` prints, and our own. Clients
//! update, install, keep an old index, have a wrong line; browsers and scanners come by; and every 404 has its cause.

use std::process::Stdio;
use std::time::Duration;

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::OURS;
use super::web_config::{Running, published_with, start};
use super::{free_port, listens};

const FOLDER: &str = "/v3.23/site/x86_64";

/// What is asked for by hand, and why it is not found.
const ASKED: [(&str, &str); 8] = [
    ("/v3.23/site/x86_64/c++tool-1.0-r0.apk", "left-index"),
    ("/v3.23/site/x86_64/tilde-9.9-r0.apk", "never-listed"),
    ("/v3.23/site/x86_64/nowhere-1-r0.apk", "never-listed"),
    ("/x86_64/site/APKINDEX.tar.gz", "wrong-layout"),
    ("/v3.23/site/APKINDEX.tar.gz", "wrong-layout"),
    ("/v3.23/site/aarch64/APKINDEX.tar.gz", "not-mirrored"),
    ("/v3.23/site/x86_64/APKINDEX.tar.gz.sign", "other-format"),
    ("/favicon.ico", "outside"),
];

/// Ours, its log in the same file as theirs.
fn serve(env: &Env) -> Running {
    for _ in 0..5 {
        let port = free_port();
        let mut command = env.command(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.stdout(std::fs::File::create(env.path("access.log")).unwrap()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        if listens(&mut child, &[port]) {
            return Running { child, port, prefix: "" };
        }
    }
    panic!("serve does not start");
}

/// Real clients: one that installs, one whose index is older than the tree, one whose line lacks the branch.
fn clients_come_by(env: &Env, url: &str, between: impl FnOnce()) {
    let key = env.path(&format!("keys/{}", OURS.name));
    let machines: Vec<_> = real_alpine()
        .iter()
        .flat_map(|real| {
            let machine = |line: &str| {
                CLIENTS
                    .iter()
                    .map(|client| {
                        client.machine(real, "x86_64", std::slice::from_ref(&key), &[format!("{url}/{line}")])
                    })
                    .collect::<Vec<_>>()
            };
            let (good, wrong) = (machine("v3.23/site"), machine("site"));
            good.into_iter().zip(wrong).collect::<Vec<_>>()
        })
        .collect();
    machines.iter().for_each(|(good, _)| good.updates_to(2));
    between();
    for (good, wrong) in &machines {
        // It still knows the package from its index.
        let old = good.apk(&["fetch", "c++tool"]);
        assert_ne!(old.code, Some(0), "{old}");
        assert_eq!(good.adds(&["tilde"]), ["tilde"]);
        let _ = wrong.apk(&["update"]);
    }
}

fn explains(server: &'static str) {
    let env = published_with("[publish]\nlinger = \"0s\"\n");
    let web = if server == "serve" {
        serve(&env)
    } else {
        match start(&env, server) {
            Some(web) => web,
            None => return,
        }
    };
    let url = format!("http://127.0.0.1:{}{}", web.port, web.prefix);
    clients_come_by(&env, &url, || {
        std::fs::remove_file(env.path("packages/x86_64/c++tool-1.0-r0.apk")).unwrap();
        env.bivouac(&["sync"]).exits_with(0);
        // Logs know whole seconds: what is asked for from here on is asked for after it left.
        std::thread::sleep(Duration::from_millis(1_100));
    });
    assert_eq!(web.get(&format!("{FOLDER}/tilde-1.0~abc0123-r0.apk"), "").status, 200);
    for (path, _) in ASKED {
        assert_eq!(web.get(path, "User-Agent: hand\r\n").status, 404, "{server} {path}");
    }
    assert_ne!(web.get("/.git/config", "User-Agent: scanner\r\n").status, 200);
    web.get("/wp-login.php?last=1", "User-Agent: scanner\r\n");
    // Servers write aside, lighttpd once a second.
    let log = env.path("access.log");
    for _ in 0..600 {
        if std::fs::read_to_string(&log).unwrap_or_default().contains("wp-login") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(web);

    let ran = env.bivouac(&["audit", "access.log", "--json"]);
    let report = ran.exits_with(0).json();
    assert_eq!(report["garbage"], 0, "{server}: every line is understood: {}", report["garbage_samples"]);
    let findings = report["findings"].as_array().unwrap();
    let about = |subject: &str| findings.iter().find(|one| one["subject"] == subject);
    for (path, code) in ASKED {
        let told = about(path).unwrap_or_else(|| panic!("{server} {path}: {report}"));
        assert_eq!(told["code"], code, "{server} {path}");
    }
    let left = about(&format!("{FOLDER}/c++tool-1.0-r0.apk")).unwrap()["message"].as_str().unwrap();
    assert!(left.contains("it left the index at 20") && left.contains("generation 2"), "{server}: {left}");
    // None is left over.
    let explained: u64 =
        report["not_found"].as_object().unwrap().values().map(|one| one["requests"].as_u64().unwrap()).sum();
    assert_eq!(Some(explained), report["statuses"]["404"].as_u64(), "{server}: {report}");
    assert_eq!(report["low_by"]["not_found"], 0);
    // Whoever asked for what left has an old index, and whoever looks for holes is told.
    let of_client = |code: &str| findings.iter().any(|one| one["code"] == code && one["subject"] == "127.0.0.1");
    assert!(of_client("old-index") && of_client("probing"), "{server}: {report}");
    assert!(
        report["packages"].as_array().unwrap().iter().any(|one| one["file"] == "tilde-1.0~abc0123-r0.apk"),
        "{report}"
    );
    let site =
        report["repositories"].as_array().unwrap().iter().find(|one| one["name"] == "v3.23/site/x86_64").unwrap();
    if real_alpine().is_some() {
        // Both clients with a line that lacks the branch.
        let wrong = about("/site/x86_64/APKINDEX.tar.gz").unwrap_or_else(|| panic!("{server}: {report}"));
        assert_eq!(wrong["code"], "wrong-layout", "{server}");
        assert!(wrong["hint"].as_str().unwrap().contains("/v3.23/site"), "{wrong}");
        assert!(site["indexes"].as_u64().unwrap() >= 2 && site["packages"].as_u64().unwrap() >= 3, "{server}: {site}");
    }
}

#[test]
fn every_404_in_the_log_of_nginx_has_its_cause() {
    explains("nginx");
}

#[test]
fn every_404_in_the_log_of_lighttpd_has_its_cause() {
    explains("lighttpd");
}

#[test]
fn every_404_in_the_log_of_caddy_has_its_cause() {
    explains("caddy");
}

#[test]
fn every_404_in_our_own_log_has_its_cause() {
    explains("serve");
}
