//! A form with files, which go to the disk as they come.
//!
//! `cargo run --example uploads --features multipart`, then open <http://127.0.0.1:8000/> or
//!
//! ```text
//! curl -F title=Holidays -F picture=@beach.jpg http://127.0.0.1:8000/pictures
//! ```

use http::StatusCode;
use std::path::PathBuf;
use wireline::extract::{Multipart, MultipartLimits, State};
use wireline::router::{BuildError, Routes};
use wireline::service::problem::Problem;
use wireline::{Response, Router, Server};

/// Where pictures go.
#[derive(Clone)]
struct Gallery(PathBuf);

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes(folder: PathBuf) -> Result<Routes, BuildError> {
    Router::new()
        .get("/", async || Response::html(PAGE))
        .post("/pictures", upload)
        .max_body(64 * 1024 * 1024)
        .state(MultipartLimits::default().parts(20).part(16 * 1024 * 1024))
        .state(Gallery(folder))
        .build()
}

async fn upload(State(gallery): State<Gallery>, mut form: Multipart) -> Result<String, Problem> {
    let (mut title, mut kept) = (String::new(), Vec::new());
    while let Some(mut field) = form.next().await? {
        match field.name() {
            "title" => title = field.text().await?,
            "picture" => {
                let is_picture = field
                    .content_type()
                    .is_some_and(|found| found.kind() == "image");
                if !is_picture {
                    let refused = Problem::new(StatusCode::UNPROCESSABLE_ENTITY);
                    return Err(refused.detail("only pictures are kept"));
                }
                // What the client calls it is for people; where it goes is ours to say. If another part is refused, it is removed.
                let name = field.bare_file_name().unwrap_or("a picture").to_owned();
                kept.push((name, field.save_temp(&gallery.0).await?));
            }
            _ => {}
        }
    }
    let mut report = format!("{title}:\n");
    for (name, file) in kept {
        report.push_str(&format!("- {name}, {} octets\n", file.len()));
        let place = file.path().with_extension("picture");
        file.persist(place).await.map_err(wireline::Error::from)?;
    }
    Ok(report)
}

const PAGE: &str = r#"<!doctype html>
<title>Pictures</title>
<form action="/pictures" method="post" enctype="multipart/form-data">
<input name="title" placeholder="Title">
<input name="picture" type="file" accept="image/*" multiple>
<button>Keep</button>
</form>"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join("wireline-pictures");
    std::fs::create_dir_all(&folder)?;
    Server::new(routes(folder)?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
