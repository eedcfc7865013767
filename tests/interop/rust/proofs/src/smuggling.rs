//! R3: every class of request smuggling in many forms, over sockets, to a server with its defaults, each with a canary behind it.

use crate::classes::{Class, Expected, Sent, classes};
use crate::random::Random;
use crate::row::Row;
use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use wireline::server::{Bound, Server};
use wireline::service::error::Error;
use wireline::service::handler::service_fn;
use wireline::service::request::Request;
use wireline::service::response::Response;

/// What the handlers saw that must be accounted for.
#[derive(Debug, Default)]
struct Seen {
    canaries: Mutex<HashSet<u64>>,
    /// Requests that stand in what was content.
    hidden: AtomicUsize,
}

/// Sends so many messages, each whole and octet by octet.
pub(crate) fn smuggling(messages: u64, seed: u64) -> Row {
    let mut row = Row::new(
        "R3",
        "requests of the smuggling catalogue over sockets, whole and octet by octet, each with a canary",
        200_000,
    );
    row.seed = seed;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    runtime.block_on(all(messages, seed, &mut row));
    row
}

async fn all(messages: u64, seed: u64, row: &mut Row) {
    let seen = Arc::new(Seen::default());
    let service = seen.clone();
    let running = Server::new(service_fn(move |request: Request| {
        handle(service.clone(), request)
    }))
    .signals(false)
    .bind("127.0.0.1:0")
    .start()
    .expect("a server");
    let handle = running.handle();
    let Some(Bound::Tcp(address)) = handle.bound().first().cloned() else {
        panic!("it listens nowhere");
    };

    let classes = Arc::new(classes());
    let vectors: usize = classes.iter().map(|class| class.vectors.len()).sum();
    row.facts.push(("classes".to_owned(), classes.len() as u64));
    row.facts.push(("vectors".to_owned(), vectors as u64));
    let mut tasks = JoinSet::new();
    let mut random = Random::new(seed);
    let mut number = 0;
    let mut statuses = BTreeMap::new();
    'all: loop {
        for at in 0..classes.len() {
            for vector in 0..classes[at].vectors.len() {
                if number == 2 * messages {
                    break 'all;
                }
                // Both ways send the same but for the canary's number.
                let form = random.clone();
                for singly in [false, true] {
                    random = form.clone();
                    let class = &classes[at];
                    let sent = class.vectors[vector].form(&class.expected, &mut random, number);
                    let shared = classes.clone();
                    tasks.spawn(async move {
                        let got = exchange(address, number, &sent.octets, singly).await;
                        (
                            judge(&shared[at], &sent, number, &got),
                            at,
                            sent,
                            number,
                            singly,
                            got,
                        )
                    });
                    number += 1;
                    if tasks.len() >= PARALLEL {
                        let done = tasks.join_next().await;
                        note(done, &classes, &seen, row, &mut statuses);
                    }
                }
            }
        }
    }
    while let Some(done) = tasks.join_next().await {
        note(Some(done), &classes, &seen, row, &mut statuses);
    }
    let hidden = seen.hidden.load(Ordering::Relaxed);
    if hidden > 0 {
        row.fault(|| format!("{hidden} hidden requests reached a handler"));
    }
    row.facts.extend(
        statuses
            .into_iter()
            .map(|(status, count)| (format!("ended with {status}"), count)),
    );
    handle.force();
    running.wait().await;
}

type Done = (Result<(u16, bool), String>, usize, Sent, u64, bool, Vec<u8>);

fn note(
    done: Option<Result<Done, JoinError>>,
    classes: &[Class],
    seen: &Seen,
    row: &mut Row,
    statuses: &mut BTreeMap<u16, u64>,
) {
    let Some(Ok((judged, at, sent, number, singly, got))) = done else {
        row.fault(|| "a task ended early".to_owned());
        return;
    };
    row.figure += 1;
    let class = &classes[at];
    // A message that was answered has been through its handler: whether the canary was is known.
    let ran = seen
        .canaries
        .lock()
        .is_ok_and(|mut canaries| canaries.remove(&number));
    let judged = judged.and_then(|(status, answered)| {
        if ran == answered {
            Ok(status)
        } else {
            Err(format!("the canary's handler ran: {ran}"))
        }
    });
    match judged {
        Ok(status) => *statuses.entry(status).or_default() += 1,
        Err(why) => row.fault(|| {
            format!(
                "{}{}: {why}; sent {}; got {}",
                class.name,
                if singly { ", octet by octet" } else { "" },
                sent.octets.escape_ascii(),
                got.escape_ascii()
            )
        }),
    }
}

/// The status that the message ended with, where all is as it must be, and whether the canary was answered.
fn judge(class: &Class, sent: &Sent, number: u64, got: &[u8]) -> Result<(u16, bool), String> {
    if class.expected == Expected::Frames {
        // Whatever is said in frames: a canary that ran would have been seen.
        return Ok((0, false));
    }
    let answers = answers(got)?;
    let (good, rest) = answers
        .split_at_checked(sent.good)
        .ok_or("a good request was not answered")?;
    if good
        .iter()
        .any(|answer| answer.status != 200 || answer.content != b"GET /good\n")
    {
        return Err("a good request was refused".to_owned());
    }
    match (&class.expected, rest) {
        (Expected::Refused, [last]) => {
            if !REFUSALS.contains(&last.status) {
                return Err(format!("status {}", last.status));
            }
            if !last.closes {
                return Err("a refusal without close".to_owned());
            }
            Ok((last.status, false))
        }
        (Expected::Closes, [last]) if last.status == 200 && last.closes => Ok((200, false)),
        // Content that was left unread: it is read over, or the connection ends.
        (Expected::Content(None), [last]) if last.status == 200 && last.closes => Ok((200, false)),
        (Expected::Content(content), [first, canary]) => {
            let line = first.content.iter().position(|octet| *octet == b'\n');
            let found = line.map(|end| &first.content[end + 1..]);
            if first.status != 200
                || content
                    .as_deref()
                    .is_some_and(|content| found != Some(content))
            {
                return Err("another reading".to_owned());
            }
            if canary.content != format!("GET /canary/{number}\n").as_bytes() {
                return Err("the request behind it was read in another way".to_owned());
            }
            Ok((200, true))
        }
        (expected, rest) => Err(format!("{} answers for {expected:?}", rest.len())),
    }
}

/// One connection: everything that comes until its end.
async fn exchange(address: SocketAddr, number: u64, octets: &[u8], singly: bool) -> Vec<u8> {
    let talk = async {
        let socket = TcpSocket::new_v4()?;
        // An address has 28,000 ports, and each rests for a minute.
        let source = Ipv4Addr::new(
            127,
            0,
            1,
            1 + u8::try_from(number % 200).unwrap_or_default(),
        );
        socket.bind((source, 0).into())?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        let mut got = Vec::new();
        let send = async {
            if !singly {
                return writer.write_all(octets).await;
            }
            for octet in octets.chunks(1) {
                writer.write_all(octet).await?;
            }
            Ok(())
        };
        // A server that refuses stops reading: what cannot be sent then does not matter.
        let receive = reader.read_to_end(&mut got);
        let (_, received) = tokio::join!(send, receive);
        if let Err(error) = received
            && got.is_empty()
        {
            return Err(error);
        }
        Ok(got)
    };
    match timeout(PATIENCE, talk).await {
        Ok(Ok(got)) => got,
        Ok(Err(error)) => format!("no exchange: {error}").into_bytes(),
        Err(_) => b"no end".to_vec(),
    }
}

async fn handle(seen: Arc<Seen>, mut request: Request) -> Result<Response, Error> {
    let line = format!("{} {}\n", request.method(), request.uri());
    if let Some(number) = request.path().strip_prefix("/canary/") {
        let number = wireline::wire::number::decimal(number.as_bytes()).unwrap_or(u64::MAX);
        if let Ok(mut canaries) = seen.canaries.lock() {
            canaries.insert(number);
        }
    }
    // `/` is what the frames of HTTP/2 ask for.
    if request.path().starts_with("/hidden") || request.path() == "/" {
        seen.hidden.fetch_add(1, Ordering::Relaxed);
    }
    if request.path() == "/ignore" {
        return Ok(Response::text("ignored\n"));
    }
    let content = request.collect().await?;
    Ok(Response::new([line.as_bytes(), &content].concat()))
}

struct Answer {
    status: u16,
    closes: bool,
    content: Vec<u8>,
}

/// The responses in what came, which is nothing else. All of ours tell their length.
fn answers(mut got: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !got.is_empty() {
        let end = got
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .ok_or("no response")?;
        let head = std::str::from_utf8(&got[..end]).map_err(|error| error.to_string())?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|line| line.get(..3))
            .and_then(|status| wireline::wire::number::decimal(status.as_bytes()))
            .and_then(|status| u16::try_from(status).ok())
            .ok_or("no status")?;
        let (mut length, mut closes) = (None, false);
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or("no field")?;
            if name.eq_ignore_ascii_case("content-length") {
                length = wireline::wire::number::decimal(value.as_bytes())
                    .and_then(|length| usize::try_from(length).ok());
            }
            closes |= name.eq_ignore_ascii_case("connection") && value == "close";
        }
        let length = length.ok_or("no length")?;
        let content = got
            .get(end + 4..end + 4 + length)
            .ok_or("a response is cut short")?;
        answers.push(Answer {
            status,
            closes,
            content: content.to_vec(),
        });
        got = &got[end + 4 + length..];
    }
    Ok(answers)
}

/// What a refusal may say. 408 would be patience, 5xx but these a fault of ours.
const REFUSALS: [u16; 8] = [400, 413, 414, 417, 421, 431, 501, 505];

const PARALLEL: usize = 48;

const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    #[test]
    fn the_catalogue_is_refused_or_read_as_it_says() {
        let row = super::smuggling(1_000, 1);
        assert!(row.faults.is_empty(), "{:#?}", row.faults);
        assert_eq!(row.figure, 2_000);
        assert!(row.facts[0].1 >= 75, "{:?}", row.facts);
    }
}
