//! Rpress with the routes of its own benchmark. Compression is off and the style sheet comes from memory, as on wireline's side.
//!
//!     rpress-peer PORT [WORKERS]      /, /json, /echo, /large, /static/style.css, /health

use peer_common::{Arguments, run};
use rpress::{RequestPayload, ResponsePayload, Rpress, RpressRoutes};

fn main() {
    let arguments = Arguments::from_env();
    let address = arguments.address().to_string();
    let mut app = Rpress::new(None);
    app.set_max_connections(4096);
    app.add_route_group(routes());
    run(arguments.workers, async move {
        if let Err(error) = app.listen(address.as_str()).await {
            eprintln!("{address}: {error}");
            std::process::exit(1);
        }
    });
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

fn routes() -> RpressRoutes {
    let mut routes = RpressRoutes::new();
    routes.add(":get/", |_: RequestPayload| async {
        ResponsePayload::text("Hello, World!")
    });
    routes.add(":get/json", |_: RequestPayload| async {
        ResponsePayload::json(&Greeting {
            message: "Hello, World!",
        })
        .expect("a greeting is JSON")
    });
    routes.add(":post/echo", |mut request: RequestPayload| async move {
        ResponsePayload::bytes(request.collect_body().await, "application/octet-stream")
    });
    let large = large();
    routes.add(":get/large", move |_: RequestPayload| {
        let body = large.clone();
        async move { ResponsePayload::bytes(body, "application/json") }
    });
    let style = style();
    routes.add(":get/static/style.css", move |_: RequestPayload| {
        let body = style.clone();
        async move { ResponsePayload::bytes(body, "text/css") }
    });
    routes.add(":get/health", |_: RequestPayload| async {
        ResponsePayload::text("")
    });
    routes
}

/// About 100 KB of JSON: a list of records.
fn large() -> Vec<u8> {
    let records: Vec<String> = (0..1000)
        .map(|at| format!(r#"{{"id":{at},"name":"record {at}","tags":["alpha","beta","gamma"],"value":{},"active":true}}"#, at * 37))
        .collect();
    format!("[{}]", records.join(",")).into_bytes()
}

/// A style sheet of 32 KiB.
fn style() -> Vec<u8> {
    let mut sheet: String = (0..)
        .map(|at| format!(".rule-{at} {{ color: #123456; margin: {at}px; }}\n"))
        .take(1000)
        .collect();
    sheet.truncate(32 * 1024);
    sheet.into_bytes()
}
