//! Peers that take nothing, say too much or are gone, and handlers that look elsewhere: the worker goes on, and nothing
//! that was queued is lost, over the in-memory transport and on a paused clock.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use std::sync::mpsc;
use std::time::Duration;
use talk::pass;
use wireline::Router;
use wireline::test::TestClient;
use wireline::ws::route::WebSocketHandler;
use wireline::ws::socket::config::Config;
use wireline::ws::socket::WebSocket;
use ws_peer::Peer;

/// A server whose only route is this.
fn serve<Args: 'static>(config: Config, handler: impl WebSocketHandler<Args>) -> TestClient {
    let routes = Router::new()
        .websocket_with("/", move |upgrade| upgrade.config(config.clone()), handler)
        .build()
        .unwrap();
    TestClient::new(routes)
}

/// Fails when `test` does not end: what hangs a thread cannot be stopped from within.
fn ends(test: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test);
        done.send(()).unwrap();
    });
    let ended = ended.recv_timeout(Duration::from_secs(20));
    assert!(ended.is_ok(), "the thread hangs, or the test has failed");
}

#[test]
fn a_close_behind_what_nobody_takes_does_not_hang_the_worker() {
    ends(async {
        let client = serve(Config::default(), async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_binary() && socket.send(message).await.is_err() {
                    break;
                }
            }
        });
        let mut peer = Peer::open_narrow(&client, "/", 4096).await;
        for _ in 0..12 {
            peer.frame(0x82, &[b'x'; 10_000]).await;
        }
        pass(1.0).await;
        peer.frame(0x88, b"\x03\xe8").await;
        pass(8.0).await;
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    });
}

#[test]
fn a_close_to_whoever_only_sends_does_not_hang_the_worker() {
    ends(async {
        let client = serve(Config::default(), async |socket: WebSocket| {
            let (sender, receiver) = socket.split();
            drop(receiver);
            while sender.send(vec![0; 10_000]).await.is_ok() {}
        });
        let mut peer = Peer::open_narrow(&client, "/", 4096).await;
        pass(1.0).await;
        peer.frame(0x88, b"\x03\xe8").await;
        pass(1.0).await;
        // What was framed before the Close still comes, and then the answer.
        let mut frames = 0;
        let answer = loop {
            match peer.next().await {
                (0x82, payload) => assert_eq!(payload.len(), 10_000),
                answer => break answer,
            }
            frames += 1;
        };
        assert!(frames > 0);
        assert_eq!(answer, (0x88, b"\x03\xe8".to_vec()));
        drop(peer);
        pass(1.0).await;
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    });
}
