//! Decompression of requests: what handlers see, what is refused, and bombs.

#[path = "decompression/ceilings.rs"]
mod ceilings;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "support/coded.rs"]
mod coded;

use bytes::Bytes;
use coded::{encode, json};
use http::StatusCode;
use std::io::Write;
use wireline::extract::Json;
use wireline::layer::compression::{Coding, Decompression};
use wireline::service::body::BodyError;
use wireline::test::{TestClient, TestResponse};
use wireline::{Body, Error, Request, Router};

fn sum(content: &[u8]) -> u64 {
    content.iter().map(|octet| u64::from(*octet)).sum()
}

/// Says what comes of content: its length and sum; and how its request says that it is coded.
fn routes() -> Router {
    Router::new()
        .post("/whole", async |request: Request| {
            let fields = ["content-encoding", "content-length"];
            let coded = fields.iter().any(|name| request.header(name).is_some());
            let content = request.into_parts().1.collect().await?;
            Ok::<_, Error>(format!("{} {} {coded}", content.len(), sum(&content)))
        })
        .post("/pieces", async |request: Request| {
            let mut body = request.into_parts().1;
            let (mut len, mut total) = (0, 0);
            while let Some(piece) = body.chunk().await {
                let piece = piece?;
                assert!(piece.len() <= 16 * 1024);
                (len, total) = (len + piece.len(), total + sum(&piece));
            }
            Ok::<_, Error>(format!("{len} {total} false"))
        })
        .post("/numbers", async |Json(numbers): Json<Vec<u32>>| {
            numbers.iter().sum::<u32>().to_string()
        })
        .post("/ignored", async || "not read")
}

fn client(router: Router) -> TestClient {
    TestClient::new(router.layer(Decompression::new()).build().unwrap())
}

async fn post(
    client: &TestClient,
    path: &str,
    coding: &str,
    body: impl Into<Body>,
) -> TestResponse {
    client
        .post(path)
        .header("content-encoding", coding)
        .header("content-type", "application/json")
        .body(body)
        .await
}

/// Content whose length is not announced, in chunks.
fn chunks(content: &[u8], size: usize) -> Body {
    let chunks: Vec<_> = content.chunks(size).map(Bytes::copy_from_slice).collect();
    Body::from_chunks(chunks.into_iter())
}

const CODINGS: [&str; 5] = ["br", "zstd", "gzip", "x-gzip", "deflate"];

#[tokio::test]
async fn content_is_what_it_was_before_it_was_coded() {
    let client = client(routes());
    for coding in CODINGS {
        for size in [0, 1, 1000, 16_384, 16_385, 100_000, 3_000_000] {
            let content = json(size);
            let sum: u64 = content.iter().map(|octet| u64::from(*octet)).sum();
            let expected = format!("{size} {sum} false");
            let coded = encode(coding, &content);
            for path in ["/whole", "/pieces"] {
                let at_once = post(&client, path, coding, coded.clone()).await;
                assert_eq!(at_once.text(), expected, "{coding}");
                let chunked = post(&client, path, coding, chunks(&coded, 7000)).await;
                assert_eq!(chunked.text(), expected, "{coding}");
                if size <= 1000 {
                    let octets = post(&client, path, coding, chunks(&coded, 1)).await;
                    assert_eq!(octets.text(), expected, "{coding}");
                }
            }
        }
        let numbers = post(&client, "/numbers", coding, encode(coding, b"[1, 2, 39]")).await;
        assert_eq!(numbers.text(), "42");
    }
}

#[tokio::test]
async fn what_is_not_coded_passes() {
    let client = client(routes());
    let plain = client.post("/whole").body("ab").await;
    assert_eq!(plain.text(), "2 195 true");
    let identity = post(&client, "/whole", "identity", "ab").await;
    assert_eq!(identity.text(), "2 195 true");
    // Without content there is nothing that could be malformed.
    let empty = post(&client, "/whole", "gzip", "").await;
    assert_eq!(empty.text(), "0 0 false");
    // Without the layer, or with one that is off, the content is the handler's affair.
    let coded = encode("gzip", b"ab");
    for router in [routes(), routes().layer(Decompression::off())] {
        let client = TestClient::new(router.build().unwrap());
        let response = post(&client, "/whole", "gzip", coded.clone()).await;
        assert!(response.text().starts_with(&coded.len().to_string()));
        assert!(response.text().ends_with(" true"));
    }
}

#[tokio::test]
async fn other_codings_and_more_than_one_are_415() {
    let client = client(routes());
    let nested = encode("gzip", &encode("gzip", b"ab"));
    for coding in [
        "gzip, gzip",
        "gzip, gzip, br",
        "identity, br, gzip",
        "compress",
        "aes128gcm",
        "g zip",
        "gzip;q=1",
    ] {
        let response = post(&client, "/ignored", coding, nested.clone()).await;
        assert_eq!(
            response.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{coding}"
        );
        assert_eq!(
            response.header("accept-encoding"),
            Some("br, zstd, gzip, deflate")
        );
        assert!(response.text().ends_with("br, zstd, gzip, deflate"));
    }
    let twice = client.post("/whole").header("content-encoding", "gzip");
    let twice = twice.header("content-encoding", "gzip").body(nested);
    assert_eq!(twice.await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    let only = Decompression::new().codings([Coding::Gzip]);
    let client = TestClient::new(routes().layer(only).build().unwrap());
    let response = post(&client, "/whole", "br", encode("br", b"ab")).await;
    assert_eq!(response.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(response.header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn what_is_wrong_with_the_content_is_400() {
    let client = client(routes());
    for coding in CODINGS {
        for size in [200, 60_000] {
            let coded = encode(coding, &json(size));
            let cut = &coded[..coded.len() - 1];
            let behind = [&coded[..], b"x"].concat();
            let mut changed = coded.clone();
            changed[0] ^= 0x28;
            for (what, sent, sentence) in [
                (
                    "cut",
                    cut,
                    "the content ends before its Content-Encoding does",
                ),
                (
                    "behind",
                    &behind,
                    "something follows the end of the Content-Encoding",
                ),
                ("changed", &changed, ""),
                ("changed behind", &[&coded[..], &changed].concat(), ""),
                ("cut behind", &[&coded[..], cut].concat(), ""),
                ("plain", &json(size), ""),
            ] {
                for body in [Body::from(sent.to_vec()), chunks(sent, 1000)] {
                    let response = post(&client, "/whole", coding, body).await;
                    assert_eq!(response.status.as_u16(), 400, "{coding}, {what}, {size}");
                    assert!(response.text().contains(sentence), "{}", response.text());
                }
            }
        }
    }
    // A checksum that does not fit.
    let mut coded = encode("gzip", b"some content");
    let place = coded.len() - 8;
    coded[place] ^= 1;
    assert_eq!(post(&client, "/whole", "gzip", coded).await.status, 400);
}

#[tokio::test]
async fn a_stream_is_decoded_as_it_comes() {
    for coding in ["br", "zstd", "gzip"] {
        let (told, mut seen) = tokio::sync::mpsc::channel(8);
        let router = Router::new().post("/", move |request: Request| {
            let told = told.clone();
            async move {
                let mut body = request.into_parts().1;
                while let Some(piece) = body.chunk().await {
                    let _ = told.send(piece?).await;
                }
                Ok::<_, Error>("done")
            }
        });
        let client = client(router);
        let (mut sender, body) = Body::channel();
        let feeder = async {
            let mut coded = Vec::new();
            // Coded by the encoders of the layer, which flush.
            let mut source = flushed(coding, &[b"first", b"second"]);
            coded.append(&mut source.0);
            sender.send(coded.into()).await.unwrap();
            assert_eq!(seen.recv().await.unwrap(), "first");
            sender.send(source.1.into()).await.unwrap();
            assert_eq!(seen.recv().await.unwrap(), "second");
            drop(sender);
        };
        let request = client
            .post("/")
            .header("content-encoding", coding)
            .body(body);
        let (response, ()) = tokio::join!(request, feeder);
        assert_eq!(response.text(), "done");
    }
}

/// Two pieces of one coded content, flushed after the first.
fn flushed(coding: &str, pieces: &[&[u8]; 2]) -> (Vec<u8>, Vec<u8>) {
    macro_rules! write {
        ($writer:expr, $finish:expr) => {{
            let mut writer = $writer;
            writer.write_all(pieces[0]).unwrap();
            writer.flush().unwrap();
            let first = writer.get_ref().clone();
            writer.write_all(pieces[1]).unwrap();
            let all: Vec<u8> = $finish(writer);
            let rest = all[first.len()..].to_vec();
            (first, rest)
        }};
    }
    match coding {
        "br" => write!(
            brotli::CompressorWriter::new(Vec::new(), 4096, 4, 20),
            |writer: brotli::CompressorWriter<Vec<u8>>| writer.into_inner()
        ),
        "gzip" => write!(
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()),
            |writer: flate2::write::GzEncoder<Vec<u8>>| writer.finish().unwrap()
        ),
        "zstd" => write!(
            zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap(),
            |writer: zstd::stream::write::Encoder<'_, Vec<u8>>| writer.finish().unwrap()
        ),
        other => panic!("{other}?"),
    }
}

#[tokio::test]
async fn errors_of_the_source_keep_their_meaning() {
    let router = Router::new().post("/", async |request: Request| {
        match request.into_parts().1.collect().await {
            Err(BodyError::TooLarge) => "too large",
            Err(_) => "another",
            Ok(_) => "well",
        }
    });
    // The octets that come have the same limit.
    let client = client(router.max_body(5000));
    let coded = encode("gzip", &coded::noise(6000));
    let request = client.post("/").header("content-encoding", "gzip");
    let (mut sender, body) = Body::channel();
    let feeder = async {
        // What comes at once is refused before there is a handler.
        for piece in coded.chunks(4000) {
            let _ = sender.send(Bytes::copy_from_slice(piece)).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        drop(sender);
    };
    let (response, ()) = tokio::join!(request.body(body), feeder);
    assert_eq!(response.text(), "too large");
}

#[tokio::test]
async fn the_same_over_http2() {
    let client = client(routes());
    let (send, connection) = h2::client::handshake(client.connect_http2()).await.unwrap();
    tokio::spawn(connection);
    for (coding, size, status) in [
        ("br", 1000, 200),
        ("gzip", 200_000, 200),
        ("zstd", 200_000, 200),
        ("gzip, br", 10, 415),
        ("gzip", 0, 400),
    ] {
        let coded = match size {
            0 => b"no gzip".to_vec(),
            _ => encode(coding.split(',').next().unwrap(), &json(size)),
        };
        let request = http::Request::post("http://localhost/whole")
            .header("content-encoding", coding)
            .body(())
            .unwrap();
        let mut send = send.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(request, false).unwrap();
        stream.send_data(coded.into(), true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        assert_eq!(head.status.as_u16(), status, "{coding}");
        if status == 200 {
            let text = body.data().await.unwrap().unwrap();
            assert!(text.starts_with(format!("{size} ").as_bytes()));
        }
    }
}
