//! Forms, typed fields, addresses and targets as arguments (SPEC S70, S75, S79).
#![expect(
    clippy::disallowed_methods,
    reason = "what the tests themselves wrote is read back, and work is timed by the real clock"
)]

use bytes::Bytes;
use http::{Method, Uri};
use serde::Deserialize;
use std::net::IpAddr;
use wireline::extract::header::{
    Accepts, Authorization, ContentLength, ContentType, Host, Origin, UserAgent,
};
use wireline::extract::{
    ClientIp, Form, FormRejection, Header, OriginalUri, TypedHeader, TypedHeaderRejection,
};
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::service::body::{BodyError, BodyStream};
use wireline::service::middleware::Next;
use wireline::test::{TestClient, TestResponse};
use wireline::{Body, Request, Router};

const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Debug, Deserialize)]
struct Search {
    q: String,
    page: Option<u32>,
    #[serde(default)]
    tag: Vec<String>,
}

fn tell(search: &Search) -> String {
    format!("{} {:?} {:?}", search.q, search.page, search.tag)
}

fn told(answer: &TestResponse) -> (u16, &str) {
    (answer.status.as_u16(), answer.text())
}

#[tokio::test(start_paused = true)]
async fn s74_a_form_is_the_query_or_the_content() {
    async fn search(Form(search): Form<Search>) -> String {
        tell(&search)
    }
    let router = Router::new()
        .get("/search", search)
        .post("/search", search)
        .post("/maybe", async |form: Option<Form<Search>>| {
            form.is_some().to_string()
        })
        .get("/maybe", async |form: Option<Form<Search>>| {
            form.is_some().to_string()
        })
        .post(
            "/result",
            async |form: Result<Form<Search>, FormRejection>| match form {
                Ok(Form(search)) => tell(&search),
                Err(rejection) => format!("no: {rejection}"),
            },
        )
        .max_body(1000);
    let client = TestClient::new(router.build().unwrap());
    let post =
        |path, content: &'static str| client.post(path).header("content-type", FORM).body(content);
    let usual = "q=a%20b+c&page=2&tag=x&tag=y";
    let expected = (200, "a b c Some(2) [\"x\", \"y\"]");
    assert_eq!(
        told(&client.get("/search?q=a%20b+c&page=2&tag=x&tag=y").await),
        expected
    );
    assert_eq!(told(&post("/search", usual).await), expected);
    let typed = client.post("/search").header(
        "content-type",
        "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
    );
    assert_eq!(told(&typed.body(usual).await), expected);
    let split = Body::from_chunks(usual.as_bytes().chunks(1).map(Bytes::from_static));
    let split = client
        .post("/search")
        .header("content-type", FORM)
        .body(split);
    assert_eq!(told(&split.await), expected);
    // The query of a POST is no form.
    assert_eq!(
        client
            .post("/search?q=a")
            .header("content-type", FORM)
            .await
            .status,
        422
    );
    for (content, status, text) in [
        ("page=2", 422, "form: missing field `q`"),
        ("q=a&page=x", 422, "form field `page`: "),
        ("q=a&q=b", 422, "form field `q`: "),
    ] {
        let answer = post("/search", content).await;
        assert_eq!(answer.status, status, "{content}");
        assert!(answer.text().starts_with(text), "{}", answer.text());
    }
    let bad = client.get("/search?page=2").await;
    assert_eq!(told(&bad), (400, "query: missing field `q`"));
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=a",
        "x",
    ] {
        let request = client.post("/search").header("content-type", content_type);
        let answer = request.body(usual).await;
        assert_eq!(answer.status, 415, "{content_type}");
        // RFC 9110 §12.5.3: that field is about codings, and this is not.
        assert_eq!(answer.header("accept-encoding"), None);
    }
    assert_eq!(client.post("/search").body(usual).await.status, 415);
    let large = client.post("/search").header("content-type", FORM);
    assert_eq!(large.body("x".repeat(1001)).await.status, 413);
    for (answer, expected) in [
        (client.post("/maybe").await, "false"),
        (client.get("/maybe").await, "false"),
        (client.get("/maybe?q=1").await, "true"),
        (post("/maybe", "q=1").await, "true"),
    ] {
        assert_eq!(told(&answer), (200, expected));
    }
    assert_eq!(post("/maybe", "x=1").await.status, 422);
    assert_eq!(
        post("/result", "x=1").await.text(),
        "no: form: missing field `q`"
    );
}

/// Many keys, and an error in the last of them: linear.
#[tokio::test(start_paused = true)]
async fn forms_with_many_keys_are_refused_in_linear_time() {
    let router = Router::new().post(
        "/",
        async |Form(all): Form<std::collections::HashMap<String, u8>>| all.len().to_string(),
    );
    let client = TestClient::new(router.build().unwrap());
    let mut content: String = (0..200_000).map(|at| format!("k{at}=1&")).collect();
    content.push_str("last=x");
    let begun = std::time::Instant::now();
    let answer = client
        .post("/")
        .header("content-type", FORM)
        .body(content)
        .await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.text().starts_with("form field `last`: "),
        "{}",
        answer.text()
    );
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn s75_typed_fields() {
    async fn tell<T: Header + std::fmt::Debug>(
        field: Result<TypedHeader<T>, TypedHeaderRejection>,
    ) -> String {
        match field {
            Ok(TypedHeader(value)) => format!("{value:?}"),
            Err(rejection) => rejection.to_string(),
        }
    }
    let router = Router::new()
        .get(
            "/authorization",
            async |TypedHeader(field): TypedHeader<Authorization>| {
                format!("{} {:?} {:?}", field.scheme(), field.bearer(), field)
            },
        )
        .get("/content-type", tell::<ContentType>)
        .get(
            "/content-length",
            async |field: Option<TypedHeader<ContentLength>>, _: Body| format!("{field:?}"),
        )
        .get("/user-agent", tell::<UserAgent>)
        .get("/host", tell::<Host>)
        .get("/origin", tell::<Origin>)
        .get(
            "/accept",
            async |TypedHeader(field): TypedHeader<Accepts>| {
                format!(
                    "{:?} {}",
                    field.best(&["text/html", "application/json"]),
                    field.quality("a/b")
                )
            },
        );
    let client = TestClient::new(router.build().unwrap());
    for (name, value, expected) in [
        (
            "authorization",
            "Bearer abc.def",
            "bearer Some(\"abc.def\") Authorization { scheme: \"bearer\", .. }",
        ),
        (
            "authorization",
            "Basic YTpi",
            "basic None Authorization { scheme: \"basic\", .. }",
        ),
        (
            "authorization",
            "bearer",
            "bearer None Authorization { scheme: \"bearer\", .. }",
        ),
        (
            "authorization",
            "",
            "the field `authorization` is malformed",
        ),
        (
            "authorization",
            "a,b c",
            "the field `authorization` is malformed",
        ),
        (
            "content-type",
            "text/HTML; charset=x",
            "ContentType(MediaType { essence: \"text/html\", slash: 4, parameters: [(\"charset\", \"x\")] })",
        ),
        (
            "content-type",
            "text",
            "the field `content-type` is malformed",
        ),
        ("user-agent", "curl/8", "UserAgent(\"curl/8\")"),
        (
            "host",
            "Example.com:8080",
            "Host { name: \"example.com\", port: Some(8080) }",
        ),
        ("host", "[::1]:", "Host { name: \"[::1]\", port: None }"),
        (
            "origin",
            "https://a.example:1",
            "Origin(\"https://a.example:1\")",
        ),
        ("origin", "null", "Origin(\"null\")"),
        (
            "origin",
            "https://a.example/path",
            "the field `origin` is malformed",
        ),
        ("origin", "a.example", "the field `origin` is malformed"),
        (
            "accept",
            "application/*;q=0.9, text/html;q=0.5",
            "Some(\"application/json\") 0",
        ),
        ("accept", "*/*;q=0.001", "Some(\"text/html\") 1"),
    ] {
        let answer = client.get(&format!("/{name}")).header(name, value).await;
        assert_eq!(answer.text(), expected, "{name}: {value}");
    }
    let missing = client.get("/authorization").await;
    assert_eq!(
        told(&missing),
        (400, "the field `authorization` is missing")
    );
    let twice = client
        .get("/user-agent")
        .header("user-agent", "a")
        .header("user-agent", "b");
    assert_eq!(twice.await.text(), "the field `user-agent` is malformed");
    assert_eq!(client.get("/content-length").await.text(), "None");
    let sent = client.method(Method::GET, "/content-length").body("abc");
    assert_eq!(sent.await.text(), "Some(TypedHeader(ContentLength(3)))");
}

#[tokio::test(start_paused = true)]
async fn s70_the_target_as_the_router_saw_it() {
    async fn rewrite(mut request: Request, next: Next) -> wireline::Response {
        request.set_uri(Uri::from_static("/elsewhere?c=d"));
        request.set_uri(Uri::from_static("/third"));
        next.run(request).await
    }
    async fn show(OriginalUri(original): OriginalUri, uri: Uri) -> String {
        format!("{original} {uri}")
    }
    let group = Router::new().get("/{*rest}", show);
    let rewritten = Router::new().get("/{*rest}", show).middleware(rewrite);
    let router = Router::new()
        .nest("/group", group)
        .nest("/rewritten", rewritten);
    let client = TestClient::new(router.build().unwrap());
    assert_eq!(
        client.get("/group/x?a=b").await.text(),
        "/group/x?a=b /group/x?a=b"
    );
    assert_eq!(
        client.get("/rewritten/x?a=b").await.text(),
        "/rewritten/x?a=b /third"
    );
}

#[tokio::test(start_paused = true)]
async fn s79_the_clients_address_and_its_chunks() {
    async fn come_from(mut request: Request, next: Next) -> wireline::Response {
        let peer = request
            .header("x-from")
            .and_then(|from| from.to_str().ok()?.parse::<IpAddr>().ok());
        if let Some(ip) = peer {
            let info = ConnInfo {
                peer: PeerAddr::Inet((ip, 1).into()),
                ..ConnInfo::default()
            };
            request.extensions_mut().insert(info);
        }
        next.run(request).await
    }
    let router = Router::new()
        .get("/ip", async |ClientIp(ip): ClientIp| ip.to_string())
        .get("/maybe", async |ip: Option<ClientIp>| format!("{ip:?}"))
        .post("/chunks", async |mut chunks: BodyStream| {
            let mut told = String::new();
            while let Some(chunk) = chunks.recv().await {
                told.push_str(&format!("{}.", chunk?.len()));
            }
            Ok::<_, BodyError>(told)
        })
        .middleware(come_from);
    let client = TestClient::new(router.build().unwrap());
    assert_eq!(
        client.get("/ip").header("x-from", "192.0.2.1").await.text(),
        "192.0.2.1"
    );
    assert_eq!(
        client
            .get("/ip")
            .header("x-from", "::ffff:192.0.2.1")
            .await
            .text(),
        "192.0.2.1"
    );
    assert_eq!(
        told(&client.get("/ip").await),
        (500, "internal server error")
    );
    assert_eq!(client.get("/maybe").await.text(), "None");
    assert_eq!(client.post("/chunks").body("here").await.text(), "4.");
    assert_eq!(client.post("/chunks").await.text(), "");
    let large = client.post("/chunks").body("x".repeat(200_000)).await;
    let sum: usize = large
        .text()
        .split_terminator('.')
        .map(|len| len.parse::<usize>().unwrap())
        .sum();
    assert_eq!((large.status.as_u16(), sum), (200, 200_000));
    assert!(large.text().len() > "200000.".len(), "it comes in chunks");
}
