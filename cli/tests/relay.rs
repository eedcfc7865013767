//! `wireline sub`, `pub` and `bench` from outside, against a relay in this process.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests measure real time and read what the commands print"
)]

#[path = "relay/place.rs"]
mod place;

use place::{Command, Place, assert_fails, run};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use wireline::relay::{RelayConfig, Unmatched};

#[test]
fn what_is_published_is_printed() {
    let place = Place::new(RelayConfig::default());
    let mut plain = Command::start(&["sub", &place.ws(), "room:1", "room:2"]);
    let mut json = Command::start(&["sub", &place.ws(), "room:1", "--json"]);
    place.subscribers("room:1", 2);
    place.subscribers("room:2", 1);

    let sent = run(
        &["pub", &place.ws(), "room:1", "say", r#"{"text": "hi"}"#],
        "",
    );
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert_eq!(plain.line(), "room:1 say {\"text\": \"hi\"}\n");
    assert_eq!(
        json.json(),
        json!({"type":"subscribed","topic":"room:1","recovered":true})
    );
    assert_eq!(
        json.json(),
        json!({"type":"push","topic":"room:1","event":"say","payload":{"text":"hi"}})
    );
    // Lines stay lines, whatever is in them.
    let sent = run(&["pub", &place.ws(), "room:2", "a\nb", "-"], "[1,\n\n2]\n");
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert_eq!(plain.line(), "room:2 a b [1,  2]\n");

    for command in [plain, json] {
        let (code, complained) = command.interrupt();
        assert_eq!(code, Some(0), "{complained}");
    }
}

#[test]
fn publishing_by_the_api_wants_its_key() {
    let place = Place::new(RelayConfig::default());
    let mut reader = Command::start(&["sub", &place.ws(), "news"]);
    place.subscribers("news", 1);
    let sent = run(
        &[
            "pub",
            &place.http(),
            "news",
            "flash",
            "7",
            "--key",
            "secret",
        ],
        "",
    );
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let said: Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!(said["subscribers"], 1);
    assert_eq!(reader.line(), "news flash 7\n");
    let sent = run(
        &[
            "pub",
            &format!("{}/api/", place.http()),
            "news",
            "flash",
            "--key",
            "secret",
        ],
        "",
    );
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert_eq!(reader.line(), "news flash null\n");

    let http = place.http();
    assert_fails(&["pub", &http, "news", "flash", "--key", "wrong"], 4, "401");
    assert_fails(&["pub", &http, "news", "flash"], 4, "--key");
    assert_fails(
        &[
            "pub",
            &format!("{http}/elsewhere"),
            "news",
            "e",
            "--key",
            "secret",
        ],
        4,
        "404",
    );
    assert_fails(&["pub", &http, "a b", "e", "--key", "secret"], 4, "topic");
    let (code, complained) = reader.interrupt();
    assert_eq!(code, Some(0), "{complained}");
}

#[test]
fn it_comes_back_when_it_may() {
    let place = Place::new(place::kept());
    let mut reader = Command::start(&["sub", &place.ws(), "news"]);
    place.subscribers("news", 1);
    for number in 0..20 {
        place.push("news", &number);
        if number == 10 {
            place.disconnect(4000);
        }
    }
    for number in 0..20 {
        assert_eq!(reader.line(), format!("news n {number}\n"));
    }
    place.subscribers("news", 1);
    let mut late = Command::start(&["sub", &place.ws(), "news", "--rewind", "2"]);
    assert_eq!(late.line(), "news n 18\n");
    assert_eq!(late.line(), "news n 19\n");
    place.disconnect(4500);
    for command in [reader, late] {
        let (code, complained) = command.end();
        assert_eq!(code, Some(5), "{complained}");
        let last = complained.lines().last().unwrap();
        assert!(
            last.starts_with("wireline: ") && last.contains("4500"),
            "{complained}"
        );
    }
}

#[test]
fn who_is_present_is_told() {
    let place = Place::new(RelayConfig::default().presence("room:*"));
    let mut first = Command::start(&["sub", &place.ws(), "room:1", "--presence"]);
    let state = first.line();
    let first_id = state
        .strip_prefix("room:1 present: ")
        .expect(&state)
        .trim()
        .to_owned();
    let mut second = Command::start(&["sub", &place.ws(), "room:1", "--presence", "--json"]);
    assert_eq!(second.json()["type"], "subscribed");
    let state = second.json();
    assert_eq!(state["members"].as_array().unwrap().len(), 2, "{state}");
    let joined = first.line();
    assert!(
        joined.starts_with("room:1 present: +") && !joined.contains(&format!("+{first_id}\n")),
        "{joined}"
    );
    second.interrupt();
    assert_eq!(first.line(), joined.replace('+', "-"));
    first.interrupt();
}

#[test]
fn failures_are_one_line_and_a_code() {
    // A port that nobody listens at, and one where nobody speaks HTTP.
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("127.0.0.1:{}", port(&gone));
    drop(gone);
    let strange = TcpListener::bind("127.0.0.1:0").unwrap();
    let ssh = format!("127.0.0.1:{}", port(&strange));
    let talking = std::thread::spawn(move || {
        for stream in strange.incoming().take(4) {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    // And one of somebody's pages.
    let pages = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://127.0.0.1:{}", port(&pages));
    let showing = std::thread::spawn(move || {
        let mut stream = pages.accept().unwrap().0;
        let mut asked = [0; 1024];
        let _ = stream.read(&mut asked);
        let _ = stream.write_all(
            b"HTTP/1.1 501 Unsupported\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\r\n<p>No such</p>",
        );
    });
    let place = Place::new(RelayConfig::default().unmatched(Unmatched::Reject));
    let ws = place.ws();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["sub", &format!("ws://{nobody}"), "a"], 3, "refused"),
        (&["pub", &format!("ws://{nobody}"), "a", "e"], 3, "refused"),
        (
            &["pub", &format!("http://{nobody}"), "a", "e"],
            3,
            "refused",
        ),
        (&["bench", &format!("ws://{nobody}")], 3, "refused"),
        (&["sub", &format!("ws://{ssh}"), "a"], 3, "port"),
        (&["pub", &format!("ws://{ssh}"), "a", "e"], 3, "port"),
        (&["bench", &format!("ws://{ssh}")], 3, "port"),
        (&["pub", &format!("http://{ssh}"), "a", "e"], 3, "port"),
        (&["pub", &page, "a", "e"], 4, "501 with a page; is there"),
        (&["sub", "localhost:8000", "a"], 2, "ws://"),
        (&["sub", "ws://", "a"], 2, "URL"),
        (&["pub", "ftp://x", "a", "e"], 2, "ws://"),
        (&["pub", "http://x:99999", "a", "e"], 2, "65535"),
        (&["bench", "http://127.0.0.1:1"], 2, "ws://"),
        (&["sub", &ws, "a b"], 2, "topic"),
        (&["sub", &ws, "a", "a"], 2, "already"),
        (&["sub", &ws], 2, "TOPIC"),
        (&["sub", &ws, "a", "--rewind", "0"], 2, "from 1"),
        (&["pub", &ws, "a", "e", "{no json"], 2, "JSON"),
        (&["pub", &ws, "a", "e", "1", "--key", "k"], 2, "--key"),
        (&["bench", &ws, "--rate", "0"], 2, "from 1"),
        (
            &["sub", &ws, "a", "--ca", "/nowhere.pem"],
            2,
            "/nowhere.pem",
        ),
        (&["sub", &ws, "a"], 4, "unknown topic"),
        (&["pub", &ws, "a", "e"], 4, "unknown topic"),
        (&["bench", &ws], 4, "unknown topic"),
        (
            &[
                "sub",
                &format!("{}/elsewhere", place.http().replace("http", "ws")),
                "a",
            ],
            4,
            "404",
        ),
        (&["sub", &place.guarded(), "a"], 4, "--bearer"),
        (
            &["sub", &place.guarded(), "a", "--bearer", "wrong"],
            4,
            "401",
        ),
    ];
    for (args, code, culprit) in cases {
        assert_fails(args, *code, culprit);
    }
    talking.join().unwrap();
    showing.join().unwrap();
}

#[test]
fn signed_in_it_may() {
    let place = Place::new(RelayConfig::default());
    let sent = run(
        &["pub", &place.guarded(), "a", "e", "--bearer", "let-me-in"],
        "",
    );
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
}

#[test]
fn the_bench_counts_everything() {
    let place = Place::new(RelayConfig::default());
    let begun = Instant::now();
    let bench = run(
        &[
            "bench",
            &place.ws(),
            "--subscribers",
            "30",
            "--topics",
            "3",
            "--rate",
            "300",
            "--seconds",
            "2",
            "--size",
            "200",
            "--json",
        ],
        "",
    );
    assert_eq!(bench.status.code(), Some(0), "{bench:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let report: Value = serde_json::from_slice(&bench.stdout).unwrap();
    for (name, expected) in [
        ("published", 600),
        ("refused", 0),
        ("failed", 0),
        ("expected", 6000),
        ("delivered", 6000),
        ("lost", 0),
        ("lagged", 0),
        ("doubled", 0),
        ("reordered", 0),
        ("foreign", 0),
        ("publishers", 2),
    ] {
        assert_eq!(report[name], expected, "{name}: {report}");
    }
    let latency = &report["latency_us"];
    let figure = |name: &str| latency[name].as_u64().unwrap();
    assert!(
        figure("p50") > 0 && figure("p50") <= figure("p99"),
        "{report}"
    );
    assert!(
        figure("p999") <= figure("max") && figure("max") < 20_000_000,
        "{report}"
    );

    let bench = run(
        &[
            "bench",
            &place.ws(),
            "--subscribers",
            "2",
            "--rate",
            "20",
            "--seconds",
            "1",
        ],
        "",
    );
    let table = String::from_utf8(bench.stdout).unwrap();
    assert_eq!(bench.status.code(), Some(0), "{table}");
    for part in [
        "delivered   40 of 40",
        "amiss       0 lost, 0 lagged, 0 doubled, 0 out of order",
        "p99.9",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
}

/// A server that loses, doubles and swaps, which is what the bench is for.
#[test]
fn the_bench_sees_what_is_amiss() {
    let place = Place::new(RelayConfig::default());
    let bench = run(
        &[
            "bench",
            &place.broken(),
            "--subscribers",
            "4",
            "--rate",
            "100",
            "--seconds",
            "1",
            "--json",
        ],
        "",
    );
    let report: Value = serde_json::from_slice(&bench.stdout).unwrap();
    assert_eq!(bench.status.code(), Some(1), "{report}");
    let complained = String::from_utf8(bench.stderr).unwrap();
    // Of 100 messages, in tens: one is lost, one comes twice, two change places.
    for (name, expected) in [
        ("published", 100),
        ("expected", 400),
        ("delivered", 360),
        ("lost", 40),
        ("doubled", 40),
        ("reordered", 40),
    ] {
        assert_eq!(report[name], expected, "{name}: {report}");
    }
    assert_eq!(
        complained,
        "wireline: 40 lost, 40 doubled, 40 out of order\n"
    );
}
