//! systemd's journal, with fields: one datagram for each line (systemd's JOURNAL_NATIVE_PROTOCOL).
//!
//! ```text
//! PRIORITY=6\n                          a field whose value has no newline
//! MESSAGE\n<8 bytes, little endian>…\n   any other: its length before it
//! ```
//!
//! What always holds: telling never waits. A journal that is full or gone loses lines, never a sync.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where systemd listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Longest value that is sent, bytes: a datagram has to fit a socket's buffer, and nobody reads longer lines.
const MOST: usize = 16 << 10;

/// How much a line matters (syslog(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Something failed.
    Error,
    /// Something is worth a look.
    Warning,
    /// What one wants to read of each run.
    Notice,
    /// What went on.
    Info,
    /// Each single thing.
    Debug,
}

impl Priority {
    fn digit(self) -> char {
        match self {
            Priority::Error => '3',
            Priority::Warning => '4',
            Priority::Notice => '5',
            Priority::Info => '6',
            Priority::Debug => '7',
        }
    }
}

/// A way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    lost: AtomicU64,
}

impl Journal {
    /// Connects to the journal that listens at `path`; an error where nobody does.
    pub fn connect(path: &Path) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Journal { socket, lost: AtomicU64::new(0) })
    }

    /// Sends one line with its fields, whose names are made of capitals, digits and `_`. What the journal does not take is lost;
    /// how much that was is said as soon as it takes something again.
    pub fn send(&self, priority: Priority, message: &str, fields: &[(&str, String)]) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let told = datagram(Priority::Warning, &format!("{lost} lines were lost: the journal took no more"), &[]);
            if self.socket.send(&told).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if self.socket.send(&datagram(priority, message, fields)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn datagram(priority: Priority, message: &str, fields: &[(&str, String)]) -> Vec<u8> {
    let mut bytes = format!("PRIORITY={}\nSYSLOG_IDENTIFIER=bivouac\n", priority.digit()).into_bytes();
    field(&mut bytes, "MESSAGE", message);
    for (name, value) in fields {
        field(&mut bytes, name, value);
    }
    bytes
}

fn field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    let mut end = value.len().min(MOST);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let value = &value[..end];
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_datagram_of_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let reader = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::connect(&path).unwrap();
        journal.send(Priority::Warning, "two\nlines", &[("BIVOUAC_EVENT", "warning".to_owned())]);
        let mut bytes = [0; 1024];
        let length = reader.recv(&mut bytes).unwrap();
        let expected =
            b"PRIORITY=4\nSYSLOG_IDENTIFIER=bivouac\nMESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nBIVOUAC_EVENT=warning\n";
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), String::from_utf8_lossy(expected));
    }

    #[test]
    fn a_full_journal_loses_lines_and_never_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let reader = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::connect(&path).unwrap();
        let long = "ä".repeat(MOST);
        for _ in 0..2000 {
            journal.send(Priority::Info, &long, &[]);
        }
        let lost = journal.lost.load(Ordering::Relaxed);
        assert!(lost > 0, "the socket took all of it");
        let mut bytes = vec![0; 64 << 10];
        for _ in lost..2000 {
            let length = reader.recv(&mut bytes).unwrap();
            assert!(length < MOST + 100);
        }
        journal.send(Priority::Info, "after", &[]);
        let length = reader.recv(&mut bytes).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..length]).contains(&format!("MESSAGE={lost} lines were lost")));
        let length = reader.recv(&mut bytes).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..length]).contains("MESSAGE=after"));
        drop(reader);
        journal.send(Priority::Info, "gone", &[]);
        assert_eq!(journal.lost.load(Ordering::Relaxed), 1);
    }
}
