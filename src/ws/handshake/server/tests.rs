use super::*;

const GOOD: [(&str, &str); 5] = [
    ("host", "server.example.com"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];

fn read(
    head: Head<'_>,
    fields: &[(&'static str, &'static str)],
) -> Result<Opening<'static>, Refusal> {
    Opening::read(
        head,
        fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    )
}

const fn get() -> Head<'static> {
    Head {
        method: &Method::GET,
        version: Version::HTTP_11,
        content: false,
    }
}

/// The good request with some of its fields replaced (`None` removes one) and others added.
fn with(changes: &[(&'static str, Option<&'static str>)]) -> Vec<(&'static str, &'static str)> {
    let mut fields = GOOD.to_vec();
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.extend(value.map(|value| (*name, value)));
    }
    fields
}

/// RFC 6455 section 1.3.
#[test]
fn the_example_of_the_rfc() {
    let mut fields = GOOD.to_vec();
    fields.push(("Sec-WebSocket-Protocol", "chat, superchat"));
    fields.push(("Origin", "http://example.com"));
    let opening = read(get(), &fields).expect("it is good");
    assert_eq!(opening.protocols(), ["chat", "superchat"]);
    assert_eq!(opening.origin(), Some(&b"http://example.com"[..]));
    let terms = Terms {
        subprotocols: Subprotocols::list(["chat"]),
        ..Terms::default()
    };
    let accepted = opening.accept(&terms).expect("no cookies");
    assert_eq!(
        accepted.fields(),
        [
            ("upgrade", "websocket".to_owned()),
            ("connection", "Upgrade".to_owned()),
            (
                "sec-websocket-accept",
                "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()
            ),
            ("sec-websocket-protocol", "chat".to_owned()),
        ]
    );
}

#[test]
fn each_fault_has_its_answer() {
    for (changes, refusal, status) in [
        (&[("upgrade", None)][..], Refusal::Upgrade, 400),
        (&[("upgrade", Some("h2c"))], Refusal::Upgrade, 400),
        (&[("connection", None)], Refusal::Connection, 400),
        (
            &[("connection", Some("keep-alive"))],
            Refusal::Connection,
            400,
        ),
        (&[("sec-websocket-version", None)], Refusal::Version, 400),
        (
            &[("sec-websocket-version", Some("8"))],
            Refusal::VersionUnsupported,
            426,
        ),
        (
            &[("sec-websocket-version", Some("013"))],
            Refusal::VersionUnsupported,
            426,
        ),
        (
            &[("sec-websocket-version", Some("13, 8"))],
            Refusal::VersionUnsupported,
            426,
        ),
        (
            &[("sec-websocket-version", Some(""))],
            Refusal::VersionUnsupported,
            426,
        ),
        (&[("sec-websocket-key", None)], Refusal::Key, 400),
        (&[("sec-websocket-key", Some(""))], Refusal::Key, 400),
        (
            &[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ="))],
            Refusal::Key,
            400,
        ),
        (
            &[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ==="))],
            Refusal::Key,
            400,
        ),
        (
            &[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQAA"))],
            Refusal::Key,
            400,
        ),
        (
            &[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25j!Q=="))],
            Refusal::Key,
            400,
        ),
        (
            &[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZf=="))],
            Refusal::Key,
            400,
        ),
        (
            &[("sec-websocket-protocol", Some("a, b, a"))],
            Refusal::SubprotocolSyntax,
            400,
        ),
        (
            &[("sec-websocket-protocol", Some("a b"))],
            Refusal::SubprotocolSyntax,
            400,
        ),
    ] {
        let found = read(get(), &with(changes)).map(|_| ()).unwrap_err();
        assert_eq!(found, refusal, "{changes:?}");
        assert_eq!(found.status(), status, "{changes:?}");
        assert_eq!(
            found.fields().contains(&("sec-websocket-version", "13")),
            status == 426
        );
    }
    for name in ["sec-websocket-key", "sec-websocket-version"] {
        let twice = GOOD
            .into_iter()
            .chain(GOOD.into_iter().filter(|(known, _)| *known == name));
        let status = read(get(), &twice.collect::<Vec<_>>())
            .map(|_| ())
            .unwrap_err()
            .status();
        assert_eq!(status, 400, "{name} twice");
    }
    let twice = [&GOOD[..], &[("origin", "http://a"), ("origin", "http://a")]].concat();
    assert_eq!(read(get(), &twice).map(|_| ()), Err(Refusal::Origin));
}

#[test]
fn the_head_counts() {
    let post = Head {
        method: &Method::POST,
        ..get()
    };
    assert_eq!(read(post, &GOOD).unwrap_err().status(), 405);
    let head = Head {
        method: &Method::HEAD,
        ..get()
    };
    assert_eq!(read(head, &GOOD).unwrap_err(), Refusal::Upgrade);
    let old = Head {
        version: Version::HTTP_10,
        ..get()
    };
    assert_eq!(read(old, &GOOD).unwrap_err(), Refusal::HttpVersion);
    let content = Head {
        content: true,
        ..get()
    };
    assert_eq!(read(content, &GOOD).unwrap_err(), Refusal::Content);
}

#[test]
fn lists_and_cases_as_browsers_send_them() {
    for changes in [
        &[("connection", Some("keep-alive, Upgrade"))][..],
        &[("connection", Some("UPGRADE"))],
        &[("upgrade", Some("WebSocket"))],
        &[("upgrade", Some("h2c, websocket"))],
        &[("sec-websocket-key", Some("AAAAAAAAAAAAAAAAAAAAAA=="))],
        &[("sec-websocket-key", Some("+/+/+/+/+/+/+/+/+/+/+w=="))],
    ] {
        assert!(read(get(), &with(changes)).is_ok(), "{changes:?}");
    }
    let many: String = (0..65).map(|number| format!("p{number},")).collect();
    let many: &'static str = many.leak();
    let fields = with(&[("sec-websocket-protocol", Some(many))]);
    assert_eq!(
        read(get(), &fields).unwrap_err(),
        Refusal::SubprotocolSyntax
    );
}

#[test]
fn terms_are_kept() {
    // A browser sends either to whatever page asks.
    for credentials in [
        ("cookie", Some("sid=1")),
        ("authorization", Some("Basic YTpi")),
    ] {
        let foreign = with(&[("origin", Some("https://evil.example")), credentials]);
        let refusal = read(get(), &foreign)
            .unwrap()
            .accept(&Terms::default())
            .unwrap_err();
        assert_eq!((refusal, refusal.status().as_u16()), (Refusal::Origin, 403));
        let no_page = read(get(), &with(&[credentials])).unwrap();
        assert!(no_page.has_credentials() && no_page.accept(&Terms::default()).is_ok());
    }
    let harmless = with(&[("origin", Some("https://evil.example"))]);
    assert!(
        read(get(), &harmless)
            .unwrap()
            .accept(&Terms::default())
            .is_ok()
    );
    let own = with(&[
        ("origin", Some("https://server.example.com")),
        ("cookie", Some("sid=1")),
    ]);
    assert!(read(get(), &own).unwrap().accept(&Terms::default()).is_ok());
    let required = Terms {
        subprotocols: Subprotocols::list(["chat"]).require(),
        ..Terms::default()
    };
    let refusal = read(get(), &GOOD).unwrap().accept(&required).unwrap_err();
    assert_eq!(
        (refusal, refusal.status().as_u16()),
        (Refusal::Subprotocol, 400)
    );
    let malformed = with(&[("sec-websocket-extensions", Some("a;;b"))]);
    let refusal = read(get(), &malformed)
        .unwrap()
        .accept(&Terms::default())
        .unwrap_err();
    assert_eq!(refusal, Refusal::Extensions);
    // 32 offers are many, in however many lines they come.
    let line = ("sec-websocket-extensions", "a, a, a, a");
    for (lines, accepted) in [(8, true), (9, false)] {
        let mut offers = GOOD.to_vec();
        offers.extend(vec![line; lines]);
        let outcome = read(get(), &offers).unwrap().accept(&Terms::default());
        assert_eq!(outcome.is_ok(), accepted, "{lines} lines");
    }
    let offers = with(&[("sec-websocket-extensions", Some("permessage-deflate"))]);
    let accepted = read(get(), &offers)
        .unwrap()
        .accept(&Terms::default())
        .unwrap();
    assert!(accepted.deflate.is_none(), "off by default");
}
