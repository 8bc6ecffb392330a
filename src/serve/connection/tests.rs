use std::io::{Read as _, Write as _};
use std::net::TcpStream as Wire;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::disk::durable;
use crate::serve::{Server, TlsFiles, Unlogged};

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
