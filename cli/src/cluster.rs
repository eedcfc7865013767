//! The node's part in a cluster.

use crate::tell::{complain, say};
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use wireline::relay::{ClusterHandle, Relay};
use wireline::socketio::server::SocketIo;

/// The connection to the other nodes, on a thread of its own: however busy the workers are, the others hear of this node, and they are
/// told when it goes.
pub(crate) struct Joined {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Joined {
    /// Begins to connect, if there is anybody to connect to, by the broker of this name.
    pub(crate) fn begin(
        relay: Option<&Relay>,
        io: Option<&SocketIo>,
        broker: String,
    ) -> Option<Result<Self, String>> {
        // Outside a runtime these begin nothing yet.
        let relay = relay.filter(|relay| relay.cluster().is_some());
        let io = io.filter(|io| io.adapter().is_some());
        if relay.is_none() && io.is_none() {
            return None;
        }
        let joined = Self::on_thread(relay.cloned(), io.cloned(), broker);
        Some(joined.map_err(|error| error.to_string()))
    }

    fn on_thread(relay: Option<Relay>, io: Option<SocketIo>, broker: String) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("wireline-cluster".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let cluster = relay.as_ref().and_then(Relay::cluster);
                    if let Some(adapter) = io.as_ref().and_then(SocketIo::adapter) {
                        // Its task is of this runtime from now on.
                        drop(adapter.up());
                    }
                    if let Some(cluster) = cluster.clone() {
                        tokio::spawn(tell_of_the_first(cluster, broker));
                    }
                    let _ = ended.await;
                    if let Some(cluster) = cluster {
                        cluster.leave().await;
                    }
                });
            })?;
        Ok(Self { end, thread })
    }

    /// The server has ended: says so to the others.
    pub(crate) fn end(self) {
        drop(self.end);
        let _ = self.thread.join();
    }
}

/// Says so when there is no connection at first, and when there is one then: a wrong address looks like a broker that is not there yet, so
/// the server begins all the same. What happens to a connection later stands in the log.
async fn tell_of_the_first(cluster: ClusterHandle, broker: String) {
    let mut is_told = false;
    loop {
        tokio::time::sleep(FIRST).await;
        if cluster.standing().is_up {
            if is_told {
                say(&format!(
                    "wireline has a connection to the broker at {broker}"
                ));
            }
            return;
        }
        if !is_told {
            is_told = true;
            let why = cluster.trouble();
            let why = why.as_deref().unwrap_or("it does not answer");
            complain(&format!(
                "wireline: warning: no connection to the broker at {broker} yet: {why}; until there is one, every topic is this node's own (/ready \
                 says how it stands)"
            ));
        }
    }
}

/// How long a broker may take before anybody is told.
const FIRST: Duration = Duration::from_secs(2);
