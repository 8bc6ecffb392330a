//! The public tree behind `bivouac serve`, and a client of few words.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use super::env::Env;

/// A running server; it ends with this value.
pub(crate) struct Served {
    server: Child,
    pub(crate) address: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Served {
    pub(crate) fn start(env: &Env) -> Served {
        let mut command = env.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It tells where it listens, on whichever stream.
        let (told, heard) = std::sync::mpsc::channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(server.stdout.take().unwrap()), Box::new(server.stderr.take().unwrap())];
        for stream in streams {
            let told = told.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Some((_, rest)) = line.split_once("http://") {
                        let address: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '/').collect();
                        let _ = told.send(address);
                    }
                }
            });
        }
        drop(told);
        let address = heard.recv().expect("serve says where it listens");
        Served { server, address }
    }

    /// Its number.
    #[allow(dead_code, reason = "shared")]
    pub(crate) fn process(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(&self.address, path)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: &str, path: &str) -> Answer {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("an answer has a status");
    Answer { status, head, body: answer.split_off(end + 4) }
}
