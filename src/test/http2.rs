//! HTTP/2 with the service under test, and the meter of its frames alone.

#[cfg(feature = "client")]
mod bridge;
mod wire;
#[cfg(not(feature = "client"))]
mod without_bridge;

#[cfg(not(feature = "client"))]
use self::without_bridge as bridge;

use self::wire::Http2Wire;
use crate::http2::{Connection, Meter, PREFACE};
use crate::resource::addr::ConnInfo;
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::io::memory::{self, MemoryStream};
use crate::service::link::http2::Http2;
use crate::test::{CAPACITY, TestClient};
use tokio::task::JoinHandle;

impl TestClient {
    /// Sends every request over one connection of HTTP/2, as its streams; it is opened by the first request, and anew
    /// when the server has ended it. WebSockets are opened by extended CONNECT (RFC 8441) on the same connection.
    ///
    /// A request that cannot be said in HTTP/2, with a field of HTTP/1.1's connections or a target that is no URI, is
    /// an error of the client's. [`connect`](Self::connect) still gives a connection of HTTP/1.1.
    ///
    /// ```
    /// use wireline::test::TestClient;
    /// use wireline::{Request, Router};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let version = async |request: Request| format!("{:?}", request.version());
    /// let client = TestClient::new(Router::new().get("/", version).build().unwrap()).http2();
    /// assert_eq!(client.get("/").await.text(), "HTTP/2.0");
    /// # });
    /// ```
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.wire = Box::new(Http2Wire::default());
        self
    }

    /// A connection to the service over which HTTP/2 is spoken, as after ALPN: write the preface to it, or give
    /// it to a client of HTTP/2.
    pub fn connect_http2(&self) -> MemoryStream {
        let (client, server) = memory::pair(CAPACITY);
        drop(self.serve_http2(Io::Dyn(Box::new(server))));
        client
    }

    /// Serves one more connection in HTTP/2, over any transport; the task ends when the connection does.
    pub fn serve_http2(&self, io: impl Into<Io>) -> JoinHandle<()> {
        tokio::spawn(Connection::new(
            io.into(),
            ConnInfo::default(),
            self.shared.clone(),
            (),
        ))
    }
}

/// The frames of one connection, counted as a server counts them: which budget against abuse (RFC 9113 §10.5) they
/// pass, and when. No clock is in it; a tick is a quarter of a second.
///
/// ```
/// use wireline::resource::counters::Counter;
/// use wireline::service::link::http2::Http2;
/// use wireline::test::FrameMeter;
///
/// let mut meter = FrameMeter::new(&Http2::default(), 1);
/// let settings = b"\0\0\0\x04\0\0\0\0\0";
/// meter.received(settings, 1, 0).unwrap();
/// let ping = b"\0\0\x08\x06\0\0\0\0\0goodbye!";
/// for _ in 1..100 {
///     meter.received(ping, 1, 0).unwrap();
/// }
/// assert_eq!(meter.received(ping, 1, 0), Err(Counter::Http2PingFloods));
/// ```
#[derive(Debug)]
pub struct FrameMeter(Meter);

impl FrameMeter {
    /// The meter of a connection whose preface came in tick `now`. The first frame behind it has to be SETTINGS.
    pub fn new(limits: &Http2, now: u32) -> Self {
        let mut meter = Meter::new(limits, now);
        // The preface is no frame: nothing can come of it.
        let _ = meter.received(PREFACE, now, 0);
        Self(meter)
    }

    /// Octets came from the client in tick `now`, when `open` streams were open.
    ///
    /// # Errors
    ///
    /// The counter of the budget that was passed. What comes after that means nothing.
    pub fn received(&mut self, octets: &[u8], now: u32, open: usize) -> Result<(), Counter> {
        let met = self.0.received(octets, now, open);
        met.map_err(|excess| excess.counter())
    }

    /// Octets went to the client.
    ///
    /// # Errors
    ///
    /// As [`received`](Self::received).
    pub fn wrote(&mut self, octets: &[u8]) -> Result<(), Counter> {
        self.0.wrote(octets).map_err(|excess| excess.counter())
    }

    /// How many streams were opened since this was asked last.
    pub fn opened(&mut self) -> u32 {
        self.0.take_batch()
    }

    /// How many streams the client has reset.
    pub fn resets(&self) -> u32 {
        self.0.resets()
    }

    /// The tick since which the rest of a header section, or of a frame without content, is awaited; 0 when none is.
    pub fn late(&self) -> u32 {
        self.0.late()
    }

    /// Whether the client has acknowledged our settings.
    pub fn is_settled(&self) -> bool {
        self.0.is_settled()
    }
}
