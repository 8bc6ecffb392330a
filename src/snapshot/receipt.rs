//! What a site without a network says that it holds: the sender makes its next bundle by that.
//!
//! ```text
//! {"receipt":1,"site":…,"time":…,"sources":[…],"objects":"<base64>","indexes":[…],"key":{…}} <base64>\n
//! ```
//!
//! One line, signed as a line of the [evidence](super::evidence) is: behind the payload and one space stands the signature of
//! the site's key over exactly the payload's bytes, RSA PKCS#1 v1.5 over SHA-256, or `-` where the site signs nothing.
//! `openssl` alone checks it (README). The key is in the payload, so a good signature says that its holder wrote all of it, and
//! nothing of who that is: a sender remembers the key of each site.
//!
//! Lines of another form may follow, see [`outline`].
//!
//! A receipt comes from outside. A false one can make a bundle too small for its site, which then says what it lacks; it cannot
//! make the bundle bring anything else than what the sender publishes.

pub mod outline;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::print_line;
use super::manifest::{BundleId, SenderKey};
use crate::apk::ObjectId;
use crate::apk::names::{KeyName, SiteName, SourceName};
use crate::apk::v2::signature::Algorithm;
use crate::verify::PublicKey;
use crate::verify::keyring::{BadKey, Verdict};

use outline::OutlinesSum;

/// The form of the text; a reader refuses others.
pub const FORM: u32 = 1;

/// The longest first line that is read, bytes: a million and a half objects, as much as all of Alpine's branches hold.
pub const LARGEST: u64 = 64 << 20;

/// What stands in place of a signature where there is none.
const UNSIGNED: &str = "-";

/// What a site holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// [`FORM`].
    pub receipt: u32,
    /// Which site.
    pub site: SiteName,
    /// When it was written, by the site's clock.
    pub time: Timestamp,
    /// What came in bundles, by the site's sources.
    pub sources: Vec<Came>,
    /// The packages in its pool.
    pub objects: Objects,
    /// The index files that it has of the bundles in force, in order.
    pub indexes: Vec<ObjectId>,
    /// The site's key, which signs the receipt.
    pub key: Option<SenderKey>,
    /// The lines that follow the first; none where none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<OutlinesSum>,
}

/// What came in bundles for one source of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came {
    /// The source's name there.
    pub source: SourceName,
    /// The bundle whose state it gives.
    pub in_force: Option<BundleId>,
    /// Bundles that were complete there, the earliest first. Those of long ago may be forgotten.
    pub imported: Vec<BundleId>,
}

/// Object ids, each once and in order; printed as base64 over all of their bytes, 44 characters each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects(Vec<ObjectId>);

impl Objects {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ObjectId> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<ObjectId> for Objects {
    fn from_iter<I: IntoIterator<Item = ObjectId>>(ids: I) -> Self {
        let mut ids: Vec<ObjectId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Objects(ids)
    }
}

impl Serialize for Objects {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|id| *id.as_bytes()).collect();
        serializer.serialize_str(&BASE64.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = serde::de::Error::custom;
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = BASE64.decode(&*text).map_err(|_| wrong("the objects are not base64"))?;
        let (ids, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(wrong("the objects are not 32 bytes each"));
        }
        let ids: Vec<ObjectId> = ids.iter().map(|id| ObjectId::new(*id)).collect();
        if !ids.is_sorted_by(|one, next| one < next) {
            return Err(wrong("the objects are not in order, each once"));
        }
        Ok(Objects(ids))
    }
}

/// Why bytes are no receipt, or one that is not believed.
#[derive(Debug, thiserror::Error)]
pub enum BadReceipt {
    /// Longer than [`LARGEST`].
    #[error("it is longer than any receipt, which has at most {LARGEST} bytes")]
    TooLarge,
    /// Another kind of file, or a piece of one.
    #[error("it is not one line of a payload and a signature")]
    Shape,
    /// Written by a later release.
    #[error("it has form {0}, and this release reads form {FORM}")]
    Newer(u32),
    /// The payload is not what is written here.
    #[error("its payload cannot be read")]
    Payload(#[source] serde_json::Error),
    /// What signs it is no key.
    #[error("what it names as its key is none")]
    Key(#[source] BadKey),
    /// The signature is not its key's over what it says.
    #[error("its signature is not by {0} over what it says")]
    Signature(KeyName),
    /// It names a key and is not signed, or the other way round.
    #[error("it is signed and names no key, or names one and is not signed")]
    HalfSigned,
    /// What follows its first line is not what that names.
    #[error("the lines below its first one are not those that it names")]
    Outlines,
}

impl BadReceipt {
    /// Whether somebody changed it, as far as can be told: a signature was there, and is not good.
    pub fn is_missigned(&self) -> bool {
        match self {
            BadReceipt::Key(_) | BadReceipt::Signature(_) | BadReceipt::HalfSigned => true,
            BadReceipt::TooLarge
            | BadReceipt::Shape
            | BadReceipt::Newer(_)
            | BadReceipt::Payload(_)
            | BadReceipt::Outlines => false,
        }
    }
}

impl Receipt {
    /// On one line, without a line feed: what is signed.
    pub fn print(&self) -> String {
        serde_json::to_string(self).expect("a receipt has string keys and no failing parts")
    }

    /// The receipt's first line; `sign` makes the signature over the bytes that it is given.
    ///
    /// # Errors
    /// Those of `sign`.
    pub fn signed<E>(&self, sign: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, E>) -> Result<String, E> {
        let payload = self.print();
        let signature = sign(payload.as_bytes())?;
        Ok(print_line(&payload, signature.as_deref()))
    }

    /// Reads the first line of a receipt that is whole and signed by the key that it names, or unsigned and names none. Who holds that key is not
    /// asked.
    pub fn parse(bytes: &[u8]) -> Result<(Receipt, Option<PublicKey>), BadReceipt> {
        if bytes.len() as u64 > LARGEST {
            return Err(BadReceipt::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadReceipt::Shape)?;
        // A text that was carried by hand may have another system's line end, or have lost it.
        let line = text.trim_end_matches(['\r', '\n']);
        let (payload, signature) = line.rsplit_once(' ').ok_or(BadReceipt::Shape)?;
        let receipt = parse_payload(payload)?;
        match (&receipt.key, signature) {
            (None, UNSIGNED) => Ok((receipt, None)),
            (None, _) | (Some(_), UNSIGNED) => Err(BadReceipt::HalfSigned),
            (Some(key), signature) => {
                let signature = BASE64.decode(signature).map_err(|_| BadReceipt::Shape)?;
                let key = PublicKey::parse(key.name.clone(), key.pem.as_bytes()).map_err(BadReceipt::Key)?;
                match key.verifies(Algorithm::Sha256, payload.as_bytes(), &signature) {
                    Verdict::Good => Ok((receipt, Some(key))),
                    _ => Err(BadReceipt::Signature(key.name().clone())),
                }
            }
        }
    }
}

fn parse_payload(payload: &str) -> Result<Receipt, BadReceipt> {
    #[derive(Deserialize)]
    struct Stub {
        receipt: u32,
    }
    let stub: Stub = serde_json::from_str(payload).map_err(|cause| match cause.classify() {
        // A file of another kind is told as such.
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof => BadReceipt::Shape,
        serde_json::error::Category::Data | serde_json::error::Category::Io => BadReceipt::Payload(cause),
    })?;
    if stub.receipt != FORM {
        return Err(BadReceipt::Newer(stub.receipt));
    }
    serde_json::from_str(payload).map_err(BadReceipt::Payload)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::private_file::Exposed;
    use crate::sign::{KeyFile, KeyPlace, Signer};

    fn key() -> Box<dyn Signer> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/signing-keys/pkcs8.rsa");
        crate::sign::open(&KeyPlace::File(KeyFile { path, passphrase_file: None, exposed: Exposed::Accept })).unwrap()
    }

    fn receipt(key: Option<&dyn Signer>) -> Receipt {
        let id = |content| BundleId::new("2026-11-24T03:17:00Z".parse().unwrap(), [content; 4]);
        Receipt {
            receipt: FORM,
            site: "plant-3".parse().unwrap(),
            time: "2026-11-25T08:00:00Z".parse().unwrap(),
            sources: vec![Came { source: "hq".parse().unwrap(), in_force: Some(id(2)), imported: vec![id(1), id(2)] }],
            objects: [9, 3, 3, 7].map(|byte| ObjectId::new([byte; 32])).into_iter().collect(),
            indexes: vec![ObjectId::new([1; 32])],
            key: key.map(|key| SenderKey { name: key.key_name().clone(), pem: key.public_pem() }),
            signatures: None,
        }
    }

    fn signed(receipt: &Receipt, key: &dyn Signer) -> String {
        receipt.signed(|bytes| key.sign(Algorithm::Sha256, bytes).map(|signature| Some(signature.bytes))).unwrap()
    }

    fn unsigned(receipt: &Receipt) -> String {
        receipt.signed(|_| Ok::<_, std::convert::Infallible>(None)).unwrap()
    }

    #[test]
    fn what_is_printed_is_read() {
        let key = key();
        let text = signed(&receipt(Some(&*key)), &*key);
        assert_eq!(text.matches('\n').count(), 1, "it is one line");
        let (read, signer) = Receipt::parse(text.as_bytes()).unwrap();
        assert_eq!(read, receipt(Some(&*key)));
        assert_eq!(signer.unwrap().fingerprint().to_string(), key.fingerprint());
        assert_eq!(read.objects.iter().map(|id| id.as_bytes()[0]).collect::<Vec<_>>(), [3, 7, 9]);

        let text = unsigned(&receipt(None));
        assert!(text.ends_with("} -\n"));
        let (read, signer) = Receipt::parse(text.as_bytes()).unwrap();
        assert_eq!((read, signer.is_none()), (receipt(None), true));
        for end in ["", "\r\n", "\n\n"] {
            assert!(Receipt::parse(format!("{}{end}", text.trim_end()).as_bytes()).is_ok(), "{end:?}");
        }
    }

    #[test]
    fn no_bit_of_a_signed_one_can_be_changed() {
        let key = key();
        let text = signed(&receipt(Some(&*key)), &*key);
        // The last line feed is nobody's word.
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 7);
            // What says the same in other letters is still the same: base64 has none, JSON is signed as it stands.
            assert!(Receipt::parse(&bytes).is_err(), "byte {at}");
        }
        for end in 0..text.len() - 1 {
            assert!(Receipt::parse(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let key = key();
        let whole = unsigned(&receipt(None));
        let with = |from: &str, to: &str| {
            assert!(whole.contains(from), "{from}");
            whole.replacen(from, to, 1)
        };
        let objects = |bytes: &[u8]| {
            let text = receipt(None).print();
            let (before, rest) = text.split_once("\"objects\":\"").unwrap();
            let (_, after) = rest.split_once('"').unwrap();
            format!("{before}\"objects\":\"{}\"{after} -\n", BASE64.encode(bytes))
        };
        assert!(Receipt::parse(objects(&[3; 32]).as_bytes()).is_ok());
        for (bytes, message) in [
            (String::new(), "it is not one line of a payload and a signature"),
            ("a letter to the sender\n".to_owned(), "it is not one line of a payload and a signature"),
            (format!("{whole}{whole}"), "it is not one line of a payload and a signature"),
            ("{\"bundle\":1} -\n".to_owned(), "its payload cannot be read"),
            (with("\"receipt\":1", "\"receipt\":2"), "it has form 2, and this release reads form 1"),
            (with("plant-3", "../plant"), "its payload cannot be read"),
            (with("\"hq\"", "\"h/q\""), "its payload cannot be read"),
            (with("20261124T031700Z-01", "20261124T031700Z/01"), "its payload cannot be read"),
            (with("2026-11-25T", "2026-13-25T"), "its payload cannot be read"),
            (with("\"objects\":\"", "\"objects\":\"*"), "its payload cannot be read"),
            (objects(&[3; 33]), "its payload cannot be read"),
            (objects(&[3; 64]), "its payload cannot be read"),
            (objects(&[[4; 32], [3; 32]].concat()), "its payload cannot be read"),
            (with("} -", "} AAAA"), "it is signed and names no key, or names one and is not signed"),
            (unsigned(&receipt(Some(&*key))), "it is signed and names no key, or names one and is not signed"),
        ] {
            let error = Receipt::parse(bytes.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{}", &bytes[..bytes.len().min(200)]);
        }
        let mut foreign = receipt(Some(&*key));
        foreign.key.as_mut().unwrap().pem = "no key".into();
        assert!(matches!(Receipt::parse(signed(&foreign, &*key).as_bytes()), Err(BadReceipt::Key(_))));
        let long = vec![b' '; usize::try_from(LARGEST).unwrap() + 1];
        assert!(matches!(Receipt::parse(&long), Err(BadReceipt::TooLarge)));
    }
}
