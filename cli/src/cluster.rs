//! The node's part in a cluster.

use std::io;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use wireline::relay::Relay;

/// The connection to the other nodes, on a thread of its own: however busy the workers are, the others hear of this node, and they are
/// told when it goes.
pub(crate) struct Joined {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Joined {
    /// Begins to connect, if there is anybody to connect to.
    pub(crate) fn begin(relay: &Relay) -> Option<Result<Self, String>> {
        // Outside a runtime this begins nothing yet.
        relay.cluster()?;
        Some(Self::on_thread(relay.clone()).map_err(|error| error.to_string()))
    }

    fn on_thread(relay: Relay) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("wireline-cluster".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let cluster = relay.cluster();
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
