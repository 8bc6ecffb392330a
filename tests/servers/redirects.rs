//! Whoever leads us elsewhere gets us there, and nothing that lets us in goes along.

use super::certificates::{Kind, authority, certificate};
use super::nginx::{Nginx, Server};
use super::{ALL, SECRET, filled, mirror, no_secret_is_told, secret};

#[test]
fn credentials_do_not_follow_a_redirect_to_another_server() {
    for (auth, content) in [
        ("basic_file", format!("ops:{SECRET}")),
        ("header_file", format!("X-Api-Key: {SECRET}")),
        ("header_file", format!("Authorization: Bearer {SECRET}")),
    ] {
        let env = filled();
        let leads_on = Server::plain("location / { return 302 http://127.0.0.1:{1}$request_uri; }");
        let Some(nginx) = Nginx::start(&env, &[leads_on, Server::plain("")]) else { return };
        secret(&env, "secrets/up", &content);
        mirror(&env, &nginx.url(0), &format!("auth = {{ {auth} = \"secrets/up\" }}"));
        env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
        let (first, second) = (nginx.log(0), nginx.log(1));
        assert!(first.len() >= 3 && first.iter().all(|line| !line.contains("auth=\"-\" key=\"-\"")), "{first:?}");
        assert!(second.len() >= 3 && second.iter().all(|line| line.contains("auth=\"-\" key=\"-\"")), "{second:?}");
        no_secret_is_told(&env);
    }
}

#[test]
fn credentials_stay_on_the_way_within_one_server() {
    let env = filled();
    env.write("nginx/users", format!("ops:{{PLAIN}}{SECRET}\n").as_bytes());
    let body = "location /alpine { return 307 /moved$request_uri; } \
                location /moved/ { alias ROOT/; auth_basic \"packages\"; auth_basic_user_file users; }";
    let body = body.replace("ROOT", &env.path("upstream").display().to_string());
    let Some(nginx) = Nginx::start(&env, &[Server::plain(body)]) else { return };
    secret(&env, "secrets/up", &format!("ops:{SECRET}"));
    mirror(&env, &nginx.url(0), "auth = { basic_file = \"secrets/up\" }");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
}

#[test]
fn a_redirect_out_of_tls_is_not_followed() {
    let env = filled();
    authority(&env);
    certificate(&env, "server", Kind::Good);
    let leads_out = Server::tls("server", "location / { return 301 http://127.0.0.1:{1}$request_uri; }");
    let Some(nginx) = Nginx::start(&env, &[leads_out, Server::plain("")]) else { return };
    secret(&env, "secrets/up", &format!("ops:{SECRET}"));
    mirror(&env, &nginx.https(0), "ca = \"certificates/ca.pem\"\nauth = { basic_file = \"secrets/up\" }");
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(4).tells(&["redirected from https to http://127.0.0.1:", "which is not followed"]);
    assert_eq!(nginx.log(1), Vec::<String>::new());
}
