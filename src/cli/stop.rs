//! SIGINT and SIGTERM: the program ends with 128 + n, wherever it stands. Commands without a runtime keep the system's
//! default action, which is the same thing seen from a shell.

use super::Failure;

/// A signal that asks us to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, 2: Ctrl-C.
    Interrupt,
    /// SIGTERM, 15: a service manager.
    Terminate,
}

impl Signal {
    pub(crate) fn number(self) -> u8 {
        match self {
            Signal::Interrupt => 2,
            Signal::Terminate => 15,
        }
    }
}

/// Waits for the first such signal.
pub(crate) async fn asked() -> Result<Signal, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|source| Failure::host("cannot listen for signals", &source));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    })
}
