//! The thread that speaks to the module: a call into foreign code can be waited for, but not ended.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::module::Session;
use super::{Error, TokenKey};

/// How long the module may take for one answer; the first includes loading it and logging in.
const LIMIT: Duration = Duration::from_secs(60);

/// One signature that is wanted.
struct Request {
    digest_info: Vec<u8>,
    answer: Sender<Result<Vec<u8>, Error>>,
}

/// The thread, once there is something to sign.
pub(super) struct Worker {
    key: TokenKey,
    state: Mutex<State>,
}

enum State {
    /// Nothing was asked so far.
    Idle,
    /// The thread takes requests.
    Running(Sender<Request>),
    /// It hangs in the module, and is left there.
    Hangs,
}

impl Worker {
    pub(super) fn of(key: TokenKey) -> Self {
        Worker { key, state: Mutex::new(State::Idle) }
    }

    /// Has the token sign. One signature at a time: most tokens know no more.
    pub(super) fn sign(&self, digest_info: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let too_slow = || Error::TooSlow { limit: LIMIT.as_secs() };
        let crashed = || Error::Failed { what: "signing", why: "its thread has ended".to_owned() };
        if matches!(*state, State::Idle) {
            *state = State::Running(start(self.key.clone())?);
        }
        let State::Running(requests) = &*state else { return Err(too_slow()) };
        let (answer, answered) = mpsc::channel();
        requests.send(Request { digest_info, answer }).map_err(|_| crashed())?;
        match answered.recv_timeout(LIMIT) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => Err(crashed()),
            Err(RecvTimeoutError::Timeout) => {
                *state = State::Hangs;
                Err(too_slow())
            }
        }
    }
}

/// Starts the thread. It opens its session once: where that fails, every request has the same answer, because to ask again
/// would be to try the PIN again.
fn start(key: TokenKey) -> Result<Sender<Request>, Error> {
    let (requests, wanted) = mpsc::channel::<Request>();
    let work = move || {
        let session = Session::open(&key);
        for request in wanted {
            let signed = session.as_ref().map_err(Clone::clone).and_then(|session| session.sign(&request.digest_info));
            // Nobody waits any more where it took too long.
            let _ = request.answer.send(signed);
        }
    };
    match thread::Builder::new().name("token".into()).spawn(work) {
        Ok(_) => Ok(requests),
        Err(cause) => Err(Error::Failed { what: "starting its thread", why: cause.to_string() }),
    }
}
