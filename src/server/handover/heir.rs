//! The successor's side: what it was left, and saying that it is ready.

use crate::server::handover::asked::Asked;
use crate::server::handover::registry::Bequest;
use crate::server::handover::{alive, notify, pass};
use crate::wire::number;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Says that this process serves: to the one before it, whose place it takes, or else to the service manager (`READY=1`, where
/// `NOTIFY_SOCKET` is set). A server that watches signals says it by itself once it accepts connections; call this where none does. Only the
/// first call says anything.
///
/// A service manager that wants to hear again and again that the process is well (`WatchdogSec=`) hears that from then on (`WATCHDOG=1`), but not while a
/// worker of any server of the process is blocked for half of that time, nor once another process has taken over.
///
/// It waits for nobody: a manager that has no room for another word is told from a thread.
///
/// Listeners that were left to this process and that nobody has asked for are closed. In a process that takes another's place no server
/// accepts a connection before this.
///
/// ```
/// // No server of this program watches signals, and all of them have started.
/// wireline::server::announce();
/// ```
pub fn announce() {
    let mut estate = estate();
    if std::mem::replace(&mut estate.is_announced, true) {
        return;
    }
    estate.bequests.clear();
    match estate.predecessor.take() {
        // It tells the manager who goes on.
        Some(mut predecessor) => {
            let _ = predecessor.write_all(&[READY]);
            estate.turn.send_replace(true);
        }
        None => notify::tell("READY=1"),
    }
    drop(estate);
    alive::begin();
}

/// Whether another process waits for this one to be ready.
pub(in crate::server) fn is_waiting() -> bool {
    estate().predecessor.is_some()
}

/// Waits until it is this process's turn to accept: at once, unless another one waits for it to be ready. What is accepted before
/// would end with a process that does not become ready, though the other one could have served it.
///
/// Cancel safe.
pub(in crate::server) async fn turn() {
    let mut turn = {
        let estate = estate();
        if estate.predecessor.is_none() {
            return;
        }
        estate.turn.subscribe()
    };
    // The sender is never dropped.
    let _ = turn.wait_for(|is_ours| *is_ours).await;
}

/// The listeners that were left for a place like this one: the first of its kind that nobody has taken.
pub(in crate::server) fn take(asked: &Asked) -> io::Result<Vec<OwnedFd>> {
    let mut estate = estate();
    if let Some(why) = &estate.fault {
        return Err(io::Error::other(why.clone()));
    }
    let fits = |bequest: &Bequest| bequest.asked.place == asked.place;
    let bequests = &mut estate.bequests;
    let first = bequests
        .iter()
        .filter(|bequest| fits(bequest))
        .map(|bequest| bequest.asked.order)
        .min();
    Ok(bequests
        .extract_if(.., |bequest| {
            fits(bequest) && Some(bequest.asked.order) == first
        })
        .map(|bequest| bequest.socket)
        .collect())
}

/// What was left to this process.
#[derive(Default)]
struct Estate {
    bequests: Vec<Bequest>,
    /// Who waits for us to be ready.
    predecessor: Option<UnixStream>,
    /// Whether it has been told.
    turn: watch::Sender<bool>,
    /// Why what was left cannot be had.
    fault: Option<String>,
    is_announced: bool,
}

fn estate() -> MutexGuard<'static, Estate> {
    static ESTATE: OnceLock<Mutex<Estate>> = OnceLock::new();
    ESTATE
        .get_or_init(|| Mutex::new(Estate::receive()))
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

impl Estate {
    fn receive() -> Self {
        // The variable goes on to whatever this process starts, for which it does not hold.
        let said = std::env::var(PREDECESSOR).ok();
        let said = said.and_then(|pid| number::decimal(pid.as_bytes()));
        if said != Some(u64::from(std::os::unix::process::parent_id())) {
            return Self::default();
        }
        match accept() {
            Ok((bequests, predecessor)) => Self {
                bequests,
                predecessor: Some(predecessor),
                ..Self::default()
            },
            Err(error) => Self {
                fault: Some(error.to_string()),
                ..Self::default()
            },
        }
    }
}

fn accept() -> io::Result<(Vec<Bequest>, UnixStream)> {
    let predecessor = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    predecessor.set_read_timeout(Some(PATIENCE))?;
    predecessor.set_write_timeout(Some(PATIENCE))?;
    Ok((pass::receive(&predecessor)?, predecessor))
}

/// The number of the process that waits for this one to be ready. It has to be its parent.
pub(super) const PREDECESSOR: &str = "WIRELINE_PREDECESSOR";

/// What a successor says once it accepts connections.
pub(super) const READY: u8 = b'r';

/// How long the process before this one may take to send what it has ready.
const PATIENCE: Duration = Duration::from_secs(10);
