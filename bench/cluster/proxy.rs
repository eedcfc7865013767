//! The way from one node to the broker, which can be made worse.

use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Nothing passes, and nothing is closed.
    Frozen,
    /// So many octets a second, each way.
    Slow(u32),
    /// One octet of so many is another.
    Garbled(u32),
    /// All connections are reset, and new ones refused.
    Cut,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    way: watch::Sender<Way>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(to: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (way, state) = watch::channel(Way::Open);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() == Way::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else {
                    continue;
                };
                let (near_reads, near_writes) = near.into_split();
                let (far_reads, far_writes) = far.into_split();
                let end = Arc::new(watch::channel(false).0);
                tokio::spawn(carry(near_reads, far_writes, state.clone(), end.clone()));
                tokio::spawn(carry(far_reads, near_writes, state.clone(), end));
            }
        });
        Ok(Self {
            port,
            way,
            accepting,
        })
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one direction until it ends, the other one does, or the way is cut.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Way>,
    end: Arc<watch::Sender<bool>>,
) {
    let mut ended = end.subscribe();
    let mut piece = vec![0; 4096];
    let mut passed = 0_u32;
    loop {
        let way = *state.borrow_and_update();
        match way {
            Way::Cut => break,
            Way::Frozen => {
                tokio::select! {
                    changed = state.changed() => if changed.is_err() { break },
                    _ = ended.changed() => break,
                }
                continue;
            }
            _ => {}
        }
        let most = match way {
            Way::Slow(rate) => (rate as usize / 20).clamp(1, piece.len()),
            _ => piece.len(),
        };
        let length = tokio::select! {
            length = from.read(&mut piece[..most]) => length,
            changed = state.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
            _ = ended.changed() => break,
        };
        let Ok(length @ 1..) = length else { break };
        match way {
            Way::Slow(_) => sleep(Duration::from_millis(50)).await,
            Way::Garbled(one_of) => {
                for octet in &mut piece[..length] {
                    // A linear congruence with Knuth's multiplier: the same each time.
                    passed = passed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if (passed >> 8).is_multiple_of(one_of.max(1)) {
                        *octet ^= 0x15;
                    }
                }
            }
            _ => {}
        }
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    end.send_replace(true);
}
