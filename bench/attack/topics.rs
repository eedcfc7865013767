//! Clients of the relay: RY-1, RY-2.

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::talk::{Talk, frame};
use std::io;
use std::sync::Arc;

/// RY-1: a thousand topics for each connection, of which it gets fifty; then the last of them again and again.
pub(crate) async fn subscriptions(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let talking = async {
            let mut talk = Talk::upgraded(&context, number, RELAY).await?;
            let mut outcome = Outcome::default();
            for topic in 0..TOPICS {
                let text = format!(r#"{{"type":"subscribe","topic":"t:{topic}","ref":{topic}}}"#);
                talk.send(&frame(0x81, text.as_bytes())).await?;
            }
            for topic in 0..TOPICS {
                let answer = text(&mut talk).await?;
                let wanted = match topic {
                    0..ALLOWED => "\"subscribed\"",
                    _ => "\"subscription_limit\"",
                };
                if answer.contains(wanted) {
                    outcome.count(if topic < ALLOWED {
                        "subscribed"
                    } else {
                        "refused"
                    });
                } else {
                    outcome.complain(format!("topic {topic}: {answer}"));
                }
            }
            for _ in 0..CHURN {
                for kind in ["unsubscribe", "subscribe"] {
                    let text = format!(r#"{{"type":"{kind}","topic":"t:1"}}"#);
                    talk.send(&frame(0x81, text.as_bytes())).await?;
                }
            }
            for _ in 0..2 * CHURN {
                text(&mut talk).await?;
            }
            outcome.count("churned");
            Ok(outcome)
        };
        (told(number, talking).await, TOPICS)
    })
    .await
}

/// RY-2: names of topics that are none.
pub(crate) async fn names(context: Arc<Context>) -> Outcome {
    let long = "x".repeat(256);
    let mut names: Vec<String> = [
        "",
        "*",
        ">",
        "a*",
        "a.>",
        "..",
        "a..b",
        "$SYS",
        "a b",
        "a\\u0000b",
        "a\\r\\nPUB x",
        "a\\nb",
        "\u{430}dmin",
        "a\u{200b}",
        "#",
        "+",
        "a?b",
        "[a]",
        "a\\\\b",
        "{a}",
    ]
    .map(String::from)
    .into();
    names.push(long);
    let names = Arc::new(names);
    crowd::each(&context, |context, number| {
        let names = names.clone();
        told(number, async move {
            let mut talk = Talk::upgraded(&context, number, RELAY).await?;
            let mut outcome = Outcome::default();
            let kind = number % (names.len() + 2);
            let Some(name) = names.get(kind) else {
                // One that is far too long, and one that is no UTF-8: these cost the connection.
                let name = if kind == names.len() {
                    vec![b'x'; 2 << 20]
                } else {
                    b"\xff\xfe".to_vec()
                };
                let octets = [br#"{"type":"subscribe","topic":""#, &name[..], br#""}"#].concat();
                talk.push(&frame(0x81, &octets)).await;
                match talk.closing().await? {
                    Some(1007..=1009) => outcome.count("closed"),
                    code => outcome.complain(format!("closed with {code:?}")),
                }
                return Ok(outcome);
            };
            let kind = ["subscribe", "message", "unsubscribe"][number / names.len() % 3];
            let asked =
                format!(r#"{{"type":"{kind}","topic":"{name}","event":"e","payload":1,"ref":1}}"#);
            talk.send(&frame(0x81, asked.as_bytes())).await?;
            let answer = text(&mut talk).await?;
            if answer.contains("\"invalid_message\"") {
                outcome.count("refused");
            } else {
                outcome.complain(format!("{asked}: {answer}"));
            }
            Ok(outcome)
        })
    })
    .await
}

async fn text(talk: &mut Talk) -> io::Result<String> {
    match talk.frame().await? {
        (0x81, text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        (0x89, _) => Box::pin(text(talk)).await,
        (first, payload) => Err(io::Error::other(format!("{first:#x}: {payload:?}"))),
    }
}

const RELAY: &str = "/relay";

/// How many topics a connection asks for, and how many it gets.
const TOPICS: usize = 1_000;
const ALLOWED: usize = 50;

/// How often it leaves and comes back.
const CHURN: usize = 500;
