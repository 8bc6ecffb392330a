//! Who gets in: TLS before the first request, logins before each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderMap};
use rustls::ServerConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::access::AccessLog;
use super::client::Standing;
use super::error::Error;
use super::logins::{Logins, Shown, Verdict};
use super::pages::Audience;
use super::tls::TlsFiles;
use super::turns::Waiting;
use super::watched::Watched;

/// A wrong password is answered so late, be it wrong for a user that there is or for none.
const PAUSE: Duration = Duration::from_millis(500);
/// So many hashes are computed at once; whoever guesses shall not have all processors.
const HASHES: usize = 2;
/// So many wrong passwords are answered in one pause, whoever they come from: with the pause that bounds what guessing brings.
const FAILURES: usize = 16;
/// So many may wait for either; who comes then is told to come again.
const MAY_WAIT: usize = 256;
/// Answers probes, and tells nothing: it is open to all.
pub(super) const OPEN: &str = "/healthz";

/// Who gets in. By default everybody does, over plain HTTP.
pub struct Entrance {
    tls: Option<Arc<Watched<Arc<ServerConfig>>>>,
    logins: Option<Arc<Watched<Logins>>>,
    audience: Audience,
    hashes: Queue,
    failures: Queue,
    /// Hashes, ever.
    #[cfg(test)]
    computed: AtomicUsize,
    pause: Duration,
}

/// Few at once, and a bounded number that waits.
struct Queue {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Queue {
    fn of(turns: usize) -> Queue {
        Queue { turns: Arc::new(Semaphore::new(turns)), waiting: AtomicUsize::new(0) }
    }

    /// None: too many wait already.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let _waiting = Waiting::among(&self.waiting, MAY_WAIT).ok()?;
        Some(Arc::clone(&self.turns).acquire_owned().await.expect("this semaphore is never closed"))
    }
}

impl Default for Entrance {
    fn default() -> Self {
        Entrance {
            tls: None,
            logins: None,
            audience: Audience::All,
            hashes: Queue::of(HASHES),
            failures: Queue::of(FAILURES),
            #[cfg(test)]
            computed: AtomicUsize::new(0),
            pause: PAUSE,
        }
    }
}

impl Entrance {
    /// Reads the certificate and its key (with them: TLS alone is spoken) and the users (with them: everybody must log in). All of
    /// these files are read again when they change, once a second at most and when somebody comes; what cannot be used then is told
    /// to the log, and what was read before stays.
    pub fn open(tls: Option<TlsFiles>, basic_file: Option<PathBuf>) -> Result<Entrance, Error> {
        let is_for_some = basic_file.is_some() || tls.as_ref().is_some_and(|files| files.client_ca.is_some());
        let audience = if is_for_some { Audience::Some } else { Audience::All };
        let tls = match tls {
            None => None,
            Some(files) => Some(Arc::new(Watched::open(files.paths(), move || files.read())?)),
        };
        let logins = match basic_file {
            None => None,
            Some(file) => Some(Arc::new(Watched::open(vec![file.clone()], move || Logins::read(&file))?)),
        };
        Ok(Entrance { tls, logins, audience, ..Entrance::default() })
    }

    /// Whether TLS is spoken.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether everybody must log in.
    pub fn has_logins(&self) -> bool {
        self.logins.is_some()
    }

    /// Who they are.
    pub(super) fn audience(&self) -> Audience {
        self.audience
    }

    /// Looks at the files now, whenever it was that they were looked at. Answers what cannot be used, once for each reason: what
    /// was read before stays. Blocks.
    pub fn look(&self) -> Vec<Error> {
        let tls = self.tls.as_ref().and_then(|tls| tls.look());
        tls.into_iter().chain(self.logins.as_ref().and_then(|logins| logins.look())).collect()
    }

    /// For whoever comes now. None: they come plainly.
    pub(super) async fn tls(&self, log: &dyn AccessLog) -> Option<Arc<ServerConfig>> {
        match &self.tls {
            None => None,
            Some(tls) => Some(Arc::clone(&*tls.current(log).await)),
        }
    }

    /// How far a request gets, and as whom. Wrong passwords are answered after a pause.
    pub(super) async fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        log: &dyn AccessLog,
    ) -> (Standing, Option<String>) {
        let Some(logins) = self.logins.as_ref().filter(|_| path != OPEN) else { return (Standing::Welcome, None) };
        let Some(header) = headers.get(AUTHORIZATION) else { return (Standing::LoginNeeded, None) };
        let begun = Instant::now();
        let logins = logins.current(log).await;
        if let Some(shown) = Shown::of(header.as_bytes()) {
            let user = shown.user.clone();
            let verdict = match logins.at_hand(&shown) {
                Some(verdict) => Some(verdict),
                None => self.compute(logins, shown).await,
            };
            match verdict {
                Some(Verdict::Right) => return (Standing::Welcome, Some(user)),
                Some(Verdict::Wrong) => {}
                None => return (Standing::TryLater, None),
            }
        }
        let Some(_turn) = self.failures.turn().await else { return (Standing::TryLater, None) };
        sleep_until((begun + self.pause).max(Instant::now() + self.pause / 2)).await;
        (Standing::LoginNeeded, None)
    }

    /// None: too many wait for that.
    async fn compute(&self, logins: Arc<Logins>, shown: Shown) -> Option<Verdict> {
        let turn = self.hashes.turn().await?;
        // Others who wait may have shown the same: many machines have one login.
        if let Some(verdict) = logins.at_hand(&shown) {
            return Some(verdict);
        }
        #[cfg(test)]
        self.computed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let computed = tokio::task::spawn_blocking(move || {
            let verdict = logins.compute(&shown);
            drop(turn);
            verdict
        });
        Some(computed.await.unwrap_or(Verdict::Wrong))
    }

    /// With another pause.
    #[cfg(test)]
    pub(super) fn pausing(self, pause: Duration) -> Entrance {
        Entrance { pause, ..self }
    }
}

#[cfg(test)]
mod tests;
