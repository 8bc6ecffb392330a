//! A scripted HTTP/1.1 upstream on a free loopback port: serves files from memory or a folder, misbehaves on demand, and
//! keeps a log that tests count. Knows Range, If-Range, ETag, Last-Modified and 304 as nginx does.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// An empty answer of this status.
    Status(u16),
    /// A whole body's head, so many bytes of it, then the connection closes.
    CutAfter(usize),
    /// The request is read and never answered; the connection stays open.
    Silence,
    /// A whole body's head, so many bytes of it, then nothing more; the connection stays open.
    StallAfter(usize),
    /// Other bytes in place of the file's, with a head that fits them.
    Bytes(Vec<u8>),
    /// A redirect to this address.
    Redirect(u16, String),
}

/// One request as it arrived and how it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// As on the request line, still percent-encoded.
    pub(crate) path: String,
    /// `Range`, as sent.
    pub(crate) range: Option<String>,
    /// Whether it carried If-None-Match or If-Modified-Since.
    pub(crate) conditional: bool,
    pub(crate) status: u16,
    pub(crate) body_bytes: usize,
}

#[derive(Clone)]
struct File {
    bytes: Arc<Vec<u8>>,
    etag: String,
    last_modified: String,
}

type Trigger = Box<dyn FnOnce(&Files) + Send>;

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    folder: Option<PathBuf>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    always: BTreeMap<String, Fault>,
    triggers: BTreeMap<String, Trigger>,
    log: Vec<Request>,
    changes: u64,
    without_ranges: bool,
    without_validators: bool,
}

/// The files of an upstream, to be changed while it serves.
#[derive(Clone, Default)]
pub(crate) struct Files(Arc<Mutex<State>>);

impl Files {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts a file at `path` (begins with `/`, not encoded). Other bytes get another ETag and a later Last-Modified.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        if state.files.get(path).is_some_and(|file| *file.bytes == bytes) {
            return;
        }
        state.changes += 1;
        let minute = state.changes;
        let file = File {
            bytes: Arc::new(bytes),
            etag: format!("\"{minute:x}\""),
            last_modified: format!("Mon, 02 Mar 2026 {:02}:{:02}:00 GMT", minute / 60 % 24, minute % 60),
        };
        state.files.insert(path.to_owned(), file);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().files.remove(path);
    }
}

/// The running server. Dropping it closes the port and every connection.
pub(crate) struct Upstream {
    files: Files,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Upstream {
    pub(crate) fn start() -> Upstream {
        Upstream::listen(Files::default(), (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Serves what lies below a folder; files put in memory come first.
    pub(crate) fn of_folder(folder: PathBuf) -> Upstream {
        let upstream = Upstream::start();
        upstream.files.state().folder = Some(folder);
        upstream
    }

    /// From now on serves what lies below another folder.
    pub(crate) fn change_folder(&self, folder: PathBuf) {
        self.files.state().folder = Some(folder);
    }

    fn listen(files: Files, address: SocketAddr) -> Upstream {
        let listener = TcpListener::bind(address).expect("a free loopback port");
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let acceptor = {
            let (files, stop) = (files.clone(), stop.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let (files, stop) = (files.clone(), stop.clone());
                    std::thread::spawn(move || converse(&files, stream, &stop));
                }
            })
        };
        Upstream { files, address, stop, acceptor: Some(acceptor) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.files.put(path, bytes);
    }

    /// The next requests for `path` go wrong, one fault each; after that it is served again.
    pub(crate) fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.files.state().faults.entry(path.to_owned()).or_default().extend(faults);
    }

    /// Every request for `path` goes wrong, until [`Upstream::mend`].
    pub(crate) fn fail_always(&self, path: &str, fault: Fault) {
        self.files.state().always.insert(path.to_owned(), fault);
    }

    /// No faults any more.
    pub(crate) fn mend(&self) {
        let mut state = self.files.state();
        state.faults.clear();
        state.always.clear();
        state.triggers.clear();
    }

    /// With the next answer to `path`, which is still the former one, `change` is made: upstream moves on between two requests.
    pub(crate) fn after(&self, path: &str, change: impl FnOnce(&Files) + Send + 'static) {
        self.files.state().triggers.insert(path.to_owned(), Box::new(change));
    }

    /// Answers every request with the whole file.
    pub(crate) fn refuse_ranges(&self) {
        self.files.state().without_ranges = true;
    }

    /// Sends neither ETag nor Last-Modified.
    pub(crate) fn send_no_validators(&self) {
        self.files.state().without_validators = true;
    }

    /// All requests since the last call.
    pub(crate) fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.files.state().log)
    }

    /// Closes the port. [`Upstream::return_to`] opens it again.
    pub(crate) fn go_away(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("the acceptor does not panic");
        }
    }

    /// Listens again at the same address.
    pub(crate) fn come_back(&mut self) {
        let back = Upstream::listen(self.files.clone(), self.address);
        *self = back;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if self.acceptor.is_some() {
            self.go_away();
        }
    }
}

fn converse(files: &Files, stream: TcpStream, stop: &AtomicBool) {
    // Short, so that a connection that is idle or silenced on purpose notices the end.
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(head) = read_head(&mut reader, stop) {
        if answer(files, &head, &mut writer, stop).is_none() {
            break;
        }
    }
    let _ = writer.shutdown(Shutdown::Both);
}

fn read_head(reader: &mut BufReader<TcpStream>, stop: &AtomicBool) -> Option<Vec<String>> {
    let mut head = Vec::new();
    let mut line = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) if line.ends_with(b"\n") => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if text.is_empty() {
                    return Some(head);
                }
                head.push(text);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Answers one request; `None` closes the connection.
fn answer(files: &Files, head: &[String], writer: &mut TcpStream, stop: &AtomicBool) -> Option<()> {
    let path = head.first()?.split(' ').nth(1)?.to_owned();
    let header = |name: &str| {
        head[1..]
            .iter()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let plain = percent_decoded(&path);
    let (fault, file, trigger, ranges, validators) = {
        let mut state = files.state();
        let queued = state.faults.get_mut(&plain).and_then(VecDeque::pop_front);
        let fault = queued.or_else(|| state.always.get(&plain).cloned());
        let file = state.files.get(&plain).cloned().or_else(|| from_folder(state.folder.as_ref()?, &plain));
        (fault, file, state.triggers.remove(&plain), !state.without_ranges, !state.without_validators)
    };
    let range = header("range");
    let (none_match, modified_since) = (header("if-none-match"), header("if-modified-since"));
    let mut request = Request {
        path,
        range: range.clone(),
        conditional: none_match.is_some() || modified_since.is_some(),
        status: 0,
        body_bytes: 0,
    };

    let mut lines = Vec::new();
    let mut limit = usize::MAX;
    let mut body = Arc::new(Vec::new());
    let mut span = 0..0;
    let mut ending = Ending::KeepAlive;
    let file = match fault {
        Some(Fault::Bytes(bytes)) => Some(File {
            bytes: Arc::new(bytes),
            etag: "\"other\"".to_owned(),
            last_modified: "Mon, 02 Mar 2026 23:59:00 GMT".to_owned(),
        }),
        Some(Fault::Status(status)) => {
            request.status = status;
            None
        }
        Some(Fault::Redirect(status, ref to)) => {
            request.status = status;
            lines.push(format!("Location: {to}"));
            None
        }
        Some(Fault::Silence) => {
            (request.status, ending) = (0, Ending::Silent);
            None
        }
        Some(Fault::CutAfter(bytes)) => {
            (limit, ending) = (bytes, Ending::Closed);
            file
        }
        Some(Fault::StallAfter(bytes)) => {
            (limit, ending) = (bytes, Ending::Silent);
            file
        }
        None => file,
    };
    match file {
        Some(file) => {
            if validators {
                lines.push(format!("ETag: {}", file.etag));
                lines.push(format!("Last-Modified: {}", file.last_modified));
            }
            if ranges {
                lines.push("Accept-Ranges: bytes".to_owned());
            }
            let same = none_match
                .as_deref()
                .map_or_else(|| modified_since.as_deref() == Some(&*file.last_modified), |tag| tag == file.etag);
            let total = file.bytes.len();
            let may_range = header("if-range").is_none_or(|tag| tag == file.etag || tag == file.last_modified);
            let from = range
                .filter(|_| ranges && may_range)
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            (request.status, span) = match from {
                _ if same && validators => (304, 0..0),
                Some(from) if from < total => (206, from..total),
                Some(_) => (416, 0..0),
                None => (200, 0..total),
            };
            if request.status == 206 {
                lines.push(format!("Content-Range: bytes {}-{}/{total}", span.start, total - 1));
            } else if request.status == 416 {
                lines.push(format!("Content-Range: bytes */{total}"));
            }
            body = file.bytes;
        }
        None if request.status == 0 => request.status = 404,
        None => {}
    }
    let sent = span.len().min(limit);
    request.body_bytes = sent;
    // Made before the answer goes out: whoever has read it finds the change made.
    if let Some(change) = trigger {
        change(files);
    }
    let silent_from_the_start = ending == Ending::Silent && limit == usize::MAX;
    files.state().log.push(request.clone());
    if !silent_from_the_start {
        let mut text = format!("HTTP/1.1 {} Scripted\r\n", request.status);
        if request.status != 304 {
            text.push_str(&format!("Content-Length: {}\r\n", span.len()));
        }
        for line in lines {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        writer.write_all(text.as_bytes()).ok()?;
        writer.write_all(&body[span.start..span.start + sent]).ok()?;
    }
    match ending {
        Ending::KeepAlive => Some(()),
        Ending::Closed => None,
        Ending::Silent => {
            let mut nothing = [0];
            loop {
                match writer.read(&mut nothing) {
                    Err(error)
                        if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
                    {
                        if stop.load(Ordering::SeqCst) {
                            return None;
                        }
                    }
                    _ => return None,
                }
            }
        }
    }
}

#[derive(PartialEq)]
enum Ending {
    KeepAlive,
    Closed,
    Silent,
}

fn from_folder(folder: &std::path::Path, path: &str) -> Option<File> {
    let inside = path.trim_start_matches('/');
    if inside.split('/').any(|part| part == "..") {
        return None;
    }
    let file = folder.join(inside);
    let bytes = std::fs::read(&file).ok()?;
    // Content decides, as with a file put in memory: the data's own times say nothing.
    let etag = format!(
        "\"{}-{:x}\"",
        bytes.len(),
        bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()))
    );
    Some(File { bytes: Arc::new(bytes), etag, last_modified: "Mon, 02 Mar 2026 00:00:00 GMT".to_owned() })
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let coded = (bytes[at] == b'%')
            .then(|| path.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(coded.unwrap_or(bytes[at]));
        at += if coded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).expect("tests ask for text")
}
