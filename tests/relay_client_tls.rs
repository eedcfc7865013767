//! The relay's client over TLS, WebSocket and event stream, against the library's own server.

#[allow(dead_code, reason = "each test takes what it needs of it")]
#[path = "tls/common.rs"]
mod common;

use common::{Authority, secure_addr, within};
use std::net::SocketAddr;
use std::time::Duration;
use wireline::relay::client::{
    Backoff, Builder, DialError, Event, RelayClient, Status, Subscription,
};
use wireline::relay::{Relay, RelayConfig};
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::test::TestServer;
use wireline::ws::client::ConnectError;
use wireline::{Router, Server};

/// A relay behind TLS, of a server without WebSockets if it is told so.
fn serve(authority: &Authority, sockets: bool) -> (Relay, TestServer, SocketAddr) {
    let relay = Relay::new(RelayConfig::default().sse("/sse"));
    let judge = move |request: Request, next: Next| async move {
        if request.path() == "/ws" && !sockets {
            return Response::new(()).with_status(http::StatusCode::NOT_IMPLEMENTED);
        }
        next.run(request).await
    };
    let routes = Router::new()
        .relay(&relay)
        .middleware(judge)
        .build()
        .unwrap();
    let server = Server::new(routes).bind_tls("127.0.0.1:0", authority.tls("localhost"));
    let server = TestServer::start(server);
    let addr = secure_addr(server.handle());
    (relay, server, addr)
}

fn builder(addr: SocketAddr) -> Builder {
    RelayClient::builder(format!("wss://localhost:{}/ws", addr.port())).backoff(Backoff {
        first: Duration::from_millis(5),
        ceiling: Duration::from_millis(20),
    })
}

async fn hears(relay: &Relay, subscription: &mut Subscription) {
    let begun = within(subscription.next()).await;
    assert!(matches!(begun, Some(Event::Subscribed(_))), "{begun:?}");
    relay.push("news", "n", "hello").await.unwrap();
    match within(subscription.next()).await {
        Some(Event::Push(push)) => assert_eq!(push.json::<String>().unwrap(), "hello"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_socket_over_tls() {
    let authority = Authority::new();
    let (relay, _server, addr) = serve(&authority, true);
    let client = builder(addr).roots(authority.pem()).unwrap();
    let client = within(client.connect()).await.unwrap();
    let mut news = client.subscribe("news").unwrap();
    hears(&relay, &mut news).await;
    within(client.ping()).await.unwrap();
    assert_eq!(client.status(), Status::Connected);
    drop(news);
    within(client.close()).await;
}

#[tokio::test]
async fn a_stream_over_tls() {
    let authority = Authority::new();
    let (relay, _server, addr) = serve(&authority, false);
    for only in [false, true] {
        let mut client = builder(addr).roots(authority.pem()).unwrap();
        if only {
            client = client.event_stream_only();
        }
        let client = client.start();
        let mut news = client.subscribe("news").unwrap();
        hears(&relay, &mut news).await;
        assert_eq!(client.status(), Status::Reading);
        drop(news);
        within(client.close()).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    let authority = Authority::new();
    let (_relay, _server, addr) = serve(&authority, true);
    let stranger = || builder(addr).roots(Authority::new().pem()).unwrap();
    match within(stranger().connect()).await {
        Err(DialError::Connect(ConnectError::Tls(error))) => {
            assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // A name that is not the certificate's.
    let other = RelayClient::builder(format!("wss://{addr}/ws"));
    let other = other.roots(authority.pem()).unwrap();
    match within(other.connect()).await {
        Err(DialError::Connect(ConnectError::Tls(error))) => {
            assert!(error.to_string().contains("not valid for name"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // Who waits for a connection is told why there is none, by socket and by stream.
    for only in [false, true] {
        let mut client = stranger();
        if only {
            client = client.event_stream_only();
        }
        let client = client.start();
        let _news = client.subscribe("news").unwrap();
        within(async {
            let mut status = client.status();
            while !matches!(&status, Status::Waiting(why) if why.contains("UnknownIssuer")) {
                assert_ne!(status, Status::Connected);
                status = client.changed(&status).await;
            }
        })
        .await;
    }
}
