//! The words are those that servers and emitters of npm have said: socket.io 4.8, its Redis adapter 8.3, its emitter 5.1.

use super::{Answer, Asks, Broadcast, Question, Says};
use crate::socketio::adapter::{Event, Flags, RemoteSocket, Target};
use crate::socketio::packet::{Args, Binary};
use bytes::Bytes;
use serde_json::json;

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| char::from(text.as_bytes()[at]).to_digit(16).unwrap() as u8;
    (0..text.len() / 2)
        .map(|at| digit(2 * at) << 4 | digit(2 * at + 1))
        .collect()
}

fn to(rooms: &[&str], except: &[&str]) -> Target {
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    Target {
        namespace: "/".into(),
        rooms: names(rooms),
        except: names(except),
        flags: Flags::default(),
    }
}

fn event(name: &str, args: Args) -> Event {
    Event {
        name: name.into(),
        args,
    }
}

fn from_npm(from: &str, to: Target, event: Event) -> Broadcast {
    Broadcast {
        from: from.into(),
        to,
        event,
    }
}

#[test]
fn broadcasts_are_those_of_npm() {
    let everything = "93a6674c7552744683a47479706502a4646174619ba2686901fecb3ff8000000000000a9c3bce282acf09f9880c3c081a16b\
        920180ce00011170d2fffeee90cf000000012a05f200a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380";
    let many = r#"1,-2,1.5,"ü€😀",true,null,{"k":[1,{}]},70000,-70000,5000000000"#;
    let many = Args::from_json(many.into(), Vec::new());
    let volatile = Target {
        flags: Flags {
            is_volatile: true,
            compress: Some(false),
        },
        ..to(&["r1", "r2"], &["x"])
    };
    let octets = Args::new((Binary::from(vec![1, 2, 3]), json!({"n": 1})));
    for (words, broadcast) in [
        (
            everything,
            from_npm("gLuRtF", to(&[], &[]), event("hi", many)),
        ),
        (
            "93a6674c7552744683a47479706502a46461746191a26869a36e7370a12f83a5726f6f6d7391a27231a665786365707490a5666c61677380",
            from_npm("gLuRtF", to(&["r1"], &[]), event("hi", Args::default())),
        ),
        (
            "93a6674c7552744683a47479706502a46461746191a26869a36e7370a12f83a5726f6f6d7392a27231a27232a665786365707491a178a566\
             6c61677382a8766f6c6174696c65c3a8636f6d7072657373c2",
            from_npm("gLuRtF", volatile, event("hi", Args::default())),
        ),
        (
            "93a6674c7552744683a47479706502a46461746193a362696ec40301020381a16e01a36e7370a12f83a5726f6f6d7390a665786365707490\
             a5666c61677380",
            from_npm("gLuRtF", to(&[], &[]), event("bin", octets.unwrap())),
        ),
    ] {
        let octets = hex(&words.replace(' ', ""));
        assert_eq!(Broadcast::read("/", &octets).as_ref(), Some(&broadcast));
        assert_eq!(broadcast.write().unwrap(), octets);
        assert!(Broadcast::is_from(&octets, "gLuRtF"));
        assert!(!Broadcast::is_from(&octets, "gLuRt") && !Broadcast::is_from(&octets, ""));
        // It came where those of another namespace come.
        assert_eq!(Broadcast::read("/admin", &octets), None);
    }

    // An emitter puts the flags before what is excepted; a room may be a number, and a namespace may be left out.
    let emitter = hex(
        "93a7656d697474657283a47479706502a46461746192a165c40109a36e7370a12f83a5726f6f6d7391a27231a5666c61677380a665786365707490",
    );
    let read = Broadcast::read("/", &emitter).unwrap();
    assert_eq!((&*read.from, &*read.event.name), ("emitter", "e"));
    assert_eq!(read.event.args.attachments(), [Bytes::from_static(&[9])]);
    let number = hex("93a16182a47479706502a46461746191a17881a5726f6f6d739107");
    assert_eq!(Broadcast::read("/", &number).unwrap().to, to(&["7"], &[]));
}

#[test]
fn questions_are_those_of_npm() {
    let all = to(&[], &[]);
    for (words, question) in [
        (
            r#"{"uid":"gLuRtF","requestId":"FEUUOd","type":5,"opts":{"rooms":["r1"],"except":[]}}"#,
            Asks::Sockets(to(&["r1"], &[])),
        ),
        (
            r#"{"uid":"gLuRtF","type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r2","r3"]}"#,
            Asks::Join(to(&["r1"], &[]), vec!["r2".into(), "r3".into()]),
        ),
        (
            r#"{"uid":"gLuRtF","type":3,"opts":{"rooms":["r1"],"except":["x"]},"rooms":["r2"]}"#,
            Asks::Leave(to(&["r1"], &["x"]), vec!["r2".into()]),
        ),
        (
            r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":true}"#,
            Asks::Disconnect(all.clone(), true),
        ),
        (
            r#"{"uid":"gLuRtF","type":6,"data":["sse",1]}"#,
            Asks::Emit(event("sse", Args::new(1).unwrap())),
        ),
        (
            r#"{"uid":"gLuRtF","requestId":"HDecxt","type":6,"data":["sse"]}"#,
            Asks::Emit(event("sse", Args::default())),
        ),
        (
            r#"{"uid":"gLuRtF","requestId":"fNW5Bt","type":1}"#,
            Asks::Rooms,
        ),
        (
            r#"{"uid":"gLuRtF","requestId":"fNW5Bt","type":0,"rooms":["r1"]}"#,
            Asks::Ids(to(&["r1"], &[])),
        ),
    ] {
        let read = Question::read("/", words.as_bytes()).unwrap();
        assert_eq!(read.asks, question);
        assert_eq!(read.id.is_some(), words.contains("requestId"));
        assert_eq!(read.from.is_some(), words.contains("uid"));
        assert_eq!(read.write().unwrap(), words);
    }

    let acks = hex(
        "85a3756964a6674c75527446a9726571756573744964a66e2d7a735f54a47479706507a67061636b657483a47479706502a46461746192a17107\
         a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c61677381a774696d656f7574cd03e8"
            .replace(' ', "")
            .as_str(),
    );
    let read = Question::read("/", &acks).unwrap();
    let asked = event("q", Args::new(7).unwrap());
    assert_eq!(read.asks, Asks::BroadcastWithAcks(all, asked, 1_000));
    assert_eq!(read.write().unwrap(), acks);

    // What JSON cannot say goes as MessagePack, which npm reads as well.
    let octets = Args::new(Binary::from(vec![1])).unwrap();
    let question = Question {
        from: None,
        id: None,
        asks: Asks::Emit(event("e", octets)),
    };
    let words = question.write().unwrap();
    assert_eq!(words, hex("82a47479706506a46461746192a165c40101"));
    assert_eq!(Question::read("/", &words), Some(question));
}

#[test]
fn answers_are_those_of_npm() {
    let answer = |id: &str, says| Answer {
        id: id.into(),
        from: None,
        says,
    };
    let socket = RemoteSocket {
        id: "a".into(),
        rooms: vec!["a".into(), "r1".into()],
        handshake: json!({"auth": {}, "headers": {}}),
        data: json!({"name": "ada"}),
    };
    for (words, read) in [
        (
            r#"{"type":8,"requestId":"n","clientCount":1}"#,
            answer("n", Says::Count(1)),
        ),
        (
            r#"{"requestId":"n","rooms":["a","r1"]}"#,
            answer("n", Says::Rooms(vec!["a".into(), "r1".into()])),
        ),
        (
            r#"{"requestId":"n","sockets":["a"]}"#,
            answer("n", Says::Ids(vec!["a".into()])),
        ),
        (
            r#"{"type":6,"requestId":"n","data":"pong1"}"#,
            answer("n", Says::Emitted(Args::new("pong1").unwrap())),
        ),
        (
            r#"{"type":6,"requestId":"n"}"#,
            answer("n", Says::Emitted(Args::default())),
        ),
        (
            r#"{"requestId":"n","sockets":[{"id":"a","handshake":{"auth":{},"headers":{}},"rooms":["a","r1"],"data":{"name":"ada"}}]}"#,
            answer("n", Says::Sockets(vec![socket])),
        ),
    ] {
        assert_eq!(Answer::read(words.as_bytes()).as_ref(), Some(&read));
        assert_eq!(read.write().unwrap(), words);
    }
    let ack = hex("83a47479706509a9726571756573744964a66e2d7a735f54a67061636b657481a3676f7407");
    let read = answer("n-zs_T", Says::Ack(Args::new(json!({"got": 7})).unwrap()));
    assert_eq!(Answer::read(&ack).as_ref(), Some(&read));
    assert_eq!(read.write().unwrap(), ack);
    // An answer has one argument.
    let two = answer("n", Says::Emitted(Args::new((1, [2])).unwrap()));
    assert_eq!(
        two.write().unwrap(),
        r#"{"type":6,"requestId":"n","data":1}"#
    );
}

#[test]
fn what_is_none_of_them_is_refused() {
    for words in [
        &b""[..],
        b"{",
        b"{}",
        b"null",
        b"\xc0",
        br#"{"type":5,"requestId":"n"}"#,
        br#"{"type":7,"requestId":"n","packet":{"type":3,"data":["a"]},"opts":{}}"#,
        br#"{"type":6,"data":[]}"#,
        br#"{"type":6,"data":[1]}"#,
        br#"{"type":6,"data":"a"}"#,
        br#"{"type":10}"#,
        br#"{"type":-1}"#,
    ] {
        assert_eq!(Question::read("/", words), None, "{words:?}");
        assert_eq!(Broadcast::read("/", words), None, "{words:?}");
        assert_eq!(Answer::read(words), None, "{words:?}");
    }
}
