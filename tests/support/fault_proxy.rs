//! A TCP proxy in front of a broker, whose faults are switched on and off while it runs.
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of octets in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    /// They arrive.
    #[default]
    Pass,
    /// They do not arrive until this is over: connections are accepted, and nothing moves.
    Frozen,
    /// So many arrive each second.
    Slow(u32),
    /// They arrive, one in so many with a flipped bit; the same ones for the same seed.
    Garbled {
        /// Where the numbers begin.
        seed: u64,
        /// One octet in so many, on average.
        one_in: u64,
    },
}

/// The proxy. It ends with everything that goes through it when it is dropped.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    counted: Arc<Counted>,
    accepts: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    to_broker: Way,
    to_node: Way,
    is_split: bool,
}

#[derive(Debug, Default)]
struct Counted {
    connections: AtomicU64,
    garbled: AtomicU64,
}

impl FaultProxy {
    /// One in front of `broker`, at a free port of its own, that lets everything through.
    pub(crate) async fn start(broker: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (faults, watched) = watch::channel(Faults::default());
        let counted = Arc::new(Counted::default());
        let accepts = tokio::spawn(accept(listener, broker, watched, counted.clone()));
        Ok(Self {
            address,
            faults,
            counted,
            accepts,
        })
    }

    /// Where nodes connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes from now on of what goes to the broker, and of what comes from it.
    pub(crate) fn set(&self, to_broker: Way, to_node: Way) {
        self.faults.send_modify(|faults| {
            faults.to_broker = to_broker;
            faults.to_node = to_node;
        });
    }

    /// The same for both directions.
    pub(crate) fn both(&self, way: Way) {
        self.set(way, way);
    }

    /// Resets all connections, and every new one at once.
    pub(crate) fn split(&self) {
        self.faults.send_modify(|faults| faults.is_split = true);
    }

    /// No faults any more.
    pub(crate) fn heal(&self) {
        self.faults.send_replace(Faults::default());
    }

    /// How many connections were made, refused ones as well.
    pub(crate) fn connections(&self) -> u64 {
        self.counted.connections.load(Ordering::Relaxed)
    }

    /// How many octets were garbled.
    pub(crate) fn garbled(&self) -> u64 {
        self.counted.garbled.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    faults: watch::Receiver<Faults>,
    counted: Arc<Counted>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((node, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = counted.connections.fetch_add(1, Ordering::Relaxed);
        if faults.borrow().is_split || connections.len() >= MOST_CONNECTIONS {
            reset(&node);
            continue;
        }
        connections.spawn(carry(node, broker, faults.clone(), counted.clone(), number));
    }
}

async fn carry(
    mut node: TcpStream,
    broker: SocketAddr,
    mut faults: watch::Receiver<Faults>,
    counted: Arc<Counted>,
    number: u64,
) {
    let Ok(mut broker) = TcpStream::connect(broker).await else {
        return reset(&node);
    };
    let _ = (node.set_nodelay(true), broker.set_nodelay(true));
    let pump = |is_up: bool| Pump {
        faults: faults.clone(),
        is_up,
        counted: counted.clone(),
        random: (number << 1) | u64::from(is_up),
    };
    let (mut up, mut down) = (pump(true), pump(false));
    let is_reset = {
        let (from_node, to_node) = node.split();
        let (from_broker, to_broker) = broker.split();
        let both =
            async { tokio::join!(up.run(from_node, to_broker), down.run(from_broker, to_node)) };
        tokio::select! {
            (up, down) = both => up.and(down).is_err(),
            _ = faults.wait_for(|faults| faults.is_split) => true,
        }
    };
    if is_reset {
        reset(&node);
        reset(&broker);
    }
}

/// One direction of a connection.
struct Pump {
    faults: watch::Receiver<Faults>,
    is_up: bool,
    counted: Arc<Counted>,
    random: u64,
}

impl Pump {
    /// Ends when no more comes, having told that to the other side.
    async fn run(&mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let way = self.way();
            let most = match way {
                // Twenty portions each second.
                Way::Slow(rate) => (rate as usize / 20).clamp(1, buffer.len()),
                _ => buffer.len(),
            };
            let len = tokio::select! {
                read = from.read(&mut buffer[..most]), if way != Way::Frozen => read?,
                _ = self.faults.changed() => continue,
            };
            if len == 0 {
                return to.shutdown().await;
            }
            match way {
                Way::Slow(rate) => {
                    let takes = Duration::from_secs(1) * len as u32 / rate.max(1);
                    tokio::time::sleep(takes).await;
                }
                Way::Garbled { seed, one_in } => self.garble(&mut buffer[..len], seed, one_in),
                Way::Pass | Way::Frozen => {}
            }
            to.write_all(&buffer[..len]).await?;
        }
    }

    fn way(&mut self) -> Way {
        let faults = self.faults.borrow_and_update();
        if self.is_up {
            faults.to_broker
        } else {
            faults.to_node
        }
    }

    fn garble(&mut self, octets: &mut [u8], seed: u64, one_in: u64) {
        for octet in octets {
            // splitmix64.
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut next = self.random ^ seed;
            next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            next ^= next >> 31;
            if next.is_multiple_of(one_in.max(1)) {
                *octet ^= 1 << (next >> 61);
                self.counted.garbled.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A connection that ends now ends with a reset.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// What a test opens is far below this.
const MOST_CONNECTIONS: usize = 1_024;
