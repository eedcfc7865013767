//! The spans of requests (SPEC S127 to S131, D34, D40). In a file of its own: a span that another thread met first, without a subscriber, stays off.
#![cfg(feature = "app")]

#[path = "support/spans.rs"]
mod spans;

use spans::seen_by;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::Level;
use wireline::app::App;
use wireline::layer::request_id::RequestIds;
use wireline::layer::trace::Traces;
use wireline::layer::trace_context::TraceContext;
use wireline::service::layer::{Before, Layer, Note};
use wireline::service::problem::Problem;
use wireline::service::response::Response;
use wireline::test::TestClient;
use wireline::{Body, Error, Request, Router};

fn router() -> Router {
    Router::new().get("/users/{id}", async || {
        tracing::info!("in the handler");
        Response::text("Ada").with_status(http::StatusCode::CREATED)
    })
}

fn traced(traces: Traces) -> TestClient {
    TestClient::new(router().layer(traces).build().unwrap())
}

/// D34: the names of both worlds; `http.route` is the pattern, and the query is nowhere. The paved path and a layer give the same.
#[test]
fn d40_d34_a_span_for_each_request_with_the_names_of_both_worlds() {
    let (all, ()) = seen_by(async || {
        let client = TestClient::new(App::new(router()).build().unwrap());
        assert_eq!(client.get("/users/7?token=secret").await.status, 201);
        let layers = router().layer(Traces::new()).layer(RequestIds::new());
        let client = TestClient::new(layers.build().unwrap());
        assert_eq!(client.get("/users/7?token=secret").await.status, 201);
        let own = App::new(router()).request_ids(RequestIds::new());
        let client = TestClient::new(own.build().unwrap());
        assert_eq!(client.get("/users/7?token=secret").await.status, 201);
        let quiet = TestClient::new(App::new(router()).spans(false).build().unwrap());
        assert_eq!(quiet.get("/users/7").await.status, 201);
        let alone = TestClient::new(router().build().unwrap());
        assert_eq!(alone.get("/users/7").await.status, 201);
    });
    let requests = all.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    for fields in requests {
        for (name, value) in [
            ("http.method", "GET"),
            ("http.request.method", "GET"),
            ("http.route", "/users/{id}"),
            ("url.path", "/users/7"),
            ("url.scheme", "http"),
            ("otel.name", "GET /users/{id}"),
            ("http.status_code", "201"),
            ("http.response.status_code", "201"),
            ("otel.kind", "server"),
        ] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(fields["http.request_id"].len(), 36);
        assert_eq!(fields["trace_id"].len(), 32);
        assert_eq!(fields["span_id"].len(), 16);
        assert_eq!(fields["http.latency_ms"], "0.0");
        assert!(!format!("{fields:?}").contains("secret"));
        // Nothing but those.
        assert_eq!(fields.len(), 13, "{fields:?}");
    }
    // The handler's own event is inside it, where there is one.
    assert_eq!(all.events, [true, true, true, false, false]);
}

/// What clients make up stands in no field that has few values.
#[test]
fn d34_other_methods_and_paths_without_a_route() {
    let (all, ()) = seen_by(async || {
        let client = traced(Traces::new());
        let brew = http::Method::from_bytes(b"BREW").unwrap();
        assert_eq!(client.method(brew, "/users/7").await.status, 405);
        assert_eq!(client.get("/nowhere").await.status, 404);
    });
    let requests = all.requests();
    let said = |place: usize, name: &str| requests[place].get(name).map(String::as_str);
    for (place, name, value) in [
        (0, "http.request.method", Some("_OTHER")),
        (0, "http.request.method_original", Some("BREW")),
        (0, "http.route", Some("/users/{id}")),
        (0, "otel.name", Some("HTTP /users/{id}")),
        (1, "http.request.method", Some("GET")),
        (1, "http.request.method_original", None),
        (1, "http.route", None),
        (1, "otel.name", Some("GET")),
    ] {
        assert_eq!(said(place, name), value, "{place} {name}");
    }
}

/// The requests of a connection are inside its span, each stream of HTTP/2 in one more; a span of the caller's is around neither.
#[cfg(feature = "http2")]
#[test]
fn s128_s129_requests_are_inside_their_connection() {
    let (all, ()) = seen_by(async || {
        let client = TestClient::new(App::new(router()).build().unwrap());
        let mut stream = client.connect();
        let request = b"GET /users/1 HTTP/1.1\r\nhost: a\r\n\r\n";
        stream.write_all(&request.repeat(2)).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 201 ").count(), 2);

        let (mut requests, connection) =
            h2::client::handshake(client.connect_http2()).await.unwrap();
        let connection = tokio::spawn(connection);
        for _ in 0..2 {
            let request = http::Request::get("http://a/users/1").body(()).unwrap();
            let (response, _) = requests.send_request(request, true).unwrap();
            assert_eq!(response.await.unwrap().status(), 201);
        }
        drop(requests);
        connection.await.unwrap().unwrap();
    });
    let (connections, streams) = (all.named("http.connection"), all.named("h2.stream"));
    assert_eq!(
        (connections.len(), streams.len()),
        (2, 2),
        "{:?}",
        all.spans
    );
    for place in &connections {
        assert_eq!(all.parents[*place], None);
        assert!(!all.spans[*place].1["peer.addr"].is_empty());
    }
    let parents: Vec<_> = (all.named("http.request").iter())
        .map(|place| all.parents[*place].unwrap())
        .collect();
    assert_eq!(
        parents,
        [connections[0], connections[0], streams[0], streams[1]]
    );
    for place in streams {
        assert_eq!(all.parents[place], Some(connections[1]));
    }
}

#[test]
fn what_is_skipped_or_below_the_level_has_no_span() {
    let (all, ()) = seen_by(async || {
        let ask = async |traces: Traces, path: &str| {
            assert_eq!(traced(traces).get(path).await.status, 201);
        };
        ask(Traces::new().skip("/users/7"), "/users/7").await;
        ask(Traces::new().skip("/users/{id}"), "/users/8").await;
        let asked = |request: &Request| request.header("probe").is_none();
        ask(Traces::new().skip_when(asked), "/users/9").await;
        assert_eq!(all_levels().len(), 5);
        for level in all_levels() {
            ask(Traces::new().level(level).skip("/users"), "/users/1").await;
        }
    });
    assert_eq!(all.requests().len(), 5);
    assert!(
        all.requests()
            .iter()
            .all(|fields| fields["url.path"] == "/users/1")
    );
}

fn all_levels() -> [Level; 5] {
    [
        Level::ERROR,
        Level::WARN,
        Level::INFO,
        Level::DEBUG,
        Level::TRACE,
    ]
}

#[test]
fn a_query_is_recorded_as_the_redactor_makes_it() {
    let (all, ()) = seen_by(async || {
        let redact = |query: &str| query.replace("secret", "***");
        let client = traced(Traces::new().query(redact));
        client.get("/users/7?token=secret&page=2").await;
        client.get("/users/7").await;
    });
    let queries: Vec<_> = all
        .requests()
        .iter()
        .map(|fields| fields.get("url.query").cloned())
        .collect();
    assert_eq!(queries, [Some("token=***&page=2".to_owned()), None]);
}

/// W3C Trace Context: a parent by the grammar is continued, anything else begins a new trace.
#[test]
fn traceparent_in_and_out() {
    let show = async |context: TraceContext, again: TraceContext| {
        assert_eq!(context, again);
        let fields = context
            .fields()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let caller = context.caller_id().map(|id| format!("{id:02x?}"));
        format!("{}\n{caller:?}", fields.collect::<Vec<_>>().join("\n"))
    };
    let routes = |traces: Option<Traces>| {
        let router = Router::new().get("/", show);
        let router = match traces {
            Some(traces) => router.layer(traces),
            None => router,
        };
        TestClient::new(router.build().unwrap())
    };
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (all, ()) = seen_by(async || {
        // With the layer and without, a handler gets the same.
        for client in [routes(Some(Traces::new())), routes(None)] {
            let reply = client
                .get("/")
                .header("traceparent", PARENT)
                .header("tracestate", "a=1 , b=2")
                .await;
            let text = reply.text();
            assert!(
                text.starts_with(&format!("traceparent: 00-{TRACE}-")),
                "{text}"
            );
            assert!(text.contains("-01\ntracestate: a=1,b=2\n"), "{text}");
            assert!(
                !text.contains("b7ad6b7169203331"),
                "a span of its own: {text}"
            );
            assert!(
                text.ends_with("Some(\"[b7, ad, 6b, 71, 69, 20, 33, 31]\")"),
                "{text}"
            );
            assert_eq!(reply.header("traceparent"), None);
            // One malformed state is forgotten, and the parent is not.
            let reply = client
                .get("/")
                .header("traceparent", PARENT)
                .header("tracestate", "A=1")
                .await;
            assert!(reply.text().contains(TRACE) && !reply.text().contains("tracestate"));
            for wrong in [
                PARENT.to_uppercase(),
                format!("{PARENT}-"),
                format!("{PARENT},{PARENT}"),
                "x".repeat(5000),
            ] {
                let reply = client.get("/").header("traceparent", wrong.as_str()).await;
                assert!(!reply.text().contains(TRACE), "{wrong}");
            }
            let reply = client
                .get("/")
                .header("traceparent", PARENT)
                .header("traceparent", PARENT)
                .await;
            assert!(!reply.text().contains(TRACE), "two parents are none");
        }
        let distrusts = routes(Some(Traces::new().continue_traces(false)));
        let reply = distrusts.get("/").header("traceparent", PARENT).await;
        assert!(!reply.text().contains(TRACE));
        let responds = routes(Some(Traces::new().respond(true)));
        let reply = responds.get("/").header("traceparent", PARENT).await;
        let own = reply.header("traceparent").unwrap();
        assert!(own.contains(TRACE) && reply.text().contains(own));
        // Somebody else's spans have the last word.
        let hook = |_: &tracing::Span, _: &Request| TraceContext::new([7; 16], [9; 8], false);
        let reply = routes(Some(Traces::new().on_span(hook))).get("/").await;
        assert!(reply.text().starts_with(&format!(
            "traceparent: 00-{}-{}-00",
            "07".repeat(16),
            "09".repeat(8)
        )));
    });
    let requests = all.requests();
    assert_eq!(requests[0]["trace_id"], TRACE);
    assert_eq!(
        requests
            .iter()
            .filter(|fields| fields["trace_id"] == TRACE)
            .count(),
        3
    );
    // No subscriber, and the response says it all the same.
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async {
            let reply = routes(Some(Traces::new().respond(true)))
                .get("/")
                .header("traceparent", PARENT)
                .await;
            assert!(reply.header("traceparent").unwrap().contains(TRACE));
        });
}

/// What goes wrong is told: 5xx, a panic, a client that went away. The paved path and a layer tell the same.
#[test]
fn s127_failures_are_recorded() {
    let router = || {
        Router::new()
            .get("/fails", async || http::StatusCode::BAD_GATEWAY)
            .get("/missing", async || http::StatusCode::NOT_FOUND)
            .get("/says", async || {
                Err::<(), _>(Error::internal("the disk is full"))
            })
            .get("/problem", async || {
                Err::<(), _>(Problem::from(Error::internal("the disk is slow")))
            })
            .get("/panics", async || -> () { panic!("a fault") })
            .get("/called", || -> std::future::Ready<()> {
                panic!("a fault")
            })
            .get("/hangs", async || std::future::pending::<()>().await)
    };
    for paved in [false, true] {
        let (all, ()) = seen_by(async || {
            let client = if paved {
                TestClient::new(App::new(router()).build().unwrap())
            } else {
                TestClient::new(router().layer(Traces::new()).build().unwrap())
            };
            for (path, status) in [
                ("/fails", 502),
                ("/missing", 404),
                ("/panics", 500),
                ("/called", 500),
                ("/says", 500),
                ("/problem", 500),
            ] {
                assert_eq!(client.get(path).await.status, status);
            }
            let mut gone = client.connect();
            gone.write_all(b"GET /hangs HTTP/1.1\r\nhost: a\r\n\r\n")
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(gone);
            tokio::time::sleep(Duration::from_secs(10)).await;
        });
        let requests = all.requests();
        let said = |place: usize, name: &str| requests[place].get(name).map(String::as_str);
        for (place, status, kind, otel) in [
            (0, Some("502"), Some("502"), Some("ERROR")),
            (1, Some("404"), None, None),
            (2, Some("500"), Some("panic"), Some("ERROR")),
            (3, Some("500"), Some("panic"), Some("ERROR")),
            (4, Some("500"), Some("500"), Some("ERROR")),
            (6, None, Some("cancelled"), None),
        ] {
            assert_eq!(said(place, "http.response.status_code"), status, "{place}");
            assert_eq!(said(place, "error.type"), kind, "{place}");
            assert_eq!(said(place, "otel.status_code"), otel, "{place}");
        }
        let told: Vec<_> = (all.said.iter().zip(&all.inside))
            .filter(|(said, _)| said.contains_key("http.response.status_code"))
            .map(|(said, inside)| {
                let error = said.get("error").map(String::as_str);
                (said["message"].as_str(), error, *inside)
            })
            .collect();
        let answered_500 = |error| ("a request was answered 500", error, true);
        assert_eq!(
            told,
            [
                ("a request was answered 502", None, true),
                answered_500(None),
                answered_500(None),
                answered_500(Some("the disk is full")),
                answered_500(Some("the disk is slow")),
            ],
            "each once, inside the request's span, and why"
        );
    }
}

/// A limiter that fails is told of, with the reason, inside the request's span.
#[test]
fn d16_a_limiter_that_fails_is_told() {
    use wireline::layer::rate_limit::{
        Key, LimiterFailed, OnFailure, Quota, QuotaLimiter, RateLimit, Spending,
    };

    struct Away;

    impl QuotaLimiter for Away {
        fn spend(&self, _: &Key, _: u32, _: &Quota) -> Spending {
            Spending::Later(Box::pin(async {
                Err(LimiterFailed::new("nobody is there"))
            }))
        }
    }

    let limit = || RateLimit::new(1, Duration::from_secs(60)).limiter(Away);
    let (all, ()) = seen_by(async || {
        for (what, status) in [(OnFailure::Allow, 201), (OnFailure::Refuse, 503)] {
            let limit = limit().on_failure(what, Duration::from_secs(1));
            let client = TestClient::new(App::new(router().layer(limit)).build().unwrap());
            assert_eq!(client.get("/users/7").await.status, status);
        }
    });
    let told: Vec<_> = (all.said.iter().zip(&all.inside))
        .filter_map(|(said, inside)| Some((said.get("limit")?, said.get("error")?, *inside)))
        .collect();
    let reason = "the rate limiter failed: nobody is there".to_owned();
    assert_eq!(told, [(&"default".to_owned(), &reason, true); 2]);
}

/// What panics before there is a handler: a layer further in, and what the application has to say about spans.
#[test]
fn s127_a_panic_before_the_handler_is_recorded_and_answered() {
    struct Falls;
    impl Layer for Falls {
        fn before(&self, _: &mut Request, _: &mut Note) -> Before {
            panic!("a fault")
        }
        fn after(&self, _: &mut Note, _: &mut Response) {}
    }
    let (all, ()) = seen_by(async || {
        let falls = || router().layer(Falls);
        let layered = TestClient::new(falls().layer(Traces::new()).build().unwrap());
        assert_eq!(layered.get("/users/7").await.status, 500);
        let hook = |_: &tracing::Span, _: &Request| panic!("a fault");
        let hooked = App::new(router()).traces(Traces::new().on_span(hook));
        for app in [App::new(falls()), hooked] {
            let client = TestClient::new(app.build().unwrap());
            let reply = client.get("/users/7").await;
            assert_eq!(reply.status, 500);
            assert!(reply.header("x-request-id").is_some());
        }
    });
    let kinds: Vec<_> = (all.requests().iter())
        .map(|fields| fields.get("error.type").map(String::as_str))
        .collect();
    assert_eq!(kinds, [Some("panic"); 3]);
}

/// A span is not entered while its handler waits: two requests that take turns do not stand in each other's.
#[test]
fn d28_no_span_stays_entered_across_an_await() {
    let (all, ()) = seen_by(async || {
        let slow = async |wireline::extract::Path(id): wireline::extract::Path<u32>| {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                tracing::info!(id, "awake");
            }
            Body::empty()
        };
        let router = Router::new().get("/{id}", slow).layer(Traces::new());
        let client = TestClient::new(router.build().unwrap());
        let ((), ()) = tokio::join!(async { drop(client.get("/1").await) }, async {
            drop(client.get("/2").await)
        });
    });
    let awake = all
        .said
        .iter()
        .zip(&all.within)
        .filter(|(said, _)| said.contains_key("id"));
    let mut count = 0;
    for (said, within) in awake {
        let requests: Vec<_> = within
            .iter()
            .filter(|place| all.spans[**place].0 == "http.request")
            .collect();
        assert_eq!(requests.len(), 1);
        assert_eq!(
            all.spans[*requests[0]].1["url.path"],
            format!("/{}", said["id"])
        );
        count += 1;
    }
    assert_eq!(count, 6);
}

/// S131, and what a handler of a socket says is inside the span of the request that opened it.
#[cfg(feature = "websocket")]
#[test]
fn s131_the_life_of_a_websocket_is_told_inside_its_request() {
    use wireline::ws::socket::WebSocket;
    let (all, ()) = seen_by(async || {
        let greet = async |mut socket: WebSocket| {
            tracing::info!("in the handler");
            while socket.recv().await.is_some() {}
        };
        let routes = Router::new().websocket("/open", greet).layer(Traces::new());
        let client = TestClient::new(routes.build().unwrap());
        let mut io = client.connect();
        io.write_all(
            b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        io.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\x88\x02\x03\xe8"));
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let said: Vec<_> = all
        .said
        .iter()
        .map(|said| said["message"].as_str())
        .collect();
    assert_eq!(
        said,
        [
            "WebSocket connected",
            "in the handler",
            "WebSocket closed",
            "WebSocket completed"
        ]
    );
    assert_eq!(all.said[2]["clean"], "true");
    assert_eq!(all.inside, [true; 4]);
    assert_eq!(all.requests()[0]["http.response.status_code"], "101");
}

/// Nothing that a socket's request carries as a token stands in a span or an event, whoever asks and whatever becomes of it.
#[cfg(feature = "websocket")]
#[test]
fn the_tokens_of_a_socket_are_nowhere() {
    use wireline::ws::origin::Policy;
    use wireline::ws::route::guard::guarded;
    use wireline::ws::route::token::Token;
    use wireline::ws::socket::WebSocket;

    async fn greet(mut socket: WebSocket) {
        tracing::info!("in the handler");
        let _ = socket.send("welcome").await;
        while socket.recv().await.is_some() {}
    }
    let refuse = async |_: Token| Err::<(), _>(http::StatusCode::FORBIDDEN);
    let routes = || {
        Router::new()
            .websocket("/open/{id}", greet)
            .websocket("/token", async |socket: WebSocket, _: Token| {
                greet(socket).await
            })
            .websocket("/guarded", guarded(refuse, greet))
            .websocket_with(
                "/foreign",
                |upgrade| upgrade.origin(Policy::SameOrigin),
                greet,
            )
            .websocket("/panics", async |_: WebSocket| -> () { panic!("a fault") })
            .websocket("/fails", async |_: WebSocket, _: Token| {
                Err::<(), _>(Error::internal("the disk is full"))
            })
            .websocket("/forbids", async |_: WebSocket, _: Token| {
                Err::<(), _>((http::StatusCode::FORBIDDEN, "members only"))
            })
            .websocket("/leaves", async |socket: WebSocket, _: Token| {
                socket.close(())?;
                socket.send("too late").await
            })
    };
    let (all, asked) = seen_by(async || {
        let mut asked = 0;
        let client = TestClient::new(App::new(routes()).build().unwrap());
        for path in [
            "/open/7", "/token", "/guarded", "/foreign", "/panics", "/fails", "/forbids",
            "/leaves", "/nowhere",
        ] {
            for frames in [&b""[..], b"\x81\x86\0\0\0\0secret", b"\x81\x06secret"] {
                let mut io = client.connect();
                // Whoever brings credentials from elsewhere opens nothing.
                let origin = if path == "/foreign" { "secret" } else { "a" };
                let request = format!(
                    "GET {path}?token=secret&a=secret HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: http://{origin}\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer secret\r\n\
                         Sec-WebSocket-Protocol: bearer.secret\r\n\r\n"
                );
                io.write_all(request.as_bytes()).await.unwrap();
                let mut head = [0; 12];
                io.read_exact(&mut head).await.unwrap();
                let _ = io.write_all(frames).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                asked += 1;
            }
        }
        drop(client);
        asked
    });
    let routes: Vec<_> = all
        .spans
        .iter()
        .filter_map(|(_, fields)| fields.get("http.route"))
        .collect();
    assert!(
        routes.len() >= asked - 3 && routes.iter().any(|route| *route == "/open/{id}"),
        "{routes:?}"
    );
    assert!(
        all.events.contains(&true) || all.events.contains(&false),
        "handlers ran"
    );
    // What handlers failed with is told, and what only says that the socket has ended is not.
    let failed = |message: &str| {
        let message = format!("a handler of a WebSocket failed: {message}");
        let all = all
            .said
            .iter()
            .filter(|said| said.get("message") == Some(&message));
        all.map(|said| {
            (
                said.get("status").map(String::as_str),
                said.get("source").map(String::as_str),
            )
        })
        .collect::<Vec<_>>()
    };
    let fails = failed("internal server error");
    assert_eq!(fails, [(Some("500"), Some("the disk is full")); 3]);
    assert_eq!(failed("members only"), [(Some("403"), None); 3]);
    let all_failed = all
        .said
        .iter()
        .filter(|said| said.contains_key("status"))
        .count();
    assert_eq!(all_failed, 6, "{:?}", all.said);
    let said = format!("{:?} {:?}", all.spans, all.said);
    assert!(!said.contains("secret"), "{said}");
}
