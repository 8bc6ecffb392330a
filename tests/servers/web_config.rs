//! What `web-config` prints, given to the real servers: each serves a tree whose path has spaces and quotes, and is asked by a
//! client of few words and by real apks.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, OURS, Package};
use super::{free_port, listens, program};

const PUBLIC: &str = "the \"public\" tree/alpine";

/// A running server. Dropping it ends it.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) port: u16,
    /// What stands before the tree's own paths in an address.
    pub(crate) prefix: &'static str,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A reply, its head in lower case.
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

impl Running {
    pub(crate) fn get(&self, path: &str, headers: &str) -> Reply {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let (port, prefix) = (self.port, self.prefix);
        let request =
            format!("GET {prefix}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        // Names alone: values keep their case.
        let lower = |line: &str| match line.split_once(':') {
            Some((name, value)) => format!("{}:{value}\n", name.to_ascii_lowercase()),
            None => format!("{line}\n"),
        };
        Reply { status, head: head.lines().map(lower).collect(), body: bytes[end + 4..].to_vec() }
    }
}

/// A published tree: `v3.23/site` never changes what it has, `v3.23/moving` may; `latest` leads to both.
fn published() -> Env {
    published_with("")
}

/// The same with more lines in its configuration.
pub(crate) fn published_with(more: &str) -> Env {
    let env = Env::new();
    let rest = format!(
        "store = \"store\"\npublic = '{PUBLIC}'\n\n[signing]\nkey = \"keys/{ours}\"\n\n\
         [sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{corp}\"]\n\n\
         [sources.night]\ndirectory = \"nightly\"\nkeyring = [\"trusted/{corp}\"]\nrebuilt = \"accept\"\n\n\
         [[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\n\
         [[repositories]]\nname = \"v3.23/moving\"\narches = [\"x86_64\"]\nfrom = [\"night\"]\n\n\
         [aliases]\nlatest = \"v3.23\"\n{more}",
        ours = OURS.name.trim_end_matches(".pub"),
        corp = CORP.name,
    );
    env.write("bivouac.toml", rest.as_bytes());
    add(&env, "packages", &Package::new("c++tool", "1.0-r0").with_noise(50_000));
    add(&env, "packages", &Package::new("tilde", "1.0~abc0123-r0"));
    add(&env, "nightly", &Package::new("nightly", "1-r0"));
    env.bivouac(&["sync"]).exits_with(0);
    env
}

fn add(env: &Env, folder: &str, package: &Package) -> PathBuf {
    let built = package.build(&CORP);
    env.write(&format!("{folder}/x86_64/{}", built.file), &built.bytes)
}

/// What `web-config` prints for `server`, listening on `port` of loopback.
fn printed(env: &Env, server: &str, port: u16) -> String {
    let listen = format!("127.0.0.1:{port}");
    let log = env.path("access.log");
    let arguments = ["web-config", server, "--listen", &listen, "--access-log", log.to_str().unwrap()];
    let ran = env.bivouac(&arguments);
    let json = env.bivouac(&[&["--json"], &arguments[..]].concat()).exits_with(0).json();
    assert_eq!(
        (json["server"].as_str(), json["text"].as_str()),
        (Some(server), Some(ran.exits_with(0).stdout.as_str()))
    );
    ran.stdout
}

/// Starts `server` with what is printed for it.
pub(crate) fn start(env: &Env, server: &'static str) -> Option<Running> {
    let binary = program(if server == "busybox-httpd" { "busybox" } else { server })?;
    // Somebody else may take a port between our look and the server's.
    for _ in 0..5 {
        let port = free_port();
        let mut command = command(env, server, &binary, port);
        command.env("HOME", env.path("home")).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(env.path("server.log")).unwrap());
        let mut child = command.spawn().unwrap();
        if listens(&mut child, &[port]) {
            let prefix = if server == "busybox-httpd" { "/alpine" } else { "" };
            return Some(Running { child, port, prefix });
        }
    }
    panic!("{server} does not start: {}", std::fs::read_to_string(env.path("server.log")).unwrap());
}

fn command(env: &Env, server: &str, binary: &PathBuf, port: u16) -> Command {
    let text = printed(env, server, port);
    let folder = env.path("web");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(binary);
    match server {
        "nginx" => {
            let around = "daemon off; master_process off; pid nginx.pid; error_log error.log;\nevents {}\nhttp {\n\
                          client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; \
                          scgi_temp_path t5;\ngzip on; gzip_types *;\n";
            env.write("web/nginx.conf", format!("{around}{text}}}\n").as_bytes());
            command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "start.log"]);
        }
        "lighttpd" => {
            let file = env.write("web/lighttpd.conf", text.as_bytes());
            command.arg("-D").arg("-f").arg(file);
        }
        "caddy" => {
            let file = env.write("web/Caddyfile", text.as_bytes());
            let adapted = Command::new(binary).arg("adapt").arg("--config").arg(file).output().unwrap();
            assert!(adapted.status.success(), "{}", String::from_utf8_lossy(&adapted.stderr));
            // Several of them run at once: none may take the port of administration.
            let mut json: serde_json::Value = serde_json::from_slice(&adapted.stdout).unwrap();
            json["admin"] = serde_json::json!({ "disabled": true });
            let file = env.write("web/caddy.json", json.to_string().as_bytes());
            command.arg("run").arg("--config").arg(file);
        }
        _ => {
            // The commands of its comments, on a folder of ours.
            let conf = env.write("web/httpd.conf", text.as_bytes());
            let steps: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
            let [mkdir, link, httpd] = steps[..] else { panic!("{steps:?}") };
            let script = format!("{mkdir} && {link} && exec {httpd}\n")
                .replace("/var/www/bivouac", env.path("www").to_str().unwrap())
                .replace("/etc/bivouac-httpd.conf", conf.to_str().unwrap());
            command.args(["ash", "-c", &script]);
        }
    }
    command
}

/// What every server must do.
fn serves_the_tree(env: &Env, web: &Running, server: &str) {
    let tree = env.path(PUBLIC);
    let file = |inside: &str| std::fs::read(tree.join(inside)).unwrap();
    let index = "/v3.23/site/x86_64/APKINDEX.tar.gz";
    let package = "/v3.23/site/x86_64/c++tool-1.0-r0.apk";

    // The bytes, whatever a client would like to have done to them.
    for path in [index, package, "/latest/site/x86_64/APKINDEX.tar.gz"] {
        let reply = web.get(path, "Accept-Encoding: gzip, br, zstd\r\n");
        assert_eq!(reply.status, 200, "{server} {path}: {}", reply.head);
        assert!(reply.body == file(&path[1..]), "{server} {path}: other bytes");
        assert_eq!(reply.header("content-type"), Some("application/octet-stream"), "{server} {path}");
        assert_eq!(reply.header("content-encoding"), None, "{server} {path}");
        assert!(reply.header("last-modified").is_some(), "{server} {path}");
    }
    // All spellings of a name.
    for (name, spellings) in [
        (
            "tilde-1.0~abc0123-r0.apk",
            ["tilde-1.0~abc0123-r0.apk", "tilde-1.0%7eabc0123-r0.apk", "tilde-1.0%7Eabc0123-r0.apk"],
        ),
        ("c++tool-1.0-r0.apk", ["c++tool-1.0-r0.apk", "c%2b%2btool-1.0-r0.apk", "c+%2Btool-1.0-r0.apk"]),
    ] {
        for spelling in spellings {
            let reply = web.get(&format!("/v3.23/site/x86_64/{spelling}"), "");
            assert!(
                reply.status == 200 && reply.body == file(&format!("v3.23/site/x86_64/{name}")),
                "{server} {spelling}"
            );
        }
    }
    // Ranges and conditions.
    let part = web.get(package, "Range: bytes=100-199\r\n");
    assert_eq!((part.status, part.body.as_slice()), (206, &file(&package[1..])[100..200]), "{server}");
    let tag = web.get(index, "").header("etag").expect("an ETag").to_owned();
    assert_eq!(web.get(index, &format!("If-None-Match: {tag}\r\n")).status, 304, "{server}");
    assert_eq!(web.get(index, "If-None-Match: \"other\"\r\n").status, 200, "{server}");
    // What is hidden is not to be had, neither is what lies beside the tree.
    for hidden in ["/.generations/", "/.generations/1/v3.23/site/x86_64/APKINDEX.tar.gz", "/%2egenerations/1/"] {
        let status = web.get(hidden, "").status;
        assert!(matches!(status, 403 | 404), "{server} {hidden}: {status}");
    }
    for out in ["/../../bivouac.toml", "/..%2f..%2fbivouac.toml", "/v3.23/../../../bivouac.toml"] {
        let reply = web.get(out, "");
        assert!(matches!(reply.status, 400 | 403 | 404), "{server} {out}: {}", reply.status);
    }
    // apk follows no other redirect.
    let folder = web.get("/v3.23", "");
    assert!(matches!(folder.status, 301..=303), "{server}: {}", folder.head);
    let location = folder.header("location").unwrap();
    assert!(location.ends_with(&format!("{}/v3.23/", web.prefix)), "{server}: {location}");
    assert_eq!(web.get("/v3.23/site/x86_64/none-1-r0.apk", "").status, 404, "{server}");
}

/// How long caches may keep what.
fn tells_caches(web: &Running, server: &str) {
    let kept = |path: &str| {
        let reply = web.get(path, "");
        (reply.status, reply.header("cache-control").map(str::to_owned))
    };
    let asks = (200, Some("no-cache".to_owned()));
    for path in ["v3.23/site", "latest/site", "v3.23/moving"] {
        assert_eq!(kept(&format!("/{path}/x86_64/APKINDEX.tar.gz")), asks, "{server} {path}");
    }
    for path in ["v3.23/moving", "latest/moving"] {
        assert_eq!(kept(&format!("/{path}/x86_64/nightly-1-r0.apk")), asks, "{server} {path}");
    }
    let for_good = if server == "lighttpd" { "max-age=31536000" } else { "public, max-age=31536000, immutable" };
    for path in ["v3.23/site", "latest/site"] {
        let kept = kept(&format!("/{path}/x86_64/c++tool-1.0-r0.apk"));
        assert_eq!(kept, (200, Some(for_good.to_owned())), "{server} {path}");
    }
    // A package that comes tomorrow must not be missing for a year.
    let (status, missing) = kept("/v3.23/site/x86_64/none-1-r0.apk");
    assert_eq!(status, 404, "{server}");
    assert!(missing.is_none_or(|kept| kept == "no-cache"), "{server}");
    // Pages of folders name what can be asked for.
    let page = web.get("/v3.23/site/x86_64/", "");
    let page_text = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.status == 200 && page_text.contains("APKINDEX.tar.gz"), "{server}: {}", page.head);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{server}");
}

fn serves(server: &'static str) {
    let env = published();
    let Some(web) = start(&env, server) else { return };
    serves_the_tree(&env, &web, server);
    if server != "busybox-httpd" {
        tells_caches(&web, server);
    }
    // nginx and lighttpd write the combined format.
    if matches!(server, "nginx" | "lighttpd") {
        let mut log = String::new();
        // lighttpd writes what it has each second, nginx at once.
        for _ in 0..100 {
            log = std::fs::read_to_string(env.path("access.log")).unwrap_or_default();
            if log.contains("none-1-r0.apk") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let line = log.lines().find(|line| line.contains("none-1-r0.apk")).unwrap_or_else(|| panic!("{server}: {log}"));
        assert!(line.starts_with("127.0.0.1 - - ["), "{server}: {line}");
        assert!(line.contains("] \"GET /v3.23/site/x86_64/none-1-r0.apk HTTP/1.1\" 404 "), "{server}: {line}");
        assert!(line.ends_with("\"-\" \"-\""), "{server}: {line}");
    }

    real_clients_install(&env, &web, server);

    // The next generation, from the first request on.
    let before = web.get("/v3.23/site/x86_64/APKINDEX.tar.gz", "");
    let hello = add(&env, "packages", &Package::new("hello", "1.0-r0"));
    env.bivouac(&["sync"]).exits_with(0);
    let after = web.get("/v3.23/site/x86_64/APKINDEX.tar.gz", "");
    assert!(before.body != after.body, "{server} shows the former generation");
    assert!(
        after.body == std::fs::read(env.path(PUBLIC).join("v3.23/site/x86_64/APKINDEX.tar.gz")).unwrap(),
        "{server}"
    );
    assert_ne!(before.header("etag"), after.header("etag"), "{server}");
    let package = web.get("/v3.23/site/x86_64/hello-1.0-r0.apk", "");
    assert!(package.body == std::fs::read(hello).unwrap(), "{server}: {}", package.head);
}

fn real_clients_install(env: &Env, web: &Running, server: &str) {
    let Some(real) = real_alpine() else { return };
    let repository = format!("http://127.0.0.1:{}{}/v3.23/moving", web.port, web.prefix);
    let site = format!("http://127.0.0.1:{}{}/latest/site", web.port, web.prefix);
    for client in &CLIENTS {
        let key = env.path(&format!("keys/{}", OURS.name));
        let machine = client.machine(&real, "x86_64", &[key], &[repository.clone(), site.clone()]);
        machine.updates_to(3);
        machine.fetches("c++tool", &env.path("packages/x86_64/c++tool-1.0-r0.apk"));
        let installed = machine.adds(&["c++tool", "nightly"]);
        assert_eq!(installed, ["c++tool", "nightly"], "{server}");
    }
}

#[test]
fn nginx_serves_the_tree() {
    serves("nginx");
}

#[test]
fn lighttpd_serves_the_tree() {
    serves("lighttpd");
}

#[test]
fn caddy_serves_the_tree() {
    serves("caddy");
}

#[test]
fn busybox_httpd_serves_the_tree() {
    serves("busybox-httpd");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let env = Env::new();
    env.write(
        "bivouac.toml",
        b"store = \"store\"\npublic = 'a$b/c{d}'\n[sources.corp]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\
          [[repositories]]\nname = \"site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\nindex = \"ours\"\n\
          [signing]\nkey = \"keys/none.rsa\"\n",
    );
    for (arguments, word) in [
        (&["web-config", "nginx"][..], "$b/c{d} cannot be written into a configuration of nginx"),
        (&["web-config", "caddy"], "cannot be written into a configuration of caddy"),
        (&["web-config", "busybox-httpd"], "would have to be escaped in every address"),
        (&["web-config", "busybox-httpd", "--tls-cert", "c", "--tls-key", "k"], "speaks no TLS"),
        (&["web-config", "nginx", "--server-name", "a;b"], "not a host name"),
        (&["web-config", "nginx", "--listen", "0"], "neither a port"),
        (&["web-config", "apache"], "invalid value 'apache'"),
        (&["web-config", "nginx", "--tls-cert", "c"], "--tls-key"),
    ] {
        env.bivouac(arguments).exits_with(2).tells(&[word]);
    }
    // Nothing there means anything to lighttpd.
    assert!(env.bivouac(&["web-config", "lighttpd"]).exits_with(0).stdout.contains("a$b/c{d}\"\n"));
}
