//! The programs we stand beside: nginx and an rsync daemon to fetch from, rsync and apk 2.14 to compare with. Each is found
//! on this machine, or the comparison says that it is missing.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flate2::bufread::GzDecoder;

use crate::outcome::Outcome;

const MINIROOTFS: &str = "official/minirootfs/alpine-minirootfs-3.20.3-x86_64.tar.gz";

/// A server on loopback that ends with this value.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM rather than SIGKILL: nginx's master then ends its workers. Nothing is left to do if it is gone already.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// nginx with `root` as its document root, all its files below `scratch`. One line per request goes to `access_log`.
pub(crate) fn nginx(root: &Path, scratch: &Path, access_log: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let config = scratch.join("nginx.conf");
    // Started by root it would drop to a user who may not read below a private home.
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    let scratch_text = scratch.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {scratch_text}/nginx-{kind};\n"))
        .collect();
    fs::write(
        &config,
        format!(
            "daemon off;\nworker_processes 2;\n{user}\npid {scratch_text}/nginx.pid;\nerror_log {scratch_text}/nginx.error;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n{temporary}  log_format bench '$request_method $uri $status $body_bytes_sent';\n  \
             access_log {} bench;\n  sendfile on;\n  tcp_nopush on;\n  default_type application/octet-stream;\n  \
             server {{ listen 127.0.0.1:{port}; root {}; }}\n}}\n",
            access_log.display(),
            root.display()
        ),
    )?;
    let mut command = Command::new(find("nginx").ok_or("nginx is not on this machine")?);
    command.arg("-e").arg(scratch.join("nginx.error")).arg("-c").arg(&config);
    start(&mut command, port)
}

/// An rsync daemon that offers `root` as the module `tree`.
pub(crate) fn rsync_daemon(root: &Path, scratch: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let config = scratch.join("rsyncd.conf");
    let user = if rustix::process::getuid().is_root() { "uid = root\ngid = root\n" } else { "" };
    fs::write(&config, format!("use chroot = no\n{user}[tree]\npath = {}\nread only = yes\n", root.display()))?;
    let mut command = Command::new(find("rsync").ok_or("rsync is not on this machine")?);
    command.args(["--daemon", "--no-detach", "--address", "127.0.0.1", "--port"]).arg(port.to_string());
    command.arg("--config").arg(&config).arg("--log-file").arg(scratch.join("rsyncd.log"));
    start(&mut command, port)
}

fn start(command: &mut Command, port: u16) -> Outcome<Server> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut server = Server { child, port };
    for _ in 0..400 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(server);
        }
        if let Some(status) = server.child.try_wait()? {
            return Err(format!("{:?} ended at once with {status}", command.get_program()).into());
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    Err(format!("{:?} does not listen on port {port}", command.get_program()).into())
}

/// A port nobody listens on now. Another process could take it before we do; then `start` says so.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The program `name` on `PATH` or where servers are kept.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The real apk 2.14, unpacked from the minirootfs below `real` and run without a chroot.
pub(crate) struct Apk {
    root: PathBuf,
}

impl Apk {
    /// Unpacks it below `data` unless that was done before. None on another architecture than x86_64.
    pub(crate) fn unpack(data: &Path, real: &Path) -> Outcome<Option<Apk>> {
        if !cfg!(target_arch = "x86_64") {
            return Ok(None);
        }
        let root = data.join("apk-2.14");
        if !root.join("sbin/apk").exists() {
            let file = std::io::BufReader::new(fs::File::open(real.join(MINIROOTFS))?);
            let mut archive = tar::Archive::new(GzDecoder::new(file));
            archive.set_preserve_permissions(true);
            archive.unpack(&root)?;
        }
        Ok(Some(Apk { root }))
    }

    /// `apk --keys-dir KEYS …`, to be completed by the caller.
    pub(crate) fn command(&self, keys: &Path) -> Command {
        let mut command = Command::new(self.root.join("lib/ld-musl-x86_64.so.1"));
        let library_path = [self.root.join("lib"), self.root.join("usr/lib")].map(|path| path.display().to_string());
        command.arg("--library-path").arg(library_path.join(":")).arg(self.root.join("sbin/apk"));
        command.arg("--keys-dir").arg(keys);
        command
    }
}
