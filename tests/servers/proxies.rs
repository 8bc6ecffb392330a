//! Through a proxy, and past it.

use super::certificates::{Kind, authority, certificate};
use super::env::Env;
use super::nginx::{Nginx, Server};
use super::squid::Squid;
use super::{ALL, SECRET, filled, free_port, mirror, no_secret_is_told};

/// The proxy's log has the index and both packages.
#[track_caller]
fn all_came_through(squid: &Squid) {
    let log = squid.log();
    for file in ["APKINDEX.tar.gz", "hello-1.0-r0.apk", "noise-1.0-r0.apk"] {
        assert!(log.contains(&format!("/alpine/v3.23/main/x86_64/{file}")), "{file}\n{log}");
    }
}

#[test]
fn a_source_is_fetched_through_the_proxy_that_it_names() {
    let env = filled();
    let (Some(nginx), Some(squid)) = (Nginx::start(&env, &[Server::plain("")]), Squid::start("")) else { return };
    mirror(&env, &nginx.url(0), &format!("proxy = \"{}\"", squid.url()));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    all_came_through(&squid);
    assert!(nginx.log(0).iter().all(|line| line.contains("(squid")), "{:?}", nginx.log(0));
}

#[test]
fn who_is_named_in_no_proxy_is_asked_directly() {
    let env = filled();
    let (Some(nginx), Some(squid)) = (Nginx::start(&env, &[Server::plain("")]), Squid::start("")) else { return };
    mirror(&env, &nginx.url(0), &format!("proxy = \"{}\"", squid.url()));
    env.bivouac_with(&[("NO_PROXY", "example.org, 127.0.0.0/8")], &["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    assert!(!squid.log().contains("/alpine/"), "{}", squid.log());
    assert!(nginx.log(0).iter().all(|line| line.contains("via=\"-\"")), "{:?}", nginx.log(0));
}

#[test]
fn the_environments_proxy_serves_sources_that_name_none() {
    let env = filled();
    let (Some(nginx), Some(squid)) = (Nginx::start(&env, &[Server::plain("")]), Squid::start("")) else { return };
    // A name that the proxy alone knows.
    let url = format!("http://mirror.test:{}", nginx.port(0));
    let variables = [("http_proxy", &squid.url()[..])];
    mirror(&env, &url, "proxy = \"none\"");
    env.bivouac_with(&variables, &["sync"]).exits_with(4).tells(&["cannot connect"]);
    assert!(!squid.log().contains("/alpine/"), "{}", squid.log());
    mirror(&env, &url, "");
    env.bivouac_with(&variables, &["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    all_came_through(&squid);
    // What the file says goes first.
    let nobody = format!("http://127.0.0.1:{}", free_port());
    mirror(&env, &url, &format!("proxy = \"{}\"", squid.url()));
    env.bivouac_with(&[("http_proxy", &nobody)], &["sync"]).exits_with(0);
    // And what cannot be a proxy is not gone around.
    let wrong = format!("socks5://ops:{SECRET}@127.0.0.1:1");
    mirror(&env, &url, "");
    let ran = env.bivouac_with(&[("ALL_PROXY", &wrong)], &["--json", "sync"]);
    ran.exits_with(2).tells(&["the environment's all_proxy is not the URL of an http or https proxy"]);
    assert!(!format!("{ran}").contains(SECRET), "{ran}");
    assert_eq!(ran.json()["error"]["code"], "bad-proxy");
}

#[test]
fn tls_goes_through_the_proxy_unread() {
    let env = filled();
    authority(&env);
    certificate(&env, "server", Kind::Good);
    // Debian's squid lets nobody tunnel but to port 443; ours has no such rule.
    let servers = [Server::tls("server", "")];
    let (Some(nginx), Some(squid)) = (Nginx::start(&env, &servers), Squid::start("")) else { return };
    mirror(&env, &nginx.https(0), &format!("ca = \"certificates/ca.pem\"\nproxy = \"{}\"", squid.url()));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    // The tunnel's line is written when it is closed, which our end of it was.
    assert!(!squid.log().contains("/alpine/"), "{}", squid.log());
    assert!(nginx.log(0).iter().all(|line| line.contains("via=\"-\"")), "{:?}", nginx.log(0));
}

#[track_caller]
fn code_of(env: &Env) -> serde_json::Value {
    env.bivouac(&["--json", "sync"]).exits_with(4).json()["repositories"][0]["error"]["code"].clone()
}

#[test]
fn a_proxy_that_is_away_or_lets_nobody_through_is_named_as_such() {
    let env = filled();
    let Some(nginx) = Nginx::start(&env, &[Server::plain("")]) else { return };
    let nobody = format!("127.0.0.1:{}", free_port());
    mirror(&env, &nginx.url(0), &format!("proxy = \"http://ops:{SECRET}@{nobody}\""));
    let ran = env.bivouac(&["sync"]);
    ran.exits_with(4).tells(&[&format!("cannot connect through the proxy http://***@{nobody}: "), "hint: look at"]);
    assert_eq!(code_of(&env), "proxy-unreachable");
    no_secret_is_told(&env);

    let rules = "auth_param basic program /bin/false\nacl known proxy_auth REQUIRED\nhttp_access deny !known";
    let Some(squid) = Squid::start(rules) else { return };
    mirror(&env, &nginx.url(0), &format!("proxy = \"{}\"", squid.url()));
    env.bivouac(&["sync"]).exits_with(4).tells(&["it asks for a user and password"]);
    assert_eq!(code_of(&env), "proxy-denied");
    mirror(&env, &nginx.https(0), &format!("proxy = \"{}\"", squid.url()));
    assert_eq!(code_of(&env), "proxy-denied", "also in front of a tunnel");
    assert_eq!(nginx.log(0), Vec::<String>::new());
}
