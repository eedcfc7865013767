//! The brokers that other tests start: they run, freeze, die and come again.

#[path = "support/brokers.rs"]
mod brokers;

use brokers::{Broker, Nats, Redis};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What it answers within a second.
fn ask(broker: &Broker, question: &str) -> Result<String, ErrorKind> {
    let kind = |error: std::io::Error| error.kind();
    let mut stream = TcpStream::connect(broker.address()).map_err(kind)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .map_err(kind)?;
    stream.write_all(question.as_bytes()).map_err(kind)?;
    let mut answer = [0; 4096];
    let octets = stream.read(&mut answer).map_err(kind)?;
    Ok(String::from_utf8_lossy(&answer[..octets]).into_owned())
}

#[test]
fn a_redis_server_lives_dies_and_remembers_what_it_should() {
    let mut redis = Redis::new().append_only().start().unwrap();
    let port = redis.port();
    assert_eq!(ask(&redis, "SET a 1\r\n").unwrap(), "+OK\r\n");
    redis.freeze().unwrap();
    assert_eq!(ask(&redis, "GET a\r\n"), Err(ErrorKind::WouldBlock));
    redis.thaw().unwrap();
    assert_eq!(ask(&redis, "GET a\r\n").unwrap(), "$1\r\n1\r\n");
    redis.kill();
    assert_eq!(ask(&redis, "GET a\r\n"), Err(ErrorKind::ConnectionRefused));
    redis.restart().unwrap();
    assert_eq!(
        (redis.port(), ask(&redis, "GET a\r\n").unwrap().as_str()),
        (port, "$1\r\n1\r\n")
    );
    redis.restart_empty().unwrap();
    assert_eq!(ask(&redis, "GET a\r\n").unwrap(), "$-1\r\n");

    let guarded = Redis::new()
        .password("secret")
        .user("ada", &["on", ">lovelace", "~*", "&*", "+@all"])
        .start()
        .unwrap();
    assert!(ask(&guarded, "GET a\r\n").unwrap().starts_with("-NOAUTH"));
    assert_eq!(ask(&guarded, "AUTH secret\r\n").unwrap(), "+OK\r\n");
    assert_eq!(ask(&guarded, "AUTH ada lovelace\r\n").unwrap(), "+OK\r\n");
}

#[test]
fn a_nats_server_lives_and_dies() {
    let mut nats = Nats::new().jetstream().start().unwrap();
    for _ in 0..2 {
        let hello = ask(&nats, "").unwrap();
        assert!(
            hello.starts_with("INFO {") && hello.contains("\"jetstream\":true"),
            "{hello}"
        );
        nats.restart().unwrap();
    }
    nats.kill();
    assert_eq!(ask(&nats, ""), Err(ErrorKind::ConnectionRefused));
    nats.restart_empty().unwrap();
    assert!(ask(&nats, "").unwrap().starts_with("INFO {"));
    let guarded = Nats::new().user("ada", "lovelace").tls().start().unwrap();
    let hello = ask(&guarded, "").unwrap();
    assert!(
        hello.contains("\"auth_required\":true") && hello.contains("\"tls_required\":true"),
        "{hello}"
    );
}

#[test]
fn a_redis_server_speaks_tls_under_its_own_authority() {
    let redis = Redis::new().tls().start().unwrap();
    let mut client = std::process::Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-connect",
        ])
        .arg(redis.address().to_string())
        .arg("-CAfile")
        .arg(redis.authority())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    client
        .stdin
        .take()
        .unwrap()
        .write_all(b"PING\r\nQUIT\r\n")
        .unwrap();
    let answer = client.wait_with_output().unwrap();
    assert!(answer.stdout.starts_with(b"+PONG\r\n"), "{answer:?}");
}
