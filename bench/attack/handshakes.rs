//! Opening handshakes of WebSockets that must not succeed: WS-12, WS-13.

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::talk::{Talk, upgrade};
use std::sync::Arc;

/// WS-12: pages of other origins that bring a visitor's cookie.
pub(crate) async fn origins(context: Arc<Context>) -> Outcome {
    const ORIGINS: [(&str, u16); 10] = [
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("https://evil.example/localhost", 403),
        ("https://localhost@evil.example", 403),
        ("https://evillocalhost", 403),
        ("http://localhost:8443", 403),
        ("null", 403),
        ("file://", 403),
        ("http://localhost", 101),
        ("", 101),
    ];
    statuses(&context, |number| {
        let (origin, status) = ORIGINS[number % ORIGINS.len()];
        let origin = match origin {
            "" => String::new(),
            origin => format!("Origin: {origin}\r\n"),
        };
        let request = upgrade("/socket", &format!("{origin}Cookie: session=1\r\n"));
        (request, status)
    })
    .await
}

/// WS-13: other versions, keys that are none, far too long ones, lists without end.
pub(crate) async fn faults(context: Arc<Context>) -> Outcome {
    let before = context.target.cpu_ms();
    let mut outcome = statuses(&context, |number| {
        let whole = upgrade("/socket", "");
        let key = |key: &str| whole.replace("dGhlIHNhbXBsZSBub25jZQ==", key);
        match number % 12 {
            0 => (whole.replace("Version: 13", "Version: 12"), 426),
            1 => (whole.replace("Version: 13", "Version: 013"), 426),
            2 => (key("dGhlIHNhbXBsZQ=="), 400),
            3 => (key(&"A".repeat(7_000)), 400),
            4 => (
                upgrade("/socket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
                400,
            ),
            5 => (whole.replace("HTTP/1.1", "HTTP/1.0"), 400),
            6 => (
                upgrade("/socket", &format!("X: {}\r\n", "x".repeat(10_000_000))),
                431,
            ),
            7 => {
                let list = format!("Sec-WebSocket-Protocol: {}a\r\n", "a,".repeat(3_500));
                (upgrade("/socket", &list), 400)
            }
            8 => {
                let list = "permessage-deflate; x,".repeat(300);
                let list = format!("Sec-WebSocket-Extensions: {list}x\r\n");
                (upgrade("/socket", &list), 400)
            }
            9 => {
                let spaces = format!("Sec-WebSocket-Extensions: a{}\r\n", " ;".repeat(3_500));
                (upgrade("/socket", &spaces), 400)
            }
            10 => (whole.replace("Upgrade: websocket", "Upgrade: h2c"), 400),
            _ => (whole.replace("Connection: Upgrade\r\n", ""), 400),
        }
    })
    .await;
    let each = (context.target.cpu_ms() - before) / context.count.max(1) as f64;
    outcome.set("cpu_ms_each", each);
    outcome
}

/// Each of these requests has this status.
async fn statuses(
    context: &Arc<Context>,
    request: impl Fn(usize) -> (String, u16) + Copy + Send + 'static,
) -> Outcome {
    crowd::each(context, move |context, number| {
        told(number, async move {
            let (request, status) = request(number);
            let mut talk = Talk::open(&context, number).await?;
            talk.push(request.as_bytes()).await;
            let answer = talk.answer().await?;
            let mut outcome = Outcome::default();
            if answer.status == status {
                outcome.count(if status == 101 { "opened" } else { "refused" });
            } else {
                let few: String = request.chars().take(300).collect();
                outcome.complain(format!("{} in place of {status}: {few}", answer.status));
            }
            Ok(outcome)
        })
    })
    .await
}
