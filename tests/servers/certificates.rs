//! An authority of the test's own and what it vouches for, made by openssl.

use std::path::Path;
use std::process::{Command, Stdio};

use super::env::Env;

/// What a server's certificate is like.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// For 127.0.0.1, today.
    Good,
    /// For 127.0.0.1, long ago.
    Expired,
    /// For 127.0.0.1, in years to come.
    NotYet,
    /// For another host.
    OtherHost,
    /// For a client.
    Client,
    /// For 127.0.0.1 and an authority at once, signed by itself.
    SelfSigned,
}

/// Makes the authority `certificates/ca.pem`.
pub(crate) fn authority(env: &Env) {
    env.write("certificates/ca.cnf", CA_CONFIGURATION.as_bytes());
    for (name, content) in [("index.txt", ""), ("serial", "01\n")] {
        env.write(&format!("certificates/{name}"), content.as_bytes());
    }
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        env,
        &format!("req -x509 {new_key} -keyout ca.key -out ca.pem -days 30 -subj /CN=authority -config ca.cnf"),
    );
}

/// Makes `certificates/NAME.pem` and `NAME.key`, which the authority vouches for.
pub(crate) fn certificate(env: &Env, name: &str, kind: Kind) {
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let (section, time) = match kind {
        Kind::SelfSigned => {
            let own = format!("req -x509 {new_key} -keyout {name}.key -out {name}.pem -days 30 -subj /CN={name}");
            return openssl(env, &format!("{own} -addext subjectAltName=IP:127.0.0.1"));
        }
        Kind::Good => ("good", "-days 30"),
        Kind::Expired => ("good", "-startdate 20200101000000Z -enddate 20200201000000Z"),
        Kind::NotYet => ("good", "-startdate 20450101000000Z -enddate 20460101000000Z"),
        Kind::OtherHost => ("other", "-days 30"),
        Kind::Client => ("client", "-days 30"),
    };
    openssl(env, &format!("req -new {new_key} -keyout {name}.key -out {name}.csr -subj /CN={name} -config ca.cnf"));
    openssl(
        env,
        &format!("ca -batch -config ca.cnf -notext -in {name}.csr -out {name}.pem -extensions {section} {time}"),
    );
}

fn openssl(env: &Env, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder(env))
        .stdin(Stdio::null())
        .output()
        .expect("openssl is here");
    assert!(output.status.success(), "openssl {arguments}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn folder(env: &Env) -> impl AsRef<Path> {
    env.path("certificates")
}

const CA_CONFIGURATION: &str = "\
[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[ca]
default_ca = this
[this]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[good]
basicConstraints = critical,CA:false
subjectAltName = IP:127.0.0.1
[other]
basicConstraints = critical,CA:false
subjectAltName = DNS:other.example
[client]
basicConstraints = critical,CA:false
extendedKeyUsage = clientAuth
";
