//! What the way to a source asks for: passwords, proxies, certificates, and how fast it may be fetched from.

use super::Resolver;
use crate::config::written::{self, At};
use crate::config::{
    Access, Auth, BadUnit, ClientFiles, ProxyChoice, RateWindow, SourceUrl, parse_rate, parse_time_of_day,
};

/// Slowest limit: below it, an index of Alpine's takes hours.
const LEAST_RATE: u64 = 1000;

impl Resolver<'_> {
    /// What `[sources.NAME]` says of the way; `key` gives a key's full name.
    pub(super) fn access(
        &mut self,
        key: &impl Fn(&str) -> String,
        urls: &[SourceUrl],
        written: &written::Source,
    ) -> Option<Access> {
        let auth = match &written.auth {
            None => None,
            Some(auth) => Some(self.auth(key, urls, auth)?),
        };
        let ca = match &written.ca {
            None => None,
            Some(ca) => Some(self.checked_path(&key("ca"), ca)?),
        };
        let client = match (&written.client_cert, &written.client_key) {
            (None, None) => None,
            (Some(certificate), Some(private)) => Some(ClientFiles {
                certificate: self.secret_path(&key("client_cert"), certificate)?,
                key: self.secret_path(&key("client_key"), private)?,
            }),
            (Some(one), None) | (None, Some(one)) => {
                let text = format!("{} and {} go together", key("client_cert"), key("client_key"));
                let hint = "one file may hold both; then both name it".to_owned();
                self.problems.add_with_hint(one.line, text, Some(hint));
                return None;
            }
        };
        let rate_limit = written.rate_limit.as_ref();
        Some(Access {
            auth,
            proxy: self.proxy(&key("proxy"), written.proxy.as_ref()),
            ca,
            client,
            rate_limit: rate_limit.map(|limit| self.rate_limit(&key("rate_limit"), limit)).unwrap_or_default(),
        })
    }

    fn auth(&mut self, key: &impl Fn(&str) -> String, urls: &[SourceUrl], auth: &written::Auth) -> Option<Auth> {
        if urls.iter().any(SourceUrl::has_secret) {
            let text = format!("{} and a password in {} exclude each other", key("auth"), key("url"));
            self.problems.add(auth.line, text);
        }
        match (&auth.basic_file, &auth.header_file) {
            (Some(file), None) => Some(Auth::BasicFile(self.secret_path(&key("auth.basic_file"), file)?)),
            (None, Some(file)) => Some(Auth::HeaderFile(self.secret_path(&key("auth.header_file"), file)?)),
            (Some(_), Some(_)) => {
                self.problems.add(auth.line, format!("{} has both a basic_file and a header_file", key("auth")));
                None
            }
            (None, None) => {
                let hint = "auth = { basic_file = \"FILE\" }: the file holds user:password".to_owned();
                let text = format!("{} has neither a basic_file nor a header_file", key("auth"));
                self.problems.add_with_hint(auth.line, text, Some(hint));
                None
            }
        }
    }

    fn proxy(&mut self, key: &str, proxy: Option<&At<String>>) -> ProxyChoice {
        match proxy {
            None => ProxyChoice::Environment,
            Some(text) if text.value == "none" => ProxyChoice::None,
            Some(text) => match SourceUrl::parse(&text.value) {
                Ok(url) => ProxyChoice::Url(url),
                Err(reason) => {
                    let hint = "a proxy is http://[USER:PASSWORD@]HOST:PORT, or \"none\"".to_owned();
                    self.problems.add_with_hint(text.line, format!("{key} {reason}"), Some(hint));
                    ProxyChoice::default()
                }
            },
        }
    }

    /// The windows of a rate limit; what is wrong is noted and left out.
    pub(super) fn rate_limit(&mut self, key: &str, limit: &At<written::RateLimit>) -> Vec<RateWindow> {
        match &limit.value {
            written::RateLimit::Always(text) => {
                let text = At { value: text.clone(), line: limit.line };
                self.rate(key, &text).map(|limit| RateWindow { limit, from: 0, to: 1440 }).into_iter().collect()
            }
            written::RateLimit::Windows(windows) => {
                if windows.is_empty() {
                    self.problems.add(limit.line, format!("{key} is empty"));
                }
                let mut found: Vec<RateWindow> = Vec::new();
                for written in windows {
                    let Some(window) = self.window(key, written) else { continue };
                    if found.iter().any(|other| overlap(other, &window)) {
                        self.problems.add(written.line, format!("{key}: this window overlaps one before it"));
                    }
                    found.push(window);
                }
                found
            }
        }
    }

    fn window(&mut self, key: &str, window: &written::RateWindow) -> Option<RateWindow> {
        let (Some(limit), Some(from), Some(to)) = (&window.limit, &window.from, &window.to) else {
            self.problems.add(window.line, format!("{key}: a window has limit, from and to"));
            return None;
        };
        let limit = self.rate(&format!("{key}.limit"), limit);
        let (starts, ends) =
            (self.time_of_day(&format!("{key}.from"), from)?, self.time_of_day(&format!("{key}.to"), to)?);
        if starts == ends || starts == 1440 || ends == 0 {
            let hint = "all day is \"00:00\" to \"24:00\"".to_owned();
            let text = format!("{key}: a window from {:?} to {:?} has no length", from.value, to.value);
            self.problems.add_with_hint(window.line, text, Some(hint));
            return None;
        }
        Some(RateWindow { limit: limit?, from: starts, to: ends })
    }

    fn rate(&mut self, key: &str, text: &At<String>) -> Option<u64> {
        match parse_rate(&text.value) {
            Ok(rate) if rate >= LEAST_RATE => Some(rate),
            Ok(_) => {
                self.problems.add(text.line, format!("{key} is {:?}; the least is \"1kB/s\"", text.value));
                None
            }
            Err(bad) => self.bad_unit(key, text.line, &bad),
        }
    }

    fn time_of_day(&mut self, key: &str, text: &At<String>) -> Option<u16> {
        parse_time_of_day(&text.value).map_or_else(|bad| self.bad_unit(key, text.line, &bad), Some)
    }

    fn bad_unit<T>(&mut self, key: &str, line: usize, bad: &BadUnit) -> Option<T> {
        self.problems.add(line, format!("{key} is {:?}, not {}", bad.text, bad.expected));
        None
    }
}

fn overlap(one: &RateWindow, other: &RateWindow) -> bool {
    let holds = |window: &RateWindow, minute: u16| match window.from < window.to {
        true => (window.from..window.to).contains(&minute),
        false => minute >= window.from || minute < window.to,
    };
    holds(one, other.from) || holds(other, one.from)
}
