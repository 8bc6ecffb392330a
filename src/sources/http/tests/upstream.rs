//! A scripted HTTP server: the n-th request it receives gets the n-th answer, byte for byte, faults included.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// What is sent for one request, and what the connection does then.
#[derive(Clone)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    KeepAlive,
    Close,
    Silence,
}

impl Answer {
    /// A status with headers (each ended by CRLF) and a body of exactly the declared length.
    pub(super) fn new(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        Answer::raw(&format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()), body)
    }

    pub(super) fn ok(body: impl AsRef<[u8]>) -> Self {
        Answer::new("200 OK", "", body)
    }

    pub(super) fn status(status: &str) -> Self {
        Answer::new(status, "", "")
    }

    /// `206` for the rest of `whole` from `first` on.
    pub(super) fn rest(whole: &[u8], first: usize) -> Self {
        let range = format!("Content-Range: bytes {first}-{}/{}\r\n", whole.len() - 1, whole.len());
        Answer::new("206 Partial Content", &range, &whole[first..])
    }

    /// Any head and body; the connection stays open.
    pub(super) fn raw(head: &str, body: &[u8]) -> Self {
        Answer { bytes: [head.as_bytes(), body].concat(), then: Then::KeepAlive }
    }

    /// The connection is closed when all but the last `missing` bytes are sent.
    pub(super) fn cut(mut self, missing: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - missing);
        self.then = Then::Close;
        self
    }

    /// All but the last `missing` bytes are sent; then the connection stays open and nothing follows.
    pub(super) fn silent(mut self, missing: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - missing);
        self.then = Then::Silence;
        self
    }
}

pub(super) struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    heads: Vec<String>,
    connections: usize,
    open: usize,
    most_open: usize,
}

impl Upstream {
    pub(super) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let answers: Arc<[Answer]> = answers.into_iter().collect();
        let task = tokio::spawn({
            let seen = seen.clone();
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    seen.lock().unwrap().connections += 1;
                    tokio::spawn(converse(stream, seen.clone(), answers.clone()));
                }
            }
        });
        Upstream { address, seen, task }
    }

    /// An address where nobody listens.
    pub(super) async fn down() -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/alpine", listener.local_addr().unwrap()).parse().unwrap()
    }

    pub(super) fn url(&self) -> Url {
        format!("http://{}/alpine", self.address).parse().unwrap()
    }

    /// The heads of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    pub(super) fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// The most requests that were under way at once.
    pub(super) fn most_open(&self) -> usize {
        self.seen.lock().unwrap().most_open
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A header of a request.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

async fn converse(mut stream: TcpStream, seen: Arc<Mutex<Seen>>, answers: Arc<[Answer]>) {
    while let Some(head) = read_head(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.heads.push(head);
            seen.open += 1;
            seen.most_open = seen.most_open.max(seen.open);
            seen.heads.len() - 1
        };
        let unscripted = Answer::status("599 Unscripted");
        let answer = answers.get(number).unwrap_or(&unscripted);
        // Requests that could overlap get the chance to.
        tokio::task::yield_now().await;
        seen.lock().unwrap().open -= 1;
        if stream.write_all(&answer.bytes).await.is_err() {
            return;
        }
        match answer.then {
            Then::KeepAlive => {}
            Then::Close => return,
            Then::Silence => std::future::pending().await,
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}
