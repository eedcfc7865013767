//! What lengths tell of secrets.

use crate::coded::{json, noise};
use crate::{JSON, answering, assert_coded, client, encoding};
use wireline::layer::compression::Compression;
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

#[tokio::test]
async fn co1_what_may_hold_a_secret_tells_nothing_by_its_length() {
    // A page that reflects what it was asked, beside a secret.
    let page = || {
        Router::new().get("/{guess}", async |request: Request| {
            let guess = request.param("guess").unwrap_or_default().into_owned();
            let filler = String::from_utf8(noise(400).iter().map(|o| o % 64 + 32).collect());
            Response::html(format!(
                "<p>you searched for {guess}</p>{}<input name=token value=token_7Gk2Lx9Q>",
                filler.unwrap()
            ))
        })
    };
    // The right next letter and wrong ones.
    let guesses = [
        "token_7Gk2Lx9",
        "token_7Gk2LxA",
        "token_7Gk2LxB",
        "token_ABCDEFG",
    ];
    let lengths = async |client: &TestClient, cookie: bool| {
        let mut lengths = Vec::new();
        for guess in guesses {
            let mut request = client
                .get(&format!("/{guess}"))
                .header("accept-encoding", "gzip, br");
            if cookie {
                request = request.header("cookie", "session=1");
            }
            lengths.push(request.await.bytes().len());
        }
        lengths
    };
    let open = client(Compression::new(), page());
    let seen = lengths(&open, true).await;
    assert!(
        seen.iter().any(|length| *length != seen[0]),
        "the attack works: {seen:?}"
    );
    let spared = client(Compression::new().spare_secrets(true), page());
    let seen = lengths(&spared, true).await;
    assert!(seen.iter().all(|length| *length == seen[0]), "{seen:?}");
    // What anybody gets is compressed all the same.
    assert!(lengths(&spared, false).await[0] < seen[0]);

    for (name, value) in [("authorization", "Bearer x"), ("cookie", "a=b")] {
        let request = spared.get("/x").header("accept-encoding", "br");
        let response = request.header(name, value).await;
        assert_eq!(encoding(&response), None, "{name}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    }
    // Without being asked for, and where nobody has said otherwise.
    for (layer, authorized, cookie) in [
        (Compression::new(), None, Some("br")),
        (Compression::new().authorized(true), Some("br"), Some("br")),
        (
            Compression::new().authorized(true).spare_secrets(true),
            None,
            None,
        ),
    ] {
        let client = client(layer, page());
        for (name, value, coding) in [
            ("authorization", "Bearer x", authorized),
            ("cookie", "a=b", cookie),
        ] {
            let request = client.get("/x").header("accept-encoding", "br");
            let response = request.header(name, value).await;
            assert_eq!(encoding(&response), coding, "{name}");
            assert_eq!(response.header("vary"), Some("Accept-Encoding"));
        }
    }
    // What sets a cookie is left alone without being asked for, short or long.
    for times in [100, 10_000] {
        let setting = move || Response::text("text ".repeat(times)).set_cookie("a=b");
        let default = client(Compression::new(), answering(setting));
        let response = default.get("/").header("accept-encoding", "br").await;
        assert_eq!(encoding(&response), None);
        assert_eq!(response.text().len(), 5 * times);
    }
}

#[tokio::test]
async fn co1_lengths_can_be_hidden() {
    for size in [4000, 50_000] {
        let content = json(size);
        let sent = content.clone();
        let make = move || Response::bytes(sent.clone(), JSON);
        let client = client(Compression::new().hide_length(1000), answering(make));
        for (accepted, coding) in [("br, zstd", "br"), ("gzip", "gzip")] {
            let mut lengths = Vec::new();
            for _ in 0..20 {
                let response = client.get("/").header("accept-encoding", accepted).await;
                assert_coded(&response, coding, &content);
                lengths.push(response.bytes().len());
            }
            lengths.sort_unstable();
            // Twenty of a thousand lengths: that they all lie within a hundred has a chance of 10^-18.
            assert!(lengths[19] - lengths[0] > 100, "{lengths:?}");
            assert!(lengths[19] - lengths[0] <= 1010, "{lengths:?}");
        }
        let response = client.get("/").header("accept-encoding", "zstd").await;
        assert_eq!(encoding(&response), None);
    }
}
