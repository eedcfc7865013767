//! While a request's content comes: gaps, rates, and the time for all of it.

use crate::talk::{Watch, pass, response, rest, send};
use crate::{assert_only, client, client_with};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use wireline::resource::counters::Counter;

const SMALL: &str = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
const LARGE: &str = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
const CHUNKED: &str =
    "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff0\r\n";

/// Content that is gathered before its handler runs, that is streamed to it, and that is chunked.
const HEADS: [&str; 3] = [SMALL, LARGE, CHUNKED];

/// S132: half a minute without an octet, at a rate that was good enough before.
#[tokio::test(start_paused = true)]
async fn a_gap_of_half_a_minute_is_answered_408() {
    for head in HEADS {
        let (client, seen) = client();
        let mut io = client.connect();
        send(&mut io, head).await;
        pass(0.1).await;
        for _ in 0..5 {
            send(&mut io, [b'x'; 10_000]).await;
            pass(1.0).await;
        }
        pass(20.0).await;
        send(&mut io, "x").await;
        let watch = Watch::start();
        let answer = response(&mut io).await;
        watch.assert(30.0..=32.0);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(rest(&mut io).await, "");
        drop(io);
        pass(0.1).await;
        assert_only(&client, &[Counter::BodyTimeouts]);
        assert_eq!(seen.begun(), seen.dropped());
        assert_eq!(
            seen.begun(),
            usize::from(head != SMALL),
            "a handler whose content is gathered never ran"
        );
    }
}

/// RESILIENCE SL-2: below 240 octets a second after five seconds.
#[tokio::test(start_paused = true)]
async fn content_that_drips_is_answered_408_after_the_grace() {
    for head in HEADS {
        for (octets, every) in [(0, 1.0), (1, 1.0), (1, 0.3), (100, 0.5), (230, 1.0)] {
            let (client, _) = client();
            let mut io = client.connect();
            send(&mut io, head).await;
            let watch = Watch::start();
            let (mut reader, mut writer) = tokio::io::split(&mut io);
            let drip = async {
                while writer.write_all(&vec![b'x'; octets]).await.is_ok() {
                    pass(every).await;
                }
            };
            let answer = async {
                let answer = response(&mut reader).await;
                watch.assert(5.0..=8.0);
                answer
            };
            tokio::select! {
                () = drip => panic!("the answer comes before the end"),
                answer = answer => assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}"),
            }
            drop(io);
            pass(0.1).await;
            assert_only(&client, &[Counter::BodyTimeouts]);
        }
    }
}

/// A slow client that is fast enough is served to the end.
#[tokio::test(start_paused = true)]
async fn content_above_the_least_rate_is_taken() {
    for head in [SMALL, LARGE] {
        let (client, _) = client();
        let mut io = client.connect();
        send(&mut io, head).await;
        let total = if head == SMALL { 60_000 } else { 1_000_000 };
        let step = total / 200;
        for _ in 0..200 {
            pass(1.0).await;
            send(&mut io, vec![b'x'; step]).await;
        }
        assert!(
            response(&mut io)
                .await
                .ends_with(&format!("\r\n\r\n{total}"))
        );
        drop(io);
        pass(0.1).await;
        assert_only(&client, &[]);
    }
}

/// The time for all of it, whatever the rate.
#[tokio::test(start_paused = true)]
async fn the_content_of_one_request_may_take_an_hour() {
    for head in HEADS {
        let (client, _) = client_with(|config| config.body_timeout = Duration::from_secs(20));
        let mut io = client.connect();
        send(&mut io, head).await;
        let watch = Watch::start();
        let (mut reader, mut writer) = tokio::io::split(&mut io);
        let flow = async {
            while writer.write_all(&[b'x'; 90]).await.is_ok() {
                pass(0.3).await;
            }
        };
        tokio::select! {
            () = flow => panic!("the answer comes before the end"),
            answer = response(&mut reader) => assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}"),
        }
        watch.assert(20.0..=22.0);
        drop(io);
        pass(0.1).await;
        assert_only(&client, &[Counter::BodyTimeouts]);
    }
    assert_eq!(
        wireline::http1::driver::config::Config::default().body_timeout,
        Duration::from_secs(3600)
    );
}

/// Only time in which the server waits for the client counts: a handler may take as long as it likes before it reads.
#[tokio::test(start_paused = true)]
async fn a_handler_that_reads_late_costs_the_client_nothing() {
    let (client, _) = client();
    let mut io = client.connect();
    let (mut reader, mut writer) = tokio::io::split(&mut io);
    let request = async {
        send(
            &mut writer,
            "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        )
        .await;
        send(&mut writer, vec![b'x'; 1_000_000]).await;
    };
    let ((), answer) = tokio::join!(request, response(&mut reader));
    assert!(answer.ends_with("\r\n\r\n1000000"), "{answer}");
    drop(io);
    pass(0.1).await;
    assert_only(&client, &[]);
}

/// Content that nobody reads is thrown away for two seconds; then the connection ends inside the request.
#[tokio::test(start_paused = true)]
async fn unread_content_that_does_not_come_is_not_waited_for() {
    // More than is gathered before the handler runs, and not more than is worth waiting for.
    let (client, _) = client_with(|config| config.stream_threshold = 1000);
    let mut io = client.connect();
    send(
        &mut io,
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n0123456789",
    )
    .await;
    assert!(response(&mut io).await.ends_with("ignored"));
    let watch = Watch::start();
    assert_eq!(rest(&mut io).await, "");
    watch.assert(2.0..=2.6);
    pass(0.1).await;
    assert_only(&client, &[Counter::IncompleteRequests]);
}

/// The deadline of one request's content does not reach into the next request.
#[tokio::test(start_paused = true)]
async fn a_new_request_begins_with_a_clean_meter() {
    let (client, _) = client();
    let mut io = client.connect();
    for _ in 0..10 {
        send(
            &mut io,
            "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n12",
        )
        .await;
        pass(4.0).await;
        send(&mut io, "34").await;
        assert!(response(&mut io).await.ends_with("\r\n\r\n4"));
    }
    drop(io);
    pass(0.1).await;
    assert_only(&client, &[]);
}

/// S132: what the server is told instead of half a minute.
#[tokio::test(start_paused = true)]
async fn the_gap_is_what_the_server_is_told() {
    for head in HEADS {
        let (client, _) = client_with(|config| config.read_timeout = Duration::from_secs(3));
        let mut io = client.connect();
        send(&mut io, head).await;
        pass(0.1).await;
        send(&mut io, "x").await;
        let watch = Watch::start();
        assert!(response(&mut io).await.starts_with("HTTP/1.1 408 "));
        watch.assert(3.0..=5.0);
    }
}
