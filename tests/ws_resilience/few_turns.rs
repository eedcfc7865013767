//! What the kernel takes of a large message before it can send it. Other systems keep less on their own.

use crate::alone;
use socket2::SockRef;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use wireline::Router;
use wireline::http1::driver::config::Config;
use wireline::http1::driver::{Connection, Shared};
use wireline::resource::addr::ConnInfo;
use wireline::resource::budget::Budget;
use wireline::resource::io::Io;
use wireline::resource::worker::Worker;
use wireline::ws::socket::WebSocket;

/// Each write that is cut short costs a wait, a wake and a turn: so the kernel may take half of a large message at once, and of what is sent
/// after it no more than usual. The same transport without a name, of which nobody knows that it is TCP, shows what it would cost.
#[test]
fn a_large_message_leaves_in_few_turns() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (named, unnamed) = runtime.block_on(async {
        let both = async {
            (
                turns_of_a_large_message(true).await,
                turns_of_a_large_message(false).await,
            )
        };
        tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .expect("it does not arrive")
    });
    println!("{named} turns, {unnamed} with the usual bound");
    assert!(
        named * 3 < unnamed,
        "{named} turns, {unnamed} with the usual bound"
    );
}

/// How often the task of a connection runs to send one, to a client that reads all the time.
async fn turns_of_a_large_message(named: bool) -> usize {
    const LEN: usize = 16 << 20;
    const USUAL: u32 = 128 * 1024;
    let routes = Router::new().websocket("/", async |mut socket: WebSocket| {
        let _ = socket.send(vec![0; LEN]).await;
        while socket.recv().await.is_some() {}
    });
    let shared = Arc::new(Shared {
        worker: Worker::start(Arc::new(Budget::new(usize::MAX))),
        service: Arc::new(routes.build().unwrap()),
        config: Arc::new(Config::default().settled()),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpSocket::new_v4().unwrap();
    // A window that does not grow: what it does not take waits at the server.
    client.set_recv_buffer_size(64 * 1024).unwrap();
    let mut client = client
        .connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    // As the listeners of a server have it.
    let beside = SockRef::from(&server).try_clone().unwrap();
    beside.set_tcp_notsent_lowat(USUAL).unwrap();
    let io = match named {
        true => Io::Tcp(server),
        false => Io::Dyn(Box::new(server)),
    };
    let mut connection = Connection::new(io, ConnInfo::default(), shared, ());
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let served = tokio::spawn(std::future::poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut connection).poll(cx)
    }));

    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut got, mut buf) = (0, vec![0; 64 * 1024]);
    // The answer has no payload, the frame a header of ten octets.
    while got < LEN + 10 {
        got += client.read(&mut buf).await.unwrap();
    }
    let turns = turns.load(Ordering::Relaxed);
    assert_eq!(beside.tcp_notsent_lowat().unwrap(), USUAL);
    served.abort();
    turns
}
