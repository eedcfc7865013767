//! An honest client: a hundred requests a second, each with a connection of its own, and a full handshake where there is
//! TLS, or HTTP/2's preface where there is not.

use crate::frames;
use crate::target::{Target, ask, handshake};
use rustls::ClientConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// It asks until it is told to end, in a thread of its own: what it measures is the server, and not how long it waits
/// for the attack's turn to be over.
pub(crate) struct Probe {
    end: watch::Sender<bool>,
    probed: oneshot::Receiver<Probed>,
}

/// How it fared; times are milliseconds from when a request was due.
#[derive(Default)]
pub(crate) struct Probed {
    pub(crate) requests: usize,
    pub(crate) failures: usize,
    pub(crate) first_failure: Option<String>,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Probe {
    pub(crate) fn begin(target: &Target) -> Self {
        let (end, ended) = watch::channel(false);
        let (tell, probed) = oneshot::channel();
        let asking = go_on(target.addr, target.honest(), ended);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                let _ = tell.send(runtime.block_on(asking));
            }
        });
        Self { end, probed }
    }

    pub(crate) async fn end(self) -> Probed {
        let _ = self.end.send(true);
        // None that was asked is none that was answered.
        self.probed.await.unwrap_or_default()
    }

    pub(crate) async fn for_a_while(self, while_: Duration) -> Probed {
        tokio::time::sleep(while_).await;
        self.end().await
    }
}

/// Requests are due whether those before them were answered or not: a server that stands still is seen by all of them.
async fn go_on(
    addr: SocketAddr,
    config: Option<Arc<ClientConfig>>,
    mut ended: watch::Receiver<bool>,
) -> Probed {
    let (mut asked, mut due) = (JoinSet::new(), Instant::now());
    let (mut probed, mut times) = (Probed::default(), Vec::new());
    // One in any case: an attack may be over before this thread has begun.
    loop {
        let config = config.clone();
        asked.spawn(async move {
            let outcome = tokio::time::timeout(PATIENCE, once(addr, config)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            outcome.map(|()| due.elapsed().as_secs_f64() * 1000.0)
        });
        due += EVERY;
        while let Some(outcome) = asked.try_join_next() {
            probed.take(outcome, &mut times);
        }
        let _ = tokio::time::timeout_at(due, ended.wait_for(|ended| *ended)).await;
        if *ended.borrow() {
            break;
        }
    }
    while let Some(outcome) = asked.join_next().await {
        probed.take(outcome, &mut times);
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
    };
    probed.p50 = at(50).copied().unwrap_or_default();
    probed.p99 = at(99).copied().unwrap_or_default();
    probed
}

impl Probed {
    fn take(&mut self, outcome: Result<io::Result<f64>, JoinError>, times: &mut Vec<f64>) {
        self.requests += 1;
        match outcome {
            Ok(Ok(time)) => times.push(time),
            Ok(Err(error)) => self.fail(error.to_string()),
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&mut self, why: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(why);
    }
}

/// How many connections probes have open now: those that are left behind an attack are others.
pub(crate) fn open() -> usize {
    OPEN.load(Ordering::Relaxed)
}

static OPEN: AtomicUsize = AtomicUsize::new(0);

struct Opened;

impl Opened {
    fn one() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn once(addr: SocketAddr, config: Option<Arc<ClientConfig>>) -> io::Result<()> {
    let _opened = Opened::one();
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    match config {
        Some(config) => ask(&mut handshake(stream, config).await?).await,
        None => frames::ask(stream).await,
    }
}

const EVERY: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);
