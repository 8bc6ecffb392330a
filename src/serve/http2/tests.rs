use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::*;
use crate::serve::Pace;
use hyper_util::rt::TokioIo;

/// Bytes of every reply but those of `/small`.
const BIG: usize = 4 << 20;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Nobody is told.
struct Untold;

impl Told for Untold {
    fn sent(self, _bytes: u64) {}
    fn headed(self) {}
}

/// Serves one end; the other is the client's.
fn serving(limits: Limits) -> (DuplexStream, JoinHandle<Option<Cut>>) {
    let (ours, theirs) = duplex(64 << 10);
    let reply = |request: Request<Incoming>| async move {
        let body = match request.uri().path() {
            "/small" => Bytes::from(format!("{} {:?}", request.uri(), request.headers().get(HOST))),
            _ => Bytes::from(vec![7; BIG]),
        };
        (Response::new(Full::new(body).map_err(|never| match never {})), Untold)
    };
    (theirs, tokio::spawn(serve(TokioIo::new(ours), limits, reply)))
}

fn patient() -> Limits {
    Limits { head: Duration::from_secs(3600), pace: within(Duration::from_secs(3600)), ..Limits::default() }
}

fn within(within: Duration) -> Pace {
    Pace { least: 1, within }
}

type Sender = h2::client::SendRequest<Bytes>;

/// The handshake, with so large a window for each reply and one for all that holds up none; the connection itself runs aside, and its end is what the handle gives.
async fn connected(wire: DuplexStream, window: u32) -> (Sender, JoinHandle<Result<(), h2::Error>>) {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(1 << 24);
    let (sender, connection) = builder.handshake(wire).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(path: &str) -> Request<()> {
    Request::builder().method(Method::GET).uri(format!("https://mirror.example:8443{path}")).body(()).unwrap()
}

/// The whole body of one request.
async fn fetched(sender: &Sender, path: &str) -> Vec<u8> {
    let mut sender = sender.clone().ready().await.unwrap();
    let (response, _) = sender.send_request(request(path), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    bytes
}

#[test]
fn requests_come_as_http_1_has_them() {
    runtime().block_on(async {
        let (wire, _) = serving(patient());
        let (sender, _) = connected(wire, 1 << 20).await;
        let told = String::from_utf8(fetched(&sender, "/small?a=b").await).unwrap();
        assert_eq!(told, "/small?a=b Some(\"mirror.example:8443\")");
    });
}

#[test]
fn more_requests_at_once_than_there_may_be_are_answered_whole() {
    runtime().block_on(async {
        let (wire, _) = serving(patient());
        let (sender, _) = connected(wire, 1 << 20).await;
        // Once it has heard how many there may be, a client keeps the others.
        assert!(!fetched(&sender, "/small").await.is_empty());
        let all = (0..3 * STREAMS).map(|number| {
            let sender = sender.clone();
            tokio::spawn(async move {
                if number % 10 == 0 {
                    fetched(&sender, "/").await.len()
                } else {
                    fetched(&sender, "/small").await.len()
                }
            })
        });
        for (number, one) in all.collect::<Vec<_>>().into_iter().enumerate() {
            let length = one.await.unwrap();
            assert_eq!(length == BIG, number % 10 == 0, "{number}: {length}");
        }
    });
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_closed_whatever_else_is_said_on_it() {
    runtime().block_on(async {
        let (wire, served) = serving(Limits { head: Duration::from_millis(50), ..patient() });
        let builder = h2::client::Builder::new();
        let (sender, mut connection) = builder.handshake::<_, Bytes>(wire).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        let connection = tokio::spawn(connection);
        assert!(!fetched(&sender, "/small").await.is_empty());
        // Pings are answered, and are no requests.
        while pings.ping(h2::Ping::opaque()).await.is_ok() {}
        served.await.unwrap();
        // Told beforehand, so that a client does not take it for a fault.
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_client_that_says_nothing_at_all_is_cut_off() {
    runtime().block_on(async {
        let (_wire, served) = serving(Limits { head: Duration::from_millis(50), ..patient() });
        served.await.unwrap();
    });
}

#[test]
fn a_client_that_takes_nothing_is_cut_off_however_it_pings() {
    runtime().block_on(async {
        let (wire, served) = serving(Limits { pace: within(Duration::from_millis(50)), ..patient() });
        let mut builder = h2::client::Builder::new();
        let (mut sender, mut connection) = builder.initial_window_size(0).handshake::<_, Bytes>(wire).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        tokio::spawn(connection);
        let (_response, _) = sender.send_request(request("/"), true).unwrap();
        while pings.ping(h2::Ping::opaque()).await.is_ok() {}
        served.await.unwrap();
    });
}

#[test]
fn a_client_that_takes_less_than_its_due_is_cut_off() {
    runtime().block_on(async {
        let pace = Pace { least: 1 << 30, within: Duration::from_millis(100) };
        let (wire, served) = serving(Limits { pace, ..patient() });
        let (mut sender, _) = connected(wire, SLICE as u32).await;
        let (response, _) = sender.send_request(request("/"), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        // A slice now and then, for much longer than it is given.
        while let Some(Ok(data)) = body.data().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(served.await.unwrap(), Some(Cut::Slow));
    });
}

/// For as long as nobody cuts it off, one after the other.
#[test]
fn requests_that_come_and_go_do_not_keep_one_that_is_not_taken() {
    runtime().block_on(async {
        let (wire, served) = serving(Limits { pace: within(Duration::from_millis(100)), ..patient() });
        let (mut sender, connection) = connected(wire, 0).await;
        let (_stalled, _) = sender.send_request(request("/"), true).unwrap();
        for _ in 0..200 {
            let Ok(mut ready) = sender.clone().ready().await else { break };
            let Ok((other, _)) = ready.send_request(request("/"), true) else { break };
            if other.await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(served.is_finished(), "it is still here");
        assert_eq!(served.await.unwrap(), Some(Cut::Slow));
        drop(connection);
    });
}

/// One that waits while others are taken, as where a proxy asks for many clients.
#[test]
fn what_is_taken_of_one_reply_pays_for_another() {
    runtime().block_on(async {
        let pace = Pace { least: 64 << 10, within: Duration::from_secs(1) };
        let (wire, _) = serving(Limits { pace, ..patient() });
        let (mut sender, _) = connected(wire, SLICE as u32).await;
        let (stalled, _) = sender.send_request(request("/"), true).unwrap();
        let mut stalled = stalled.await.unwrap().into_body();
        let began = tokio::time::Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            assert_eq!(fetched(&sender, "/").await.len(), BIG);
        }
        let mut taken = 0;
        while let Some(data) = stalled.data().await {
            let length = data.unwrap().len();
            taken += length;
            stalled.flow_control().release_capacity(length).unwrap();
        }
        assert_eq!(taken, BIG);
    });
}

#[test]
fn a_client_that_takes_little_at_a_time_gets_all_of_it() {
    runtime().block_on(async {
        let (wire, _) = serving(Limits { pace: within(Duration::from_secs(2)), ..patient() });
        // Four slices fit in its window: it makes room for one more every now and then.
        let (mut sender, _) = connected(wire, 4 * SLICE as u32).await;
        let (response, _) = sender.send_request(request("/"), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut taken = 0;
        while let Some(data) = body.data().await {
            let length = data.unwrap().len();
            taken += length;
            // All in all longer than a stall may last.
            tokio::time::sleep(Duration::from_millis(10)).await;
            body.flow_control().release_capacity(length).unwrap();
        }
        assert_eq!(taken, BIG);
    });
}

#[test]
fn a_head_that_is_far_too_long_is_refused_and_the_next_request_is_not() {
    runtime().block_on(async {
        let (wire, _) = serving(patient());
        let (sender, _) = connected(wire, 1 << 20).await;
        let mut first = sender.clone();
        let mut long = request("/small");
        long.headers_mut().insert("x", HeaderValue::from_str(&"y".repeat(FAR_TOO_LONG)).unwrap());
        let (response, _) = first.send_request(long, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 431);
        assert!(!fetched(&sender, "/small").await.is_empty());
    });
}

/// One frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn streams_that_are_reset_as_soon_as_they_are_opened_end_the_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    runtime().block_on(async {
        let (mut wire, served) = serving(patient());
        let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        flood.extend(frame(SETTINGS, 0, 0, &[]));
        for stream in (0..500).map(|number| 2 * number + 1) {
            // GET, https, / and x, the last word by word; all headers, and no body.
            flood.extend(frame(HEADERS, 0x4 | 0x1, stream, &[0x82, 0x87, 0x84, 0x41, 1, b'x']));
            flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        wire.write_all(&flood).await.unwrap();
        let mut told = Vec::new();
        wire.read_to_end(&mut told).await.unwrap();
        served.await.unwrap();
        // "Enhance your calm", as the last frame's code.
        let (mut rest, mut code) = (&told[..], None);
        while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
            let (payload, next) = after.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
            code = (*kind == GOAWAY).then(|| payload[7]);
            rest = next;
        }
        assert_eq!(code, Some(0xb));
    });
}
