//! Whom `ClientAddr` names, and whom it does not believe (RL-1).

use std::net::SocketAddr;
use wireline::Server;
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::router::{Router, Routes};
use wireline::service::client_addr::ClientAddr;
use wireline::service::handler::Service;
use wireline::service::middleware::Next;
use wireline::service::request::Request;
use wireline::service::trusted::{ForwardedField, TrustedProxies};
use wireline::test::{TestClient, TestServer};

fn told(client: &ClientAddr) -> String {
    let port = client
        .port()
        .map_or(String::new(), |port| format!(" {port}"));
    let name = client
        .identifier()
        .map_or(String::new(), |name| format!(" {name}"));
    let not = if client.is_client() { "" } else { " ?" };
    let host = client
        .host()
        .map_or(String::new(), |host| format!(" {host}"));
    format!("{client}{port}{name}{not} {}{host}", client.scheme())
}

fn routes() -> Routes {
    Router::new()
        .get("/", async |client: ClientAddr| told(&client))
        .build()
        .unwrap()
}

/// What a request from `peer` with these fields is told.
async fn ask(service: &impl Service, peer: PeerAddr, fields: &[(&'static str, &str)]) -> String {
    let mut request = Request::get("/");
    request.extensions_mut().insert(ConnInfo {
        peer,
        local: PeerAddr::Memory,
    });
    for (name, value) in fields {
        let name = http::HeaderName::from_static(name);
        request
            .headers_mut()
            .append(name, (*value).try_into().unwrap());
    }
    let mut response = service.call(request).await;
    let content = std::mem::take(response.body_mut()).collect().await.unwrap();
    String::from_utf8(content.to_vec()).unwrap()
}

fn peer(ip: [u8; 4]) -> PeerAddr {
    SocketAddr::from((ip, 4711)).into()
}

const NEAR: [u8; 4] = [10, 0, 0, 1];
const XFF: &str = "x-forwarded-for";
const XFP: &str = "x-forwarded-proto";

fn trusting(field: ForwardedField) -> impl Service {
    TrustedProxies::new(["10.0.0.0/8", "2001:db8:ffff::/48", "unix"])
        .unwrap()
        .field(field)
        .around(routes())
}

#[tokio::test]
async fn the_rightmost_address_that_is_not_trusted() {
    let service = trusting(ForwardedField::XForwardedFor);
    for (fields, expected) in [
        (&[][..], "10.0.0.1 4711 http"),
        (&[(XFF, "192.0.2.1")], "192.0.2.1 http"),
        (&[(XFF, "203.0.113.9, 192.0.2.1")], "192.0.2.1 http"),
        (
            &[(XFF, "203.0.113.9, 192.0.2.1, 10.1.1.1, 10.2.2.2")],
            "192.0.2.1 http",
        ),
        (
            &[
                (XFF, "203.0.113.9"),
                (XFF, "192.0.2.1, 10.1.1.1"),
                (XFF, "10.2.2.2"),
            ],
            "192.0.2.1 http",
        ),
        (&[(XFF, "10.1.1.1, 10.2.2.2")], "10.1.1.1 http"),
        (&[(XFF, "192.0.2.1:8080")], "192.0.2.1 8080 http"),
        (&[(XFF, "2001:db8::7")], "2001:db8::7 http"),
        (
            &[(XFF, "[2001:db8::7]:80, 2001:db8:ffff::1")],
            "2001:db8::7 80 http",
        ),
        (&[(XFF, "192.0.2.1, ::ffff:10.0.0.9")], "192.0.2.1 http"),
        (&[(XFF, "::ffff:192.0.2.1")], "192.0.2.1 http"),
        (&[(XFF, "")], "10.0.0.1 4711 http"),
        // Who is not told is not made up, and nothing behind is believed.
        (&[(XFF, "203.0.113.9, unknown")], "10.0.0.1 4711 ? http"),
        (
            &[(XFF, "203.0.113.9, unknown, 10.1.1.1")],
            "10.1.1.1 ? http",
        ),
        (
            &[(XFF, "203.0.113.9, _hidden")],
            "10.0.0.1 4711 _hidden ? http",
        ),
        (&[(XFF, "203.0.113.9, localhost")], "10.0.0.1 4711 ? http"),
        (&[(XFF, "203.0.113.9, 1.2.3.4.5")], "10.0.0.1 4711 ? http"),
        (&[(XFF, "203.0.113.9, 01.2.3.4")], "10.0.0.1 4711 ? http"),
        (&[(XFF, "203.0.113.9 192.0.2.1")], "10.0.0.1 4711 ? http"),
        // The other fields are not this proxy's.
        (
            &[("forwarded", "for=203.0.113.9;proto=https")],
            "10.0.0.1 4711 http",
        ),
        (
            &[("forwarded", "for=203.0.113.9"), (XFF, "192.0.2.1")],
            "192.0.2.1 http",
        ),
        (
            &[
                ("x-real-ip", "203.0.113.9"),
                ("x-forwarded-host", "evil.example"),
                (XFF, "192.0.2.1"),
            ],
            "192.0.2.1 http",
        ),
    ] {
        assert_eq!(
            ask(&service, peer(NEAR), fields).await,
            expected,
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn the_scheme_is_that_of_the_proxy_nearest_to_the_client() {
    let service = trusting(ForwardedField::XForwardedFor);
    for (fields, expected) in [
        (&[(XFF, "192.0.2.1"), (XFP, "https")][..], "https"),
        (&[(XFF, "192.0.2.1"), (XFP, "HTTPS")], "https"),
        (&[(XFF, "192.0.2.1"), (XFP, "wss")], "http"),
        (&[(XFF, "192.0.2.1"), (XFP, "http")], "http"),
        (&[(XFP, "https")], "https"),
        (
            &[(XFF, "192.0.2.1, 10.1.1.1"), (XFP, "https, http")],
            "https",
        ),
        (
            &[(XFF, "192.0.2.1, 10.1.1.1"), (XFP, "https"), (XFP, "http")],
            "https",
        ),
        // What a client has written before it is not looked at.
        (&[(XFF, "192.0.2.1"), (XFP, "https, http")], "http"),
        (
            &[(XFF, "192.0.2.1, 10.1.1.1"), (XFP, "https, http, http")],
            "http",
        ),
        (&[(XFF, "192.0.2.1, 10.1.1.1"), (XFP, "https")], "https"),
    ] {
        let told = ask(&service, peer(NEAR), fields).await;
        assert!(
            told.ends_with(&format!(" {expected}")),
            "{fields:?}: {told}"
        );
    }
}

#[tokio::test]
async fn forwarded_says_scheme_and_host_as_well() {
    let service = trusting(ForwardedField::Forwarded);
    const FIELD: &str = "forwarded";
    for (fields, expected) in [
        (&[(FIELD, "for=192.0.2.1")][..], "192.0.2.1 http"),
        (
            &[(FIELD, "for=192.0.2.1;proto=https;host=\"a.example:8443\"")],
            "192.0.2.1 https a.example:8443",
        ),
        (
            &[(
                FIELD,
                "for=203.0.113.9;proto=https, for=192.0.2.1;proto=http",
            )],
            "192.0.2.1 http",
        ),
        (
            &[(
                FIELD,
                "for=192.0.2.1;proto=https;host=a, for=10.1.1.1;proto=http;host=b",
            )],
            "192.0.2.1 https a",
        ),
        (
            &[
                (FIELD, "for=203.0.113.9"),
                (FIELD, "for=\"[2001:db8::7]:80\""),
            ],
            "2001:db8::7 80 http",
        ),
        (
            &[(FIELD, "for=203.0.113.9, for=_hidden;proto=https")],
            "10.0.0.1 4711 _hidden ? https",
        ),
        (
            &[(FIELD, "for=203.0.113.9, for=unknown")],
            "10.0.0.1 4711 ? http",
        ),
        (
            &[(FIELD, "for=203.0.113.9, proto=https")],
            "10.0.0.1 4711 ? https",
        ),
        (&[(FIELD, "for=\"[::1]:80\"")], "::1 80 http"),
        (
            &[(FIELD, "for=\"203.0.113.9, for=192.0.2.1")],
            "192.0.2.1 http",
        ),
        (
            &[(FIELD, "for=203.0.113.9, for=\"192.0.2.1")],
            "10.0.0.1 4711 ? http",
        ),
        (
            &[(FIELD, "for=192.0.2.1;host=\"a b\";proto=gopher")],
            "192.0.2.1 http",
        ),
        (
            &[(XFF, "203.0.113.9"), (XFP, "https")],
            "10.0.0.1 4711 http",
        ),
    ] {
        assert_eq!(
            ask(&service, peer(NEAR), fields).await,
            expected,
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_not_believed() {
    let fields = [
        (XFF, "203.0.113.9"),
        (XFP, "https"),
        ("forwarded", "for=203.0.113.9;proto=https"),
    ];
    for field in [ForwardedField::XForwardedFor, ForwardedField::Forwarded] {
        let service = trusting(field);
        for (from, expected) in [
            (peer([192, 0, 2, 1]), "192.0.2.1 4711 http"),
            (peer([11, 0, 0, 1]), "11.0.0.1 4711 http"),
            (PeerAddr::Memory, "memory http"),
            // A proxy on this machine may have a Unix socket.
            (PeerAddr::Unix, "203.0.113.9 https"),
        ] {
            assert_eq!(ask(&service, from, &fields).await, expected);
        }
    }
    // Without a list nobody is.
    assert_eq!(
        ask(&routes(), peer(NEAR), &fields).await,
        "10.0.0.1 4711 http"
    );
}

#[tokio::test]
async fn ten_thousand_members_are_no_work() {
    let service = trusting(ForwardedField::XForwardedFor);
    let many = vec!["10.0.0.1"; 3000].join(",");
    assert_eq!(
        ask(&service, peer(NEAR), &[(XFF, &many)]).await,
        "10.0.0.1 http"
    );
    let quotes = "\"".repeat(30_000);
    let service = trusting(ForwardedField::Forwarded);
    let line = format!("{quotes}, for=192.0.2.1");
    assert_eq!(
        ask(&service, peer(NEAR), &[("forwarded", &line)]).await,
        "192.0.2.1 http"
    );
    let line = format!("for=1.1.1.1;x=\"{}, for=10.0.0.2", "\\".repeat(30_000));
    assert_eq!(
        ask(&service, peer(NEAR), &[("forwarded", &line)]).await,
        "10.0.0.2 ? http"
    );
}

#[tokio::test]
async fn middleware_may_know_better() {
    async fn known(mut request: Request, next: Next) -> wireline::Response {
        let mut other = Request::get("/");
        let peer = SocketAddr::from(([192, 0, 2, 77], 1)).into();
        other.extensions_mut().insert(ConnInfo {
            peer,
            local: PeerAddr::Memory,
        });
        request.extensions_mut().insert(other.client());
        next.run(request).await
    }
    let routes = Router::new()
        .middleware(known)
        .get("/", async |client: ClientAddr| told(&client))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    assert_eq!(client.get("/").await.text(), "192.0.2.77 1 http");
}

#[test]
fn a_server_takes_the_word_of_its_proxies() {
    let server = Server::new(routes()).trusted_proxies(TrustedProxies::new(["127.0.0.1"]).unwrap());
    let server = TestServer::start(server);
    let ask = |fields: &str| {
        let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        std::io::read_to_string(&mut stream)
            .unwrap()
            .rsplit_once("\r\n\r\n")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(
        ask("X-Forwarded-For: 203.0.113.9, 192.0.2.1:99\r\nx-forwarded-proto: https\r\n"),
        "192.0.2.1 99 https"
    );
    assert!(ask("").starts_with("127.0.0.1 "));
}
