//! The queue of lines, and the thread that writes them.

use std::fmt;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines on their way to the sink.
pub(super) struct Queue {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Octets that wait.
    waiting: AtomicUsize,
    sent: AtomicU64,
    /// Written, or given up because the sink failed.
    done: AtomicU64,
    dropped: AtomicU64,
}

impl Queue {
    pub(super) fn start(sink: Box<dyn Write + Send>) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(MOST_LINES);
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        std::thread::Builder::new()
            .name("wireline-access-log".to_owned())
            .spawn(move || write(sink, &waiting, &shared))?;
        Ok(Self { lines, counts })
    }

    /// Never waits.
    pub(super) fn send(&self, line: Vec<u8>) {
        let (counts, length) = (&self.counts, line.len());
        let before = counts.waiting.fetch_add(length, Ordering::Relaxed);
        counts.sent.fetch_add(1, Ordering::Release);
        if before + length > MOST_OCTETS || self.lines.try_send(line).is_err() {
            counts.waiting.fetch_sub(length, Ordering::Relaxed);
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            counts.done.fetch_add(1, Ordering::Release);
        }
    }
}

/// Writes until nobody can send any more. Lines that are there together leave in one write.
fn write(sink: Box<dyn Write + Send>, lines: &Receiver<Vec<u8>>, counts: &Counts) {
    let mut sink = BufWriter::with_capacity(BUFFER, sink);
    let mut unflushed = 0;
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            match sink.write_all(&line) {
                Ok(()) => unflushed += 1,
                Err(_) => {
                    counts.dropped.fetch_add(1, Ordering::Relaxed);
                    counts.done.fetch_add(1, Ordering::Release);
                }
            }
            // A line that a full disk has refused is not worth keeping: what comes later is.
            next = lines.try_recv().ok();
        }
        if sink.flush().is_err() {
            let (rest, _) = std::mem::replace(&mut sink, BufWriter::new(Box::new(std::io::sink())))
                .into_parts();
            sink = BufWriter::with_capacity(BUFFER, rest);
            counts.dropped.fetch_add(unflushed, Ordering::Relaxed);
        }
        counts.done.fetch_add(unflushed, Ordering::Release);
        unflushed = 0;
    }
}

/// A handle on an access log. Clones are the same handle.
///
/// ```
/// use std::time::Duration;
/// use wireline::Router;
/// use wireline::layer::access_log::AccessLog;
/// use wireline::test::TestClient;
///
/// let log = AccessLog::new(std::io::sink()).unwrap();
/// let handle = log.handle();
/// let routes = Router::new().layer(log).get("/", async || "hello").build().unwrap();
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(TestClient::new(routes).get("/").await.status, 200);
/// # });
/// // When the server has stopped: what waits is written before the process ends.
/// assert!(handle.flush(Duration::from_secs(10)));
/// assert_eq!(handle.dropped(), 0);
/// ```
#[derive(Clone)]
pub struct LogHandle(Arc<Queue>);

impl LogHandle {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// How many lines were dropped: because the queue was full, or because the sink failed.
    pub fn dropped(&self) -> u64 {
        self.0.counts.dropped.load(Ordering::Relaxed)
    }

    /// Waits until every line that was made so far is written, for so long at most; whether they all are. It blocks the
    /// thread: call it when the server has stopped.
    pub fn flush(&self, at_most: Duration) -> bool {
        let counts = &self.0.counts;
        let sent = counts.sent.load(Ordering::Acquire);
        let mut left = at_most;
        loop {
            if counts.done.load(Ordering::Acquire) >= sent {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            let pause = left.min(PAUSE);
            std::thread::sleep(pause);
            left -= pause;
        }
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogHandle({} dropped)", self.dropped())
    }
}

/// Octets that wait for the sink.
const MOST_OCTETS: usize = 8 << 20;
/// Lines that wait; the shortest there are take less than the octets allow.
const MOST_LINES: usize = 64 * 1024;
const BUFFER: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(1);
