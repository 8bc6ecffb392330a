//! `bivouac serve` over TLS, and a client that shows what it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::env::Env;

/// A running `serve`. Dropping it ends it.
pub(crate) struct Serving {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// What it said where it listens, up to the address.
    pub(crate) scheme: String,
    /// Lines of the access log.
    log: Receiver<String>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    pub(crate) fn start(env: &Env) -> Serving {
        Serving::by(env, &["serve", "--listen", "127.0.0.1:0"])
    }

    /// By a command that serves, among other things.
    pub(crate) fn by(env: &Env, arguments: &[&str]) -> Serving {
        let mut child = env.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, log) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (ready, listens) = channel();
        let (heard, err) = (Arc::clone(&told), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line.clone());
                let _ = ready.send(line);
            }
        });
        let line = listens.iter().find(|line| line.starts_with("serving ")).expect("it says where it listens");
        let url = line.split(' ').next_back().unwrap();
        let (scheme, address) = url.trim_end_matches('/').split_once("://").unwrap();
        Serving { address: address.to_owned(), scheme: scheme.to_owned(), child, log, told }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// For a repositories line, with what stands before the host in it. apk 2 takes no certificate of an address, only one of a
    /// name.
    pub(crate) fn url_of_the_name(&self, login: &str) -> String {
        format!("{}://{login}localhost:{}", self.scheme, self.address.rsplit(':').next().unwrap())
    }

    /// The next line of the access log.
    pub(crate) fn logged(&self) -> String {
        self.log.recv_timeout(Duration::from_secs(60)).expect("a line of the access log")
    }

    /// What it said on standard error so far.
    pub(crate) fn told(&self) -> String {
        self.told.lock().unwrap().join("\n")
    }

    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A client over TLS that believes `certificates/ca.pem` alone.
#[derive(Clone)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// `shown` names a certificate and its key below `certificates/`; `protocols` is what the client says it speaks (ALPN).
    pub(crate) fn new(env: &Env, shown: Option<&str>, protocols: &[&str]) -> TlsClient {
        let file = |name: &str| env.path(&format!("certificates/{name}"));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap()];
                let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        // Every connection asks for the certificate anew.
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = protocols.iter().map(|one| one.as_bytes().to_vec()).collect();
        TlsClient(Arc::new(config))
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// A connection, its handshake done.
    pub(crate) fn connect(&self, address: &str) -> std::io::Result<Connected> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut session = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        let mut wire = TcpStream::connect(address)?;
        while session.is_handshaking() {
            session.complete_io(&mut wire)?;
        }
        Ok(Connected(StreamOwned::new(session, wire)))
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, address: &str, path: &str, headers: &str) -> std::io::Result<Answer> {
        let mut connected = self.connect(address)?;
        let host = address.to_owned();
        write!(connected.0, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")?;
        let mut bytes = Vec::new();
        connected.0.read_to_end(&mut bytes)?;
        Ok(answer(bytes))
    }
}

/// A connection over TLS.
pub(crate) struct Connected(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Connected {
    /// The certificate that the server showed, in DER.
    pub(crate) fn shown(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// A request whose answer has a length, on this connection; it stays open.
    pub(crate) fn ask(&mut self, path: &str) -> Answer {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            let length = self.0.read(&mut chunk).unwrap();
            assert_ne!(length, 0, "the connection ended: {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&chunk[..length]);
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if bytes.len() == end + 4 + length.unwrap().parse::<usize>().unwrap() {
                return answer(bytes);
            }
        }
    }
}

fn answer(mut bytes: Vec<u8>) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes.split_off(end + 4) }
}
