//! actix-web.
//!
//!     actix-peer PORT [WORKERS]      /, /json, /compressed, /echo, /sink, /bytes/{n}, /ws (echo by actix-ws), /files (actix-files, the directory FILES
//!         of the environment)

use actix_web::middleware::Compress;
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, Result, web};
use actix_ws::Message;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use peer_common::{Arguments, FILLER, large};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::from_env();
    let content = Bytes::from(large());
    HttpServer::new(move || {
        let content = content.clone();
        // Its levels are fixed: brotli 3 with a window of 4 MiB, gzip 1.
        let compressed = web::get()
            .to(move || {
                let content = content.clone();
                async move {
                    HttpResponse::Ok()
                        .content_type("application/json")
                        .body(content)
                }
            })
            .wrap(Compress::default());
        App::new()
            .route("/compressed", compressed)
            .route("/", web::get().to(plaintext))
            .route("/plaintext", web::get().to(plaintext))
            .route(
                "/json",
                web::get().to(|| async {
                    web::Json(Greeting {
                        message: "Hello, World!",
                    })
                }),
            )
            .route(
                "/echo",
                web::post().to(|body: web::Bytes| async move {
                    HttpResponse::Ok()
                        .content_type("application/octet-stream")
                        .body(body)
                }),
            )
            .route("/sink", web::post().to(sink))
            .route("/bytes/{length}", web::get().to(bytes))
            .route("/ws", web::get().to(echo))
            .configure(files)
    })
    .workers(arguments.workers)
    .backlog(4096)
    .max_connections(30_000)
    .bind(arguments.address())?
    .run()
    .await
}

/// The directory FILES of the environment.
fn files(config: &mut web::ServiceConfig) {
    if let Some(directory) = std::env::var_os("FILES") {
        config.service(actix_files::Files::new("/files", directory));
    }
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn plaintext() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .body("Hello, World!")
}

async fn sink(mut body: web::Payload) -> Result<String> {
    let mut length = 0;
    while let Some(piece) = body.next().await {
        length += piece?.len();
    }
    Ok(length.to_string())
}

async fn bytes(length: web::Path<usize>) -> HttpResponse {
    let length = length.into_inner();
    let pieces = stream::unfold(length, |left| async move {
        let piece = FILLER.len().min(left);
        (piece > 0).then(|| {
            (
                Ok::<_, Error>(Bytes::from_static(&FILLER[..piece])),
                left - piece,
            )
        })
    });
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .no_chunking(length as u64)
        .streaming(Box::pin(pieces))
}

async fn echo(request: HttpRequest, body: web::Payload) -> Result<HttpResponse> {
    let (response, mut session, stream) = actix_ws::handle(&request, body)?;
    let mut stream = stream.max_frame_size(1 << 26);
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = stream.recv().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Ping(payload) => session.pong(&payload).await,
                Message::Close(_) => break,
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
        let _ = session.close(None).await;
    });
    Ok(response)
}
