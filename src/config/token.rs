//! Which key in which token: PKCS#11 URIs (RFC 7512), of which what names one private key is understood.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

/// The module that speaks to a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenModule {
    /// A shared object's path (`module-path`).
    Path(String),
    /// A name (`module-name`): the shared object `lib<name>.so`, where the system's loader looks.
    Name(String),
}

/// A private key in a token. Attributes that are absent fit any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// Through which module.
    pub module: TokenModule,
    /// The token's label.
    pub token: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The key's label.
    pub object: Option<String>,
    /// The key's id.
    pub id: Option<Vec<u8>>,
    /// The file that holds the PIN (`pin-source`), as it was written.
    pub pin_source: Option<String>,
}

/// Why a text is no URI of a key that we could sign with. No variant repeats a value: one could be a PIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTokenUri {
    /// It does not begin with `pkcs11:`.
    #[error("is not a PKCS#11 URI (\"pkcs11:token=…;object=…?module-path=…\")")]
    Scheme,
    /// It names no module.
    #[error("names no module-path or module-name")]
    NoModule,
    /// It names two.
    #[error("names both module-path and module-name")]
    TwoModules,
    /// It names neither token nor key: whatever is found first would sign.
    #[error("names neither a token (token or serial) nor a key (object or id)")]
    NamesNothing,
    /// A PIN.
    #[error("holds a PIN (pin-value); a secret does not stand in a configuration")]
    PinValue,
    /// A program that would tell the PIN, or a place that is no file.
    #[error("has a pin-source that is not a file")]
    PinSource,
    /// An attribute that is not understood; to leave it out could choose another key.
    #[error(
        "has the attribute {0:?}; token, serial, object, id, module-path, module-name and pin-source are understood"
    )]
    Attribute(String),
    /// An attribute twice.
    #[error("has the attribute {0:?} twice")]
    Twice(String),
    /// An escape that is none, or text that is not UTF-8.
    #[error("has an attribute {0:?} that cannot be read")]
    Value(String),
}

impl std::str::FromStr for TokenKey {
    type Err = BadTokenUri;

    fn from_str(text: &str) -> Result<Self, BadTokenUri> {
        let rest = text.strip_prefix("pkcs11:").ok_or(BadTokenUri::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut serial, mut object, mut id) = (None, None, None, None);
        let (mut module_path, mut module_name, mut pin_source) = (None, None, None);
        // RFC 7512 2.3: path attributes end with `;`, query attributes with `&`.
        let attributes = path.split(';').chain(query.split('&')).filter(|attribute| !attribute.is_empty());
        for attribute in attributes {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let unread = || BadTokenUri::Value(name.to_owned());
            if name == "pin-value" {
                return Err(BadTokenUri::PinValue);
            }
            let bytes = decoded(value).ok_or_else(unread)?;
            if name == "id" {
                keep(name, &mut id, bytes)?;
                continue;
            }
            let value = String::from_utf8(bytes).map_err(|_| unread())?;
            match name {
                "token" => keep(name, &mut token, value)?,
                "serial" => keep(name, &mut serial, value)?,
                "object" => keep(name, &mut object, value)?,
                "module-path" => keep(name, &mut module_path, value)?,
                "module-name" => keep(name, &mut module_name, value)?,
                "pin-source" => keep(name, &mut pin_source, pin_file(&value)?)?,
                // What tools print; a key that signs is private.
                "type" if value == "private" => {}
                _ => return Err(BadTokenUri::Attribute(name.to_owned())),
            }
        }
        let module = match (module_path, module_name) {
            (Some(path), None) => TokenModule::Path(path),
            (None, Some(name)) => TokenModule::Name(name),
            (None, None) => return Err(BadTokenUri::NoModule),
            (Some(_), Some(_)) => return Err(BadTokenUri::TwoModules),
        };
        if token.is_none() && serial.is_none() && object.is_none() && id.is_none() {
            return Err(BadTokenUri::NamesNothing);
        }
        Ok(TokenKey { module, token, serial, object, id, pin_source })
    }
}

fn keep<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), BadTokenUri> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadTokenUri::Twice(name.to_owned())),
    }
}

/// RFC 7512 2.4: `pin-source` is a file's URI or path; a program's output (`|…`) is not taken.
fn pin_file(value: &str) -> Result<String, BadTokenUri> {
    let path = value.strip_prefix("file:").unwrap_or(value);
    let path = path.strip_prefix("//").unwrap_or(path);
    match path.is_empty() || path.starts_with('|') {
        true => Err(BadTokenUri::PinSource),
        false => Ok(path.to_owned()),
    }
}

/// RFC 3986 2.1.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[2..];
    }
    Some(bytes)
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // RFC 3986's unreserved characters, and those that read better as they are in paths and labels.
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(byte) {
            text.push(char::from(*byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes all that is written to it");
        }
    }
    text
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = [
            ("token", self.token.as_ref().map(String::as_bytes)),
            ("serial", self.serial.as_ref().map(String::as_bytes)),
            ("object", self.object.as_ref().map(String::as_bytes)),
            ("id", self.id.as_deref()),
        ];
        let path = path.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
        f.write_str("pkcs11:")?;
        f.write_str(&path.collect::<Vec<_>>().join(";"))?;
        match &self.module {
            TokenModule::Path(path) => write!(f, "?module-path={}", encoded(path.as_bytes()))?,
            TokenModule::Name(name) => write!(f, "?module-name={}", encoded(name.as_bytes()))?,
        }
        match &self.pin_source {
            Some(file) => write!(f, "&pin-source={}", encoded(file.as_bytes())),
            None => Ok(()),
        }
    }
}

impl Serialize for TokenKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_a_key_and_print_again() {
        let text = "pkcs11:token=The%20Token;serial=42;object=ops@example.org;id=%01%AB\
                    ?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/run/pin";
        let key: TokenKey = text.parse().unwrap();
        assert_eq!(key.module, TokenModule::Path("/usr/lib/softhsm/libsofthsm2.so".to_owned()));
        assert_eq!((key.token.as_deref(), key.serial.as_deref()), (Some("The Token"), Some("42")));
        assert_eq!((key.object.as_deref(), key.id.as_deref()), (Some("ops@example.org"), Some(&[1, 0xab][..])));
        assert_eq!(key.pin_source.as_deref(), Some("/run/pin"));
        assert_eq!(key.to_string(), text);
        let short: TokenKey = "pkcs11:object=k;type=private?module-name=softhsm2&pin-source=file:///p".parse().unwrap();
        assert_eq!(short.to_string(), "pkcs11:object=k?module-name=softhsm2&pin-source=/p");
    }

    #[test]
    fn what_names_no_key_is_refused() {
        use BadTokenUri::*;
        for (text, why) in [
            ("/usr/lib/softhsm/libsofthsm2.so", Scheme),
            ("pkcs11:", NoModule),
            ("pkcs11:token=t", NoModule),
            ("pkcs11:?module-path=/m", NamesNothing),
            ("pkcs11:token=t?module-path=/m&module-name=m", TwoModules),
            ("pkcs11:token=t;token=u?module-path=/m", Twice("token".to_owned())),
            ("pkcs11:token=t;slot-id=1?module-path=/m", Attribute("slot-id".to_owned())),
            ("pkcs11:token=t;type=cert?module-path=/m", Attribute("type".to_owned())),
            ("pkcs11:token=%2?module-path=/m", Value("token".to_owned())),
            ("pkcs11:token=%FF?module-path=/m", Value("token".to_owned())),
            ("pkcs11:token=%+1?module-path=/m", Value("token".to_owned())),
            ("pkcs11:token=t?module-path=/m&pin-source=|ask", PinSource),
            ("pkcs11:token=t?module-path=/m&pin-source=", PinSource),
            ("pkcs11:token=t?module-path=/m&pin-value=s3cret", PinValue),
        ] {
            let error = text.parse::<TokenKey>().unwrap_err();
            assert_eq!(error, why, "{text}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
