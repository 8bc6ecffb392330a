//! A mirror of a small upstream on a clock that the test sets, and a daemon whose notify socket the test holds.

use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::env::Env;
use super::fixture::{Package, UPSTREAM, signed, unsigned_index};

/// A hang is a failure; nothing here takes a tenth of this.
const HANG: Duration = Duration::from_secs(60);

pub(crate) const PACKAGE: &str = "/v3.23/main/x86_64/one-1-r0.apk";
pub(crate) const INDEX: &str = "/v3.23/main/x86_64/APKINDEX.tar.gz";

/// The mirror.
pub(crate) struct World {
    pub(crate) env: Env,
    /// How often upstream's index changed: its description counts.
    changes: std::cell::Cell<u32>,
}

impl World {
    /// One package upstream; nothing synced yet. `rest` goes behind the repositories.
    pub(crate) fn new(rest: &str) -> World {
        let world = World { env: Env::new(), changes: std::cell::Cell::new(0) };
        world.upstream("one", 0);
        world.configure(rest);
        world.clock("2026-12-01T02:00:00Z");
        world
    }

    pub(crate) fn configure(&self, rest: &str) {
        self.env.configure(&format!(
            "[sources.up]\nurl = [\"{{upstream}}\"]\nkeyring = [\"trusted/{}\"]\n\n\
             [[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n\n{rest}\n",
            UPSTREAM.name
        ));
    }

    /// What upstream has: one package of this name and revision.
    pub(crate) fn upstream(&self, name: &str, revision: u32) {
        let package = Package::new(name, &format!("1-r{revision}")).build(&UPSTREAM);
        self.env.upstream.put(&format!("/v3.23/main/x86_64/{}", package.file), package.bytes.clone());
        self.changes.set(self.changes.get() + 1);
        let index = unsigned_index(&[&package.entry], &format!("v3.23.0-{}-g0123456789", self.changes.get()));
        self.env.upstream.put(INDEX, signed(&index, &[&UPSTREAM]));
    }

    /// Sets the clock of everything that runs here.
    pub(crate) fn clock(&self, time: &str) {
        self.env.write("clock", time.as_bytes());
    }

    /// A command on this clock.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.env.command(words);
        command.env("BIVOUAC_CLOCK", self.env.path("clock"));
        command
    }

    pub(crate) fn bivouac(&self, words: &[&str]) -> super::env::Ran {
        let clock = self.env.path("clock");
        self.env.bivouac_with(&[("BIVOUAC_CLOCK", clock.to_str().unwrap())], words)
    }

    /// What `status` knows of a task.
    pub(crate) fn task(&self, name: &str) -> Option<Value> {
        let status = self.bivouac(&["--json", "status"]).json();
        status["tasks"].as_array()?.iter().find(|task| task["task"] == name).cloned()
    }

    /// How many runs of a task ended with this code.
    pub(crate) fn runs(&self, name: &str, exit: u8) -> u64 {
        self.task(name).and_then(|task| task["ended"][exit.to_string()].as_u64()).unwrap_or(0)
    }
}

/// A daemon under way.
pub(crate) struct Daemon {
    child: Child,
    socket: UnixDatagram,
    lines: std::sync::mpsc::Receiver<String>,
    /// All that was told until now.
    pub(crate) told: Vec<String>,
}

impl Daemon {
    pub(crate) fn start(world: &World) -> Daemon {
        Daemon::with(world, &[])
    }

    /// With variables set.
    pub(crate) fn with(world: &World, variables: &[(&str, &str)]) -> Daemon {
        let path = socket_path(world);
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(HANG)).unwrap();
        let mut command = world.command(&["--log", "json", "daemon"]);
        command.env("NOTIFY_SOCKET", &path).envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let (heard, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            use std::io::BufRead as _;
            stderr.lines().map_while(Result::ok).try_for_each(|line| heard.send(line))
        });
        let mut daemon = Daemon { child, socket, lines, told: Vec::new() };
        daemon.hears("READY=1");
        daemon
    }

    /// Waits until the notify socket has got a datagram that holds `word`; all datagrams up to that one.
    pub(crate) fn hears(&mut self, word: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let mut bytes = [0; 4096];
        let begun = std::time::Instant::now();
        loop {
            assert!(
                begun.elapsed() < HANG,
                "nobody said {word:?}; until then:\n{}\n{}",
                self.told.join("\n"),
                self.rest()
            );
            let length = self.socket.recv(&mut bytes).unwrap_or_else(|error| {
                panic!("nobody said {word:?}: {error}; until then:\n{}\n{}", self.told.join("\n"), self.rest())
            });
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            self.told.push(text.clone());
            heard.push(text);
            if heard.last().unwrap().contains(word) {
                return heard;
            }
        }
    }

    /// Waits until a line of the log holds all of these words.
    pub(crate) fn logs(&mut self, words: &[&str]) -> String {
        let mut before = Vec::new();
        loop {
            match self.lines.recv_timeout(HANG) {
                Ok(line) if words.iter().all(|word| line.contains(word)) => return line,
                Ok(line) => before.push(line),
                Err(error) => panic!("no line with {words:?}: {error}; until then:\n{}", before.join("\n")),
            }
        }
    }

    fn rest(&mut self) -> String {
        self.lines.try_iter().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Short: the address of a Unix socket has at most 107 bytes.
fn socket_path(world: &World) -> PathBuf {
    world.env.path("n")
}

/// Answers one POST after the other with `status`; gives away their bodies.
pub(crate) fn webhook(status: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0; 1]);
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            assert!(head.starts_with("post /hook/s3cret?k=s3cret http/1.1\r\n"), "{head}");
            assert!(head.contains("content-type: application/json"), "{head}");
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            std::io::Write::write_all(
                &mut stream,
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes(),
            )
            .unwrap();
            if told.send(String::from_utf8(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, heard)
}
