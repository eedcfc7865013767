//! Streams that stand still, and streams that should not be: H2-9 to H2-14.

use crate::Context;
use crate::crowd;
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, Frame,
    GOAWAY, HEADERS, INITIAL_WINDOW, PING, PREFACE, PROTOCOL_ERROR, Peer, RST_STREAM, SETTINGS,
    field, frame, get, opening, post, request, stream, window,
};
use crate::outcome::Outcome;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// H2-9: all at once. Windows of nothing and of one octet; a PING is answered.
pub(crate) async fn stalled(context: Arc<Context>) -> Outcome {
    let (mut all, mut outcome) = (JoinSet::new(), Outcome::default());
    for number in 0..context.count {
        let context = context.clone();
        all.spawn(async move {
            let mut outcome = Outcome::default();
            match stall(&context, number).await {
                Ok((resets, seconds)) => {
                    outcome.raise("longest_seconds", seconds);
                    (0..resets).for_each(|_| outcome.count("streams_reset"));
                    if resets < STREAMS {
                        outcome.count("connections_closed");
                    }
                    if seconds > LATEST_STALL {
                        outcome.complain(format!("connection {number}: {seconds:.1} s"));
                    }
                }
                Err(error) => outcome.complain(format!("connection {number}: {error}")),
            }
            outcome
        });
    }
    while let Some(one) = all.join_next().await {
        outcome.add(one.unwrap_or_else(|error| Outcome::failed(error.to_string())));
    }
    outcome
}

async fn stall(context: &Context, number: usize) -> io::Result<(u32, f64)> {
    let size = u32::from(!number.is_multiple_of(2));
    let mut peer = Peer::open(&context.target, number, &[(INITIAL_WINDOW, size)]).await?;
    let begun = Instant::now();
    let asked: Vec<u8> = (0..STREAMS)
        .flat_map(|count| get(count, "/bytes/10485760"))
        .collect();
    peer.send(&asked).await?;
    let mut resets = 0;
    while resets < STREAMS && begun.elapsed().as_secs_f64() < 2.0 * LATEST_STALL {
        // Nothing comes for longer than `next` waits.
        match peer.next().await {
            Ok(Some(frame)) if frame.kind == RST_STREAM => resets += 1,
            Ok(Some(frame)) if frame.kind == PING && frame.flags == 0 => {
                peer.send(&crate::frames::frame(
                    PING,
                    crate::frames::ACK,
                    0,
                    &frame.payload,
                ))
                .await?;
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
        }
    }
    Ok((resets, begun.elapsed().as_secs_f64()))
}

/// H2-10: an octet each four seconds, of content and of a header section. All at once.
pub(crate) async fn slow(context: Arc<Context>) -> Outcome {
    let (mut all, mut outcome) = (JoinSet::new(), Outcome::default());
    for number in 0..context.count {
        let context = context.clone();
        all.spawn(async move {
            let (mut outcome, begun) = (Outcome::default(), Instant::now());
            let (fact, latest, ended) = if number.is_multiple_of(2) {
                ("bodies", LATEST_BODY, slow_body(&context, number).await)
            } else {
                (
                    "sections",
                    LATEST_SECTION,
                    slow_section(&context, number).await,
                )
            };
            let seconds = begun.elapsed().as_secs_f64();
            outcome.raise("longest_seconds", seconds);
            match ended {
                Ok(true) if seconds <= latest => outcome.count(fact),
                Ok(is_right) => outcome.complain(format!(
                    "{fact}, connection {number}: {is_right} after {seconds:.1} s"
                )),
                Err(error) => outcome.complain(format!("{fact}, connection {number}: {error}")),
            }
            outcome
        });
    }
    while let Some(one) = all.join_next().await {
        outcome.add(one.unwrap_or_else(|error| Outcome::failed(error.to_string())));
    }
    outcome
}

/// Whether the stream is answered or reset, and its connection goes on.
async fn slow_body(context: &Context, number: usize) -> io::Result<bool> {
    let mut peer = Peer::open(&context.target, number, &[]).await?;
    peer.send(&post(0, "/sink")).await?;
    for _ in 0..12 {
        peer.send(&frame(DATA, 0, 1, b"x")).await?;
        let ended = peer.next_of(&[HEADERS, RST_STREAM, GOAWAY]);
        match tokio::time::timeout(OCTET, ended).await {
            Ok(ended) => return Ok(ended?.kind != GOAWAY && peer.is_alive().await?),
            Err(_) => continue,
        }
    }
    Ok(false)
}

/// Whether the connection ends with ENHANCE_YOUR_CALM.
async fn slow_section(context: &Context, number: usize) -> io::Result<bool> {
    let peer = Peer::open(&context.target, number, &[]).await?;
    let section = request("GET", "/plaintext");
    let octets = |count: u32| {
        if count == 0 {
            frame(HEADERS, END_STREAM, 1, &section[..1])
        } else {
            let at = usize::try_from(count).unwrap_or(0) % section.len();
            frame(CONTINUATION, 0, 1, &section[at..=at])
        }
    };
    let most = Duration::from_secs_f64(2.0 * LATEST_SECTION);
    let (end, _) = peer.pace(octets, OCTET, most).await?;
    Ok(end.code == Some(ENHANCE_YOUR_CALM) && end.responses == 0)
}

/// H2-11.
pub(crate) async fn identifiers(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let request = request("GET", "/hold");
        let open = |id: u32| frame(HEADERS, END_HEADERS | END_STREAM, id, &request);
        let (octets, code): (Vec<u8>, u32) = match number % 6 {
            0 => (open(2), PROTOCOL_ERROR),
            1 => ([open(5), open(3)].concat(), PROTOCOL_ERROR),
            // Behind the last stream there is none.
            2 => ([open(0x7fff_ffff), open(1)].concat(), PROTOCOL_ERROR),
            // 100 are taken, and 128 refused.
            3 => (
                (0..300).flat_map(|count| open(stream(count))).collect(),
                ENHANCE_YOUR_CALM,
            ),
            4 => (frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
            // What is sent behind the fault does not count.
            _ => {
                let rest = (0..1_000).flat_map(|count| get(count, "/plaintext"));
                (
                    frame(DATA, 0, 4001, b"x").into_iter().chain(rest).collect(),
                    PROTOCOL_ERROR,
                )
            }
        };
        let mut outcome = Outcome::default();
        let sent = async {
            let peer = Peer::open(&context.target, number, &[]).await?;
            peer.flood(&octets, 1, true).await
        };
        match sent.await {
            Ok(end) if end.code == Some(code) && end.responses == 0 => outcome.count("ended"),
            Ok(end) => outcome.complain(format!("kind {}: {end:?}", number % 6)),
            Err(error) => outcome.complain(format!("kind {}: {error}", number % 6)),
        }
        outcome
    })
    .await
}

/// H2-12.
pub(crate) async fn prefaces(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let kind = number % (PREFACE.len() + 4);
        match preface(&context, number, kind).await {
            Ok((true, fact)) => outcome.count(fact),
            Ok((false, fact)) => outcome.complain(format!("kind {kind}: not {fact}")),
            Err(error) => outcome.complain(format!("kind {kind}: {error}")),
        }
        outcome
    })
    .await
}

async fn preface(
    context: &Context,
    number: usize,
    kind: usize,
) -> io::Result<(bool, &'static str)> {
    let mut peer = Peer::silent(context.target.connect_from(number).await?);
    let whole = [opening(&[]), get(0, "/plaintext")].concat();
    if kind < PREFACE.len() {
        peer.send(&whole[..=kind]).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        peer.send(&whole[kind + 1..]).await?;
        let answer = peer.next_of(&[HEADERS]).await?;
        return Ok((answer.status() == 200, "answered"));
    }
    match kind - PREFACE.len() {
        0 => {
            let mut wrong = whole;
            wrong[number % PREFACE.len()] ^= 1;
            peer.send(&wrong).await?;
            let answer = peer.octets().await;
            // HTTP/1.1 to whatever does not begin with it, GOAWAY otherwise; never an answer.
            let is_refused = answer.starts_with(b"HTTP/1.1 4")
                || answer.starts_with(b"HTTP/1.1 505")
                || !answer.windows(5).any(|octets| octets == b"Hello");
            Ok((is_refused, "refused"))
        }
        1 => {
            let setting = [0xff, 0, 0, 0, 0, 1].repeat(2_500);
            let settings = frame(SETTINGS, 0, 0, &setting).repeat(4);
            peer.send(&[opening(&[]), settings].concat()).await?;
            Ok((peer.is_alive().await?, "alive_after_10000_settings"))
        }
        2 => {
            let settings = frame(SETTINGS, 0, 0, &[0xff, 0, 0, 0, 0, 1].repeat(10_000));
            let end = peer
                .flood(&[opening(&[]), settings].concat(), 1, true)
                .await?;
            Ok((end.code == Some(FRAME_SIZE_ERROR), "too_large"))
        }
        _ => {
            let begun = Instant::now();
            peer.send(PREFACE).await?;
            let waited = async {
                loop {
                    match peer.next().await {
                        Ok(Some(_)) => {}
                        Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                        _ => break,
                    }
                }
            };
            let is_over = tokio::time::timeout(Duration::from_secs(15), waited)
                .await
                .is_ok();
            let seconds = begun.elapsed().as_secs_f64();
            Ok((is_over && seconds > 9.0, "closed_in_silence"))
        }
    }
}

/// H2-13.
pub(crate) async fn tunnels(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let done = match number % 3 {
            0 => a_hundred(&context, number).await,
            1 => malformed(&context, number).await,
            _ => unread(&context, number).await,
        };
        match done {
            Ok(fact) => outcome.count(fact),
            Err(error) => outcome.complain(format!("kind {}: {error}", number % 3)),
        }
        outcome
    })
    .await
}

/// A hundred WebSockets on a connection; one is reset in the middle of a frame, and the others do not notice. The
/// first is asked for before the server's settings have come.
async fn a_hundred(context: &Context, number: usize) -> io::Result<&'static str> {
    let mut peer = Peer::open(&context.target, number, &[]).await?;
    peer.send(&(0..STREAMS).flat_map(tunnel).collect::<Vec<u8>>())
        .await?;
    for _ in 0..STREAMS {
        let head = peer.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await?;
        expect(head.kind == HEADERS && head.status() == 200, "opened")?;
    }
    let half = frame(DATA, 0, stream(0), &message("half of it")[..9]);
    let reset = frame(RST_STREAM, 0, stream(0), &[0, 0, 0, 8]);
    peer.send(&[half, reset].concat()).await?;
    for count in 1..STREAMS {
        let said = format!("in {count}");
        peer.send(&frame(DATA, 0, stream(count), &message(&said)))
            .await?;
        let back = peer.next_of(&[DATA, RST_STREAM, GOAWAY]).await?;
        expect(is_echo(&back, count, &said), "echoed")?;
    }
    Ok("hundreds")
}

/// What is no extended CONNECT, and one to a protocol that nobody has; the connection goes on.
async fn malformed(context: &Context, number: usize) -> io::Result<&'static str> {
    let mut peer = Peer::open(&context.target, number, &[]).await?;
    let without_path = [
        field(":method", "CONNECT"),
        field(":protocol", "websocket"),
        field(":scheme", "http"),
        field(":authority", "localhost"),
    ]
    .concat();
    peer.send(&frame(HEADERS, END_HEADERS, 1, &without_path))
        .await?;
    let reset = peer.next_of(&[RST_STREAM, HEADERS, GOAWAY]).await?;
    expect(
        reset.kind == RST_STREAM && reset.number(0) == PROTOCOL_ERROR,
        "reset",
    )?;
    let unknown = [request("CONNECT", "/ws"), field(":protocol", "nonsense")].concat();
    peer.send(&frame(HEADERS, END_HEADERS, 3, &unknown)).await?;
    let refused = peer.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await?;
    expect(
        refused.kind != GOAWAY && refused.stream == 3 && refused.status() != 200,
        "refused",
    )?;
    expect(peer.is_alive().await?, "alive")?;
    Ok("refused")
}

/// A WebSocket whose client takes nothing does not stand in another's way.
async fn unread(context: &Context, number: usize) -> io::Result<&'static str> {
    let mut peer = Peer::open(&context.target, number, &[(INITIAL_WINDOW, 0)]).await?;
    peer.send(&[tunnel(0), tunnel(1), window(stream(1), 1 << 20)].concat())
        .await?;
    for _ in 0..2 {
        let head = peer.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await?;
        expect(head.kind == HEADERS && head.status() == 200, "opened")?;
    }
    let much = message(&"x".repeat(100));
    peer.send(&frame(DATA, 0, stream(0), &much).repeat(500))
        .await?;
    for count in 0..10 {
        let said = format!("number {count}");
        peer.send(&frame(DATA, 0, stream(1), &message(&said)))
            .await?;
        let back = peer.next_of(&[DATA, RST_STREAM, GOAWAY]).await?;
        expect(is_echo(&back, 1, &said), "echoed")?;
    }
    Ok("unread")
}

fn tunnel(count: u32) -> Vec<u8> {
    let section = [
        request("CONNECT", "/ws"),
        field(":protocol", "websocket"),
        field("sec-websocket-version", "13"),
    ]
    .concat();
    frame(HEADERS, END_HEADERS, stream(count), &section)
}

/// A text message of at most 125 octets, masked (RFC 6455 §5.3).
fn message(text: &str) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let len = u8::try_from(text.len().min(125)).unwrap_or(125);
    let masked = text.bytes().zip(mask.iter().cycle());
    [0x81, 0x80 | len]
        .into_iter()
        .chain(mask)
        .chain(masked.map(|(octet, mask)| octet ^ mask))
        .collect()
}

fn is_echo(frame: &Frame, count: u32, said: &str) -> bool {
    frame.kind == DATA
        && frame.stream == stream(count)
        && frame.payload.get(2..) == Some(said.as_bytes())
}

/// H2-14: clients that say GOAWAY, and drains of servers of their own with a hundred responses under way.
pub(crate) async fn farewells(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let done = async {
            for _ in 0..10 {
                leave(&context, number).await?;
            }
            drain(&context).await
        };
        match done.await {
            Ok(seconds) => {
                outcome.count("drains");
                outcome.raise("longest_drain_seconds", seconds);
            }
            Err(error) => outcome.complain(error.to_string()),
        }
        outcome
    })
    .await
}

/// A client's GOAWAY, and then new streams: what was asked before it is answered.
async fn leave(context: &Context, number: usize) -> io::Result<()> {
    let mut peer = Peer::open(&context.target, number, &[]).await?;
    let goaway = frame(GOAWAY, 0, 0, &[0; 8]);
    let then: Vec<u8> = (1..10).flat_map(|count| get(count, "/plaintext")).collect();
    peer.send(&[get(0, "/plaintext"), goaway, then].concat())
        .await?;
    let head = peer.next_of(&[HEADERS, RST_STREAM]).await?;
    expect(head.stream == 1 && head.status() == 200, "answered")?;
    while peer.next().await?.is_some() {}
    Ok(())
}

/// A hundred responses that wait for their windows when SIGTERM comes are finished; the process ends by itself.
async fn drain(context: &Context) -> io::Result<f64> {
    let server = context.target.another().map_err(io::Error::other)?;
    let mut peer = Peer::open(&server, 0, &[(INITIAL_WINDOW, 1_000)]).await?;
    let path = format!("/bytes/{LENGTH}");
    peer.send(
        &(0..STREAMS)
            .flat_map(|count| get(count, &path))
            .collect::<Vec<u8>>(),
    )
    .await?;
    let (mut heads, mut octets, mut ended, mut farewells, mut last) = (0, 0, 0, 0, 0);
    while heads < STREAMS {
        let next = peer.next_of(&[HEADERS, DATA]).await?;
        heads += u32::from(next.kind == HEADERS);
        octets += next.content();
    }
    let begun = Instant::now();
    server.terminate()?;
    while let Some(next) = peer.next().await? {
        match next.kind {
            GOAWAY => {
                farewells += 1;
                last = next.number(0);
                expect(next.number(4) == 0, "a GOAWAY without an error")?;
                if farewells == 1 {
                    let more = |count| window(stream(count), LENGTH);
                    let open: Vec<u8> = (0..STREAMS).flat_map(more).collect();
                    peer.send(&[window(0, STREAMS * LENGTH), open].concat())
                        .await?;
                }
            }
            PING if next.flags == 0 => {
                peer.send(&frame(PING, crate::frames::ACK, 0, &next.payload))
                    .await?;
            }
            RST_STREAM => return Err(io::Error::other("a stream was reset")),
            _ => octets += next.content(),
        }
        ended += u32::from(next.ends_stream());
    }
    let seconds = begun.elapsed().as_secs_f64();
    expect(
        ended == STREAMS && octets == STREAMS * LENGTH,
        "every response whole",
    )?;
    expect(
        farewells == 2 && last == stream(STREAMS - 1),
        "GOAWAY twice",
    )?;
    expect(server.has_ended_well().await, "the process ends by itself")?;
    expect(seconds <= 10.0, "within ten seconds")?;
    Ok(seconds)
}

fn expect(is_so: bool, what: &str) -> io::Result<()> {
    if is_so {
        Ok(())
    } else {
        Err(io::Error::other(format!("not {what}")))
    }
}

/// Of a connection.
const STREAMS: u32 = 100;
/// The octets of a response that is under way in a drain.
const LENGTH: u32 = 100_000;

const LATEST_STALL: f64 = 35.0;
const LATEST_BODY: f64 = 45.0;
/// 10 s, two ticks of 250 ms, a second's rest, and what a busy machine adds.
const LATEST_SECTION: f64 = 13.0;
const OCTET: Duration = Duration::from_secs(4);
