//! A clock that jumps, as that of a machine that was suspended may: what is overdue ends, once, and whoever is at work goes on.

use crate::client;
use crate::talk::{pass, response, rest, send};
use std::time::Duration;
use wireline::resource::counters::Counter;

#[tokio::test(start_paused = true)]
async fn an_hour_at_once_ends_what_is_idle_and_nothing_that_is_at_work() {
    let (client, seen) = client();
    for hour in 1..=3 {
        let mut idle: Vec<_> = (0..100).map(|_| client.connect()).collect();
        for io in &mut idle {
            send(io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(response(io).await.starts_with("HTTP/1.1 200 "));
        }
        let mut half = client.connect();
        send(&mut half, "GET / HTTP/1.1\r\nHo").await;
        let mut busy: Vec<_> = (0..20).map(|_| client.connect()).collect();
        for io in &mut busy {
            send(io, "GET /after/50 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        }
        pass(1.0).await;
        tokio::time::advance(Duration::from_secs(3600)).await;
        // Whoever comes now is not taken for one of before.
        let mut fresh = client.connect();
        send(&mut fresh, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(response(&mut fresh).await.starts_with("HTTP/1.1 200 "));
        for io in &mut busy {
            assert!(response(io).await.ends_with("later"));
        }
        assert!(rest(&mut half).await.starts_with("HTTP/1.1 408 "));
        for io in &mut idle {
            assert_eq!(rest(io).await, "");
        }
        assert_eq!(client.count(Counter::IdleTimeouts), 100 * hour);
        assert_eq!(client.count(Counter::HeadTimeouts), hour);
        assert_eq!(client.count(Counter::HandlersCancelled), 0);
        drop((idle, half, busy, fresh));
        pass(1.0).await;
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    }
    assert_eq!(seen.begun(), seen.dropped());
}
