//! Before and between requests: silence, slow heads, idle connections.

use crate::talk::{Watch, dribble, pass, response, rest, send};
use crate::tapped::{Call, Tapped};
use crate::{assert_only, client, client_with};
use std::task::Context;
use std::time::Duration;
use wireline::resource::counters::Counter;
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::test::TestClient;

/// RESILIENCE SL-4: ten seconds after accept, without a word.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_with_nothing() {
    let (client, _) = client();
    let watch = Watch::start();
    assert_eq!(rest(&mut client.connect()).await, "");
    watch.assert(10.0..=10.6);
    pass(0.1).await;
    assert_only(&client, &[Counter::SilentTimeouts]);
}

/// RESILIENCE rule 4: the deadline is total. An octet a second does not move it.
#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_408_however_busily_it_dribbles() {
    let (client, seen) = client();
    let mut io = client.connect();
    let watch = Watch::start();
    let (mut reader, mut writer) = tokio::io::split(&mut io);
    let (answer, ()) = tokio::join!(
        async {
            let answer = response(&mut reader).await;
            watch.assert(10.0..=10.6);
            answer + &rest(&mut reader).await
        },
        dribble(
            &mut writer,
            "GET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyyyy",
            1.0
        ),
    );
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    drop(io);
    pass(0.1).await;
    assert_only(&client, &[Counter::HeadTimeouts]);
    assert_eq!(seen.begun(), 0);
}

/// The head of a first request may take its time up to the deadline.
#[tokio::test(start_paused = true)]
async fn a_head_that_ends_in_time_is_served() {
    let (client, _) = client();
    let mut io = client.connect();
    dribble(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.35).await;
    assert!(response(&mut io).await.starts_with("HTTP/1.1 200 "));
    drop(io);
    pass(0.1).await;
    assert_only(&client, &[]);
}

/// S133: a minute after the last response, without a word.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_a_minute() {
    let (client, _) = client();
    idle(&client, &[0.0, 5.0, 59.0, 59.0], 60.0).await;
}

/// S133: what the server is told instead of a minute.
#[tokio::test(start_paused = true)]
async fn the_wait_for_the_next_request_is_what_the_server_is_told() {
    let (client, _) = client_with(|config| config.idle_timeout = Duration::from_secs(2));
    idle(&client, &[0.0, 1.8], 2.0).await;
}

/// A request after each of these waits, and then none.
async fn idle(client: &TestClient, waits: &[f64], limit: f64) {
    let mut io = client.connect();
    for wait in waits {
        pass(*wait).await;
        send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(response(&mut io).await.ends_with("at once"));
    }
    let watch = Watch::start();
    assert_eq!(rest(&mut io).await, "");
    watch.assert(limit..=limit + 0.6);
    pass(0.1).await;
    assert_only(client, &[Counter::IdleTimeouts]);
}

/// The head deadline of a later request begins with its first octet, not with the wait before it.
#[tokio::test(start_paused = true)]
async fn a_later_head_gets_its_full_time() {
    let (client, _) = client();
    let mut io = client.connect();
    send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    response(&mut io).await;
    pass(55.0).await;
    send(&mut io, "GET / HT").await;
    pass(9.0).await;
    send(&mut io, "TP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(response(&mut io).await.ends_with("at once"));
    pass(55.0).await;
    let watch = Watch::start();
    send(&mut io, "GET / HT").await;
    assert!(response(&mut io).await.starts_with("HTTP/1.1 408 "));
    watch.assert(10.0..=10.6);
    drop(io);
    pass(0.1).await;
    assert_only(&client, &[Counter::HeadTimeouts]);
}

/// What was read of the next head while a request was answered has a full deadline from that answer on.
#[tokio::test(start_paused = true)]
async fn a_pipelined_partial_head_gets_a_fresh_deadline() {
    for slow in ["/after/80", "/"] {
        let (client, _) = client();
        let mut io = client.connect();
        send(
            &mut io,
            format!("GET {slow} HTTP/1.1\r\nHost: a\r\n\r\nGET / HT"),
        )
        .await;
        assert!(response(&mut io).await.starts_with("HTTP/1.1 200 "));
        pass(9.5).await;
        send(&mut io, "TP/1.1\r\nHost: a\r\n\r\nGET").await;
        assert!(response(&mut io).await.ends_with("at once"));
        let watch = Watch::start();
        assert!(response(&mut io).await.starts_with("HTTP/1.1 408 "));
        watch.assert(10.0..=10.6);
        drop(io);
        pass(0.1).await;
        assert_only(&client, &[Counter::HeadTimeouts]);
    }
}

/// A slow client among others: the sweep closes it alone.
#[tokio::test(start_paused = true)]
async fn s14_slow_heads_do_not_stall_others() {
    let (client, _) = client();
    let mut slow: Vec<_> = (0..20).map(|_| client.connect()).collect();
    for io in &mut slow {
        send(io, "GET / HTTP/1.1\r\n").await;
    }
    let watch = Watch::start();
    for _ in 0..8 {
        assert_eq!(client.get("/").await.status, 200);
        pass(1.0).await;
    }
    for io in &mut slow {
        assert!(rest(io).await.starts_with("HTTP/1.1 408 "));
    }
    watch.assert(10.0..=13.0);
    drop(slow);
    pass(0.1).await;
    assert_eq!(client.count(Counter::HeadTimeouts), 20);
    assert_eq!(client.connections(), 0);
}

/// A refused message is answered, and then read and thrown away for two seconds, so that the answer is not lost to a reset.
#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_connection_lingers_and_ends() {
    let (client, _) = client();
    let mut io = client.connect();
    let watch = Watch::start();
    send(&mut io, "BAD\r\n\r\n").await;
    assert!(rest(&mut io).await.starts_with("HTTP/1.1 400 "));
    watch.assert(0.0..=0.1);
    assert_eq!(
        client.connections(),
        1,
        "it reads on, so that the client can"
    );
    dribble(&mut io, [b'x'; 100], 0.1).await;
    watch.assert(2.0..=2.7);
    assert_eq!(client.connections(), 0);
    assert_only(&client, &[]);
}

/// A client that closes ends the linger at once; one that floods is cut off after 32 MiB.
#[tokio::test(start_paused = true)]
async fn a_linger_ends_with_the_client_or_with_its_patience() {
    let (client, _) = client();
    let mut io = client.connect();
    send(&mut io, "BAD\r\n\r\n").await;
    assert!(rest(&mut io).await.starts_with("HTTP/1.1 400 "));
    let watch = Watch::start();
    drop(io);
    pass(0.001).await;
    assert_eq!(client.connections(), 0);
    watch.assert(0.0..=0.1);

    let (client, _) = client_with(|config| config.linger = Duration::from_secs(3600));
    let mut io = client.connect();
    send(&mut io, "BAD\r\n\r\n").await;
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while client.connections() > 0 {
        send(&mut io, &chunk).await;
        sent += chunk.len();
        assert!(sent < 40 * 1024 * 1024, "reads on for ever");
    }
    assert!(sent >= 30 * 1024 * 1024, "{sent}");
}

/// Wakes that bring nothing (half a TLS record, for one) do not move a deadline.
#[tokio::test(start_paused = true)]
async fn wakes_without_octets_move_no_deadline() {
    for served in [false, true] {
        let (client, _) = client();
        let (mut io, inner) = memory::pair(1024);
        // Wakes its reader every now and then, for nothing.
        let mut ticks = tokio::time::interval(Duration::from_millis(300));
        let tap = move |cx: &mut Context<'_>, _: Call| while ticks.poll_tick(cx).is_ready() {};
        drop(client.serve(Io::Dyn(Box::new(Tapped { inner, tap }))));
        if served {
            send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(response(&mut io).await.ends_with("at once"));
        }
        let watch = Watch::start();
        assert_eq!(rest(&mut io).await, "");
        pass(0.1).await;
        if served {
            watch.assert(60.0..=60.8);
            assert_only(&client, &[Counter::IdleTimeouts]);
        } else {
            watch.assert(10.0..=10.8);
            assert_only(&client, &[Counter::SilentTimeouts]);
        }
    }
}
