//! The client that users test with: the same over HTTP/1.1 and HTTP/2.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use std::io;
use std::time::Duration;
use wireline::service::body::Body;
use wireline::test::{TestClient, TestMultipart};
use wireline::ws::client::ConnectError;
use wireline::ws::deflate;
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Response, Router};

fn cookie_shop() -> Router {
    let set = async |mut request: Request| {
        let lines = request.body_str().await.unwrap_or("").to_owned();
        lines.lines().fold(Response::ok(), |response, line| {
            response.set_cookie(line.to_owned())
        })
    };
    let show = async |request: Request| {
        let cookies = request.headers().get_all("cookie");
        let cookies: Vec<_> = cookies
            .map(|value| value.to_str().unwrap_or("?").to_owned())
            .collect();
        cookies.join(" and ")
    };
    Router::new()
        .post("/set", set)
        .get("/{*any}", show)
        .get("/", show)
        .websocket("/ws", async |socket: WebSocket, headers: Cookie| {
            let _ = socket.send(headers.0).await;
        })
}

struct Cookie(String);

impl wireline::service::handler::FromRequestParts for Cookie {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut wireline::service::request::Parts,
    ) -> Result<Self, Response> {
        match parts
            .header("cookie")
            .and_then(|value| value.to_str().ok().map(str::to_owned))
        {
            Some(text) => Ok(Self(text)),
            None => {
                Err(Response::unauthorized("who?").with_header("set-cookie", "guest=1; Path=/"))
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_are_kept_when_asked_for() {
    for is_http2 in [false, true] {
        let new = || {
            let client = TestClient::new(cookie_shop().build().unwrap());
            if is_http2 { client.http2() } else { client }
        };
        let forgetful = new();
        forgetful.post("/set").body("a=1; Path=/").await;
        assert_eq!(forgetful.get("/").await.text(), "");
        assert_eq!(forgetful.cookie("a"), None);

        let client = new().keep_cookies();
        let lines = "a=1; Path=/\nb=2; Path=/deep; HttpOnly; Secure\nc=3; Path=/; Max-Age=60";
        client.post("/set").body(lines).await;
        assert_eq!(client.get("/").await.text(), "a=1; c=3");
        assert_eq!(client.get("/deep/er?q").await.text(), "b=2; a=1; c=3");
        assert_eq!(
            client.get("/").header("host", "other.example").await.text(),
            ""
        );
        assert_eq!(
            client.get("/").header("cookie", "own=1").await.text(),
            "own=1"
        );
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(client.get("/").await.text(), "a=1");
        client.post("/set").body("a=; Path=/; Max-Age=0").await;
        assert_eq!(client.get("/").await.text(), "");

        let refused = client.websocket("/ws").refusal().await;
        assert_eq!(refused.status, 401);
        client.set_cookie("user", "7");
        let mut socket = client.websocket("/ws").await;
        let said = socket.recv().await.unwrap().unwrap();
        assert_eq!(said.as_text(), Some("guest=1; user=7"));
        assert_eq!(client.cookie("user").as_deref(), Some("7"));
        client.clear_cookies();
        assert_eq!(client.websocket("/ws").refusal().await.status, 401);
    }
}

/// Says what came: method, target, version, fields that matter, content, trailers.
fn mirror() -> Router {
    Router::new().any("/{*any}", async |mut request: Request| {
        let head = format!(
            "{} {} {:?} {:?} {:?}",
            request.method(),
            request.uri(),
            request.host(),
            request
                .header("content-type")
                .map(|value| value.to_str().unwrap_or("?").to_owned()),
            request
                .header("authorization")
                .map(|value| value.to_str().unwrap_or("?").to_owned()),
        );
        let length = request.header("content-length").is_some();
        let (content, trailers) = request.take_body().collect_with_trailers().await.unwrap();
        let trailers = trailers.map_or(0, |section| section.len());
        format!(
            "{head} {length} {:?} {trailers}",
            String::from_utf8_lossy(&content)
        )
    })
}

#[tokio::test(start_paused = true)]
async fn requests_are_the_same_over_both_versions() {
    let mut answers = Vec::new();
    for is_http2 in [false, true] {
        let client = TestClient::new(mirror().build().unwrap());
        let client = if is_http2 { client.http2() } else { client };
        let (mut sender, streamed) = Body::channel();
        tokio::spawn(async move {
            for number in 0..3 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let _ = sender.send(format!("{number};").into()).await;
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("3"));
            sender.finish_with(trailers.into());
        });
        let requests = [
            client.get("/a").query("b", "c d").query("ü", "&="),
            client.get("/a?x").query("y", ""),
            client
                .put("/a")
                .body("text")
                .bearer("t0ken")
                .header("host", "b.example:81"),
            client.post("/a").json(&["one", "two"]),
            client.post("/a").form(&[("name", "Ada L"), ("id", "7")]),
            client.delete("/a"),
            client.post("/a").body(streamed),
        ];
        let mut texts = Vec::new();
        for request in requests {
            texts.push(request.await.text().to_owned());
        }
        answers.push(texts);
    }
    let expected = [
        r#"GET /a?b=c%20d&%C3%BC=%26%3D Some("localhost") None None false "" 0"#,
        r#"GET /a?x&y= Some("localhost") None None false "" 0"#,
        r#"PUT /a Some("b.example:81") None Some("Bearer t0ken") true "text" 0"#,
        r#"POST /a Some("localhost") Some("application/json") None true "[\"one\",\"two\"]" 0"#,
        r#"POST /a Some("localhost") Some("application/x-www-form-urlencoded") None true "name=Ada+L&id=7" 0"#,
        r#"DELETE /a Some("localhost") None None false "" 0"#,
        r#"POST /a Some("localhost") None None false "0;1;2;" 1"#,
    ];
    assert_eq!(answers, [expected, expected]);
}

#[tokio::test(start_paused = true)]
async fn a_large_body_goes_up_and_down_at_once() {
    let echo = async |mut request: Request| Response::new(request.take_body());
    let routes = || Router::new().post("/", echo).build().unwrap();
    let content = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
    for client in [TestClient::new(routes()), TestClient::new(routes()).http2()] {
        let response = client.post("/").body(content.clone()).await;
        assert!(*response.bytes() == content);
        let pieces = (0..100).map(|_| Bytes::from_static(&[b'y'; 50_000]));
        let response = client.post("/").body(Body::from_chunks(pieces)).await;
        assert_eq!(response.bytes().len(), 5_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn content_comes_as_it_is_sent_and_going_away_is_seen() {
    struct Gone(tokio::sync::mpsc::Sender<()>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.try_send(());
        }
    }
    for is_http2 in [false, true] {
        let (report, mut gone) = tokio::sync::mpsc::channel(1);
        let ticks = move || {
            let gone = Gone(report.clone());
            async move {
                let (mut sender, body) = Body::channel();
                tokio::spawn(async move {
                    let _gone = gone;
                    for tick in 0.. {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        if sender
                            .send(
                                format!(
                                    ": {tick}\n\nid: {tick}\ndata: a\r\ndata:b\r\nretry: 5\r\n\r\n"
                                )
                                .into(),
                            )
                            .await
                            .is_err()
                        {
                            return;
                        }
                    }
                });
                Response::new(body).with_header("content-type", "text/event-stream")
            }
        };
        let end =
            async || Response::new(Body::full("data: 1\n\nevent: last\nid\ndata\n\ndata: cut"));
        let routes = Router::new()
            .get("/ticks", ticks)
            .get("/end", end)
            .build()
            .unwrap();
        let client = TestClient::new(routes);
        let client = if is_http2 { client.http2() } else { client };

        let begun = tokio::time::Instant::now();
        let mut stream = client.get("/ticks").stream().await.unwrap();
        assert_eq!(
            (stream.status.as_u16(), stream.header("content-type")),
            (200, Some("text/event-stream"))
        );
        for tick in 0..3 {
            let comment = stream.event().await.unwrap().unwrap();
            assert_eq!(
                (comment.comment, comment.data),
                (Some(tick.to_string()), None)
            );
            assert_eq!(begun.elapsed().as_secs(), tick + 1);
            let event = stream.event().await.unwrap().unwrap();
            assert_eq!(
                (event.event.as_str(), event.data.as_deref()),
                ("message", Some("a\nb"))
            );
            assert_eq!((event.id, event.retry), (Some(tick.to_string()), Some(5)));
        }
        let piece = stream.chunk().await.unwrap().unwrap();
        assert!(piece.starts_with(b": 3\n\n"), "{piece:?}");
        assert!(stream.trailers().is_none());
        drop(stream);
        let waited = tokio::time::timeout(Duration::from_secs(10), gone.recv()).await;
        assert_eq!(waited, Ok(Some(())));

        let mut stream = client.get("/end").stream().await.unwrap();
        assert_eq!(
            stream.event().await.unwrap().unwrap().data.as_deref(),
            Some("1")
        );
        let last = stream.event().await.unwrap().unwrap();
        assert_eq!(
            (
                last.event.as_str(),
                last.data.as_deref(),
                last.id.as_deref()
            ),
            ("last", Some(""), Some(""))
        );
        assert!(stream.event().await.is_none());
        // What is no event is still there.
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: cut");
        assert!(stream.chunk().await.is_none());
        assert!(stream.trailers().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_cut_short_is_an_error() {
    let broken = async || {
        let (mut sender, body) = Body::channel();
        tokio::spawn(async move {
            let _ = sender.send("begun".into()).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.abort();
        });
        Response::new(body)
    };
    let routes = || Router::new().get("/", broken).build().unwrap();
    for client in [TestClient::new(routes()), TestClient::new(routes()).http2()] {
        assert!(client.get("/").send().await.is_err());
        let mut stream = client.get("/").stream().await.unwrap();
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "begun");
        assert!(stream.chunk().await.unwrap().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_of_http2_serves_every_request_until_it_ends() {
    let routes = Router::new().get("/", async |request: Request| {
        format!("{:?}", request.version())
    });
    let client = TestClient::new(routes.build().unwrap()).http2();
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "HTTP/2.0");
        assert_eq!(client.connections(), 1);
    }
    // Many at once are streams of it.
    let many: Vec<_> = (0..50).map(|_| Box::pin(client.get("/").send())).collect();
    for response in many {
        assert_eq!(response.await.unwrap().status, 200);
    }
    assert_eq!(client.connections(), 1);
    // The server has ended it for its idleness: there is a new one.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(client.connections(), 0);
    assert_eq!(client.get("/").await.status, 200);

    let unfit = client.get("/").header("connection", "close").send().await;
    assert!(unfit.is_err());
    let unfit = client.get("no target").send().await.unwrap_err();
    assert_eq!(unfit.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn sockets_open_over_both_versions_with_subprotocols_and_deflate() {
    let terms = |upgrade: WebSocketUpgrade| {
        upgrade
            .subprotocols(Subprotocols::list(["chat", "super"]))
            .deflate(deflate::Config::default())
    };
    let echo = async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            let _ = socket.send(message).await;
        }
    };
    let routes = || {
        Router::new()
            .websocket_with("/echo", terms, echo)
            .build()
            .unwrap()
    };
    for client in [TestClient::new(routes()), TestClient::new(routes()).http2()] {
        let mut socket = client
            .websocket("/echo?x=1")
            .protocols(["super", "chat"])
            .deflate(deflate::Config::default())
            .await;
        assert!(matches!(socket.protocol(), Some("chat" | "super")));
        let long = "again and again ".repeat(20_000);
        socket.send(long.clone()).await.unwrap();
        assert_eq!(
            socket.recv().await.unwrap().unwrap().as_text(),
            Some(long.as_str())
        );
        // Requests go on beside it.
        assert_eq!(client.get("/nowhere").await.status, 404);
        drop(socket);

        let refused = client.websocket("/nowhere").refusal().await;
        assert_eq!(
            (refused.status.as_u16(), &refused.content[..]),
            (404, &b"not found"[..])
        );
        let unfit = client
            .websocket("/echo")
            .header("upgrade", "x")
            .connect()
            .await;
        assert!(matches!(unfit, Err(ConnectError::Field(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn forms_with_files_are_what_browsers_send() {
    let client = TestClient::new(mirror().build().unwrap());
    let form = TestMultipart::new().text("a \"quoted\" name", "text").file(
        "file",
        "x.txt",
        "text/plain",
        "content",
    );
    let text = client.post("/a").multipart(form).await.text().to_owned();
    let parts = [
        "multipart/form-data; boundary=wireline-",
        r#"Content-Disposition: form-data; name=\"a %22quoted%22 name\"\r\n\r\ntext\r\n--wireline-"#,
        r#"Content-Disposition: form-data; name=\"file\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\ncontent\r\n--wireline-"#,
    ];
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.ends_with(r#"--\r\n" 0"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn trailers_come_behind_the_content() {
    let sum = async || {
        let (mut sender, body) = Body::channel();
        tokio::spawn(async move {
            let _ = sender.send("1;2".into()).await;
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("3"));
            sender.finish_with(trailers.into());
        });
        Response::new(body)
    };
    let routes = || Router::new().get("/", sum).build().unwrap();
    for client in [TestClient::new(routes()), TestClient::new(routes()).http2()] {
        let response = client.get("/").header("te", "trailers").await;
        assert_eq!(response.text(), "1;2");
        assert!(response.trailers.get("x-sum").is_some_and(|sum| sum == "3"));
        let mut stream = client
            .get("/")
            .header("te", "trailers")
            .stream()
            .await
            .unwrap();
        while stream.chunk().await.is_some() {
            assert!(stream.trailers().is_none());
        }
        assert_eq!(stream.trailers().map(|section| section.len()), Some(1));
    }
}
