//! A server that does not give what it was asked for: its name, the connection, its certificate, its answer.

use url::Url;

use super::{Diagnosis, Weight};
use crate::error::Class;
use crate::sources::fault::{BadCertificate, Fault};
use crate::sources::http::Http;
use crate::sources::http::look::shown;

/// What a request's fault means, and what to do. A name that nobody knows is told apart from a host that does not answer.
pub async fn judge(http: &Http, address: &Url, fault: &Fault) -> Diagnosis {
    let known = match fault {
        Fault::Connect(_) => http.knows_host(address).await,
        _ => true,
    };
    of(address, fault, if known { Name::Known } else { Name::Unknown })
}

/// Whether a host's name leads to an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Known,
    Unknown,
}

fn of(address: &Url, fault: &Fault, name: Name) -> Diagnosis {
    let subject = shown(address);
    let weight = Weight::Error(Class::Upstream);
    let host = address.host_str().unwrap_or_default();
    let message = fault.to_string();
    match fault {
        Fault::Connect(_) if name == Name::Unknown => Diagnosis {
            code: "host-unknown",
            weight,
            subject,
            message: format!("no address is known for {host}"),
            hint: Some(format!("look at the spelling of {host}, and at this machine's /etc/resolv.conf and /etc/hosts")),
        },
        Fault::Connect(_) => Diagnosis {
            code: "unreachable",
            weight,
            subject,
            message,
            hint: Some(format!(
                "look whether the server runs and listens on {host}:{}, and at firewalls between",
                address.port_or_known_default().unwrap_or_default()
            )),
        },
        Fault::Status(403) => Diagnosis {
            code: "forbidden",
            weight,
            subject,
            message,
            hint: Some(
                "on the server, every folder of the path must be open (x) to the web server's user and every file readable (r): \
                 `bivouac doctor --user NAME` there says which is not; then look at its rules of access"
                    .to_owned(),
            ),
        },
        Fault::Status(404 | 410) => Diagnosis {
            code: "not-found",
            weight,
            subject,
            message,
            hint: Some(format!(
                "compare the server's root folder with the address: it looks for the file at that folder + {} (nginx: root); on a \
                 bivouac server `bivouac client` prints the lines that work",
                address.path()
            )),
        },
        Fault::Certificate(BadCertificate::Untrusted) => Diagnosis {
            code: fault.code(),
            weight,
            subject,
            message,
            hint: Some(
                "on clients: put the authority's certificate into /usr/local/share/ca-certificates/ and run \
                 `update-ca-certificates`; here: `--ca FILE` names it"
                    .to_owned(),
            ),
        },
        Fault::Certificate(BadCertificate::OtherHost(_)) => Diagnosis {
            code: fault.code(),
            weight,
            subject,
            message,
            hint: Some(format!("name the host as the certificate does, or have one made that is for {host}")),
        },
        Fault::Tls(_) => Diagnosis {
            code: fault.code(),
            weight,
            subject,
            message,
            hint: Some(format!(
                "where the server speaks plain HTTP on this port, the line begins with http://; else `openssl s_client -connect \
                 {host}:{}` shows what it speaks, and whether it asks for a client's certificate",
                address.port_or_known_default().unwrap_or_default()
            )),
        },
        Fault::AsksForPassword | Fault::Denied(_) => Diagnosis {
            code: fault.code(),
            weight,
            subject,
            message,
            hint: Some("put user and password into the line: https://user:password@host/…".to_owned()),
        },
        Fault::Downgrade(_) | Fault::RedirectLoop(_) => Diagnosis {
            code: "redirect-not-followed",
            weight,
            subject,
            message,
            hint: Some("name the address that it leads to in /etc/apk/repositories".to_owned()),
        },
        _ => Diagnosis {
            code: fault.code(),
            weight,
            subject,
            message,
            hint: fault.hint().map(str::to_owned).or_else(|| Some("look at the server's log".to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_word_and_its_cure() {
        let address: Url = "https://mirror.example/alpine".parse().unwrap();
        let certificate = |bad| Fault::Certificate(bad);
        for (fault, name, code) in [
            (Fault::Connect("x".into()), Name::Unknown, "host-unknown"),
            (Fault::Connect("x".into()), Name::Known, "unreachable"),
            (Fault::Status(403), Name::Known, "forbidden"),
            (Fault::Status(404), Name::Known, "not-found"),
            (Fault::Status(500), Name::Known, "unavailable"),
            (Fault::AsksForPassword, Name::Known, "login-needed"),
            (certificate(BadCertificate::Untrusted), Name::Known, "certificate-untrusted"),
            (certificate(BadCertificate::Expired(None)), Name::Known, "certificate-expired"),
            (certificate(BadCertificate::NotYet(None)), Name::Known, "certificate-not-yet"),
            (certificate(BadCertificate::OtherHost(Vec::new())), Name::Known, "certificate-other-host"),
            (Fault::RedirectLoop(5), Name::Known, "redirect-not-followed"),
        ] {
            let seen = of(&address, &fault, name);
            assert_eq!((seen.code, seen.class()), (code, Some(Class::Upstream)), "{fault}");
            assert!(seen.hint.is_some(), "{fault}");
        }
    }
}
