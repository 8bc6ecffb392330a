//! What clients send, or leave undone, to have more than their share: each is bounded, told, and felt by nobody else.

use super::*;

const APK: &str = "/v3.23/main/x86_64/a~1+b.apk";

/// Somebody else is served meanwhile.
fn others_are_served(site: &Site) {
    assert_eq!(status(&site.get(APK, "").0), 200);
}

#[test]
fn slow_loris() {
    const MANY: usize = 40;
    let site = Site::with(Limits { head: Duration::from_millis(400), ..Limits::default() });
    let mut wires: Vec<Wire> = (0..MANY)
        .map(|_| {
            let mut wire = Wire::connect(site.address).unwrap();
            wire.write_all(b"GET /v3.23/ HTTP/1.1\r\nHost: x\r\nX-A").unwrap();
            wire.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            wire
        })
        .collect();
    // A byte from each now and then, which a bound on silence alone would take for life.
    let mut rounds = 0;
    while !wires.is_empty() {
        others_are_served(&site);
        wires.retain_mut(|wire| {
            let closed = matches!(wire.read(&mut [0; 512]), Ok(0));
            !closed && wire.write_all(b"a").is_ok()
        });
        rounds += 1;
        assert!(rounds < 1000, "{} of them are still here", wires.len());
    }
    until(|| (site.cuts(Cut::Head) == MANY as u64).then_some(()));
    let lines = site.logged("\"-\" 408 0");
    assert!(lines.iter().all(|line| line.contains("\" 200 10 ") || line.contains("] \"-\" 408 0 ")), "{lines:?}");
}

#[test]
fn whoever_asks_nothing_is_closed_and_not_logged() {
    let site = Site::with(Limits { head: Duration::from_millis(100), ..Limits::default() });
    let mut silent = Wire::connect(site.address).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    let mut done = Wire::connect(site.address).unwrap();
    write!(done, "HEAD {APK} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    done.read_to_end(&mut Vec::new()).unwrap();
    until(|| (site.cuts(Cut::Idle) == 2).then_some(()));
    assert_eq!(site.logged("HEAD").len(), 1);
    assert_eq!(site.cuts(Cut::Head), 0);
}

#[test]
fn request_line_of_1_mb() {
    let site = Site::published();
    let mut wire = Wire::connect(site.address).unwrap();
    let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20));
    // It may be closed before all of it was sent, with or without words.
    let _ = wire.write_all(line.as_bytes());
    let mut reply = Vec::new();
    let _ = wire.read_to_end(&mut reply);
    assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&reply));
    others_are_served(&site);
    let lines = site.logged("] \"-\" 431 0 ");
    assert!(lines.iter().all(|line| line.len() < 500), "what was sent is not repeated in the log");
}

#[test]
fn a_head_of_many_fields_and_bytes_that_are_no_http() {
    let site = Site::published();
    let (head, _) = site.get(APK, &"X-Field: a\r\n".repeat(500));
    assert_eq!(status(&head), 431);
    for nonsense in ["\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut wire = Wire::connect(site.address).unwrap();
        wire.write_all(nonsense.as_bytes()).unwrap();
        let mut reply = Vec::new();
        let _ = wire.read_to_end(&mut reply);
        assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&reply));
    }
    others_are_served(&site);
    assert_eq!(until(|| Some(site.logged(" 400 0 ")).filter(|lines| lines.len() == 5)).len(), 5);
}

/// However a client asks for bytes: never more of them than the file has, and one part at most.
#[test]
fn ranges_that_overlap_or_are_absurd() {
    let site = Site::published();
    let hundreds = format!("bytes={}", vec!["0-9"; 400].join(","));
    let growing = format!("bytes={}", (0..300).map(|at| format!("{at}-")).collect::<Vec<_>>().join(","));
    for (range, expected) in [
        ("bytes=0-9,0-9", 200),
        ("bytes=0-5,3-9", 200),
        ("bytes=0-1,5-6,8-9", 200),
        ("bytes=0-0,-1", 200),
        (hundreds.as_str(), 200),
        (growing.as_str(), 200),
        ("bytes=9-0", 200),
        ("bytes=5-4", 200),
        ("bytes=-", 200),
        ("bytes=--1", 200),
        ("bytes=0x0-0x5", 200),
        ("bytes= 0-5", 200),
        ("bytes=0-18446744073709551615", 206),
        ("bytes=0-18446744073709551616", 206),
        ("bytes=-18446744073709551616", 206),
        ("bytes=18446744073709551615-", 416),
        ("bytes=18446744073709551616-18446744073709551617", 416),
        ("bytes=10-", 416),
        ("bytes=-0", 416),
        ("items=0-5", 200),
    ] {
        let (head, body) = site.get(APK, &format!("Range: {range}\r\n"));
        assert_eq!(status(&head), expected, "{range:.60}");
        assert!(body.len() <= 10 && !head.contains("multipart"), "{range:.60}: {} bytes", body.len());
        if expected == 416 {
            assert_eq!(field(&head, "content-range"), Some("bytes */10"));
        }
    }
    // Twice the field: what a client means by that nobody knows, and the first is as good as any.
    let (head, body) = site.get(APK, "Range: bytes=0-1\r\nRange: bytes=0-9\r\n");
    assert!(matches!((status(&head), body.len()), (206, 2) | (200, 10)), "{head}");
}

#[test]
fn encoded_traversal() {
    let site = Site::published();
    site.put("1", "..hidden", b"secret");
    site.link("1", "out", "../../../../../secret.apk");
    site.link("1", "root", "/");
    site.outside("secret.apk", b"secret");
    for target in [
        "/../secret.apk",
        "/v3.23/../../secret.apk",
        "/%2e%2e/secret.apk",
        "/%2E%2e/%2e%2E/secret.apk",
        "/v3.23/%2e%2e/%2e%2e/%2e%2e/secret.apk",
        "/..%2fsecret.apk",
        "/v3.23/main%2f..%2f..%2f..%2f..%2fsecret.apk",
        "/v3.23%2fmain/x86_64/a~1+b.apk",
        "/..%5csecret.apk",
        "/..\\secret.apk",
        "/v3.23/main/x86_64/a~1+b.apk%00",
        "/v3.23/main/x86_64/a~1+b.apk%00.txt",
        "/%00",
        // Decoded once, and then a name like any other.
        "/%252e%252e/secret.apk",
        "/%25252e%25252e%25252fsecret.apk",
        // Longer forms of a dot and a slash, which UTF-8 does not have.
        "/%c0%ae%c0%ae/secret.apk",
        "/..%c0%afsecret.apk",
        "/%e0%80%ae%e0%80%ae/secret.apk",
        "/%f0%80%80%ae/secret.apk",
        "/%uff0e%uff0e/secret.apk",
        "/.generations/1/v3.23/main/x86_64/a~1+b.apk",
        "/v3.23/main/x86_64/..hidden",
        "/v3.23/main/x86_64/out",
        "/v3.23/main/x86_64/root/etc/passwd",
        "http://x/../secret.apk",
        "http://x/%2e%2e/secret.apk",
        "http://../secret.apk",
        "file:///etc/passwd",
        "//etc/passwd",
        "/;/../secret.apk",
        "*",
    ] {
        let (head, body) = site.get(target, "");
        assert!(matches!(status(&head), 400 | 404), "{target}: {head}");
        let body = String::from_utf8_lossy(&body);
        assert!(!body.contains("secret") && !body.contains("root:"), "{target}: {body}");
    }
    // A target in the absolute form, as proxies send it, is its path.
    assert_eq!(status(&site.get(&format!("http://anywhere.example{APK}"), "").0), 200);
    assert_eq!(status(&site.ask("CONNECT", "x:443", "").0), 405);
    // Each of them was told as it was sent.
    site.logged("GET /%c0%ae%c0%ae/secret.apk HTTP/1.1\" 404 ");
}

#[test]
fn a_generation_removed_while_it_is_read() {
    let site = Site::published();
    let big: Vec<u8> = (0..24_u32 << 20).map(|at| (at % 251) as u8).collect();
    site.put("1", "big.apk", &big);
    let target = "/v3.23/main/x86_64/big.apk";
    let mut wire = Wire::connect(site.address).unwrap();
    write!(wire, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = vec![0; 1000];
    wire.read_exact(&mut reply).unwrap();

    site.put("2", "big.apk", b"the next one");
    site.switch("2");
    site.remove("1");
    assert_eq!(site.get(target, "").1, b"the next one");
    // What the former one had and the new one has not is gone at once.
    assert_eq!(status(&site.get(APK, "").0), 404);

    wire.read_to_end(&mut reply).unwrap();
    assert!(reply.ends_with(&big), "the old reply went on to its right end");
    assert!(site.logged(&format!(" 200 {} ", big.len())).len() >= 3);

    // The live one itself, by somebody's mistake: nothing is there, and nothing breaks.
    site.remove("2");
    assert_eq!(status(&site.get(target, "").0), 503);
}

#[test]
fn a_client_that_stops_reading() {
    let pace = Pace { least: 1 << 20, within: Duration::from_millis(300) };
    let site = Site::with(Limits { pace, ..Limits::default() });
    site.put("1", "big.apk", &vec![0; 64 << 20]);
    let head = b"GET /v3.23/main/x86_64/big.apk HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stopped = Wire::connect(site.address).unwrap();
    stopped.write_all(head).unwrap();
    // One that goes on reading, but so little that it would be here for hours.
    let mut slow = Wire::connect(site.address).unwrap();
    slow.write_all(head).unwrap();
    let mut reads = 0;
    while site.cuts(Cut::Slow) < 2 {
        let _ = slow.read(&mut [0; 64]);
        others_are_served(&site);
        reads += 1;
        assert!(reads < 2000, "they are still here");
        std::thread::sleep(Duration::from_millis(5));
    }
    // What they were sent is told, not what they were promised.
    let lines = until(|| Some(site.logged("big.apk")).filter(|lines| big(lines).count() == 2));
    for line in big(&lines) {
        let sent: u64 = line.split(' ').nth(9).unwrap().parse().unwrap();
        assert!(line.contains("\" 200 ") && (1..64 << 20).contains(&sent), "{line}");
    }

    fn big(lines: &[String]) -> impl Iterator<Item = &String> {
        lines.iter().filter(|line| line.contains("big.apk"))
    }
}

/// A link that is slow, and a client that takes all it gets.
#[test]
fn a_client_that_is_slow_and_keeps_its_pace_gets_everything() {
    let pace = Pace { least: 1 << 10, within: Duration::from_secs(2) };
    let site = Site::with(Limits { pace, ..Limits::default() });
    let big: Vec<u8> = (0..6_u32 << 20).map(|at| (at % 251) as u8).collect();
    site.put("1", "big.apk", &big);
    let mut wire = Wire::connect(site.address).unwrap();
    write!(wire, "GET /v3.23/main/x86_64/big.apk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let (mut reply, mut part) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        let read = wire.read(&mut part).unwrap();
        reply.extend_from_slice(&part[..read]);
        if read == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(reply.ends_with(&big));
    assert_eq!(site.cuts(Cut::Slow), 0);
}

/// However many connections there are: whoever asks is served, and those that only wait make room.
#[test]
fn idle_connections_make_room() {
    let site = Site::with(Limits { connections: 8, of_one_address: 5, ..Limits::default() });
    let mut idle: Vec<Wire> = (0..50).map(|_| Wire::connect(site.address).unwrap()).collect();
    for _ in 0..3 {
        others_are_served(&site);
    }
    assert!(site.traffic.open() <= 5);
    assert!(site.cuts(Cut::Address) >= 45);
    // Those that are left are the last that came.
    assert!(matches!(idle[0].read(&mut [0; 1]), Ok(0) | Err(_)));
}
