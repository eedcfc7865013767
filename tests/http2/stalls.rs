//! The recipes H2-9 and H2-10: clients that take nothing, and clients that send an octet now and then.

use crate::attacks::nothing_is_left;
use crate::h2_peer::{
    CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, Peer, RST_STREAM, frame, get,
};
use crate::routes::serve;
use crate::talk::{Watch, pass};
use tokio::io::AsyncWriteExt;
use wireline::resource::counters::Counter;

#[tokio::test(start_paused = true)]
async fn h2_9_stalled_readers_on_many_streams() {
    let (test, _) = serve();
    let mut peers = Vec::new();
    for window in [0, 1, 0, 1] {
        let mut peer = Peer::open_with(&test, &[(4, window)]).await;
        for number in 0..100 {
            peer.get(2 * number + 1, "/endless").await;
        }
        peers.push(peer);
    }
    pass(2.0).await;
    // A chunk of each response is there, and no more.
    assert!(test.buffered() < 400 * 20 * 1024, "{}", test.buffered());
    let watch = Watch::start();
    for peer in &mut peers {
        let mut resets = 0;
        while resets < 100 {
            let frame = peer.next().await.expect("the connection goes on");
            match frame.kind {
                RST_STREAM => resets += 1,
                PING if frame.flags == 0 => peer.frame(PING, 1, 0, &frame.payload).await,
                _ => {}
            }
        }
    }
    watch.assert(0.0..=33.0);
    assert_eq!(test.count(Counter::WriteTimeouts), 400);
}

#[tokio::test(start_paused = true)]
async fn h2_9_nobody_pulls_what_cannot_be_sent() {
    let (test, _) = serve();
    let mut peer = Peer::open_with(&test, &[(4, 1)]).await;
    for number in 0..100 {
        peer.get(2 * number + 1, "/pieces").await;
    }
    pass(2.0).await;
    // Pieces of 64 KiB: 1 MiB of them, and one more.
    let held = test.buffered();
    assert!((1 << 20..(1 << 20) + 400 * 1024).contains(&held), "{held}");
    // Whoever opens a window is served all the same.
    peer.window(199, 1 << 20).await;
    let mut came = 0;
    while came < 60_000 {
        let frame = peer.next_of(DATA).await;
        if frame.stream == 199 {
            came += frame.payload.len();
        }
    }
    // So is whoever comes later, and others go on in the place of those that have gone.
    for number in 0..60 {
        peer.reset(2 * number + 1).await;
    }
    peer.get(201, "/large").await;
    peer.window(0, 2 << 20).await;
    peer.window(201, 1_000_000 - 1).await;
    let mut came = 0;
    while came < 1_000_000 {
        let frame = peer.next_of(DATA).await;
        if frame.stream == 201 {
            came += frame.payload.len();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h2_9_windows_as_small_as_they_are() {
    // 100 responses of two pieces each, and of each window nothing is left when they are there.
    let (test, _) = serve();
    let mut peer = Peer::open_with(&test, &[(4, 1_000)]).await;
    for number in 0..100 {
        peer.get(2 * number + 1, "/two-pieces").await;
    }
    pass(1.0).await;
    peer.window(0, 1 << 24).await;
    for number in 0..100 {
        peer.window(2 * number + 1, 100_000 - 1_000).await;
    }
    let (mut came, mut ended) = (0, 0);
    while ended < 100 {
        let frame = peer.next_of(DATA).await;
        came += frame.payload.len();
        ended += u32::from(frame.flags & END_STREAM != 0);
    }
    assert_eq!(came, 10_000_000);
    assert_eq!(test.count(Counter::WriteTimeouts), 0);
}

#[tokio::test(start_paused = true)]
async fn h2_10_octet_by_octet() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.post(1, "/upper", &[("content-length", "1000")]).await;
    let watch = Watch::start();
    let mut head = None;
    for _ in 0..12 {
        peer.frame(DATA, 0, 1, b"x").await;
        let next = tokio::time::timeout(std::time::Duration::from_secs(4), peer.next_of(HEADERS));
        if let Ok(frame) = next.await {
            head = Some(frame);
            break;
        }
    }
    assert_eq!(head.expect("408").stream, 1);
    watch.assert(5.0..=45.0);
    assert_eq!(test.count(Counter::BodyTimeouts), 1);
    assert!(peer.is_alive().await);
    // A header section, and with it the connection.
    let section = get("/");
    peer.frame(HEADERS, END_STREAM, 3, &section[..1]).await;
    let watch = Watch::start();
    for octet in section[1..].chunks(1).take(4) {
        pass(4.0).await;
        peer.frame(CONTINUATION, 0, 3, octet).await;
    }
    assert_eq!(peer.end().await, Some(ENHANCE_YOUR_CALM));
    watch.assert(9.9..=17.0);
    assert_eq!(test.count(Counter::HeadTimeouts), 1);
    nothing_is_left(&test).await;
}

/// Answers that are small enough to be given to h2 at once: those that wait for windows are charged, and PING does not
/// keep them.
#[tokio::test(start_paused = true)]
async fn h2_9_small_answers_do_not_wait_for_ever() {
    let (test, _) = serve();
    let mut peer = Peer::open_with(&test, &[(4, 0)]).await;
    pass(1.0).await;
    let before = test.buffered();
    let burst = |from: u32| -> Vec<u8> {
        let streams = from..from + 30;
        let frames = streams.map(|number| frame(HEADERS, 0x5, 2 * number + 1, &get("/")));
        frames.flatten().collect()
    };
    peer.send(&burst(0)).await;
    pass(1.0).await;
    // Thirteen octets each: the first ones are in h2's hands, the others in streams of ours.
    let waiting = test.buffered() - before;
    assert!((30 * 13..2048).contains(&waiting), "{waiting}");
    peer.send(&burst(30)).await;
    pass(1.0).await;
    let waiting = test.buffered() - before;
    assert!((60 * 13..2048 * 40).contains(&waiting), "{waiting}");
    let watch = Watch::start();
    let (mut reader, mut writer) = tokio::io::split(peer.io);
    let reading = tokio::spawn(async move {
        let mut got = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut got).await;
    });
    while !reading.is_finished() {
        let _ = writer.write_all(&frame(PING, 0, 0, &[7; 8])).await;
        pass(5.0).await;
    }
    watch.assert(25.0..=70.0);
    assert_eq!(test.count(Counter::WriteTimeouts), 31);
    drop(writer);
    nothing_is_left(&test).await;
}

/// Answers that were taken are charged to nobody, also beside a stream that lasts.
#[tokio::test(start_paused = true)]
async fn h2_9_answers_that_were_taken_are_forgotten() {
    let (test, _) = serve();
    let mut peer = Peer::open(&test).await;
    peer.get(1, "/park").await;
    pass(1.0).await;
    let mut held = Vec::new();
    for number in 1..=300 {
        peer.get(2 * number + 1, "/").await;
        while peer.next_of(DATA).await.stream != 2 * number + 1 {}
        held.push(test.buffered());
    }
    // The first one of thirteen octets may be; three hundred would be 3,900.
    let (first, last) = (held[0], held[299]);
    assert!(last < first + 1024, "{first} {last}");
}
