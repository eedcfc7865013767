//! The node's part in a cluster.

use std::io;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use wireline::relay::Relay;
use wireline::socketio::server::SocketIo;

/// The connection to the other nodes, on a thread of its own: however busy the workers are, the others hear of this node, and they are
/// told when it goes.
pub(crate) struct Joined {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Joined {
    /// Begins to connect, if there is anybody to connect to.
    pub(crate) fn begin(
        relay: Option<&Relay>,
        io: Option<&SocketIo>,
    ) -> Option<Result<Self, String>> {
        // Outside a runtime these begin nothing yet.
        let relay = relay.filter(|relay| relay.cluster().is_some());
        let io = io.filter(|io| io.adapter().is_some());
        if relay.is_none() && io.is_none() {
            return None;
        }
        let joined = Self::on_thread(relay.cloned(), io.cloned());
        Some(joined.map_err(|error| error.to_string()))
    }

    fn on_thread(relay: Option<Relay>, io: Option<SocketIo>) -> io::Result<Self> {
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
