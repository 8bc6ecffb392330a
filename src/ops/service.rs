//! systemd, as a service of its meets it: the notify socket, the watchdog, and sockets that it handed over (sd_notify(3),
//! sd_watchdog_enabled(3), sd_listen_fds(3)). Without systemd all of it does nothing.

use std::net::TcpListener;
use std::time::Duration;

use sd_notify::NotifyState;

/// What a service tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It works now.
    Ready,
    /// It reads its configuration anew; [`Word::Ready`] follows.
    Reloading,
    /// It ends.
    Stopping,
    /// It is alive.
    Alive,
    /// One line for those who look.
    Status(String),
}

/// Tells systemd. That it does not hear is its own affair: it will act as if nothing had been said.
pub fn tell(words: &[Word]) {
    let states: Vec<NotifyState<'_>> = words
        .iter()
        .flat_map(|word| match word {
            Word::Ready => vec![NotifyState::Ready],
            // Type=notify-reload asks for the time of the same clock, too.
            Word::Reloading => {
                NotifyState::monotonic_usec_now().ok().into_iter().chain([NotifyState::Reloading]).collect()
            }
            Word::Stopping => vec![NotifyState::Stopping],
            Word::Alive => vec![NotifyState::Watchdog],
            Word::Status(line) => vec![NotifyState::Status(line)],
        })
        .collect();
    let _ = sd_notify::notify(&states);
}

/// How often [`Word::Alive`] is to be said: half of the time after which systemd takes us for hung. None: it does not watch.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// The first listening TCP socket that was handed over; to be asked for once, before another thread runs.
pub fn listener() -> Option<TcpListener> {
    let mut handed = listenfd::ListenFd::from_env();
    (0..handed.len()).find_map(|at| handed.take_tcp_listener(at).ok().flatten())
}
