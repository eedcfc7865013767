//! Each budget: what an honest client does passes, and one frame more than the budget does not.

use super::*;

/// A client's side of a connection, frame by frame.
struct Client {
    meter: Meter,
    now: u32,
}

impl Client {
    fn new() -> Self {
        let mut client = Self {
            meter: Meter::new(&Http2::default(), 1),
            now: 1,
        };
        client.meter.received(PREFACE, 1, 0).unwrap();
        // SETTINGS came, and cost nothing.
        client.meter.is_begun = true;
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Excess> {
        self.meter
            .received(&frame(kind, flags, stream, payload), self.now, 0)
    }

    /// How many times this succeeds.
    fn until(
        &mut self,
        excess: Excess,
        mut send: impl FnMut(&mut Self, u32) -> Result<(), Excess>,
    ) -> u32 {
        for count in 0..10_000_000 {
            if let Err(found) = send(self, count) {
                assert_eq!(found, excess);
                return count;
            }
        }
        panic!("{excess:?} was never found");
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn pair(client: &mut Client, count: u32) -> Result<(), Excess> {
    client.send(HEADERS, END_HEADERS, 2 * count + 1, b"abc")?;
    client.send(RST_STREAM, 0, 2 * count + 1, &[0, 0, 0, 8])
}

#[test]
fn frames_have_their_lengths_and_settings_come_first() {
    for (kind, flags, right) in [
        (RST_STREAM, 0, &[4][..]),
        (SETTINGS, 0, &[0, 6, 12]),
        (SETTINGS, ACK, &[0]),
        (PING, 0, &[8]),
        (WINDOW_UPDATE, 0, &[4]),
    ] {
        for len in 0..15 {
            let sent = Client::new().send(kind, flags, 0, &vec![0; len]);
            let wanted = right.contains(&len).then_some(()).ok_or(Excess::Length);
            assert_eq!(sent, wanted, "kind {kind}, flags {flags}, {len} octets");
        }
    }
    for (kind, flags, wanted) in [
        (SETTINGS, 0, Ok(())),
        (SETTINGS, ACK, Err(Excess::Preface)),
        (PING, 0, Err(Excess::Preface)),
        (0xee, 0, Err(Excess::Preface)),
    ] {
        let mut client = Client::new();
        client.meter.is_begun = false;
        let payload: &[u8] = if kind == PING { &[0; 8] } else { &[] };
        assert_eq!(client.send(kind, flags, 0, payload), wanted, "kind {kind}");
    }
}

#[test]
fn resets_at_once_and_at_a_pace() {
    assert_eq!(Client::new().until(Excess::Resets, pair), 100);
    // Ten each 10 ms: 250 in a tick.
    let mut client = Client::new();
    let most = client.until(Excess::Resets, |client, count| {
        client.now = 1 + count / 250;
        pair(client, count)
    });
    assert_eq!(most, 100);
    // 20 a second is within the pace, but it is all that the client does.
    let mut client = Client::new();
    let most = client.until(Excess::Resets, |client, count| {
        client.now = 1 + count / 5;
        pair(client, count)
    });
    assert_eq!(
        most, 199,
        "the 200th stream of which all were reset at once"
    );
    // Two of five reset early, at 13 a second, goes on for ever.
    let mut client = Client::new();
    for count in 0..10_000 {
        client.now = 1 + count / 8;
        client
            .send(HEADERS, END_HEADERS, 2 * count + 1, b"abc")
            .unwrap();
        if count % 5 < 2 {
            client
                .send(RST_STREAM, 0, 2 * count + 1, &[0, 0, 0, 8])
                .unwrap();
        }
    }
    // So do streams that are reset when they are older.
    let mut client = Client::new();
    for count in 0..10_000 {
        client.now = 1 + count / 4;
        client
            .send(HEADERS, END_HEADERS, 2 * count + 1, b"abc")
            .unwrap();
        if let Some(old) = count.checked_sub(24) {
            client
                .send(RST_STREAM, 0, 2 * old + 1, &[0, 0, 0, 8])
                .unwrap();
        }
    }
}

/// Clients estimate how much is on its way with a PING for each few pieces of content.
#[test]
fn pings_beside_content_are_free() {
    let mut client = Client::new();
    for _ in 0..10_000 {
        let content = frame(DATA, 0, 1, b"some content");
        client.meter.wrote(&content).unwrap();
        client.send(PING, 0, 0, &[0; 8]).unwrap();
    }
    assert!(!client.meter.is_strained());
    // What was saved up is no more than a burst.
    for _ in 0..10_000 {
        let content = frame(DATA, 0, 1, b"some content");
        client.meter.wrote(&content).unwrap();
    }
    let most = client.until(Excess::Pings, |client, _| client.send(PING, 0, 0, &[0; 8]));
    assert_eq!(most, 200);
}

#[test]
fn frames_that_cost_the_client_nothing() {
    let control = |kind: u8| {
        move |client: &mut Client, count: u32| {
            let _ = count;
            let len = if kind == SETTINGS { 6 } else { 8 };
            client.send(kind, 0, 0, &vec![0; len])
        }
    };
    assert_eq!(Client::new().until(Excess::Pings, control(PING)), 100);
    assert_eq!(
        Client::new().until(Excess::Settings, control(SETTINGS)),
        100
    );
    assert_eq!(Client::new().until(Excess::Settings, control(GOAWAY)), 100);
    let priority = |kind: u8| move |client: &mut Client, _: u32| client.send(kind, 0, 9, &[0; 5]);
    assert_eq!(
        Client::new().until(Excess::Priorities, priority(PRIORITY)),
        100
    );
    assert_eq!(
        Client::new().until(Excess::Priorities, priority(PRIORITY_UPDATE)),
        100
    );
    let update = |client: &mut Client, _: u32| client.send(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    assert_eq!(Client::new().until(Excess::WindowUpdates, update), 5);
    let mut client = Client::new();
    client.send(HEADERS, END_HEADERS, 1, b"abc").unwrap();
    for _ in 0..3 {
        client
            .meter
            .wrote(&frame(DATA, 0, 1, b"some content"))
            .unwrap();
    }
    assert_eq!(
        client.until(Excess::WindowUpdates, update),
        5 + 2 * (1 + 30)
    );
}

#[test]
fn a_pace_within_the_budget_goes_on_for_ever() {
    let mut client = Client::new();
    for count in 0..10_000 {
        client.now = 1 + count * TICKS_A_SECOND as u32 / 10;
        client.send(PING, 0, 0, &[0; 8]).unwrap();
    }
    // Settings weigh more with many streams.
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]);
    let mut meter = Meter::new(&Http2::default(), 1);
    meter.received(PREFACE, 1, 0).unwrap();
    let passed = (0..1000)
        .take_while(|_| meter.received(&settings, 1, 100).is_ok())
        .count();
    assert_eq!(passed, 9);
}

#[test]
fn frames_without_content() {
    let mut client = Client::new();
    client.send(HEADERS, END_HEADERS, 1, b"abc").unwrap();
    client.send(DATA, 0, 1, b"").unwrap();
    assert_eq!(
        client.send(DATA, 0, 1, b""),
        Err(Excess::EmptyFrames),
        "two in a row"
    );
    let mut client = Client::new();
    client.send(HEADERS, END_HEADERS, 1, b"abc").unwrap();
    client.send(DATA, PADDED, 1, &[3, 0, 0, 0]).unwrap();
    assert_eq!(
        client.send(DATA, PADDED, 1, &[0]),
        Err(Excess::EmptyFrames),
        "padding is no content"
    );
    let mut client = Client::new();
    client.send(HEADERS, 0, 1, b"").unwrap();
    assert_eq!(
        client.send(CONTINUATION, 0, 1, b""),
        Err(Excess::EmptyFrames)
    );
    let most = Client::new().until(Excess::EmptyFrames, |client, _| {
        client.send(DATA, 0, 1, b"x")?;
        client.send(DATA, 0, 1, b"")
    });
    assert_eq!(most, 100);
    let mut client = Client::new();
    for _ in 0..10_000 {
        client.send(DATA, END_STREAM, 1, b"").unwrap();
    }
}

#[test]
fn overhead_and_frames_that_nobody_knows() {
    let payload = vec![0; 16 * 1024];
    let most = Client::new().until(Excess::Overhead, |client, _| {
        client.send(0xee, 0xff, 7, &payload)
    });
    assert_eq!(most, 511, "8 MiB of them");
    // A download of 64 GiB with an update for each frame is not overhead.
    let mut client = Client::new();
    let content = frame(DATA, 0, 1, &payload);
    client.send(HEADERS, END_HEADERS, 1, b"abc").unwrap();
    for _ in 0..100_000 {
        client.meter.wrote(&content).unwrap();
        client.send(WINDOW_UPDATE, 0, 1, &[0, 0, 64, 0]).unwrap();
        client.send(WINDOW_UPDATE, 0, 0, &[0, 0, 64, 0]).unwrap();
    }
}

#[test]
fn streams_that_the_client_makes_us_reset() {
    for code in [1, 3, 5, 6, 7] {
        let mut client = Client::new();
        let most = client.until(Excess::Errors, |client, count| {
            let reset = frame(RST_STREAM, 0, 2 * count + 1, &[0, 0, 0, code]);
            client.meter.wrote(&reset)
        });
        assert_eq!(most, 128, "code {code}");
    }
    // NO_ERROR, INTERNAL_ERROR and CANCEL are our own doing.
    for code in [0, 2, 8] {
        let mut client = Client::new();
        for count in 0..1000 {
            let reset = frame(RST_STREAM, 0, 2 * count + 1, &[0, 0, 0, code]);
            client.meter.wrote(&reset).unwrap();
        }
    }
}

#[test]
fn what_is_late_is_told_from_when_it_began() {
    let mut client = Client::new();
    client.now = 5;
    assert_eq!(client.meter.late(), 0);
    client.send(HEADERS, 0, 1, b"abc").unwrap();
    client.now = 9;
    client.send(CONTINUATION, 0, 1, b"abc").unwrap();
    assert_eq!(client.meter.late(), 5);
    client.send(CONTINUATION, END_HEADERS, 1, b"abc").unwrap();
    assert_eq!(client.meter.late(), 0);
    let headers = frame(HEADERS, END_HEADERS, 3, b"abc");
    for (place, octet) in headers.iter().enumerate() {
        client.now = 20 + u32::try_from(place).unwrap();
        client.meter.received(&[*octet], client.now, 0).unwrap();
        let late = client.meter.late();
        assert_eq!(late != 0, place + 1 < headers.len(), "octet {place}");
        assert!(late <= 28, "{late}");
    }
    // Content has the least rate of its stream, and no deadline here.
    client
        .meter
        .received(&frame(DATA, 0, 3, b"abc")[..10], 40, 0)
        .unwrap();
    assert_eq!(client.meter.late(), 0);
}

#[test]
fn a_frame_is_not_late_because_of_the_one_before() {
    let mut client = Client::new();
    let ping = frame(PING, 0, 0, &[0; 8]);
    client.meter.received(&ping[..15], 5, 0).unwrap();
    assert_eq!(client.meter.late(), 5);
    // The end of the one, and less than the head of the next.
    let both = [&ping[15..], &ping[..3]].concat();
    client.meter.received(&both, 9, 0).unwrap();
    assert_eq!(client.meter.late(), 9);
}
