//! The router as its users see it.

use super::*;
use crate::extract::Path;
use crate::handler;
use crate::service::error::{Error, Result};
use crate::service::handler::Service;
use crate::service::middleware::Next;
use crate::service::request::Request;
use crate::service::response::Response;
use http::StatusCode;

async fn ask(routes: &Routes, method: Method, path: &str) -> (StatusCode, String) {
    let mut request = Request::get(path);
    request.set_method(method);
    let response = routes.call(request).await;
    let (status, text) = (
        response.status(),
        response
            .body()
            .as_bytes()
            .map(|text| String::from_utf8_lossy(text).into_owned()),
    );
    (status, text.unwrap_or_default())
}

#[tokio::test]
async fn precedence_is_literal_then_parameter_then_rest() {
    let routes = Router::new()
        .get("/a/{*rest}", async |request: Request| {
            format!("rest {}", request.param("rest").unwrap_or_default())
        })
        .get("/a/:id", async |request: Request| {
            format!("id {}", request.param("id").unwrap_or_default())
        })
        .get("/a/b", async || "literal")
        .build()
        .expect("three patterns that differ");
    assert_eq!(ask(&routes, Method::GET, "/a/b").await.1, "literal");
    assert_eq!(ask(&routes, Method::GET, "/a/c%20d").await.1, "id c d");
    assert_eq!(ask(&routes, Method::GET, "/a/b/c").await.1, "rest b/c");
    assert_eq!(
        ask(&routes, Method::GET, "/a/").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn s44_s45_methods_and_their_answers() {
    let routes = Router::new()
        .get("/x", async || "get")
        .post("/x", async || "post")
        .add(":delete/x", async || "delete")
        .build()
        .expect("valid");
    assert_eq!(ask(&routes, Method::GET, "/x").await.1, "get");
    assert_eq!(ask(&routes, Method::HEAD, "/x").await.1, "get");
    assert_eq!(ask(&routes, Method::POST, "/x").await.1, "post");
    assert_eq!(ask(&routes, Method::DELETE, "/x").await.1, "delete");
    let refused = routes.call({
        let mut request = Request::get("/x");
        request.set_method(Method::PUT);
        request
    });
    let refused = refused.await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(
        refused
            .headers()
            .get("allow")
            .is_some_and(|allow| allow == "GET, HEAD, POST, DELETE, OPTIONS")
    );
    assert_eq!(
        ask(&routes, Method::OPTIONS, "/x").await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn s59_what_is_not_there_is_a_404() {
    let routes = Router::new()
        .get("/x", async || "get")
        .nest("/group", Router::new().get("/x", async || "in it"))
        .build()
        .expect("valid");
    for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
        for path in ["/", "/y", "/x/y", "/X", "/group", "/group/y"] {
            let (status, content) = ask(&routes, method.clone(), path).await;
            assert_eq!(
                (status, &*content),
                (StatusCode::NOT_FOUND, "not found"),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn a_conflict_names_both_patterns() {
    let error = Router::new()
        .get("/u/{id}", async || "")
        .get("/u/{name}", async || "")
        .build()
        .expect_err("they match the same paths");
    assert!(
        error.to_string().contains("/u/{id}") && error.to_string().contains("/u/{name}"),
        "{error}"
    );
    let error = Router::new()
        .get("/u/{id}", async || "")
        .get("/u/:id", async || "")
        .build()
        .expect_err("twice the same");
    assert!(
        error.to_string().contains("/u/{id}") && error.to_string().contains("/u/:id"),
        "{error}"
    );
    let error = Router::new()
        .get("no-slash", async || "")
        .get("/{", async || "")
        .build()
        .expect_err("two faults");
    assert_eq!(error.problems().len(), 2, "{error}");
    let error = Router::new()
        .add("get/x", async || "")
        .build()
        .expect_err("no method, no path");
    assert!(error.to_string().contains("get/x"), "{error}");
}

/// Two functions that take a state and give a group, and a controller's methods of every kind.
#[tokio::test]
async fn s50_s51_groups_from_functions_and_methods_of_controllers() {
    struct Users {
        names: Vec<String>,
    }

    impl Users {
        async fn count(&self) -> String {
            self.names.len().to_string()
        }

        async fn name(&self, Path(id): Path<usize>) -> Result<String> {
            tokio::task::yield_now().await;
            let name = self.names.get(id).cloned();
            name.ok_or_else(|| Error::new(StatusCode::NOT_FOUND, "nobody"))
        }

        async fn line(&self, request: Request) -> String {
            format!("{} {}", request.method(), request.path())
        }

        async fn rename(&self, Path(id): Path<usize>, method: Method, request: Request) -> String {
            format!("{method} {} {}", self.names[id], request.path())
        }
    }

    fn users(users: &Arc<Users>) -> Router {
        Router::new()
            .get("/count", handler!(users, count()))
            .get("/{id}", handler!(users, name))
            .put("/{id}", handler!(users, rename(id, method, request)))
            .post("/{id}", handler!(users.clone(), line))
    }

    fn lengths(users: Arc<Users>) -> Router {
        Router::new().get("/", move || {
            let count = users.names.len();
            async move { count.to_string() }
        })
    }

    let all = Arc::new(Users {
        names: vec!["Ada".to_owned(), "Grace".to_owned()],
    });
    let routes = Router::new()
        .nest("/users", users(&all))
        .nest("/lengths", lengths(all.clone()))
        .build()
        .expect("valid");
    for (method, path, status, text) in [
        (Method::GET, "/users/count", StatusCode::OK, "2"),
        (Method::GET, "/users/1", StatusCode::OK, "Grace"),
        (Method::GET, "/users/2", StatusCode::NOT_FOUND, "nobody"),
        (Method::PUT, "/users/0", StatusCode::OK, "PUT Ada /users/0"),
        (Method::POST, "/users/0", StatusCode::OK, "POST /users/0"),
        (Method::GET, "/lengths", StatusCode::OK, "2"),
    ] {
        let expected = (status, text.to_owned());
        assert_eq!(ask(&routes, method, path).await, expected, "{path}");
    }
    drop(routes);
    assert_eq!(Arc::strong_count(&all), 1, "a handler outlives its routes");
}

#[tokio::test]
async fn s49_s61_s62_groups_have_their_own_middleware() {
    async fn mark(name: &'static str, request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        let seen = response
            .headers()
            .get("seen")
            .and_then(|seen| seen.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        response.with_header("seen", format!("{name}{seen}"))
    }
    let group = Router::new()
        .middleware(|request, next| mark("g", request, next))
        .get("/", async || "")
        .get("/in", async || "");
    let routes = Router::new()
        .nest("/g", group)
        .middleware(|request, next| mark("a", request, next))
        .middleware(|request, next| mark("b", request, next))
        .get("/out", async || "")
        .build()
        .expect("valid");
    for (path, expected) in [
        ("/out", "ab"),
        ("/g", "abg"),
        ("/g/in", "abg"),
        ("/none", "ab"),
    ] {
        let response = routes.call(Request::get(path)).await;
        assert!(
            response
                .headers()
                .get("seen")
                .is_some_and(|seen| seen == expected),
            "{path} {response:?}"
        );
    }
}

#[tokio::test]
async fn s64_s65_s66_s67_middleware_may_answer_change_and_pass_on() {
    async fn gate(
        mut request: Request,
        next: Next,
    ) -> Result<Response, (StatusCode, &'static str)> {
        if request.header("x-pass").is_none() {
            return Err((StatusCode::FORBIDDEN, "no"));
        }
        request.set_extension("who", "first");
        request.set_extension("who", "second");
        request.set_method(Method::PUT);
        request.headers_mut().remove("x-pass");
        Ok(next.run(request).await)
    }
    let routes = Router::new()
        .middleware(gate)
        .get("/", async |request: Request| {
            assert_eq!(*request.method(), Method::PUT);
            assert!(request.header("x-pass").is_none());
            request.extension("who").unwrap_or("nobody").to_owned()
        })
        .build()
        .expect("valid");
    assert_eq!(
        routes.call(Request::get("/")).await.status(),
        StatusCode::FORBIDDEN
    );
    let mut request = Request::get("/");
    request
        .headers_mut()
        .try_insert("x-pass", "yes")
        .expect("a field");
    assert_eq!(
        routes.call(request).await.body().as_bytes(),
        Some(b"second".as_slice())
    );
}

#[tokio::test]
async fn s39_s40_a_groups_body_limit_wins() {
    let routes = Router::new()
        .max_body(100)
        .post("/outer", async || "")
        .nest(
            "/large",
            Router::new().max_body(1000).post("/x", async || ""),
        )
        .merge(Router::new().post("/inherits", async || ""))
        .build()
        .expect("valid");
    for (path, limit) in [
        ("/outer", Some(100)),
        ("/large/x", Some(1000)),
        ("/inherits", Some(100)),
        ("/none", None),
    ] {
        let mut request = Request::get(path);
        request.set_method(Method::POST);
        assert_eq!(routes.admit(&mut request).max_body, limit, "{path}");
    }
}

#[tokio::test]
async fn d44_captures_are_decoded_once_and_refused_when_they_cannot_be() {
    let routes = Router::new()
        .get("/f/{name}", async |request: Request| {
            request.param("name").unwrap_or_default().into_owned()
        })
        .build()
        .expect("valid");
    assert_eq!(
        ask(&routes, Method::GET, "/f/a%2Fb").await,
        (StatusCode::OK, "a/b".into())
    );
    assert_eq!(
        ask(&routes, Method::GET, "/f/%2541").await,
        (StatusCode::OK, "%41".into())
    );
    assert_eq!(
        ask(&routes, Method::GET, "/f/%ff").await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ask(&routes, Method::GET, "/f/%zz").await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ask(&routes, Method::GET, "/f/..").await,
        (StatusCode::OK, "..".into())
    );
    assert_eq!(
        ask(&routes, Method::GET, "/f/x/").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_trailing_slash_is_redirected_only_when_asked_for() {
    let routes = Router::new()
        .get("/a", async || "")
        .get("/b/", async || "")
        .redirect_trailing_slash(true)
        .build()
        .expect("valid");
    for (path, location) in [
        ("/a/?q=1", Some("/a?q=1")),
        ("/b", Some("/b/")),
        ("/c/", None),
        ("//", None),
    ] {
        let response = routes.call(Request::get(path)).await;
        let found = response
            .headers()
            .get("location")
            .and_then(|location| location.to_str().ok());
        assert_eq!(found, location, "{path}");
    }
}

#[tokio::test]
async fn the_fallback_takes_what_has_no_route() {
    let routes = Router::new()
        .get("/a", async || "")
        .fallback(async |request: Request| request.path().to_owned())
        .build()
        .expect("valid");
    assert_eq!(
        ask(&routes, Method::GET, "/elsewhere").await,
        (StatusCode::OK, "/elsewhere".into())
    );
    assert_eq!(
        ask(&routes, Method::POST, "/a").await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
}
