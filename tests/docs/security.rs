//! `SECURITY.md` tells the defaults that the code has, and as many classes as the catalogue.

use std::path::Path;
use std::time::Duration;
use wireline::http1::driver::config::Config;
use wireline::server::TlsConfig;
use wireline::server::config::ServerConfig;
use wireline::ws::socket::config::Config as Socket;

const SECURITY: &str = include_str!("../../SECURITY.md");

fn kib(octets: impl TryInto<u64>) -> String {
    format!("{} KiB", whole(octets) / 1024)
}

fn mib(octets: impl TryInto<u64>) -> String {
    format!("{} MiB", whole(octets) / 1_048_576)
}

fn thousands(number: impl TryInto<u64>) -> String {
    let number = whole(number);
    format!("{},{:03}", number / 1000, number % 1000)
}

fn whole(number: impl TryInto<u64>) -> u64 {
    number.try_into().ok().unwrap()
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

#[test]
fn the_defaults_of_security_are_those_of_the_code() {
    let (config, server, socket) = (
        Config::default(),
        ServerConfig::default(),
        Socket::default(),
    );
    let (limits, http2) = (&config.limits, &config.http2);
    let tls = TlsConfig::self_signed("localhost").unwrap();
    let rows = [
        ("a request line", kib(limits.request_line)),
        (
            "a header section",
            format!(
                "{} fields in {}",
                limits.header_fields,
                kib(limits.header_section)
            ),
        ),
        ("content of a request", mib(config.max_body)),
        (
            "a head, from its first octet to its end",
            seconds(config.head_timeout),
        ),
        (
            "content, and responses that are taken",
            format!(
                "{} octets a second, after {}; {} without any",
                config.min_rate,
                seconds(config.rate_grace),
                seconds(config.read_timeout)
            ),
        ),
        (
            "a connection between two requests",
            seconds(config.idle_timeout),
        ),
        (
            "connections",
            format!(
                "{}, and never more than 90 % of the descriptors",
                thousands(server.max_connections)
            ),
        ),
        (
            "what waits in all of them together",
            mib(server.memory_budget),
        ),
        (
            "a TLS handshake",
            format!(
                "{}, {} at a time",
                seconds(tls.handshake_timeout),
                tls.max_handshakes
            ),
        ),
        ("HTTP/2: streams at a time", http2.max_streams.to_string()),
        (
            "HTTP/2: resets by the client",
            format!(
                "{} at once, {} a second",
                http2.reset_burst, http2.resets_per_second
            ),
        ),
        (
            "HTTP/2: streams that the client makes us reset",
            http2.max_errors.to_string(),
        ),
        ("HTTP/2: header fields of a request", kib(http2.header_list)),
        (
            "WebSocket: a message",
            format!(
                "{}, inflated; {} fragments",
                mib(socket.limits.message),
                thousands(socket.limits.fragments)
            ),
        ),
        ("WebSocket: what waits to be sent", kib(socket.queue)),
        (
            "WebSocket: silence",
            format!(
                "{}, then {} for the answer to a ping",
                seconds(socket.ping_interval),
                seconds(socket.pong_timeout)
            ),
        ),
        ("a drain", seconds(server.shutdown_timeout)),
    ];
    for (what, default) in &rows {
        let line = format!("| {what} | {default} |");
        assert!(SECURITY.contains(&line), "SECURITY.md has not {line}");
    }
    // Both sides of a stall have the same time.
    assert_eq!(config.read_timeout, config.write_timeout);
    let (_, table) = SECURITY.split_once("| | default |\n|---|---|\n").unwrap();
    let told = table.lines().take_while(|line| line.starts_with('|'));
    assert_eq!(told.count(), rows.len());
}

#[test]
fn security_tells_how_many_classes_of_smuggling_there_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/smuggling");
    let mut classes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "toml") {
            let text = std::fs::read_to_string(path).unwrap();
            classes += text.lines().filter(|line| *line == "[[class]]").count();
        }
    }
    assert!(
        SECURITY.contains(&format!("[{classes} classes]")),
        "{classes}"
    );
}
