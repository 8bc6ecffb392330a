use std::io::{Read as _, Write as _};
use std::net::TcpStream as Wire;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use super::*;
use crate::serve::{Access, Cut};

mod bad_input;

/// 2026-11-24 00:00:00 UTC.
const NOW: u64 = 1_795_478_400;

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl AccessLog for Lines {
    fn answered(&self, access: &Access) {
        self.0.lock().unwrap().push(access.to_string());
    }
}

struct Site {
    root: tempfile::TempDir,
    address: SocketAddr,
    lines: Lines,
    traffic: Arc<Traffic>,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn new(limits: Limits) -> Site {
        let root = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let lines = Lines::default();
        let log = Box::new(lines.clone());
        let any = "127.0.0.1:0".parse().unwrap();
        let server = runtime.block_on(Server::listen(any, root.path().join("public"), limits, clock, log)).unwrap();
        let address = server.address();
        let traffic = Arc::<Traffic>::default();
        runtime.spawn(server.counting(Arc::clone(&traffic)).run());
        Site { root, address, lines, traffic, _runtime: runtime }
    }

    /// The log's lines, once one of them says `words`: what becomes of a connection is known a moment after it ended.
    fn logged(&self, words: &str) -> Vec<String> {
        until(|| {
            let lines = self.lines.0.lock().unwrap();
            lines.iter().any(|line| line.contains(words)).then(|| lines.clone())
        })
    }

    fn cuts(&self, why: Cut) -> u64 {
        self.traffic.cuts().find(|(cut, _)| *cut == why).unwrap().1
    }

    /// A site with generation 1 live: `v3.23/main/x86_64/a~1+b.apk` holds 0..=9, `APKINDEX.tar.gz` is of an hour ago.
    fn published() -> Site {
        Site::with(Limits::default())
    }

    /// The same with other limits.
    fn with(limits: Limits) -> Site {
        let site = Site::new(limits);
        site.put("1", "a~1+b.apk", &(0..10).collect::<Vec<u8>>());
        site.put("1", "APKINDEX.tar.gz", b"one");
        site.switch("1");
        site
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn put(&self, generation: &str, name: &str, content: &[u8]) {
        let folder = self.root.path().join(".generations").join(generation).join("v3.23/main/x86_64");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), content).unwrap();
        let file = std::fs::File::options().write(true).open(folder.join(name)).unwrap();
        file.set_modified(clock() - Duration::from_secs(3600)).unwrap();
    }

    /// A link beside the files of a generation.
    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn link(&self, generation: &str, name: &str, to: &str) {
        let folder = self.root.path().join(".generations").join(generation).join("v3.23/main/x86_64");
        std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    }

    /// A file beside the public link, which nobody is to see.
    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn outside(&self, name: &str, content: &[u8]) {
        std::fs::write(self.root.path().join(name), content).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn remove(&self, generation: &str) {
        std::fs::remove_dir_all(self.root.path().join(".generations").join(generation)).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn switch(&self, generation: &str) {
        let new = self.root.path().join("new");
        std::os::unix::fs::symlink(format!(".generations/{generation}"), &new).unwrap();
        std::fs::rename(new, self.root.path().join("public")).unwrap();
    }

    /// Sends a request's head and reads to the end of the connection.
    fn raw(&self, head: &str) -> (String, Vec<u8>) {
        let mut wire = Wire::connect(self.address).unwrap();
        wire.write_all(head.as_bytes()).unwrap();
        let mut reply = Vec::new();
        wire.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a reply has a head");
        let body = reply.split_off(end + 4);
        (String::from_utf8(reply).unwrap().to_ascii_lowercase(), body)
    }

    fn ask(&self, method: &str, target: &str, headers: &str) -> (String, Vec<u8>) {
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    }

    fn get(&self, target: &str, headers: &str) -> (String, Vec<u8>) {
        self.ask("GET", target, headers)
    }
}

/// What `look` finds in the end.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never came");
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn a_package_goes_out_as_it_is() {
    let site = Site::published();
    for target in ["/v3.23/main/x86_64/a~1+b.apk", "/v3.23/main/x86_64/a%7e1+b.apk", "/v3.23/main/x86_64/a%7E1%2Bb.apk"]
    {
        let (head, body) = site.get(target, "Accept-Encoding: gzip, br\r\n");
        assert_eq!(status(&head), 200, "{target}");
        assert_eq!(body, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(field(&head, "content-type"), Some("application/octet-stream"));
        assert_eq!(field(&head, "content-length"), Some("10"));
        assert_eq!(field(&head, "content-encoding"), None);
        assert_eq!(field(&head, "last-modified"), Some("mon, 23 nov 2026 23:00:00 gmt"));
        assert_eq!(field(&head, "cache-control"), Some("public, max-age=31536000, immutable"));
        assert!(field(&head, "etag").is_some());
    }
}

#[test]
fn a_download_is_gone_on_with_only_where_it_is_still_that_file() {
    let site = Site::published();
    let target = "/v3.23/main/x86_64/a~1+b.apk";
    let (head, _) = site.get(target, "");
    let etag = field(&head, "etag").unwrap();
    let (head, body) = site.get(target, &format!("If-Match: {etag}\r\nRange: bytes=8-\r\n"));
    assert_eq!((status(&head), body.as_slice()), (206, &[8, 9][..]));
    let (head, body) = site.get(target, "If-Match: \"other\"\r\nRange: bytes=8-\r\n");
    assert_eq!((status(&head), body.as_slice()), (412, &b""[..]));
    // A range is for GET alone; and nobody is two hosts.
    let (head, _) = site.ask("HEAD", target, "Range: bytes=8-\r\n");
    assert_eq!((status(&head), field(&head, "content-length")), (200, Some("10")));
    assert_eq!(status(&site.get(target, "Host: y\r\n").0), 400);
}

#[test]
fn head_has_the_length_and_no_body() {
    let site = Site::published();
    let (head, body) = site.ask("HEAD", "/v3.23/main/x86_64/a~1+b.apk", "");
    assert_eq!((status(&head), field(&head, "content-length")), (200, Some("10")));
    assert_eq!(body, b"");
}

#[test]
fn a_range_is_sent_and_an_impossible_one_refused() {
    let site = Site::published();
    let target = "/v3.23/main/x86_64/a~1+b.apk";
    let (head, body) = site.get(target, "Range: bytes=3-\r\n");
    assert_eq!((status(&head), field(&head, "content-range")), (206, Some("bytes 3-9/10")));
    assert_eq!(body, [3, 4, 5, 6, 7, 8, 9]);
    let (head, body) = site.get(target, "Range: bytes=10-\r\n");
    assert_eq!((status(&head), field(&head, "content-range")), (416, Some("bytes */10")));
    assert_eq!(body, b"");
}

#[test]
fn a_client_whose_clock_runs_ahead_gets_the_index() {
    let site = Site::published();
    let target = "/v3.23/main/x86_64/APKINDEX.tar.gz";
    let (head, body) = site.get(target, "If-Modified-Since: Mon, 23 Nov 2026 23:30:00 GMT\r\n");
    assert_eq!((status(&head), body.as_slice()), (304, &b""[..]));
    let (head, body) = site.get(target, "If-Modified-Since: Tue, 24 Nov 2026 00:30:00 GMT\r\n");
    assert_eq!((status(&head), body.as_slice()), (200, &b"one"[..]));
    let (head, _) = site.get(target, "");
    assert_eq!(field(&head, "cache-control"), Some("no-cache"));
    let etag = field(&head, "etag").unwrap();
    let (head, _) = site.get(target, &format!("If-None-Match: {etag}\r\n"));
    assert_eq!(status(&head), 304);
}

#[test]
fn nothing_outside_the_tree_is_served() {
    let site = Site::published();
    for target in [
        "/../.generations/1/v3.23/main/x86_64/a~1+b.apk",
        "/%2e%2e/.generations/",
        "/v3.23/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/.generations/1/",
        "/v3.23%00/main/",
        "/v3.23/main/x86_64/a~1+b.apk/",
        "/nothing",
    ] {
        let (head, _) = site.get(target, "");
        assert_eq!(status(&head), 404, "{target}");
    }
    assert_eq!(status(&site.get("/%zz", "").0), 400);
    assert_eq!(status(&site.ask("PUT", "/x", "Content-Length: 0\r\n").0), 405);
    assert_eq!(status(&site.ask("POST", "/v3.23/", "Content-Length: 0\r\n").0), 405);
}

#[test]
fn folders_are_pages_below_their_slash() {
    let site = Site::published();
    let (head, _) = site.get("//v3.23", "");
    assert_eq!((status(&head), field(&head, "location")), (301, Some("/v3.23/")));
    let (head, body) = site.get("/v3.23/main/x86_64/", "");
    assert_eq!(status(&head), 200);
    let page = String::from_utf8(body).unwrap();
    assert!(page.contains("<a href=\"./a~1+b.apk\">a~1+b.apk</a>"), "{page}");
}

#[test]
fn a_request_sees_the_generation_that_is_live() {
    let site = Site::new(Limits::default());
    let target = "/v3.23/main/x86_64/APKINDEX.tar.gz";
    let (head, _) = site.get(target, "");
    assert_eq!(status(&head), 503);
    for generation in ["1", "2"] {
        site.put(generation, "APKINDEX.tar.gz", generation.as_bytes());
        site.switch(generation);
        let (_, body) = site.get(target, "");
        assert_eq!(body, generation.as_bytes());
    }
}

#[test]
fn a_reply_that_is_under_way_survives_a_switch() {
    let site = Site::published();
    let big: Vec<u8> = (0..32_u32 << 20).map(|at| (at % 251) as u8).collect();
    site.put("1", "big.apk", &big);
    let mut wire = Wire::connect(site.address).unwrap();
    wire.write_all(b"GET /v3.23/main/x86_64/big.apk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut first = [0; 1];
    wire.read_exact(&mut first).unwrap();
    site.put("2", "big.apk", b"other");
    site.switch("2");
    let mut rest = Vec::new();
    wire.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&big));
}

#[test]
fn further_connections_wait_while_all_are_busy() {
    let site = Site::new(Limits { connections: 1, ..Limits::default() });
    site.put("1", "big.apk", &vec![0; 64 << 20]);
    site.switch("1");
    let mut first = Wire::connect(site.address).unwrap();
    first.write_all(b"GET /v3.23/main/x86_64/big.apk HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 1]).unwrap();
    let mut second = Wire::connect(site.address).unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut byte = [0; 1];
    assert!(second.read(&mut byte).is_err(), "the first connection holds the only place");
    drop(first);
    second.set_read_timeout(None).unwrap();
    assert_eq!(second.read(&mut byte).unwrap(), 1);
}

#[test]
fn a_client_that_sends_no_head_is_cut_off() {
    let site = Site::new(Limits { head: Duration::from_millis(50), ..Limits::default() });
    let mut wire = Wire::connect(site.address).unwrap();
    wire.write_all(b"GET / HT").unwrap();
    let mut reply = Vec::new();
    wire.read_to_end(&mut reply).unwrap();
    assert!(!reply.starts_with(b"HTTP/1.1 2"));
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let pace = Pace { least: 1, within: Duration::from_millis(50) };
    let site = Site::new(Limits { pace, connections: 1, ..Limits::default() });
    site.put("1", "big.apk", &vec![0; 64 << 20]);
    site.switch("1");
    let mut idle = Wire::connect(site.address).unwrap();
    idle.write_all(b"GET /v3.23/main/x86_64/big.apk HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // Its place becomes free although it neither reads nor leaves.
    let (head, _) = site.get("/", "");
    assert_eq!(status(&head), 200);
    drop(idle);
}

#[test]
fn the_log_is_in_the_combined_format() {
    let site = Site::published();
    site.get("/v3.23/\"x", "User-Agent: libfetch/2.0\r\n");
    site.get("/v3.23/main/x86_64/a%7e1+b.apk", "User-Agent: a\"b\r\nRange: bytes=0-3\r\n");
    let lines = site.logged("206");
    assert_eq!(
        lines.last().unwrap(),
        "127.0.0.1 - - [24/Nov/2026:00:00:00 +0000] \"GET /v3.23/main/x86_64/a%7e1+b.apk HTTP/1.1\" 206 4 \"-\" \"a\\x22b\""
    );
}

#[test]
fn the_log_tells_the_protocol_and_what_was_sent() {
    let site = Site::published();
    site.raw("GET /v3.23/main/x86_64/APKINDEX.tar.gz HTTP/1.0\r\n\r\n");
    site.ask("HEAD", "/v3.23/main/x86_64/a~1+b.apk", "");
    let lines = site.logged("HEAD");
    assert!(lines[0].ends_with("APKINDEX.tar.gz HTTP/1.0\" 200 3 \"-\" \"-\""), "{lines:?}");
    assert!(lines[1].ends_with("a~1+b.apk HTTP/1.1\" 200 0 \"-\" \"-\""), "{lines:?}");
}

#[test]
fn what_was_served_is_counted() {
    let site = Site::published();
    site.get("/v3.23/main/x86_64/a~1+b.apk", "");
    site.get("/v3.23/main/x86_64/none.apk", "");
    site.get("/v3.23/main/x86_64/APKINDEX.tar.gz", "");
    site.get("/v3.23/main/", "");
    until(|| (site.traffic.open() == 0).then_some(()));
    let counted: Vec<_> = site
        .traffic
        .requests()
        .filter(|(_, _, count)| *count > 0)
        .map(|(kind, class, count)| (kind.word(), class, count))
        .collect();
    assert_eq!(counted, [("index", 2, 1), ("package", 2, 1), ("package", 4, 1), ("page", 2, 1)]);
    // "not found\n" was sent, too.
    assert_eq!(site.traffic.bytes().map(|(_, bytes)| bytes).take(2).collect::<Vec<_>>(), [3, 20]);
    assert_eq!((site.traffic.accepted(), site.traffic.latencies().count), (4, 4));
}

#[test]
fn limits_follow_from_how_many_files_may_be_open() {
    let within = |files| Limits::default().within(files).connections;
    assert_eq!((within(u64::MAX), within(12_416), within(1024)), (4096, 4096, 298));
    assert_eq!(within(64), 1);
}
