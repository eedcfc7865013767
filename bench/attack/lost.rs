//! WS-9: WebSockets whose network is gone, which nobody hears of.

use crate::Context;
use crate::outcome::Outcome;
use crate::probe;
use crate::slow::PROBES;
use crate::sockets::BUSY;
use crate::talk::{Talk, frame};
use crate::target::within;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// All of them are present in a topic when their link is taken away. Forty seconds later there is nothing of them: no connection, nobody
/// present, no task. Honest clients have another link.
pub(crate) async fn sockets(context: Arc<Context>) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(network) = context.target.network() else {
        return Outcome::failed("there is no network to be taken away".to_owned());
    };
    let addr = SocketAddr::from((network.lost(), context.target.addr.port()));
    let before = match Left::now(&context).await {
        Ok(before) => before,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let (mut opening, mut open) = (JoinSet::new(), Vec::new());
    for number in 0..context.count {
        opening.spawn(present(addr));
        if opening.len() >= context.concurrency || number + 1 == context.count {
            while let Some(opened) = opening.join_next().await {
                match opened {
                    Ok(Ok(talk)) => open.push(talk),
                    Ok(Err(error)) => outcome.complain(error.to_string()),
                    Err(error) => outcome.complain(error.to_string()),
                }
            }
        }
    }
    outcome.set("opened", open.len() as f64);
    match Left::now(&context).await {
        Ok(now) if now.present == open.len() => {}
        Ok(now) => outcome.complain(format!("{} of {} are present", now.present, open.len())),
        Err(error) => outcome.complain(error.to_string()),
    }
    if let Err(error) = network.cut() {
        outcome.complain(error.to_string());
        return outcome;
    }
    let cut = Instant::now();
    let mut left = before;
    while cut.elapsed() < Duration::from_secs(90) {
        sleep(Duration::from_millis(200)).await;
        match Left::now(&context).await {
            Ok(now) => left = now,
            Err(error) => {
                outcome.complain(error.to_string());
                break;
            }
        }
        if left.connections <= probe::open() + PROBES && left.present == 0 {
            break;
        }
    }
    let seconds = cut.elapsed().as_secs_f64();
    outcome.set("gone_seconds", seconds);
    outcome.set("left_connections", left.connections as f64);
    outcome.set("left_present", left.present as f64);
    outcome.set("left_tasks", left.tasks.saturating_sub(before.tasks) as f64);
    if left.present > 0 || left.connections > probe::open() + PROBES {
        let Left {
            connections,
            present,
            ..
        } = left;
        outcome.complain(format!(
            "{connections} connections are left, {present} present"
        ));
    } else if !(25.0..40.0 + BUSY).contains(&seconds) {
        // Before a ping was due nobody can have known.
        outcome.complain(format!("gone after {seconds:.1} s"));
    }
    if left.tasks > before.tasks + probe::open() + PROBES {
        outcome.complain(format!("{} tasks, and {} before", left.tasks, before.tasks));
    }
    outcome
}

/// What the server has of clients.
#[derive(Clone, Copy)]
struct Left {
    connections: usize,
    present: usize,
    tasks: usize,
}

impl Left {
    async fn now(context: &Context) -> io::Result<Self> {
        let counters = context.target.counters().await?;
        let of = |name: &str| {
            let count = counters.get(name).copied().unwrap_or(0);
            usize::try_from(count).unwrap_or(usize::MAX)
        };
        Ok(Self {
            connections: of("connections"),
            present: of("present"),
            tasks: of("tasks"),
        })
    }
}

/// A client that is present in the topic.
async fn present(addr: SocketAddr) -> io::Result<Talk> {
    let stream = within(TcpStream::connect(addr)).await?;
    let mut talk = Talk::over(stream).upgrade("/relay", "").await?;
    let asked = br#"{"type":"subscribe","topic":"present:all","ref":1}"#;
    talk.send(&frame(0x81, asked)).await?;
    match talk.frame().await? {
        (0x81, told) if told.starts_with(br#"{"type":"subscribed""#) => Ok(talk),
        (first, told) => {
            let told = String::from_utf8_lossy(&told).into_owned();
            Err(io::Error::other(format!("{first:#x}: {told}")))
        }
    }
}
