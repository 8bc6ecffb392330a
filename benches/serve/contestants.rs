//! The two servers, each on the first processor and on a port of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::outcome::Outcome;

/// A server that listens. It ends with this value.
pub(crate) struct Contestant {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// A program of the system.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// A program on one processor.
pub(crate) fn on_processor(number: u32, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(number.to_string()).arg(program);
    command
}

pub(crate) fn bivouac(scratch: &Path) -> Outcome<Contestant> {
    let address = free_address()?;
    let mut command = on_processor(0, env!("CARGO_BIN_EXE_bivouac"));
    command.current_dir(scratch).args(["serve", "--listen", &address.to_string()]);
    started(command.stdout(File::create(scratch.join("bivouac.access.log"))?), address)
}

/// As Debian runs it, with one worker, and our own configuration for it in its http block.
pub(crate) fn nginx(scratch: &Path) -> Outcome<Contestant> {
    let (address, path) = (free_address()?, scratch.to_str().ok_or("the folder's path is no text")?);
    let block = Command::new(env!("CARGO_BIN_EXE_bivouac"))
        .current_dir(scratch)
        .args(["web-config", "nginx", "--listen", &address.to_string()])
        .args(["--access-log", &format!("{path}/nginx.access.log")])
        .output()?;
    if !block.status.success() {
        return Err(String::from_utf8_lossy(&block.stderr).into_owned().into());
    }
    std::fs::write(scratch.join("block.conf"), block.stdout)?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {path}/nginx.{kind};\n"))
        .collect();
    // Connections that are closed after a thousand requests would be opened anew for each thousand.
    let config = format!(
        "user root;\nworker_processes 1;\ndaemon off;\npid {path}/nginx.pid;\nerror_log {path}/nginx.error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 1000000000;\n\
         {temporary}include {path}/block.conf;\n}}\n"
    );
    std::fs::write(scratch.join("nginx.conf"), config)?;
    let mut command = on_processor(0, program("nginx").ok_or("no nginx")?);
    started(command.args(["-e", "stderr", "-c", &format!("{path}/nginx.conf")]), address)
}

fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn started(command: &mut Command, address: SocketAddr) -> Outcome<Contestant> {
    let child = command.stdin(Stdio::null()).spawn()?;
    let mut contestant = Contestant { child, address };
    while TcpStream::connect(address).is_err() {
        if let Some(status) = contestant.child.try_wait()? {
            return Err(format!("{:?} ended with {status}", command.get_program()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(contestant)
}

impl Contestant {
    /// Bytes of memory of its process, and of the processes that it began.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        let mut sum = 0;
        for process in children.split_whitespace().map(str::to_owned).chain([own.to_string()]) {
            let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
            sum += line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024;
        }
        Ok(sum)
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // nginx's worker ends with its master only if that is asked to end.
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
