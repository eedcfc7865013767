use super::*;
use crate::socketio::packet::{Binary, Form};

fn text(packet: &Packet) -> String {
    match packet.encode(Form::Text) {
        Encoded::Text { text, .. } => text,
        Encoded::Binary(_) => String::new(),
    }
}

fn event(
    namespace: &'static str,
    id: Option<u64>,
    name: &'static str,
    json: &'static str,
) -> Packet {
    let args = Args::from_json(json.into(), Vec::new());
    Packet::event(namespace.into(), id, name.into(), args)
}

fn packet(namespace: &'static str, body: Body) -> Packet {
    Packet {
        namespace: namespace.into(),
        body,
    }
}

#[test]
fn packets_and_their_texts() {
    let ack = |json: &'static str| Body::Ack {
        id: 13,
        args: Args::from_json(json.into(), Vec::new()),
    };
    for (packet, text_of_it) in [
        (packet("/", Body::Connect(None)), "0"),
        (packet("/a", Body::Connect(None)), "0/a,"),
        (
            packet("/a", Body::Connect(Some(r#"{"token":"1,2"}"#.into()))),
            r#"0/a,{"token":"1,2"}"#,
        ),
        (packet("/", Body::Connect(Some("{}".into()))), "0{}"),
        (packet("/", Body::Disconnect), "1"),
        (packet("/a", Body::Disconnect), "1/a,"),
        (event("/", None, "a", ""), r#"2["a"]"#),
        (event("/", None, "a", "1,{}"), r#"2["a",1,{}]"#),
        (event("/", Some(0), "a", ""), r#"20["a"]"#),
        (
            event("/a/b", Some(12), "a", "\"]\""),
            r#"2/a/b,12["a","]"]"#,
        ),
        (
            event("/", Some(LARGEST_ID), "", ""),
            r#"29007199254740991[""]"#,
        ),
        (packet("/", ack("")), "313[]"),
        (packet("/a", ack("1,[2]")), "3/a,13[1,[2]]"),
        (
            packet("/a", Body::ConnectError(r#"{"message":"no"}"#.into())),
            r#"4/a,{"message":"no"}"#,
        ),
    ] {
        assert_eq!(text(&packet), text_of_it);
        assert_eq!(decode(&text_of_it.into()), Ok((packet, 0)), "{text_of_it}");
    }
}

#[test]
fn forms_that_nobody_here_writes() {
    for (written, packet) in [
        (r#"2 [ "a" , 1 , 2 ] "#, event("/", None, "a", "1 , 2 ")),
        (r#"2["\u0061\n",1]"#, event("/", None, "a\n", "1")),
        (r#"2["a","\ud800"]"#, event("/", None, "a", r#""\ud800""#)),
        ("1/a", packet("/a", Body::Disconnect)),
        ("0/a", packet("/a", Body::Connect(None))),
        (
            r#"4"no""#,
            packet("/", Body::ConnectError(r#""no""#.into())),
        ),
    ] {
        assert_eq!(decode(&written.into()), Ok((packet, 0)), "{written}");
    }
    let quoted = event("/", None, "a\"\\\u{1}", "");
    assert_eq!(decode(&text(&quoted).into()), Ok((quoted, 0)));
}

#[test]
fn no_packets() {
    let deep = format!("2[\"a\",{}{}]", "[".repeat(10_000), "]".repeat(10_000));
    let deeper_than_allowed = format!("2[\"a\",{}{}]", "[".repeat(127), "]".repeat(127));
    for text in [
        "",
        "7",
        "abc",
        "-1",
        "0[]",
        "0null",
        "01",
        "0{",
        "0{}{}",
        "1{}",
        "11",
        "2",
        "2/a,",
        "2{}",
        "2[]",
        "2[1]",
        "2[null]",
        "2[{\"toString\":\"foo\"}]",
        "2[[\"a\"]]",
        "2\"a\"",
        "2[\"a\"",
        "2[\"a\",]",
        "2[\"a\"]]",
        "2[\"a\"] x",
        "2[\"a\" 1]",
        "2abc[\"a\"]",
        "21a[\"a\"]",
        "2-1[\"a\"]",
        "29007199254740992[\"a\"]",
        "207[\"a\"]",
        "299999999999999999999999[\"a\"]",
        "2[\"connect\"]",
        "2[\"connect_error\"]",
        "2[\"disconnect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "2[\"disc\\u006fnnect\"]",
        "3[]",
        "31",
        "31{}",
        "31[",
        "4",
        "4[]",
        "41{}",
        "4null",
        "5[\"a\"]",
        "5-[\"a\"]",
        "50-[\"a\"]",
        "5a-[\"a\"]",
        "51.5-[\"a\"]",
        "5-1-[\"a\"]",
        "5 1-[\"a\"]",
        "51",
        "51-",
        "61-[]",
        &deep,
        &deeper_than_allowed,
    ] {
        let found = decode(&text.into());
        assert!(found.is_err(), "{text:.40}: {found:?}");
    }
}

#[test]
fn what_prototypes_have_are_names_like_others() {
    for name in ["__proto__", "toString", "constructor", "hasOwnProperty"] {
        let text = format!("2[\"{name}\"]");
        assert!(decode(&text.into()).is_ok(), "{name}");
    }
}

#[test]
fn as_deep_as_allowed() {
    let brackets = format!("2[\"a\",{}{}]", "[".repeat(126), "]".repeat(126));
    let (packet, _) = decode(&brackets.into()).unwrap();
    let Body::Event { args, .. } = packet.body else {
        panic!("no event")
    };
    assert!(args.values().is_ok());
    // Brackets within a string are none.
    let string = format!("2[\"a\",\"{}\\\"[\"]", "[".repeat(1_000));
    assert!(decode(&string.into()).is_ok());
}

#[test]
fn attachments_are_counted() {
    let args = Args::new((Binary::from(vec![1]), Binary::from(vec![2]))).unwrap();
    let event = Packet::event("/a".into(), Some(3), "b".into(), args.clone());
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    let expected = format!(r#"52-/a,3["b",{placeholders}]"#);
    assert_eq!(text(&event), expected);
    assert_eq!(decode(&expected.into()).unwrap().1, 2);
    let answer = Packet::ack("/".into(), 3, args);
    assert_eq!(text(&answer), format!("62-3[{placeholders}]"));
    let many = r#"5999999-["a"]"#;
    assert_eq!(decode(&many.into()).unwrap().1, 999_999);
}
