//! The protocol as a table: what the client is told, what it says and gives.

mod streams;

use super::*;
use crate::relay::client::core::event::Presence;
use serde_json::value::to_raw_value;

/// A core whose time and server are the test's.
struct Bench {
    core: Core,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::tuned(|_| ())
    }

    fn tuned(tune: impl FnOnce(&mut Tuning)) -> Self {
        let mut tuning = Tuning {
            backoff: Backoff::default(),
            request_timeout: Duration::from_secs(10),
            join_timeout: Duration::from_secs(30),
            max_requests: 4,
            max_message: 4096,
            max_subscriptions: 3,
            can_sign_in: false,
            batch: None,
            ways: Ways::Both,
            probe: Duration::from_secs(60),
        };
        tune(&mut tuning);
        let mut bench = Self {
            core: Core::new(tuning, 1),
            now: now(),
        };
        assert_eq!(bench.does(), ["connect"]);
        bench
    }

    /// One that is connected.
    fn open() -> Self {
        let mut bench = Self::new();
        bench.core.opened(bench.now, Way::Socket);
        bench
    }

    /// One with a subscription to `a` at offset 10 of epoch 5: it has the number 1, and the generation 3.
    fn joined(wants: Wants) -> Self {
        let mut bench = Self::open();
        bench.subscribe("a", wants);
        bench.frames();
        bench.hears(r#"{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true,"join":3,"ref":3}"#);
        assert_eq!(bench.does(), ["1 subscribed a true new"]);
        bench
    }

    fn subscribe(&mut self, topic: &str, wants: Wants) -> u64 {
        let topic = Topic::new(topic).unwrap();
        self.core.subscribe(self.now, topic, wants).unwrap()
    }

    fn hears(&mut self, text: &str) {
        self.core.received(self.now, text);
    }

    fn frames(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.core.poll_transmit()).collect()
    }

    fn closed(&mut self, code: u16) {
        let reason = String::new();
        self.core.lost(self.now, &Ending::Closed { code, reason });
    }

    /// Moves the clock to the next deadline and says how far that was.
    fn wait(&mut self) -> Duration {
        let at = self.core.poll_timeout().expect("a deadline");
        let waited = at.saturating_duration_since(self.now);
        self.now = at;
        self.core.handle_timeout(at);
        waited
    }

    /// Comes back with a new connection.
    fn reopen(&mut self) {
        self.wait();
        assert_eq!(self.does(), ["connect"]);
        self.core.opened(self.now, Way::Socket);
    }

    fn does(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.core.poll_action())
            .map(|action| match action {
                Action::Connect => "connect".to_owned(),
                Action::Stream => "stream".to_owned(),
                Action::Close => "close".to_owned(),
                Action::Token { seat, round } => format!("token {seat} {round}"),
                Action::End { seat } => format!("{seat} end"),
                Action::Event { seat, event, .. } => format!("{seat} {}", shown(event)),
                Action::Answer { reference, outcome } => match outcome {
                    Ok(answer) => format!("answer {reference} {answer:?}"),
                    Err(error) => format!("answer {reference} error {error}"),
                },
            })
            .collect()
    }
}

fn shown(event: Event) -> String {
    let members = |members: Vec<event::Member>| {
        let each = |member: event::Member| {
            format!(
                "{}/{}/{}",
                member.conn_id,
                member.user.as_deref().unwrap_or("-"),
                member.meta
            )
        };
        members.into_iter().map(each).collect::<Vec<_>>().join(" ")
    };
    match event {
        Event::Subscribed(begun) => format!(
            "subscribed {} {} {}{}",
            begun.topic,
            begun.recovered,
            if begun.resumed { "resumed" } else { "new" },
            begun
                .reply
                .map_or(String::new(), |reply| format!(" {reply}")),
        ),
        Event::Push(push) => format!(
            "push {} {} {}{}",
            push.topic,
            push.event,
            push.payload,
            if push.to_user { " to" } else { "" }
        ),
        Event::Presence(Presence::State { members: all, more }) => {
            format!("state {} {more}", members(all))
        }
        Event::Presence(Presence::Diff { joined, left }) => {
            format!("diff +{} -{}", members(joined), members(left))
        }
        Event::Lagged(lagged) => match lagged.which {
            None => format!("lagged {}", lagged.missed),
            Some(which) => format!("lagged {} {which:?}", lagged.missed),
        },
        Event::Unsubscribed(end) => {
            format!("unsubscribed {} {} {}", end.topic, end.code, end.message)
        }
        Event::Error(refusal) => format!("error {} {}", refusal.code, refusal.message),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some time to begin with"
)]
fn now() -> Instant {
    Instant::now()
}

fn plain() -> Wants {
    Wants {
        payload: None,
        rewind: None,
        presence: false,
        recover: true,
        token: false,
    }
}

fn with_token() -> Wants {
    Wants {
        token: true,
        ..plain()
    }
}

fn message(event: &str) -> Ask {
    Ask::Message {
        topic: Topic::new("a").unwrap(),
        event: event.to_owned(),
        payload: to_raw_value(&1).unwrap(),
    }
}

fn call(seconds: u64) -> Ask {
    Ask::Call {
        method: "sum".to_owned(),
        payload: to_raw_value(&[1, 2]).unwrap(),
        within: Duration::from_secs(seconds),
    }
}

/// What each message makes of a client that is joined to `a` with presence, and what it adds to the offset there.
#[test]
fn every_message_of_the_server() {
    let cases: &[(&str, &[&str], u64)] = &[
        (
            r#"{"type":"push","topic":"a","event":"e","payload":{"n":1.50}}"#,
            &[r#"1 push a e {"n":1.50}"#],
            1,
        ),
        (
            r#"{"type":"push","topic":"a","event":"\u0065"}"#,
            &["1 push a e null"],
            1,
        ),
        (
            r#"{"type":"push","topic":"a","event":"e","payload":1,"to":"user"}"#,
            &["1 push a e 1 to"],
            0,
        ),
        (
            r#"{"type":"push","topic":"b","event":"e","payload":1,"to":"user"}"#,
            &["0 push b e 1 to"],
            0,
        ),
        (
            r#"{"type":"push","topic":"a","event":"e","payload":1,"to":"all"}"#,
            &["1 push a e 1"],
            0,
        ),
        (
            r#"{"type":"lagged","topic":"a","missed":7}"#,
            &["1 lagged 7"],
            7,
        ),
        (
            r#"{"type":"lagged","topic":"a","missed":5,"node":"1f00d","to":"all"}"#,
            &["1 lagged 5"],
            0,
        ),
        (
            r#"{"type":"lagged","topic":"a","missed":3,"node":"1f00d","first":41,"last":43}"#,
            &["1 lagged 3 OfNode { node: 126989, first: 41, last: 43 }"],
            3,
        ),
        (r#"{"type":"skipped","topic":"a","count":2}"#, &[], 2),
        (
            r#"[{"type":"push","topic":"a","event":"e","payload":1},{"type":"skipped","topic":"a","count":1},{"type":"push","topic":"a","event":"f","payload":2}]"#,
            &["1 push a e 1", "1 push a f 2"],
            3,
        ),
        (
            r#"{"type":"presence_state","topic":"a","members":[{"conn_id":7,"user":"ann","meta":{"x":1}},{"conn_id":8}],"more":true}"#,
            &[r#"1 state 7/ann/{"x":1} 8/-/null true"#],
            0,
        ),
        (
            r#"{"type":"presence_diff","topic":"a","joined":[{"conn_id":8,"user":"bob","meta":{}}],"left":[{"conn_id":7}]}"#,
            &["1 diff +8/bob/{} -7/-/null"],
            0,
        ),
        (
            r#"{"type":"unsubscribed","topic":"a","code":"server","message":"out","join":3}"#,
            &["1 unsubscribed a server out", "1 end"],
            0,
        ),
        (
            r#"{"type":"unsubscribed","topic":"a","code":"server","message":"out","join":2}"#,
            &[],
            0,
        ),
        (
            r#"{"type":"error","topic":"a","code":"x","message":"m","join":3}"#,
            &["1 error x m"],
            0,
        ),
        (
            r#"{"type":"error","topic":"a","code":"x","message":"m","join":2}"#,
            &[],
            0,
        ),
        (
            r#"{"type":"error","message":"not subscribed to b"}"#,
            &[],
            0,
        ),
        (
            r#"{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true}"#,
            &["1 subscribed a true resumed"],
            0,
        ),
        (
            r#"{"type":"subscribed","topic":"b","epoch":1,"offset":0,"recovered":true}"#,
            &["0 subscribed b true new"],
            0,
        ),
        (r#"{"type":"pong"}"#, &[], 0),
        // Late, or of nobody's topic.
        (
            r#"{"type":"push","topic":"b","event":"e","payload":1}"#,
            &[],
            0,
        ),
        (
            r#"{"type":"subscribed","topic":"a","epoch":6,"offset":0,"recovered":true,"ref":99}"#,
            &[],
            0,
        ),
        (r#"{"type":"lagged","topic":"b","missed":7}"#, &[], 0),
        (
            r#"{"type":"presence_state","topic":"b","members":[]}"#,
            &[],
            0,
        ),
    ];
    for (text, expected, added) in cases {
        let mut bench = Bench::joined(Wants {
            presence: true,
            ..plain()
        });
        bench.hears(text);
        assert_eq!(bench.does(), *expected, "{text}");
        if let Some(seat) = bench.core.seats.get(&1) {
            assert_eq!(seat.position, Some((5, 10 + added)), "{text}");
        }
        assert_eq!(bench.frames(), [""; 0], "{text}");
    }
}

#[test]
fn garbage_changes_nothing_and_is_counted() {
    let deep = "[".repeat(100_000);
    let nested = format!(r#"{{"type":"push","topic":"a","event":"e","payload":{deep}"#);
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(100_000));
    let known = [
        "subscribed",
        "unsubscribed",
        "push",
        "lagged",
        "skipped",
        "presence_state",
        "presence_diff",
        "ok",
        "result",
        "hello",
        "error",
    ];
    let mut garbage: Vec<String> = [
        "",
        " ",
        "null",
        "0",
        "true",
        "\"push\"",
        "{",
        "}",
        "{}",
        "[1]",
        "[null]",
        "[[]]",
        "\0",
        "\u{feff}{}",
        r#"{"type":1}"#,
        r#"{"type":null}"#,
        r#"{"type":"later"}"#,
        r#"{"type":"push","type":"push"}"#,
        r#"{"type":"push","topic":7,"event":"e"}"#,
        r#"{"type":"push","topic":"a"}"#,
        r#"{"type":"push","topic":"a","event":1}"#,
        r#"{"type":"push","topic":"a b","event":"e","to":"user"}"#,
        r#"{"type":"lagged","topic":"a","missed":-1}"#,
        r#"{"type":"lagged","topic":"a","missed":1e99}"#,
        r#"{"type":"lagged","topic":"a","missed":18446744073709551616}"#,
        r#"{"type":"lagged","topic":"a"}"#,
        r#"{"type":"skipped","topic":"a","count":"1"}"#,
        r#"{"type":"ok","ref":"x"}"#,
        r#"{"type":"ok","ref":{}}"#,
        r#"{"type":"subscribed","topic":"..","epoch":1}"#,
        r#"{"type":"subscribed","topic":"a","epoch":-1}"#,
        r#"{"type":"presence_state","topic":"a","members":7}"#,
        r#"{"type":"presence_state","topic":"a","members":[{}]}"#,
        r#"{"type":"presence_state","topic":"a","members":[{"conn_id":1.5}]}"#,
        r#"{"type":"hello","ref":1}"#,
        r#"[{"type":"push","topic":"a","event":7},{"type":"x"}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    garbage.extend([deep, nested, long]);
    for kind in known {
        garbage.push(format!(r#"{{"type":"{kind}"}}"#));
        for reference in [
            "0",
            "1",
            "2",
            "99",
            "18446744073709551615",
            "-1",
            "1.5",
            "\"3\"",
            "[3]",
        ] {
            garbage.push(format!(r#"{{"type":"{kind}","ref":{reference}}}"#));
            if kind != "push" && kind != "unsubscribed" && kind != "presence_diff" {
                garbage.push(format!(
                    r#"{{"type":"{kind}","topic":"b c","ref":{reference},"conn_id":1}}"#
                ));
            }
        }
    }
    let mut bench = Bench::joined(Wants {
        presence: true,
        ..plain()
    });
    for (count, text) in garbage.iter().enumerate() {
        let before = bench.core.ignored();
        assert!(before >= count as u64);
        bench.hears(text);
        assert!(
            bench.core.ignored() > before,
            "{}",
            &text[..text.len().min(200)]
        );
        assert_eq!(bench.does(), [""; 0], "{}", &text[..text.len().min(200)]);
        assert_eq!(bench.core.seats[&1].position, Some((5, 10)));
    }
    // Every prefix and every single change of a good message, too.
    let good = r#"[{"type":"push","topic":"a","event":"e","payload":{"k":[1,"\u00e9"]}},{"type":"lagged","topic":"a","missed":2}]"#;
    for end in 0..good.len() {
        bench.hears(&good[..end]);
        for octet in [b'"', b'{', b']', b'0', b'\\', b' '] {
            let mut changed = good.as_bytes().to_vec();
            changed[end] = octet;
            bench.hears(std::str::from_utf8(&changed).unwrap());
        }
    }
    bench.does();
    bench.hears(r#"{"type":"push","topic":"a","event":"still","payload":1}"#);
    assert_eq!(bench.does(), ["1 push a still 1"]);
}

#[test]
fn offsets_and_counters_do_not_overflow() {
    let mut bench = Bench::joined(plain());
    for _ in 0..3 {
        bench.hears(r#"{"type":"lagged","topic":"a","missed":18446744073709551615}"#);
        bench.hears(r#"{"type":"skipped","topic":"a","count":18446744073709551615}"#);
        bench.hears(r#"{"type":"push","topic":"a","event":"e","payload":1}"#);
    }
    assert_eq!(bench.core.seats[&1].position, Some((5, u64::MAX)));
}

#[test]
fn what_is_asked_for_stands_in_the_message() {
    let mut bench = Bench::open();
    let wants = Wants {
        payload: Some(to_raw_value(&"hi").unwrap()),
        rewind: Some(10),
        presence: true,
        ..plain()
    };
    bench.subscribe("a", wants);
    assert_eq!(
        bench.frames(),
        [
            r#"{"type":"subscribe","topic":"a","ref":3,"join":3,"payload":"hi","rewind":10,"presence":true}"#
        ]
    );
    bench.hears(r#"{"type":"subscribed","topic":"a","epoch":5,"offset":2,"recovered":false,"reply":{"m":1},"join":3,"ref":3}"#);
    assert_eq!(bench.does(), [r#"1 subscribed a false new {"m":1}"#]);
    let asked = bench.core.request(bench.now, message("e")).unwrap();
    bench.core.request(bench.now, call(2)).unwrap();
    bench.core.request(bench.now, Ask::Hello).unwrap();
    bench.core.request(bench.now, Ask::Ping).unwrap();
    bench.core.batch(bench.now, Duration::from_millis(50));
    assert_eq!(
        bench.frames(),
        [
            r#"{"type":"message","topic":"a","ref":4,"event":"e","payload":1}"#,
            r#"{"type":"call","ref":5,"method":"sum","payload":[1,2],"deadline":2000}"#,
            r#"{"type":"hello","ref":6}"#,
            r#"{"type":"ping","ref":7}"#,
            r#"{"type":"batch","ref":8,"delay":50}"#,
        ]
    );
    assert_eq!(asked, 4);
    for (text, expected) in [
        (
            r#"{"type":"result","ref":5,"payload":3}"#,
            "answer 5 Result(RawValue(3))",
        ),
        (r#"{"type":"ok","ref":4}"#, "answer 4 Ok"),
        (
            r#"{"type":"hello","conn_id":7,"user":"ann","ref":6}"#,
            r#"answer 6 Hello(Hello { conn_id: 7, user: Some("ann") })"#,
        ),
        (r#"{"type":"pong","ref":7}"#, "answer 7 Pong"),
    ] {
        bench.hears(text);
        assert_eq!(bench.does(), [expected]);
        bench.hears(text);
        assert_eq!(bench.does(), [""; 0], "an answer counts once");
    }
    bench.hears(r#"{"type":"ok","ref":8}"#);
    assert_eq!((bench.does(), bench.core.poll_timeout()), (vec![], None));
}

#[test]
fn it_goes_on_where_it_stopped() {
    let mut bench = Bench::joined(Wants {
        rewind: Some(5),
        ..plain()
    });
    bench.hears(r#"{"type":"push","topic":"a","event":"e","payload":1}"#);
    bench.closed(1001);
    assert_eq!(bench.does(), ["1 push a e 1"]);
    assert!(
        matches!(bench.core.link(), Link::Waiting { why, .. } if why == "the server closed with 1001")
    );
    bench.reopen();
    let [frame] = &bench.frames()[..] else {
        panic!("one frame")
    };
    assert!(
        frame.contains(r#""epoch":5,"offset":11"#) && !frame.contains("rewind"),
        "{frame}"
    );
    let reference = bench.core.last;
    // What is on its way before the answer belongs to nobody.
    bench.hears(r#"{"type":"push","topic":"a","event":"early","payload":1}"#);
    bench.hears(&format!(
        r#"{{"type":"subscribed","topic":"a","epoch":5,"offset":11,"recovered":true,"join":{reference},"ref":{reference}}}"#
    ));
    bench.hears(r#"{"type":"push","topic":"a","event":"missed","payload":2}"#);
    assert_eq!(
        bench.does(),
        ["1 subscribed a true resumed", "1 push a missed 2"]
    );
    assert_eq!(bench.core.seats[&1].position, Some((5, 12)));

    // Another life of the topic: offsets start anew.
    bench.closed(1006);
    bench.reopen();
    bench.frames();
    let reference = bench.core.last;
    bench.hears(&format!(
        r#"{{"type":"subscribed","topic":"a","epoch":6,"offset":0,"recovered":false,"join":{reference},"ref":{reference}}}"#
    ));
    assert_eq!(bench.does(), ["1 subscribed a false resumed"]);
    assert_eq!(bench.core.seats[&1].position, Some((6, 0)));
}

#[test]
fn who_does_not_want_to_recover_begins_anew() {
    let mut bench = Bench::joined(Wants {
        rewind: Some(1),
        recover: false,
        ..plain()
    });
    bench.closed(1001);
    bench.reopen();
    let frames = bench.frames();
    assert!(
        frames[0].contains(r#""rewind":1"#) && !frames[0].contains("epoch"),
        "{frames:?}"
    );
}

#[test]
fn late_messages_of_an_older_subscription_are_harmless() {
    let mut bench = Bench::joined(plain());
    bench.core.unsubscribe(bench.now, 1);
    let id = bench.subscribe("a", plain());
    assert_eq!(
        bench.frames(),
        [
            r#"{"type":"unsubscribe","topic":"a","ref":4,"join":3}"#,
            r#"{"type":"subscribe","topic":"a","ref":7,"join":7}"#,
        ]
    );
    for late in [
        r#"{"type":"push","topic":"a","event":"late","payload":1}"#,
        r#"{"type":"unsubscribed","topic":"a","join":3,"ref":4}"#,
        r#"{"type":"unsubscribed","topic":"a","join":3,"code":"server","message":"late"}"#,
        r#"{"type":"error","topic":"a","join":3,"message":"late"}"#,
        r#"{"type":"subscribed","topic":"a","join":3,"ref":3}"#,
    ] {
        bench.hears(late);
        assert_eq!(bench.does(), [""; 0], "{late}");
    }
    bench.hears(r#"{"type":"subscribed","topic":"a","epoch":5,"offset":20,"recovered":true,"join":7,"ref":7}"#);
    bench.hears(r#"{"type":"push","topic":"a","event":"new","payload":1}"#);
    assert_eq!(
        bench.does(),
        [
            format!("{id} subscribed a true new"),
            format!("{id} push a new 1")
        ]
    );
}

#[test]
fn refusals_of_a_subscription() {
    for (code, wants, is_for_good) in [
        ("join_rejected", plain(), true),
        ("subscription_limit", plain(), true),
        ("unknown_topic", plain(), true),
        ("token_required", plain(), true),
        ("invalid_token", plain(), true),
        ("token_expired", plain(), true),
        ("handler_error", plain(), true),
        ("rate_limited", plain(), false),
        ("token_expired", with_token(), false),
        ("invalid_token", with_token(), false),
    ] {
        let mut bench = Bench::open();
        let has_token = wants.token;
        let id = bench.subscribe("a", wants);
        if has_token {
            assert_eq!(bench.does(), ["token 1 2"]);
            bench.core.token(bench.now, id, 2, Ok("t".to_owned()));
        }
        let frames = bench.frames();
        assert_eq!(frames.len(), 1);
        assert_eq!(
            frames[0].contains(r#""token":"t""#),
            has_token,
            "{frames:?}"
        );
        bench.hears(&format!(
            r#"{{"type":"error","code":"{code}","topic":"a","message":"no","join":3,"ref":3}}"#
        ));
        let mut expected = vec![format!("1 error {code} no")];
        expected.extend(is_for_good.then(|| "1 end".to_owned()));
        assert_eq!(bench.does(), expected);
        if is_for_good {
            assert_eq!(bench.core.poll_timeout(), None);
            bench.subscribe("a", plain());
        } else {
            let waited = bench.wait();
            assert!(
                (RETRY..Duration::from_secs(1)).contains(&waited),
                "{waited:?}"
            );
            let again = if has_token {
                bench.does()
            } else {
                bench.frames()
            };
            assert_eq!(again.len(), 1, "it asks again");
        }
    }
}

#[test]
fn tokens_that_are_never_taken_end_it() {
    let mut bench = Bench::open();
    let id = bench.subscribe("a", with_token());
    let mut asked = 0;
    loop {
        let did = bench.does();
        if did.contains(&format!("{id} end")) {
            break;
        }
        asked += 1;
        assert!(asked < 20, "it goes on for ever");
        let round = bench.core.last;
        bench.core.token(bench.now, id, round, Ok("bad".to_owned()));
        bench.frames();
        let reference = bench.core.last;
        bench.hears(&format!(
            r#"{{"type":"error","code":"invalid_token","message":"no","ref":{reference}}}"#
        ));
        if bench.core.poll_timeout().is_some() {
            bench.does();
            bench.wait();
        }
    }
    assert_eq!(asked, 6);
}

#[test]
fn tokens_are_renewed_and_an_end_by_token_is_none() {
    let mut bench = Bench::open();
    let id = bench.subscribe("a", with_token());
    bench.core.token(bench.now, id, 2, Ok("one".to_owned()));
    bench.frames();
    bench.does();
    bench.hears(r#"{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true,"ttl":60,"join":3,"ref":3}"#);
    bench.does();
    assert_eq!(bench.wait(), Duration::from_secs(48));
    assert_eq!(bench.does(), ["token 1 4"]);
    // An answer to an older question is none.
    bench.core.token(bench.now, id, 2, Ok("old".to_owned()));
    assert_eq!(bench.frames(), [""; 0]);
    bench.core.token(bench.now, id, 4, Ok("two".to_owned()));
    assert_eq!(
        bench.frames(),
        [r#"{"type":"refresh","topic":"a","ref":5,"join":3,"token":"two"}"#]
    );
    bench.hears(r#"{"type":"ok","ttl":100,"ref":5}"#);
    assert_eq!(bench.wait(), Duration::from_secs(80));
    assert_eq!(bench.does(), ["token 1 6"]);

    // The callback fails: it is asked again, and the application hears of it.
    bench
        .core
        .token(bench.now, id, 6, Err("no network".to_owned()));
    assert_eq!(bench.does(), ["1 error token no network"]);
    assert!(bench.wait() <= Duration::from_secs(1));
    assert_eq!(bench.does(), ["token 1 7"]);

    // Too late: the server ends it, and it is subscribed to again where it stopped.
    bench.hears(r#"{"type":"unsubscribed","topic":"a","code":"token_expired","message":"token expired","join":3}"#);
    assert_eq!(
        bench.does(),
        ["1 unsubscribed a token_expired token expired"]
    );
    bench.core.token(bench.now, id, 7, Ok("late".to_owned()));
    assert_eq!(bench.frames(), [""; 0]);
    bench.wait();
    assert_eq!(bench.does(), [format!("token 1 {}", bench.core.last)]);
    let round = bench.core.last;
    bench
        .core
        .token(bench.now, id, round, Ok("three".to_owned()));
    let frames = bench.frames();
    assert!(
        frames[0].contains(r#""epoch":5,"offset":10,"token":"three""#),
        "{frames:?}"
    );
}

#[test]
fn requests_wait_for_a_connection_and_are_not_sent_twice() {
    let mut bench = Bench::new();
    for name in ["one", "two"] {
        bench.core.request(bench.now, message(name)).unwrap();
    }
    bench.core.request(bench.now, call(5)).unwrap();
    assert_eq!(bench.frames(), [""; 0]);
    bench.now += Duration::from_secs(1);
    bench.core.opened(bench.now, Way::Socket);
    let frames = bench.frames();
    assert!(
        frames[0].contains("one") && frames[1].contains("two"),
        "{frames:?}"
    );
    assert!(frames[2].contains(r#""deadline":4000"#), "{frames:?}");
    bench.closed(1001);
    let lost = "error the connection ended before the answer came";
    assert_eq!(
        bench.does(),
        [
            format!("answer 1 {lost}"),
            format!("answer 2 {lost}"),
            format!("answer 3 {lost}")
        ]
    );
    bench.reopen();
    assert_eq!(bench.frames(), [""; 0]);
}

#[test]
fn requests_are_bounded_and_end_in_time() {
    let mut bench = Bench::open();
    for _ in 0..4 {
        bench.core.request(bench.now, message("e")).unwrap();
    }
    assert!(matches!(
        bench.core.request(bench.now, Ask::Ping),
        Err(RequestError::Full)
    ));
    assert_eq!(bench.wait(), Duration::from_secs(10));
    let did = bench.does();
    assert_eq!(did.len(), 4);
    assert_eq!(did[0], "answer 1 error no answer in time");
    // Nobody reads the socket: what was written still waits, and there may not be more and more of it.
    for _ in 0..4 {
        bench.core.request(bench.now, message("e")).unwrap();
    }
    bench.wait();
    assert!(matches!(
        bench.core.request(bench.now, Ask::Ping),
        Err(RequestError::Full)
    ));
    bench.frames();
    bench.core.request(bench.now, Ask::Ping).unwrap();

    assert!(matches!(
        bench.core.request(bench.now, call(61)),
        Err(RequestError::Invalid(_))
    ));
    let large = Ask::Message {
        topic: Topic::new("a").unwrap(),
        event: "e".to_owned(),
        payload: to_raw_value(&"x".repeat(5000)).unwrap(),
    };
    assert!(matches!(
        bench.core.request(bench.now, large),
        Err(RequestError::TooLarge)
    ));
}

#[test]
fn a_call_that_nobody_waits_for_is_cancelled() {
    let mut bench = Bench::open();
    let asked = bench.core.request(bench.now, call(5)).unwrap();
    let told = bench.core.request(bench.now, message("e")).unwrap();
    bench.frames();
    bench.core.forget(asked);
    bench.core.forget(told);
    bench.core.forget(99);
    assert_eq!(bench.frames(), [r#"{"type":"cancel","ref":1}"#]);
    bench.hears(r#"{"type":"error","code":"cancelled","message":"cancelled","ref":1}"#);
    bench.hears(r#"{"type":"ok","ref":2}"#);
    assert_eq!((bench.does(), bench.core.poll_timeout()), (vec![], None));

    let asked = bench.core.request(bench.now, call(5)).unwrap();
    bench.hears(r#"{"type":"error","code":"deadline_exceeded","message":"too slow","ref":3}"#);
    assert_eq!(bench.does(), [format!("answer {asked} error too slow")]);
}

#[test]
fn a_server_that_does_not_answer_a_subscription_is_not_there() {
    let mut bench = Bench::open();
    bench.subscribe("a", plain());
    bench.frames();
    assert_eq!(bench.wait(), Duration::from_secs(30));
    assert_eq!(bench.does(), ["close"]);
    bench.reopen();
    assert_eq!(bench.frames().len(), 1);
}

#[test]
fn endings_decide_whether_it_comes_back() {
    for (code, at_least, at_most) in [(1001, 0, 500), (1013, 5000, 5500), (4000, 0, 500)] {
        let mut bench = Bench::joined(plain());
        bench.closed(code);
        let waited = bench.wait().as_millis();
        assert!((at_least..=at_most).contains(&waited), "{code}: {waited}");
        assert_eq!(bench.does(), ["connect"]);
    }
    for code in [1000, 1009, 4401, 4500] {
        let mut bench = Bench::joined(plain());
        let asked = bench.core.request(bench.now, message("e")).unwrap();
        bench.closed(code);
        let lost = format!("answer {asked} error the connection ended before the answer came");
        assert_eq!(
            bench.does(),
            [lost.as_str(), "1 end", "0 end", "close"],
            "{code}"
        );
        assert_eq!(bench.core.poll_timeout(), None, "{code}");
        assert!(matches!(
            bench.core.request(bench.now, Ask::Ping),
            Err(RequestError::Ended)
        ));
        let topic = Topic::new("b").unwrap();
        assert!(matches!(
            bench.core.subscribe(bench.now, topic, plain()),
            Err(SubscribeError::Ended(_))
        ));
    }
}

#[test]
fn waits_grow_until_a_connection_lasts() {
    let mut bench = Bench::new();
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        bench.core.opened(bench.now, Way::Socket);
        bench.closed(1006);
        longest = longest.max(bench.wait());
        assert_eq!(bench.does(), ["connect"]);
    }
    assert!(
        longest > Duration::from_secs(20) && longest <= Duration::from_secs(30),
        "{longest:?}"
    );
    bench.core.opened(bench.now, Way::Socket);
    bench.now += STABLE;
    bench.closed(1006);
    assert!(bench.wait() <= Duration::from_millis(500));
}

#[test]
fn signing_in_anew_is_tried_three_times() {
    let mut bench = Bench::tuned(|tuning| tuning.can_sign_in = true);
    let refused = Ending::Refused {
        status: 401,
        retry_after: None,
    };
    for _ in 0..3 {
        bench.core.lost(bench.now, &refused);
        bench.wait();
        assert_eq!(bench.does(), ["connect"]);
    }
    bench.core.lost(bench.now, &refused);
    assert_eq!(bench.core.link(), &Link::Ended(Ended::Refused(401)));
}

#[test]
fn shutting_down_ends_everything_once() {
    let mut bench = Bench::joined(plain());
    bench.core.request(bench.now, call(5)).unwrap();
    bench.core.shut_down();
    let did = bench.does();
    assert_eq!(did[1..], ["1 end", "0 end", "close"]);
    bench.core.shut_down();
    bench.closed(1000);
    bench.core.opened(bench.now, Way::Socket);
    bench.hears(r#"{"type":"push","topic":"a","event":"e","payload":1}"#);
    assert_eq!(bench.does(), [""; 0]);
    assert_eq!(bench.core.link(), &Link::Ended(Ended::Local));
}

#[test]
fn the_server_subscribes_and_unsubscribes() {
    let mut bench = Bench::open();
    for (text, expected) in [
        (
            r#"{"type":"subscribed","topic":"b","epoch":1,"offset":0,"recovered":true}"#,
            "0 subscribed b true new",
        ),
        (
            r#"{"type":"push","topic":"b","event":"e","payload":1}"#,
            "0 push b e 1",
        ),
        (
            r#"{"type":"unsubscribed","topic":"b","code":"server","message":"out"}"#,
            "0 unsubscribed b server out",
        ),
    ] {
        bench.hears(text);
        assert_eq!(bench.does(), [expected]);
    }
    bench.hears(r#"{"type":"push","topic":"b","event":"e","payload":1}"#);
    assert_eq!(bench.does(), [""; 0]);
    for number in 0..2000 {
        bench.hears(&format!(r#"{{"type":"subscribed","topic":"t{number}"}}"#));
    }
    assert_eq!(bench.does().len(), 1024, "there is a bound");
    bench.closed(1001);
    let ends = bench.does();
    assert_eq!(ends.len(), 1024);
    assert!(
        ends.iter()
            .all(|end| end.ends_with("disconnected the connection has ended"))
    );
}

#[test]
fn subscriptions_are_bounded_and_have_a_topic_each() {
    let mut bench = Bench::open();
    bench.subscribe("a", plain());
    let mut refused = |name, wants| {
        let topic = Topic::new(name).unwrap();
        bench.core.subscribe(bench.now, topic, wants).unwrap_err()
    };
    assert_eq!(refused("a", plain()), SubscribeError::Taken);
    let large = Wants {
        payload: Some(to_raw_value(&"x".repeat(4000)).unwrap()),
        ..plain()
    };
    assert_eq!(refused("b", large), SubscribeError::TooLarge);
    bench.subscribe("b", plain());
    bench.subscribe("c", plain());
    let topic = Topic::new("d").unwrap();
    assert_eq!(
        bench.core.subscribe(bench.now, topic, plain()).unwrap_err(),
        SubscribeError::TooMany
    );
}

#[test]
fn coming_and_going_is_bounded_too() {
    let mut bench = Bench::open();
    let mut count = 0;
    loop {
        let topic = Topic::new("a").unwrap();
        match bench.core.subscribe(bench.now, topic, plain()) {
            Ok(id) => bench.core.unsubscribe(bench.now, id),
            Err(error) => {
                assert_eq!(error, SubscribeError::TooMany);
                break;
            }
        }
        count += 1;
        assert!(count < 10_000, "no bound");
    }
    bench.core.batch(bench.now, Duration::ZERO);
    // Sent and not answered is no better; in time everything is forgotten.
    let frames = bench.frames();
    assert!(frames.len() < 5000, "{}", frames.len());
    bench.wait();
    bench.subscribe("a", plain());
}

#[test]
fn a_token_that_is_not_spoken_of_is_renewed_as_planned() {
    let mut bench = Bench::open();
    let id = bench.subscribe("a", with_token());
    bench.core.token(bench.now, id, 2, Ok("one".to_owned()));
    bench.does();
    bench.hears(r#"{"type":"subscribed","topic":"a","ttl":60,"join":3,"ref":3}"#);
    bench.hears(r#"{"type":"subscribed","topic":"a","epoch":5,"offset":10,"recovered":true}"#);
    assert_eq!(bench.wait(), Duration::from_secs(48));
}
