//! Socket.IO: SI-1 to SI-3, SI-5, SI-11. `tests/socketio` has the rest of its catalogue, in Python.

use crate::Context;
use crate::churn::descriptors_are_back;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::talk::{Case, Talk, frame, get};
use crate::target::Random;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// SI-1, SI-2, SI-11: packets that are none: their session is closed, without an answer.
pub(crate) async fn packets(context: Arc<Context>) -> Outcome {
    let packets = Arc::new(hostile());
    let before = context.target.descriptors();
    let mut outcome = crowd::each(&context, |context, number| {
        let packets = packets.clone();
        told(number, async move {
            let path = "/socket.io/?EIO=4&transport=websocket";
            let mut talk = Talk::upgraded(&context, number, path).await?;
            // The session, and then the namespace.
            talk.frame().await?;
            talk.send(&frame(0x81, b"40")).await?;
            talk.frame().await?;
            let sent = &packets[number % packets.len()];
            talk.push(sent).await;
            let mut outcome = Outcome::default();
            loop {
                match talk.frame().await {
                    Ok((0x88, _)) => break outcome.count("closed"),
                    // A ping of Engine.IO.
                    Ok((0x81, ping)) if ping == b"2" => {}
                    Ok((_, payload)) => {
                        let few = String::from_utf8_lossy(&sent[..sent.len().min(80)]).into_owned();
                        let answer = String::from_utf8_lossy(&payload).into_owned();
                        break outcome.complain(format!("{few:?}: {answer:?}"));
                    }
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                    Err(_) => break outcome.count("closed"),
                }
            }
            Ok(outcome)
        })
    })
    .await;
    // Sessions and their sockets are gone.
    descriptors_are_back(&context, before, &mut outcome).await;
    outcome
}

fn hostile() -> Vec<Vec<u8>> {
    const HOLDER: &str = r#"{"_placeholder":true,"num":0}"#;
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for head in [
        "451",
        "45",
        "45-",
        "45a-",
        "45 1-",
        "45+1-",
        "45-1-",
        "450-",
        "4511-",
        "45599999-",
        "4518446744073709551617-",
        "460-1",
        "4611-1",
    ] {
        let text = format!(r#"{head}["echo",{HOLDER}]"#);
        packets.push(frame(0x81, text.as_bytes()));
    }
    // Octets that nobody has announced, and text where octets are awaited.
    packets.push(frame(0x82, b"\x01"));
    let text = format!(r#"452-["echo",{HOLDER}]"#);
    packets.push([frame(0x81, text.as_bytes()), frame(0x81, b"42[\"echo\"]")].concat());
    for data in [
        "[1]",
        "[null]",
        "[{}]",
        r#"[{"toString":1}]"#,
        r#"[["echo"]]"#,
        "[]",
        "{}",
        "null",
        r#"["connect",1]"#,
        r#"["disconnecting",1]"#,
        r#"["newListener",1]"#,
    ] {
        packets.push(frame(0x81, format!("42{data}").as_bytes()));
    }
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let (open, close) = (open.repeat(10_000), close.repeat(10_000));
        let text = format!(r#"42["echo",{open}1{close}]"#);
        packets.push(frame(0x81, text.as_bytes()));
    }
    packets
}

/// SI-3: a megabyte of packets of nothing, of events that are none, content of other types.
pub(crate) async fn posts(context: Arc<Context>) -> Outcome {
    let posts = crowd::each(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::open(&context, number).await?;
            let opened = talk.ask(&get(POLLING, "")).await?;
            let text = String::from_utf8_lossy(&opened.content).into_owned();
            let sid = text
                .split(r#""sid":""#)
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .ok_or_else(|| io::Error::other(format!("no session: {text:?}")))?;
            let (content, kind) = match number % 6 {
                0 => ("2\x1e".repeat(500_000).into(), "text/plain"),
                1 => ("4x\x1e".repeat(300_000).into(), "text/plain"),
                2 => ("\x1e".repeat(1_000_000).into(), "text/plain"),
                3 => (Bytes::from_static(b"40"), "application/octet-stream"),
                4 => (Bytes::from_static(b"4\xff\xfe"), "text/plain"),
                _ => (vec![b'4'; 1_000_001].into(), "text/plain"),
            };
            let what = format!("kind {}", number % 6);
            let path = format!("{POLLING}&sid={sid}");
            let fields = format!("Content-Type: {kind}\r\n");
            let case = Case::post(what, &path, &fields, content, &[400, 413, 415]);
            let mut outcome = Outcome::default();
            talk.case(&case, "refused", &mut outcome).await?;
            Ok(outcome)
        })
    });
    crowd::costing(&context, None, posts).await
}

/// SI-5: ids that were guessed. None is a session's.
pub(crate) async fn guesses(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let mut sent = 0;
        let guessing = async {
            let mut random = Random::new(context.seed, number);
            let mut outcome = Outcome::default();
            let (mut left, mut at_once) = (A_WRITE * A_WRITE, A_WRITE);
            while left > 0 {
                let mut talk = Talk::open(&context, number).await?;
                let mut is_open = true;
                while is_open && left > 0 {
                    let mut requests = String::new();
                    for _ in 0..at_once.min(left) {
                        let sid: String = (0..22)
                            .map(|_| char::from(LETTERS[random.below(LETTERS.len())]))
                            .collect();
                        requests.push_str(&get(&format!("{POLLING}&sid={sid}"), ""));
                    }
                    talk.send(requests.as_bytes()).await?;
                    for _ in 0..at_once.min(left) {
                        let answer = talk.answer().await?;
                        sent += 1;
                        left -= 1;
                        let told = String::from_utf8_lossy(&answer.content);
                        if answer.status == 400 && told.contains(r#""code":1"#) {
                            outcome.count("refused");
                        } else {
                            outcome.complain(format!("{}: {told}", answer.status));
                        }
                        // Whoever has guessed too often gets one answer on a connection.
                        if answer.head.contains("connection: close") {
                            outcome.count("put_off");
                            (is_open, at_once) = (false, 1);
                            break;
                        }
                    }
                }
            }
            Ok(outcome)
        };
        (told(number, guessing).await, sent)
    })
    .await
}

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many guesses are sent at once, and how often.
const A_WRITE: usize = 50;
