//! Every named counter is moved by something that a client can do, by exactly one, and moves no counter that tells another story.

#[path = "support/talk.rs"]
mod talk;

use crate::talk::{pass, rest, send};
use tokio::io::AsyncWriteExt;
use wireline::Server;
use wireline::http1::driver::config::Config;
use wireline::resource::counters::Counter;
use wireline::router::{Router, Routes};
use wireline::service::body::Body;
use wireline::service::error::Error;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::{TestClient, TestServer};

fn routes() -> Routes {
    Router::new()
        .get("/", async || "hello")
        .get("/park", async || -> &'static str {
            std::future::pending().await
        })
        .get("/panic", async || -> &'static str {
            panic!("for the test")
        })
        .get("/invalid", async || {
            Response::text("").with_header("x", "a\r\nb")
        })
        .get("/large", async || vec![b'x'; 1024 * 1024])
        .get("/upgrade", async || {
            Response::upgrade("nothing", async |_| ())
        })
        .post("/length", length)
        .post("/ignore", async || Response::new(Body::empty()))
        .build()
        .unwrap()
}

async fn length(mut request: Request) -> Result<String, Error> {
    Ok(request.collect().await?.len().to_string())
}

/// What happens, and which counters besides the one it is for it may move.
struct Story {
    request: &'static str,
    then: Then,
    also: &'static [Counter],
}

/// How a story ends.
enum Then {
    /// The client reads to the end of the stream.
    Read,
    /// The client closes its side, and reads to the end.
    Fin,
    /// The client resets the connection.
    Reset,
    /// The client never reads.
    Wait,
    /// The server is forced to end.
    Force,
}

/// The story of each counter that one connection can move.
fn story(counter: Counter) -> Option<Story> {
    use Then::{Fin, Force, Read, Reset, Wait};
    let tell = |request, then, also| {
        Some(Story {
            request,
            then,
            also,
        })
    };
    match counter {
        Counter::ConnectionsAccepted | Counter::ConnectionsClosed => tell("", Fin, &[]),
        Counter::Requests | Counter::Responses => {
            tell("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Fin, &[])
        }
        Counter::RefusedMalformed => tell("GET / HTTP/1.1\r\n\r\n", Read, &[]),
        Counter::HeadTimeouts => tell("GET / HT", Read, &[]),
        Counter::SilentTimeouts => tell("", Read, &[]),
        Counter::BodyTimeouts => tell(
            "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
            Read,
            &[],
        ),
        Counter::IdleTimeouts => tell("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Read, &[]),
        Counter::WriteTimeouts => tell("GET /large HTTP/1.1\r\nHost: a\r\n\r\n", Wait, &[]),
        Counter::RefusedContentTooLarge => tell(
            "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            Read,
            &[],
        ),
        Counter::RefusedRequestLine => tell(LONG_LINE, Read, &[]),
        Counter::RefusedExpectation => tell(
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n",
            Read,
            &[],
        ),
        Counter::RefusedHeaderSection => tell(LONG_SECTION, Read, &[]),
        Counter::RefusedTransferCoding => tell(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            Read,
            &[],
        ),
        Counter::RefusedVersion => tell("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Read, &[]),
        Counter::HandlerPanics => tell("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n", Fin, &[]),
        Counter::HandlersCancelled => tell("GET /park HTTP/1.1\r\nHost: a\r\n\r\n", Fin, &[]),
        Counter::IncompleteRequests => tell("GET / HTTP/1.1\r\nHo", Fin, &[]),
        Counter::IoErrors => tell(
            "GET /park HTTP/1.1\r\nHost: a\r\n\r\n",
            Reset,
            &[Counter::HandlersCancelled],
        ),
        Counter::InvalidResponses => tell("GET /invalid HTTP/1.1\r\nHost: a\r\n\r\n", Fin, &[]),
        Counter::Upgrades => tell(
            "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: nothing\r\n\r\n",
            Read,
            &[],
        ),
        Counter::DrainForced => tell(
            "GET /park HTTP/1.1\r\nHost: a\r\n\r\n",
            Force,
            &[Counter::HandlersCancelled],
        ),
        _ => None,
    }
}

/// What every connection moves.
const USUAL: [Counter; 4] = [
    Counter::ConnectionsAccepted,
    Counter::ConnectionsClosed,
    Counter::Requests,
    Counter::Responses,
];

#[tokio::test(start_paused = true)]
async fn one_connection_moves_its_counter_by_one() {
    let mut told = 0;
    for counter in Counter::ALL.iter().copied() {
        let Some(Story {
            request,
            then,
            also,
        }) = story(counter)
        else {
            continue;
        };
        let client = TestClient::new(routes());
        let mut io = client.connect();
        let request = match request {
            LONG_LINE => format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000)),
            LONG_SECTION => format!(
                "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(9000)
            ),
            request => request.to_owned(),
        };
        send(&mut io, request).await;
        pass(0.1).await;
        match then {
            Then::Read => drop(rest(&mut io).await),
            Then::Fin => {
                io.shutdown().await.unwrap();
                rest(&mut io).await;
            }
            Then::Reset => io.reset(),
            Then::Wait => {}
            Then::Force => client.force(),
        }
        while client.connections() > 0 {
            pass(0.25).await;
        }
        assert_eq!(client.count(counter), 1, "{}", counter.name());
        let mut others = Counter::ALL
            .iter()
            .filter(|other| **other != counter && !USUAL.contains(other));
        assert!(
            others.all(|other| client.count(*other) == u64::from(also.contains(other))),
            "{} moves more than its own",
            counter.name()
        );
        assert_eq!(client.buffered(), 0, "{}", counter.name());
        told += 1;
    }
    assert_eq!(
        told + ELSEWHERE.len(),
        Counter::ALL.len(),
        "a counter has no story"
    );
}

/// A reset is an I/O error wherever it comes, and ends an incomplete request where a FIN does.
#[tokio::test(start_paused = true)]
async fn a_reset_is_counted_for_what_it_cuts_short() {
    let post = |length: usize| {
        format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nx")
    };
    let park = "GET /park HTTP/1.1\r\nHost: a\r\n\r\n";
    let cases = [
        ("GET / HTTP/1.1\r\nHo".to_owned(), true, false),
        (post(9), true, false),
        (post(100_000), true, true),
        (park.to_owned(), false, true),
        // As much read ahead as there may be, behind which a read sees nothing.
        (format!("{park}{}", "\n".repeat(60_000)), false, true),
    ];
    for (request, incomplete, cancelled) in cases {
        let client = TestClient::new(routes());
        let mut io = client.connect();
        send(&mut io, &request).await;
        pass(0.1).await;
        io.reset();
        pass(3.0).await;
        let case = &request[..request.len().min(60)];
        assert_eq!(client.connections(), 0, "{case}");
        let count = |counter| client.count(counter) == 1;
        assert_eq!(client.count(Counter::IoErrors), 1, "{case}");
        assert_eq!(count(Counter::IncompleteRequests), incomplete, "{case}");
        assert_eq!(count(Counter::HandlersCancelled), cancelled, "{case}");
    }
}

/// Counters whose story takes more than one connection in memory, or limits that are off unless asked for: the
/// tests below, `tests/protocol/s11_limits_and_failures.rs`, for descriptors that run out
/// `out_of_descriptors_the_server_backs_off` of `tests/protocol`, and `tests/deadlines/age.rs`, for TLS `tests/tls.rs`, for HTTP/2 `tests/http2.rs`,
/// for proxies `tests/proxy.rs`, for workers that are blocked `tests/handover.rs`. Those of
/// WebSockets have theirs in `tests/ws_socket.rs`, `tests/ws_handlers.rs` and `tests/ws_messages.rs`.
const ELSEWHERE: [Counter; 47] = [
    Counter::HandoversFailed,
    Counter::WorkersBlocked,
    Counter::Http2Connections,
    Counter::Http2StreamsReset,
    Counter::Http2ProtocolErrors,
    Counter::Http2PingTimeouts,
    Counter::Http2ResetFloods,
    Counter::Http2ErrorFloods,
    Counter::Http2PriorityFloods,
    Counter::Http2WindowUpdateFloods,
    Counter::Http2PingFloods,
    Counter::Http2SettingsFloods,
    Counter::Http2EmptyFrameFloods,
    Counter::Http2TableSizeFloods,
    Counter::Http2OverheadFloods,
    Counter::Http2Warnings,
    Counter::Http2StreamIdleTimeouts,
    Counter::Http2OtherFloods,
    Counter::WebSocketsOpened,
    Counter::WebSocketsClosedClean,
    Counter::WebSocketsClosedUnclean,
    Counter::WebSocketProtocolErrors,
    Counter::WebSocketMessagesDropped,
    Counter::WebSocketQueueOverflows,
    Counter::WebSocketPingTimeouts,
    Counter::WebSocketRateLimited,
    Counter::WebSocketHandlerErrors,
    Counter::RefusedProxySource,
    Counter::RefusedProxyHeader,
    Counter::ProxyHeaderTimeouts,
    Counter::ConnectionsRefused,
    Counter::AcceptErrors,
    Counter::AcceptsPaused,
    Counter::AcceptsPaced,
    Counter::RefusedInFlight,
    Counter::ConnectionsRetired,
    Counter::ShedRequests,
    Counter::ShedConnections,
    Counter::ReadsPaused,
    Counter::TlsHandshakes,
    Counter::TlsResumed,
    Counter::TlsFailures,
    Counter::TlsTimeouts,
    Counter::TlsHandshakesPaused,
    Counter::RefusedPlainHttp,
    Counter::CertificateReloads,
    Counter::CertificateReloadFailures,
];

#[test]
fn a_connection_beyond_the_limit_is_refused() {
    let server = TestServer::start(Server::new(routes()).max_connections(0));
    let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(
        server.handle().metrics().get(Counter::ConnectionsRefused),
        1
    );
    assert_eq!(
        server.handle().metrics().get(Counter::ConnectionsAccepted),
        0
    );
}

/// Handlers that wait with as much read ahead behind them fill a budget of 100,000 octets.
async fn fill(
    client: &TestClient,
    connections: usize,
) -> Vec<wireline::resource::io::memory::MemoryStream> {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut io = client.connect();
        send(&mut io, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n").await;
        send(&mut io, [b'\n'; 100]).await;
        held.push(io);
    }
    pass(0.01).await;
    held
}

#[tokio::test(start_paused = true)]
async fn a_short_budget_sheds_requests_then_connections() {
    // Beyond 95 %, and nobody waits for his peer, so that nobody may go.
    let client = TestClient::with_budget(routes(), Config::default(), 101_000);
    let held = fill(&client, 6).await;
    assert!(client.buffered() >= 95_950, "{}", client.buffered());
    let mut late = client.connect();
    send(&mut late, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = rest(&mut late).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"),
        "{answer}"
    );
    assert_eq!(client.count(Counter::ShedRequests), 1);
    assert_eq!(client.count(Counter::ShedConnections), 0);
    drop(held);
    // Beyond 98 % those who hold most go at once.
    let client = TestClient::with_budget(routes(), Config::default(), 100_000);
    let held = fill(&client, 6).await;
    let shed = client.count(Counter::ShedConnections);
    assert!((1..=3).contains(&shed), "{shed}");
    assert_eq!(client.count(Counter::HandlersCancelled), shed);
    assert!(client.buffered() < 95_000, "{}", client.buffered());
    assert_eq!(client.get("/").await.status, 200, "there is room again");
    assert_eq!(client.count(Counter::ShedRequests), 0);
    drop(held);
    pass(3.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

/// Whoever has gathered much of its content already reads no more while the budget is short, and goes on when it is not.
#[tokio::test(start_paused = true)]
async fn a_short_budget_pauses_reading() {
    let client = TestClient::with_budget(routes(), Config::default(), 100_000);
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
    let mut large = client.connect();
    send(&mut large, head).await;
    send(&mut large, [b'x'; 20_000]).await;
    pass(0.01).await;
    let held = fill(&client, 3).await;
    assert!(
        (80_000..95_000).contains(&client.buffered()),
        "{}",
        client.buffered()
    );
    assert_eq!(client.count(Counter::ReadsPaused), 0);
    send(&mut large, [b'x'; 40_000]).await;
    pass(3.0).await;
    assert!(client.count(Counter::ReadsPaused) > 0);
    assert_eq!(large.unread_by_peer(), 40_000, "it read on");
    drop(held);
    let answer = talk::response(&mut large).await;
    assert!(answer.ends_with("\r\n\r\n60000"), "{answer}");
    drop(large);
    pass(3.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

const LONG_LINE: &str = "a request line that is too long";
const LONG_SECTION: &str = "a header section that is too long";
