//! ntex on its tokio runtime.
//!
//!     ntex-peer PORT [WORKERS]      /, /json, /echo

use ntex::util::Bytes;
use ntex::web::{self, App, HttpResponse, HttpServer};
use peer_common::Arguments;

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::from_env();
    HttpServer::new(async || {
        App::new()
            .service(web::resource("/").route(web::get().to(|| async {
                HttpResponse::Ok()
                    .content_type("text/plain")
                    .body("Hello, World!")
            })))
            .service(web::resource("/json").route(web::get().to(|| async {
                HttpResponse::Ok().json(&Greeting {
                    message: "Hello, World!",
                })
            })))
            .service(
                web::resource("/echo").route(web::post().to(|body: Bytes| async move {
                    HttpResponse::Ok()
                        .content_type("application/octet-stream")
                        .body(body)
                })),
            )
    })
    .backlog(4096)
    .maxconn(30_000)
    .workers(arguments.workers)
    .bind(arguments.address())?
    .run()
    .await
}
