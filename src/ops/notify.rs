//! Somebody is told of a trouble, and that it is over: by a webhook, by a command, or both.
//!
//! ```text
//! webhook   POST, Content-Type: application/json, one JSON value; any answer of 200 to 299 will do; no redirect is followed
//! command   the same value on its standard input; exactly these arguments, no shell; in the configuration's folder; exit 0
//! ```
//!
//! Each has the configured time, then it is ended. What goes wrong here is a warning: a run that published has published.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Once;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::config::{Notify, Webhook, WebhookUrl};
use crate::disk::private_file::{self, Unread};
use crate::jobs::runs::News;
use crate::jobs::{Channel, ProxyVariables};

/// Why somebody was not told.
#[derive(Debug, thiserror::Error)]
pub enum CannotTell {
    /// What the webhook's address stands in cannot be used.
    #[error("{flaw}")]
    Webhook {
        /// Which file, and why; nothing of what is in it.
        flaw: String,
    },
    /// Nothing came back from the webhook.
    #[error("webhook {url} was not told")]
    Unreached {
        /// It, without its secret.
        url: WebhookUrl,
        /// Why.
        #[source]
        cause: Hidden,
    },
    /// The webhook did not take it.
    #[error("webhook {url} answered {status}")]
    Answered {
        /// It, without its secret.
        url: WebhookUrl,
        /// Its answer.
        status: u16,
    },
    /// The command was not started.
    #[error("command {program:?} was not started")]
    NotStarted {
        /// As it was named.
        program: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The command failed.
    #[error("command {program:?} failed: {status}")]
    Failed {
        /// As it was named.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command took too long.
    #[error("command {program:?} did not end within {} s and was ended", .limit.as_secs())]
    TooSlow {
        /// As it was named.
        program: String,
        /// The time that it had.
        limit: Duration,
    },
}

/// An error of the client's whose text has no URL: the whole of one may be a secret.
#[derive(Debug)]
pub struct Hidden(reqwest::Error);

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Hidden {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<reqwest::Error> for Hidden {
    fn from(error: reqwest::Error) -> Self {
        Hidden(error.without_url())
    }
}

/// Tells everybody that the configuration names and that has not heard of it; who could not be told, and why.
pub async fn tell(notify: &Notify, news: &News, proxies: &ProxyVariables) -> Vec<(Channel, CannotTell)> {
    let mut text = serde_json::to_vec(news).expect("a struct of texts and numbers becomes JSON");
    text.push(b'\n');
    let mut failed = Vec::new();
    if let Some(webhook) = notify.webhook.as_ref().filter(|_| news.to.contains(&Channel::Webhook)) {
        let told = match url_of(webhook) {
            Ok(url) => post(&url, text.clone(), notify.timeout, proxies).await,
            Err(flaw) => Err(CannotTell::Webhook { flaw }),
        };
        failed.extend(told.err().map(|error| (Channel::Webhook, error)));
    }
    if let Some(command) = notify.command.as_ref().filter(|_| news.to.contains(&Channel::Command)) {
        let told = run(command, &notify.folder, &text, notify.timeout).await;
        failed.extend(told.err().map(|error| (Channel::Command, error)));
    }
    failed
}

/// A webhook's URL, read where it stands in a file. An error says which file and why, and nothing of what is in it.
fn url_of(webhook: &Webhook) -> Result<WebhookUrl, String> {
    /// Longest file of one URL, bytes.
    const MOST: u64 = 16 << 10;
    let path = match webhook {
        Webhook::Url(url) => return Ok(url.clone()),
        Webhook::File(path) => path,
    };
    let bytes = private_file::read(path, MOST).map_err(|unread| match unread {
        Unread::Io(error) => format!("webhook_file {} cannot be read: {error}", path.display()),
        Unread::Exposed { mode } => format!("webhook_file {} is open to others (mode {mode:04o})", path.display()),
    })?;
    WebhookUrl::of_text(&String::from_utf8_lossy(&bytes))
        .map_err(|reason| format!("what webhook_file {} holds {reason}", path.display()))
}

async fn post(url: &WebhookUrl, text: Vec<u8>, limit: Duration, proxies: &ProxyVariables) -> Result<(), CannotTell> {
    let unreached = |cause: reqwest::Error| CannotTell::Unreached { url: url.clone(), cause: cause.into() };
    let client = client(limit, proxies).map_err(unreached)?;
    let request = client.post(url.reveal().clone()).header("content-type", "application/json").body(text);
    let status = request.send().await.map_err(unreached)?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(CannotTell::Answered { url: url.clone(), status: status.as_u16() })
}

fn client(limit: Duration, proxies: &ProxyVariables) -> reqwest::Result<reqwest::Client> {
    static PROVIDER: Once = Once::new();
    // Fails only when the process has chosen a provider already; then that one serves.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("bivouac/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(limit);
    let direct = || proxies.no.as_deref().and_then(reqwest::NoProxy::from_string);
    for (rule, url) in [
        (reqwest::Proxy::http as fn(String) -> reqwest::Result<reqwest::Proxy>, proxies.http.as_ref()),
        (reqwest::Proxy::https, proxies.https.as_ref()),
        (reqwest::Proxy::all, proxies.all.as_ref()),
    ] {
        if let Some(url) = url {
            builder = builder.proxy(rule(url.clone())?.no_proxy(direct()));
        }
    }
    builder.build()
}

async fn run(command: &[String], folder: &std::path::Path, text: &[u8], limit: Duration) -> Result<(), CannotTell> {
    let (program, arguments) = command.split_first().expect("whoever configured it saw to a program");
    // Whether a relative path starts from the new working folder or from ours is left open by the standard library.
    let path = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
    let not_started = |cause| CannotTell::NotStarted { program: program.clone(), cause };
    let mut child = Command::new(path)
        .args(arguments)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        // What it prints is nobody's result; what it complains of stands beside our own lines.
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_started)?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut stdin = child.stdin.take().expect("it is piped");
    let work = async {
        // One that does not read closes its end.
        let _ = stdin.write_all(text).await;
        drop(stdin);
        child.wait().await
    };
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(CannotTell::Failed { program: program.clone(), status }),
        Ok(Err(cause)) => Err(not_started(cause)),
        Err(_) => {
            // It is not reaped yet, so its group's number is still its own.
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            Err(CannotTell::TooSlow { program: program.clone(), limit })
        }
    }
}
