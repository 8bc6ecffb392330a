//! `doctor` before a real web server: certificates, and what a server does to files on their way.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::certificates::{Kind, authority, certificate};
use super::env::{Env, Ran};
use super::fixture::{CORP, OURS, Package, UPSTREAM};
use super::nginx::{Nginx, Server};
use super::{filled, program};

/// By itself nginx calls what it does not know text.
const OCTETS: &str = "default_type application/octet-stream;";

/// Severity, code, and all text of each finding.
fn findings(ran: &Ran) -> Vec<(String, String, String)> {
    let told = ran.json();
    let all = told["findings"].as_array().unwrap_or_else(|| panic!("{ran}"));
    let word = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    all.iter().map(|one| (word(one, "severity"), word(one, "code"), one.to_string())).collect()
}

/// There is one finding, and it has these words.
#[track_caller]
fn finds(ran: &Ran, exit: i32, severity: &str, code: &str, words: &[&str]) {
    ran.exits_with(exit);
    let found = findings(ran);
    let [(its_severity, its_code, text)] = &found[..] else { panic!("one finding: {ran}") };
    assert_eq!((its_severity.as_str(), its_code.as_str()), (severity, code), "{ran}");
    words.iter().for_each(|word| assert!(text.contains(word), "no {word:?} in {text}"));
}

fn doctor(env: &Env, url: &str, more: &[&str]) -> Ran {
    let line = format!("{url}/alpine/v3.23/main");
    let arguments = ["--json", "doctor", &line, "--arch", "x86_64", "--keys", "client"];
    env.bivouac(&[&arguments[..], more].concat())
}

/// An upstream that a client with its key uses.
fn client_of() -> Env {
    let env = filled();
    env.write(&format!("client/{}", UPSTREAM.name), UPSTREAM.public_pem().as_bytes());
    env
}

/// The authority's certificate among the public ones, as update-ca-certificates writes /etc/ssl/certs/ca-certificates.crt.
fn bundle(env: &Env) -> String {
    let public = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let own = std::fs::read_to_string(env.path("certificates/ca.pem")).unwrap();
    env.write("ca-certificates.crt", format!("{public}{own}").as_bytes()).display().to_string()
}

#[test]
fn certificates_that_clients_would_not_believe() {
    for (kind, code, words) in [
        (
            Kind::Expired,
            "certificate-expired",
            ["its certificate has expired (2020-02-01T00:00:00Z)", "this machine's clock", "must be renewed"],
        ),
        (
            Kind::SelfSigned,
            "certificate-self-signed",
            ["an authority's own (self-signed)", "openssl req -x509 -CA ca.pem", "basicConstraints=CA:FALSE"],
        ),
        (
            Kind::NotYet,
            "certificate-not-yet",
            ["not valid yet (2045-01-01T00:00:00Z)", "this machine's clock", "must be renewed"],
        ),
        (
            Kind::OtherHost,
            "certificate-other-host",
            [
                "is for other.example, not for this host",
                "name the host as the certificate does",
                "made that is for 127.0.0.1",
            ],
        ),
    ] {
        let env = client_of();
        authority(&env);
        certificate(&env, "server", kind);
        let Some(nginx) = Nginx::start(&env, &[Server::tls("server", OCTETS)]) else { return };
        let ca = bundle(&env);
        finds(&doctor(&env, &nginx.https(0), &["--ca", &ca]), 4, "error", code, &words);
        assert_eq!(nginx.log(0), Vec::<String>::new(), "nothing is asked of a server that is not believed");
    }
}

#[test]
fn an_authority_of_ones_own_is_unknown_until_it_is_named() {
    let env = client_of();
    authority(&env);
    certificate(&env, "server", Kind::Good);
    let Some(nginx) = Nginx::start(&env, &[Server::tls("server", OCTETS), Server::plain("")]) else { return };
    let words = [
        "an authority that is not trusted here",
        "/usr/local/share/ca-certificates/",
        "update-ca-certificates",
        "--ca FILE",
    ];
    finds(&doctor(&env, &nginx.https(0), &[]), 4, "error", "certificate-untrusted", &words);
    let healthy = doctor(&env, &nginx.https(0), &["--ca", &bundle(&env)]);
    assert_eq!(findings(healthy.exits_with(0)), []);
    // A server that speaks no TLS at all on that port.
    let plain = nginx.url(1).replace("http:", "https:");
    finds(&doctor(&env, &plain, &[]), 4, "error", "tls", &["no trusted TLS connection", "http://"]);
}

#[test]
fn what_a_server_does_to_packages_on_their_way() {
    let env = client_of();
    let moved = env.path("upstream/moved");
    std::fs::create_dir_all(&moved).unwrap();
    let bodies = [
        // Apache's `AddEncoding x-gzip .gz .apk`, in nginx's words.
        "location ~ \\.apk$ { add_header Content-Encoding gzip; }",
        "location / { types { text/html apk gz; } }",
        "location ~ \\.apk$ { return 308 http://127.0.0.1:{4}/moved$uri; }",
        "location ~ \\.apk$ { deny all; }",
        "",
    ];
    let servers: Vec<_> = bodies.iter().map(|body| Server::plain(format!("{OCTETS} {body}"))).collect();
    let Some(nginx) = Nginx::start(&env, &servers) else { return };
    let words = ["Content-Encoding: gzip", "apk knows none", "gzip_static off"];
    finds(&doctor(&env, &nginx.url(0), &[]), 0, "warning", "content-encoding", &words);
    let words = ["sent as text/html", "application/octet-stream"];
    finds(&doctor(&env, &nginx.url(1), &[]), 0, "warning", "content-type", &words);
    // The redirect leads to what is there, but apk does not go.
    for name in ["hello-1.0-r0.apk", "noise-1.0-r0.apk"] {
        let inside = format!("alpine/v3.23/main/x86_64/{name}");
        let package = std::fs::read(env.path(&format!("upstream/{inside}"))).unwrap();
        env.write(&format!("upstream/moved/{inside}"), &package);
    }
    finds(&doctor(&env, &nginx.url(2), &[]), 4, "error", "redirect-not-followed", &["308", "redirect with 302"]);
    let ran = doctor(&env, &nginx.url(3), &[]);
    ran.exits_with(4);
    let told = findings(&ran);
    assert!(
        told.len() == 2 && told.iter().all(|(_, code, text)| code == "forbidden" && text.contains(".apk")),
        "{ran}"
    );
}

/// Our own tree behind an nginx of another user, who may not enter one of its folders: seen from outside, then by name on the
/// server, and mended by the very words of the hint.
#[test]
fn what_the_web_servers_user_cannot_read_is_mended_as_the_hint_says() {
    if program("nginx").is_none() {
        return;
    }
    let env = Env::new();
    env.configure(&format!(
        "[sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{}\"]\n\n\
         [[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n",
        CORP.name
    ));
    let tool = Package::new("corp-tool", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    env.bivouac(&["sync"]).exits_with(0);
    env.write(&format!("client/{}", OURS.name), OURS.public_pem().as_bytes());
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&env.path(""), 0o755);
    // Root reads everything, and others cannot become somebody else: they shut themselves out.
    let whoami = Command::new("id").arg("-un").output().unwrap().stdout;
    let whoami = String::from_utf8(whoami).unwrap().trim().to_owned();
    let (user, uid, shut) = if whoami == "root" { ("nobody", Some(65_534), 0o700) } else { (&*whoami, None, 0o600) };
    let folder = env.public().join("v3.23/site/x86_64");
    mode(&folder, shut);
    let body = format!("location / {{ {OCTETS} root {}; }}", env.public().display());
    let nginx = Nginx::start_as(&env, &[Server::plain(body)], uid).unwrap();
    let line = format!("{}/v3.23/site", nginx.url(0));
    let from_outside = || env.bivouac(&["--json", "doctor", &line, "--arch", "x86_64", "--keys", "client"]);
    finds(&from_outside(), 4, "error", "forbidden", &["403 Forbidden", "bivouac doctor --user NAME"]);
    let ran = env.bivouac(&["--json", "doctor", "--user", user]);
    // Who shut themselves out cannot look further; the first finding says why.
    let first = findings(ran.exits_with(1)).swap_remove(0);
    assert_eq!(first.1, "not-readable", "{ran}");
    assert!(first.2.contains(&format!("user {user} cannot pass through it")), "{ran}");
    let hint = ran.json()["findings"][0]["hint"].as_str().unwrap().to_owned();
    assert!(Command::new("sh").args(["-c", &hint]).status().unwrap().success(), "{hint}");
    assert_eq!(findings(env.bivouac(&["--json", "doctor", "--user", user]).exits_with(0)), []);
    assert_eq!(findings(from_outside().exits_with(0)), []);
}
