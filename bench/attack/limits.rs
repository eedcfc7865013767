//! Clients that are somebody else in every request: RL-1, RL-3, RL-5, CR-1.

use crate::Context;
use crate::crowd;
use crate::outcome::Outcome;
use crate::target::{Random, within};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wireline::layer::rate_limit::{InMemoryRateLimiter, Key, Quota, QuotaLimiter, Spending};

/// RL-1: with whatever addresses it says that it comes, a client has its own limit and no other's.
pub(crate) async fn spoofed(context: Arc<Context>) -> Outcome {
    let mut outcome = insisted(&context, invented).await;
    // Each connection's count was added up.
    hundred(&mut outcome);
    let other = async {
        let mut stream = context.target.connect_from(1).await?;
        ask(&mut stream, "GET", "/limited", "").await
    };
    match other.await {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => outcome.count("others_served"),
        Ok(answer) => outcome.complain(format!("another client was told {answer:?}")),
        Err(error) => outcome.complain(error.to_string()),
    }
    outcome
}

/// RL-5: however many connections ask at once, a client is allowed its quota.
pub(crate) async fn together(context: Arc<Context>) -> Outcome {
    let mut outcome = insisted(&context, |_| String::new()).await;
    hundred(&mut outcome);
    outcome
}

/// Connections that all come from one address and ask for what is limited, with a field in each request.
async fn insisted(context: &Arc<Context>, field: fn(&mut Random) -> String) -> Outcome {
    crowd::spend(context, move |context, number| async move {
        let (mut outcome, mut random) = (Outcome::default(), Random::new(context.seed, number));
        let mut sent = 0;
        let talked = async {
            let mut stream = context.target.connect_from(0).await?;
            for _ in 0..A_CONNECTION {
                let answer = ask(&mut stream, "GET", "/limited", &field(&mut random)).await?;
                outcome.count(counted(&answer)?);
                sent += 1;
            }
            io::Result::Ok(())
        };
        if let Err(error) = talked.await {
            outcome.complain(format!("{number}: {error}"));
        }
        (outcome, sent)
    })
    .await
}

/// RL-3: the table has a ceiling, and no key waits for it to grow. In this process, where both can be looked at; three times,
/// because what holds up one key in all of them is the table and not the machine.
pub(crate) async fn keys(context: Arc<Context>) -> Outcome {
    let floods = tokio::task::spawn_blocking(move || [(); 3].map(|()| flood(context.count)));
    let mut outcome = Outcome::default();
    let floods = match floods.await {
        Ok(floods) => floods,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let mut pause = f64::INFINITY;
    for flood in floods {
        outcome.raise("most_memory_mib", flood.memory as f64 / MIB);
        outcome.raise("most_keys", flood.keys as f64);
        outcome.raise("most_ns_a_key", flood.nanos);
        pause = pause.min(flood.pause.as_secs_f64() * 1000.0);
        if flood.memory as f64 > 64.0 * MIB {
            outcome.complain(format!("{} octets for the table", flood.memory));
        }
    }
    outcome.set("pause_ms", pause);
    // The figure is for a build that is optimized.
    if pause > 5.0 && !cfg!(debug_assertions) {
        outcome.complain(format!("a key waited for {pause} ms"));
    }
    outcome
}

struct Flood {
    memory: usize,
    keys: usize,
    pause: Duration,
    nanos: f64,
}

fn flood(count: usize) -> Flood {
    let limiter = InMemoryRateLimiter::new();
    let quota = Quota {
        name: "default".into(),
        max_requests: 1,
        window: Duration::from_secs(3600),
    };
    let (begun, mut pause) = (Instant::now(), Duration::ZERO);
    let mut last = begun;
    for number in 0..u32::try_from(count).unwrap_or(u32::MAX) {
        let key = Key::address(Ipv4Addr::from(number).into());
        let spending = limiter.spend(&key, 1, &quota);
        debug_assert!(matches!(spending, Spending::Now(_)));
        let now = Instant::now();
        pause = pause.max(now - last);
        last = now;
    }
    Flood {
        memory: limiter.memory(),
        keys: limiter.keys(),
        pause,
        nanos: (last - begun).as_secs_f64() * 1e9 / count.max(1) as f64,
    }
}

/// CR-1: who is not on the list is told nothing, and everything says that it depends on who asks.
pub(crate) async fn origins(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let (mut outcome, mut random) = (Outcome::default(), Random::new(context.seed, number));
        let mut sent = 0;
        let talked = async {
            let mut stream = context.target.connect_from(number).await?;
            for _ in 0..A_CONNECTION {
                let (origin, allowed) = origin(&mut random);
                let preflight = random.below(2) == 0;
                let (method, more) = match preflight {
                    true => ("OPTIONS", "Access-Control-Request-Method: PUT\r\n"),
                    false => ("GET", ""),
                };
                let fields = format!("Origin: {origin}\r\n{more}");
                let answer = ask(&mut stream, method, "/shared", &fields).await?;
                sent += 1;
                let answer = answer.to_lowercase();
                let told = answer.contains("\r\naccess-control-");
                let named = format!("\r\naccess-control-allow-origin: {origin}\r\n");
                if told != allowed || allowed != answer.contains(&named) {
                    outcome.complain(format!("{origin:?}: {answer:?}"));
                }
                if !answer.contains("\r\nvary: origin") {
                    outcome.complain(format!("{origin:?}: no Vary"));
                }
                outcome.count(if allowed { "allowed" } else { "told_nothing" });
            }
            io::Result::Ok(())
        };
        if let Err(error) = talked.await {
            outcome.complain(format!("{number}: {error}"));
        }
        (outcome, sent)
    })
    .await
}

/// An origin, and whether the server allows it. It is in lower case.
fn origin(random: &mut Random) -> (String, bool) {
    let name: String = (0..1 + random.below(6))
        .map(|_| char::from(b"abcxyz0-"[random.below(8)]))
        .collect();
    match random.below(14) {
        0 => ("https://app.example".to_owned(), true),
        1 => (format!("https://{name}.partner.example"), true),
        2 => (format!("https://{name}.{name}.partner.example"), true),
        3 => (format!("https://app.example.{name}"), false),
        4 => (format!("https://{name}app.example"), false),
        5 => (format!("http://{name}.partner.example"), false),
        6 => (format!("https://{name}partner.example"), false),
        7 => (format!("https://{name}/.partner.example"), false),
        8 => (format!("https://{name}.partner.example:443"), false),
        9 => (format!("https://{name}@a.partner.example"), false),
        10 => (format!("https://{name}:80.partner.example"), false),
        11 => (
            format!("https://app.example, https://{name}.example"),
            false,
        ),
        12 => ("null".to_owned(), false),
        _ => (format!("https://.partner.example.{name}"), false),
    }
}

/// A field in which a proxy would say who its client is.
fn invented(random: &mut Random) -> String {
    let mut part = || u8::try_from(random.below(256)).unwrap_or_default();
    let address = Ipv4Addr::new(part(), part(), part(), part());
    match random.below(9) {
        0 => format!("X-Forwarded-For: {address}\r\n"),
        1 => format!("X-Forwarded-For: {address}, 127.0.0.1\r\n"),
        2 => format!("X-Forwarded-For: {address}\r\nX-Forwarded-For: 10.0.0.1\r\n"),
        3 => format!("Forwarded: for={address}\r\n"),
        4 => format!(
            "Forwarded: for=\"[2001:db8::{}]:80\";proto=https\r\n",
            random.below(9999)
        ),
        5 => format!("X-Real-IP: {address}\r\n"),
        6 => format!("True-Client-IP: {address}\r\nCF-Connecting-IP: {address}\r\n"),
        7 => format!("X-Forwarded-For: {address}:80,,junk,\"\r\n"),
        _ => format!("Client-IP: {address}\r\nX-Client-IP: {address}\r\nVia: {address}\r\n"),
    }
}

fn counted(answer: &str) -> io::Result<&'static str> {
    match answer.split(' ').nth(1) {
        Some("200") => Ok("allowed"),
        Some("429") if answer.to_lowercase().contains("\r\nretry-after: ") => Ok("refused"),
        _ => Err(io::Error::other(format!("the answer is {answer:?}"))),
    }
}

/// Complains unless exactly as many as the server's limit were allowed.
fn hundred(outcome: &mut Outcome) {
    let allowed = outcome.get("allowed");
    if (allowed - 100.0).abs() > 0.5 {
        outcome.complain(format!("{allowed} were allowed, not 100"));
    }
}

/// One request on a connection that stays; gives the head of the answer, whose content is read.
async fn ask(stream: &mut TcpStream, method: &str, path: &str, fields: &str) -> io::Result<String> {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if within(stream.read_buf(&mut answer)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end + 4]).into_owned();
        let length = head.to_lowercase();
        let length = length
            .split("\r\ncontent-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
            .and_then(|digits| wireline::wire::number::decimal(digits.as_bytes()))
            .and_then(|length| usize::try_from(length).ok());
        if answer.len() >= end + 4 + length.unwrap_or(0) {
            return Ok(head);
        }
    }
}

/// How many requests a connection carries.
const A_CONNECTION: usize = 200;

const MIB: f64 = 1024.0 * 1024.0;
