//! Certificates: whose we believe, and who we are.

use super::certificates::{Kind, authority, certificate};
use super::env::Env;
use super::nginx::{Nginx, Server};
use super::{ALL, filled, mirror};

/// An environment whose server has a certificate of this kind.
fn serving(kind: Kind, body: &str) -> Option<(Env, Nginx)> {
    let env = filled();
    authority(&env);
    certificate(&env, "server", kind);
    let nginx = Nginx::start(&env, &[Server::tls("server", body)])?;
    Some((env, nginx))
}

/// The code of the only repository's error.
#[track_caller]
fn refused(env: &Env, words: &[&str]) -> String {
    env.bivouac(&["sync"]).exits_with(4).tells(words);
    let told = env.bivouac(&["--json", "sync"]).exits_with(4).json();
    told["repositories"][0]["error"]["code"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn an_authority_of_our_own_is_believed_when_it_is_named() {
    let Some((env, nginx)) = serving(Kind::Good, "") else { return };
    mirror(&env, &nginx.https(0), "");
    let words = ["its certificate is from an authority that is not trusted here", "hint: for an authority of your own"];
    assert_eq!(refused(&env, &words), "certificate-untrusted");
    assert_eq!(nginx.log(0), Vec::<String>::new(), "no request was sent to it");
    mirror(&env, &nginx.https(0), "ca = \"certificates/ca.pem\"");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
}

#[test]
fn a_certificate_that_is_over_or_anothers_is_named_as_such() {
    let Some((env, nginx)) = serving(Kind::Expired, "") else { return };
    mirror(&env, &nginx.https(0), "ca = \"certificates/ca.pem\"");
    assert_eq!(refused(&env, &["its certificate has expired (2020-02-01T00:00:00Z)"]), "certificate-expired");
    let Some((env, nginx)) = serving(Kind::OtherHost, "") else { return };
    mirror(&env, &nginx.https(0), "ca = \"certificates/ca.pem\"");
    let words = ["its certificate is for other.example, not for this host"];
    assert_eq!(refused(&env, &words), "certificate-other-host");
}

#[test]
fn a_server_that_asks_who_we_are_is_told() {
    let asks = "ssl_client_certificate ../certificates/ca.pem; ssl_verify_client on;";
    let Some((env, nginx)) = serving(Kind::Good, asks) else { return };
    certificate(&env, "client", Kind::Client);
    certificate(&env, "other", Kind::Client);
    let access = |certificate: &str, key: &str| {
        format!(
            "ca = \"certificates/ca.pem\"\nclient_cert = \"certificates/{certificate}.pem\"\n\
             client_key = \"certificates/{key}.key\""
        )
    };
    mirror(&env, &nginx.https(0), "ca = \"certificates/ca.pem\"");
    env.bivouac(&["sync"]).exits_with(4).tells(&["answered 400 Bad Request"]);
    mirror(&env, &nginx.https(0), &access("client", "other"));
    let ran = env.bivouac(&["--json", "sync"]);
    ran.exits_with(2).tells(&["client_cert ", "client.pem and client_key ", "other.key do not belong together"]);
    assert_eq!(ran.json()["error"]["code"], "client-cert-mismatch");
    mirror(&env, &nginx.https(0), &access("client", "client"));
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ALL);
    // Both may lie in one file.
    let both = ["key", "pem"].map(|ending| std::fs::read_to_string(env.path(&format!("certificates/client.{ending}"))));
    super::secret(&env, "certificates/both.pem", &both.map(Result::unwrap).concat());
    let lines = access("both", "both").replace("both.key", "both.pem");
    mirror(&env, &nginx.https(0), &lines);
    env.bivouac(&["sync"]).exits_with(0);
}
