//! HTTP/1.1 requests behind requests, beside content and around switches of protocol: H1-12 to H1-14, H1-16 to H1-19.

use crate::Context;
use crate::crowd::{self, told};
use crate::frames::PREFACE;
use crate::outcome::Outcome;
use crate::talk::{Ended, Talk, get};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A payload, the statuses that have to come in this order, and no other.
struct Vector {
    what: &'static str,
    octets: Vec<u8>,
    statuses: &'static [u16],
}

const fn vector(what: &'static str, octets: Vec<u8>, statuses: &'static [u16]) -> Vector {
    Vector {
        what,
        octets,
        statuses,
    }
}

/// H1-12: content of requests that have no use for it, with a request in it that must not be one.
pub(crate) async fn unused_content(context: Arc<Context>) -> Outcome {
    let vectors = Arc::new(
        ["GET", "DELETE", "OPTIONS", "HEAD"]
            .into_iter()
            .flat_map(|method| {
                let canary = canary();
                let length = canary.len();
                let statuses: &[u16] = match method {
                    "GET" | "HEAD" => &[200, 200],
                    _ => &[0, 200],
                };
                [
                    format!("{method} /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{canary}{}", get("/json", CLOSE)),
                    format!(
                        "{method} /plaintext HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{canary}\r\n0\r\n\r\n{}",
                        get("/json", CLOSE)
                    ),
                ]
                .map(|text| vector(method, text.into_bytes(), statuses))
            })
            .collect::<Vec<_>>(),
    );
    all(&context, vectors, Cut::Whole).await
}

/// H1-13: expectations: one that is answered without the content, with and without the content being sent; unknown ones, two of them, one on a
/// GET.
pub(crate) async fn expectations(context: Arc<Context>) -> Outcome {
    let head = |fields: &str| {
        format!("POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n")
    };
    let canary = canary();
    let length = canary.len();
    let vectors = Arc::new(vec![
        // Whether the content comes or not: what follows is either read as such, or not at all.
        vector(
            "an early answer, with the content",
            format!(
                "{}{canary}{}",
                head(&format!("Content-Length: {length}\r\n")),
                get("/json", CLOSE)
            )
            .into(),
            &[404, 200],
        ),
        vector(
            "an early answer, without it",
            head("Content-Length: 5\r\nConnection: close\r\n").into(),
            &[404],
        ),
        vector(
            "another expectation",
            format!("GET /plaintext HTTP/1.1\r\nHost: a\r\nExpect: banana\r\n\r\n{canary}").into(),
            &[417],
        ),
        vector(
            "two expectations",
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, banana\r\nContent-Length: {length}\r\n\r\n{canary}").into(),
            &[417],
        ),
        vector(
            "on a GET without content",
            format!("GET /plaintext HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{CLOSE}\r\n").into(),
            &[200],
        ),
    ]);
    all(&context, vectors, Cut::Whole).await
}

/// H1-14: switches of protocol that are not made: what follows belongs to HTTP.
pub(crate) async fn switches(context: Arc<Context>) -> Outcome {
    let offer = |fields: &str| {
        format!("GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: Upgrade{fields}\r\n\r\n")
    };
    let then = get("/json", CLOSE);
    let vectors = Arc::new(
        [
            ", HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
            "\r\nUpgrade: h2c",
            "\r\nUpgrade: websocket",
            "\r\nUpgrade: TLS/1.0",
            "\r\nUpgrade: h2c, websocket, TLS/1.3, IRC/6.9",
        ]
        .map(|fields| {
            vector(
                "refused",
                format!("{}{then}", offer(fields)).into(),
                &[200, 200],
            )
        })
        .into_iter()
        .chain([
            // Not the preface of HTTP/2 either.
            vector(
                "the preface behind an offer",
                [offer("\r\nUpgrade: h2c").as_bytes(), PREFACE].concat(),
                &[200, 0],
            ),
        ])
        .collect::<Vec<_>>(),
    );
    all(&context, vectors, Cut::Whole).await
}

/// H1-17, H1-18: a good request before a bad one, whole and octet by octet: the first is answered, the second refused, and nothing behind it
/// is read.
pub(crate) async fn good_and_bad(context: Arc<Context>) -> Outcome {
    let first = get("/plaintext", "");
    let canary = canary();
    let bad = |bad: &str| format!("{first}{bad}{canary}").into_bytes();
    let vectors = Arc::new(vec![
        vector("no method", bad("BAD\0\r\n\r\n"), &[200, 400]),
        vector("no version", bad("GET /plaintext\r\n\r\n"), &[200, 400]),
        vector(
            "no host",
            bad("GET /plaintext HTTP/1.1\r\n\r\n"),
            &[200, 400],
        ),
        vector(
            "a space before the colon",
            bad("GET /plaintext HTTP/1.1\r\nHost : a\r\n\r\n"),
            &[200, 400],
        ),
        vector(
            "both lengths",
            bad(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            &[200, 400],
        ),
        vector(
            "a version that there is not",
            bad("GET /plaintext HTTP/4294967295.255\r\nHost: a\r\n\r\n"),
            &[200, 400],
        ),
        vector(
            "a head of 12 KiB",
            bad(&format!(
                "GET /plaintext HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(12_288)
            )),
            &[200, 431],
        ),
        vector(
            "handshakes of TLS",
            [
                first.as_bytes(),
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
            ]
            .concat(),
            &[200, 400],
        ),
    ]);
    all(&context, vectors, Cut::Both).await
}

/// H1-19: HTTP/2's preface in two pieces, cut everywhere, octets of TLS and noise where HTTP/1.1 is spoken.
pub(crate) async fn other_protocols(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::open(&context, number).await?;
            let mut outcome = Outcome::default();
            if number.is_multiple_of(3) {
                let noise: &[u8] = match number / 3 % 3 {
                    0 => b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
                    1 => b"\0\0\0\0\r\n\r\n",
                    _ => b"EHLO localhost\r\n\r\n",
                };
                talk.push(noise).await;
                let ended = talk.rest(PATIENCE).await?;
                if ended.status() == 400 {
                    outcome.count("refused");
                } else {
                    outcome.complain(format!("{noise:?}: the status is {}", ended.status()));
                }
                return Ok(outcome);
            }
            // Connections that begin with the preface are HTTP/2, wherever it is cut.
            let whole = crate::frames::opening(&[]);
            let cut = number % PREFACE.len();
            talk.send(&whole[..cut]).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
            talk.send(&whole[cut..]).await?;
            let mut head = [0; 9];
            let read = tokio::io::AsyncReadExt::read_exact(&mut talk.stream, &mut head);
            crate::target::within(read).await?;
            // The server's settings.
            if head[3] == 4 {
                outcome.count("switched");
            } else {
                outcome.complain(format!("cut at {cut}: {head:?}"));
            }
            Ok(outcome)
        })
    })
    .await
}

/// H1-16: requests without end in one write, whose answers nobody reads: the server stops reading, and holds what it may.
pub(crate) async fn unread(context: Arc<Context>) -> Outcome {
    let counted = context.target.counters().await;
    let before = counted.map(|counters| counters.get("buffered").copied().unwrap_or(0));
    let wire = Arc::new(get("/json", "").repeat(1_000).into_bytes());
    let open = crowd::each(&context, |context, number| {
        let wire = wire.clone();
        told(number, async move {
            let mut talk = Talk::narrow(&context, number).await?;
            let mut written = 0_usize;
            let mut outcome = Outcome::default();
            // A hundred thousand of them, and more, until nothing is taken.
            let has_stopped = loop {
                match timeout(Duration::from_millis(500), talk.send(&wire)).await {
                    Ok(sent) => sent?,
                    Err(_) => break true,
                }
                written += 1_000;
                if written == MOST {
                    break false;
                }
            };
            if !has_stopped {
                outcome.complain(format!("{MOST} requests were read"));
            }
            outcome.count("connections");
            outcome.raise("most_requests", written as f64);
            let now = context.target.counters().await?;
            let buffered = now.get("buffered").copied().unwrap_or(0) as f64;
            outcome.raise("most_buffered_octets", buffered);
            Ok(outcome)
        })
    });
    let mut outcome = open.await;
    match before {
        Ok(before) => {
            let held = outcome.get("most_buffered_octets") - before as f64;
            // Read ahead, a response under way, and what the probe asks meanwhile.
            let most = context.concurrency.min(context.count) as f64 * 256.0 * 1024.0 + 1e6;
            if held > most {
                outcome.complain(format!("{held} octets are held"));
            }
        }
        Err(error) => outcome.complain(error.to_string()),
    }
    outcome
}

#[derive(Clone, Copy)]
enum Cut {
    Whole,
    /// Every other one octet by octet.
    Both,
}

/// Each vector on a connection of its own, to its end.
async fn all(context: &Arc<Context>, vectors: Arc<Vec<Vector>>, cut: Cut) -> Outcome {
    crowd::each(context, move |context, number| {
        let vectors = vectors.clone();
        told(number, async move {
            let vector = &vectors[number % vectors.len()];
            let by_octet = matches!(cut, Cut::Both) && number / vectors.len() % 2 == 1;
            let mut talk = Talk::open(&context, number).await?;
            if by_octet {
                for octet in vector.octets.chunks(1) {
                    talk.push(octet).await;
                }
            } else {
                talk.push(&vector.octets).await;
            }
            let ended = talk.rest(PATIENCE).await?;
            judge(vector, &ended)
        })
    })
    .await
}

fn judge(vector: &Vector, ended: &Ended) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(&ended.octets);
    let found: Vec<u16> = text
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| {
            let digits = text.get(at + 9..at + 12)?;
            u16::try_from(wireline::wire::number::decimal(digits.as_bytes())?).ok()
        })
        .filter(|status| *status != 100)
        .collect();
    // 0 stands for any.
    let fits = found.len() <= vector.statuses.len()
        && found
            .iter()
            .zip(vector.statuses)
            .all(|(found, wanted)| *wanted == 0 || found == wanted);
    // A connection that ends before the last answer has interpreted less, which it may; one answer there has to be.
    if found.is_empty() || !fits || text.contains("canary") {
        outcome.complain(format!("{}: {found:?}", vector.what));
    } else {
        outcome.count("as_expected");
        outcome.set("answers", found.len() as f64);
    }
    Ok(outcome)
}

/// A request that nobody has made. Its answer names it.
fn canary() -> String {
    get("/users/canary/posts/1", "")
}

const CLOSE: &str = "Connection: close\r\n";

const PATIENCE: Duration = Duration::from_secs(15);

/// As many requests as there is no buffer for anywhere.
const MOST: usize = 2_000_000;
