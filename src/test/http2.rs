//! HTTP/2 with the service under test.

use crate::http2::Connection;
use crate::resource::addr::ConnInfo;
use crate::resource::io::Io;
use crate::resource::io::memory::{self, MemoryStream};
use crate::test::{CAPACITY, TestClient};
use tokio::task::JoinHandle;

impl TestClient {
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
