//! Arguments of handlers, and their refusals.

use crate::Content::{Has, Is};
use crate::{ROW, Row};
use http::{Method, Uri};
use serde::{Deserialize, Serialize};
use wireline::extract::{Json, MatchedPath, Path, Query, RawQuery, State};
use wireline::service::controller::with;
use wireline::service::handler::FromRequestParts;
use wireline::service::request::Parts;
use wireline::{Response, Router, handler};

#[derive(Deserialize, Serialize)]
struct Page {
    number: u8,
    #[serde(default)]
    tags: Vec<String>,
}

struct Key(String);

impl FromRequestParts for Key {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Response> {
        let key = parts.header("x-key").and_then(|value| value.to_str().ok());
        let key = key.ok_or_else(|| Response::unauthorized("which key?"))?;
        Ok(Self(key.to_owned()))
    }
}

#[derive(Clone)]
struct Desk(&'static str);

impl Desk {
    async fn two(&self, Path(id): Path<u8>, content: String) -> String {
        format!("{} {id} {content}", self.0)
    }

    async fn none(self) -> &'static str {
        self.0
    }
}

pub(crate) fn routes() -> Router {
    Router::new()
        .get("/path/{id}", async |Path(id): Path<u8>| id.to_string())
        .get("/query", async |Query(page): Query<Page>| {
            format!("{} {:?}", page.number, page.tags)
        })
        .get("/raw", async |RawQuery(query): RawQuery| {
            format!("{query:?}")
        })
        .post("/json", async |Json(page): Json<Page>| Json(page))
        .get("/key", async |Key(key): Key| key)
        .get("/maybe", async |key: Option<Query<Page>>| {
            key.is_some().to_string()
        })
        .get("/state", async |State(Desk(name)): State<Desk>| name)
        .post("/text", async |text: String| text)
        .get(
            "/head/{x}",
            async |method: Method, uri: Uri, MatchedPath(pattern): MatchedPath| {
                format!("{method} {} {pattern}", uri.path())
            },
        )
        .post("/desk/{id}", handler!(Desk("desk"), two(id, content)))
        .get("/desk", with(Desk("plain"), Desk::none))
        .put(
            "/desk/{id}",
            with(
                Desk("closure"),
                async |desk: Desk, id: Path<u8>, content: String| desk.two(id, content).await,
            ),
        )
        .state(Desk("state"))
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

pub(crate) const ROWS: &[Row] = &[
    Row {
        target: "/path/255",
        content: Is("255"),
        ..ROW
    },
    Row {
        target: "/path/256",
        status: 400,
        ..ROW
    },
    Row {
        target: "/path/x",
        status: 400,
        ..ROW
    },
    Row {
        target: "/query?number=7&tags=a&tags=b%20c",
        content: Is("7 [\"a\", \"b c\"]"),
        ..ROW
    },
    Row {
        target: "/query?number=seven",
        status: 400,
        ..ROW
    },
    Row {
        target: "/query",
        status: 400,
        ..ROW
    },
    Row {
        target: "/raw?a=%20&b",
        content: Is("Some(\"a=%20&b\")"),
        ..ROW
    },
    Row {
        target: "/raw",
        content: Is("None"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/json",
        headers: JSON,
        body: "{\"number\":7}",
        fields: JSON,
        content: Is("{\"number\":7,\"tags\":[]}"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/json",
        headers: JSON,
        pieces: &["{\"num", "ber\":8}"],
        content: Has("8"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/json",
        body: "{\"number\":7}",
        status: 415,
        ..ROW
    },
    Row {
        method: "POST",
        target: "/json",
        headers: JSON,
        body: "{\"number\":",
        status: 400,
        ..ROW
    },
    Row {
        method: "POST",
        target: "/json",
        headers: JSON,
        body: "{\"number\":\"x\"}",
        status: 422,
        ..ROW
    },
    Row {
        target: "/key",
        headers: &[("x-key", "k3y")],
        content: Is("k3y"),
        ..ROW
    },
    Row {
        target: "/key",
        status: 401,
        content: Is("which key?"),
        ..ROW
    },
    Row {
        target: "/maybe?number=1",
        content: Is("true"),
        ..ROW
    },
    Row {
        target: "/maybe",
        content: Is("false"),
        ..ROW
    },
    Row {
        target: "/state",
        content: Is("state"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/text",
        body: "\u{e9}",
        content: Is("\u{e9}"),
        ..ROW
    },
    Row {
        target: "/head/%20?q",
        content: Is("GET /head/%20 /head/{x}"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/desk/7",
        body: "tea",
        content: Is("desk 7 tea"),
        ..ROW
    },
    Row {
        method: "PUT",
        target: "/desk/8",
        body: "tea",
        content: Is("closure 8 tea"),
        ..ROW
    },
    Row {
        target: "/desk",
        content: Is("plain"),
        ..ROW
    },
];
