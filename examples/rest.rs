//! Books over REST, kept in memory: extractors for what comes in, typed errors for what goes wrong.
//!
//! `cargo run --example rest`, then
//!
//! ```text
//! curl -i --json '{"title":"Emma","pages":474}' http://127.0.0.1:8000/books
//! curl -i http://127.0.0.1:8000/books/1
//! curl -i -X PUT --json '{"title":"Emma","pages":0}' http://127.0.0.1:8000/books/1
//! curl -i -X DELETE http://127.0.0.1:8000/books/1
//! ```

use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wireline::extract::{Json, Path, State};
use wireline::router::{BuildError, Routes};
use wireline::service::error::HttpError;
use wireline::service::response::IntoResponse;
use wireline::{Router, Server};

#[derive(Clone, Deserialize, Serialize)]
struct Book {
    title: String,
    pages: u32,
}

impl Book {
    fn checked(self) -> Result<Self, Problem> {
        (self.pages > 0).then_some(self).ok_or(Problem::NoPages)
    }
}

/// What can go wrong, in the words of the application.
enum Problem {
    NoSuchBook(u64),
    NoPages,
}

/// What a client is told.
impl HttpError for Problem {
    fn into_http(self) -> (StatusCode, String) {
        match self {
            Self::NoSuchBook(id) => (StatusCode::NOT_FOUND, format!("there is no book {id}")),
            Self::NoPages => (StatusCode::UNPROCESSABLE_ENTITY, "a book has pages".into()),
        }
    }
}

/// The books by number. A lock that is never held across an `await` may be a plain one.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<u64, Book>>>);

impl Shelf {
    fn books(&self) -> MutexGuard<'_, BTreeMap<u64, Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new()
        .get("/books", list)
        .post("/books", create)
        .get("/books/{id}", read)
        .put("/books/{id}", update)
        .delete("/books/{id}", delete)
        .max_body(64 * 1024)
        .state(Shelf::default())
        .build()
}

async fn list(State(shelf): State<Shelf>) -> Json<BTreeMap<u64, Book>> {
    Json(shelf.books().clone())
}

async fn create(
    State(shelf): State<Shelf>,
    Json(book): Json<Book>,
) -> Result<impl IntoResponse, Problem> {
    let book = book.checked()?;
    let mut books = shelf.books();
    let id = books.last_key_value().map_or(1, |(id, _)| id + 1);
    books.insert(id, book.clone());
    let location = [("location", format!("/books/{id}"))];
    Ok((StatusCode::CREATED, location, Json(book)))
}

async fn read(State(shelf): State<Shelf>, Path(id): Path<u64>) -> Result<Json<Book>, Problem> {
    let book = shelf.books().get(&id).cloned();
    book.map(Json).ok_or(Problem::NoSuchBook(id))
}

async fn update(
    State(shelf): State<Shelf>,
    Path(id): Path<u64>,
    Json(book): Json<Book>,
) -> Result<Json<Book>, Problem> {
    let book = book.checked()?;
    let mut books = shelf.books();
    let place = books.get_mut(&id).ok_or(Problem::NoSuchBook(id))?;
    place.clone_from(&book);
    Ok(Json(book))
}

async fn delete(State(shelf): State<Shelf>, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    let removed = shelf.books().remove(&id);
    removed.ok_or(Problem::NoSuchBook(id))?;
    Ok(StatusCode::NO_CONTENT)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
