//! Frames that cost their client nothing: H2-1 to H2-8.

use crate::Context;
use crate::crowd;
use crate::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, HAS_PRIORITY,
    HEADERS, INITIAL_WINDOW, PADDED, PING, PRIORITY, PRIORITY_UPDATE, Peer, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, field, frame, get, integer, post, request, stream, window,
};
use crate::outcome::Outcome;
use std::sync::Arc;
use std::time::Duration;

/// What one connection is sent, and how it must end.
struct Flood {
    /// In front of the frames that count.
    first: Vec<u8>,
    octets: Vec<u8>,
    /// How often the octets are sent, and how many frames are in them.
    times: usize,
    frames: usize,
    reads: bool,
    /// Whether the end must be ENHANCE_YOUR_CALM, or any error.
    is_calm: bool,
}

impl Flood {
    /// `count` frames that `make` makes.
    fn of(count: u32, make: impl FnMut(u32) -> Vec<u8>) -> Self {
        Self {
            first: Vec::new(),
            octets: (0..count).flat_map(make).collect(),
            times: 1,
            frames: usize::try_from(count).unwrap_or(0),
            reads: true,
            is_calm: true,
        }
    }

    fn after(mut self, first: Vec<u8>) -> Self {
        self.first = first;
        self
    }

    const fn ends_with_any_error(mut self) -> Self {
        self.is_calm = false;
        self
    }

    async fn send(self, context: &Context, number: usize) -> (Outcome, usize) {
        let mut outcome = Outcome::default();
        let sent = async {
            let mut peer = Peer::open(&context.target, number, &[]).await?;
            peer.send(&self.first).await?;
            peer.flood(&self.octets, self.times, self.reads).await
        };
        match sent.await {
            Ok(end) => judge(&mut outcome, &end, self.is_calm),
            Err(error) => outcome.complain(format!("connection {number}: {error}")),
        }
        (outcome, self.frames)
    }
}

fn judge(outcome: &mut Outcome, end: &End, is_calm: bool) {
    outcome.count("connections");
    outcome.raise("longest_seconds", end.seconds);
    outcome.raise("most_responses", end.responses as f64);
    match end.code {
        Some(ENHANCE_YOUR_CALM) => outcome.count("enhance_your_calm"),
        Some(code) if code != 0 && !is_calm => outcome.count("errors"),
        _ => outcome.complain(format!("the end is {end:?}")),
    }
}

/// H2-1: every other connection in one burst of 300 pairs, the others ten each 10 ms.
pub(crate) async fn rapid_resets(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        if number.is_multiple_of(2) {
            let (mut outcome, pairs) = Flood::of(BURST, pair).send(&context, number).await;
            outcome.count("bursts");
            return (outcome, pairs);
        }
        let mut outcome = Outcome::default();
        let sent = async {
            let peer = Peer::open(&context.target, number, &[]).await?;
            let ten = |turn: u32| (10 * turn..10 * turn + 10).flat_map(pair).collect();
            peer.pace(ten, Duration::from_millis(10), LATEST_PACED)
                .await
        };
        match sent.await {
            Ok((end, turns)) => {
                judge(&mut outcome, &end, true);
                outcome.count("paced");
                outcome.raise("longest_paced_seconds", end.seconds);
                outcome.raise("most_paced_pairs", f64::from(10 * turns));
                (outcome, usize::try_from(10 * turns).unwrap_or(0))
            }
            Err(error) => {
                outcome.complain(format!("connection {number}, paced: {error}"));
                (outcome, 10)
            }
        }
    })
    .await
}

fn pair(number: u32) -> Vec<u8> {
    [get(number, "/hold"), reset(number)].concat()
}

fn reset(number: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream(number), &CANCEL.to_be_bytes())
}

/// H2-2: six ways to have the server reset a stream. Those that h2 takes for errors of the connection end it at once.
pub(crate) async fn made_resets(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let flood = Flood::of(BURST, |count| {
            let (id, open) = (stream(count), get(count, "/hold"));
            let then = match number % 6 {
                0 => window(id, 0),
                1 => window(id, 0x7fff_ffff),
                2 => {
                    let payload = [&id.to_be_bytes()[..], &[9], &request("GET", "/hold")].concat();
                    let flags = END_HEADERS | END_STREAM | HAS_PRIORITY;
                    return frame(HEADERS, flags, id, &payload);
                }
                3 => frame(PRIORITY, 0, id, &[0; 4]),
                4 => frame(DATA, 0, id, b"x"),
                _ => open.clone(),
            };
            [open, then].concat()
        });
        flood.ends_with_any_error().send(&context, number).await
    })
    .await
}

/// H2-3.
pub(crate) async fn endless_sections(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let (size, count) = [(0, 1_000), (1, 1_000), (16_384, 40)][number % 3];
        let flood = Flood::of(count, |count| {
            let kind = if count == 0 { HEADERS } else { CONTINUATION };
            frame(kind, 0, 1, &vec![0x10; size])
        });
        flood.ends_with_any_error().send(&context, number).await
    })
    .await
}

/// H2-4.
pub(crate) async fn bombs(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let get = || request("GET", "/plaintext");
        let whole = END_HEADERS | END_STREAM;
        match number % 5 {
            0 => {
                // A field of 3 KB into the table, then thousands of references to it.
                let mut entry = get();
                entry.push(0x40);
                entry.extend_from_slice(&field("x-bomb", &"x".repeat(3000))[1..]);
                let first = frame(HEADERS, whole, 1, &entry);
                let references = [get(), vec![0xbe; 10_000]].concat();
                let flood = Flood::of(1, |_| frame(HEADERS, whole, 3, &references));
                flood.after(first).send(&context, number).await.0
            }
            1 => {
                // The table from nothing to 4,096 octets and back with each request.
                let flood = Flood::of(BURST, |count| {
                    let section = [&[0x20, 0x3f, 0xe1, 0x1f][..], &get()].concat();
                    frame(HEADERS, whole, stream(count), &section)
                });
                flood.send(&context, number).await.0
            }
            2 => {
                // A table of 2^31 octets.
                let mut section = Vec::new();
                integer(&mut section, 0x20, 0x1f, 1 << 31);
                section.extend(get());
                let flood = Flood::of(1, |_| frame(HEADERS, whole, 1, &section));
                flood.ends_with_any_error().send(&context, number).await.0
            }
            3 => {
                // The shortest of Huffman's codes, five bits for an octet: 26 KB of `0` in 16 KB.
                let mut section = get();
                section.push(0x10);
                integer(&mut section, 0, 127, 1);
                section.push(b'x');
                integer(&mut section, 0x80, 127, 16_000);
                section.resize(section.len() + 16_000, 0);
                answered(&context, number, &frame(HEADERS, whole, 1, &section)).await
            }
            _ => {
                let crumb = field("cookie", "a=b");
                let section = [get(), crumb.repeat(1_000)].concat();
                answered(&context, number, &frame(HEADERS, whole, 1, &section)).await
            }
        }
    })
    .await
}

/// A request that is large, and lawful: it gets an answer, whatever it is, and the connection goes on.
async fn answered(context: &Context, number: usize, request: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let asked = async {
        let mut peer = Peer::open(&context.target, number, &[]).await?;
        peer.send(request).await?;
        peer.next_of(&[HEADERS]).await?;
        peer.is_alive().await
    };
    match asked.await {
        Ok(true) => outcome.count("answered"),
        Ok(false) => outcome.complain("a large request ended the connection"),
        Err(error) => outcome.complain(format!("connection {number}: {error}")),
    }
    outcome
}

/// H2-5: beside a hundred open streams, and every other time with nobody who reads the answers.
///
/// The frames cost little. But each connection begins a hundred requests, 200,000 in a second with `--full`, which takes a
/// whole core: what the probe waits for then are the turns of fifty connections, twice or three times.
pub(crate) async fn control_frames(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let [name_high, name_low] = INITIAL_WINDOW.to_be_bytes();
        let mut flood = Flood::of(1_000, |count| match number / 2 % 3 {
            0 => frame(PING, 0, 0, &[7; 8]),
            1 => frame(PING, ACK, 0, &[7; 8]),
            _ => {
                let size = u8::try_from(count % 2).unwrap_or(0);
                frame(SETTINGS, 0, 0, &[name_high, name_low, 0, 0, 0, size])
            }
        });
        flood.reads = number.is_multiple_of(2);
        let open = (0..100).flat_map(|count| get(count, "/hold")).collect();
        flood.after(open).send(&context, number).await
    })
    .await
}

/// H2-6, to a handler that does not read.
pub(crate) async fn empty_frames(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let flood = match number % 4 {
            0 => Flood::of(300, |_| frame(DATA, 0, 1, &[])),
            1 => Flood::of(300, |_| frame(DATA, PADDED, 1, &[3, 0, 0, 0])),
            2 => Flood::of(300, |count| {
                frame(DATA, 0, 1, if count % 2 == 0 { b"x" } else { b"" })
            }),
            _ => Flood::of(20_000, |_| frame(DATA, 0, 1, b"x")),
        };
        flood.after(post(0, "/hold")).send(&context, number).await
    })
    .await
}

/// H2-7.
pub(crate) async fn priorities(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        let flood = Flood::of(1_000, |count| {
            let id = stream(count).to_be_bytes();
            if number.is_multiple_of(2) {
                // A tree of one branch, of streams that nobody has opened.
                frame(PRIORITY, 0, stream(count + 1), &[&id[..], &[9]].concat())
            } else {
                frame(PRIORITY_UPDATE, 0, 0, &[&id[..], b"u=1"].concat())
            }
        });
        flood.send(&context, number).await
    })
    .await
}

/// H2-8: windows that open by one, and frames of 16 KiB that nobody knows.
pub(crate) async fn updates(context: Arc<Context>) -> Outcome {
    crowd::spend(&context, |context, number| async move {
        if number.is_multiple_of(2) {
            let flood = Flood::of(1_000, |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
            return flood.send(&context, number).await;
        }
        let mut flood = Flood::of(16, |_| frame(0xee, 0xff, 7, &[0; 16 * 1024]));
        flood.times = 40;
        flood.frames = 640;
        flood.send(&context, number).await
    })
    .await
}

/// What the catalogue allows before the end.
const BURST: u32 = 300;
const LATEST_PACED: Duration = Duration::from_secs(10);
