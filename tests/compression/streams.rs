//! Streams: nothing is held back, nothing is made before it is taken, and what goes with a client.

use crate::coded::{decode, json};
use crate::{HeaderText, assert_coded};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::layer::compression::Compression;
use wireline::service::handler::Service;
use wireline::service::headers::Headers;
use wireline::test::TestClient;
use wireline::{Body, Request, Response, Router};

/// Calls a service without a connection.
async fn call(service: &impl Service, path: &str, accepted: &'static str) -> Response {
    let mut request = Request::get(path);
    request
        .headers_mut()
        .try_insert("accept-encoding", accepted)
        .unwrap();
    service.call(request).await
}

#[tokio::test(start_paused = true)]
async fn d20_a_stream_is_never_held_back() {
    for coding in ["br", "zstd", "gzip"] {
        // Short pieces are compressed here, long ones in jobs.
        for size in [10, 3000, 100_000] {
            let (sender, body) = Body::channel();
            let senders = Arc::new(std::sync::Mutex::new(Some((sender, body))));
            let kept = senders.clone();
            let routes = Router::new()
                .layer(Compression::new())
                .get("/", move || {
                    let (sender, body) = kept.lock().unwrap().take().unwrap();
                    *kept.lock().unwrap() = Some((sender, Body::empty()));
                    std::future::ready(Response::new(body).with_content_type("text/plain"))
                })
                .build()
                .unwrap();
            let mut response = call(&routes, "/", coding).await;
            assert_eq!(
                response.header_text("content-encoding").as_deref(),
                Some(coding)
            );
            let (mut sender, _) = senders.lock().unwrap().take().unwrap();
            let (mut coded, mut content) = (Vec::new(), Vec::new());
            for turn in 0..5u8 {
                let mut piece = json(size);
                piece[0] = turn;
                content.extend_from_slice(&piece);
                sender.send(piece.into()).await.unwrap();
                // All of it comes out, with nothing sent behind it.
                let mut clear = decode_begun(coding, &coded);
                while clear.len() < content.len() {
                    let piece = response.body_mut().chunk().await.unwrap().unwrap();
                    coded.extend_from_slice(&piece);
                    clear = decode_begun(coding, &coded);
                }
                assert_eq!(clear, content);
            }
            drop(sender);
            while let Some(piece) = response.body_mut().chunk().await {
                coded.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(decode(coding, &coded), content);
        }
    }
}

/// What can be decoded of coded content that has not ended.
fn decode_begun(coding: &str, coded: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut content = Vec::new();
    match coding {
        "br" => {
            use std::io::Read;
            let mut reader = brotli::Decompressor::new(coded, 4096);
            let mut piece = [0; 4096];
            // It complains of the end that is missing.
            while let Ok(len @ 1..) = reader.read(&mut piece) {
                content.extend_from_slice(&piece[..len]);
            }
        }
        "gzip" => {
            let mut writer = flate2::write::GzDecoder::new(&mut content);
            writer.write_all(coded).unwrap();
            writer.flush().unwrap();
        }
        "zstd" => {
            let mut writer = zstd::stream::write::Decoder::new(&mut content).unwrap();
            writer.write_all(coded).unwrap();
            writer.flush().unwrap();
        }
        other => panic!("{other}?"),
    }
    content
}

#[tokio::test]
async fn d20_a_stream_is_made_as_it_is_taken() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let routes = Router::new()
        .layer(Compression::new())
        .get("/{size}", move |request: Request| {
            let size = request.param("size").unwrap().len() * 1000;
            let made = counted.clone();
            let chunks = (0..1000).map(move |_| {
                made.fetch_add(1, Ordering::Relaxed);
                Bytes::from(json(size))
            });
            std::future::ready(Response::new(Body::from_chunks(chunks)))
        })
        .build()
        .unwrap();
    for (path, most) in [("/x", 60), ("/xxxxxxxxxxxxxxxxxxxx", 2)] {
        made.store(0, Ordering::Relaxed);
        let mut response = call(&routes, path, "gzip").await;
        assert_eq!(made.load(Ordering::Relaxed), 0, "nobody has asked yet");
        let _ = response.body_mut().chunk().await.unwrap().unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let made = made.load(Ordering::Relaxed);
        assert!((1..=most).contains(&made), "{made}");
    }
}

#[tokio::test]
async fn trailers_and_errors_pass() {
    let routes = Router::new()
        .layer(Compression::new())
        .get("/well", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send(json(1000).into()).await;
                let mut trailers = Headers::new();
                let _ = trailers.try_insert("x-sum", "7");
                sender.finish_with(trailers);
            });
            Response::new(body)
        })
        .get("/badly", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send(json(1000).into()).await;
                sender.abort();
            });
            Response::new(body)
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let response = client.get("/well").header("accept-encoding", "br").await;
    assert_coded(&response, "br", &json(1000));
    assert!(response.trailers.get("x-sum").is_some_and(|sum| sum == "7"));
    let cut = client.get("/badly").header("accept-encoding", "br").send();
    assert!(cut.await.is_err());
}

#[tokio::test]
async fn co3_an_encoder_goes_with_its_client() {
    let (told, mut gone) = tokio::sync::mpsc::channel(8);
    let content = Bytes::from(json(20_000));
    let router = Router::new().get("/", move || {
        let (mut sender, body) = Body::channel();
        let (told, content) = (told.clone(), content.clone());
        tokio::spawn(async move {
            while sender.send(content.clone()).await.is_ok() {}
            let _ = told.send(()).await;
        });
        std::future::ready(Response::new(body))
    });
    // One stream may have an encoder at a time.
    let compression = Compression::new().max_streams(1);
    let routes = Arc::new(router.layer(compression).build().unwrap());
    let coded = async || {
        let mut response = call(&routes, "/", "br").await;
        assert!(
            response
                .body_mut()
                .chunk()
                .await
                .is_some_and(|piece| piece.is_ok())
        );
        (response.header_text("content-encoding").is_some(), response)
    };
    let (first, response) = coded().await;
    assert!(first);
    let (second, other) = coded().await;
    assert!(!second, "the place is taken");
    drop(other);
    gone.recv().await;
    drop(response);
    gone.recv().await;
    let (third, response) = coded().await;
    assert!(third, "the place is free again");
    drop(response);

    // The same when the connection breaks in the middle, and its job may still be running.
    let client = TestClient::new(routes.clone());
    gone.recv().await;
    for _ in 0..3 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut connection = client.connect();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: br\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut seen = vec![0; 3000];
        connection.read_exact(&mut seen).await.unwrap();
        let head = String::from_utf8_lossy(&seen);
        assert!(head.contains("content-encoding: br\r\n"), "{head:.400}");
        drop(connection);
        gone.recv().await;
    }
}
