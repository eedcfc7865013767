//! Connections that are opened for one request each.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::connect::{ask, connector, secure};
use crate::{die, or_die};

pub struct Handshakes {
    pub port: u16,
    pub certificate: String,
    pub concurrency: usize,
    pub seconds: f64,
    pub warm_up: f64,
    pub resumed: bool,
}

/// What all of them count together.
#[derive(Default)]
struct Counts {
    begun: usize,
    done: u64,
    latencies: Vec<Duration>,
}

impl Counts {
    /// What came before does not count.
    fn forget(&mut self) {
        self.done = 0;
        self.latencies.clear();
    }
}

pub async fn run(handshakes: &Handshakes) {
    let counts = Rc::new(RefCell::new(Counts::default()));
    let local = LocalSet::new();
    for _ in 0..handshakes.concurrency {
        // Each resumes sessions of its own.
        let connector = connector(&handshakes.certificate, handshakes.resumed);
        let (port, resumed) = (handshakes.port, handshakes.resumed);
        local.spawn_local(one_after_the_other(
            connector,
            port,
            resumed,
            counts.clone(),
        ));
    }
    local
        .run_until(async {
            tokio::time::sleep(Duration::from_secs_f64(handshakes.warm_up)).await;
            println!("MARK start");
            let start = Instant::now();
            counts.borrow_mut().forget();
            tokio::time::sleep(Duration::from_secs_f64(handshakes.seconds)).await;
            println!("MARK end");
            report(&mut counts.borrow_mut(), start.elapsed().as_secs_f64());
        })
        .await;
}

async fn one_after_the_other(
    connector: TlsConnector,
    port: u16,
    resumed: bool,
    counts: Rc<RefCell<Counts>>,
) {
    for number in 0.. {
        let at = {
            let mut counts = counts.borrow_mut();
            counts.begun += 1;
            counts.begun
        };
        let begin = Instant::now();
        let mut stream = or_die(secure(&connector, port, at).await, "handshake");
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        // There is nothing to resume at first.
        if number > 0 && is_resumed != resumed {
            die("a handshake was not of the kind that was asked for");
        }
        or_die(ask(&mut stream, REQUEST, "200").await, "GET /");
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest).await {
            Ok(_) => {}
            // Some servers close without a word; everything was there.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            Err(error) => die(&format!("the end: {error}")),
        }
        let mut counts = counts.borrow_mut();
        counts.done += 1;
        counts.latencies.push(begin.elapsed());
    }
}

fn report(counts: &mut Counts, seconds: f64) {
    counts.latencies.sort_unstable();
    let percentile = |share: f64| {
        let at = (counts.latencies.len().saturating_sub(1) as f64 * share) as usize;
        let latency = counts.latencies.get(at).copied().unwrap_or_default();
        latency.as_secs_f64() * 1e6
    };
    println!(
        "{{\"count\":{},\"seconds\":{seconds:.3},\"per_second\":{:.0},\"p50_us\":{:.1},\"p99_us\":{:.1}}}",
        counts.done,
        counts.done as f64 / seconds,
        percentile(0.50),
        percentile(0.99),
    );
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
