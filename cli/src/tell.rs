//! What the process says. Nobody reading it is no reason to fail, and for a server a reader that stands still none to stand still, too.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// What was asked for, on stdout, however long that takes.
pub(crate) fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A line of a server on stdout.
pub(crate) fn say(line: &str) {
    let line = format!("{line}\n");
    apart(move || io::stdout().write_all(line.as_bytes()));
}

/// A line of a server on stderr.
pub(crate) fn complain(line: &str) {
    let line = format!("{line}\n");
    apart(move || io::stderr().write_all(line.as_bytes()));
}

/// Writes on a thread of its own, and waits for it only so long: a pipe that is full takes nothing, for as long as its reader pleases.
fn apart(write: impl FnOnce() -> io::Result<()> + Send + 'static) {
    if STUCK.fetch_add(1, Ordering::Relaxed) >= MOST_STUCK {
        // Whoever does not read these would not read this one.
        STUCK.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let (done, written) = sync_channel(1);
    let thread = std::thread::Builder::new().name("wireline-says".to_owned());
    let begun = thread.spawn(move || {
        let outcome = write();
        STUCK.fetch_sub(1, Ordering::Relaxed);
        let _ = done.send(outcome);
    });
    if begun.is_ok() {
        let _ = written.recv_timeout(PATIENCE);
    } else {
        STUCK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The lines of the log on their way to stderr. Those that it does not take are dropped, and counted.
#[derive(Clone)]
pub(crate) struct Lines {
    queue: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
}

impl Lines {
    pub(crate) fn begin() -> io::Result<Self> {
        let (queue, lines) = sync_channel(WAITING);
        let log = Self {
            queue,
            dropped: Arc::default(),
            waiting: Arc::default(),
        };
        let (dropped, waiting) = (log.dropped.clone(), log.waiting.clone());
        std::thread::Builder::new()
            .name("wireline-log".to_owned())
            .spawn(move || write_all(&lines, &dropped, &waiting, &mut io::stderr()))?;
        Ok(log)
    }

    /// Waits for the last lines, but not for a reader that stands still.
    pub(crate) fn end(&self) {
        for _ in 0..100 {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            std::thread::sleep(PATIENCE / 100);
        }
    }
}

impl Write for Lines {
    /// One call is one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(line.to_vec()).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(
    lines: &Receiver<Vec<u8>>,
    dropped: &AtomicU64,
    waiting: &AtomicU64,
    sink: &mut impl Write,
) {
    loop {
        let line = match lines.recv_timeout(PAUSE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if !line.is_empty() {
            let _ = sink.write_all(&line);
            waiting.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        // Told once there is nothing else to tell.
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(sink, "wireline: {count} lines of the log were dropped");
        }
    }
}

/// The threads that write a line.
static STUCK: AtomicU64 = AtomicU64::new(0);

/// How many of them at once: each stays for as long as nobody reads.
const MOST_STUCK: u64 = 16;

/// How long a line may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many lines of the log wait for stderr.
const WAITING: usize = 4096;

/// After so long without a line the log tells what is missing in it.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_told_once_there_is_time() {
        let (queue, lines) = sync_channel(2);
        let mut log = Lines {
            queue,
            dropped: Arc::default(),
            waiting: Arc::default(),
        };
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            assert_eq!(log.write(line.as_bytes()).unwrap(), line.len());
        }
        let (dropped, waiting) = (log.dropped.clone(), log.waiting.clone());
        let writer = std::thread::spawn(move || {
            let mut sink = Vec::new();
            write_all(&lines, &dropped, &waiting, &mut sink);
            String::from_utf8(sink).unwrap()
        });
        let dropped = log.dropped.clone();
        while dropped.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        drop(log);
        assert_eq!(
            writer.join().unwrap(),
            "one\ntwo\nwireline: 2 lines of the log were dropped\n"
        );
    }
}
