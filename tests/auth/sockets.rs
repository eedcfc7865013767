//! WebSockets: authenticated before they are opened, closed when what opened them has expired.

use super::h2_peer;
use super::ws_peer::{Peer, masked};
use super::{SECRET, bearer, tokens};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;
use wireline::layer::auth::{Auth, AuthConfig, Bearer, Refusal};
use wireline::service::handler::public;
use wireline::service::request::Request;
use wireline::service::user::CurrentUser;
use wireline::test::TestClient;
use wireline::ws::handshake::subprotocol::Subprotocols;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::route::token::Token;
use wireline::ws::socket::WebSocket;
use wireline::{Response, Router};

async fn whoami(mut socket: WebSocket, user: CurrentUser) {
    let _ = socket.send(user.id().to_owned()).await;
    while let Some(message) = socket.recv_msg().await {
        if message.is_text() {
            let _ = socket.send(message).await;
        }
    }
}

fn serve(auth: Auth) -> TestClient {
    let routes = Router::new()
        .layer(auth)
        .websocket_with(
            "/ws",
            |upgrade| upgrade.subprotocols(Subprotocols::list(["chat"])),
            whoami,
        )
        .websocket("/busy", async |socket: WebSocket, _: CurrentUser| {
            // It never reads.
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(socket);
        })
        .get(
            "/open",
            public(
                async |upgrade: WebSocketUpgrade, user: Option<CurrentUser>| -> Response {
                    let name =
                        user.map_or_else(|| "stranger".to_owned(), |user| user.id().to_owned());
                    upgrade.on_upgrade(async move |socket| socket.send(name).await)
                },
            ),
        )
        .websocket("/token", async |socket: WebSocket, Token(token): Token| {
            socket.send(token).await
        })
        .get("/me", async |user: CurrentUser| user.id().to_owned())
        .post("/me", async |request: Request| {
            CurrentUser::of(&request)
                .map(|user| user.id().to_owned())
                .unwrap_or_default()
        });
    TestClient::new(routes.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn s163_a_websocket_needs_a_token_unless_its_route_is_public() {
    let tokens = tokens();
    let token = tokens.issue("ada").unwrap();
    let client = serve(Auth::jwt(tokens));
    let authorization = format!("Authorization: {}\r\n", bearer(&token));

    let (_, head) = Peer::ask(&client, "/ws", "").await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(
        head.to_lowercase().contains("www-authenticate: bearer\r\n"),
        "{head}"
    );
    let (_, head) = Peer::ask(&client, "/ws?token=nonsense", "").await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");

    let (mut peer, head) = Peer::ask(&client, "/ws", &authorization).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(peer.text().await, "ada");

    let mut peer = Peer::open(&client, "/open").await;
    assert_eq!(peer.text().await, "stranger");
    let (mut peer, _) = Peer::ask(&client, "/open", &authorization).await;
    assert_eq!(peer.text().await, "ada");
}

#[tokio::test(start_paused = true)]
async fn d15_a_browser_has_other_places_for_its_token() {
    let tokens = tokens();
    let token = tokens.issue("ada").unwrap();
    let client = serve(Auth::jwt(tokens));
    let protocol = format!("Sec-WebSocket-Protocol: chat, bearer.{token}\r\n");
    let (mut peer, head) = Peer::ask(&client, "/ws", &protocol).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(peer.text().await, "ada");
    // The token is not chosen, nor is it said anywhere else.
    assert!(
        head.to_lowercase()
            .contains("sec-websocket-protocol: chat\r\n"),
        "{head}"
    );
    assert!(!head.contains(&token), "{head}");

    let mut peer = Peer::open(&client, &format!("/ws?room=1&token={token}")).await;
    assert_eq!(peer.text().await, "ada");
    let mut peer = Peer::open(&client, &format!("/token?token={token}")).await;
    assert_eq!(peer.text().await, token);

    // A request that opens no WebSocket may not: queries end up in logs.
    for (path, name, value) in [
        (format!("/me?token={token}"), "x-nothing", String::new()),
        (
            "/me".to_owned(),
            "sec-websocket-protocol",
            format!("bearer.{token}"),
        ),
        ("/me".to_owned(), "cookie", format!("token={token}")),
    ] {
        let reply = client.get(&path).header(name, value).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    let reply = client
        .get("/me")
        .header("authorization", bearer(&token))
        .await;
    assert_eq!(reply.text(), "ada");
}

#[tokio::test(start_paused = true)]
async fn d15_a_cookie_counts_for_pages_of_the_site_alone() {
    let tokens = tokens();
    let token = tokens.issue("ada").unwrap();
    let cookie = Bearer::new(tokens)
        .cookie("token")
        .origins(["https://app.example"]);
    let client = serve(Auth::new(cookie));
    for (fields, status) in [
        ("", 101),
        ("Origin: http://a\r\n", 101),
        ("Origin: https://APP.example\r\n", 101),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: http://a.evil.example\r\n", 403),
        ("Origin: http://a:8080\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-origin\r\n", 101),
    ] {
        let fields = format!("Cookie: theme=dark; token={token}\r\n{fields}");
        let (_, head) = Peer::ask(&client, "/me-too", &fields).await;
        let expected = if status == 101 { 404 } else { 403 };
        assert!(
            head.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{fields} {head}"
        );
        let (_, head) = Peer::ask(&client, "/ws", &fields).await;
        // A page of another site that may is asked again by the socket itself.
        let listed = fields.contains("APP.example");
        let status = if listed { 403 } else { status };
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{fields} {head}"
        );
    }
    // Ordinary requests: safe methods do no harm, others are asked where they come from.
    let cookie = format!("token={token}");
    let ask = async |request: wireline::test::TestRequest<'_>| {
        request
            .header("cookie", cookie.as_str())
            .await
            .status
            .as_u16()
    };
    let evil = "https://evil.example";
    assert_eq!(ask(client.get("/me").header("origin", evil)).await, 200);
    assert_eq!(ask(client.post("/me").header("origin", evil)).await, 403);
    assert_eq!(
        ask(client.post("/me").header("origin", "http://localhost")).await,
        200
    );
    assert_eq!(
        ask(client.post("/me").header("sec-fetch-site", "same-site")).await,
        403
    );
    assert_eq!(ask(client.post("/me")).await, 200);
    // What a page sends on purpose is its own.
    let reply = client
        .post("/me")
        .header("origin", evil)
        .header("authorization", bearer(&token));
    assert_eq!(reply.await.text(), "ada");
}

#[tokio::test(start_paused = true)]
async fn ws14_a_socket_is_closed_when_its_token_expires() {
    // A whole second passes at the most between the token's clock and this one.
    let tokens = AuthConfig::new(SECRET, 60)
        .leeway(Duration::from_secs(2))
        .build()
        .unwrap();
    let token = tokens.issue("ada").unwrap();
    let client = serve(Auth::jwt(tokens));
    let begun = Instant::now();
    let mut peer = Peer::open(&client, &format!("/ws?token={token}")).await;
    assert_eq!(peer.text().await, "ada");
    peer.say("still here").await;
    assert_eq!(peer.text().await, "still here");
    // Pings on the way are not what this is about.
    let close = loop {
        match peer.next().await {
            (0x89, payload) => peer.frame(0x8a, &payload).await,
            frame => break frame,
        }
    };
    assert_eq!(close.0, 0x88);
    assert_eq!(
        close.1,
        [&4401u16.to_be_bytes()[..], b"the credentials have expired"].concat()
    );
    let seconds = begun.elapsed().as_secs_f64();
    assert!((60.0..=62.1).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn ws14_a_handler_that_does_nothing_is_no_way_out() {
    let user = Bearer::by(async |_: String| {
        Ok::<_, Refusal>(CurrentUser::new("ada").valid_for(Duration::from_secs(5)))
    });
    let client = serve(Auth::new(user));
    let begun = Instant::now();
    let mut peer = Peer::open(&client, "/busy?token=any").await;
    assert_eq!(peer.close().await.0, 4401);
    assert_eq!(begun.elapsed().as_secs(), 5);
    // The peer answers nothing: the transport ends all the same.
    use tokio::io::AsyncReadExt;
    assert!(peer.io.read_u8().await.is_err());
    assert!(
        begun.elapsed() <= Duration::from_secs(11),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn s163_it_is_the_same_over_http2() {
    let tokens = AuthConfig::new(SECRET, 20)
        .leeway(Duration::ZERO)
        .build()
        .unwrap();
    let token = tokens.issue("ada").unwrap();
    let client = serve(Auth::jwt(tokens));
    let http2 = h2_peer::connect(&client).await;
    let connect = |path: &str| {
        http::Request::builder()
            .method("CONNECT")
            .uri(format!("http://a{path}"))
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
    };
    let open = async |request: http::request::Builder| {
        let mut ready = http2.clone().ready().await.unwrap();
        while !ready.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (response, send) = ready
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        (response.await.unwrap(), send)
    };
    let (response, _) = open(connect("/ws")).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");

    let (response, mut send) = open(connect(&format!("/ws?token={token}"))).await;
    assert_eq!(response.status(), 200);
    let mut recv = response.into_body();
    send.send_data(Bytes::from(masked(0x81, b"hi")), false)
        .unwrap();
    let mut came = Vec::new();
    while let Some(data) = recv.data().await {
        let data = data.unwrap();
        recv.flow_control().release_capacity(data.len()).unwrap();
        came.extend_from_slice(&data);
        if came.windows(2).any(|two| two == 4401u16.to_be_bytes()) {
            break;
        }
    }
    assert!(
        came.starts_with(b"\x81\x03ada\x81\x02hi"),
        "{}",
        came.escape_ascii()
    );
    assert!(
        came.ends_with(b"the credentials have expired"),
        "{}",
        came.escape_ascii()
    );
}

/// The last of the places of D15: the token comes when the socket is open, before a deadline.
#[tokio::test(start_paused = true)]
async fn d15_a_token_may_come_in_the_first_message() {
    let tokens = tokens();
    let token = tokens.issue("ada").unwrap();
    let routes = Router::new().websocket("/ws", move |mut socket: WebSocket| {
        let tokens = tokens.clone();
        async move {
            let first = socket.first_message(Duration::from_secs(5)).await?;
            let user = tokens
                .authenticate(first.as_text().unwrap_or_default())
                .await?;
            socket.send(user.id().to_owned()).await?;
            Ok::<(), wireline::Error>(())
        }
    });
    let client = TestClient::new(routes.build().unwrap());
    let mut peer = Peer::open(&client, "/ws").await;
    peer.say(&token).await;
    assert_eq!(peer.text().await, "ada");
    let mut peer = Peer::open(&client, "/ws").await;
    peer.say("nonsense").await;
    assert_eq!(peer.close().await.0, 1008);
}
