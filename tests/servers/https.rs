//! `serve` over TLS: real apks, HTTP/2, logins, client certificates, and files that change while it runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::certificates::{Kind, authority, certificate};
use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, OURS, Package};
use super::serving::{Serving, TlsClient};
use super::{SECRET, secret};

const INDEX: &str = "/v3.23/site/x86_64/APKINDEX.tar.gz";
const TLS: &str = "tls = { cert = \"certificates/server.pem\", key = \"certificates/server.key\" }\n";

/// A published tree, an authority and a certificate of it for 127.0.0.1; `serve` are the lines of `[serve]`.
fn published(serve: &str) -> Env {
    let env = Env::new();
    authority(&env);
    certificate(&env, "server", Kind::Good);
    for package in [Package::new("c++tool", "1.0-r0").with_noise(50_000), Package::new("tilde", "1.0~abc0123-r0")] {
        let built = package.build(&CORP);
        env.write(&format!("packages/x86_64/{}", built.file), &built.bytes);
    }
    env.configure(&format!(
        "[sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{}\"]\n\n\
         [[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\n[serve]\n{serve}",
        CORP.name
    ));
    env.bivouac(&["sync"]).exits_with(0);
    env
}

fn with_logins() -> (Env, Serving) {
    let env = published(&format!("{TLS}basic_file = \"secrets/users\"\n"));
    secret(&env, "secrets/users", &format!("# those who may read\nops@corp:{SECRET}@/%\n"));
    let serving = Serving::start(&env);
    (env, serving)
}

/// README's `[serve]`.
fn readme() -> &'static str {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```").filter_map(|block| block.strip_prefix("toml\n[serve]\n"));
    blocks.into_iter().find(|block| block.contains("basic_file")).expect("README shows how")
}

#[test]
fn the_lines_of_readme_serve_as_it_says() {
    let env = published(readme());
    certificate(&env, "web-17", Kind::Client);
    let put = |name: &str, from: &str| {
        let text = std::fs::read_to_string(env.path(&format!("certificates/{from}"))).unwrap();
        drop(secret(&env, name, &text));
    };
    put("tls/mirror.pem", "server.pem");
    put("tls/mirror.key", "server.key");
    put("tls/clients-ca.pem", "ca.pem");
    // "pw", as `htpasswd -B -C 4` prints it.
    secret(&env, "secrets/users", "ops:$2y$04$Q6EOfFZwpfgFCGgnPjlxNewSPIkam3CJmQTl.FmsU3E.ml0vbNKk6\n");
    let mut command = env.command(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let client = TlsClient::new(&env, Some("web-17"), &[]);
    let answer = client.get(told["listening"].as_str().unwrap(), INDEX, "Authorization: Basic b3BzOnB3\r\n");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(told["tls"], true, "{told}");
    assert_eq!(answer.unwrap().status, 200);
}

/// A repositories line of this server.
fn repository(url: &str) -> Vec<String> {
    vec![format!("{url}/v3.23/site")]
}

fn our_key(env: &Env) -> Vec<PathBuf> {
    vec![env.path(&format!("keys/{}", OURS.name))]
}

#[test]
fn real_apks_update_and_add_where_they_know_the_authority() {
    let Some(real) = real_alpine() else { return };
    let env = published(TLS);
    let serving = Serving::start(&env);
    assert_eq!(serving.scheme, "https");
    for client in &CLIENTS {
        let stranger = client.machine(&real, "x86_64", &our_key(&env), &repository(&serving.url_of_the_name("")));
        let ran = stranger.apk(&["update"]);
        assert_ne!(ran.code, Some(0), "{ran}");
        assert!(stranger.apk(&["search", "-q", "tilde"]).printed.lines().all(|line| line != "tilde"));

        let machine = client.machine(&real, "x86_64", &our_key(&env), &repository(&serving.url_of_the_name("")));
        let machine = machine.with("SSL_CERT_FILE", env.path("certificates/ca.pem"));
        machine.updates_to(2);
        machine.fetches("c++tool", &env.path("packages/x86_64/c++tool-1.0-r0.apk"));
        assert_eq!(machine.adds(&["c++tool", "tilde"]), ["c++tool", "tilde"]);
    }
}

#[test]
fn real_apks_log_in_with_what_stands_in_the_repositories_line() {
    let Some(real) = real_alpine() else { return };
    let (env, serving) = with_logins();
    // As RFC 3986 has it in a URL.
    let right = format!("ops%40corp:{SECRET}%40%2F%25");
    for client in &CLIENTS {
        let machine = |login: &str| {
            let repositories = repository(&serving.url_of_the_name(&format!("{login}@")));
            let machine = client.machine(&real, "x86_64", &our_key(&env), &repositories);
            machine.with("SSL_CERT_FILE", env.path("certificates/ca.pem"))
        };
        let ran = machine(&format!("ops%40corp:not-{SECRET}")).apk(&["update"]);
        assert_ne!(ran.code, Some(0), "{ran}");
        let machine = machine(&right);
        machine.updates_to(2);
        // It tries twice what is refused; a wrong login is nobody's.
        let mut line = serving.logged();
        assert!(line.starts_with("127.0.0.1 - - [") && line.contains(" 401 "), "{line}");
        while line.contains(" 401 ") {
            line = serving.logged();
        }
        assert!(line.starts_with("127.0.0.1 - ops@corp [") && line.contains(&format!("GET {INDEX} ")), "{line}");
        assert_eq!(machine.adds(&["tilde"]), ["tilde"]);
        let line = serving.logged();
        assert!(line.starts_with("127.0.0.1 - ops@corp [") && line.contains("tilde-1.0%7eabc0123-r0.apk"), "{line}");
    }
    assert!(!serving.told().contains(SECRET), "{}", serving.told());
}

#[test]
fn real_apks_show_their_certificate() {
    let Some(real) = real_alpine() else { return };
    let env = published(&format!("{TLS}client_ca = \"certificates/ca.pem\"\n"));
    certificate(&env, "web-17", Kind::Client);
    let serving = Serving::start(&env);
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &our_key(&env), &repository(&serving.url_of_the_name("")));
        let machine = machine.with("SSL_CERT_FILE", env.path("certificates/ca.pem"));
        let ran = machine.apk(&["update"]);
        assert_ne!(ran.code, Some(0), "{ran}");
        let machine = machine
            .with("SSL_CLIENT_CERT_FILE", env.path("certificates/web-17.pem"))
            .with("SSL_CLIENT_KEY_FILE", env.path("certificates/web-17.key"));
        machine.updates_to(2);
        let line = serving.logged();
        assert!(line.starts_with("127.0.0.1 - web-17 [") && line.contains(&format!("GET {INDEX} ")), "{line}");
        assert_eq!(machine.adds(&["tilde"]), ["tilde"]);
        serving.logged();
    }
}

#[test]
fn who_shows_no_certificate_or_a_bad_one_gets_nothing() {
    let env = published(&format!("{TLS}client_ca = \"certificates/ca.pem\"\nbasic_file = \"secrets/users\"\n"));
    secret(&env, "secrets/users", "ops:pw\n");
    certificate(&env, "web-17", Kind::Client);
    certificate(&env, "late", Kind::ExpiredClient);
    certificate(&env, "stranger", Kind::Client);
    // Another authority's, of the same name.
    let other = Env::new();
    authority(&other);
    certificate(&other, "stranger", Kind::Client);
    for ending in ["pem", "key"] {
        let name = format!("certificates/stranger.{ending}");
        env.write(&name, &std::fs::read(other.path(&name)).unwrap());
    }
    let serving = Serving::start(&env);
    for shown in [None, Some("late"), Some("stranger")] {
        // With TLS 1.3 it shows in the first answer, which does not come.
        let answer = TlsClient::new(&env, shown, &[]).get(&serving.address, "/healthz", "");
        assert!(answer.is_err(), "{shown:?}: {answer:?}");
    }
    let known = TlsClient::new(&env, Some("web-17"), &[]);
    assert_eq!(known.get(&serving.address, "/healthz", "").unwrap().status, 200);
    assert!(serving.logged().starts_with("127.0.0.1 - web-17 ["), "nobody else came so far");
    // A certificate lets them speak; what they read, they read as who they logged in as.
    assert_eq!(known.get(&serving.address, INDEX, "").unwrap().status, 401);
    assert_eq!(known.get(&serving.address, INDEX, "Authorization: Basic b3BzOnB3\r\n").unwrap().status, 200);
    let lines = [serving.logged(), serving.logged()];
    assert!(lines[1].starts_with("127.0.0.1 - ops ["), "{lines:?}");
}

#[test]
fn who_does_not_log_in_is_asked_to() {
    let (env, serving) = with_logins();
    let client = TlsClient::new(&env, None, &["http/1.1"]);
    let get = |path: &str, login: &str| {
        use base64::Engine as _;
        let header = match login {
            "" => String::new(),
            pair => format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(pair)),
        };
        client.get(&serving.address, path, &header).unwrap()
    };
    let right = format!("ops@corp:{SECRET}@/%");
    for (path, login, status) in [
        (INDEX, "", 401),
        (INDEX, right.as_str(), 200),
        (INDEX, "ops@corp:", 401),
        (INDEX, "ops@corp", 401),
        (INDEX, &right[..right.len() - 1], 401),
        ("/v3.23/none", "", 401),
        ("/v3.23/none", &right, 404),
        ("/metrics", "", 401),
        ("/metrics", &right, 200),
        ("/", "", 401),
        ("/healthz", "", 200),
        ("/healthz?", "ops:wrong", 200),
        ("/%2e%2e/etc/passwd", "", 401),
    ] {
        let answer = get(path, login);
        assert_eq!(answer.status, status, "{path} {login}: {}", answer.head);
        let asks =
            answer.head.to_ascii_lowercase().contains("www-authenticate: basic realm=\"bivouac\", charset=\"utf-8\"");
        assert_eq!(asks, status == 401, "{path} {login}: {}", answer.head);
    }
    assert_eq!(get("/healthz", "").body, b"ok\n");
    // What somebody is called does not end the log's field.
    secret(&env, "secrets/users", "we \"b\\ [c]:pw\n");
    serving.hang_up();
    wait_until(|| get("/v3.23/called", "we \"b\\ [c]:pw").status == 404);
    let mut line = serving.logged();
    while !line.contains("/v3.23/called HTTP/1.1\" 404") {
        line = serving.logged();
    }
    assert!(line.starts_with(r"127.0.0.1 - we\x20\x22b\x5C\x20[c] ["), "{line}");
    // A changed file is taken up; one that others may read is not.
    secret(&env, "secrets/users", "new:pw\n");
    serving.hang_up();
    wait_until(|| get(INDEX, "new:pw").status == 200);
    assert_eq!(get(INDEX, &right).status, 401);
    env.write("secrets/users", b"third:pw\n");
    serving.hang_up();
    wait_until(|| serving.told().contains("is open to others (mode 0644); what was read before stays in use"));
    assert_eq!((get(INDEX, "new:pw").status, get(INDEX, "third:pw").status), (200, 401));
    assert!(!serving.told().contains(SECRET), "{}", serving.told());
}

/// Tries until it is so; a test that waits for ever is ended by whoever runs it.
fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_renewed_certificate_is_for_new_connections_and_the_old_ones_go_on() {
    let env = published(TLS);
    let serving = Serving::start(&env);
    let client = TlsClient::new(&env, None, &["http/1.1"]);
    let mut old = client.connect(&serving.address).unwrap();
    let first = old.shown();
    assert_eq!(old.ask(INDEX).status, 200);

    // As certbot does it: one file after the other. Until both are there the former pair serves.
    certificate(&env, "renewed", Kind::Good);
    let renewed = |ending: &str| std::fs::read(env.path(&format!("certificates/renewed.{ending}"))).unwrap();
    env.write("certificates/server.pem", &renewed("pem"));
    wait_until(|| {
        assert_eq!(client.connect(&serving.address).unwrap().shown(), first);
        serving.told().contains("do not belong together; what was read before stays in use")
    });
    // Told once, whoever comes and however often it is looked at.
    for _ in 0..3 {
        serving.hang_up();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(client.connect(&serving.address).unwrap().shown(), first);
    assert_eq!(serving.told().matches("do not belong together").count(), 1, "{}", serving.told());

    secret(&env, "certificates/server.key", &String::from_utf8(renewed("key")).unwrap());
    wait_until(|| client.connect(&serving.address).unwrap().shown() != first);
    assert_eq!(client.get(&serving.address, INDEX, "").unwrap().status, 200);
    assert_eq!(old.ask(INDEX).status, 200, "under the certificate that it was made with");
}

#[test]
fn the_daemon_serves_so_too_and_looks_when_it_is_told_to() {
    let port = super::free_port();
    let env = published(&format!("listen = \"127.0.0.1:{port}\"\n{TLS}"));
    let serving = Serving::by(&env, &["daemon"]);
    let client = TlsClient::new(&env, None, &[]);
    assert_eq!(client.get(&serving.address, INDEX, "").unwrap().status, 200);
    env.write("certificates/server.pem", b"half of it");
    serving.hang_up();
    // Nobody comes meanwhile.
    wait_until(|| serving.told().contains("holds no certificate in PEM form; what was read before stays in use"));
    assert_eq!(client.get(&serving.address, INDEX, "").unwrap().status, 200);
}

#[test]
fn http_2_brings_a_hundred_files_at_once() {
    let env = published(TLS);
    let serving = Serving::start(&env);
    let package = std::fs::read(env.path("packages/x86_64/c++tool-1.0-r0.apk")).unwrap();
    let config = TlsClient::new(&env, None, &["h2", "http/1.1"]).config();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let sender = http_2(config, [127, 0, 0, 1], &serving, 65_535).await;
        let url = format!("{}/v3.23/site/x86_64/c++tool-1.0-r0.apk", serving.url());
        let fetches: Vec<_> = (0..100).map(|_| tokio::spawn(fetch(sender.clone(), url.clone()))).collect();
        for fetched in fetches {
            let (status, bytes) = fetched.await.unwrap();
            assert_eq!(status, 200);
            assert!(bytes == package, "{} bytes of {}", bytes.len(), package.len());
        }
    });
    let line = serving.logged();
    assert!(line.contains(" \"GET /v3.23/site/x86_64/c++tool-1.0-r0.apk HTTP/"), "the target is a path: {line}");
}

/// A connection from this address, with so large a window for each reply.
async fn http_2(
    config: Arc<rustls::ClientConfig>,
    from: [u8; 4],
    serving: &Serving,
    window: u32,
) -> h2::client::SendRequest<bytes::Bytes> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let wire = socket.connect(serving.address.parse().unwrap()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, wire).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = h2::client::Builder::new().initial_window_size(window).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[test]
fn an_address_that_takes_nothing_of_all_it_may_ask_for_leaves_http_2_to_others() {
    let env = published(TLS);
    let serving = Serving::start(&env);
    let package = std::fs::read(env.path("packages/x86_64/c++tool-1.0-r0.apk")).unwrap();
    let config = TlsClient::new(&env, None, &["h2"]).config();
    let url = format!("{}/v3.23/site/x86_64/c++tool-1.0-r0.apk", serving.url());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut kept, mut statuses) = (Vec::new(), std::collections::BTreeMap::<u16, usize>::new());
        for _ in 0..11 {
            let greedy = http_2(config.clone(), [127, 0, 0, 2], &serving, 0).await;
            for _ in 0..97 {
                let request = hyper::Request::builder().uri(&url).body(()).unwrap();
                let (response, _) = greedy.clone().ready().await.unwrap().send_request(request, true).unwrap();
                let response = response.await.unwrap();
                *statuses.entry(response.status().as_u16()).or_default() += 1;
                kept.push(response);
            }
        }
        assert_eq!(statuses, [(200, 1024), (503, 11 * 97 - 1024)].into());
        let (status, bytes) = fetch(http_2(config, [127, 0, 0, 1], &serving, 65_535).await, url).await;
        assert!(status == 200 && bytes == package, "{status}");
    });
}

async fn fetch(sender: h2::client::SendRequest<bytes::Bytes>, url: String) -> (u16, Vec<u8>) {
    let request = hyper::Request::builder().uri(url).body(()).unwrap();
    let (response, _) = sender.ready().await.unwrap().send_request(request, true).unwrap();
    let response = response.await.unwrap();
    let (status, mut body, mut bytes) = (response.status().as_u16(), response.into_body(), Vec::new());
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (status, bytes)
}

#[test]
fn who_comes_without_tls_is_told_so_and_others_are_not_disturbed() {
    let env = published(TLS);
    let serving = Serving::start(&env);
    let mut wire = TcpStream::connect(&serving.address).unwrap();
    wire.write_all(b"GET /v3.23/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    wire.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    // Neither TLS nor HTTP.
    let mut wire = TcpStream::connect(&serving.address).unwrap();
    wire.write_all(b"\x00\x01\x02 nonsense\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = wire.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // One that stops in its handshake is nobody's trouble.
    let mut silent = TcpStream::connect(&serving.address).unwrap();
    silent.write_all(&[22, 3, 1, 0, 200]).unwrap();
    let client = TlsClient::new(&env, None, &[]);
    assert_eq!(client.get(&serving.address, INDEX, "").unwrap().status, 200);
}

#[test]
fn what_is_named_and_cannot_be_used_is_refused_before_anything_listens() {
    let env = published("");
    certificate(&env, "other", Kind::Good);
    let put = |name: &str, text: &str| drop(secret(&env, &format!("certificates/{name}"), text));
    let read = |name: &str| std::fs::read_to_string(env.path(&format!("certificates/{name}"))).unwrap();
    put("cut.pem", &read("server.pem")[..300]);
    put("cut.key", &read("server.key")[..100]);
    put("sealed.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
    put("both.pem", &(read("server.key") + &read("server.pem")));
    env.write("certificates/open.key", read("server.key").as_bytes());
    put("users", &format!("ops:$apr1${SECRET}"));
    put("chain.pem", &(read("ca.pem") + &read("server.pem")));
    let tls =
        |cert: &str, key: &str| format!("tls = {{ cert = \"certificates/{cert}\", key = \"certificates/{key}\" }}\n");
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    for (serve, exit, code, words) in [
        (tls("none.pem", "server.key"), 2, "serve-unreadable", "serve.tls.cert "),
        (tls("server.pem", "none.key"), 2, "serve-unreadable", "serve.tls.key "),
        (tls("server.pem", "other.key"), 2, "serve-cert-mismatch", "do not belong together"),
        (tls("chain.pem", "server.key"), 2, "serve-cert-mismatch", "the server's own certificate comes first"),
        (tls("server.key", "server.key"), 2, "serve-unusable", "server.key holds no certificate in PEM form"),
        (tls("cut.pem", "server.key"), 2, "serve-unusable", "cut.pem holds a certificate that is cut short or damaged"),
        (tls("server.pem", "cut.key"), 2, "serve-unusable", "cut.key holds no private key in PEM form"),
        (tls("server.pem", "sealed.key"), 2, "serve-unusable", "sealed.key is encrypted with a passphrase"),
        (tls("server.pem", "open.key"), 2, "serve-exposed", "hint: chmod 600 "),
        (
            tls("server.pem", "server.key") + "client_ca = \"certificates/cut.pem\"",
            2,
            "serve-unusable",
            "serve.client_ca",
        ),
        ("basic_file = \"certificates/users\"".to_owned(), 2, "serve-unusable", "users line 1: has a hash that is not"),
        ("basic_file = \"trusted\"".to_owned(), 2, "serve-exposed", "serve.basic_file"),
        ("client_ca = \"certificates/ca.pem\"".to_owned(), 2, "config-invalid", "serve.client_ca without serve.tls"),
    ] {
        env.write("bivouac.toml", format!("{text}{serve}").as_bytes());
        let ran = env.bivouac(&["serve", "--listen", "127.0.0.1:0"]);
        ran.exits_with(exit).tells(&[words]);
        assert!(!format!("{ran}").contains(SECRET) && !ran.stderr.contains("serving"), "{ran}");
        let told = env.bivouac(&["--json", "serve", "--listen", "127.0.0.1:0"]).exits_with(exit).json();
        assert_eq!(told["error"]["code"], code, "{serve}: {told}");
        // Everything else works on.
        if code != "config-invalid" {
            env.bivouac(&["status"]).exits_with(0);
        }
    }
    // One file may hold both.
    env.write("bivouac.toml", format!("{text}{}", tls("both.pem", "both.pem")).as_bytes());
    let serving = Serving::start(&env);
    assert_eq!(TlsClient::new(&env, None, &[]).get(&serving.address, INDEX, "").unwrap().status, 200);
}
