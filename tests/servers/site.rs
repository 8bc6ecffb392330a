//! The pages of `bivouac serve`, as they come over the wire.

use std::io::Write as _;
use std::process::Command;

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, OURS, Package, UPSTREAM, signed, unsigned_index};
use super::program;
use super::served::{Served, get};
use super::upstream::Fault;

const PATH: &str = "/alpine/v3.23/main/x86_64";

fn put(env: &Env, packages: &[(&str, &str)], build: u32) {
    let built: Vec<_> = packages.iter().map(|(name, version)| Package::new(name, version).build(&UPSTREAM)).collect();
    for package in &built {
        env.upstream.put(&format!("{PATH}/{}", package.file), package.bytes.clone());
    }
    let entries: Vec<&str> = built.iter().map(|package| package.entry.as_str()).collect();
    let index = unsigned_index(&entries, &format!("v3.23.0-{build}-g0123456789"));
    env.upstream.put(&format!("{PATH}/APKINDEX.tar.gz"), signed(&index, &[&UPSTREAM]));
}

fn configured() -> Env {
    let env = Env::new();
    env.configure(&format!(
        "[sources.up]\nurl = [\"{{upstream}}/alpine\"]\nkeyring = [\"trusted/{}\"]\n\n\
         [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n",
        UPSTREAM.name
    ));
    env
}

#[track_caller]
fn page(server: &Served, path: &str, status: u16) -> String {
    let answer = server.get(path);
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, status, "{path}: {text}");
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{path}: {head}");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
    assert!(head.contains("cache-control: no-store"), "{path}: {head}");
    text
}

#[track_caller]
fn has(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "no {wanted:?} in {text}");
    }
}

#[test]
fn pages_tell_what_is_live_as_soon_as_it_is() {
    let env = configured();
    let server = Served::start(&env);
    for path in ["/", "/search", "/package?name=hello", "/snapshots", "/files"] {
        let text = page(&server, path, 503);
        has(&text, &["Nothing is published yet"]);
    }
    put(&env, &[("hello", "1.0-r0"), ("bye", "1.0-r0")], 1);
    env.bivouac(&["sync"]).exits_with(0);
    has(
        &page(&server, "/", 200),
        &["v3.23/main", "Its index is fresh.", "2 packages", "generation 1", "1 run of sync"],
    );
    has(&page(&server, "/search?q=HELLO", 200), &["package?name=hello", "1.0-r0"]);
    has(&page(&server, "/search?q=nothing-of-it", 200), &["No name"]);

    put(&env, &[("hello", "1.1-r0")], 2);
    env.bivouac(&["sync"]).exits_with(0);
    let text = page(&server, "/package?name=hello", 200);
    has(
        &text,
        &["hello <span class=\"version\">1.1-r0</span>", "v3.23/main/x86_64/hello-1.1-r0.apk", "Why is it mirrored?"],
    );
    assert_eq!(server.get("/v3.23/main/x86_64/hello-1.1-r0.apk").status, 200);
    page(&server, "/package?name=bye", 404);
    has(&page(&server, "/why?name=hello", 200), &["all of source", "up"]);
    page(&server, "/why?name=bye", 404);
    has(&page(&server, "/snapshots", 200), &["name=\"from\" value=\"1\"", "name=\"to\" value=\"2\"", "live"]);
    has(&page(&server, "/diff?from=1&to=2", 200), &["1 removed, 1 upgraded", "1.0-r0", "1.1-r0", "bye"]);
    for path in ["/diff", "/diff?from=1&to=77", "/diff?from=x&to=y", "/why?name=../etc", "/why?name=nothing-of-it"] {
        page(&server, path, 404);
    }
    has(&page(&server, "/v3.23/main/", 200), &["href=\"./x86_64/\"", "href=\"../../style.css\"", "href=\"../\""]);
    has(&page(&server, "/files", 200), &["href=\"./v3.23/\""]);
    // A rollback is told to whoever looks.
    env.bivouac(&["rollback", "1"]).exits_with(0);
    has(&page(&server, "/", 200), &["Publishing is held", "2 packages"]);
    has(&page(&server, "/why?name=bye", 200), &["from an earlier state"]);
}

#[test]
fn the_first_page_says_what_is_wrong_and_goes_on_where_something_cannot_be_read() {
    let env = configured();
    put(&env, &[("hello", "1.0-r0")], 1);
    env.bivouac(&["sync"]).exits_with(0);
    let server = Served::start(&env);
    // The private key is wanted by a sync alone.
    std::fs::rename(env.path("keys"), env.path("away")).unwrap();
    for path in ["/", "/setup"] {
        has(&page(&server, path, 200), &[OURS.name, "/v3.23/main"]);
    }
    assert_eq!(server.get("/setup.sh").status, 200);
    std::fs::rename(env.path("away"), env.path("keys")).unwrap();

    env.upstream.fail_always(&format!("{PATH}/APKINDEX.tar.gz"), Fault::Status(404));
    env.bivouac(&["sync"]).exits_with(4);
    let text = page(&server, "/", 200);
    has(
        &text,
        &["2 things are not as they should be", "the last attempt failed", "the last sync, just now: upstream away"],
    );
    assert!(!text.contains(&env.upstream.url()), "the operator's addresses are nobody's affair: {text}");
    // Damage that a check found.
    let object = env.files_below("store/pool/objects").pop().unwrap();
    let mut permissions = std::fs::metadata(&object).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&object, permissions).unwrap();
    std::fs::write(&object, "rubbish").unwrap();
    env.bivouac(&["check"]).exits_with(5);
    has(
        &page(&server, "/", 200),
        &["Trouble", "1 package is damaged on the server", "the last check, just now: damage found"],
    );

    // A record that cannot be read takes its own part of the page away, and is not shown.
    let record = env.files_below("store").into_iter().find(|path| path.ends_with("accepted.json")).unwrap();
    std::fs::write(&record, "x{").unwrap();
    let text = page(&server, "/", 200);
    has(&text, &["The state cannot be told (", "The server's log says why", "Last runs", "/v3.23/main", OURS.name]);
    assert!(!text.contains("store/"), "{text}");
}

#[test]
fn behind_another_server_clients_are_told_its_address() {
    let env = Env::new();
    env.configure(&format!(
        "[sources.up]\nurl = [\"{{upstream}}/alpine\"]\nkeyring = [\"trusted/{}\"]\n\n\
         [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n\n\
         [serve]\nurl = \"https://mirror.example/alpine/\"\n",
        UPSTREAM.name
    ));
    put(&env, &[("hello", "1.0-r0")], 1);
    env.bivouac(&["sync"]).exits_with(0);
    let server = Served::start(&env);
    let text = page(&server, "/setup", 200);
    has(
        &text,
        &["https://mirror.example/alpine/v3.23/main", "wget -O setup.sh https://mirror.example/alpine/setup.sh"],
    );
    assert!(!text.contains("plain HTTP"), "{text}");
    let script = String::from_utf8(server.get("/setup.sh").body).unwrap();
    has(&script, &["line 'v3.23' 'https://mirror.example/alpine/v3.23/main'"]);
    // What the operator compares it with, byte for byte.
    assert_eq!(env.bivouac(&["client", "--script"]).exits_with(0).stdout, script);
    // Wherever the folder stands, its slash is added there.
    let head = server.get("/v3.23/main").head.to_ascii_lowercase();
    assert!(head.contains("location: ./main/"), "{head}");
    // A name by which nobody is called gets no script.
    let mut wire = std::net::TcpStream::connect(&server.address).unwrap();
    write!(wire, "GET /setup.sh HTTP/1.0\r\n\r\n").unwrap();
    assert!(std::io::read_to_string(wire).unwrap().contains("200 OK"), "the configured address is known without it");
}

#[test]
fn what_is_not_published_is_not_told() {
    let env = Env::new();
    env.configure(&format!(
        "[sources.up]\nurl = [\"{{upstream}}/alpine\"]\nkeyring = [\"trusted/{}\"]\n\n\
         [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\nexclude = [\"secret-*\"]\n",
        UPSTREAM.name
    ));
    put(&env, &[("hello", "1.0-r0")], 1);
    env.bivouac(&["sync"]).exits_with(0);
    put(&env, &[("hello", "1.1-r0"), ("secret-launch", "1-r0")], 2);
    env.bivouac(&["sync"]).exits_with(0);
    let server = Served::start(&env);
    let snapshots = env.bivouac(&["--json", "snapshots"]).exits_with(0).json();
    let id = |at: usize| snapshots[at]["id"].as_str().unwrap();
    for path in [
        "/search?q=secret".to_owned(),
        "/why?name=secret-launch".to_owned(),
        "/why?name=hello".to_owned(),
        "/diff?from=1&to=2".to_owned(),
        format!("/diff?from={}&to={}", id(1), id(0)),
        format!("/diff?from={}&to={}", &id(1)[..4], &id(0)[..16]),
    ] {
        let text = String::from_utf8(server.get(&path).body).unwrap();
        assert!(
            !text.contains("launch-1") && !text.contains("secret-*") && !text.contains(">secret-launch"),
            "{path}: {text}"
        );
    }
}

#[test]
fn what_was_asked_is_shown_as_text() {
    let env = configured();
    put(&env, &[("hello", "1.0-r0")], 1);
    env.bivouac(&["sync"]).exits_with(0);
    let server = Served::start(&env);
    let wicked = "%3Cscript%3Ealert(1)%3C/script%3E%22%27";
    for (path, status) in [
        (format!("/search?q={wicked}"), 200),
        (format!("/package?name={wicked}"), 404),
        (format!("/why?name={wicked}"), 404),
    ] {
        let text = page(&server, &path, status);
        assert!(!text.contains("<script>alert"), "{text}");
        assert!(text.contains("&lt;script&gt;alert"), "{text}");
    }
    // A host that is no host is not printed for people to copy.
    let mut wire = std::net::TcpStream::connect(&server.address).unwrap();
    write!(wire, "GET /setup HTTP/1.1\r\nHost: a'$(id)\"<b>\r\nConnection: close\r\n\r\n").unwrap();
    let text = std::io::read_to_string(wire).unwrap();
    assert!(text.contains("http://SERVER/v3.23/main") && !text.contains("$(id)"), "{text}");
    for (path, kind) in [("/style.css", "text/css"), ("/copy.js", "text/javascript"), ("/icon.svg", "image/svg+xml")] {
        let answer = get(&server.address, path);
        assert_eq!(answer.status, 200, "{path}");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains(kind) && head.contains("cache-control: max-age=3600"), "{head}");
    }
}

#[test]
fn a_folder_of_the_tree_that_is_called_like_a_page_is_still_there() {
    let env = Env::new();
    env.configure(&format!(
        "[sources.up]\nurl = [\"{{upstream}}/alpine\"]\nkeyring = [\"trusted/{}\"]\n\n\
         [[repositories]]\nname = \"search\"\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n",
        UPSTREAM.name
    ));
    put(&env, &[("hello", "1.0-r0")], 1);
    env.bivouac(&["sync"]).exits_with(0);
    let server = Served::start(&env);
    assert_eq!(server.get("/search/x86_64/APKINDEX.tar.gz").status, 200);
    has(&page(&server, "/search/", 200), &["./x86_64/"]);
    has(&page(&server, "/search", 200), &["All packages"]);
}

/// Two lines from the page, and a machine is done: also one with the arch first in its lines.
#[test]
fn real_clients_set_themselves_up_from_the_server() {
    let Some(busybox) = program("busybox") else { return };
    let Some(real) = real_alpine() else { return };
    let env = Env::new();
    let ours = OURS.name.trim_end_matches(".pub");
    env.write(
        "bivouac.toml",
        format!(
            "store = \"store\"\npublic = \"site/alpine\"\n\n[signing]\nkey = \"keys/{ours}\"\n\n\
             [sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/{}\"]\n\n\
             [[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\n\
             [[repositories]]\nname = \"{{arch}}/main\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n",
            CORP.name
        )
        .as_bytes(),
    );
    let hello = Package::new("hello", "1.0-r0").build(&CORP);
    env.write(&format!("packages/x86_64/{}", hello.file), &hello.bytes);
    env.bivouac(&["sync"]).exits_with(0);
    let server = Served::start(&env);
    let text = String::from_utf8(server.get("/setup").body).unwrap();
    has(&text, &["/setup.sh\n", "/ARCH/main", "apk --print-arch", "plain HTTP"]);
    let fingerprint = text.split("sh setup.sh ").nth(1).unwrap().split('<').next().unwrap().to_owned();

    // As busybox's wget asks, under the name that the client knows the server by.
    let fetch = |file: &std::path::Path| {
        let url = format!("http://{}/setup.sh", server.address);
        let fetched = Command::new(&busybox).args(["wget", "-q", "-O"]).arg(file).arg(url).status().unwrap();
        assert!(fetched.success());
    };
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &[], &[]);
        let script = env.path("setup.sh");
        fetch(&script);
        let mut run = Command::new(&busybox);
        run.arg("ash").arg(&script).arg("--root").arg(machine.file("")).args(["--branch", "v3.23"]).arg(&fingerprint);
        let output = run.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let lines = std::fs::read_to_string(machine.file("etc/apk/repositories")).unwrap();
        has(&lines, &[&format!("http://{}/x86_64/main\n", server.address), "/v3.23/site\n"]);
        machine.updates_to(1);
        assert_eq!(machine.adds(&["hello"]), ["hello"]);
    }
}
