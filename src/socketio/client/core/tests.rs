use super::*;
use crate::socketio::client::core::emit::{Emit, NotTaken, Taken};
use crate::socketio::client::core::frame::Content;
use crate::socketio::client::core::pace::Reconnection;
use crate::socketio::packet::{Args, Form, Limits};

const TERMS: Terms = Terms {
    patience: Duration::from_secs(45),
    max_payload: 100,
    is_text: false,
};

struct Scene {
    core: Core,
    now: Instant,
    log: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let tuning = Tuning {
            pace: Reconnection {
                jitter: 0.0,
                attempts: Some(2),
                ..Reconnection::default()
            },
            form: Form::Text,
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(20),
            buffer: 4,
            buffer_octets: 1000,
            acks: 3,
            spaces: 2,
        };
        Self {
            core: Core::new(tuning, 7),
            // The test has no clock of its own; any moment does.
            now: tokio::time::Instant::now().into_std(),
            log: Vec::new(),
        }
    }

    /// With the main namespace connected.
    fn connected() -> (Self, u32) {
        let mut scene = Self::new();
        let id = scene
            .core
            .add("/".into(), SignIn::With(Map::new()))
            .unwrap();
        scene.core.open(scene.now, id);
        scene.core.opened(scene.now, TERMS);
        scene.hear(r#"0{"sid":"a","pid":"p"}"#).unwrap();
        scene.drain();
        scene.sent();
        (scene, id)
    }

    fn hear(&mut self, text: &str) -> Result<(), Lost> {
        self.core.text(text.into())
    }

    fn pass(&mut self, time: Duration) -> Result<(), Lost> {
        self.now += time;
        self.core.handle_timeout(self.now)
    }

    fn emit(&mut self, id: u32, name: &str, ack: Option<Duration>) -> Result<Taken, NotTaken> {
        let emit = Emit {
            name: name.into(),
            args: Args::default(),
            ack,
            is_volatile: false,
        };
        self.core.emit(self.now, id, emit)
    }

    /// What was to do and to tell, in short.
    fn drain(&mut self) -> Vec<String> {
        while let Some(action) = self.core.poll_action() {
            self.log.push(match action {
                Action::Event { space, event } => format!("{space} {event:?}"),
                Action::Answer { space, id, outcome } => format!("{space} #{id} {outcome:?}"),
                action => format!("{action:?}"),
            });
        }
        std::mem::take(&mut self.log)
    }

    /// What was sent.
    fn sent(&mut self) -> Vec<String> {
        let frames = std::iter::from_fn(|| self.core.poll_transmit());
        frames
            .map(|frame| match frame.content {
                Content::Pong => "pong".to_owned(),
                Content::Text(text, attachments) => format!("{text} +{}", attachments.len()),
                Content::Binary(octets) => format!("{} octets", octets.len()),
            })
            .collect()
    }
}

#[test]
fn a_connection_is_there_as_long_as_a_namespace_wants_it() {
    let mut scene = Scene::new();
    let a = scene
        .core
        .add("/".into(), SignIn::With(Map::new()))
        .unwrap();
    let b = scene.core.add("/b".into(), SignIn::Asked).unwrap();
    assert_eq!(scene.core.add("/b".into(), SignIn::Asked), None, "twice");
    assert_eq!(scene.core.add("/c".into(), SignIn::Asked), None, "too many");
    assert!(scene.drain().is_empty());
    scene.core.open(scene.now, a);
    scene.core.open(scene.now, b);
    assert_eq!(scene.drain(), ["Dial"]);
    scene.core.opened(scene.now, TERMS);
    assert_eq!(scene.sent(), ["0 +0"]);
    assert_eq!(scene.drain(), ["SignIn { space: 2, round: 2 }"]);
    let with = Map::from_iter([("t".to_owned(), Value::from(1))]);
    scene.core.signed_in(scene.now, b, 1, Some(Map::new()));
    assert!(scene.sent().is_empty(), "the answer to another question");
    scene.core.signed_in(scene.now, b, 2, Some(with));
    assert_eq!(scene.sent(), [r#"0/b,{"t":1} +0"#]);
    scene.hear(r#"0{"sid":"x"}"#).unwrap();
    assert_eq!(
        scene.drain(),
        [r#"1 Connected { sid: "x", recovered: false }"#]
    );
    scene.hear(r#"4/b,{"message":"no","data":[1]}"#).unwrap();
    assert_eq!(
        scene.drain(),
        [r#"2 Refused { message: "no", data: Some(Array [Number(1)]) }"#]
    );
    scene.core.leave(scene.now, a);
    assert_eq!(scene.sent(), ["1 +0"]);
    assert_eq!(scene.drain(), ["1 Disconnected(Client)", "Close"]);
    assert_eq!(*scene.core.link(), Link::Idle);
    scene.core.open(scene.now, a);
    assert_eq!(scene.drain(), ["Dial"]);
    scene.core.shut_down(scene.now);
    assert_eq!(scene.drain(), ["Close", "Close"]);
    assert_eq!(scene.core.poll_timeout(), None);
}

#[test]
fn what_is_emitted_without_a_connection_waits_bounded_and_goes_in_order() {
    let mut scene = Scene::new();
    let id = scene
        .core
        .add("/".into(), SignIn::With(Map::new()))
        .unwrap();
    assert_eq!(scene.emit(id, "a", None), Err(NotTaken::Disconnected));
    scene.core.open(scene.now, id);
    for name in ["a", "b", "c", "d"] {
        assert!(scene.emit(id, name, None).is_ok());
    }
    assert_eq!(scene.emit(id, "e", None), Err(NotTaken::Full));
    scene.core.opened(scene.now, TERMS);
    assert_eq!(scene.sent(), ["0 +0"]);
    scene.hear(r#"0{"sid":"x"}"#).unwrap();
    assert_eq!(
        scene.sent(),
        [
            r#"2["a"] +0"#,
            r#"2["b"] +0"#,
            r#"2["c"] +0"#,
            r#"2["d"] +0"#
        ]
    );
    let long = "x".repeat(100);
    assert_eq!(scene.emit(id, &long, None), Err(NotTaken::TooLarge));

    // What was not given to the connection goes first over the next one.
    scene.emit(id, "e", None).unwrap();
    scene.core.lost(scene.now, Lost::Close);
    scene.emit(id, "f", None).unwrap();
    assert!(scene.sent().is_empty());
    scene.pass(Duration::from_secs(1)).unwrap();
    scene.core.opened(scene.now, TERMS);
    scene.hear(r#"0{"sid":"y"}"#).unwrap();
    assert_eq!(scene.sent(), ["0 +0", r#"2["e"] +0"#, r#"2["f"] +0"#]);
}

#[test]
fn answers_come_once_or_fail() {
    let (mut scene, id) = Scene::connected();
    let limit = Some(Duration::from_secs(5));
    for ack in 0..3 {
        assert_eq!(scene.emit(id, "q", limit), Ok(Taken::Yes(Some(ack))));
    }
    assert_eq!(scene.emit(id, "q", limit), Err(NotTaken::Full));
    assert_eq!(scene.sent().len(), 3);
    scene.hear("31[5]").unwrap();
    assert_eq!(scene.drain(), ["1 #1 Ok([5])"]);
    scene.hear("31[5]").unwrap();
    scene.hear("39[5]").unwrap();
    assert_eq!(scene.core.ignored(), 2);
    scene.core.forget(id, 0);
    scene.pass(Duration::from_secs(5)).unwrap();
    assert_eq!(scene.drain(), ["1 #2 Err(Timeout)"]);

    // One that was sent fails with the connection; one that was not is sent over the next.
    scene.emit(id, "sent", limit).unwrap();
    assert_eq!(scene.sent(), [r#"23["sent"] +0"#]);
    scene.emit(id, "kept", limit).unwrap();
    scene.core.lost(scene.now, Lost::Broken);
    assert_eq!(
        scene.drain(),
        ["1 #3 Err(Disconnected)", "1 Disconnected(Lost(Broken))"]
    );
    scene.pass(Duration::from_secs(1)).unwrap();
    scene.core.opened(scene.now, TERMS);
    scene.hear(r#"0{"sid":"y"}"#).unwrap();
    assert_eq!(scene.sent(), [r#"0{"pid":"p"} +0"#, r#"24["kept"] +0"#]);
    // Until its time is over, wherever it waits.
    scene.core.lost(scene.now, Lost::Broken);
    scene.drain();
    scene.emit(id, "waits", limit).unwrap();
    scene.now += Duration::from_secs(5);
    let _ = scene.core.handle_timeout(scene.now);
    assert!(scene.drain().contains(&"1 #5 Err(Timeout)".to_owned()));
    scene.core.opened(scene.now, TERMS);
    scene.hear(r#"0{"sid":"y"}"#).unwrap();
    assert_eq!(scene.sent(), ["0 +0"]);
}

#[test]
fn a_session_is_asked_for_with_its_last_offset() {
    let (mut scene, id) = Scene::connected();
    let again = |scene: &mut Scene, welcome: &str| {
        scene.core.lost(scene.now, Lost::Close);
        scene.pass(Duration::from_secs(1)).unwrap();
        scene.core.opened(scene.now, TERMS);
        let asked = scene.sent().remove(0);
        scene.drain();
        scene.hear(welcome).unwrap();
        (asked, scene.drain().remove(0))
    };
    let recovered = format!(r#"{id} Connected {{ sid: "a", recovered: true }}"#);
    // Before any event, too.
    let (asked, told) = again(&mut scene, r#"0{"sid":"a","pid":"p"}"#);
    assert_eq!((&*asked, told), (r#"0{"pid":"p"} +0"#, recovered.clone()));
    scene.hear(r#"2["news",1,"o1"]"#).unwrap();
    // One that wants an answer has no offset, and neither has this.
    scene.hear(r#"27["news",1,"not this"]"#).unwrap();
    scene.hear(r#"2["news",1]"#).unwrap();
    let (asked, told) = again(&mut scene, r#"0{"sid":"a","pid":"p"}"#);
    assert_eq!(
        (&*asked, told),
        (r#"0{"offset":"o1","pid":"p"} +0"#, recovered)
    );
    // What was missed comes before the word that it was recovered.
    scene.core.lost(scene.now, Lost::Close);
    scene.pass(Duration::from_secs(1)).unwrap();
    scene.core.opened(scene.now, TERMS);
    scene.drain();
    scene.hear(r#"2["missed","o2"]"#).unwrap();
    assert!(scene.drain().is_empty());
    scene.hear(r#"0{"sid":"a","pid":"p"}"#).unwrap();
    let told = scene.drain();
    assert!(
        told[0].contains("recovered: true") && told[1].contains("missed"),
        "{told:?}"
    );
    assert_eq!(scene.sent(), [r#"0{"offset":"o1","pid":"p"} +0"#]);
    // Another session counts anew.
    let (_, told) = again(&mut scene, r#"0{"sid":"b","pid":"q"}"#);
    assert_eq!(told, r#"1 Connected { sid: "b", recovered: false }"#);
    let (asked, _) = again(&mut scene, r#"0{"sid":"b"}"#);
    assert_eq!(asked, r#"0{"pid":"q"} +0"#);
    assert_eq!(again(&mut scene, r#"0{"sid":"b"}"#).0, "0 +0");
}

#[test]
fn silence_ends_a_connection_and_waits_grow() {
    let (mut scene, _) = Scene::connected();
    scene.pass(Duration::from_secs(44)).unwrap();
    // However often it was asked, it answers once it can.
    scene.core.pinged(scene.now);
    scene.core.pinged(scene.now);
    assert_eq!(scene.sent(), ["pong"]);
    scene.pass(Duration::from_secs(44)).unwrap();
    assert_eq!(scene.pass(Duration::from_secs(1)), Err(Lost::PingTimeout));
    scene.core.lost(scene.now, Lost::PingTimeout);
    assert_eq!(scene.drain(), ["1 Disconnected(Lost(PingTimeout))"]);
    assert_eq!(
        scene.core.poll_timeout(),
        Some(scene.now + Duration::from_secs(1))
    );
    scene.pass(Duration::from_secs(1)).unwrap();
    assert_eq!(scene.drain(), ["Dial"]);
    scene.core.dial_failed(scene.now, false);
    assert_eq!(scene.drain(), ["1 NoConnection { last: false }"]);
    assert_eq!(
        scene.core.poll_timeout(),
        Some(scene.now + Duration::from_secs(2))
    );
    scene.pass(Duration::from_secs(2)).unwrap();
    scene.core.dial_failed(scene.now, false);
    assert_eq!(scene.drain(), ["Dial", "1 NoConnection { last: true }"]);
    assert_eq!(*scene.core.link(), Link::Idle);
}

#[test]
fn a_server_that_says_nothing_about_a_namespace_is_left() {
    let (mut scene, _) = Scene::connected();
    let b = scene
        .core
        .add("/b".into(), SignIn::With(Map::new()))
        .unwrap();
    scene.core.open(scene.now, b);
    scene.pass(Duration::from_secs(19)).unwrap();
    assert_eq!(scene.pass(Duration::from_secs(1)), Err(Lost::Close));
    scene.core.lost(scene.now, Lost::Close);
    assert_eq!(
        scene.drain(),
        ["2 Unanswered(None)", "1 Disconnected(Lost(Close))"]
    );
}

#[test]
fn what_is_no_socket_io_ends_the_connection_and_what_is_late_does_not() {
    let (mut scene, id) = Scene::connected();
    for text in ["", "9", "2", "2{}", "2[]", "2[1]", "3[1]", "0{", "2\"a\""] {
        assert_eq!(scene.hear(text), Err(Lost::Parse), "{text:?}");
    }
    assert_eq!(scene.core.binary("x".into()), Err(Lost::Parse));
    for text in [
        r#"0{"sid":"again"}"#,
        "1/other,",
        r#"2/other,["a"]"#,
        r#"4{"message":"late"}"#,
    ] {
        assert_eq!(scene.hear(text), Ok(()), "{text:?}");
    }
    assert_eq!(scene.core.ignored(), 4);
    scene.hear("1").unwrap();
    scene.hear("1").unwrap();
    scene.hear(r#"2["a"]"#).unwrap();
    assert_eq!(scene.drain(), ["1 Disconnected(Server)", "Close"]);
    assert_eq!(scene.emit(id, "a", None), Err(NotTaken::Disconnected));
}

#[test]
fn a_namespace_that_was_left_is_asked_for_a_moment_later() {
    let (mut scene, a) = Scene::connected();
    let b = scene
        .core
        .add("/b".into(), SignIn::With(Map::new()))
        .unwrap();
    scene.core.open(scene.now, b);
    scene.hear(r#"0/b,{"sid":"b"}"#).unwrap();
    scene.core.remove(scene.now, b);
    let b = scene
        .core
        .add("/b".into(), SignIn::With(Map::new()))
        .unwrap();
    scene.core.open(scene.now, b);
    assert!(scene.emit(b, "waits", None).is_ok());
    assert_eq!(scene.sent(), ["0/b, +0", "1/b, +0"]);
    assert_eq!(scene.core.poll_timeout(), Some(scene.now + REJOIN));
    scene.pass(REJOIN).unwrap();
    assert_eq!(scene.sent(), ["0/b, +0"]);
    scene.core.leave(scene.now, b);
    scene.core.open(scene.now, b);
    // Over another connection it is at once.
    scene.core.lost(scene.now, Lost::Close);
    scene.pass(Duration::from_secs(1)).unwrap();
    scene.core.opened(scene.now, TERMS);
    assert_eq!(scene.sent(), [r#"0{"pid":"p"} +0"#, "0/b, +0"]);
    let _ = a;
}

#[test]
fn a_server_of_an_older_protocol_is_named() {
    let mut scene = Scene::new();
    let id = scene
        .core
        .add("/".into(), SignIn::With(Map::new()))
        .unwrap();
    scene.core.open(scene.now, id);
    scene.core.opened(scene.now, TERMS);
    scene.hear("0").unwrap();
    let told = scene.drain();
    assert!(told[1].contains("an older protocol"), "{told:?}");
    assert_eq!(told[2], "Close");
}
