//! What is served: mounts, types, indexes, lists, coded files, caching.

use crate::outside::SECRET;
use crate::scene::{Answer, CSS, Scene, ask, ask_h1, client, get, then};
use crate::static_site;
use http::{HeaderValue, Method, StatusCode};
use std::fs;
use std::time::Duration;
use wireline::files::Files;
use wireline::service::handler::service_fn;
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

#[tokio::test]
async fn s117_several_mounts_beside_routes() {
    let scene = Scene::new();
    let group = Router::new().files("/", Files::new(scene.path("docs")));
    let routes = Router::new()
        .files("/assets", scene.files())
        .files("/styles/", Files::new(scene.path("css")))
        .get("/assets/generated.css", async || "generated")
        .nest("/group/{name}", group)
        .get("/", async || "root")
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, status, content) in [
        ("/assets/css/site.css", 200, CSS),
        ("/assets/css/site.css?v=1", 200, CSS),
        ("/styles/site.css", 200, CSS),
        ("/assets/generated.css", 200, "generated"),
        ("/assets/", 200, "<h1>Home</h1>"),
        ("/assets", 308, ""),
        ("/assets/docs/", 200, "<h1>Docs</h1>"),
        ("/assets/docs/a%20b.txt", 200, "spaced"),
        ("/assets/caf%C3%A9.txt", 200, "coffee"),
        ("/group/any/", 200, "<h1>Docs</h1>"),
        ("/group/any/index.html", 200, "<h1>Docs</h1>"),
        ("/group/any/css/site.css", 404, "not found"),
        ("/styles/", 404, "not found"),
        ("/assets/missing.css", 404, "not found"),
        ("/", 200, "root"),
    ] {
        let answer = get(&client, path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, content),
            "{path}"
        );
    }
}

#[tokio::test]
async fn s117_a_mount_at_the_root_and_one_as_the_fallback() {
    let scene = Scene::new();
    let mounted = Router::new().files("/", scene.files()).build().unwrap();
    let fallback = Router::new()
        .get("/api", async || "api")
        .fallback(scene.files())
        .build()
        .unwrap();
    for client in [TestClient::new(mounted), TestClient::new(fallback)] {
        for (path, status) in [
            ("/", 200),
            ("/index.html", 200),
            ("/css/site.css", 200),
            ("/docs", 308),
            ("/nothing", 404),
            ("//css/site.css", 404),
        ] {
            assert_eq!(get(&client, path, &[]).await.status, status, "{path}");
        }
    }
    // Without a router it is the whole path, too.
    let files = scene.files();
    let client = TestClient::new(service_fn(move |request| {
        use wireline::service::handler::Handler;
        files.clone().call(request)
    }));
    assert_eq!(get(&client, "/css/site.css", &[]).await.text(), CSS);
}

#[tokio::test]
async fn s117_a_directory_that_is_missing_is_told_when_the_router_is_built() {
    let scene = Scene::new();
    for missing in [scene.path("nowhere"), scene.path("index.html")] {
        let text = missing.display().to_string();
        let built = Router::new().files("/assets", Files::new(&missing)).build();
        let error = built.unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(error.to_string().contains(&text), "{error}");
        let built = Router::new()
            .fallback(Files::new(&missing).no_links())
            .build();
        assert!(built.unwrap_err().to_string().contains(&text));
    }
    for (files, said) in [
        (scene.files().index("../index.html"), "index"),
        (scene.files().fallback("/index.html"), "fallback"),
        (scene.files().fallback("../outside/secret.txt"), "fallback"),
        (scene.files().cache_control("a\nb"), "cache_control"),
        (scene.files().content_type("js", "a\nb"), "content_type"),
    ] {
        let error = Router::new()
            .files("/assets", files)
            .build()
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn s118_fields_of_a_file() {
    let scene = Scene::new();
    let client = scene.client();
    let answer = get(&client, "/assets/css/site.css", &[]).await;
    let field = |name| answer.field(name).unwrap_or_default();
    assert_eq!(field("content-type"), "text/css; charset=utf-8");
    assert_eq!(field("content-length"), CSS.len().to_string());
    assert_eq!(field("accept-ranges"), "bytes");
    assert_eq!(field("last-modified"), "Sat, 01 Aug 2026 12:00:00 GMT");
    assert!(
        field("etag").starts_with('"') && field("etag").contains("-16-"),
        "{answer:?}"
    );
    assert_eq!(
        (answer.field("cache-control"), answer.field("vary")),
        (None, None)
    );

    // HEAD announces the same and sends nothing; so does a directory's index.
    for path in ["/assets/css/site.css", "/assets/", "/assets/empty.txt"] {
        let (got, head) = (
            get(&client, path, &[]).await,
            ask(&client, Method::HEAD, path, &[]).await,
        );
        assert_eq!((head.status, head.content.len()), (StatusCode::OK, 0));
        assert_eq!(head.fields, got.fields, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = ask(&client, method, "/assets/css/site.css", &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
    }
    let own = self::client(scene.files().content_type(".CSS", "text/x-own"));
    let answer = get(&own, "/assets/css/site.css", &[]).await;
    assert_eq!(answer.field("content-type"), Some("text/x-own"));
}

#[tokio::test]
async fn methods_of_a_fallback_are_refused_for_what_is_there() {
    let scene = Scene::new();
    let client = TestClient::new(Router::new().fallback(scene.files()).build().unwrap());
    for (path, status) in [
        ("/css/site.css", 405),
        ("/docs", 405),
        ("/", 405),
        ("/nothing", 404),
        ("/..", 404),
    ] {
        let answer = ask(&client, Method::POST, path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.field("allow"),
            (status == 405).then_some("GET, HEAD")
        );
    }
}

/// ST-2.
#[tokio::test]
async fn d21_a_redirect_to_a_directory_stays_with_its_origin() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("evil.example/a")).unwrap();
    scene.write("evil.example/index.html", "here");
    scene.write("evil.example/a/index.html", "here");
    let routes = Router::new()
        .files("/assets", scene.files())
        .fallback(scene.files());
    let client = TestClient::new(routes.build().unwrap());
    for (path, location) in [
        ("/assets/docs", Some("/assets/docs/")),
        ("/assets/docs?a=b//c", Some("/assets/docs/?a=b//c")),
        ("/assets?x", Some("/assets/?x")),
        ("/evil.example", Some("/evil.example/")),
        ("/%65vil.example/a", None),
        ("//evil.example", None),
        ("//evil.example/a", None),
        ("///evil.example/a", None),
        ("/\\evil.example/a", None),
        ("/%2fevil.example/a", None),
        ("/%5cevil.example/a", None),
        ("/assets//evil.example", None),
        ("/./evil.example", None),
        // Nothing to show there, so nothing to tell.
        ("/assets/empty", None),
        ("/assets/css", None),
    ] {
        let answer = ask_h1(&client, Method::GET, path, &[]).await;
        assert_eq!(answer.field("location"), location, "{path}");
        assert_eq!(
            answer.status,
            if location.is_some() { 308 } else { 404 },
            "{path}"
        );
    }
    // A target with an authority leads to the path alone.
    let answer = ask_h1(
        &client,
        Method::GET,
        "http://evil.example/assets/docs",
        &[("host", "evil.example")],
    )
    .await;
    assert_eq!(answer.field("location"), Some("/assets/docs/"));
}

#[tokio::test]
async fn d21_indexes_and_fallbacks() {
    let scene = Scene::new();
    scene.write("404.html", "<h1>Lost</h1>");
    let home = "<h1>Home</h1>";
    type Expected = [(&'static str, u16, &'static str)];
    let cases: [(Files, &Expected); 5] = [
        (
            scene.files().no_index(),
            &[
                ("/assets/", 404, "not found"),
                ("/assets/docs", 404, "not found"),
            ],
        ),
        (
            scene.files().index("site.css"),
            &[
                ("/assets/css/", 200, CSS),
                ("/assets/docs/", 404, "not found"),
            ],
        ),
        (
            scene.files().fallback("index.html"),
            &[
                ("/assets/users/7", 200, home),
                ("/assets/empty/", 200, home),
                ("/assets/css/site.css", 200, CSS),
                ("/assets/../users", 404, "not found"),
                ("/assets/.git/config", 404, "not found"),
            ],
        ),
        (
            scene
                .files()
                .fallback_with(StatusCode::NOT_FOUND, "404.html"),
            &[
                ("/assets/users/7", 404, "<h1>Lost</h1>"),
                ("/assets/", 200, home),
            ],
        ),
        (
            scene.files().fallback("gone.html"),
            &[("/assets/users/7", 404, "not found")],
        ),
    ];
    for (files, expected) in cases {
        let client = client(files);
        for (path, status, content) in expected {
            let answer = get(&client, path, &[]).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (*status, *content),
                "{path}"
            );
        }
    }
    // The page of an application is a file like any other; one that says 404 is sent whole.
    let client = client(scene.files().fallback("index.html"));
    let tag = get(&client, "/assets/x", &[])
        .await
        .field("etag")
        .unwrap()
        .to_owned();
    assert_eq!(
        get(&client, "/assets/y", &[("if-none-match", &tag)])
            .await
            .status,
        304
    );
}

#[tokio::test]
async fn d21_a_list_of_names_is_escaped_and_off_unless_asked_for() {
    let scene = Scene::new();
    assert_eq!(get(&scene.client(), "/assets/css/", &[]).await.status, 404);
    for name in [
        "<script>alert(1)</script>",
        "javascript:alert(1)",
        "a\"b'c&d",
        "100%",
        "x y?z#",
        "tab\tname",
    ] {
        // A slash cannot be in a name.
        scene.write(&format!("empty/{}", name.replace('/', "")), "x");
    }
    fs::create_dir(scene.path("empty/folder")).unwrap();
    scene.set_traps();
    let client = client(scene.files().listing());
    let answer = get(&client, "/assets/empty/", &[]).await;
    let html = answer.text();
    assert_eq!(
        answer.field("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        answer.field("content-security-policy"),
        Some("default-src 'none'")
    );
    assert!(
        !html.contains("<script") && !html.contains("\"javascript:") && !html.contains("tab"),
        "{html}"
    );
    let links: Vec<&str> = html
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(
        links,
        [
            "../",
            "./100%25",
            "./%3Cscript%3Ealert%281%29%3Cscript%3E",
            "./a%22b%27c%26d",
            "./folder/",
            "./javascript%3Aalert%281%29",
            "./x%20y%3Fz%23",
        ]
    );
    // Every link leads somewhere.
    for link in &links[1..] {
        let path = format!("/assets/empty/{}", link.trim_start_matches("./"));
        assert_eq!(get(&client, &path, &[]).await.status, 200, "{path}");
    }
    let root = ask(&client, Method::GET, "/assets/css", &[]).await;
    assert_eq!(root.status, 308);
    let css = get(&client, "/assets/css/", &[]).await;
    assert!(css.text().contains("./site.css") && !css.text().contains("hidden"));
    assert_eq!(
        ask(&client, Method::HEAD, "/assets/css/", &[])
            .await
            .content
            .len(),
        0
    );
}

#[tokio::test]
async fn d21_links_inside_are_followed_unless_told_otherwise() {
    let scene = Scene::new();
    scene.set_traps();
    for (files, status) in [(scene.files(), 200), (scene.files().no_links(), 404)] {
        let client = client(files);
        for path in ["/assets/inside.css", "/assets/styles/site.css"] {
            assert_eq!(get(&client, path, &[]).await.status, status, "{path}");
        }
        assert_eq!(get(&client, "/assets/css/site.css", &[]).await.status, 200);
    }
    let dotted = client(scene.files().dotfiles());
    assert_eq!(get(&dotted, "/assets/.git/config", &[]).await.status, 200);
}

/// ST-6.
#[tokio::test]
async fn d21_coded_files_are_chosen_by_weight() {
    let scene = Scene::new();
    for (suffix, content) in [
        ("br", "in brotli"),
        ("zst", "in zstandard"),
        ("gz", "in gzip"),
    ] {
        scene.write(&format!("css/site.css.{suffix}"), content);
    }
    scene.write("digits.txt.gz", "digits in gzip");
    let client = client(scene.files().precompressed());
    let mut tags = Vec::new();
    for (accept, coding, content) in [
        ("", None, CSS),
        ("br, gzip, zstd", Some("br"), "in brotli"),
        ("gzip, zstd", Some("zstd"), "in zstandard"),
        ("gzip;q=0.9, br;q=0.8", Some("gzip"), "in gzip"),
        ("identity", None, CSS),
        ("br;q=0, *", Some("zstd"), "in zstandard"),
        ("deflate", None, CSS),
    ] {
        let answer = get(
            &client,
            "/assets/css/site.css",
            &[("accept-encoding", accept)],
        )
        .await;
        assert_eq!(
            (answer.field("content-encoding"), answer.text()),
            (coding, content),
            "{accept}"
        );
        assert_eq!(
            answer.field("content-type"),
            Some("text/css; charset=utf-8")
        );
        assert_eq!(answer.field("vary"), Some("accept-encoding"));
        tags.push(answer.field("etag").unwrap().to_owned());
        // Its tag is its own, so that parts and copies are of one coding.
        let same = [
            ("accept-encoding", accept),
            ("if-none-match", tags.last().unwrap().as_str()),
        ];
        let again = get(&client, "/assets/css/site.css", &same).await;
        assert_eq!(
            (again.status.as_u16(), again.field("vary")),
            (304, Some("accept-encoding"))
        );
        let part = [("accept-encoding", accept), ("range", "bytes=0-3")];
        let part = get(&client, "/assets/css/site.css", &part).await;
        assert_eq!((part.status.as_u16(), part.text()), (206, &content[..4]));
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4);

    // One that is older is of another content; one that is missing is no reason to refuse; a directory is no file.
    let accept = [("accept-encoding", "br, gzip")];
    scene.touch("digits.txt", then() + Duration::from_nanos(1));
    fs::create_dir(scene.path("empty.txt.br")).unwrap();
    for path in [
        "/assets/digits.txt",
        "/assets/empty.txt",
        "/assets/index.html",
    ] {
        let answer = get(&client, path, &accept).await;
        assert_eq!(
            (answer.status.as_u16(), answer.field("content-encoding")),
            (200, None),
            "{path}"
        );
        assert_eq!(answer.field("vary"), Some("accept-encoding"));
    }
    scene.touch("digits.txt", then());
    assert_eq!(
        get(&client, "/assets/digits.txt", &accept).await.text(),
        "digits in gzip"
    );
    let missing = get(&client, "/assets/missing", &accept).await;
    assert_eq!(
        (missing.status.as_u16(), missing.field("vary")),
        (404, Some("accept-encoding"))
    );
    // By its own name it is a file.
    let own = get(&client, "/assets/css/site.css.gz", &accept).await;
    assert_eq!(
        (own.field("content-encoding"), own.text()),
        (None, "in gzip")
    );
}

#[tokio::test]
async fn d21_caching_by_name() {
    let scene = Scene::new();
    scene.write("app.3f2a9c1b.js", "hashed()");
    let immutable = "public, max-age=31536000, immutable";
    let value = |answer: &Answer| answer.field("cache-control").map(str::to_owned);
    let files = scene.files().cache_hashed().cache_control("no-cache");
    let client = client(files);
    for (path, expected) in [("app.3f2a9c1b.js", immutable), ("css/site.css", "no-cache")] {
        let path = format!("/assets/{path}");
        let answer = get(&client, &path, &[]).await;
        assert_eq!(value(&answer).as_deref(), Some(expected));
        let tag = answer.field("etag").unwrap();
        let again = get(&client, &path, &[("if-none-match", tag)]).await;
        assert_eq!(
            (again.status.as_u16(), value(&again).as_deref()),
            (304, Some(expected))
        );
    }
    let missing = get(&client, "/assets/gone.3f2a9c1b.js", &[]).await;
    assert_eq!((missing.status.as_u16(), value(&missing)), (404, None));
    let by = scene.files().cache_control_by(|path| {
        path.starts_with("docs/")
            .then_some(HeaderValue::from_static("max-age=60"))
    });
    let client = self::client(by);
    assert_eq!(
        value(&get(&client, "/assets/docs/", &[]).await).as_deref(),
        Some("max-age=60")
    );
    assert_eq!(
        value(&get(&client, "/assets/css/site.css", &[]).await),
        None
    );
}

/// A route for one file, and a handler that sends what it has chosen.
#[tokio::test]
async fn one_file_answers_a_route_or_is_sent_by_a_handler() {
    let scene = Scene::new();
    scene.set_traps();
    scene.write("css/site.css.gz", "in gzip");
    let files = scene.files().precompressed().cache_control("no-cache");
    let sender = files.clone();
    let router = Router::new()
        .get("/style", files.clone().only("css/site.css"))
        .get("/hidden", files.clone().only(".git/config"))
        .get("/missing", files.clone().only("missing"))
        .any("/send/{*path}", move |request: Request| {
            let files = sender.clone();
            async move {
                if request.header("authorization").is_none() {
                    return Response::text("who?").with_status(StatusCode::UNAUTHORIZED);
                }
                let path = request.param("path").unwrap_or_default().into_owned();
                files.send(&request, &path).await
            }
        });
    let client = TestClient::new(router.build().unwrap());
    let allowed = ("authorization", "Bearer x");
    for path in ["/style", "/send/css/site.css"] {
        let answer = get(&client, path, &[allowed]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, CSS),
            "{path}"
        );
        for (name, value) in [
            ("content-type", "text/css; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("accept-ranges", "bytes"),
            ("vary", "accept-encoding"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{path} {name}");
        }
        let tag = answer.field("etag").unwrap().to_owned();
        for (field, status, content) in [
            (("if-none-match", tag.as_str()), 304, ""),
            (
                ("if-match", "\"other\""),
                412,
                "the precondition is not met",
            ),
            (("range", "bytes=0-3"), 206, &CSS[..4]),
            (("accept-encoding", "gzip"), 200, "in gzip"),
        ] {
            let answer = get(&client, path, &[allowed, field]).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (status, content),
                "{field:?}"
            );
        }
    }
    assert_eq!(get(&client, "/send/css/site.css", &[]).await.status, 401);
    // A file that the mount names itself may begin with a dot; what a client names may not.
    assert_eq!(get(&client, "/hidden", &[]).await.text(), SECRET);
    for path in [
        "/missing",
        "/send/missing",
        "/send/css",
        "/send/.git/config",
        "/send/css/.hidden",
        "/send/out/secret.txt",
        "/send/out-file",
        "/send/..%2foutside/secret.txt",
        "/send/css%2f..%2f..%2foutside%2fsecret.txt",
        "/send/css%5csite.css",
        "/send/digits.txt%00",
    ] {
        let answer = get(&client, path, &[allowed]).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        assert!(!answer.text().contains(SECRET), "{path}");
    }
    let answer = client
        .post("/send/digits.txt")
        .header(allowed.0, allowed.1)
        .await;
    assert_eq!(answer.status, 405);
    // A path that no file can have is told when the router is built.
    for path in ["", "/etc/passwd", "../outside/secret.txt", "a//b", "a/"] {
        let routes = Router::new().get("/", scene.files().only(path)).build();
        assert!(routes.is_err(), "{path}");
    }
}

/// `examples/static_site.rs`.
#[tokio::test]
async fn the_example_serves_a_site() {
    let scene = Scene::new();
    scene.write("404.html", "<h1>Lost</h1>");
    scene.write("app.3f2a9c1b.js", "hashed()");
    let client = TestClient::new(static_site::routes(&scene.root()).unwrap());
    for (path, status, cache, content) in [
        ("/", 200, Some("no-cache"), "<h1>Home</h1>"),
        (
            "/app.3f2a9c1b.js",
            200,
            Some("public, max-age=31536000, immutable"),
            "hashed()",
        ),
        ("/lost", 404, None, "<h1>Lost</h1>"),
        ("/.git/config", 404, None, "not found"),
        ("/health", 200, None, "well"),
    ] {
        let answer = get(&client, path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, content),
            "{path}"
        );
        assert_eq!(answer.field("cache-control"), cache, "{path}");
    }
    // A compressed file is sent as it lies there; what has none is compressed.
    let text = "a line of a long text\n".repeat(100);
    scene.write("long.txt", &text);
    scene.write("site.css", &text);
    scene.write("site.css.br", "in brotli");
    let accept = [("accept-encoding", "br, gzip")];
    let beside = get(&client, "/site.css", &accept).await;
    let field = beside.field("content-encoding");
    assert_eq!((field, beside.text()), (Some("br"), "in brotli"));
    let made = get(&client, "/long.txt", &accept).await;
    assert_eq!(made.field("content-encoding"), Some("br"));
    assert!(made.content.len() < text.len() / 4);
}
