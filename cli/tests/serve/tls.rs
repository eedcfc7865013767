//! TLS by flags.

use crate::server::{Answer, Server, assert_refused};
use std::io::Write;
use std::net::TcpStream;

/// One flag, and it speaks TLS: plain HTTP is told so, and a rustls client that trusts nobody gets as far as its
/// certificate.
#[test]
fn one_flag_makes_it_speak_tls() {
    let server = Server::start(&[
        "--addr",
        "127.0.0.1:0",
        "--tls-self-signed",
        "--workers",
        "1",
    ]);
    let place = server.places[0]
        .strip_prefix("https://")
        .unwrap()
        .to_owned();
    let mut plain = TcpStream::connect(&place).unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let answer = Answer::read(&mut plain);
    assert_eq!(answer.status(), "400");
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut stream = TcpStream::connect(&place).unwrap();
    let error = client.complete_io(&mut stream).unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    server.stop();
}

#[test]
fn plain_http_is_redirected_where_that_is_asked_for() {
    // A port that is free now: the redirect has to name it.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let secure = format!("127.0.0.1:{port}");
    let server = Server::start(&[
        "--addr",
        &secure,
        "--tls-self-signed",
        "--redirect-http",
        "127.0.0.1:0",
        "--workers",
        "1",
    ]);
    let mut plain = TcpStream::connect(&server.places[1]).unwrap();
    plain
        .write_all(b"GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = Answer::read(&mut plain);
    assert_eq!(answer.status(), "308");
    let expected = format!("https://a.example:{port}/x");
    assert_eq!(answer.field("location"), Some(expected.as_str()));
    server.stop();
}

#[test]
fn certificates_that_cannot_be_used_are_one_line_and_code_2() {
    assert_refused(
        &["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"],
        "/nowhere.pem",
    );
    assert_refused(&["--tls-client-ca", "/nowhere.pem"], "--tls-cert");
    assert_refused(&["--redirect-http", ":8080"], "--tls-self-signed");
}
