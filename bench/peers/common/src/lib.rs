//! What every peer needs before it serves: its arguments, a listener with a deep backlog, a tokio runtime of the asked size.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// The command line `NAME PORT [WORKERS] [MODE]` of a peer.
pub struct Arguments {
    /// The port to listen on, on 127.0.0.1.
    pub port: u16,
    /// Worker threads, at least 1; 1 unless told.
    pub workers: usize,
    /// The third word, for a peer that can do several things.
    pub mode: Option<String>,
}

impl Arguments {
    /// Reads the process's arguments; ends the process with status 2 when they make no sense.
    pub fn from_env() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let port = words
            .first()
            .and_then(|word| number(word))
            .and_then(|port| u16::try_from(port).ok());
        let workers = words.get(1).map_or(Some(1), |word| number(word));
        let (Some(port), Some(workers)) = (port, workers) else {
            eprintln!("usage: PORT [WORKERS] [MODE]");
            std::process::exit(2);
        };
        Self {
            port,
            workers: workers.max(1),
            mode: words.get(2).cloned(),
        }
    }

    /// The address to listen on.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// A listening non-blocking socket with a backlog of 4,096; with `reuse_port` several may share the address.
pub fn listen(address: SocketAddr, reuse_port: bool) -> TcpListener {
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(reuse_port)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        Ok::<_, std::io::Error>(socket.into())
    };
    bound().unwrap_or_else(|error| {
        eprintln!("{address}: {error}");
        std::process::exit(1);
    })
}

/// Accepts connections on `address`, each a task of its own, without Nagle's algorithm.
pub async fn accept<F>(address: SocketAddr, serve: impl Fn(tokio::net::TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listen(address, false))
        .expect("the listener is non-blocking");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(stream));
    }
}

/// Runs `server` as a task of a multi-threaded tokio runtime of `workers` threads, not on the thread that blocks.
pub fn run(workers: usize, server: impl Future<Output = ()> + Send + 'static) {
    block_on(workers, async move {
        tokio::spawn(server)
            .await
            .expect("the server does not panic")
    });
}

/// Runs `server`, which need not be `Send`, on the calling thread, and its tasks on `workers` others.
pub fn block_on(workers: usize, server: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(server);
}

/// About 100 KB of JSON that a compressor can do something with: the octets that wireline's bench-server has.
pub fn large() -> Vec<u8> {
    let item = |number: usize| {
        format!(
            r#"{{"id":{number},"name":"User number {number}","email":"user{number}@example.com","active":{},"score":{}}}"#,
            number.is_multiple_of(2),
            number * 37 % 1000
        )
    };
    let items: Vec<String> = (0..1100).map(item).collect();
    format!("[{}]", items.join(",")).into()
}

/// The bytes that `/bytes/{n}` repeats: one piece of 64 KiB.
pub static FILLER: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// The value of a string of decimal digits.
pub fn number(text: &str) -> Option<usize> {
    let digit = |value: usize, byte: u8| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(usize::from(byte - b'0')),
        _ => None,
    };
    (!text.is_empty())
        .then(|| text.bytes().try_fold(0, digit))
        .flatten()
}
