use super::*;

const TIMES: Times = Times {
    ping_interval: 300,
    ping_timeout: 200,
    upgrade_timeout: 1000,
};

fn probe() -> Packet {
    Packet::Ping("probe".into())
}

#[test]
fn pings_come_after_the_interval_and_want_an_answer() {
    let (mut session, ticket) = Session::new(Transport::WebSocket, TIMES, 1000);
    assert_eq!(session.handle_timeout(1299, TIMES), Due::Nothing);
    assert_eq!(session.handle_timeout(1305, TIMES), Due::Ping);
    assert_eq!(session.poll_timeout(), Some(1505));
    let pong = Packet::Pong("".into());
    let received = session.receive(ticket, pong, TIMES, 1400);
    assert_eq!(received, Received::Nothing);
    assert_eq!(session.poll_timeout(), Some(1700));
    assert_eq!(session.handle_timeout(1700, TIMES), Due::Ping);
    let closed = CloseReason::PingTimeout;
    assert_eq!(session.handle_timeout(1900, TIMES), Due::Closed(closed));
    assert_eq!(session.closed(), Some(closed));
    assert_eq!(session.poll_timeout(), None);
    assert_eq!(session.handle_timeout(9999, TIMES), Due::Nothing);
}

#[test]
fn who_is_not_read_from_has_more_time() {
    let (mut session, _) = Session::new(Transport::WebSocket, TIMES, 0);
    let late = TIMES.ping_interval + TIMES.ping_timeout;
    assert_eq!(
        session.handle_timeout(TIMES.ping_interval, TIMES),
        Due::Ping
    );
    session.wait_longer(late - 1, TIMES);
    assert_eq!(session.poll_timeout(), Some(late));
    session.wait_longer(late, TIMES);
    assert_eq!(session.handle_timeout(late, TIMES), Due::Nothing);
    let late = late + TIMES.ping_timeout;
    assert_eq!(
        session.handle_timeout(late, TIMES),
        Due::Closed(CloseReason::PingTimeout)
    );
}

#[test]
fn requests_that_overlap_end_it() {
    for posts in [false, true] {
        let (mut session, _) = Session::new(Transport::Polling, TIMES, 0);
        let begin = |session: &mut Session| match posts {
            true => session.begin_post(),
            false => session.begin_poll(),
        };
        begin(&mut session).unwrap();
        assert_eq!(begin(&mut session), Err(Refused::Overlap));
        assert_eq!(session.closed(), Some(CloseReason::TransportError));
        assert_eq!(begin(&mut session), Err(Refused::Closed));
    }
}

#[test]
fn a_poll_that_is_given_up_ends_it_unless_it_is_stale() {
    let (mut session, _) = Session::new(Transport::Polling, TIMES, 0);
    let first = session.begin_poll().unwrap();
    session.end_poll(first, true);
    let second = session.begin_poll().unwrap();
    session.end_poll(first, false);
    assert_eq!(session.closed(), None);
    session.end_poll(second, false);
    assert_eq!(session.closed(), Some(CloseReason::TransportError));
}

#[test]
fn an_upgrade_takes_a_probe_and_happens_once() {
    let (mut session, _) = Session::new(Transport::Polling, TIMES, 0);
    let socket = session.begin_upgrade(TIMES, 0).unwrap();
    assert_eq!(session.begin_upgrade(TIMES, 0), Err(Refused::Transport));
    assert_eq!(session.receive(socket, probe(), TIMES, 1), Received::Probe);
    assert!(session.is_upgrading());
    let upgraded = session.receive(socket, Packet::Upgrade, TIMES, 2);
    assert_eq!(upgraded, Received::Upgraded);
    assert_eq!(session.transport(), Transport::WebSocket);
    assert_eq!(session.begin_poll(), Err(Refused::Transport));
    assert_eq!(session.begin_upgrade(TIMES, 3), Err(Refused::Transport));
    session.lost(socket, CloseReason::TransportClose);
    assert_eq!(session.closed(), Some(CloseReason::TransportClose));
}

#[test]
fn an_orderly_end_waits_for_the_websocket_that_works() {
    for (is_probed, reason, is_taken) in [
        (true, CloseReason::ForcedClose, true),
        (true, CloseReason::ServerShuttingDown, true),
        (true, CloseReason::PingTimeout, false),
        (false, CloseReason::ForcedClose, false),
    ] {
        let (mut session, _) = Session::new(Transport::Polling, TIMES, 0);
        let socket = session.begin_upgrade(TIMES, 0).unwrap();
        if is_probed {
            session.receive(socket, probe(), TIMES, 1);
        }
        session.close(reason);
        assert_eq!(session.knows(socket), is_taken);
        let wanted = if is_taken {
            Received::Upgraded
        } else {
            Received::Closed(reason)
        };
        assert_eq!(session.receive(socket, Packet::Upgrade, TIMES, 2), wanted);
        let later = session.receive(socket, Packet::Upgrade, TIMES, 3);
        assert_eq!(later, Received::Closed(reason), "it takes nothing more");
        assert_eq!(session.closed(), Some(reason));
    }
    let (mut session, _) = Session::new(Transport::Polling, TIMES, 0);
    let socket = session.begin_upgrade(TIMES, 0).unwrap();
    session.receive(socket, probe(), TIMES, 1);
    session.close(CloseReason::ForcedClose);
    session.give_up_upgrade();
    assert!(!session.knows(socket));
}

#[test]
fn a_websocket_that_never_becomes_the_transport_ends_nothing() {
    let (mut session, _) = Session::new(Transport::Polling, TIMES, 0);
    for packets in [
        vec![Packet::Upgrade],
        vec![probe(), probe()],
        vec![Packet::Message(Data::Text("a".into()))],
        vec![Packet::Close],
    ] {
        let socket = session.begin_upgrade(TIMES, 0).unwrap();
        let mut last = Received::Nothing;
        for packet in packets {
            last = session.receive(socket, packet, TIMES, 0);
        }
        assert_eq!(last, Received::Refused);
        assert!(!session.knows(socket));
        let stale = session.receive(socket, Packet::Close, TIMES, 0);
        assert_eq!(stale, Received::Refused);
        session.lost(socket, CloseReason::TransportError);
    }
    let socket = session.begin_upgrade(TIMES, 0).unwrap();
    assert_eq!(session.handle_timeout(300, TIMES), Due::Ping);
    session.receive_posted(Packet::Pong("".into()), TIMES, 900);
    assert_eq!(session.handle_timeout(1000, TIMES), Due::UpgradeTimeout);
    assert!(!session.knows(socket));
    assert_eq!(session.closed(), None);
    assert_eq!(session.transport(), Transport::Polling);
}
