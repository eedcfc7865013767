//! Content: its codings in both directions, files, events, lines, and what is offered for saving or is elsewhere.

use crate::Content::{Coded, Has, Is, Parts};
use crate::coded::{encode, json};
use crate::{ROW, Row};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};
use wireline::extract::LastEventId;
use wireline::files::Files;
use wireline::layer::compression::{Compression, Decompression};
use wireline::service::attachment::Attachment;
use wireline::service::json_lines::JsonLines;
use wireline::service::redirect::{Created, Redirect};
use wireline::sse::{Event, Sse};
use wireline::{Error, Response, Router};

pub(crate) fn routes() -> Router {
    let compressed = Router::new()
        .layer(Compression::new())
        .get("/", async || {
            Response::bytes(text(), "application/json").with_header("etag", "\"v1\"")
        })
        .get("/small", async || "small")
        .get("/events", events);
    let decompressed = Router::new()
        .layer(Decompression::new())
        .max_body(64)
        .post("/", async |content: String| content);
    Router::new()
        .nest("/compressed", compressed)
        .nest("/decompressed", decompressed)
        .files("/files", Files::new(&*DIRECTORY).precompressed())
        .get("/attachment", async || {
            Attachment::new("na\u{ef}ve.txt", "the report").map_err(Error::from)
        })
        .get("/old", async || Redirect::permanent("/new"))
        .post("/orders", async || Redirect::to("/orders/7"))
        .put("/orders/7", async || Created::at("/orders/7", "an order"))
        .get("/lines", async || {
            JsonLines::new((1..4).map(|number| [number, number * number]))
        })
        .get("/events", events)
}

fn text() -> Vec<u8> {
    json(4000)
}

async fn events(last: Option<LastEventId>) -> Result<Sse, Error> {
    let (sender, sse) = Sse::channel();
    let seen = last.map_or_else(|| "nothing".to_owned(), |LastEventId(id)| id);
    let ticked = Event::data("one\ntwo").event("tick")?.id("8")?;
    for event in [Event::data(seen), ticked] {
        assert!(sender.try_send(event).is_ok());
    }
    Ok(sse)
}

/// What is served, and a secret beside it.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wires");
    let root = folder.join("public");
    fs::create_dir_all(&root).unwrap();
    fs::write(folder.join("secret.txt"), "SECRET-OUTSIDE").unwrap();
    for (name, content) in [
        ("digits.txt", b"0123456789".to_vec()),
        ("data.json", text()),
        ("data.json.br", encode("br", &text())),
        ("data.json.gz", encode("gzip", &text())),
    ] {
        let path = root.join(name);
        fs::write(&path, content).unwrap();
        // Sat, 01 Aug 2026 12:00:00 GMT.
        let then = UNIX_EPOCH + Duration::from_secs(1_785_585_600);
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    }
    root
});

const WEAK: (&str, &str) = ("etag", "W/\"v1\"");
const VARY: (&str, &str) = ("vary", "Accept-Encoding");
const THEN: &str = "Sat, 01 Aug 2026 12:00:00 GMT";
const DIGITS: &str = "/files/digits.txt";
const DATA: &str = "/files/data.json";

pub(crate) const ROWS: &[Row] = &[
    Row {
        target: "/compressed",
        headers: &[("accept-encoding", "gzip, br, zstd")],
        fields: &[("content-encoding", "br"), VARY, WEAK],
        content: Coded("br", text),
        ..ROW
    },
    Row {
        target: "/compressed",
        headers: &[("accept-encoding", "gzip, br;q=0.1, zstd;q=0.5")],
        fields: &[("content-encoding", "gzip"), VARY, WEAK],
        content: Coded("gzip", text),
        ..ROW
    },
    Row {
        target: "/compressed",
        headers: &[("accept-encoding", "zstd")],
        fields: &[("content-encoding", "zstd"), VARY, WEAK],
        content: Coded("zstd", text),
        ..ROW
    },
    Row {
        target: "/compressed",
        fields: &[VARY, ("etag", "\"v1\"")],
        without: &["content-encoding"],
        ..ROW
    },
    Row {
        method: "HEAD",
        target: "/compressed",
        headers: &[("accept-encoding", "gzip")],
        fields: &[("content-encoding", "gzip"), VARY, WEAK],
        content: Is(""),
        driver: true,
        ..ROW
    },
    Row {
        target: "/compressed/small",
        headers: &[("accept-encoding", "gzip")],
        without: &["content-encoding"],
        content: Is("small"),
        ..ROW
    },
    Row {
        target: "/compressed/events",
        headers: &[("accept-encoding", "gzip")],
        without: &["content-encoding"],
        content: Has("data: nothing\n\n"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/decompressed",
        headers: &[("content-encoding", "gzip")],
        body: "a pipe and a pipe and a pipe",
        coding: Some("gzip"),
        content: Is("a pipe and a pipe and a pipe"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/decompressed",
        headers: &[("content-encoding", "br")],
        body: "a pipe",
        coding: Some("br"),
        content: Is("a pipe"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/decompressed",
        headers: &[("content-encoding", "gzip")],
        body: "more than sixty-four octets, which are sixty-four octets, when sixty-four octets are decoded",
        coding: Some("gzip"),
        status: 413,
        driver: true,
        ..ROW
    },
    Row {
        method: "POST",
        target: "/decompressed",
        headers: &[("content-encoding", "compress")],
        body: "whatever",
        status: 415,
        fields: &[("accept-encoding", "br, zstd, gzip, deflate")],
        ..ROW
    },
    Row {
        method: "POST",
        target: "/decompressed",
        headers: &[("content-encoding", "gzip")],
        body: "no gzip",
        status: 400,
        ..ROW
    },
    Row {
        target: DIGITS,
        fields: &[
            ("content-type", "text/plain; charset=utf-8"),
            ("last-modified", THEN),
            ("accept-ranges", "bytes"),
        ],
        content: Is("0123456789"),
        ..ROW
    },
    Row {
        method: "HEAD",
        target: DIGITS,
        fields: &[("last-modified", THEN)],
        content: Is(""),
        driver: true,
        ..ROW
    },
    Row {
        target: DIGITS,
        headers: &[("if-modified-since", THEN)],
        status: 304,
        without: &["content-type"],
        content: Is(""),
        ..ROW
    },
    Row {
        target: DIGITS,
        headers: &[("if-none-match", "*")],
        status: 304,
        ..ROW
    },
    Row {
        target: DIGITS,
        headers: &[("if-match", "\"another\"")],
        status: 412,
        ..ROW
    },
    Row {
        target: DIGITS,
        headers: &[("range", "bytes=2-4")],
        status: 206,
        fields: &[("content-range", "bytes 2-4/10")],
        content: Is("234"),
        ..ROW
    },
    Row {
        target: DIGITS,
        headers: &[("range", "bytes=10-")],
        status: 416,
        fields: &[("content-range", "bytes */10")],
        ..ROW
    },
    Row {
        target: DATA,
        headers: &[("range", "bytes=0-1, 3000-3001")],
        status: 206,
        varies: &["content-type"],
        content: Parts(&[
            "--",
            "content-range: bytes 0-1/4000\r\n\r\n[{\r\n--",
            "content-range: bytes 3000-3001/4000\r\n\r\n",
            "--\r\n",
        ]),
        ..ROW
    },
    Row {
        target: DATA,
        headers: &[("accept-encoding", "gzip, br")],
        fields: &[
            ("content-encoding", "br"),
            ("content-type", "application/json"),
            ("vary", "accept-encoding"),
        ],
        content: Coded("br", text),
        ..ROW
    },
    Row {
        target: DATA,
        headers: &[("accept-encoding", "gzip")],
        fields: &[("content-encoding", "gzip"), ("vary", "accept-encoding")],
        content: Coded("gzip", text),
        ..ROW
    },
    Row {
        target: "/files/../secret.txt",
        status: 404,
        content: Is("not found"),
        ..ROW
    },
    Row {
        target: "/files/%2e%2e/secret.txt",
        status: 404,
        content: Is("not found"),
        ..ROW
    },
    Row {
        target: "/files/..%2fsecret.txt",
        status: 404,
        content: Is("not found"),
        ..ROW
    },
    Row {
        method: "POST",
        target: DIGITS,
        status: 405,
        fields: &[("allow", "GET, HEAD, OPTIONS")],
        ..ROW
    },
    Row {
        target: "/attachment",
        fields: &[
            (
                "content-disposition",
                "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt",
            ),
            ("x-content-type-options", "nosniff"),
        ],
        content: Is("the report"),
        ..ROW
    },
    Row {
        target: "/old",
        status: 308,
        fields: &[("location", "/new")],
        content: Is(""),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/orders",
        body: "tea",
        status: 303,
        fields: &[("location", "/orders/7")],
        ..ROW
    },
    Row {
        method: "PUT",
        target: "/orders/7",
        body: "tea",
        status: 201,
        fields: &[("location", "/orders/7")],
        content: Is("an order"),
        ..ROW
    },
    Row {
        target: "/lines",
        fields: &[("content-type", "application/x-ndjson")],
        content: Is("[1,1]\n[2,4]\n[3,9]\n"),
        ..ROW
    },
    Row {
        target: "/events",
        headers: &[("last-event-id", "7")],
        fields: &[
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
        ],
        content: Is("data: 7\n\ndata: one\ndata: two\nevent: tick\nid: 8\n\n"),
        ..ROW
    },
];
