//! SIGINT and SIGTERM: the program ends with 128 + n, wherever it stands.
//!
//! Commands without a runtime keep the system's default action, which is the same thing seen from a shell; but the first process
//! of a container has none, and a thread listens there. The daemon hears signals itself.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::global::Output;

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

/// Waits for the first such signal, says so and ends the process.
#[expect(clippy::exit, reason = "the work under way may block its thread and cannot be asked to return")]
pub(crate) async fn end_when_asked(output: Output) {
    // Where signals cannot be listened for, their default action stays.
    let Ok(signal) = asked().await else { return };
    let failure = Failure::stopped(signal);
    failure.print(output);
    std::process::exit(i32::from(failure.exit_code()));
}

/// For a command that is the first process of a container: the system's default action does not hold there, so a thread listens
/// in its place. Without the thread it cannot be stopped but by SIGKILL.
pub(crate) fn end_as_process_1() {
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(end_when_asked(Output::Text));
        }
    });
}

async fn asked() -> io::Result<Signal> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    })
}
