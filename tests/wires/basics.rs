//! Routes, methods, content and its limits.

use crate::Content::{Has, Is};
use crate::{ROW, Row};
use bytes::Bytes;
use http::StatusCode;
use wireline::extract::Path;
use wireline::service::body::Body;
use wireline::{Error, Request, Response, Router};

pub(crate) fn routes() -> Router {
    let limited = Router::new()
        .max_body(8)
        .post("/", async |content: String| content)
        .post("/unread", async || "not read");
    Router::new()
        .get("/", async || "Hello, World!")
        .post("/", async |content: Bytes| content)
        .get("/users/{id}", async |Path(id): Path<String>| {
            format!("user {id}")
        })
        .get("/users/me", async || "it is you")
        .delete("/users/{id}", async || StatusCode::NO_CONTENT)
        .get("/files/{*path}", async |Path(path): Path<String>| path)
        .get(
            "/v{major}/x.{kind}",
            async |Path((major, kind)): Path<(String, String)>| format!("{major} {kind}"),
        )
        .any("/any", async |request: Request| {
            request.method().to_string()
        })
        .head("/head", async || {
            Response::ok().with_header("x-head", "own")
        })
        .get("/moved", async || {
            Response::redirect("/users/7", StatusCode::FOUND)
        })
        .get("/html", async || Response::html("<p>"))
        .get("/cookies", async || {
            Response::ok().set_cookie("a=1").set_cookie("b=2")
        })
        .get("/stream", async || {
            Response::new(Body::from_chunks(
                ["one ", "two"].into_iter().map(Bytes::from),
            ))
        })
        .get("/error", async || -> Result<String, Error> {
            Err(Error::new(StatusCode::CONFLICT, "not now"))
        })
        .get("/not-modified", async || {
            Response::ok()
                .with_status(StatusCode::NOT_MODIFIED)
                .with_header("etag", "\"1\"")
        })
        .get("/invalid", async || {
            Response::ok().with_header("x-bad", "a\r\nb: c")
        })
        .nest("/limited", limited)
}

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

pub(crate) const ROWS: &[Row] = &[
    Row {
        fields: &[TEXT],
        content: Is("Hello, World!"),
        ..ROW
    },
    Row {
        target: "/?query",
        content: Is("Hello, World!"),
        ..ROW
    },
    Row {
        method: "HEAD",
        fields: &[TEXT],
        content: Is(""),
        driver: true,
        ..ROW
    },
    Row {
        method: "POST",
        body: "content",
        content: Is("content"),
        ..ROW
    },
    Row {
        method: "POST",
        pieces: &["con", "ten", "t"],
        content: Is("content"),
        ..ROW
    },
    Row {
        method: "POST",
        content: Is(""),
        ..ROW
    },
    Row {
        target: "/users/7",
        content: Is("user 7"),
        ..ROW
    },
    Row {
        target: "/users/me",
        content: Is("it is you"),
        ..ROW
    },
    Row {
        target: "/users/a%2Fb%20c",
        content: Is("user a/b c"),
        ..ROW
    },
    Row {
        target: "/users/%ff",
        status: 400,
        content: Has("not UTF-8"),
        ..ROW
    },
    Row {
        target: "/users/",
        status: 404,
        ..ROW
    },
    Row {
        target: "/users/7/",
        status: 404,
        content: Is("not found"),
        ..ROW
    },
    Row {
        target: "/Users/7",
        status: 404,
        ..ROW
    },
    Row {
        target: "//",
        status: 404,
        ..ROW
    },
    Row {
        target: "/users/../",
        status: 404,
        ..ROW
    },
    Row {
        method: "DELETE",
        target: "/users/7",
        status: 204,
        content: Is(""),
        without: &["content-type"],
        ..ROW
    },
    Row {
        target: "/files/a/b//c",
        content: Is("a/b//c"),
        ..ROW
    },
    Row {
        target: "/v2/x.tar",
        content: Is("2 tar"),
        ..ROW
    },
    Row {
        method: "PUT",
        target: "/any",
        content: Is("PUT"),
        ..ROW
    },
    Row {
        method: "PURGE",
        target: "/any",
        content: Is("PURGE"),
        ..ROW
    },
    Row {
        method: "OPTIONS",
        target: "/any",
        content: Is("OPTIONS"),
        ..ROW
    },
    Row {
        method: "HEAD",
        target: "/head",
        fields: &[("x-head", "own")],
        content: Is(""),
        ..ROW
    },
    Row {
        target: "/head",
        status: 405,
        fields: &[("allow", "HEAD, OPTIONS")],
        ..ROW
    },
    Row {
        method: "PUT",
        target: "/users/7",
        status: 405,
        fields: &[("allow", "GET, HEAD, DELETE, OPTIONS")],
        content: Is("method not allowed"),
        ..ROW
    },
    Row {
        method: "PURGE",
        status: 405,
        fields: &[("allow", "GET, HEAD, POST, OPTIONS")],
        ..ROW
    },
    Row {
        method: "OPTIONS",
        status: 204,
        fields: &[("allow", "GET, HEAD, POST, OPTIONS")],
        content: Is(""),
        ..ROW
    },
    Row {
        method: "OPTIONS",
        target: "*",
        status: 204,
        without: &["allow"],
        content: Is(""),
        ..ROW
    },
    Row {
        target: "/moved",
        status: 302,
        fields: &[("location", "/users/7")],
        ..ROW
    },
    Row {
        target: "/html",
        fields: &[("content-type", "text/html; charset=utf-8")],
        content: Is("<p>"),
        ..ROW
    },
    Row {
        target: "/cookies",
        ..ROW
    },
    Row {
        target: "/stream",
        content: Is("one two"),
        ..ROW
    },
    Row {
        method: "HEAD",
        target: "/stream",
        content: Is(""),
        driver: true,
        ..ROW
    },
    Row {
        target: "/error",
        status: 409,
        content: Has("not now"),
        ..ROW
    },
    Row {
        target: "/not-modified",
        status: 304,
        fields: &[("etag", "\"1\"")],
        content: Is(""),
        ..ROW
    },
    Row {
        target: "/invalid",
        status: 500,
        without: &["x-bad", "b"],
        driver: true,
        ..ROW
    },
    Row {
        method: "POST",
        target: "/limited",
        body: "12345678",
        content: Is("12345678"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/limited",
        body: "123456789",
        status: 413,
        driver: true,
        ..ROW
    },
    Row {
        method: "POST",
        target: "/limited",
        pieces: &["1234", "56789"],
        status: 413,
        driver: true,
        ..ROW
    },
    Row {
        method: "POST",
        target: "/limited",
        pieces: &["1234", "5678"],
        content: Is("12345678"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/limited/unread",
        body: "123456789",
        status: 413,
        driver: true,
        ..ROW
    },
    Row {
        method: "POST",
        body: "123456789",
        content: Is("123456789"),
        ..ROW
    },
];
