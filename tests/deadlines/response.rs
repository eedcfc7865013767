//! While a response is being taken: stalls and rates.

use crate::talk::{Watch, pass, send};
use crate::{assert_only, client};
use tokio::io::AsyncReadExt;
use wireline::resource::counters::Counter;

const LARGE: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";

/// Waits until the connection has gone.
async fn end(client: &wireline::test::TestClient) {
    while client.connections() > 0 {
        pass(0.05).await;
    }
}

/// RESILIENCE SL-3: a client that takes nothing is given half a minute.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_closed_after_half_a_minute() {
    let (client, _) = client();
    let mut io = client.connect();
    let watch = Watch::start();
    send(&mut io, LARGE).await;
    end(&client).await;
    watch.assert(30.0..=32.0);
    assert_only(&client, &[Counter::WriteTimeouts]);
    let mut got = Vec::new();
    io.read_to_end(&mut got).await.unwrap();
    assert!(
        got.len() < 128 * 1024,
        "what was on its way can still be read"
    );
}

/// A client that takes an octet now and then is no better.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_drops_is_closed() {
    for (octets, every) in [(1, 20.0), (1, 1.0), (1, 0.3), (200, 1.0)] {
        let (client, _) = client();
        let mut io = client.connect();
        let watch = Watch::start();
        send(&mut io, LARGE).await;
        let drops = async {
            let mut buf = vec![0; octets];
            while io.read(&mut buf).await.is_ok_and(|len| len > 0) {
                pass(every).await;
            }
        };
        tokio::select! {
            () = drops => panic!("the connection goes before what is on its way was read"),
            () = end(&client) => watch.assert(5.0..=27.0),
        }
        assert_only(&client, &[Counter::WriteTimeouts]);
    }
}

/// A client that is slow, but fast enough, gets everything; so does one that pauses for less than the stall and then takes a lot.
#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_everything() {
    for (octets, every) in [(300, 1.0), (64 * 1024, 25.0)] {
        let (client, _) = client();
        let mut io = client.connect();
        send(&mut io, LARGE).await;
        let mut got = 0;
        let mut buf = vec![0; octets];
        while got < 1024 * 1024 {
            pass(every).await;
            match io.read(&mut buf).await.unwrap() {
                0 => panic!("cut off after {got} octets"),
                len => got += len,
            }
        }
        drop(io);
        pass(0.1).await;
        assert_eq!(client.count(Counter::WriteTimeouts), 0);
        assert_eq!(client.connections(), 0);
    }
}

/// A response that nobody takes is not read past: pipelined requests wait behind it, and all of it ends with the stall.
#[tokio::test(start_paused = true)]
async fn a_client_that_only_writes_is_closed() {
    let (client, seen) = client();
    let mut io = client.connect();
    let watch = Watch::start();
    let flood = async {
        loop {
            send(&mut io, LARGE).await;
            pass(0.01).await;
        }
    };
    tokio::select! {
        () = flood => {}
        () = end(&client) => watch.assert(30.0..=32.0),
    }
    assert_only(&client, &[Counter::WriteTimeouts]);
    assert_eq!(
        seen.begun(),
        1,
        "a second handler ran although the first response was not taken"
    );
}
