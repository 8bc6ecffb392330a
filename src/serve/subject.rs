//! The name that a certificate is about. Pure; only of certificates that were verified, for the log.

/// A certificate's common name, the last if there are several. None: there is none, or it is no text in UTF-8.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    // RFC 5280, 4.1: Certificate, in it TBSCertificate: [0] version, serial, signature, issuer, validity, subject.
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    let skipped = if rest.first() == Some(&EXPLICIT_0) { 5 } else { 4 };
    for _ in 0..skipped {
        (_, _, rest) = element(rest)?;
    }
    let (_, mut names, _) = element(rest)?;
    let mut found = None;
    while let Some((_, mut attributes, after)) = element(names) {
        names = after;
        while let Some((_, attribute, after)) = element(attributes) {
            attributes = after;
            let (_, kind, value) = element(attribute)?;
            if kind == COMMON_NAME {
                let (tag, text, _) = element(value)?;
                found = TEXTS.contains(&tag).then(|| String::from_utf8(text.to_vec()).ok()).flatten();
            }
        }
    }
    found
}

/// `[0]`, as the version stands in it.
const EXPLICIT_0: u8 = 0xa0;
/// 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// The first element of DER: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else { return None };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 | 0x82 => {
            let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        // No certificate of less than 64 KiB has longer ones.
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = if content.len() < 128 { vec![tag, length[1]] } else { vec![tag, 0x82, length[0], length[1]] };
        [head, content].concat()
    }

    /// A certificate, as far as it is read here, about these names.
    fn about(version: &[u8], names: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let name = |(kind, tag, text): &(&[u8], u8, &[u8])| {
            der(0x31, &[&der(0x30, &[&der(0x06, &[kind]), &der(*tag, &[text])])])
        };
        let subject =
            der(0x30, &names.iter().map(name).collect::<Vec<_>>().iter().map(Vec::as_slice).collect::<Vec<_>>());
        let issuer = der(0x30, &[&name(&(&COMMON_NAME, 0x0c, b"the authority"))]);
        let (serial, signature, validity) = (der(0x02, &[&[1]]), der(0x30, &[&[0; 200]]), der(0x30, &[]));
        der(0x30, &[&der(0x30, &[version, &serial, &signature, &issuer, &validity, &subject]), &[0x30, 0]])
    }

    #[test]
    fn the_name_is_the_subjects() {
        let version = der(EXPLICIT_0, &[&der(0x02, &[&[2]])]);
        let organisation: (&[u8], u8, &[u8]) = (&[0x55, 0x04, 0x0a], 0x0c, b"corp");
        for (names, expected) in [
            (vec![organisation, (&COMMON_NAME[..], 0x0c, "zoë".as_bytes())], Some("zoë")),
            (vec![(&COMMON_NAME[..], 0x13, &b"web-17"[..]), organisation], Some("web-17")),
            (vec![organisation], None),
            (vec![], None),
            // Latin-1, and a kind of text that is two bytes a letter.
            (vec![(&COMMON_NAME[..], 0x0c, &b"zo\xeb"[..])], None),
            (vec![(&COMMON_NAME[..], 0x1e, &b"\0z"[..])], None),
        ] {
            assert_eq!(common_name(&about(&version, &names)).as_deref(), expected);
            assert_eq!(common_name(&about(&[], &names)).as_deref(), expected, "version 1");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = about(&[], &[(&COMMON_NAME, 0x0c, b"client")]);
        for end in 0..whole.len() {
            let _ = common_name(&whole[..end]);
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0x81, 0x82, 0x83, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = common_name(&changed);
            }
        }
    }
}
