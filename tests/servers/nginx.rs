//! nginx in one process, run by whoever runs the test.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::env::Env;
use super::{free_port, listens, program};

/// A running nginx. Dropping it ends it.
pub(crate) struct Nginx {
    child: Child,
    folder: PathBuf,
    ports: Vec<u16>,
}

impl Nginx {
    /// Serves `upstream/` of `env`. `servers` are the bodies of its `server` blocks; `{0}`, `{1}` … in them are the ports of the
    /// first, second … one, each of which listens by itself (`tls` makes it speak TLS with the certificate of that name).
    pub(crate) fn start(env: &Env, servers: &[Server<'_>]) -> Option<Nginx> {
        Self::start_as(env, servers, None)
    }

    /// The same as another user, by number, who can enter the environment's root.
    pub(crate) fn start_as(env: &Env, servers: &[Server<'_>], user: Option<u32>) -> Option<Nginx> {
        let nginx = program("nginx")?;
        let folder = env.path("nginx");
        std::fs::create_dir_all(&folder).unwrap();
        // Somebody else may take a port between our look and nginx's.
        for _ in 0..5 {
            let ports: Vec<u16> = servers.iter().map(|_| free_port()).collect();
            env.write("nginx/nginx.conf", configuration(env, servers, &ports).as_bytes());
            let mut command = Command::new(&nginx);
            if let Some(user) = user {
                std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
                command.uid(user).gid(user);
            }
            let mut child = command
                .arg("-p")
                .arg(&folder)
                .args(["-c", "nginx.conf", "-e", "start.log"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if listens(&mut child, &ports) {
                return Some(Nginx { child, folder, ports });
            }
        }
        panic!("nginx does not start: {}", std::fs::read_to_string(folder.join("start.log")).unwrap_or_default());
    }

    pub(crate) fn port(&self, server: usize) -> u16 {
        self.ports[server]
    }

    pub(crate) fn url(&self, server: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[server])
    }

    pub(crate) fn https(&self, server: usize) -> String {
        format!("https://127.0.0.1:{}", self.ports[server])
    }

    /// The access log's lines about one server: method, address, status, and what came as Authorization and X-Api-Key (`-` for
    /// nothing) and Via.
    pub(crate) fn log(&self, server: usize) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        let port = format!("{} ", self.ports[server]);
        text.lines().filter_map(|line| line.strip_prefix(&port)).map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One `server` block.
pub(crate) struct Server<'s> {
    /// The name of its certificate, if it speaks TLS.
    pub(crate) tls: Option<&'s str>,
    /// The rest of its block.
    pub(crate) body: String,
}

impl<'s> Server<'s> {
    pub(crate) fn plain(body: impl Into<String>) -> Self {
        Server { tls: None, body: body.into() }
    }

    pub(crate) fn tls(certificate: &'s str, body: impl Into<String>) -> Self {
        Server { tls: Some(certificate), body: body.into() }
    }
}

fn configuration(env: &Env, servers: &[Server<'_>], ports: &[u16]) -> String {
    let mut text = String::from(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;\nevents {}\nhttp {\n\
         log_format told '$server_port $request_method $request_uri $status auth=\"$http_authorization\" \
         key=\"$http_x_api_key\" via=\"$http_via\"';\naccess_log access.log told;\n\
         client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n",
    );
    for (server, port) in servers.iter().zip(ports) {
        let tls = server.tls.map_or(String::new(), |name| {
            let file = |ending: &str| env.path(&format!("certificates/{name}.{ending}")).display().to_string();
            format!("ssl_certificate {}; ssl_certificate_key {};", file("pem"), file("key"))
        });
        let ssl = if server.tls.is_some() { " ssl" } else { "" };
        let body = ports.iter().enumerate().fold(server.body.clone(), |body, (number, port)| {
            body.replace(&format!("{{{number}}}"), &port.to_string())
        });
        let root = env.path("upstream");
        text += &format!("server {{ listen 127.0.0.1:{port}{ssl}; {tls} root {}; {body} }}\n", root.display());
    }
    text + "}\n"
}
