//! Servers as processes that a real Redis connects: what is published on one comes out of the other, whatever becomes of Redis or of
//! one of them.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests wait in real time for processes"
)]

#[path = "../../tests/support/brokers.rs"]
mod brokers;
#[allow(dead_code, reason = "it is another test's as well")]
#[path = "relay/place.rs"]
mod place;
#[allow(dead_code, reason = "it is another test's as well")]
#[path = "serve/server.rs"]
mod server;

use brokers::{Nats, Redis, Sentinel};
use place::Command;
use serde_json::{Value, json};
use server::{Server, assert_refused};
use std::path::Path;
use std::time::{Duration, Instant};

fn node(broker: &str) -> Server {
    let node = Server::start(&["--addr", "127.0.0.1:0", "--backplane", broker]);
    until("it is up", || ready(&node).1.contains("backplane: up"));
    node
}

fn get(node: &Server, path: &str) -> (String, String) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut stream = node.connect();
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let answer = server::Answer::read(&mut stream);
    let content = String::from_utf8(answer.content.clone()).unwrap();
    (answer.status().to_owned(), content)
}

fn ready(node: &Server) -> (String, String) {
    get(node, "/ready")
}

fn json_of(node: &Server, path: &str) -> Value {
    let (status, content) = get(node, path);
    assert_eq!(status, "200", "{content}");
    serde_json::from_str(&content).unwrap()
}

fn ws(node: &Server) -> String {
    format!("ws://{}", node.places[0])
}

/// A command that prints what comes, and has printed that it subscribes.
fn reader(node: &Server, topic: &str) -> Command {
    let mut reader = Command::start(&["sub", &ws(node), topic, "--json"]);
    assert_eq!(reader.json()["type"], "subscribed");
    reader
}

fn publish(node: &Server, topic: &str, payload: u32) {
    let sent = place::run(&["pub", &ws(node), topic, "e", &payload.to_string()], "");
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
}

fn push(topic: &str, payload: u32) -> Value {
    json!({"type":"push","topic":topic,"event":"e","payload":payload})
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_published_on_one_node_comes_out_of_the_other_and_redis_may_die() {
    let mut redis = Redis::new().start().unwrap();
    let broker = format!("redis://{}", redis.address());
    let (one, two) = (node(&broker), node(&broker));
    until("they know each other", || {
        json_of(&one, "/api/stats")["cluster"]["nodes"][0].is_object()
    });
    let mut readers = [reader(&one, "room"), reader(&two, "room")];
    publish(&one, "room", 1);
    publish(&two, "room", 2);
    for reader in &mut readers {
        let heard = [reader.json(), reader.json()];
        for payload in [1, 2] {
            assert!(heard.contains(&push("room", payload)), "{heard:?}");
        }
    }

    redis.kill();
    until("it is down", || ready(&two).1.contains("backplane: down"));
    // It is ready all the same, and serves who is here.
    assert_eq!(ready(&two).0, "200");
    publish(&two, "room", 3);
    assert_eq!(readers[1].json(), push("room", 3));
    // For as long as that has waited, the other one is behind.
    until("it lags", || {
        let said = ready(&two).1;
        said.contains("lag: ") && !said.contains("lag: 0 ms")
    });

    redis.restart().unwrap();
    // What waited comes, or is told to be missing where the other node was not back yet; then what is new.
    let waited = readers[0].json();
    assert!(
        waited == push("room", 3) || waited["missed"] == 1,
        "{waited}"
    );
    for node in [&one, &two] {
        until("it is up again", || ready(node).1.contains("backplane: up"));
    }
    publish(&two, "room", 4);
    for reader in &mut readers {
        assert_eq!(reader.json(), push("room", 4));
    }
    let (_, metrics) = get(&two, "/metrics");
    for line in [
        "wireline_cluster_up 1",
        "wireline_cluster_nodes 1",
        "wireline_cluster_connects_total 2",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}

#[test]
fn who_was_on_a_node_that_is_killed_is_soon_present_nowhere() {
    let redis = Redis::new().start().unwrap();
    let broker = format!("redis://{}", redis.address());
    let (one, mut two) = (node(&broker), node(&broker));
    let _here = reader(&one, "room");
    let _there = reader(&two, "room");
    let count = |node: &Server| json_of(node, "/api/presence?topic=room")["count"].clone();
    until("both are present", || count(&one) == 2 && count(&two) == 2);
    two.child.kill().unwrap();
    let killed = Instant::now();
    until("it is gone", || count(&one) == 1);
    assert!(killed.elapsed() < Duration::from_secs(10));

    // One that ends in order is gone at once.
    let two = node(&broker);
    let there = reader(&two, "room");
    until("both are present", || count(&one) == 2);
    drop(there);
    two.stop();
    until("it is gone", || {
        json_of(&one, "/api/stats")["cluster"]["nodes"] == json!([])
    });
}

#[test]
fn a_node_that_needs_its_broker_is_not_ready_without() {
    let mut redis = Redis::new().password("open-sesame").start().unwrap();
    let broker = format!("redis://:open-sesame@{}", redis.address());
    let args = [
        "--addr",
        "127.0.0.1:0",
        "--backplane",
        &broker,
        "--backplane-ready",
    ];
    let node = Server::start(&args);
    until("it is ready", || ready(&node).0 == "200");
    redis.kill();
    until("it is not ready", || ready(&node).0 == "503");
    assert_eq!(ready(&node).1, "backplane: down\nlag: 0 ms\n");
    assert_eq!(get(&node, "/health").0, "200");

    let shown = server::run(&["--check", "--backplane", &broker]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let expected = format!("backplane = \"redis://:(redacted)@{}\"", redis.address());
    assert!(
        shown.contains(&expected) && !shown.contains("open-sesame"),
        "{shown}"
    );
}

#[test]
fn a_broker_over_tls_is_believed_by_an_authority_of_its_own() {
    let redis = Redis::new().tls().start().unwrap();
    let nats = Nats::new().tls().start().unwrap();
    for (broker, url) in [
        (&redis, format!("rediss://localhost:{}", redis.port())),
        (&nats, format!("tls://localhost:{}", nats.port())),
        (&nats, format!("nats://127.0.0.1:{}", nats.port())),
    ] {
        let own = broker.authority();
        let node = |authority: &Path| {
            let words = ["--addr", "127.0.0.1:0", "--backplane", &url];
            let authority = ["--backplane-ca", authority.to_str().unwrap()];
            Server::start(&[&words[..], &authority[..]].concat())
        };
        let (one, two) = (node(&own), node(&own));
        for node in [&one, &two] {
            until("it is up", || ready(node).1.contains("backplane: up"));
        }
        let mut heard = reader(&two, "room");
        until("the other one knows", || {
            json_of(&two, "/api/stats")["cluster"]["nodes"][0].is_object()
        });
        publish(&one, "room", 1);
        assert_eq!(heard.json(), push("room", 1));
        // Another broker's authority has nothing to say about this one.
        let other = match std::ptr::eq(broker, &redis) {
            true => nats.authority(),
            false => redis.authority(),
        };
        let stranger = node(&other);
        until("it says why", || {
            let trouble = json_of(&stranger, "/api/stats")["cluster"]["trouble"].to_string();
            trouble.contains("certificate")
        });
        assert_eq!(ready(&stranger).1, "ok\nbackplane: down\nlag: 0 ms\n");
    }
}

#[test]
fn nodes_go_over_to_the_master_that_sentinels_name() {
    let mut first = Redis::new().start().unwrap();
    let second = Redis::new().replica_of(&first).start().unwrap();
    let sentinel = Sentinel::of(&first).start().unwrap();
    let broker = format!("redis+sentinel://{}/main", sentinel.address());
    let (one, two) = (node(&broker), node(&broker));
    let mut heard = reader(&two, "room");
    until("the other one knows", || {
        json_of(&two, "/api/stats")["cluster"]["nodes"][0].is_object()
    });
    publish(&one, "room", 1);
    assert_eq!(heard.json(), push("room", 1));
    let replica = format!("+slave slave 127.0.0.1:{} ", second.port());
    until("the replica is known", || sentinel.log().contains(&replica));
    first.kill();
    for node in [&one, &two] {
        until("it is down", || ready(node).1.contains("backplane: down"));
    }
    for node in [&one, &two] {
        until("it is up again", || ready(node).1.contains("backplane: up"));
    }
    publish(&one, "room", 2);
    assert_eq!(heard.json(), push("room", 2));
}

#[test]
fn nodes_share_topics_over_a_redis_cluster() {
    let servers = Redis::new().cluster(3).unwrap();
    let places: Vec<_> = servers
        .iter()
        .map(|server| server.address().to_string())
        .collect();
    let broker = format!("redis+cluster://{}", places.join(","));
    let (one, two) = (node(&broker), node(&broker));
    let mut heard: Vec<_> = ["room:1", "room:2", "room:3"]
        .map(|topic| reader(&two, topic))
        .into();
    until("the other one knows", || {
        json_of(&two, "/api/stats")["cluster"]["nodes"][0].is_object()
    });
    for (heard, topic) in heard.iter_mut().zip(["room:1", "room:2", "room:3"]) {
        publish(&one, topic, 1);
        assert_eq!(heard.json(), push(topic, 1));
    }
}

#[test]
fn a_node_signs_in_to_nats_with_what_is_in_a_file() {
    const SEED: &str = "SUAG43ZANNSXSIDUNBQXIIDBNZ4WE33EPEQGQYLTFQQGM33SEBXW4ZIRJM";
    const PUBLIC: &str = "UC2XENVS4R535BVB2A627GG3VL337QDQOHTBOCEXVCSQRWUJUSI6L2BP";
    let rules = format!("authorization {{ users = [{{ nkey: {PUBLIC} }}] }}");
    let nats = Nats::new().config(&rules).start().unwrap();
    let broker = format!("nats://{}", nats.address());
    let folder = nats.authority();
    let file = folder.parent().unwrap().join("key");
    std::fs::write(&file, format!("{SEED}\n")).unwrap();
    let words = ["--backplane-credentials", file.to_str().unwrap()];
    let addr = ["--addr", "127.0.0.1:0", "--backplane", &broker];
    let node = Server::start(&[&addr[..], &words[..]].concat());
    until("it is up", || ready(&node).1.contains("backplane: up"));
    let stranger = Server::start(&addr);
    until("it says why", || {
        let trouble = json_of(&stranger, "/api/stats")["cluster"]["trouble"].to_string();
        trouble.to_lowercase().contains("authorization violation")
    });
    // What cannot be is told before anything is served.
    assert_refused(
        &[&words[..], &["--backplane", "redis://localhost"]].concat(),
        "--backplane-credentials: needs --backplane with nats://",
    );
    std::fs::write(&file, "no key").unwrap();
    let output = server::run(&[&addr[2..], &words[..], &["--check"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    let told = format!("wireline: backplane_credentials: {}: ", file.display());
    assert!(
        said.starts_with(&told) && !said.contains("no key"),
        "{said}"
    );
}

#[test]
fn authorities_that_are_none_are_told_before_anything_is_served() {
    let redis = Redis::new().tls().start().unwrap();
    let folder = redis.authority();
    let folder = folder.parent().unwrap();
    let text = folder.join("extensions.pem");
    for (file, why) in [
        (folder.join("nothing.pem"), "No such file"),
        (text, "there is no certificate"),
    ] {
        let file = file.to_str().unwrap();
        for broker in ["rediss://localhost", "tls://localhost"] {
            let words = ["--backplane", broker, "--backplane-ca", file];
            for check in [&["--check"][..], &[]] {
                let output = server::run(&[&words[..], check].concat());
                let said = String::from_utf8(output.stderr).unwrap();
                assert_ne!(output.status.code(), Some(0), "{said}");
                let told = format!("wireline: backplane_ca: {file}: ");
                assert!(said.starts_with(&told) && said.contains(why), "{said}");
                assert!(
                    output.stdout.is_empty() && said.lines().count() == 1,
                    "{said}"
                );
            }
        }
    }
    let authority = redis.authority();
    let words = ["--backplane-ca", authority.to_str().unwrap()];
    assert_refused(&words, "--backplane-ca: needs --backplane with rediss://");
    assert_refused(
        &[&words[..], &["--backplane", "redis://localhost"]].concat(),
        "--backplane-ca: needs --backplane with rediss://",
    );
    let good = [
        &words[..],
        &["--backplane", "rediss://localhost", "--check"],
    ]
    .concat();
    let shown = server::run(&good);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("backplane_ca = "), "{shown}");
}

#[test]
fn what_is_no_broker_is_refused() {
    for broker in [
        "http://localhost:6379",
        "redis://",
        "localhost:6379",
        "nats://:4222",
    ] {
        assert_refused(&["--backplane", broker], "--backplane");
    }
    assert_refused(
        &[
            "--backplane",
            "redis://localhost",
            "--backplane-prefix",
            "a b",
        ],
        "--backplane-prefix",
    );
    assert_refused(
        &["--backplane", "redis://localhost", "--relay-on=false"],
        "--relay-on",
    );
}

const LIMIT: Duration = Duration::from_secs(20);
