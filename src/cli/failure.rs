//! One failure as its reader meets it: heading, causes, what was kept, hint, exit code.
//!
//! ```text
//! error: what was refused or failed, which thing in full, where from
//!   each cause, once
//!   kept: the state that we are left in
//!   hint: an action that mends it
//! ```

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use bivouac::error::{Class, Trouble};
use serde::Serialize;

use super::global::Output;
use super::stop::Signal;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug)]
enum Inner {
    Told(Told),
    /// A signal asked us to stop.
    Stopped(Signal),
    /// Whoever read our standard output went away: SIGPIPE's meaning, nothing to tell.
    ReaderGone,
}

#[derive(Debug)]
struct Told {
    class: Class,
    code: &'static str,
    message: String,
    causes: Vec<String>,
    kept: Option<String>,
    hint: Option<String>,
}

#[derive(Serialize)]
struct FailureJson {
    error: ErrorJson,
}

#[derive(Serialize)]
struct ErrorJson {
    code: &'static str,
    message: String,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// SIGPIPE, for the exit code 128 + n.
const SIGPIPE: u8 = 13;

impl Failure {
    fn told(class: Class, code: &'static str, message: impl fmt::Display) -> Failure {
        Failure(Box::new(Inner::Told(Told {
            class,
            code,
            message: message.to_string(),
            causes: Vec::new(),
            kept: None,
            hint: None,
        })))
    }

    /// The command line asks for what cannot be: exit code 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure::told(Class::Usage, "usage", message)
    }

    /// This host's trouble: exit code 1.
    pub(crate) fn host(message: impl fmt::Display, cause: &(dyn Error + 'static)) -> Failure {
        Failure::told(Class::Host, "host", message).with_causes(cause)
    }

    /// What concerns one part of a run that went on without it.
    pub(crate) fn part(class: Class, message: impl fmt::Display) -> Failure {
        Failure::told(class, "part", message)
    }

    /// Stopped by a signal: exit code 128 + n.
    pub(crate) fn stopped(signal: Signal) -> Failure {
        Failure(Box::new(Inner::Stopped(signal)))
    }

    /// The reader of standard output went away.
    pub(crate) fn reader_gone() -> Failure {
        Failure(Box::new(Inner::ReaderGone))
    }

    /// Names the state that we are left in.
    pub(crate) fn kept(mut self, kept: impl fmt::Display) -> Failure {
        if let Inner::Told(told) = &mut *self.0 {
            told.kept = Some(kept.to_string());
        }
        self
    }

    /// Names an action that mends it.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Failure {
        if let Inner::Told(told) = &mut *self.0 {
            told.hint = Some(hint.to_string());
        }
        self
    }

    /// Adds one line below the heading.
    pub(crate) fn detail(mut self, line: impl fmt::Display) -> Failure {
        if let Inner::Told(told) = &mut *self.0 {
            told.causes.push(line.to_string());
        }
        self
    }

    /// Adds `cause` and all that lies below it, each fact once: a layer that only repeats the one below is left out.
    fn with_causes(mut self, cause: &(dyn Error + 'static)) -> Failure {
        if let Inner::Told(told) = &mut *self.0 {
            let mut next = Some(cause);
            while let Some(cause) = next {
                let text = cause.to_string();
                if text != told.message && told.causes.last() != Some(&text) {
                    told.causes.extend(text.lines().map(str::to_owned));
                }
                next = cause.source();
            }
        }
        self
    }

    /// Whose trouble it is, its stable word and its first line; nothing where somebody stopped us.
    pub(crate) fn as_trouble(&self) -> Option<(Class, &'static str, &str)> {
        match &*self.0 {
            Inner::Told(told) => Some((told.class, told.code, &told.message)),
            Inner::Stopped(_) | Inner::ReaderGone => None,
        }
    }

    /// What the process exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        match &*self.0 {
            Inner::Told(told) => told.class.exit_code(),
            Inner::Stopped(signal) => 128 + signal.number(),
            Inner::ReaderGone => 128 + SIGPIPE,
        }
    }

    /// Prints it: the text on standard error, and with `--json` the one value on standard output. That either of them
    /// cannot be written changes nothing any more.
    pub(crate) fn print(&self, output: Output) {
        if matches!(*self.0, Inner::ReaderGone) {
            return;
        }
        let _ = io::stderr().write_all(self.to_string().as_bytes());
        if output == Output::Json {
            let _ = super::out::json(&self.json());
        }
    }

    /// `{"error": {"code", "message", "hint", "causes", "kept"}}`; `causes` and `kept` only where there are any.
    pub(crate) fn json(&self) -> impl Serialize + use<> {
        let message = self.message();
        let error = match &*self.0 {
            Inner::Told(told) => ErrorJson {
                code: told.code,
                message,
                hint: told.hint.clone(),
                causes: told.causes.clone(),
                kept: told.kept.clone(),
            },
            Inner::Stopped(_) | Inner::ReaderGone => {
                ErrorJson { code: "stopped", message, hint: None, causes: Vec::new(), kept: None }
            }
        };
        FailureJson { error }
    }

    fn message(&self) -> String {
        match &*self.0 {
            Inner::Told(told) => told.message.clone(),
            Inner::Stopped(Signal::Interrupt) => "stopped by SIGINT".to_owned(),
            Inner::Stopped(Signal::Terminate) => "stopped by SIGTERM".to_owned(),
            Inner::ReaderGone => "standard output was closed".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    /// The block for standard error, with a newline at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To be stopped is no error, though it has an exit code: `serve` ends in no other way.
        if let Inner::Stopped(_) = &*self.0 {
            return writeln!(f, "{}", self.message());
        }
        writeln!(f, "error: {}", self.message())?;
        if let Inner::Told(told) = &*self.0 {
            for line in told.causes.iter().flat_map(|cause| cause.lines()) {
                writeln!(f, "  {line}")?;
            }
            if let Some(kept) = &told.kept {
                writeln!(f, "  kept: {kept}")?;
            }
            if let Some(hint) = &told.hint {
                writeln!(f, "  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl<E: Trouble> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut failure = Failure::told(error.class(), error.code(), &error);
        if let Some(source) = error.source() {
            failure = failure.with_causes(source);
        }
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("refused index edge/community/aarch64 from source \"alpine\"")]
    struct Refused {
        #[source]
        cause: io::Error,
    }

    impl Trouble for Refused {
        fn class(&self) -> Class {
            Class::Refused
        }

        fn code(&self) -> &'static str {
            "unknown-signer"
        }

        fn hint(&self) -> Option<String> {
            Some("put the key in keys/".to_owned())
        }
    }

    fn refused() -> Failure {
        Refused { cause: io::Error::other(io::Error::other("key: builder@corp-5f2c1a.rsa.pub")) }.into()
    }

    #[test]
    fn a_failure_is_heading_causes_kept_and_hint() {
        assert_eq!(
            refused().kept("generation 412 stays live").to_string(),
            "error: refused index edge/community/aarch64 from source \"alpine\"\n  \
             key: builder@corp-5f2c1a.rsa.pub\n  \
             kept: generation 412 stays live\n  \
             hint: put the key in keys/\n"
        );
        assert_eq!(refused().exit_code(), 3);
    }

    #[test]
    fn json_carries_the_same_fields() {
        assert_eq!(
            serde_json::to_string(&refused().json()).unwrap(),
            "{\"error\":{\"code\":\"unknown-signer\",\
             \"message\":\"refused index edge/community/aarch64 from source \\\"alpine\\\"\",\
             \"hint\":\"put the key in keys/\",\"causes\":[\"key: builder@corp-5f2c1a.rsa.pub\"]}}"
        );
    }

    #[test]
    fn signals_exit_with_128_and_their_number() {
        assert_eq!(Failure::stopped(Signal::Interrupt).exit_code(), 130);
        assert_eq!(Failure::stopped(Signal::Terminate).exit_code(), 143);
        assert_eq!(Failure::reader_gone().exit_code(), 141);
    }
}
