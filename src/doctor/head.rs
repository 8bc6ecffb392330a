//! What an answer's head does to clients. apk sends plain GET requests, follows 301, 302 and 303, and understands no content
//! coding.

use super::{Diagnosis, Weight};
use crate::error::Class;
use crate::sources::http::look::{Answer, Ranges};

/// Types under which indexes and packages travel unharmed; `apk` is Android's in most lists of types.
const FITTING: &[&str] = &[
    "application/octet-stream",
    "application/gzip",
    "application/x-gzip",
    "application/x-tar",
    "application/x-gtar",
    "application/x-compressed",
    "application/x-compressed-tar",
    "application/x-tgz",
    "application/vnd.android.package-archive",
    "binary/octet-stream",
];

/// All that a client, or a cache before it, may stumble over.
pub fn judge(answer: &Answer, subject: &str) -> Vec<Diagnosis> {
    let mut seen = Vec::new();
    if let Some(status) = answer.redirects.iter().find(|status| matches!(status, 307 | 308)) {
        seen.push(Diagnosis {
            code: "redirect-not-followed",
            weight: Weight::Error(Class::Upstream),
            subject: subject.to_owned(),
            message: format!("redirected with {status}, which apk does not follow: it follows 301, 302 and 303"),
            hint: Some("let the server redirect with 302, or name the address that it leads to".to_owned()),
        });
    }
    if let Some(coding) = &answer.encoding {
        seen.push(Diagnosis {
            code: "content-encoding",
            weight: Weight::Warning,
            subject: subject.to_owned(),
            message: format!(
                "sent with Content-Encoding: {coding}; apk knows none, and a cache that does unpacks the file"
            ),
            hint: Some(
                "turn off compression and stored codings for .apk and .tar.gz (nginx: gzip off, gzip_static off)"
                    .to_owned(),
            ),
        });
    }
    if let Some(kind) = answer.content_type.as_deref().filter(|kind| !FITTING.contains(kind)) {
        seen.push(Diagnosis {
            code: "content-type",
            weight: Weight::Warning,
            subject: subject.to_owned(),
            message: format!("sent as {kind}; proxies may change, pack or block it"),
            hint: Some("serve .apk and .tar.gz as application/octet-stream (nginx: default_type)".to_owned()),
        });
    }
    if answer.ranges == Ranges::Ignored {
        seen.push(Diagnosis {
            code: "no-ranges",
            weight: Weight::Info,
            subject: subject.to_owned(),
            message: "the server sends whole files only: a download that was cut begins anew".to_owned(),
            hint: Some("let the server answer Range requests".to_owned()),
        });
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Answer {
        Answer {
            redirects: Vec::new(),
            length: Some(1),
            encoding: None,
            content_type: None,
            last_modified: None,
            date: None,
            ranges: Ranges::Kept,
            bytes: Vec::new(),
        }
    }

    fn codes(answer: &Answer) -> Vec<&'static str> {
        judge(answer, "x").iter().map(|one| one.code).collect()
    }

    #[test]
    fn a_plain_answer_is_in_order_and_each_oddity_is_named() {
        assert_eq!(codes(&plain()), Vec::<&str>::new());
        for kind in ["application/octet-stream", "application/gzip", "application/vnd.android.package-archive"] {
            assert_eq!(codes(&Answer { content_type: Some(kind.into()), ..plain() }), Vec::<&str>::new());
        }
        assert_eq!(codes(&Answer { redirects: vec![301, 302, 303], ..plain() }), Vec::<&str>::new());
        assert_eq!(codes(&Answer { redirects: vec![302, 307], ..plain() }), ["redirect-not-followed"]);
        assert_eq!(codes(&Answer { redirects: vec![308], ..plain() }), ["redirect-not-followed"]);
        assert_eq!(codes(&Answer { encoding: Some("gzip".into()), ..plain() }), ["content-encoding"]);
        assert_eq!(codes(&Answer { content_type: Some("text/html".into()), ..plain() }), ["content-type"]);
        assert_eq!(codes(&Answer { ranges: Ranges::Ignored, ..plain() }), ["no-ranges"]);
        assert_eq!(codes(&Answer { ranges: Ranges::NotAsked, ..plain() }), Vec::<&str>::new());
    }
}
