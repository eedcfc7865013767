//! The way to an event stream and back.

use super::*;

/// A bench whose only socket was refused, with the subscription 1 to `a`, and whose stream is open.
fn streaming(wants: Wants) -> Bench {
    let mut bench = Bench::new();
    bench.subscribe("a", wants);
    refused(&mut bench, 400);
    bench.wait();
    assert_eq!(bench.does(), ["stream"]);
    bench.core.opened(bench.now, Way::Stream);
    assert!(bench.core.is_streaming() && bench.does().is_empty());
    bench
}

fn refused(bench: &mut Bench, status: u16) {
    let retry_after = None;
    let ending = Ending::Refused {
        status,
        retry_after,
    };
    bench.core.lost(bench.now, &ending);
}

fn reads(bench: &mut Bench, data: &str, cursor: &str) {
    let cursor = (!cursor.is_empty()).then_some(cursor);
    bench.core.streamed(bench.now, data, cursor);
}

fn begins(bench: &mut Bench) {
    reads(
        bench,
        r#"{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true}"#,
        "a 5 10",
    );
    assert_eq!(bench.does(), ["1 subscribed a true new"]);
}

fn since(bench: &Bench) -> Vec<(String, Option<(u64, u64)>)> {
    let listed = bench.core.listed().into_iter();
    listed
        .map(|one| (one.topic.as_str().to_owned(), one.since))
        .collect()
}

#[test]
fn a_socket_that_never_was_fails_once() {
    let mut bench = Bench::new();
    bench.subscribe("a", plain());
    let begun = bench.now;
    refused(&mut bench, 404);
    bench.wait();
    // The server has said no to sockets, not to this client: there is no reason to wait for long.
    assert!(bench.now - begun < pace::A_WHILE);
    assert_eq!(bench.does(), ["stream"]);
    // A stream that fails is followed by a socket, and that by two more.
    refused(&mut bench, 404);
    for expected in ["connect", "stream", "connect", "stream"] {
        bench.wait();
        assert_eq!(bench.does(), [expected]);
        bench.core.lost(bench.now, &Ending::Failed("x".to_owned()));
    }
}

#[test]
fn a_socket_that_once_was_fails_three_times() {
    let mut bench = Bench::joined(plain());
    bench.closed(1006);
    for _ in 0..3 {
        bench.wait();
        assert_eq!(bench.does(), ["connect"]);
        refused(&mut bench, 502);
    }
    bench.wait();
    assert_eq!(bench.does(), ["stream"]);
    assert_eq!(since(&bench), [("a".to_owned(), Some((5, 10)))]);
}

#[test]
fn what_is_no_reason_for_a_stream() {
    // Nobody subscribes.
    let mut bench = Bench::new();
    for _ in 0..5 {
        refused(&mut bench, 400);
        bench.wait();
        assert_eq!(bench.does(), ["connect"]);
    }
    // There was no token to sign in with.
    bench.subscribe("a", plain());
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.core.lost(bench.now, &Ending::NoToken("x".to_owned()));
        bench.wait();
        assert_eq!(bench.does(), ["connect"]);
    }
    // Nobody wants one.
    let mut bench = Bench::tuned(|tuning| tuning.ways = Ways::Sockets);
    bench.subscribe("a", plain());
    for _ in 0..5 {
        refused(&mut bench, 400);
        bench.wait();
        assert_eq!(bench.does(), ["connect"]);
    }
    // The server refuses this client.
    let mut bench = Bench::new();
    bench.subscribe("a", plain());
    refused(&mut bench, 403);
    assert_eq!(*bench.core.link(), Link::Ended(Ended::Refused(403)));
    // It is busy: the wait is the longer one.
    let mut bench = Bench::new();
    bench.subscribe("a", plain());
    refused(&mut bench, 503);
    assert!(bench.wait() >= pace::A_WHILE);
}

#[test]
fn a_stream_gives_what_a_socket_would() {
    let mut bench = streaming(Wants {
        presence: true,
        ..plain()
    });
    // Behind the stream's opening nothing has come yet.
    reads(
        &mut bench,
        r#"{"type":"push","topic":"a","event":"e","payload":1}"#,
        "",
    );
    assert!(bench.does().is_empty());
    begins(&mut bench);
    for (data, cursor, expected) in [
        (
            r#"{"type":"push","topic":"a","event":"e","payload":1}"#,
            "a 5 11",
            "1 push a e 1",
        ),
        (
            r#"{"type":"lagged","topic":"a","missed":4}"#,
            "b 1 1;a 5 15",
            "1 lagged 4",
        ),
        (
            r#"{"type":"presence_state","topic":"a","members":[]}"#,
            "",
            "1 state  false",
        ),
        // A cursor that makes no sense changes nothing.
        (
            r#"{"type":"push","topic":"a","event":"e","payload":2,"to":"all"}"#,
            "a 5;a x 9;a 7 -1;",
            "1 push a e 2",
        ),
    ] {
        reads(&mut bench, data, cursor);
        assert_eq!(bench.does(), [expected]);
    }
    assert_eq!(since(&bench), [("a".to_owned(), Some((5, 15)))]);
    let ignored = bench.core.ignored();
    for data in [
        r#"{"type":"subscribed","topic":"b","epoch":5,"offset":10}"#,
        "no JSON",
    ] {
        reads(&mut bench, data, "");
        assert!(bench.does().is_empty());
    }
    assert_eq!(bench.core.ignored(), ignored + 2);
}

#[test]
fn a_socket_takes_over() {
    let mut bench = streaming(plain());
    begins(&mut bench);
    for _ in 0..3 {
        assert_eq!(bench.wait(), Duration::from_secs(60));
        assert_eq!(bench.does(), ["connect"]);
        bench.core.probe_failed(bench.now);
    }
    bench.wait();
    assert_eq!(bench.does(), ["connect"]);
    bench.core.opened(bench.now, Way::Socket);
    assert!(bench.core.is_writable());
    let frames = bench.frames();
    assert!(
        frames.len() == 1 && frames[0].contains(r#""epoch":5,"offset":10"#),
        "{frames:?}"
    );
    // What the stream still says is nothing any more.
    reads(
        &mut bench,
        r#"{"type":"push","topic":"a","event":"e","payload":1}"#,
        "a 5 11",
    );
    assert!(bench.does().is_empty());
    assert_eq!(since(&bench), [("a".to_owned(), Some((5, 10)))]);
    // Nothing is tried beside a socket.
    let asked: serde_json::Value = serde_json::from_str(&frames[0]).unwrap();
    bench.hears(&format!(
        r#"{{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true,"join":{0},"ref":{0}}}"#,
        asked["ref"]
    ));
    assert_eq!(bench.does(), ["1 subscribed a true resumed"]);
    assert_eq!(bench.core.poll_timeout(), None);
}

#[test]
fn other_topics_are_another_stream() {
    let mut bench = streaming(plain());
    begins(&mut bench);
    bench.subscribe("b", plain());
    let c = bench.subscribe("c", plain());
    bench.core.unsubscribe(bench.now, c);
    assert!(bench.wait() < Duration::from_secs(1));
    assert_eq!(bench.does(), ["close", "stream"]);
    let expected = [("a".to_owned(), Some((5, 10))), ("b".to_owned(), None)];
    assert_eq!(since(&bench), expected);
    // While it is being opened, too.
    bench.core.unsubscribe(bench.now, 1);
    bench.wait();
    assert_eq!(bench.does(), ["close", "stream"]);
    assert_eq!(since(&bench), [("b".to_owned(), None)]);
    bench.core.opened(bench.now, Way::Stream);
    // There is no stream of nothing.
    let b = bench.core.listed()[0].seat;
    bench.core.unsubscribe(bench.now, b);
    bench.wait();
    assert_eq!(bench.does(), ["close", "connect"]);
}

#[test]
fn a_stream_only_reads() {
    let mut bench = Bench::new();
    bench.subscribe("a", plain());
    let waits = bench.core.request(bench.now, message("waits")).unwrap();
    refused(&mut bench, 400);
    bench.wait();
    bench.core.opened(bench.now, Way::Stream);
    bench.does();
    for ask in [message("e"), call(1), Ask::Ping] {
        let asked = bench.core.request(bench.now, ask);
        assert!(matches!(asked, Err(RequestError::ReadOnly)), "{asked:?}");
    }
    bench.core.batch(bench.now, Duration::from_millis(50));
    assert!(bench.frames().is_empty());
    // What was asked before waits for a socket.
    bench.core.opened(bench.now, Way::Socket);
    let frames = bench.frames();
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert!(
        frames
            .iter()
            .any(|frame| frame.contains(&format!(r#""ref":{waits}"#)) && frame.contains("waits"))
    );
}

#[test]
fn how_a_stream_ends() {
    let disconnect = |code: u16| format!(r#"{{"type":"disconnect","code":{code},"reason":"why"}}"#);
    let mut bench = streaming(plain());
    begins(&mut bench);
    reads(&mut bench, &disconnect(1001), "");
    assert_eq!(bench.does(), ["close"]);
    bench.wait();
    assert_eq!(bench.does(), ["connect"]);
    let mut bench = streaming(plain());
    reads(&mut bench, &disconnect(4500), "");
    let ended = Ended::Closed {
        code: 4500,
        reason: "why".to_owned(),
    };
    assert_eq!(*bench.core.link(), Link::Ended(ended));
    // A socket has its own way to say so.
    let mut bench = Bench::open();
    bench.hears(&disconnect(4500));
    assert!(matches!(bench.core.link(), Link::Open { .. }));
}

#[test]
fn topics_that_are_refused() {
    let error =
        |code: &str| format!(r#"{{"type":"error","topic":"a","code":"{code}","message":"no"}}"#);
    let mut bench = streaming(plain());
    bench.subscribe("b", plain());
    bench.wait();
    bench.does();
    bench.core.opened(bench.now, Way::Stream);
    reads(&mut bench, &error("join_rejected"), "");
    assert_eq!(bench.does(), ["1 error join_rejected no", "1 end"]);
    // All of them at once.
    let refusal = Refusal {
        code: "join_rejected".to_owned(),
        message: "no".to_owned(),
    };
    let seats: Vec<u64> = bench.core.listed().iter().map(|one| one.seat).collect();
    bench.core.stream_refused(bench.now, &seats, &refusal);
    assert_eq!(bench.does().len(), 2);
    assert!(bench.core.listed().is_empty());
    bench.wait();
    assert_eq!(bench.does(), ["connect"]);
    // What was refused for now is asked for again.
    let mut bench = streaming(plain());
    reads(&mut bench, &error("rate_limited"), "");
    assert_eq!(bench.does(), ["1 error rate_limited no"]);
    bench.wait();
    bench.wait();
    assert_eq!(bench.does(), ["close", "stream"]);
    // An error of one that is joined ends nothing.
    let mut bench = streaming(plain());
    begins(&mut bench);
    reads(&mut bench, &error("x"), "");
    assert_eq!(bench.does(), ["1 error x no"]);
    assert_eq!(bench.core.listed().len(), 1);
}

#[test]
fn tokens_are_given_with_the_stream() {
    let mut bench = streaming(with_token());
    reads(
        &mut bench,
        r#"{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true,"ttl":50}"#,
        "a 5 10",
    );
    assert_eq!(bench.does(), ["1 subscribed a true new"]);
    assert_eq!(bench.wait(), Duration::from_secs(40));
    bench.wait();
    assert_eq!(bench.does(), ["close", "stream"]);
    // None was to be had.
    bench
        .core
        .stream_token_failed(bench.now, 1, "no".to_owned());
    assert_eq!(bench.does(), ["1 error token no"]);
    bench.wait();
    assert_eq!(bench.does(), ["connect"]);
    // One that has ended on the way.
    let mut bench = streaming(with_token());
    begins(&mut bench);
    reads(
        &mut bench,
        r#"{"type":"unsubscribed","topic":"a","code":"token_expired","message":"m"}"#,
        "",
    );
    assert_eq!(bench.does(), ["1 unsubscribed a token_expired m"]);
    bench.wait();
    bench.wait();
    assert_eq!(bench.does(), ["close", "stream"]);
}

#[test]
fn streams_alone() {
    let tuning = Bench::joined(plain()).core.tuning;
    let mut bench = Bench {
        core: Core::new(
            Tuning {
                ways: Ways::Streams,
                ..tuning
            },
            1,
        ),
        now: now(),
    };
    assert!(bench.does().is_empty());
    let id = bench.subscribe("a", plain());
    bench.wait();
    assert_eq!(bench.does(), ["close", "stream"]);
    refused(&mut bench, 404);
    bench.wait();
    assert_eq!(bench.does(), ["stream"]);
    bench.core.opened(bench.now, Way::Stream);
    assert_eq!(bench.core.poll_timeout(), None);
    bench.core.unsubscribe(bench.now, id);
    bench.wait();
    assert_eq!(bench.does(), ["close"]);
    bench.subscribe("b", plain());
    bench.wait();
    assert_eq!(bench.does(), ["close", "stream"]);
}

#[test]
fn a_gap_is_told_with_its_range() {
    let mut bench = Bench::joined(plain());
    for (more, expected) in [
        (
            r#","node":"1f00d","first":41,"last":43"#,
            "OfNode { node: 126989, first: 41, last: 43 }",
        ),
        (
            r#","epoch":5,"first":11,"last":13"#,
            "OfEpoch { epoch: 5, first: 11, last: 13 }",
        ),
        (r#","epoch":5"#, ""),
        (r#","node":"1F00D-","first":41,"last":43"#, ""),
        (r#","node":"","first":41,"last":43"#, ""),
        (r#","node":"11111111111111111","first":41,"last":43"#, ""),
        ("", ""),
    ] {
        bench.hears(&format!(
            r#"{{"type":"lagged","topic":"a","missed":3{more}}}"#
        ));
        assert_eq!(
            bench.does(),
            [format!("1 lagged 3 {expected}").trim_end()],
            "{more}"
        );
    }
}
