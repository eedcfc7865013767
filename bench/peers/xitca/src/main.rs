//! xitca-web.
//!
//!     xitca-peer PORT [WORKERS]      /, /json, /echo

use peer_common::Arguments;
use xitca_web::App;
use xitca_web::handler::{handler_service, json::Json};
use xitca_web::route::{get, post};

// The extractor's type is also its response, which asks for both directions.
#[derive(serde::Serialize, serde::Deserialize)]
struct Greeting {
    message: &'static str,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::from_env();
    App::new()
        .at("/", get(handler_service(async || "Hello, World!")))
        .at(
            "/json",
            get(handler_service(async || {
                Json(Greeting {
                    message: "Hello, World!",
                })
            })),
        )
        .at("/echo", post(handler_service(async |body: Vec<u8>| body)))
        .serve()
        .worker_threads(arguments.workers)
        .bind(arguments.address())?
        .run()
        .wait()
}
