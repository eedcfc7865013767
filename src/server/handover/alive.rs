//! Telling the service manager that this process is well (`WATCHDOG=1`), but not while a worker is blocked.
//!
//! It is said from a thread of its own: one on which handlers run could not say that another one stands still, nor itself.

use crate::resource::worker::{TICK, Worker};
use crate::server::handover::notify;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;
use tokio::time::Instant;

/// A worker of any server of this process: whether it is blocked counts for as long as it lives.
pub(in crate::server) fn look_after(worker: &Arc<Worker>) {
    let mut workers = workers();
    workers.retain(|worker| worker.strong_count() > 0);
    workers.push(Arc::downgrade(worker));
}

/// Says it from now on, where a manager wants to hear it.
pub(super) fn begin() {
    if let Some(interval) = notify::watchdog() {
        // Without the thread nothing is said, which the manager notices.
        let _ = thread::Builder::new()
            .name("wireline-alive".to_owned())
            .spawn(move || say(interval));
    }
}

/// Another process says it from now on.
pub(super) fn end() {
    IS_OVER.store(true, Ordering::SeqCst);
}

fn say(interval: Duration) {
    let every = interval / 4;
    let patience = (interval / 2).max(2 * TICK);
    let look = every.min(2 * TICK);
    let mut pause = look;
    let mut last: Option<Instant> = None;
    loop {
        let begun = Instant::now();
        thread::sleep(pause);
        if IS_OVER.load(Ordering::SeqCst) {
            return;
        }
        let stood_still = begun.elapsed() > pause + TICK;
        let (is_occupied, longest) = state();
        pause = look;
        // When the whole process stood still, or has no core, no sweep has had its turn either.
        if stood_still || longest >= patience {
            continue;
        }
        if last.is_none_or(|last| last.elapsed() >= every) && notify::alive() {
            last = Some(Instant::now());
            if !is_occupied {
                // Whoever comes meanwhile is looked at when it is due, which is soon enough.
                pause = every;
            }
        }
    }
}

/// Whether anybody is connected, and for how long the worst of the workers has been blocked.
fn state() -> (bool, Duration) {
    let workers: Vec<_> = workers().iter().filter_map(Weak::upgrade).collect();
    let is_occupied = workers.iter().any(|worker| worker.live() > 0);
    let longest = workers.iter().map(|worker| worker.behind()).max();
    (is_occupied, longest.unwrap_or_default())
}

fn workers() -> MutexGuard<'static, Vec<Weak<Worker>>> {
    WORKERS.lock().unwrap_or_else(PoisonError::into_inner)
}

static WORKERS: Mutex<Vec<Weak<Worker>>> = Mutex::new(Vec::new());
static IS_OVER: AtomicBool = AtomicBool::new(false);
