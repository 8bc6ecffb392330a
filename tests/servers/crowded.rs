//! The whole program under more clients than it has room for.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::env::Env;
use super::fixture::{OURS, Package, UPSTREAM};
use super::served::Served;

/// Memory that must do, debug build and all.
const MOST_MEMORY: u64 = 200 << 20;

/// A connection from 127.0.0.`from`.
fn connect(from: u8, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() << 10
}

fn sample(served: &Served, name: &str) -> u64 {
    let text = String::from_utf8(served.get("/metrics").body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn ten_thousand_idle_connections() {
    let env = Env::new();
    let package = Package::new("hello", "1.0-r0").build(&UPSTREAM);
    env.write(&format!("packages/{}", package.file), &package.bytes);
    env.private_key(&OURS);
    env.configure(
        "[sources.corp]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\n\
         [[repositories]]\nname = \"v3.23/main\"\nfrom = [\"corp\"]\narches = [\"x86_64\"]\n",
    );
    env.bivouac(&["sync"]).exits_with(0);
    // Ours; the server is a process with files of its own.
    let allowed = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed }).unwrap();
    let room = allowed.maximum.map_or(10_000, |files| files.saturating_sub(200)).min(10_000);
    assert!(room >= 3000, "{room} files are too few to crowd anybody");

    let served = Served::start(&env);
    let address = served.address.parse().unwrap();
    let mut idle = Vec::new();
    for number in 0..room {
        // From eleven addresses: more of each than one may have, and more of all than there may be.
        let mut wire = connect(2 + (number % 11) as u8, address);
        // Of all kinds: silent, in the middle of a head, and done with a request.
        match number % 3 {
            0 => {}
            1 => drop(wire.write_all(b"GET /v3.23/ HTTP/1.1\r\nHost: x")),
            _ => drop(wire.write_all(b"HEAD /v3.23/main/x86_64/hello-1.0-r0.apk HTTP/1.1\r\nHost: x\r\n\r\n")),
        }
        idle.push(wire);
        // From an address of its own, and from one of theirs.
        if number % 1000 == 999 {
            assert_eq!(served.get("/v3.23/main/x86_64/hello-1.0-r0.apk").body, package.bytes);
            let mut theirs = connect(2, address);
            theirs.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut reply = String::new();
            theirs.read_to_string(&mut reply).unwrap();
            assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        }
    }
    let memory = memory(served.process());
    println!("{room} idle connections, {} MiB", memory >> 20);
    assert!(memory < MOST_MEMORY, "{memory} bytes");
    let open = sample(&served, "bivouac_http_connections_open");
    assert!((1000..=4096).contains(&open), "{open}");
    let closed = sample(&served, "bivouac_http_connections_cut_total{reason=\"full\"}")
        + sample(&served, "bivouac_http_connections_cut_total{reason=\"address\"}");
    assert!(closed + 4096 >= room, "{closed} made room");
}
