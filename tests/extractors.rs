//! The extractors through a router, as handlers use them (SPEC S70 to S76, S79, S81).
#![cfg(all(feature = "form", feature = "json"))]

use bytes::Bytes;
use http::{Method, StatusCode, Uri, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wireline::extract::{
    Extension, ExtensionRejection, Json, JsonRejection, MatchedPath, Path, PathRejection, Query,
    RawQuery, State,
};
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::router::{Router, Routes};
use wireline::service::body::Body;
use wireline::service::error::{Error, Result};
use wireline::service::handler::{FromRequest, FromRequestParts, Service};
use wireline::service::headers::Headers;
use wireline::service::middleware::Next;
use wireline::service::request::{Parts, Request};
use wireline::service::response::Response;
use wireline::test::TestClient;

fn built(router: Router) -> Routes {
    router
        .build()
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Status and text of the answer.
async fn answer(routes: &Routes, request: Request) -> (u16, String) {
    let mut response = routes.call(request).await;
    let content = std::mem::take(response.body_mut())
        .collect()
        .await
        .expect("the content of the answer");
    (
        response.status().as_u16(),
        String::from_utf8(content.to_vec()).expect("text"),
    )
}

async fn get(routes: &Routes, target: &str) -> (u16, String) {
    answer(routes, Request::get(target)).await
}

fn post(target: &str, content_type: &str, content: impl Into<Body>) -> Request {
    let mut request = Request::get(target);
    request.set_method(Method::POST);
    request
        .headers_mut()
        .try_insert("content-type", content_type)
        .expect("a content type");
    *request.body_mut() = content.into();
    request
}

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

/// The target stands in the block of the headers until they may be changed.
#[tokio::test]
async fn s70_the_target_stays_when_the_headers_go() {
    async fn tell(mut request: Request) -> String {
        let taken = std::mem::take(request.headers_mut());
        format!(
            "{} {:?} {:?} {} {} {:?}",
            request.path(),
            request.query(),
            request.param("id"),
            request.uri(),
            taken.len(),
            request.host(),
        )
    }
    let client = TestClient::new(built(Router::new().get("/users/{id}", tell)));
    for _ in 0..2 {
        let answer = client.get("/users/7?full=yes").send().await.unwrap();
        assert_eq!(
            answer.text(),
            r#"/users/7 Some("full=yes") Some("7") /users/7?full=yes 1 None"#
        );
    }
}

#[tokio::test]
async fn s70_s71_the_request_itself() {
    async fn tell(request: Request) -> String {
        let agent = request
            .header("User-Agent")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let who = request.extension("who").unwrap_or_default();
        format!(
            "{} {} {:?} {:?} {agent} {who}",
            request.method(),
            request.path(),
            request.param("id"),
            request.query()
        )
    }
    let routes = built(Router::new().get("/users/{id}", tell));
    let mut request = Request::get("/users/7%2B?q=rust&page=1");
    request
        .headers_mut()
        .try_insert("user-agent", "curl")
        .expect("a field");
    request.set_extension("who", "ada");
    assert_eq!(
        answer(&routes, request).await,
        ok(r#"GET /users/7%2B Some("7+") Some("q=rust&page=1") curl ada"#)
    );
}

#[tokio::test]
async fn s57_s72_state_is_shared_and_a_groups_own_wins() {
    #[derive(Clone)]
    struct Name(&'static str);

    async fn name(State(name): State<Name>, State(visits): State<Arc<AtomicU32>>) -> String {
        format!("{} {}", name.0, visits.fetch_add(1, Ordering::Relaxed))
    }
    let visits = Arc::new(AtomicU32::new(5));
    let group = Router::new().get("/name", name).state(Name("inner"));
    let routes = built(
        Router::new()
            .get("/name", name)
            .nest("/group", group)
            .state(Name("outer"))
            .state(visits.clone()),
    );
    assert_eq!(get(&routes, "/name").await, ok("outer 5"));
    assert_eq!(get(&routes, "/group/name").await, ok("inner 6"));
    assert_eq!(visits.load(Ordering::Relaxed), 7);
}

#[test]
fn s72_state_that_nobody_gave_fails_the_build() {
    async fn handler(_state: State<AtomicFlag>) {}
    #[derive(Clone)]
    struct AtomicFlag;

    let problems = Router::new()
        .get("/x", handler)
        .build()
        .expect_err("no state")
        .to_string();
    assert!(
        problems.contains("GET /x")
            && problems.contains("AtomicFlag")
            && problems.contains(".state(..)"),
        "{problems}"
    );
    let problems = Router::new()
        .fallback(handler)
        .build()
        .expect_err("no state in the fallback")
        .to_string();
    assert!(
        problems.contains("the fallback") && problems.contains("AtomicFlag"),
        "{problems}"
    );
    assert!(
        Router::new()
            .get("/x", handler)
            .state(AtomicFlag)
            .build()
            .is_ok()
    );
    let maybe = async |state: Option<State<AtomicFlag>>| state.map_or("none", |_| "some");
    assert!(Router::new().get("/x", maybe).build().is_ok());
}

#[tokio::test]
async fn s57_s72_extensions_come_from_middleware_then_from_the_router() {
    #[derive(Clone)]
    struct User(String);

    async fn sign_in(mut request: Request, next: Next) -> Response {
        if let Some(name) = request.query().map(str::to_owned) {
            request.extensions_mut().insert(User(name));
        }
        next.run(request).await
    }
    async fn whoami(
        Extension(user): Extension<User>,
        Extension(limit): Extension<Arc<u32>>,
    ) -> String {
        format!("{} {limit}", user.0)
    }
    async fn maybe(user: Option<Extension<User>>) -> String {
        user.map_or_else(|| "nobody".to_owned(), |Extension(user)| user.0)
    }
    async fn asked(user: Result<Extension<User>, ExtensionRejection>) -> Result<String> {
        Ok(user?.0.0)
    }
    async fn told(user: Result<Extension<User>, ExtensionRejection>) -> String {
        user.map_or_else(|rejection| rejection.to_string(), |user| user.0.0)
    }
    let router = || {
        Router::new()
            .get("/me", whoami)
            .get("/maybe", maybe)
            .get("/asked", asked)
            .get("/told", told)
            .middleware(sign_in)
            .extension(Arc::new(9u32))
    };
    let routes = built(router());
    assert_eq!(get(&routes, "/me?ada").await, ok("ada 9"));
    assert_eq!(get(&routes, "/maybe?ada").await, ok("ada"));
    assert_eq!(get(&routes, "/maybe").await, ok("nobody"));
    // The programmer's mistake is not the client's business: its names stay here.
    let generic = (500, "internal server error".to_owned());
    assert_eq!(get(&routes, "/me").await, generic);
    assert_eq!(get(&routes, "/asked").await, generic);
    let (status, text) = get(&routes, "/told").await;
    assert!(status == 200 && text.contains("User"), "{status} {text}");
    let routes = built(router().extension(User("router".to_owned())));
    assert_eq!(get(&routes, "/me").await, ok("router 9"));
    assert_eq!(get(&routes, "/me?ada").await, ok("ada 9"));
}

#[tokio::test]
async fn s73_path_parameters() {
    #[derive(Deserialize)]
    struct Post {
        user: u64,
        post: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }

    let routes = built(
        Router::new()
            .get(
                "/users/{user}/posts/{post}",
                async |Path(post): Path<Post>| format!("{} by {}", post.post, post.user),
            )
            .get("/text/{name}", async |Path(name): Path<String>| name)
            .get(
                "/map/{a}/{b}",
                async |Path(map): Path<HashMap<String, String>>| {
                    format!("{} {}", map["a"], map["b"])
                },
            )
            .get(
                "/pairs/{a}/{b}",
                async |Path(pairs): Path<Vec<(String, String)>>| format!("{pairs:?}"),
            )
            .get(
                "/day/:year/:month",
                async |Path((year, month)): Path<(u16, u8)>| format!("{month} of {year}"),
            )
            .get("/size/{size}", async |Path(size): Path<Size>| match size {
                Size::Small => "small",
                Size::Large => "large",
            })
            .get("/rest/{*rest}", async |Path(rest): Path<String>| rest)
            .get("/file/{name}.txt", async |Path(name): Path<u8>| {
                format!("file {name}")
            }),
    );
    assert_eq!(
        get(&routes, "/users/7/posts/caf%C3%A9").await,
        ok("café by 7")
    );
    assert_eq!(get(&routes, "/text/a%2Fb+c").await, ok("a/b+c"));
    assert_eq!(get(&routes, "/map/1/2").await, ok("1 2"));
    assert_eq!(
        get(&routes, "/pairs/1/2").await,
        ok(r#"[("a", "1"), ("b", "2")]"#)
    );
    assert_eq!(get(&routes, "/day/2026/08").await, ok("8 of 2026"));
    assert_eq!(get(&routes, "/size/large").await, ok("large"));
    assert_eq!(get(&routes, "/rest/a/b%20c").await, ok("a/b c"));
    assert_eq!(get(&routes, "/file/5.txt").await, ok("file 5"));
    let refused = |text: &str| (400, text.to_owned());
    assert_eq!(
        get(&routes, "/day/2026/+8").await,
        refused("path parameter `month`: expected an integer from 0 to 255")
    );
    assert_eq!(
        get(&routes, "/size/%3Cb%3E").await,
        refused("path parameter `size`: expected one of small, large")
    );
    assert_eq!(get(&routes, "/text/%ff").await.0, 400);
}

#[tokio::test]
async fn s73_parameters_of_a_groups_prefix() {
    let group = Router::new().get("/{id}", async |Path((tenant, id)): Path<(String, u8)>| {
        format!("{id} of {tenant}")
    });
    let routes = built(Router::new().nest("/{tenant}/items", group));
    assert_eq!(get(&routes, "/acme/items/4").await, ok("4 of acme"));
}

#[test]
fn s73_a_path_that_the_route_cannot_give_fails_the_build() {
    #[derive(Deserialize)]
    struct Place {
        #[expect(dead_code, reason = "only its name counts")]
        city: String,
    }

    async fn text(_: Path<String>) {}
    async fn place(_: Path<Place>) {}
    let problems = |router: Router| router.build().expect_err("a faulty router").to_string();
    let none = problems(Router::new().get("/plain", text));
    assert!(
        none.contains("GET /plain") && none.contains("no path parameters"),
        "{none}"
    );
    let two = problems(Router::new().get("/{a}/{b}", text));
    assert!(
        two.contains("takes 1 path parameters, the route has 2"),
        "{two}"
    );
    let missing = problems(Router::new().get("/{town}", place));
    assert!(missing.contains("`city`"), "{missing}");
    let fallback = problems(Router::new().fallback(text));
    assert!(fallback.contains("the fallback"), "{fallback}");
    assert!(
        Router::new()
            .get("/{city}", place)
            .get("/in/{a}", text)
            .build()
            .is_ok()
    );
}

#[tokio::test]
async fn s74_query() {
    #[derive(Deserialize)]
    struct Search {
        q: String,
        page: Option<u32>,
        #[serde(default)]
        tag: Vec<String>,
    }

    async fn map(Query(query): Query<HashMap<String, String>>) -> String {
        let mut entries: Vec<_> = query.into_iter().collect();
        entries.sort();
        format!("{entries:?}")
    }
    let search = async |Query(search): Query<Search>| {
        format!("{} {:?} {:?}", search.q, search.page, search.tag)
    };
    let maybe = async |query: Option<Query<Search>>| {
        query.map_or_else(|| "all".to_owned(), |Query(search)| search.q)
    };
    let routes = built(
        Router::new()
            .get("/search", search)
            .get("/map", map)
            .get("/maybe", maybe),
    );
    assert_eq!(
        get(&routes, "/search?q=rust&page=1").await,
        ok("rust Some(1) []")
    );
    assert_eq!(
        get(&routes, "/search?q=a%26b+c&tag=x&tag=y").await,
        ok(r#"a&b c None ["x", "y"]"#)
    );
    assert_eq!(
        get(&routes, "/map?b=2&a=1").await,
        ok(r#"[("a", "1"), ("b", "2")]"#)
    );
    assert_eq!(get(&routes, "/maybe").await, ok("all"));
    assert_eq!(get(&routes, "/maybe?q=some").await, ok("some"));
    assert_eq!(get(&routes, "/maybe?page=1").await.0, 400);
    assert_eq!(
        get(&routes, "/search").await,
        (400, "query: missing field `q`".to_owned())
    );
    assert_eq!(
        get(&routes, "/search?q=1&page=x").await,
        (
            400,
            "query parameter `page`: invalid digit found in string".to_owned()
        )
    );
}

#[tokio::test]
async fn s75_headers_and_the_rest_of_the_head() {
    async fn agent(headers: Headers) -> String {
        let names: Vec<&str> = headers.iter().map(|(name, _)| name).collect();
        format!(
            "{} {names:?}",
            headers
                .get("User-Agent")
                .and_then(|agent| agent.to_str().ok())
                .unwrap_or("nobody")
        )
    }
    async fn head(
        method: Method,
        uri: Uri,
        version: Version,
        RawQuery(query): RawQuery,
        info: ConnInfo,
    ) -> String {
        format!("{method} {uri} {version:?} {query:?} {}", info.peer)
    }
    async fn pattern(MatchedPath(pattern): MatchedPath) -> String {
        pattern
    }
    async fn lost(pattern: Option<MatchedPath>, uri: Uri) -> (StatusCode, String) {
        (
            StatusCode::NOT_FOUND,
            format!("{} {}", uri.path(), pattern.is_none()),
        )
    }
    let routes = built(
        Router::new()
            .get("/agent", agent)
            .any("/head", head)
            .nest("/v1", Router::new().get("/users/{id}", pattern))
            .fallback(lost),
    );
    let mut request = Request::get("/agent");
    request
        .headers_mut()
        .try_insert("USER-AGENT", "curl")
        .expect("a field");
    request
        .headers_mut()
        .try_insert("accept", "*/*")
        .expect("a field");
    assert_eq!(
        answer(&routes, request).await,
        ok(r#"curl ["user-agent", "accept"]"#)
    );
    let mut request = Request::get("/head?a=%20");
    request.set_method(Method::DELETE);
    assert_eq!(
        answer(&routes, request).await,
        ok(r#"DELETE /head?a=%20 HTTP/1.1 Some("a=%20") memory"#)
    );
    let mut request = Request::get("/head");
    let peer = PeerAddr::Inet(([192, 0, 2, 7], 4000).into());
    request.extensions_mut().insert(ConnInfo {
        peer,
        local: PeerAddr::Unix,
    });
    assert_eq!(
        answer(&routes, request).await,
        ok("GET /head HTTP/1.1 None 192.0.2.7:4000")
    );
    assert_eq!(get(&routes, "/v1/users/7").await, ok("/v1/users/{id}"));
    assert_eq!(get(&routes, "/v2").await, (404, "/v2 true".to_owned()));
}

#[tokio::test]
async fn s76_json_in_and_out() {
    #[derive(Deserialize, Serialize)]
    struct Point {
        x: i32,
        y: i32,
    }

    async fn mirror(Json(point): Json<Point>) -> Json<Point> {
        Json(Point {
            x: point.y,
            y: point.x,
        })
    }
    async fn count(Json(values): Json<Vec<Value>>) -> (StatusCode, Json<Value>) {
        (StatusCode::CREATED, Json(json!({ "count": values.len() })))
    }
    async fn lenient(point: Result<Json<Point>, JsonRejection>) -> Result<String> {
        match point {
            Err(JsonRejection::ContentType) => Ok("no JSON".to_owned()),
            other => Ok(other?.0.x.to_string()),
        }
    }
    async fn maybe(point: Option<Json<Point>>) -> String {
        point.map_or_else(|| "nothing".to_owned(), |Json(point)| point.x.to_string())
    }
    let routes = built(
        Router::new()
            .post("/mirror", mirror)
            .post("/count", count)
            .post("/lenient", lenient)
            .post("/maybe", maybe),
    );
    let json = |target: &str, content: &'static str| post(target, "application/json", content);
    let mirrored = routes.call(json("/mirror", r#"{"x": 1, "y": 2}"#)).await;
    assert!(
        mirrored
            .headers()
            .get("content-type")
            .is_some_and(|value| value == "application/json")
    );
    assert_eq!(
        mirrored.body().as_bytes(),
        Some(br#"{"x":2,"y":1}"#.as_slice())
    );
    assert_eq!(
        answer(&routes, json("/count", "[1, null]")).await,
        (201, r#"{"count":2}"#.to_owned())
    );
    assert_eq!(
        answer(&routes, post("/mirror", "text/plain", "{}")).await.0,
        415
    );
    assert_eq!(answer(&routes, json("/mirror", "{")).await.0, 400);
    let (status, text) = answer(&routes, json("/mirror", r#"{"x": 1}"#)).await;
    assert_eq!(
        (status, text.as_str()),
        (422, "unexpected JSON: missing field `y` at line 1 column 8")
    );
    assert_eq!(
        answer(&routes, post("/lenient", "text/plain", "{}")).await,
        ok("no JSON")
    );
    assert_eq!(answer(&routes, json("/lenient", "x")).await.0, 400);
    let mut bare = Request::get("/maybe");
    bare.set_method(Method::POST);
    assert_eq!(answer(&routes, bare).await, ok("nothing"));
    assert_eq!(
        answer(&routes, json("/maybe", r#"{"x": 3, "y": 0}"#)).await,
        ok("3")
    );
}

#[tokio::test]
async fn content_as_octets_text_and_stream() {
    async fn stream(mut body: Body) -> Result<String> {
        let mut octets = 0;
        while let Some(chunk) = body.chunk().await {
            octets += chunk?.len();
        }
        Ok(octets.to_string())
    }
    let routes = built(
        Router::new()
            .post("/bytes", async |content: Bytes| content)
            .post("/text", async |text: String| text.to_uppercase())
            .post("/stream", stream),
    );
    assert_eq!(
        answer(&routes, post("/bytes", "x/y", "abc")).await,
        ok("abc")
    );
    assert_eq!(
        answer(&routes, post("/text", "x/y", "abc")).await,
        ok("ABC")
    );
    assert_eq!(
        answer(&routes, post("/text", "x/y", vec![b'a', 0xff])).await,
        (400, "the content is not UTF-8".to_owned())
    );
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        for _ in 0..3 {
            sender.send("chunk".into()).await.expect("somebody reads");
        }
    });
    assert_eq!(
        answer(&routes, post("/stream", "x/y", body)).await,
        ok("15")
    );
}

#[tokio::test]
async fn s79_extractors_of_ones_own() {
    struct Tenant(String);

    impl FromRequestParts for Tenant {
        type Rejection = (StatusCode, &'static str);

        async fn from_request_parts(parts: &mut Parts) -> Result<Self, Self::Rejection> {
            let name = parts
                .header("x-tenant")
                .and_then(|value| value.to_str().ok());
            Ok(Self(
                name.ok_or((StatusCode::UNAUTHORIZED, "which tenant?"))?
                    .to_owned(),
            ))
        }
    }

    struct Lines(Vec<String>);

    impl FromRequest for Lines {
        type Rejection = Error;

        async fn from_request(request: Request) -> Result<Self> {
            let text = String::from_request(request).await?;
            Ok(Self(text.lines().map(str::to_owned).collect()))
        }
    }

    async fn take(tenant: Tenant, lines: Lines) -> String {
        format!("{} of {}", lines.0.len(), tenant.0)
    }
    async fn caught(tenant: Result<Tenant, (StatusCode, &'static str)>) -> &'static str {
        tenant.map_or_else(|(_, text)| text, |_| "somebody")
    }
    let routes = built(Router::new().post("/", take).get("/", caught));
    let mut request = post("/", "text/plain", "a\nb");
    request
        .headers_mut()
        .try_insert("x-tenant", "acme")
        .expect("a field");
    assert_eq!(answer(&routes, request).await, ok("2 of acme"));
    assert_eq!(
        answer(&routes, post("/", "text/plain", "a")).await,
        (401, "which tenant?".to_owned())
    );
    assert_eq!(get(&routes, "/").await, ok("which tenant?"));
}

#[tokio::test]
async fn s81_eight_arguments_and_the_first_rejection_answers() {
    #[derive(Deserialize)]
    struct Page {
        page: u8,
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "eight are the most that a handler may have"
    )]
    async fn all(
        State(scale): State<u32>,
        Path(id): Path<u32>,
        Query(page): Query<Page>,
        Extension(name): Extension<&'static str>,
        method: Method,
        headers: Headers,
        MatchedPath(pattern): MatchedPath,
        Json(number): Json<u32>,
    ) -> String {
        format!(
            "{} {} {name} {method} {} {pattern} {number}",
            scale * id,
            page.page,
            headers.len()
        )
    }
    let routes = built(
        Router::new()
            .post("/{id}", all)
            .state(10u32)
            .extension("name"),
    );
    let request = |target: &str, content: &'static str| post(target, "application/json", content);
    assert_eq!(
        answer(&routes, request("/4?page=2", "7")).await,
        ok("40 2 name POST 1 /{id} 7")
    );
    let (status, text) = answer(&routes, request("/x?page=y", "z")).await;
    assert!(
        status == 400 && text.starts_with("path parameter `id`"),
        "{status} {text}"
    );
    let (status, text) = answer(&routes, request("/4?page=y", "z")).await;
    assert!(
        status == 400 && text.starts_with("query parameter `page`"),
        "{status} {text}"
    );
    let (status, text) = answer(&routes, request("/4?page=2", "z")).await;
    assert!(
        status == 400 && text.starts_with("invalid JSON"),
        "{status} {text}"
    );
}

#[tokio::test]
async fn rejections_are_errors_too() {
    async fn handler(id: Result<Path<u8>, PathRejection>) -> Result<String> {
        let Path(id) = id?;
        Ok(id.to_string())
    }
    async fn bare(id: Result<Path<u8>, PathRejection>) -> PathRejection {
        id.expect_err("the test sends no number")
    }
    let routes = built(Router::new().get("/a/{id}", handler).get("/b/{id}", bare));
    let text = "path parameter `id`: expected an integer from 0 to 255";
    assert_eq!(get(&routes, "/a/x").await, (400, text.to_owned()));
    assert_eq!(get(&routes, "/b/x").await, (400, text.to_owned()));
    let error: Box<dyn std::error::Error> = Box::new(PathRejection::NoParameters);
    assert_eq!(error.to_string(), "the route has no path parameters");
}
