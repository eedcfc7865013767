//! The relay's client against a server that follows a script: the library's own WebSocket server in memory, on a paused clock.

#[path = "relay_client/gaps.rs"]
mod gaps;
#[path = "relay_client/real.rs"]
mod real;
#[path = "relay_client/scripted.rs"]
mod scripted;
#[path = "relay_client/streams.rs"]
mod streams;
#[path = "support/talk.rs"]
mod talk;

use scripted::{Script, Served, begin};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use wireline::relay::client::{
    DialError, Ended, Event, Missing, RelayClient, RequestError, Status, SubscribeOptions,
    Subscription,
};
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::ws::client::ConnectError;
use wireline::ws::close::CloseCode;
use wireline::ws::handshake::accept_key;

/// The next event in short.
async fn next(subscription: &mut Subscription) -> String {
    match timeout(Duration::from_secs(300), subscription.next()).await {
        Err(_) => "nothing".to_owned(),
        Ok(None) => "end".to_owned(),
        Ok(Some(Event::Subscribed(begun))) => {
            format!("subscribed {} {}", begun.recovered, begun.resumed)
        }
        Ok(Some(Event::Push(push))) => format!("{} {}", push.event, push.payload),
        Ok(Some(Event::Lagged(missed))) => format!("lagged {}", missed.missed),
        Ok(Some(Event::Unsubscribed(end))) => format!("unsubscribed {}", end.code),
        Ok(Some(Event::Error(refusal))) => format!("error {} {}", refusal.code, refusal.message),
        Ok(Some(other)) => format!("{other:?}"),
    }
}

fn push(number: u64) -> String {
    format!(r#"{{"type":"push","topic":"a","event":"n","payload":{number}}}"#)
}

async fn connected(script: &mut Script) -> (RelayClient, Served) {
    let (client, served) = tokio::join!(script.builder().connect(), script.accept());
    (client.unwrap(), served)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_and_nothing_doubled_over_reconnections() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let mut room = client.subscribe("a").unwrap();
    served
        .joins(r#""epoch":5,"offset":0,"recovered":true"#)
        .await;
    assert_eq!(next(&mut room).await, "subscribed true false");

    let mut sent = 0;
    for round in 1..20 {
        for _ in 0..round {
            sent += 1;
            served.say(&push(sent)).await;
        }
        // Half of the time without a word.
        if round % 2 == 0 {
            served.socket.drained().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            script.cut();
        }
        drop(served);
        served = script.accept().await;
        let asked = served.hear().await;
        assert!(
            asked.contains(&format!(r#""epoch":5,"offset":{sent},"#))
                || asked.contains(&format!(r#""epoch":5,"offset":{sent}}}"#)),
            "{asked}"
        );
        let position = format!(r#""epoch":5,"offset":{sent},"recovered":true"#);
        served.answer(&asked, "subscribed", &position).await;
    }
    let mut seen = 0;
    while seen < sent {
        let event = next(&mut room).await;
        if event != "subscribed true true" {
            seen += 1;
            assert_eq!(event, format!("n {seen}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn codes_decide_when_it_comes_back() {
    for (code, at_least, at_most) in [(1001, 0, 501), (1013, 5000, 5501), (4000, 0, 501)] {
        let mut script = Script::new();
        let (client, served) = connected(&mut script).await;
        let begun = Instant::now();
        served.socket.close(CloseCode::new(code).unwrap()).unwrap();
        let status = client.changed(&Status::Connected).await;
        assert!(
            matches!(&status, Status::Waiting(why) if why.contains(&code.to_string())),
            "{status:?}"
        );
        let _again = script.accept().await;
        let waited = begun.elapsed().as_millis();
        assert!(
            (at_least..=at_most).contains(&waited),
            "{code}: {waited} ms"
        );
    }
    for code in [1000, 1009, 4500] {
        let mut script = Script::new();
        let (client, served) = connected(&mut script).await;
        let mut room = client.subscribe("a").unwrap();
        served.socket.close(CloseCode::new(code).unwrap()).unwrap();
        let ended = client.closed().await;
        assert!(
            matches!(ended, Ended::Closed { code: found, .. } if found == code),
            "{ended:?}"
        );
        assert_eq!(next(&mut room).await, "end");
        let refused = client.send("a", "e", &1).await;
        assert!(matches!(refused, Err(RequestError::Ended)), "{refused:?}");
        assert!(
            timeout(Duration::from_secs(600), script.accept())
                .await
                .is_err()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_left() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let client = RelayClient::builder("ws://test/ws")
        .over(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let (ours, mut theirs) = memory::pair(64 * 1024);
            tokio::spawn(async move {
                let head = talk::until(&mut theirs, "\r\n\r\n").await;
                let key = talk::field(&head, "sec-websocket-key").unwrap();
                let answer = format!(
                    "HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {}\r\n\r\n",
                    accept_key(key.as_bytes())
                );
                theirs.write_all(answer.as_bytes()).await.unwrap();
                // It takes everything and says nothing.
                talk::rest(&mut theirs).await;
            });
            async { Ok(Io::Dyn(Box::new(ours))) }
        })
        .keep_alive(Duration::from_secs(20), Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let begun = Instant::now();
    let status = client.changed(&Status::Connected).await;
    assert!(matches!(status, Status::Waiting(_)), "{status:?}");
    let waited = begun.elapsed();
    assert!(
        (Duration::from_secs(25)..Duration::from_secs(27)).contains(&waited),
        "{waited:?}"
    );
    client.changed(&status).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_renewed_before_they_end() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    let options = SubscribeOptions::new().token(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match number {
                2 => Err("nobody is there"),
                3 => panic!("a callback that panics"),
                4 => std::future::pending().await,
                _ => Ok(format!("token {number}")),
            }
        }
    });
    let mut room = client.subscribe_with("a", options).unwrap();
    let asked = served.hear().await;
    assert!(asked.contains(r#""token":"token 0""#), "{asked}");
    served.answer(&asked, "subscribed", r#""ttl":100"#).await;
    assert_eq!(next(&mut room).await, "subscribed true false");
    let begun = Instant::now();
    let asked = served.hear().await;
    assert!(
        asked.contains(r#""type":"refresh""#) && asked.contains(r#""token":"token 1""#),
        "{asked}"
    );
    let waited = begun.elapsed();
    assert!(
        (Duration::from_secs(81)..Duration::from_secs(83)).contains(&waited),
        "{waited:?}"
    );
    served.answer(&asked, "ok", r#""ttl":100"#).await;
    let asked = served.hear().await;
    assert!(asked.contains(r#""token":"token 5""#), "{asked}");
    assert_eq!(next(&mut room).await, "error token nobody is there");
    assert_eq!(
        next(&mut room).await,
        "error token the token callback panicked"
    );
    assert_eq!(next(&mut room).await, "error token no token in time");
    // Nobody asks any more once the subscription is gone.
    let before = given.load(Ordering::SeqCst);
    drop(room);
    assert!(served.hear().await.contains("unsubscribe"));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(given.load(Ordering::SeqCst), before);
}

#[tokio::test(start_paused = true)]
async fn requests_have_their_answers_and_their_ends() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let (sent, ()) = tokio::join!(client.send("a", "say", "hi"), async {
        let asked = served.hear().await;
        assert!(asked.contains(r#""event":"say","payload":"hi""#), "{asked}");
        served.answer(&asked, "ok", "").await;
    });
    sent.unwrap();
    let (refused, ()) = tokio::join!(client.send("a", "say", &1), async {
        let asked = served.hear().await;
        served
            .answer(&asked, "error", r#""code":"not_subscribed","message":"no""#)
            .await;
    });
    assert!(
        matches!(&refused, Err(RequestError::Refused(refusal)) if refusal.code == "not_subscribed"),
        "{refused:?}"
    );

    let two = Duration::from_secs(2);
    let (sum, ()) = tokio::join!(client.call::<i64>("sum", &[1, 2], two), async {
        let asked = served.hear().await;
        assert!(asked.contains(r#""deadline":2000"#), "{asked}");
        served.answer(&asked, "result", r#""payload":3"#).await;
    });
    assert_eq!(sum.unwrap(), 3);
    let (strange, ()) = tokio::join!(client.call::<i64>("sum", &[1, 2], two), async {
        let asked = served.hear().await;
        served
            .answer(&asked, "result", r#""payload":"three""#)
            .await;
    });
    assert!(matches!(strange, Err(RequestError::Json(_))), "{strange:?}");

    // Nobody answers.
    let begun = Instant::now();
    let late = client.call::<i64>("sum", &[1, 2], two).await;
    assert!(matches!(late, Err(RequestError::Timeout)), "{late:?}");
    assert!(
        (two..=two * 2).contains(&begun.elapsed()),
        "{:?}",
        begun.elapsed()
    );
    served.hear().await;

    // Nobody waits.
    let call = client.call::<i64>("sum", &[1, 2], two);
    assert!(timeout(Duration::from_millis(500), call).await.is_err());
    let asked = served.hear().await;
    let reference = asked
        .split(r#""ref":"#)
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    assert_eq!(
        served.hear().await,
        format!(r#"{{"type":"cancel","ref":{reference}}}"#)
    );
    // A future that was never polled has sent nothing.
    drop(client.send("a", "never", &1));
    let (hello, ()) = tokio::join!(client.hello(), async {
        let asked = served.hear().await;
        assert!(asked.contains("hello"), "{asked}");
        served.answer(&asked, "hello", r#""conn_id":7"#).await;
    });
    assert_eq!(hello.unwrap().conn_id, 7);
    let (pong, ()) = tokio::join!(client.ping(), async {
        let asked = served.hear().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        served.answer(&asked, "pong", "").await;
    });
    assert!(pong.unwrap() >= Duration::from_millis(30));

    // The connection is lost in between: it may have taken effect, so it is not sent again.
    let lost = tokio::join!(client.send("a", "once", &1), async {
        served.hear().await;
        drop(served);
    });
    assert!(
        matches!(lost.0, Err(RequestError::Disconnected)),
        "{:?}",
        lost.0
    );
    // Without a connection it waits for one.
    let (sent, mut served) = tokio::join!(client.send("a", "waited", &1), async {
        let mut served = script.accept().await;
        let asked = served.hear().await;
        assert!(asked.contains("waited"), "{asked}");
        served.answer(&asked, "ok", "").await;
        served
    });
    sent.unwrap();
    client.batch(Duration::from_millis(50));
    assert!(served.hear().await.contains(r#""type":"batch""#));
    drop(served);
    assert!(script.accept().await.hear().await.contains(r#""delay":50"#));
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_told_exactly_what_is_missing() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let mut slow = client
        .subscribe_with("a", SubscribeOptions::new().queue(100))
        .unwrap();
    served
        .joins(r#""epoch":5,"offset":0,"recovered":true"#)
        .await;
    let mut quick = client.subscribe("b").unwrap();
    served.joins("").await;
    for number in 1..=5000 {
        served.say(&push(number)).await;
    }
    served
        .say(r#"{"type":"push","topic":"b","event":"n","payload":"quick"}"#)
        .await;
    assert_eq!(next(&mut quick).await, "subscribed true false");
    assert_eq!(next(&mut quick).await, "n \"quick\"");

    assert!(slow.waiting() <= 104, "{}", slow.waiting());
    assert_eq!(next(&mut slow).await, "subscribed true false");
    for number in 1..=99 {
        assert_eq!(next(&mut slow).await, format!("n {number}"));
    }
    match slow.next().await {
        Some(Event::Lagged(lagged)) => {
            let (epoch, first, last) = (5, 100, 5000);
            let which = Missing::OfEpoch { epoch, first, last };
            assert_eq!((lagged.missed, lagged.which), (4901, Some(which)));
        }
        other => panic!("{other:?}"),
    }
    served.say(&push(5001)).await;
    assert_eq!(next(&mut slow).await, "n 5001");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_event_may_be_given_up() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let mut room = client.subscribe("a").unwrap();
    served.joins("").await;
    assert_eq!(next(&mut room).await, "subscribed true false");
    let feeding = tokio::spawn(async move {
        for number in 1..=500 {
            served.say(&push(number)).await;
            tokio::time::sleep(Duration::from_millis(number % 3)).await;
        }
        served
    });
    let (mut seen, mut given_up) = (0, 0);
    while seen < 500 {
        // Polled once, and dropped when there is nothing.
        let once = {
            let mut waiting = pin!(room.next());
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        };
        match once {
            Poll::Ready(Some(Event::Push(push))) => {
                seen += 1;
                assert_eq!(push.json::<u64>().unwrap(), seen);
            }
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => {
                given_up += 1;
                let _ = timeout(Duration::from_micros(300), std::future::pending::<()>()).await;
            }
        }
    }
    assert!(given_up > 100, "{given_up}");
    feeding.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_the_client() {
    let mut script = Script::new();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let (client, mut served) = connected(&mut script).await;
    let mut room = client.subscribe("a").unwrap();
    served.joins("").await;
    let direct = client.direct().unwrap();
    assert!(client.direct().is_none());
    let other = client.clone();
    drop(client);
    drop(other);
    // A subscription is a handle, too.
    served.say(&push(1)).await;
    assert_eq!(next(&mut room).await, "subscribed true false");
    assert_eq!(next(&mut room).await, "n 1");
    drop(room);
    assert!(served.hear().await.contains("unsubscribe"));
    drop(direct);
    assert_eq!(served.hear().await, "closed 1000");
    drop(served);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(tasks(), before);
    assert!(
        timeout(Duration::from_secs(600), script.accept())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn closing_is_clean() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let mut room = client.subscribe("a").unwrap();
    served.joins("").await;
    assert_eq!(next(&mut room).await, "subscribed true false");
    let asking = client.clone();
    let asking = tokio::spawn(async move { asking.send("a", "e", &1).await });
    served.hear().await;
    let watching = client.clone();
    let watching = tokio::spawn(async move { watching.closed().await });
    let begun = Instant::now();
    let ((), heard) = tokio::join!(client.close(), async {
        let heard = served.hear().await;
        drop(served);
        heard
    });
    assert_eq!(heard, "closed 1000");
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    // It was sent: whether it took effect is not known.
    assert!(matches!(
        asking.await.unwrap(),
        Err(RequestError::Disconnected)
    ));
    assert_eq!(watching.await.unwrap(), Ended::Local);
    assert_eq!(next(&mut room).await, "end");
    drop(room);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_server_sends_breaks_it() {
    let mut script = Script::new();
    let (client, mut served) = connected(&mut script).await;
    let mut room = client.subscribe("a").unwrap();
    served.joins("").await;
    assert_eq!(next(&mut room).await, "subscribed true false");
    for garbage in [
        "",
        "{",
        "[[[[",
        r#"{"type":"push"}"#,
        r#"{"type":"later","topic":"a"}"#,
        "\u{0}",
    ] {
        served.say(garbage).await;
    }
    served.socket.send_binary(vec![0xff; 1000]).await.unwrap();
    served.socket.send_ping("hello").await.unwrap();
    served.say(&push(1)).await;
    assert_eq!(next(&mut room).await, "n 1");
    assert_eq!(client.ignored(), 6);
    // More than it takes: the connection is failed, and the next one goes on.
    let huge = format!(
        r#"{{"type":"push","topic":"a","event":"{}"}}"#,
        "x".repeat(5_000_000)
    );
    let _ = served.socket.send(huge).await;
    let mut again = script.accept().await;
    again.joins("").await;
    assert_eq!(next(&mut room).await, "subscribed false true");
}

#[tokio::test(start_paused = true)]
async fn every_connection_signs_in() {
    let mut script = Script::new();
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    let builder = script.builder().bearer(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, io::Error>(format!("t{number}")) }
    });
    let builder = builder
        .protocols(["chat"])
        .header("origin", "https://app.example");
    let (client, served) = tokio::join!(builder.connect(), script.accept());
    let client = client.unwrap();
    assert_eq!(served.authorization, "Bearer t0");
    assert_eq!(served.origin, "https://app.example");
    served.socket.close(CloseCode::new(4401).unwrap()).unwrap();
    let served = script.accept().await;
    assert_eq!(served.authorization, "Bearer t1");

    // The one above counts: three refusals in a row, and once more.
    script.refuse(401);
    drop(served);
    assert_eq!(client.closed().await, Ended::Refused(401));
    assert_eq!(given.load(Ordering::SeqCst), 5);

    // Who has no other sign-in does not ask again.
    let mut script = Script::new();
    let (client, served) = connected(&mut script).await;
    served.socket.close(CloseCode::new(4401).unwrap()).unwrap();
    assert_eq!(client.closed().await, Ended::SignedOut);
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_says_why_there_is_none() {
    let script = Script::new();
    script.refuse(403);
    let refused = script.builder().connect().await.unwrap_err();
    assert!(
        matches!(&refused, DialError::Connect(ConnectError::Refused(refused)) if refused.status == 403),
        "{refused:?}"
    );
    let failing = script.builder().bearer(async || Err::<String, _>("no key"));
    assert!(matches!(failing.connect().await, Err(DialError::Bearer(_))));
    let nowhere = RelayClient::builder("http://test/ws").connect().await;
    assert!(matches!(
        nowhere,
        Err(DialError::Connect(ConnectError::Url(_)))
    ));
    let unfit = script.builder().header("upgrade", "x").start();
    assert!(matches!(unfit.closed().await, Ended::Unfit(_)));
    assert_eq!(script.builder().start().closed().await, Ended::Refused(403));

    // A client that was started waits until the server is there.
    let mut script = Script::new();
    script.refuse(503);
    let client = script.builder().start();
    let mut room = client.subscribe("a").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    script.refuse(0);
    script.accept().await.joins("").await;
    assert_eq!(next(&mut room).await, "subscribed true false");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_costs_one_attempt() {
    let mut script = Script::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let builder = script.builder().bearer(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(number > 1, "as the test wants");
            Ok::<_, io::Error>("t".to_owned())
        }
    });
    let client = builder.start();
    let _served = script.accept().await;
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    while client.status() != Status::Connected {
        client.changed(&client.status()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_nothing_holds_nobody_up_for_ever() {
    let mut script = Script::new();
    let (client, served) = connected(&mut script).await;
    let large = "x".repeat(60_000);
    let mut tasks = Vec::new();
    for _ in 0..400 {
        let (client, large) = (client.clone(), large.clone());
        tasks.push(tokio::spawn(
            async move { client.send("a", "e", &large).await },
        ));
    }
    let (mut full, mut other) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Err(RequestError::Full) => full += 1,
            Err(RequestError::Timeout | RequestError::Disconnected) => other += 1,
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!((full, other), (144, 256));
    drop(served);
}

#[tokio::test(start_paused = true)]
async fn the_server_sends_what_nobody_asked_for() {
    let mut script = Script::new();
    let (client, served) = connected(&mut script).await;
    let mut direct = client.direct().unwrap();
    served
        .say(r#"{"type":"push","topic":"me","event":"hi","payload":1,"to":"user"}"#)
        .await;
    let Some(Event::Push(push)) = direct.next().await else {
        panic!("no push")
    };
    assert_eq!((push.topic.as_str(), push.to_user), ("me", true));
    served
        .say(r#"{"type":"subscribed","topic":"news","epoch":1,"offset":0,"recovered":true}"#)
        .await;
    assert!(
        matches!(direct.next().await, Some(Event::Subscribed(begun)) if begun.topic.as_str() == "news")
    );
    drop(served);
    assert!(
        matches!(direct.next().await, Some(Event::Unsubscribed(end)) if end.code == "disconnected")
    );
    begin(&mut script).await;
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (client, mut room, _script, _served) = first.block_on(async {
        let mut script = Script::new();
        let (client, served) = connected(&mut script).await;
        let room = client.subscribe("a").unwrap();
        (client, room, script, served)
    });
    let second = runtime();
    let asking = client.clone();
    let asking = second.spawn(async move { asking.send("a", "e", &1).await });
    second.block_on(tokio::task::yield_now());
    drop(first);
    second.block_on(async {
        let limit = Duration::from_secs(20);
        let asked = timeout(limit, asking).await.expect("an answer").unwrap();
        assert!(
            matches!(asked, Err(RequestError::Ended | RequestError::Disconnected)),
            "{asked:?}"
        );
        assert_eq!(next(&mut room).await, "end");
        timeout(limit, client.close()).await.expect("an end");
    });
}
