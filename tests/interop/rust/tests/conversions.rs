//! Conversions to and from the types of `http`, and `Body` as an `http_body::Body`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use http_body::{Body as _, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use std::io;
use wireline::resource::addr::ConnInfo;
use wireline::service::body::{Body, BodyError};
use wireline::service::headers::Headers;
use wireline::service::request::Request;
use wireline::service::response::Response;

#[tokio::test]
async fn a_request_there_and_back() {
    let original = http::Request::builder()
        .method("PATCH")
        .uri("http://example.com:8000/a%20b/c?d=e&f")
        .version(Version::HTTP_2)
        .header("x-one", "1")
        .header("X-Many", "a")
        .header("x-many", HeaderValue::from_bytes(b"\xff").expect("a value"))
        .extension("left by another")
        .body("content")
        .expect("a request");
    let request = Request::from(original);
    assert_eq!(
        (request.method(), request.version()),
        (&Method::PATCH, Version::HTTP_2)
    );
    assert_eq!(
        (request.path(), request.query()),
        ("/a%20b/c", Some("d=e&f"))
    );
    assert_eq!(request.host(), Some("example.com:8000"));
    assert!(request.header("X-ONE").is_some_and(|value| value == "1"));
    assert_eq!(request.headers().get_all("x-many").count(), 2);
    assert_eq!(
        request
            .extensions()
            .and_then(|extensions| extensions.get::<&str>()),
        Some(&"left by another")
    );
    assert_eq!(request.body().as_bytes(), Some(b"content".as_slice()));

    let back = http::Request::<Body>::try_from(request).expect("a request");
    assert_eq!(back.uri(), "http://example.com:8000/a%20b/c?d=e&f");
    assert_eq!(
        (back.method(), back.version()),
        (&Method::PATCH, Version::HTTP_2)
    );
    let many: Vec<&[u8]> = back
        .headers()
        .get_all("x-many")
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    assert_eq!(many, [b"a".as_slice(), b"\xff"]);
    assert_eq!(back.extensions().get::<&str>(), Some(&"left by another"));
    assert_eq!(
        back.extensions().get::<ConnInfo>(),
        Some(&ConnInfo::default())
    );
    assert_eq!(
        back.into_body().collect().await.expect("the content"),
        "content"
    );
}

#[tokio::test]
async fn a_response_there_and_back() {
    let original = http::Response::builder()
        .status(StatusCode::CREATED)
        .header(header::SET_COOKIE, "a=1")
        .header(header::SET_COOKIE, "b=2")
        .header(header::CONTENT_TYPE, "text/x")
        .extension(7u8)
        .body(Body::from("content"))
        .expect("a response");
    let response = Response::from(original).set_cookie("c=3");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(
        response
            .extensions()
            .and_then(|extensions| extensions.get::<u8>()),
        Some(&7)
    );
    let back = http::Response::<Body>::from(response);
    let cookies: Vec<&HeaderValue> = back.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1", "b=2", "c=3"]);
    assert_eq!(
        (back.status(), &back.headers()["content-type"]),
        (StatusCode::CREATED, &HeaderValue::from_static("text/x"))
    );
    assert_eq!(back.extensions().get::<u8>(), Some(&7));
    assert_eq!(
        back.into_body().collect().await.expect("the content"),
        "content"
    );
}

#[test]
fn headers_to_a_header_map_and_back() {
    let mut headers = Headers::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("a/b"));
    headers.append(header::VARY, HeaderValue::from_static("x"));
    headers.append(header::VARY, HeaderValue::from_static("y"));
    let map = HeaderMap::from(headers);
    assert_eq!((map.len(), map.get_all("vary").iter().count()), (3, 2));
    let headers = Headers::from(map);
    assert_eq!((headers.len(), headers.get_all("Vary").count()), (3, 2));
}

#[tokio::test]
async fn body_keeps_the_contract_of_http_body() {
    let empty = Body::empty();
    assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
    let full = Body::from("four");
    assert!(!full.is_end_stream() && full.size_hint().exact() == Some(4));
    assert_eq!(
        BodyExt::collect(full)
            .await
            .expect("the content")
            .to_bytes(),
        "four"
    );

    let (mut sender, body) = Body::channel();
    assert!(!body.is_end_stream() && body.size_hint().exact().is_none());
    tokio::spawn(async move {
        sender.send("one ".into()).await.expect("a reader");
        sender.send("two".into()).await.expect("a reader");
        let mut trailers = Headers::new();
        trailers.try_insert("x-sum", "2").expect("a field");
        sender.finish_with(trailers);
    });
    let collected = BodyExt::collect(body).await.expect("the content");
    assert_eq!(
        collected.trailers().expect("a trailer section")["x-sum"],
        "2"
    );
    assert_eq!(collected.to_bytes(), "one two");

    let (sender, mut body) = Body::channel();
    sender.abort();
    assert!(matches!(body.frame().await, Some(Err(BodyError::Aborted))));
    assert!(body.frame().await.is_none(), "nothing follows an error");
}

#[tokio::test]
async fn bodies_of_other_crates() {
    let body = Body::from_http_body(Full::new(Bytes::from_static(b"full")));
    assert_eq!(body.len(), Some(4));
    assert_eq!(body.collect().await.expect("the content"), "full");
    assert_eq!(
        Body::from_http_body(Empty::<Bytes>::new())
            .collect()
            .await
            .expect("the content"),
        ""
    );

    // Trailers, through a box and the adapters of http-body-util.
    let (mut sender, channel) = http_body_util::channel::Channel::<Bytes, io::Error>::new(4);
    sender.send(Frame::data("data".into())).await.expect("room");
    let mut section = HeaderMap::new();
    section.insert("x-sum", HeaderValue::from_static("4"));
    sender.send_trailers(section).await.expect("room");
    drop(sender);
    let boxed: BoxBody<Bytes, io::Error> = channel.boxed();
    let (content, trailers) = Body::from_http_body(boxed)
        .collect_with_trailers()
        .await
        .expect("the content");
    assert_eq!(content, "data");
    assert!(
        trailers.is_some_and(|trailers| trailers.get("x-sum").is_some_and(|value| value == "4"))
    );

    // An error of the other crate is a 500; one of ours keeps its status on its way through another body.
    let failing = Limited::new(Body::from("too long"), 3);
    let error = Body::from_http_body(failing)
        .collect()
        .await
        .expect_err("a limit of three octets");
    assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let (sender, body) = Body::channel();
    sender.abort();
    let error = Body::from_http_body(body.map_frame(|frame| frame))
        .collect()
        .await
        .expect_err("an aborted body");
    assert!(matches!(error, BodyError::Aborted), "{error:?}");
}
