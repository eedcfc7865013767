//! N threads, each with a runtime of its own, so that a connection never changes its core.

use crate::resource::addr::ConnInfo;
use crate::resource::budget::Budget;
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::waking::Notify;
use crate::resource::worker::Worker;
use crate::server::accept::{Accepting, Local, Sink, accept};
use crate::server::bind::Listener;
use crate::server::config::Full;
use crate::server::door::Door;
use crate::server::handle::Handle;
use crate::server::handover;
use crate::server::permit::{Permit, Permits};
use crate::service::handler::Service;
use crate::service::link::Shared;
use crate::service::link::config::Config;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

/// What every worker serves with.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) service: Arc<dyn Service>,
    pub(super) config: Arc<Config>,
    pub(super) budget: Arc<Budget>,
    pub(super) permits: Arc<Permits>,
    pub(super) full: Full,
    pub(super) handle: Handle,
}

impl Common {
    /// The listener, registered with the present runtime and with the server.
    pub(super) fn opened(&self, listener: Listener) -> io::Result<Arc<Accepting>> {
        let accepting = Arc::new(Accepting::new(listener.socket)?);
        self.handle.listeners().add(listener.asked, &accepting);
        Ok(accepting)
    }

    /// Opens a listener and accepts from it. One that does not listen yet does when it is this process's turn.
    async fn accept_from(self, listener: Listener, sink: impl Sink) {
        let mut stop = self.handle.stop_signal();
        if listener.is_later() && stop.unless(handover::turn()).await.is_none() {
            return;
        }
        match self.opened(listener) {
            Ok(listener) => accept(listener, sink, self.permits, self.full, stop).await,
            Err(_) => self.handle.force(),
        }
    }

    /// The shared part of one worker. Must be called inside the worker's runtime.
    pub(super) fn shared(&self) -> Arc<Shared> {
        let worker = Worker::start(self.budget.clone());
        self.handle.add_worker(worker.clone());
        handover::look_after(&worker);
        Arc::new(Shared {
            worker,
            service: self.service.clone(),
            config: self.config.clone(),
        })
    }
}

/// Starts a thread for each set of listeners; `guard` is told when one has connections. `handed` are listeners that all workers share: the
/// first thread accepts from them and deals the connections out.
pub(super) fn start(
    common: &Common,
    guard: &Arc<Notify>,
    sets: Vec<Vec<(Listener, Door)>>,
    handed: Vec<(Listener, Door)>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for _ in &sets {
        let (sender, receiver) = mpsc::channel::<Accepted>(HANDED);
        senders.push(sender);
        receivers.push(receiver);
    }
    let mut handed = Some(handed);
    let mut threads = Vec::new();
    for (place, (listeners, receiver)) in sets.into_iter().zip(receivers).enumerate() {
        let (common, senders, guard) = (common.clone(), senders.clone(), guard.clone());
        let handed = handed.take().filter(|_| place == 0).unwrap_or_default();
        let thread = std::thread::Builder::new()
            .name(format!("wireline-{place}"))
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                else {
                    return common.handle.force();
                };
                runtime.block_on(async {
                    let shared = common.shared();
                    shared.worker.guarded_by(&guard);
                    work(common, shared, listeners, handed, senders, receiver).await;
                });
            })?;
        threads.push(thread);
    }
    Ok(threads)
}

async fn work(
    common: Common,
    shared: Arc<Shared>,
    listeners: Vec<(Listener, Door)>,
    handed: Vec<(Listener, Door)>,
    senders: Vec<mpsc::Sender<Accepted>>,
    mut receiver: mpsc::Receiver<Accepted>,
) {
    let mut accepting = Vec::new();
    for (listener, door) in listeners {
        let local = Local {
            shared: shared.clone(),
            door,
        };
        accepting.push(tokio::spawn(common.clone().accept_from(listener, local)));
    }
    for (listener, door) in handed {
        let dealer = Dealer {
            shared: shared.clone(),
            door,
            senders: senders.clone(),
            next: 0,
        };
        accepting.push(tokio::spawn(common.clone().accept_from(listener, dealer)));
    }
    drop(senders);
    // Connections that another thread accepted for this one.
    while let Some(Accepted {
        io,
        info,
        permit,
        door,
    }) = receiver.recv().await
    {
        if let Some(io) = io.register() {
            door.serve(io, info, &shared, permit);
        }
    }
    for task in accepting {
        let _ = task.await;
    }
    common.handle.drained().await;
}

/// A connection on its way to another thread: without the runtime that accepted it.
struct Accepted {
    io: Loose,
    info: ConnInfo,
    permit: Permit,
    door: Door,
}

enum Loose {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Loose {
    fn register(self) -> Option<Io> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).ok().map(Io::from),
            Self::Unix(stream) => UnixStream::from_std(stream).ok().map(Io::from),
        }
    }
}

/// Deals connections out to all workers in turn.
struct Dealer {
    shared: Arc<Shared>,
    door: Door,
    senders: Vec<mpsc::Sender<Accepted>>,
    next: usize,
}

impl Sink for Dealer {
    fn serve(&mut self, io: Io, info: ConnInfo, permit: Permit) {
        let io = match io {
            Io::Tcp(stream) => stream.into_std().map(Loose::Tcp),
            Io::Unix(stream) => stream.into_std().map(Loose::Unix),
            Io::Dyn(_) => return,
        };
        let Ok(io) = io else { return };
        let place = self.next % self.senders.len();
        self.next = self.next.wrapping_add(1);
        // A worker whose queue is full is behind by that many connections: closing one tells its client.
        let handed = self.senders[place].try_send(Accepted {
            io,
            info,
            permit,
            door: self.door.clone(),
        });
        if handed.is_err() {
            let counters = &self.shared.worker.counters;
            counters.add(Counter::ConnectionsRefused);
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn door(&self) -> &Door {
        &self.door
    }
}

/// How many connections may be on their way to one worker.
const HANDED: usize = 1024;
