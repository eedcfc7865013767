//! Request ids (SPEC S125, S126, D23) as a layer, over HTTP/1.1, HTTP/2 and before an upgrade.

use bytes::Bytes;
use std::collections::HashSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::layer::cors::Cors;
use wireline::layer::rate_limit::RateLimit;
use wireline::layer::request_id::{NoRequestId, RequestId, RequestIds};
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::service::handler::Service;
use wireline::service::trusted::TrustedProxies;
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Router};

fn router() -> Router {
    Router::new()
        .get("/", async |id: RequestId| id.to_string())
        .get("/perhaps", async |id: Option<RequestId>| {
            id.map_or_else(|| "none".to_owned(), |id| id.to_string())
        })
        .get("/result", async |id: Result<RequestId, NoRequestId>| {
            id.map_or_else(|none| none.to_string(), |id| id.to_string())
        })
        .websocket("/socket", async |socket: WebSocket, id: RequestId| {
            let _ = socket.send(id.to_string()).await;
        })
}

fn is_version_4(id: &str) -> bool {
    let id = uuid::Uuid::try_parse(id).unwrap();
    id.get_version_num() == 4
}

#[tokio::test]
async fn s75_s125_every_response_says_the_id_that_its_handler_saw() {
    let routes = router().layer(RequestIds::new()).build().unwrap();
    let client = TestClient::new(routes);
    let mut ids = HashSet::new();
    for path in ["/", "/", "/perhaps", "/result"] {
        let reply = client.get(path).await;
        assert_eq!(reply.header("x-request-id"), Some(reply.text()));
        assert!(is_version_4(reply.text()) && ids.insert(reply.text().to_owned()));
    }
    for (method, path) in [(http::Method::GET, "/nowhere"), (http::Method::PUT, "/")] {
        let reply = client.method(method, path).await;
        assert!(is_version_4(reply.header("x-request-id").unwrap()));
    }
    // Whatever a client says, by itself it chooses nothing.
    let reply = client.get("/").header("x-request-id", "mine").await;
    assert!(is_version_4(reply.header("x-request-id").unwrap()));

    let (mut requests, connection) = h2::client::handshake(client.connect_http2()).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://a/").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let mut response = response.await.unwrap();
    let text: Bytes = response.body_mut().data().await.unwrap().unwrap();
    assert_eq!(response.headers()["x-request-id"].as_bytes(), text);
    drop::<h2::client::SendRequest<Bytes>>(requests);
}

#[tokio::test]
async fn s125_a_handler_of_a_websocket_has_it_too() {
    let routes = router().layer(RequestIds::new()).build().unwrap();
    let mut io = TestClient::new(routes).connect();
    io.write_all(
        b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x88\x80\0\0\0\0",
    )
    .await
    .unwrap();
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let id = answer.split("x-request-id: ").nth(1).unwrap();
    let id = id.split('\r').next().unwrap();
    assert!(is_version_4(id));
    assert_eq!(
        answer.matches(id).count(),
        2,
        "in the head and in the message: {answer}"
    );
}

#[tokio::test]
async fn s126_cors_exposes_the_id_of_what_went_well_and_of_what_was_refused() {
    const APP: &str = "https://app.example";
    let routes = router()
        .layer(RequestIds::new())
        .layer(Cors::new().origins([APP]).expose_headers(["x-request-id"]))
        .layer(RateLimit::new(1, Duration::from_secs(3600)));
    let client = TestClient::new(routes.build().unwrap());
    let mut ids = HashSet::new();
    for status in [200, 429] {
        let reply = client.get("/").header("origin", APP).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("access-control-allow-origin"), Some(APP));
        assert_eq!(
            reply.header("access-control-expose-headers"),
            Some("x-request-id")
        );
        let id = reply.header("x-request-id").unwrap();
        assert!(is_version_4(id) && ids.insert(id.to_owned()));
    }
}

#[tokio::test]
async fn without_the_layer_there_is_none() {
    let client = TestClient::new(router().build().unwrap());
    let reply = client.get("/").await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (500, "internal server error")
    );
    assert_eq!(client.get("/perhaps").await.text(), "none");
    let told = client.get("/result").await;
    assert!(told.text().contains("no `RequestIds`"), "{}", told.text());
}

#[tokio::test]
async fn the_field_can_be_another_and_the_nearest_layer_counts() {
    let named = RequestIds::new().header("X-Correlation-ID").unwrap();
    assert!(RequestIds::new().header("no token").is_err());
    let group = Router::new().layer(named).get("/", async || "group");
    let routes = router()
        .layer(RequestIds::new())
        .nest("/group", group)
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let reply = client.get("/group").await;
    assert!(reply.header("x-correlation-id").is_some() && reply.header("x-request-id").is_none());
}

/// D23: fresh unless a trusted proxy says a valid one.
#[tokio::test]
async fn d23_an_id_is_taken_from_trusted_proxies_alone() {
    let ask = async |on: bool, peer: [u8; 4], sent: &[&[u8]]| {
        let ids = RequestIds::new().from_trusted_proxies(on);
        let routes = router().layer(ids).build().unwrap();
        let service = TrustedProxies::new(["10.0.0.0/8"]).unwrap().around(routes);
        let mut request = Request::get("/");
        let peer = PeerAddr::Inet((peer, 4711).into());
        request.extensions_mut().insert(ConnInfo {
            peer,
            ..ConnInfo::default()
        });
        for value in sent {
            let value = http::HeaderValue::from_bytes(value).unwrap();
            let name = http::HeaderName::from_static("x-request-id");
            request.headers_mut().append(name, value);
        }
        let response = service.call(request).await;
        let text = String::from_utf8(response.body().as_bytes().unwrap().to_vec()).unwrap();
        assert!(
            response
                .headers()
                .get("x-request-id")
                .is_some_and(|said| said == text.as_str())
        );
        text
    };
    let (proxy, client) = ([10, 1, 2, 3], [192, 0, 2, 1]);
    let longest = "x".repeat(128);
    for taken in [
        "7",
        "Root=1-67891233-abcdef012345678912345678",
        "a.b_c~d+e/f=g:h@i",
        longest.as_str(),
    ] {
        assert_eq!(ask(true, proxy, &[taken.as_bytes()]).await, taken);
        assert!(is_version_4(&ask(true, client, &[taken.as_bytes()]).await));
        assert!(is_version_4(&ask(false, proxy, &[taken.as_bytes()]).await));
    }
    let too_long = "x".repeat(129);
    for wrong in [
        &b""[..],
        b"a b",
        b"a\tb",
        b"a\"b",
        b"a,b",
        b"<script>",
        b"\xe9",
        b"a;b",
        too_long.as_bytes(),
    ] {
        assert!(
            is_version_4(&ask(true, proxy, &[wrong]).await),
            "{}",
            wrong.escape_ascii()
        );
    }
    assert!(
        is_version_4(&ask(true, proxy, &[b"a", b"b"]).await),
        "two are none"
    );
    assert!(is_version_4(&ask(true, proxy, &[]).await));
    // A UUID that a proxy says is kept as it was written, and is one.
    let uuid = "F47AC10B-58CC-4372-A567-0E02B2C3D479";
    assert_eq!(ask(true, proxy, &[uuid.as_bytes()]).await, uuid);
}
