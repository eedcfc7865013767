//! How much content becomes: the limit of its route, bombs, windows, the budget of its connection.

use crate::coded::{self, encode, json};
use crate::{CODINGS, chunks, client, post, routes, sum};
use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::http1::driver::config::Config;
use wireline::layer::compression::Decompression;
use wireline::test::TestClient;
use wireline::{Body, Error, Request, Router};

#[tokio::test]
async fn content_stays_within_the_limit_of_its_route() {
    let limited = |most| routes().max_body(most);
    for coding in CODINGS {
        for size in [1000, 50_000] {
            let coded = encode(coding, &json(size));
            for (most, status) in [(size, 200), (size - 1, 413), (size + 1, 200)] {
                let client = client(limited(most as u64));
                for path in ["/whole", "/pieces"] {
                    let response = post(&client, path, coding, coded.clone()).await;
                    assert_eq!(response.status.as_u16(), status, "{coding} {size} {most}");
                }
            }
        }
    }
    // Where the route has none, the layer's own holds; and a group's is nearer than an outer router's.
    let own = Decompression::new().max_body(1000);
    let group = routes().max_body(2000);
    let routes = routes().nest("/group", group).layer(own).build().unwrap();
    let client = TestClient::new(routes);
    let coded = encode("br", &json(1500));
    assert_eq!(
        post(&client, "/whole", "br", coded.clone()).await.status,
        413
    );
    assert_eq!(post(&client, "/group/whole", "br", coded).await.status, 200);
}

#[tokio::test]
async fn content_stays_within_the_limit_of_the_server() {
    let client = |most, layer: Decompression| {
        let mut config = Config::default();
        config.max_body = most;
        let routes = routes().layer(layer).build().unwrap();
        TestClient::with_config(routes, config)
    };
    let small = json(100_000);
    for coding in CODINGS {
        for path in ["/whole", "/pieces"] {
            for (less, status) in [(1, 413), (0, 200)] {
                let client = client(small.len() as u64 - less, Decompression::new());
                let response = post(&client, path, coding, encode(coding, &small)).await;
                assert_eq!(response.status.as_u16(), status, "{coding} {path} {less}");
            }
        }
    }
    // More than the default, stored as it is.
    let stored = flate2::Compression::none();
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), stored);
    writer.write_all(&vec![b'x'; 11 << 20]).unwrap();
    let large = writer.finish().unwrap();
    let client_of_12 = client(12 << 20, Decompression::new());
    let response = post(&client_of_12, "/whole", "gzip", large).await;
    assert_eq!(response.status, 200);
    // The layer's own goes first.
    let client = client(50_000, Decompression::new().max_body(100_000));
    let response = post(&client, "/whole", "br", encode("br", &small)).await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn members_and_frames_that_follow_each_other_are_one_content() {
    let client = client(routes().max_body(200_000));
    let expected = |content: &[u8]| format!("{} {} false", content.len(), sum(content));
    for coding in ["gzip", "zstd"] {
        for sizes in [&[200, 300][..], &[60_000, 0, 1, 70_000], &[0; 50]] {
            let parts: Vec<_> = sizes.iter().map(|size| json(*size)).collect();
            let coded: Vec<_> = parts.iter().flat_map(|part| encode(coding, part)).collect();
            for body in [
                Body::from(coded.clone()),
                chunks(&coded, 7),
                chunks(&coded, 1000),
            ] {
                let response = post(&client, "/whole", coding, body).await;
                assert_eq!(response.status, 200, "{coding} {sizes:?}");
                assert_eq!(
                    response.text(),
                    expected(&parts.concat()),
                    "{coding} {sizes:?}"
                );
            }
        }
        // The limits hold for all of them.
        let coded = encode(coding, &json(60_000)).repeat(4);
        assert_eq!(post(&client, "/whole", coding, coded).await.status, 413);
        let many = encode(coding, b"").repeat(200);
        assert_eq!(post(&client, "/whole", coding, many).await.status, 413);
    }
    // A frame that is passed over (RFC 8878 section 3.1.2).
    let skipped = [
        &[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..],
        &encode("zstd", b"abc"),
    ];
    let response = post(&client, "/whole", "zstd", skipped.concat()).await;
    assert_eq!(response.text(), expected(b"abc"));
    // Neither format has members.
    for coding in ["br", "deflate"] {
        let twice = encode(coding, &json(200)).repeat(2);
        assert_eq!(post(&client, "/whole", coding, twice).await.status, 400);
    }
}

/// Ten gigabytes of zeros, in a few octets for each 64 KiB.
fn bomb(coding: &str) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    match coding {
        // One block, compressed with nothing before it, as often as there is need.
        "gzip" | "deflate" => {
            let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
            let mut block = Vec::with_capacity(1 << 16);
            deflate
                .compress_vec(&zeros, &mut block, flate2::FlushCompress::Full)
                .unwrap();
            let head: &[u8] = match coding {
                "gzip" => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255],
                _ => &[0x78, 0x9c],
            };
            [head, &block.repeat(9000)].concat()
        }
        // Each block repeats an octet 128 Ki times.
        "zstd" => {
            let head = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
            [&head[..], &[2, 0, 0x10, 0].repeat(80_000)].concat()
        }
        "br" => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 24);
            for _ in 0..64 {
                writer.write_all(&zeros).unwrap();
            }
            writer.into_inner()
        }
        other => panic!("{other}?"),
    }
}

#[tokio::test]
async fn co2_bombs_give_a_hundred_octets_for_one_and_no_more() {
    for coding in ["gzip", "deflate", "zstd", "br"] {
        let bomb = bomb(coding);
        let given = Arc::new(AtomicUsize::new(0));
        let counted = given.clone();
        let router = Router::new()
            .max_body(1 << 40)
            .post("/", move |request: Request| {
                let given = counted.clone();
                async move {
                    let mut body = request.into_parts().1;
                    while let Some(piece) = body.chunk().await {
                        given.fetch_add(piece?.len(), Ordering::Relaxed);
                    }
                    Ok::<_, Error>("all of it")
                }
            });
        let client = client(router);
        for body in [Body::from(bomb.clone()), chunks(&bomb, 10)] {
            given.store(0, Ordering::Relaxed);
            let begun = tokio::time::Instant::now();
            let response = client
                .post("/")
                .header("content-encoding", coding)
                .body(body);
            assert_eq!(response.await.status.as_u16(), 413, "{coding}");
            // The first pieces may pass, up to 64 KiB, and what a hundred times the first chunk allows.
            let given = given.load(Ordering::Relaxed);
            assert!(given <= 6_600_000, "{coding}: {given}");
            assert!(
                begun.elapsed().as_secs() < 5,
                "{coding}: {:?}",
                begun.elapsed()
            );
        }
    }
}

#[tokio::test]
async fn co2_windows_that_are_too_large_are_refused() {
    let client = client(routes());
    // zstd: a window of 2^31, of 16 MiB, and of 8 MiB, which RFC 9659 allows.
    let frame = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, window << 3, 3, 0, 0, b'a'];
    for (exponent, status) in [(31, 413), (24, 413), (23, 200)] {
        let mut frame = frame(exponent - 10);
        // A last block that repeats one octet once.
        frame[6..9].copy_from_slice(&[1 << 3 | 1 << 1 | 1, 0, 0]);
        let response = post(&client, "/whole", "zstd", frame.to_vec()).await;
        assert_eq!(response.status.as_u16(), status, "2^{exponent}");
    }
    // Brotli's large windows, up to a gigabyte.
    let response = post(&client, "/whole", "br", vec![0x11, 30, 0, 0, 0]).await;
    assert_eq!(response.status, 413);
}

#[tokio::test]
async fn what_is_collected_is_charged_to_its_connection() {
    let router = Router::new().post("/", async |request: Request| {
        let content = request.into_parts().1.collect().await?;
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        Ok::<_, Error>(content.len().to_string())
    });
    let client = Arc::new(client(router));
    let asking = client.clone();
    let (mut sender, body) = Body::channel();
    let request = tokio::spawn(async move {
        let request = asking
            .post("/")
            .header("content-encoding", "gzip")
            .body(body);
        let _ = request.send().await;
    });
    let coded = encode("gzip", &json(2_000_000));
    sender.send(coded.into()).await.unwrap();
    drop(sender);
    until(
        || client.buffered() >= 2_000_000,
        || format!("{} octets are charged", client.buffered()),
    )
    .await;
    request.abort();
}

/// Content that comes whole with its request: what it becomes is charged as what comes as a stream.
#[tokio::test]
async fn co2_what_short_content_becomes_is_charged_to_its_connection() {
    let content = records(800_000);
    let asks = Router::new()
        .post("/collected", async |request: Request| {
            let content = request.into_parts().1.collect().await?;
            std::future::pending::<()>().await;
            Ok::<_, Error>(content.len().to_string())
        })
        // Nothing is kept of it but what the decoder looks back at.
        .post("/window", async |request: Request| {
            let mut body = request.into_parts().1;
            for _ in 0..100 {
                let _ = body.chunk().await;
            }
            std::future::pending::<()>().await;
            "done"
        });
    let client = Arc::new(client(asks.max_body(4_000_000)));
    for (path, coding, least) in [
        ("/collected", "gzip", content.len()),
        ("/collected", "br", content.len()),
        ("/window", "br", 600_000),
        ("/window", "zstd", 600_000),
    ] {
        let coded = encode(coding, &content);
        assert!(
            coded.len() < 60_000 && coded.len() * 100 > content.len(),
            "{}",
            coded.len()
        );
        for is_chunked in [false, true] {
            let asking = client.clone();
            let body = match is_chunked {
                true => chunks(&coded, coded.len()),
                false => Body::from(coded.clone()),
            };
            let request = tokio::spawn(async move {
                let request = asking.post(path).header("content-encoding", coding);
                let _ = request.body(body).send().await;
            });
            until(
                || client.buffered() >= least,
                || format!("{path} {coding} {}", client.buffered()),
            )
            .await;
            request.abort();
            until(
                || client.buffered() < least / 4,
                || format!("{} after", client.buffered()),
            )
            .await;
        }
        // Several over one connection of HTTP/2.
        let (send, connection) = h2::client::handshake(client.connect_http2()).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut streams = Vec::new();
        for _ in 0..3 {
            let request = http::Request::post(format!("http://localhost{path}"));
            let request = request.header("content-encoding", coding).body(()).unwrap();
            let mut send = send.clone().ready().await.unwrap();
            let (response, mut stream) = send.send_request(request, false).unwrap();
            stream.send_data(coded.clone().into(), true).unwrap();
            streams.push((response, stream));
        }
        until(
            || client.buffered() >= 3 * least,
            || format!("h2 {path} {coding} {}", client.buffered()),
        )
        .await;
        drop((streams, send));
        connection.abort();
        until(
            || client.buffered() < least / 4,
            || format!("{} after", client.buffered()),
        )
        .await;
    }
}

/// Waits for what comes soon.
async fn until(is_so: impl Fn() -> bool, what: impl Fn() -> String) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{}", what());
}

/// Records that every coding makes about fifty times shorter.
fn records(octets: usize) -> Vec<u8> {
    let records = coded::noise(octets / 150)
        .chunks_exact(2)
        .map(|number| {
            let filler = "the same in each of them, ".repeat(11);
            format!(
                "{{\"n\":{:05},\"t\":\"{filler}\"}}\n",
                u16::from_le_bytes([number[0], number[1]])
            )
        })
        .collect::<String>();
    let mut records = records.into_bytes();
    records.truncate(octets);
    records
}

#[tokio::test]
async fn a_window_of_brotli_is_no_larger_than_what_the_content_may_become() {
    // Said to have 16 MiB, 4 MiB, 256 KiB, 64 KiB, 1 KiB: all of them fit where the content does.
    let windows = [24, 22, 18, 16, 10].into_iter();
    for (window, size) in
        windows.flat_map(|window| [0, 200_000, 262_100].map(|size| (window, size)))
    {
        let content = json(size);
        let sum: u64 = content.iter().map(|octet| u64::from(*octet)).sum();
        let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, window);
        writer.write_all(&content).unwrap();
        let coded = writer.into_inner();
        for most in [size, 262_126, 262_127, 3_000_000] {
            let client = client(routes().max_body(most.max(100) as u64));
            let (first, rest) = coded.split_at(1);
            let first = [Bytes::copy_from_slice(first), Bytes::copy_from_slice(rest)];
            let first = Body::from_chunks(first.into_iter());
            for body in [Body::from(coded.clone()), first] {
                let response = post(&client, "/whole", "br", body).await;
                assert_eq!(
                    response.text(),
                    format!("{size} {sum} false"),
                    "{window} {most}"
                );
            }
        }
    }
}
