//! Passwords and headers from files, and how fast a source may be fetched from.

use super::nginx::{Nginx, Server};
use super::{ALL, SECRET, filled, mirror, no_secret_is_told, secret};

/// nginx asks for a user and password; they are `ops` and [`SECRET`].
fn password_server(env: &super::Env) -> Server<'static> {
    env.write("nginx/users", format!("ops:{{PLAIN}}{SECRET}\n").as_bytes());
    Server::plain("auth_basic \"packages\"; auth_basic_user_file users;")
}

#[test]
fn a_password_from_a_file_lets_us_in_and_is_never_told() {
    let env = filled();
    let Some(nginx) = Nginx::start(&env, &[password_server(&env)]) else { return };
    secret(&env, "secrets/up", &format!("ops:{SECRET}\n"));
    mirror(&env, &nginx.url(0), "auth = { basic_file = \"secrets/up\" }");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    no_secret_is_told(&env);
    assert!(nginx.log(0).iter().all(|line| line.contains("auth=\"Basic ")), "{:?}", nginx.log(0));

    // Nor while it works: what the system shows of a process is its arguments.
    let mut child = env.start(&["sync"]);
    let shown = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
    child.wait().unwrap();
    assert!(!String::from_utf8_lossy(&shown).contains(SECRET));
}

#[test]
fn a_password_in_the_url_lets_us_in_and_is_never_told() {
    let env = filled();
    let Some(nginx) = Nginx::start(&env, &[password_server(&env)]) else { return };
    mirror(&env, &nginx.url(0).replace("http://", &format!("http://ops:{SECRET}@")), "");
    env.bivouac(&["sync"]).exits_with(0);
    no_secret_is_told(&env);
}

#[test]
fn a_wrong_password_is_named_as_such() {
    let env = filled();
    let Some(nginx) = Nginx::start(&env, &[password_server(&env)]) else { return };
    secret(&env, "secrets/up", &format!("ops:not-{SECRET}"));
    mirror(&env, &nginx.url(0), "auth = { basic_file = \"secrets/up\" }");
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(4)
        .tells(&["answered 401 Unauthorized: it does not accept our credentials", "hint: look at the file"]);
    assert_eq!(nginx.log(0).len(), 1, "the same password is not tried again: {:?}", nginx.log(0));
    let told = env.bivouac(&["--json", "sync"]).exits_with(4).json();
    assert_eq!(told["repositories"][0]["error"]["code"], "login-refused", "{told}");
    no_secret_is_told(&env);

    mirror(&env, &nginx.url(0), "");
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(4).tells(&["it asks for credentials, and there are none", "hint: name a file with user:password"]);
}

#[test]
fn a_header_from_a_file_lets_us_in_and_is_never_told() {
    let env = filled();
    let guard = format!("if ($http_x_api_key != \"{SECRET}\") {{ return 403; }}");
    let Some(nginx) = Nginx::start(&env, &[Server::plain(guard)]) else { return };
    secret(&env, "secrets/up", &format!("X-Api-Key: {SECRET}\n"));
    mirror(&env, &nginx.url(0), "auth = { header_file = \"secrets/up\" }");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    no_secret_is_told(&env);
    secret(&env, "secrets/up", &format!("X-Api-Key: not-{SECRET}\n"));
    env.bivouac(&["sync"]).exits_with(4).tells(&["answered 403 Forbidden: it does not accept our credentials"]);
}

#[test]
fn a_secret_that_others_may_read_is_refused_before_anything_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = filled();
    let Some(nginx) = Nginx::start(&env, &[password_server(&env)]) else { return };
    let file = secret(&env, "secrets/up", &format!("ops:{SECRET}"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    mirror(&env, &nginx.url(0), "auth = { basic_file = \"secrets/up\" }");
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(2).tells(&["source \"up\" cannot be asked", "is open to others (mode 0644)", "hint: chmod 600 "]);
    assert_eq!(nginx.log(0), Vec::<String>::new());
    no_secret_is_told(&env);
}

#[test]
fn a_limited_transfer_comes_whole() {
    let env = filled();
    let Some(nginx) = Nginx::start(&env, &[Server::plain("")]) else { return };
    mirror(&env, &nginx.url(0), "rate_limit = [{ limit = \"1MB/s\", from = \"00:00\", to = \"24:00\" }]");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    let fetched = env.public().join("v3.23/main/x86_64/noise-1.0-r0.apk");
    let sent = env.path("upstream/alpine/v3.23/main/x86_64/noise-1.0-r0.apk");
    assert_eq!(std::fs::read(fetched).unwrap(), std::fs::read(sent).unwrap());
    assert_eq!(nginx.log(0).iter().filter(|line| line.contains("noise-1.0-r0.apk")).count(), 1, "in one piece");
}
