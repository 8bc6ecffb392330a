//! squid in one process. Started by root it works as a user of its own, so what it writes lies in a folder open to all.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{free_port, listens, program};

/// A running proxy that caches nothing. Dropping it ends it.
pub(crate) struct Squid {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Squid {
    /// `mirror.test` leads it to this machine; `rules` stand before the rule that lets everybody through.
    pub(crate) fn start(rules: &str) -> Option<Squid> {
        let squid = program("squid")?;
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &PathBuf| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        open(&folder.path().to_owned());
        std::fs::write(folder.path().join("hosts"), "127.0.0.1 mirror.test\n").unwrap();
        for _ in 0..5 {
            let port = free_port();
            let inside = folder.path().display();
            let configuration = format!(
                "http_port 127.0.0.1:{port}\n{rules}\nhttp_access allow all\ncache deny all\n\
                 access_log stdio:{inside}/access.log\ncache_log {inside}/cache.log\npid_filename none\n\
                 coredump_dir none\nhosts_file {inside}/hosts\nshutdown_lifetime 0 seconds\n"
            );
            let file = folder.path().join("squid.conf");
            std::fs::write(&file, configuration.replace("{inside}", &inside.to_string())).unwrap();
            let mut child = Command::new(&squid)
                .args(["-N", "-f"])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if listens(&mut child, &[port]) {
                return Some(Squid { child, folder, port });
            }
        }
        panic!("squid does not start: {:?}", std::fs::read_to_string(folder.path().join("cache.log")));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its access log; squid writes it line by line.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
