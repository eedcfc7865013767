use super::small::{BINARY, TEXT};
use super::*;
use crate::ws::close::CloseCode;
use crate::ws::frame::FIN;

fn server() -> (Connection, BytesMut, Out, Limits) {
    (
        Connection::server(None),
        BytesMut::new(),
        Out::default(),
        Limits::default(),
    )
}

fn client() -> Connection {
    let mut count = 0u8;
    let keys = move || {
        count = count.wrapping_add(1);
        MaskingKey::new([count, 2, 3, 4])
    };
    Connection::client(Box::new(keys), None)
}

/// What `from` sent in `out`, received by `to`.
fn carry(out: &mut Out, to: &mut Connection) -> Vec<Event> {
    let mut buf = BytesMut::from(&out.to_vec()[..]);
    out.reset();
    let mut events = Vec::new();
    while let Some(event) = to
        .receive(&mut buf, &Limits::default())
        .expect("a good peer")
    {
        events.push(event);
    }
    assert!(buf.is_empty());
    events
}

#[test]
fn both_sides_understand_each_other() {
    let mut sides = [client(), Connection::server(None)];
    let mut out = Out::default();
    let large = Bytes::from(vec![7; 100_000]);
    for (from, to) in [(0, 1), (1, 0)] {
        let messages = [
            Message::from("short"),
            Message::from("é".repeat(300)),
            Message::from(large.clone()),
            Message::Ping(Bytes::from_static(b"ping")),
            Message::Pong(Bytes::new()),
        ];
        for message in &messages {
            sides[from].send(message.clone(), &mut out).unwrap();
        }
        let events = carry(&mut out, &mut sides[to]);
        assert_eq!(events, messages.map(Event::Message));
        sides[to].send_pending(&mut out);
        let pong = Message::Pong(Bytes::from_static(b"ping"));
        assert_eq!(carry(&mut out, &mut sides[from]), [Event::Message(pong)]);
    }
    let [client, server] = &mut sides;
    let close = CloseFrame::new(CloseCode::NORMAL, "bye");
    client.send_close(Some(&close), &mut out).unwrap();
    assert_eq!(client.state(), State::LocalClosing);
    let message = Event::Message(Message::Close(Some(close)));
    assert_eq!(carry(&mut out, server), [message]);
    assert_eq!(server.state(), State::RemoteClosing);
    assert_eq!(server.send_text("late", &mut out), Err(SendError::Closing));
    server.send_pending(&mut out);
    let echo = CloseFrame::new(CloseCode::NORMAL, "");
    assert_eq!(
        carry(&mut out, client),
        [Event::Message(Message::Close(Some(echo)))]
    );
    for side in [client, server] {
        assert_eq!(side.state(), State::Closed { clean: true });
        assert!(side.is_over());
        assert_eq!(side.send_ping(b"", &mut out), Err(SendError::Closing));
        side.receive_end();
        assert_eq!(side.state(), State::Closed { clean: true });
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let (mut server, _, mut out, _) = server();
    assert_eq!(
        server.send_ping(&[0; 126], &mut out),
        Err(SendError::TooLong)
    );
    let long = CloseFrame {
        code: CloseCode::NORMAL,
        reason: "x".repeat(124).into(),
    };
    assert_eq!(
        server.send_close(Some(&long), &mut out),
        Err(SendError::TooLong)
    );
    assert_eq!(
        server.send(Message::Close(Some(long.clone())), &mut out),
        Err(SendError::TooLong)
    );
    let mut buf = BytesMut::from(&b"\x81\x80\0\0\0\0"[..]);
    let flow = server.receive_each(&mut buf, &mut out, &Limits::default(), |_, replies| {
        assert_eq!(replies.close(Some(&long)), Err(SendError::TooLong));
        assert_eq!(
            replies.send(Message::Close(Some(long.clone()))),
            Err(SendError::TooLong)
        );
        ControlFlow::Break(())
    });
    assert_eq!(flow, Ok(ControlFlow::Break(())));
    assert!(out.is_empty() && server.state().is_open());
    server.send_fragment(true, b"a", false, &mut out).unwrap();
    assert_eq!(server.send_text("b", &mut out), Err(SendError::OutOfOrder));
    server.send_ping(b"p", &mut out).unwrap();
    server.send_fragment(true, b"c", true, &mut out).unwrap();
    assert_eq!(out.to_vec(), b"\x01\x01a\x89\x01p\x80\x01c");
    let longest = CloseFrame::new(CloseCode::NORMAL, "x".repeat(123));
    server.send_close(Some(&longest), &mut out).unwrap();
    assert_eq!(server.send_text("d", &mut out), Err(SendError::Closing));
    assert_eq!(
        server.send_fragment(true, b"", true, &mut out),
        Err(SendError::Closing)
    );
    assert_eq!(server.send_close(None, &mut out), Err(SendError::Closing));
    assert_eq!(
        server.send_prepared(&Prepared::text("e"), &mut out),
        Err(SendError::Closing)
    );
}

#[test]
fn large_payloads_are_slices_and_small_ones_copies() {
    let (mut server, mut buf, _, limits) = server();
    for (len, sliced) in [(511, false), (512, true), (5000, true)] {
        let mut frame = Vec::new();
        crate::ws::frame::push_head(&mut frame, BINARY, len, Some(MaskingKey::default()));
        frame.resize(frame.len() + usize::try_from(len).unwrap(), 1);
        buf.extend_from_slice(&frame);
        let range = buf.as_ptr_range();
        let Ok(Some(Event::Message(Message::Binary(payload)))) = server.receive(&mut buf, &limits)
        else {
            panic!("a message was sent")
        };
        assert_eq!(range.contains(&payload.as_ptr()), sliced, "{len}");
    }
}

#[test]
fn of_a_flood_of_pings_the_first_and_the_newest_are_answered() {
    let (mut server, mut buf, mut out, limits) = server();
    for number in 0..40 {
        buf.extend_from_slice(&[0x89, 0x81, 0, 0, 0, 0, number]);
    }
    while server.receive(&mut buf, &limits).unwrap().is_some() {}
    server.send_pending(&mut out);
    let answered: Vec<u8> = out.to_vec().chunks(3).map(|frame| frame[2]).collect();
    assert_eq!(answered, (0..15).chain([39]).collect::<Vec<u8>>());
    assert!(!server.has_pending());
}

#[test]
fn a_pong_goes_before_the_answer_to_what_came_after_its_ping() {
    let (mut server, mut buf, mut out, limits) = server();
    buf.extend_from_slice(b"\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b");
    let flow = server.receive_each(&mut buf, &mut out, &limits, |lent, replies| {
        if let Lent::Text(text) = lent {
            replies.text(text).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert!(flow.is_ok());
    assert_eq!(out.to_vec(), b"\x8a\0\x81\x02ab");
}

#[test]
fn control_frames_have_a_rate() {
    let (mut server, mut buf, _, limits) = server();
    let mut pings = |server: &mut Connection, count: usize| {
        buf.extend_from_slice(&b"\x8a\x80\0\0\0\0".repeat(count));
        loop {
            match server.receive(&mut buf, &limits) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    assert_eq!(pings(&mut server, 50), Ok(()));
    server.set_time(1000);
    assert_eq!(pings(&mut server, 10), Ok(()));
    server.set_time(1100);
    assert_eq!(pings(&mut server, 1), Ok(()));
    assert_eq!(pings(&mut server, 1), Err(Error::ControlFlood));
    assert_eq!(server.state(), State::Closed { clean: false });
}

#[test]
fn lending_stops_where_it_is_told_to() {
    let (mut server, mut buf, mut out, limits) = server();
    for number in b'0'..=b'9' {
        buf.extend_from_slice(&[0x81, 0x81, 0, 0, 0, 0, number]);
    }
    let mut seen = String::new();
    for expected in ["012", "012345", "012345678", "0123456789"] {
        let mut count = 0;
        let flow = server.receive_each(&mut buf, &mut out, &limits, |lent, replies| {
            let Lent::Text(text) = lent else {
                panic!("only text was sent")
            };
            seen.push_str(text);
            replies.text(text).unwrap();
            count += 1;
            if count == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(flow.unwrap().is_break(), count == 3);
        assert_eq!(seen, expected);
    }
    assert!(buf.is_empty());
    assert_eq!(
        out.to_vec(),
        (b'0'..=b'9').flat_map(|n| [0x81, 1, n]).collect::<Vec<_>>()
    );
}

#[test]
fn a_client_takes_no_masked_frame_on_the_short_way() {
    let (mut client, mut out, limits) = (client(), Out::default(), Limits::default());
    let mut buf = BytesMut::from(&b"\x81\x80\0\0\0\0"[..]);
    let result = client.receive_each(
        &mut buf,
        &mut out,
        &limits,
        |_, _| ControlFlow::Continue(()),
    );
    assert_eq!(result, Err(Error::Masked));
    client.send_pending(&mut out);
    assert_eq!(
        out.to_vec()[..2],
        [0x88, 0x80 | u8::try_from(out.len() - 6).unwrap()]
    );
    assert!(client.is_over());
}

#[test]
fn a_buffer_is_asked_for_what_a_frame_declares() {
    let (mut server, mut buf, _, limits) = server();
    buf.extend_from_slice(b"\x82\xfe\x10\x00\0\0\0\0abc");
    assert_eq!(server.receive(&mut buf, &limits), Ok(None));
    assert_eq!(server.wants(&buf), 4093);
    assert!(server.is_inside_message());
    assert_eq!(server.held(), 0);
}

/// Whoever reads for many asks for so many parts at once, and nothing is lost where he stops.
#[test]
fn a_turn_ends_in_the_midst_of_a_buffer() {
    let (mut server, mut buf, _, limits) = server();
    server.pause_after(3);
    buf.extend_from_slice(&masked(0x02, b"a"));
    for _ in 0..6 {
        buf.extend_from_slice(&masked(0x00, b"b"));
    }
    buf.extend_from_slice(&masked(0x80, b"c"));
    for _ in 0..2 {
        assert_eq!(server.receive(&mut buf, &limits), Ok(None));
        assert!(!buf.is_empty());
        assert_eq!(server.take_crumbs(), 3);
    }
    let message = Message::Binary(Bytes::from_static(b"abbbbbbc"));
    let received = server.receive(&mut buf, &limits);
    assert_eq!(received, Ok(Some(Event::Message(message))));
}

#[test]
fn prepared_messages_go_to_every_kind_of_connection() {
    let text = "published ".repeat(100);
    let message = Prepared::text(&text);
    let (mut server, _, mut out, _) = server();
    server.send_prepared(&message, &mut out).unwrap();
    assert_eq!(out.to_vec(), message.frame());
    assert_eq!(
        carry(&mut out, &mut client()),
        [Event::Message(Message::from(text.clone()))]
    );
    let (mut from, mut to) = (client(), Connection::server(None));
    from.send_prepared(&message, &mut out).unwrap();
    assert_eq!(
        carry(&mut out, &mut to),
        [Event::Message(Message::from(text))]
    );
}

/// An idle connection keeps this for as long as it lives.
#[test]
fn a_connection_is_small() {
    assert!(
        size_of::<Connection>() <= 136,
        "{}",
        size_of::<Connection>()
    );
}

/// Whoever begins messages and ends none makes nobody hold more than he has sent, and what is held is told.
#[cfg(feature = "ws-deflate")]
#[test]
fn contexts_are_held_when_they_are_worth_it() {
    use crate::ws::{deflate, extension};

    const INFLATER: usize = 80 * 1024;
    let agreed = |takeover| {
        let config = deflate::Config {
            send_takeover: takeover,
            receive_takeover: takeover,
            ..deflate::Config::default()
        };
        let offers = extension::parse(b"permessage-deflate").unwrap();
        Agreed::accept(&offers, &config).unwrap()
    };
    let frame = |first, payload: &[u8]| {
        let mut frame = Vec::new();
        let key = MaskingKey::new([0; 4]);
        crate::ws::frame::push_head(&mut frame, first, payload.len() as u64, Some(key));
        BytesMut::from(&[&frame, payload].concat()[..])
    };
    let limits = Limits::default();
    let whole = || Ok(Some(Event::Message(Message::from("Hello"))));
    for takeover in [false, true] {
        let mut connection = Connection::server(Some(&agreed(takeover)));
        let receive = |connection: &mut Connection, first, payload: &[u8]| {
            connection.receive(&mut frame(first, payload), &limits)
        };
        assert_eq!(receive(&mut connection, 0x41, b"\xf2\x48\xcd"), Ok(None));
        assert!((3..100).contains(&connection.held()));
        let end = receive(&mut connection, 0x80, b"\xc9\xc9\x07\x00");
        assert_eq!(end, whole());
        let kept = if takeover { INFLATER } else { 0 };
        assert_eq!(connection.held(), kept);
        // 81,940 octets that give 81,920: more than an inflater holds.
        let stored = [&[0, 0, 0x10, 0xff, 0xef][..], &[b'a'; 4096]].concat();
        for _ in 0..20 {
            assert_eq!(receive(&mut connection, 0x41, b""), Ok(None));
            for _ in 0..20 {
                assert_eq!(receive(&mut connection, 0, &stored), Ok(None));
            }
            assert!(connection.held() >= 20 * 4096 + INFLATER);
            assert!(receive(&mut connection, 0x80, b"\0").is_ok_and(|event| event.is_some()));
            assert_eq!(connection.held(), kept);
        }
        let mut out = Out::default();
        connection.send_text(&"a".repeat(300), &mut out).unwrap();
        let deflater = if takeover { 134 * 1024 } else { 0 };
        assert!((kept + deflater..=kept + deflater * 5 / 4).contains(&connection.held()));
    }
    // Parts that are handed on cannot wait.
    let mut connection = Connection::server(Some(&agreed(false))).with_fragments();
    let event = connection.receive(&mut frame(0x41, b"\0\x05\0\xfa\xffHello"), &limits);
    let hello = Fragment {
        text: true,
        data: Bytes::from_static(b"Hello"),
        last: false,
    };
    assert_eq!(event, Ok(Some(Event::Fragment(hello))));
    assert!((INFLATER..INFLATER + 100).contains(&connection.held()));
}

/// A client's frame with a key.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = MaskingKey::new([9, 8, 7, 6]);
    let mut frame = Vec::new();
    crate::ws::frame::push_head(&mut frame, first, payload.len() as u64, Some(key));
    let start = frame.len();
    frame.extend_from_slice(payload);
    key.apply(&mut frame[start..]);
    frame
}

#[test]
fn lent_messages_of_every_kind_of_length_come_back_wherever_they_are_cut() {
    for len in [
        0, 125, 126, 127, 128, 129, 255, 16_383, 16_384, 65_535, 65_536,
    ] {
        let payload = vec![b'x'; len];
        for first in [TEXT, BINARY] {
            let (mut server, mut buf, mut out, limits) = server();
            let frame = masked(first, &payload);
            let cuts = [1, 2, 3, 5, 6, 7, 8, 9, frame.len() / 2, frame.len()];
            let mut seen = 0;
            let mut from = 0;
            for cut in cuts {
                buf.extend_from_slice(&frame[from.min(cut)..cut.min(frame.len())]);
                from = from.max(cut.min(frame.len()));
                let flow = server.receive_each(&mut buf, &mut out, &limits, |lent, replies| {
                    seen += 1;
                    let sent = match lent {
                        Lent::Text(text) => replies.text(text),
                        Lent::Binary(octets) => replies.binary(octets),
                        _ => panic!("a message was sent"),
                    };
                    assert!(sent.is_ok());
                    ControlFlow::Continue(())
                });
                assert_eq!(flow, Ok(ControlFlow::Continue(())));
            }
            assert_eq!(seen, 1, "{len}");
            let mut expected = Vec::new();
            crate::ws::frame::push_head(&mut expected, first, len as u64, None);
            expected.extend_from_slice(&payload);
            assert!(out.to_vec() == expected, "{len}");
        }
    }
}

#[test]
fn a_large_answer_that_repeats_what_was_lent_is_not_copied() {
    let (mut server, _, _, limits) = server();
    let mut fragments = masked(TEXT & !FIN, &[b'a'; 10_000]);
    fragments.extend(masked(Opcode::Continuation as u8 | FIN, &[b'a'; 10_000]));
    let cases = [
        (masked(BINARY, &[b'a'; 20_000]), 0..20_000, true),
        (masked(TEXT, &[b'a'; 20_000]), 0..20_000, true),
        (masked(BINARY, &[b'a'; 20_000]), 2000..20_000, true),
        (masked(BINARY, &[b'a'; 20_000]), 0..16_000, false),
        (masked(BINARY, &[b'a'; 16_000]), 0..16_000, false),
        (fragments, 0..20_000, true),
    ];
    for (frame, part, shared) in cases {
        let (mut buf, mut out) = (BytesMut::from(&frame[..]), Out::default());
        let mut place = std::ptr::null();
        let flow = server.receive_each(&mut buf, &mut out, &limits, |lent, replies| {
            let octets = match &lent {
                Lent::Text(text) => text.as_bytes(),
                Lent::Binary(octets) => octets,
                _ => panic!("a message was sent"),
            };
            let answer = &octets[part.clone()];
            place = answer.as_ptr();
            // A copy that lies elsewhere is sent as a copy, whatever is lent.
            let copy = answer.to_vec();
            assert!(replies.binary(&copy).is_ok());
            assert!(replies.binary(answer).is_ok());
            ControlFlow::Continue(())
        });
        assert_eq!(flow, Ok(ControlFlow::Continue(())));
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let filled = out.slices(&mut slices);
        assert_eq!(
            slices[..filled].iter().any(|slice| slice.as_ptr() == place),
            shared
        );
        let whole = [
            &b"\x82\x7e"[..],
            &u16::try_from(part.len()).unwrap().to_be_bytes(),
            &vec![b'a'; part.len()],
        ];
        assert!(out.to_vec() == whole.concat().repeat(2));
    }
}
