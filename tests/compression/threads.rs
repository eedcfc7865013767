//! Where the work is done.

use crate::coded::json;
use crate::{JSON, answering, assert_coded, client};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::layer::compression::Compression;
use wireline::{Body, Response, Router};

#[tokio::test]
async fn s109_d35_long_content_is_compressed_off_the_event_loop() {
    for path in ["/whole", "/stream"] {
        let content = json(600_000);
        let (whole, stream) = (content.clone(), content.clone());
        // Quality 9 takes a while.
        let router = Router::new()
            .get("/whole", move || {
                std::future::ready(Response::bytes(whole.clone(), JSON))
            })
            .get("/stream", move || {
                let chunks = std::iter::once(stream.clone().into());
                std::future::ready(Response::new(Body::from_chunks(chunks)))
            });
        let client = client(Compression::new().brotli(9), router);
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        let others = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let response = client.get(path).header("accept-encoding", "br").await;
        others.abort();
        assert_coded(&response, "br", &content);
        // The only thread of the runtime was free all the while.
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns > 1000, "{turns} turns");
    }
}

/// What takes less than 100 microseconds is done at once, and its length is known; everything longer is sent away.
#[tokio::test]
async fn s109_d35_the_edges_of_what_is_compressed_at_once() {
    let new = Compression::new;
    for (coding, layer, most) in [
        ("br", new as fn() -> Compression, 4096),
        ("br", || Compression::new().brotli(5), 2048),
        ("br", || Compression::new().brotli(9), 512),
        ("br", || Compression::new().brotli(10), 0),
        ("gzip", new, 8192),
        ("gzip", || Compression::new().gzip(7), 2048),
        ("zstd", new, 16384),
        ("zstd", || Compression::new().zstd(6), 2048),
        ("zstd", || Compression::new().zstd(7), 0),
    ] {
        for (size, at_once) in [(most, true), (most + 1, false)] {
            let content = json(size.max(300));
            let at_once = at_once && most > 0;
            let sent = content.clone();
            let client = client(
                layer(),
                answering(move || Response::bytes(sent.clone(), JSON)),
            );
            let response = client.get("/").header("accept-encoding", coding).await;
            assert_coded(&response, coding, &content);
            let has_length = response.header("content-length").is_some();
            assert_eq!(has_length, at_once, "{coding} {size}");
        }
    }
}
