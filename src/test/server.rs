//! A whole server for a test, with a thread and a port of its own.

use crate::server::bind::Bound;
use crate::server::{Handle, Server};
use crate::service::handler::Service;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// A server at a free port of 127.0.0.1, on a thread of its own; it stops when it is dropped.
///
/// ```
/// use std::io::{Read, Write};
/// use wireline::router::Router;
/// use wireline::test::TestServer;
///
/// let server = TestServer::new(Router::new().get("/", async || "hello").build().unwrap());
/// let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
/// client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).unwrap();
/// assert!(answer.ends_with("\r\n\r\nhello"));
/// ```
#[derive(Debug)]
pub struct TestServer {
    handle: Handle,
    addr: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Serves `service` with the default limits and deadlines.
    ///
    /// # Panics
    ///
    /// When there is no port or no thread to be had.
    pub fn new(service: impl Service) -> Self {
        Self::start(Server::new(service))
    }

    /// Serves what `server` was told, with one worker, at a free port beside the places it was given.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and when one of the places cannot be listened at.
    #[track_caller]
    pub fn start(server: Server) -> Self {
        let server = server
            .bind((Ipv4Addr::LOCALHOST.octets(), 0))
            .workers(1)
            .signals(false);
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let ready = sender.clone();
            if let Err(error) = server.run_with(move |handle| drop(ready.send(Ok(handle.clone()))))
            {
                drop(sender.send(Err(error)));
            }
        });
        let handle = match receiver.recv() {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => panic!("the server did not start: {error}"),
            Err(_) => panic!("the server's thread panicked"),
        };
        let addr = handle.bound().iter().rev().find_map(|bound| match bound {
            Bound::Tcp(addr) => Some(*addr),
            _ => None,
        });
        let addr = addr.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self {
            handle,
            addr,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A handle on the server: stop it, look at it.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for TestServer {
    /// Ends every connection at once, and waits until the server has ended, a second at most.
    fn drop(&mut self) {
        self.handle.force();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
