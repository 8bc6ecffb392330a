//! A thread that writes lines, so that whoever has one to write never waits for its reader: a server and a schedule go on while a
//! log's pipe is full.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Lines that may wait. More are lost, and counted.
const WAITING: usize = 4096;

/// A way to the thread.
#[derive(Clone)]
pub(super) struct Aside {
    lines: SyncSender<String>,
    lost: Arc<AtomicU64>,
}

impl Aside {
    /// Lines go to what `open` gives, on a thread of their own. Without that thread there are none.
    pub(super) fn to<W: Write>(open: impl FnOnce() -> W + Send + 'static) -> Aside {
        let (lines, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || write(open(), &waiting, &counted));
        Aside { lines, lost }
    }

    /// Writes one line as soon as the reader takes it; never waits.
    pub(super) fn line(&self, text: String) {
        if self.lines.try_send(text).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(mut out: impl Write, waiting: &Receiver<String>, lost: &AtomicU64) {
    // That it cannot be written is nobody's trouble but the reader's.
    while let Ok(line) = waiting.recv() {
        let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            super::progress::note(format_args!("warning: {count} lines of the log were lost: nobody took them"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::mpsc::channel;

    /// Takes nothing until it is let go.
    struct Stuck(Receiver<()>, std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_is_not_waited_for() {
        let ((go, stuck), (written, read)) = (channel(), channel());
        let aside = Aside::to(move || Stuck(stuck, written));
        for number in 0..3 * WAITING {
            aside.line(number.to_string());
        }
        let lost = aside.lost.load(Ordering::Relaxed);
        assert!(lost >= WAITING as u64, "{lost}");
        drop(go);
        assert_eq!(read.recv().unwrap(), b"0\n");
    }
}
