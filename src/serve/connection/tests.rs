use std::io::{Read as _, Write as _};
use std::net::TcpStream as Wire;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::disk::durable;
use crate::serve::crowd::{Crowd, Seat};
use crate::serve::{Access, AccessLog, Server, TlsFiles, Unlogged, server};

/// A key and a certificate of its own, which nobody believes and nobody uses elsewhere.
const PAIR: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPwGGgLG62rd6El0i
Wu0K0/FBO0VpwjUriRn1nKnF/pqhRANCAATJlVrmnxMa4Tcv5o0FiXwFuqhHI1M9
OjUD42y53bY7m89h8go1D4wVqa1WcI53rB/Tde80H/e3CuszPVJ/8boO
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBgDCCASegAwIBAgIUdBi31ZLio97ZwHSDlEdRMqGiqoMwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwObWlycm9yLmV4YW1wbGUwIBcNMjYxMjAxMTAxODA4WhgPMjEy
NjExMDcxMDE4MDhaMBkxFzAVBgNVBAMMDm1pcnJvci5leGFtcGxlMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEyZVa5p8TGuE3L+aNBYl8BbqoRyNTPTo1A+Nsud22
O5vPYfIKNQ+MFamtVnCOd6wf03XvNB/3twrrMz1Sf/G6DqNLMEkwDAYDVR0TAQH/
BAIwADAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwHQYDVR0OBBYEFK2Ms7l3
92yk9QZHU6Y19vU8RjrXMAoGCCqGSM49BAMCA0cAMEQCIHXMoipP0iBqWVxo6TS/
lCdvd/EfcY1/kOKGuVt0t4q9AiALUIzrmsqL8TLz4Eqj84/0ByF5La8eE0ZJ8l9m
b/6qlw==
-----END CERTIFICATE-----
";

/// A server behind TLS with one place, in which a client may take so long for its first request.
struct Site {
    address: std::net::SocketAddr,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn new(head: Duration) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let pair = folder.path().join("pair.pem");
        durable::write(&pair, PAIR.as_bytes(), 0o600).unwrap();
        let files = TlsFiles { certificate: pair.clone(), key: pair, client_ca: None };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let limits = Limits { head, connections: 1, ..Limits::default() };
        let any = "127.0.0.1:0".parse().unwrap();
        let listening = Server::listen(any, PathBuf::from("none"), limits, || UNIX_EPOCH, Box::new(Unlogged));
        let server = runtime.block_on(listening).unwrap().behind(Entrance::open(Some(files), None).unwrap());
        let address = server.address();
        runtime.spawn(server.run());
        Site { address, _folder: folder, _runtime: runtime }
    }

    /// What comes until the server ends the connection.
    fn answer(&self, sent: &[u8]) -> Vec<u8> {
        let mut wire = Wire::connect(self.address).unwrap();
        wire.write_all(sent).unwrap();
        let mut answer = Vec::new();
        let _ = wire.read_to_end(&mut answer);
        answer
    }
}

#[test]
fn a_handshake_that_is_not_finished_is_cut_off_and_leaves_its_place() {
    let site = Site::new(Duration::from_millis(50));
    // Nothing; the beginning of a record with a handshake; a record that is whole, of a greeting that is not.
    for sent in [&[][..], &[HANDSHAKE, 3, 1, 0, 200], &[HANDSHAKE, 3, 1, 0, 4, 1, 0, 1, 0]] {
        let answer = site.answer(sent);
        assert!(!answer.starts_with(b"HTTP"), "{sent:?}: {answer:?}");
    }
    assert!(site.answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn who_speaks_plainly_is_answered_once_whatever_follows() {
    let site = Site::new(Duration::from_secs(3600));
    let request = "GET /v3.23/ HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    let answer = String::from_utf8(site.answer(request.repeat(3).as_bytes())).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("https://"), "{answer}");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl AccessLog for Lines {
    fn answered(&self, access: &Access) {
        let line = access.to_string();
        self.0.lock().unwrap().push(line.split_once("] ").unwrap().1.to_owned());
    }
}

impl Lines {
    /// All of them, once there are so many.
    async fn come(&self, many: usize) -> Vec<String> {
        for _ in 0..2000 {
            let lines = self.0.lock().unwrap().clone();
            if lines.len() >= many {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}", self.0.lock().unwrap());
    }
}

/// Bytes of the one file there is.
const BIG: usize = 4 << 20;

/// What speaks HTTP/2 to its clients, TLS aside.
struct Many {
    crowd: Arc<Crowd>,
    shared: Arc<Shared>,
    shares: Arc<Shares>,
    limits: Limits,
    lines: Lines,
    _folder: tempfile::TempDir,
}

impl Many {
    #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
    fn new(limits: Limits) -> Many {
        let (folder, lines) = (tempfile::tempdir().unwrap(), Lines::default());
        std::fs::write(folder.path().join("big.apk"), vec![7; BIG]).unwrap();
        let shared = server::shared(folder.path().to_owned(), || UNIX_EPOCH, Box::new(lines.clone()));
        let crowd = Crowd::new(limits.connections, limits.of_one_address, Arc::default());
        Many { crowd, shared, shares: Shares::new(limits), limits, lines, _folder: folder }
    }

    async fn connect(&self, peer: &str, window: u32) -> (h2::client::SendRequest<Bytes>, Seat) {
        let seat = self.crowd.enter(peer.parse().unwrap(), &Unlogged).await.unwrap();
        let connection = Connection {
            shared: Arc::clone(&self.shared),
            entrance: Arc::default(),
            limits: self.limits,
            shares: Arc::clone(&self.shares),
            place: Arc::clone(&seat.place),
        };
        let (ours, theirs): (DuplexStream, DuplexStream) = duplex(64 << 10);
        let stream = Patience::new(ours, self.limits.pace, &seat.place, &self.shared.traffic);
        let client = connection.client(Scheme::Https, None, Standing::Welcome);
        tokio::spawn(connection.http2(stream, client));
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(1 << 24);
        let (sender, connection) = builder.handshake(theirs).await.unwrap();
        tokio::spawn(connection);
        (sender, seat)
    }
}

type Answer = Response<h2::RecvStream>;

async fn asked(sender: &h2::client::SendRequest<Bytes>, path: &str, field: &str) -> Answer {
    let url = format!("https://mirror.example{path}");
    let request = Request::builder().uri(url).header("x", field).body(()).unwrap();
    let (response, _) = sender.clone().ready().await.unwrap().send_request(request, true).unwrap();
    response.await.unwrap()
}

fn status(answer: &Answer) -> (u16, bool) {
    (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
}

fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(test);
}

#[test]
fn one_address_cannot_take_all_requests_and_nobody_waits_for_one() {
    on_one_thread(async {
        let site = Many::new(Limits { connections: 5, of_one_address: 3, ..Limits::default() });
        let (greedy, _seat) = site.connect("192.0.2.1", 0).await;
        let mut stalled = Vec::new();
        for _ in 0..3 {
            stalled.push(asked(&greedy, "/big.apk", "").await);
            assert_eq!(status(stalled.last().unwrap()), (200, false));
        }
        assert_eq!(status(&asked(&greedy, "/big.apk", "").await), (503, true));
        // Whoever asks how the server is does not come among others; there is no page of that name here.
        assert_eq!(status(&asked(&greedy, "/healthz", "").await), (404, false));
        // Others are served, until there is no more for anybody.
        let (other, _seat) = site.connect("192.0.2.2", 0).await;
        let mut theirs = vec![asked(&other, "/big.apk", "").await, asked(&other, "/big.apk", "").await];
        assert!(theirs.iter().all(|answer| status(answer) == (200, false)));
        assert_eq!(status(&asked(&other, "/big.apk", "").await), (503, true));
        // What is given up is free for anybody.
        stalled.clear();
        let mut told = (503, true);
        for _ in 0..1000 {
            let answer = asked(&other, "/big.apk", "").await;
            told = status(&answer);
            if told.0 == 200 {
                theirs.push(answer);
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(told, (200, false));
    });
}

#[test]
fn the_log_tells_what_was_sent_of_each_of_many_replies() {
    on_one_thread(async {
        let site = Many::new(Limits::default());
        // Nothing is taken of one, 100 bytes of another one, all of the third.
        let (sender, _seat) = site.connect("192.0.2.1", 0).await;
        let nothing = asked(&sender, "/big.apk", "").await;
        let (other, _seat) = site.connect("192.0.2.1", 100).await;
        let mut little = asked(&other, "/big.apk", "").await;
        assert_eq!(little.body_mut().data().await.unwrap().unwrap().len(), 100);
        let (third, _seat) = site.connect("192.0.2.1", 1 << 20).await;
        let mut body = asked(&third, "/big.apk", "").await.into_body();
        let mut taken = 0;
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            taken += data.len();
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(taken, BIG);
        drop(nothing);
        drop(little);
        let mut lines = site.lines.come(3).await;
        lines.sort();
        let line = |bytes: usize| format!("\"GET /big.apk HTTP/2.0\" 200 {bytes} \"-\" \"-\"");
        let mut expected = [line(0), line(100), line(BIG)];
        expected.sort();
        assert_eq!(lines, expected);
        assert_eq!(site.shared.traffic.bytes().map(|(_, bytes)| bytes).sum::<u64>(), BIG as u64 + 100);
    });
}

#[test]
fn a_connection_that_is_cut_gives_back_what_it_held_and_is_logged() {
    on_one_thread(async {
        let pace = crate::serve::Pace { least: 1 << 20, within: Duration::from_millis(500) };
        let site = Many::new(Limits { connections: 3, of_one_address: 3, pace, ..Limits::default() });
        let (stalled, _seat) = site.connect("192.0.2.1", 0).await;
        let (slow, _seat) = site.connect("192.0.2.1", 70_000).await;
        let kept = [&stalled, &stalled, &slow].map(|sender| asked(sender, "/big.apk", ""));
        let kept = futures_util::future::join_all(kept).await;
        let mut lines = site.lines.come(3).await;
        lines.sort();
        let line = |bytes: usize| format!("\"GET /big.apk HTTP/2.0\" 200 {bytes} \"-\" \"-\"");
        assert_eq!(lines, [line(0), line(0), line(70_000)]);
        let (other, _seat) = site.connect("192.0.2.1", 0).await;
        let free = futures_util::future::join_all([1, 2, 3].map(|_| asked(&other, "/big.apk", ""))).await;
        assert!(free.iter().all(|answer| status(answer) == (200, false)));
        drop(kept);
    });
}

#[test]
fn a_head_that_is_too_long_is_refused_and_logged() {
    on_one_thread(async {
        let site = Many::new(Limits::default());
        let (sender, _seat) = site.connect("192.0.2.1", 1 << 20).await;
        assert_eq!(status(&asked(&sender, "/big.apk", &"y".repeat(MAX_HEAD + 1000)).await), (431, false));
        assert_eq!(status(&asked(&sender, "/none.apk", &"y".repeat(MAX_HEAD - 1000)).await), (404, false));
        let lines = site.lines.come(2).await;
        assert_eq!(lines[0], "\"-\" 431 0 \"-\" \"-\"");
        assert!(lines[1].starts_with("\"GET /none.apk HTTP/2.0\" 404 "), "{lines:?}");
    });
}
