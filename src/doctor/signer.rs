//! Who signed an index, and what a client's keys say to that. A client looks for a key by the name that stands in the
//! signature: the right key under another name is as good as none.

use super::{Diagnosis, Weight};
use crate::apk::Entry;
use crate::apk::names::{Arch, KeyName};
use crate::apk::v2::index;
use crate::apk::v2::sections::{self, Limits};
use crate::apk::v2::signature::Signature;
use crate::error::Class;
use crate::verify::index as verified;
use crate::verify::keyring::{Fingerprint, Untrusted, Verdict};
use crate::verify::{Keyring, PublicKey, RefusedIndex};

/// Whose keys count.
#[derive(Clone, Debug)]
pub struct Keys {
    /// What the client has: `/etc/apk/keys`.
    pub client: Keyring,
    /// Our own public keys: who runs the mirror can hand them out.
    pub ours: Keyring,
    /// Where the client's are from, as messages call it.
    pub place: String,
}

/// An index, read as far as it goes.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Its records, also of one that is not trusted; none of one that cannot be read.
    pub entries: Option<Vec<Entry>>,
    /// Its description.
    pub description: Option<String>,
    /// The names of all keys that its signatures name.
    pub signers: Vec<String>,
}

/// Reads an index as a client with these keys does.
pub fn judge(bytes: &[u8], keys: &Keys, arch: &Arch, subject: &str) -> (Vec<Diagnosis>, Read) {
    let limits = Limits::default();
    if let Some(not_an_index) = not_an_index(bytes, subject) {
        return (vec![not_an_index], Read::default());
    }
    let mut read = Read::default();
    let signatures = sections::split_signatures(bytes, &limits).map(|part| (part.signatures, part.signed_from));
    if let Ok((signatures, _)) = &signatures {
        read.signers = signatures.iter().map(|signature| signature.key.to_string()).collect();
        read.signers.dedup();
    }
    if let Ok(parts) = sections::split_index(bytes, &limits) {
        read.description = parts.description;
        read.entries = index::parse(&parts.text).ok();
    }
    let Err(refused) = verified::verify(bytes.to_vec(), &keys.client, arch, &limits) else { return (Vec::new(), read) };
    let diagnosis = match (&refused, &signatures) {
        (RefusedIndex::Untrusted(untrusted), Ok((signatures, from))) => {
            distrust(untrusted, &refused, signatures, &bytes[*from..], keys, subject)
        }
        _ => Diagnosis { hint: Some(MAKE_ANEW.to_owned()), ..Diagnosis::of(&refused, subject.to_owned()) },
    };
    (vec![diagnosis], read)
}

const MAKE_ANEW: &str = "make the index anew on the server: `bivouac sync`, or `bivouac index DIR` and `bivouac sign`";

/// What is no gzip at all came from somewhere else than the file.
fn not_an_index(bytes: &[u8], subject: &str) -> Option<Diagnosis> {
    if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"ADB") {
        return None;
    }
    let (message, hint) = if bytes.is_empty() {
        ("it is empty", MAKE_ANEW)
    } else if bytes.trim_ascii_start().starts_with(b"<") {
        (
            "it is a web page, not an index",
            "look at the server's root and rules: another site, a login page or a proxy answers",
        )
    } else {
        (
            "it is not packed by gzip: something on the way unpacked it, or it is another file",
            "turn off what changes .tar.gz on the way: a server's gunzip, a proxy that knows Content-Encoding",
        )
    };
    Some(Diagnosis {
        code: "bad-index",
        weight: Weight::Error(Class::Refused),
        subject: subject.to_owned(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    })
}

fn distrust(
    untrusted: &Untrusted,
    refused: &RefusedIndex,
    signatures: &[Signature],
    message: &[u8],
    keys: &Keys,
    subject: &str,
) -> Diagnosis {
    let plain = Diagnosis::of(refused, subject.to_owned());
    match untrusted {
        Untrusted::Unsigned => Diagnosis {
            hint: Some(
                "sign it on the server, after every `apk index`: `bivouac sign APKINDEX.tar.gz`, or abuild-sign; the signature is \
                 put inside, and a file that lies beside the index is read by no client"
                    .to_owned(),
            ),
            ..plain
        },
        Untrusted::UnknownSigner(names) => {
            let named: Vec<&str> = names.iter().map(KeyName::as_str).collect();
            let has: Vec<&str> = keys.client.keys().map(|key| key.name().as_str()).collect();
            let has = match has.as_slice() {
                [] => "no key at all".to_owned(),
                [last] => (*last).to_owned(),
                some if some.len() > 6 => format!("{} and {} more", some[..3].join(", "), some.len() - 3),
                some => some.join(", "),
            };
            Diagnosis {
                message: format!("signed by {}; {} has {has}", named.join(", "), keys.place),
                hint: Some(how_to_know(signatures, message, keys)),
                ..plain
            }
        }
        Untrusted::BadSignature(name) => {
            let (message, hint) = mismatch(name, signatures, message, keys);
            Diagnosis { message, hint: Some(hint), ..plain }
        }
        Untrusted::OtherArch { key, .. } => Diagnosis {
            hint: Some(format!(
                "give the client {key} by hand (--keys DIR holds it for every arch), or let another key sign"
            )),
            ..plain
        },
        Untrusted::Sha1Refused(_) | Untrusted::Sha1Collision(_) => plain,
    }
}

/// The way to the key of an index that a client does not know.
fn how_to_know(signatures: &[Signature], message: &[u8], keys: &Keys) -> String {
    for signature in signatures {
        if let Some(other) = keys.client.keys().find(|key| signed(key, signature, message)) {
            return format!(
                "the client has that key under another name: mv /etc/apk/keys/{} /etc/apk/keys/{} (a client looks for it by the \
                 name in the signature)",
                other.name(),
                signature.key
            );
        }
    }
    let official = Keyring::official();
    for signature in signatures {
        if keys.ours.keys().any(|key| key.name() == &signature.key) {
            return format!(
                "it is our key: `bivouac key export` prints it; put it on the client as /etc/apk/keys/{} (`bivouac client` \
                 prints the commands)",
                signature.key
            );
        }
        if official.keys().any(|key| key.name() == &signature.key) {
            return "it is one of Alpine's: install or update the package alpine-keys on the client".to_owned();
        }
    }
    let name = signatures.first().map_or("NAME.rsa.pub", |signature| signature.key.as_str());
    format!(
        "get {name} from whoever runs the repository, compare its SHA-256 with them, and put it on the client as \
         /etc/apk/keys/{name}, under exactly this name"
    )
}

/// A name that the client knows, over bytes that its key did not sign: the client's key is another one, or the bytes changed.
fn mismatch(name: &KeyName, signatures: &[Signature], message: &[u8], keys: &Keys) -> (String, String) {
    let signature = signatures.iter().find(|signature| signature.key == *name);
    let is_signer = |key: &&PublicKey| signature.is_some_and(|signature| signed(key, signature, message));
    let has: Option<Fingerprint> = keys.client.keys().find(|key| key.name() == name).map(PublicKey::fingerprint);
    match (keys.ours.keys().chain(keys.client.keys()).find(is_signer), has) {
        (Some(signer), Some(has)) => (
            format!(
                "bad signature of {name}: the key that signed has SHA-256 {}, the client's has {has}",
                signer.fingerprint()
            ),
            format!("replace /etc/apk/keys/{name} on the client with the present one: `bivouac key export`"),
        ),
        (_, has) => (
            format!(
                "bad signature of {name}: the client's key of this name{} did not sign these bytes",
                has.map(|has| format!(" (SHA-256 {has})")).unwrap_or_default()
            ),
            format!(
                "compare the SHA-256 of {name} on the client and on the server: where they differ, the key was made anew under \
                 the old name, so give clients the present one; where they agree, the index was changed after it was signed: \
                 sign it again"
            ),
        ),
    }
}

fn signed(key: &PublicKey, signature: &Signature, message: &[u8]) -> bool {
    key.verifies(signature.algorithm, message, &signature.bytes) == Verdict::Good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_index_is_called_what_it_is() {
        for (bytes, word) in
            [(&b""[..], "empty"), (b"\n<!doctype html>", "web page"), (b"DESCRIPTION\0\0", "unpacked it")]
        {
            let seen = not_an_index(bytes, "i").unwrap();
            assert!(seen.message.contains(word), "{}", seen.message);
            assert_eq!((seen.code, seen.class()), ("bad-index", Some(Class::Refused)));
        }
        assert_eq!(not_an_index(&[0x1f, 0x8b, 8], "i"), None);
    }
}
