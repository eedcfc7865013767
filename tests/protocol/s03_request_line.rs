//! RFC 9112 §3: the method, the target and its four forms, Host.

use crate::serve;
use crate::socket::Socket;
use wireline::Server;
use wireline::router::Router;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::TestServer;

#[test]
fn s4_seven_methods_reach_their_handlers() {
    async fn name(request: Request) -> Response {
        Response::ok().with_header("x-method", request.method().as_str())
    }
    let routes = Router::new()
        .get("/", name)
        .post("/", name)
        .put("/", name)
        .patch("/", name)
        .delete("/", name)
        .head("/", name)
        .options("/", name)
        .build()
        .unwrap();
    let server = TestServer::start(Server::new(routes));
    let mut socket = Socket::connect(server.addr());
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        let reply = socket.request(&format!("{method} /"), "Content-Length: 0\r\n", "");
        assert_eq!((reply.status, reply.field("x-method")), (200, Some(method)));
    }
}

#[test]
fn methods_without_a_handler() {
    let served = serve();
    let mut socket = served.connect();
    assert_eq!(socket.request("GET /", "", "").status, 200);
    assert_eq!(socket.request("HEAD /", "", "").status, 200);
    assert_eq!(
        socket
            .request("POST /echo", "Content-Length: 2\r\n", "ab")
            .text(),
        "ab"
    );
    for method in [
        "PUT",
        "PATCH",
        "DELETE",
        "TRACE",
        "PROPFIND",
        "get",
        "X!#$%&'*+-.^_`|~0",
    ] {
        let reply = socket.request(&format!("{method} /"), "", "");
        assert_eq!(
            (reply.status, reply.field("allow")),
            (405, Some("GET, HEAD, OPTIONS")),
            "{method}"
        );
    }
    let reply = socket.request("OPTIONS /echo", "", "");
    assert_eq!(
        (reply.status, reply.field("allow")),
        (204, Some("POST, OPTIONS"))
    );
}

/// §3: one space, not two, no tab; §3.1: a token.
#[test]
fn malformed_request_lines() {
    let served = serve();
    for line in [
        "GET  / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "G@T / HTTP/1.1",
        "/ HTTP/1.1",
    ] {
        served.refuses(format!("{line}\r\nHost: a\r\n\r\n"), 400);
    }
}

/// §3.2.1: a path, and a query that stays apart from it; `//host` is a path, too (decision D37).
#[test]
fn origin_form() {
    let served = serve();
    let mut socket = served.connect();
    assert_eq!(
        socket.get("/target?q=rust&page=1").text(),
        "/target?q=rust&page=1 a"
    );
    assert_eq!(socket.get("/numbers/%37?n=8").text(), "7");
    assert_eq!(socket.get("//target").status, 404);
    assert_eq!(socket.get("/target#part").status, 400);
}

/// §3.2.2: the target's authority counts, Host is ignored, and must be there all the same.
#[test]
fn absolute_form() {
    let served = serve();
    let mut socket = served.connect();
    let reply = socket
        .send("GET http://b:81/target?x HTTP/1.1\r\nHost: a\r\n\r\n")
        .reply();
    assert_eq!(reply.text(), "http://b:81/target?x b:81");
    assert_eq!(
        socket
            .send("GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n")
            .reply()
            .text(),
        "hello"
    );
    served.refuses("GET http://b/ HTTP/1.1\r\n\r\n", 400);
    served.refuses("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    served.refuses("GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

/// §3.2.3: only for CONNECT, and CONNECT only with it.
#[test]
fn authority_form() {
    let served = serve();
    served.refuses("GET b:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    served.refuses("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    served.refuses("CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", 400);
}

/// §3.2.4: only for OPTIONS.
#[test]
fn asterisk_form() {
    let served = serve();
    assert_eq!(served.connect().request("OPTIONS *", "", "").status, 204);
    served.refuses("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

/// §3.2: one Host and a valid one in HTTP/1.1; HTTP/1.0 may do without.
#[test]
fn host() {
    let served = serve();
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host:\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: a:99999\r\n",
        "Host: [::1\r\n",
    ] {
        served.refuses(format!("GET / HTTP/1.1\r\n{fields}\r\n"), 400);
    }
    served.refuses("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    let mut socket = served.connect();
    assert_eq!(
        socket
            .send("GET /target HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")
            .reply()
            .text(),
        "/target [::1]:80"
    );
    assert_eq!(
        socket.send("GET /target HTTP/1.0\r\n\r\n").reply().text(),
        "/target -"
    );
}

/// S6: 8 KiB without the CRLF, and not an octet more.
#[test]
fn the_limit_of_the_request_line() {
    let served = serve();
    let line = |len: usize| format!("GET /{} HTTP/1.1", "x".repeat(len - "GET / HTTP/1.1".len()));
    let reply = served
        .connect()
        .request(line(8192).trim_end_matches(" HTTP/1.1"), "", "");
    assert_eq!(reply.status, 404);
    served.refuses(format!("{}\r\nHost: a\r\n\r\n", line(8193)), 414);
    served.refuses("GET /".to_owned() + &"x".repeat(100_000), 414);
}
