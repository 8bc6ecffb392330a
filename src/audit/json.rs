//! One line of Caddy's access log: a JSON object. What else is in it, and other servers' objects, are passed over.

use std::borrow::Cow;

use serde::Deserialize;

use super::log::Request;

#[derive(Deserialize)]
struct Line<'l> {
    ts: Time<'l>,
    #[serde(borrow)]
    request: Asked<'l>,
    status: u16,
    size: u64,
}

/// `time_format` of Caddy: seconds since 1970 by default, else a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time<'l> {
    Seconds(f64),
    Text(#[serde(borrow)] Cow<'l, str>),
}

#[derive(Deserialize)]
struct Asked<'l> {
    /// The client behind a proxy that Caddy trusts; since 2.7.
    #[serde(borrow)]
    client_ip: Option<Cow<'l, str>>,
    #[serde(borrow)]
    remote_ip: Cow<'l, str>,
    #[serde(borrow)]
    method: Cow<'l, str>,
    #[serde(borrow)]
    uri: Cow<'l, str>,
    #[serde(borrow, default)]
    headers: Headers<'l>,
}

#[derive(Default, Deserialize)]
struct Headers<'l> {
    #[serde(borrow, rename = "User-Agent", default)]
    agent: Vec<Cow<'l, str>>,
}

/// Parses one line that begins with a brace. `None`: it is no line of an access log.
pub(super) fn parse(line: &[u8]) -> Option<Request<'_>> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let time = match line.ts {
        // Beyond what a log can have, and what is no number at all, a cast is still a number.
        Time::Seconds(seconds) if (0.0..1e11).contains(&seconds) => seconds as i64,
        Time::Seconds(_) => return None,
        Time::Text(text) => text.parse::<jiff::Timestamp>().ok()?.as_second(),
    };
    if !(100..1000).contains(&line.status) || line.request.remote_ip.len() > 255 {
        return None;
    }
    let client = line.request.client_ip.filter(|client| !client.is_empty() && client.len() <= 255);
    Some(Request {
        client: client.unwrap_or(line.request.remote_ip),
        time,
        method: line.request.method,
        target: line.request.uri,
        status: line.status,
        bytes: line.size,
        agent: line.request.headers.agent.into_iter().next().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"level":"info","ts":1764590400.25,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"51000","client_ip":"192.0.2.8","proto":"HTTP/1.1","method":"GET","host":"mirror","uri":"/a%20\"b?c","headers":{"User-Agent":["apk-tools/2.14.4"],"Accept":["*/*"]}},"bytes_read":0,"user_id":"","duration":0.001,"size":146,"status":404,"resp_headers":{"Server":["Caddy"]}}"#;

    #[test]
    fn a_line_has_its_fields() {
        let line = PLAIN;
        let request = parse(line.as_bytes()).unwrap();
        assert_eq!((request.client.as_ref(), request.method.as_ref()), ("192.0.2.8", "GET"));
        assert_eq!((request.target.as_ref(), request.agent.as_ref()), ("/a%20\"b?c", "apk-tools/2.14.4"));
        assert_eq!((request.status, request.bytes, request.time), (404, 146, 1_764_590_400));
        let written = line.replace("1764590400.25", "\"2025-12-01T12:00:00.25Z\"");
        assert_eq!(parse(written.as_bytes()).unwrap().time, 1_764_590_400);
        let older = line.replace("\"client_ip\":\"192.0.2.8\",", "");
        assert_eq!(parse(older.as_bytes()).unwrap().client, "192.0.2.7");
    }

    #[test]
    fn what_is_no_access_line_is_none() {
        for other in [
            "{".to_owned(),
            "{}".to_owned(),
            r#"{"level":"info","ts":1}"#.to_owned(),
            PLAIN.replace("404", "4040"),
            PLAIN.replace("404", "-1"),
            PLAIN.replace("1764590400.25", "1e300"),
            PLAIN.replace("1764590400.25", "\"noon\""),
            PLAIN.replace("192.0.2.8", "").replace("192.0.2.7", &"1".repeat(300)),
        ] {
            assert_eq!(parse(other.as_bytes()), None, "{other}");
        }
        for end in 0..PLAIN.len() {
            assert_eq!(parse(&PLAIN.as_bytes()[..end]), None);
        }
    }
}
