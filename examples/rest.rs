//! Books over REST, kept in memory: extractors for what comes in, validation, problem details (RFC 9457) for what goes wrong.
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
use wireline::extract::{Json, Objections, Path, State, Valid, Validate};
use wireline::layer::error_pages::ErrorPages;
use wireline::router::{BuildError, Routes};
use wireline::service::problem::Problem;
use wireline::service::redirect::Created;
use wireline::{Router, Server};

#[derive(Clone, Deserialize, Serialize)]
struct Book {
    title: String,
    pages: u32,
}

/// What may stand on the shelf. A client is told everything that is wrong at once.
impl Validate for Book {
    fn validate(&self, objections: &mut Objections) {
        objections.unless(!self.title.trim().is_empty(), "title", "a book has a title");
        objections.unless(
            self.title.len() <= 200,
            "title",
            "a title has at most 200 octets",
        );
        objections.unless(self.pages > 0, "pages", "a book has pages");
    }
}

fn no_such_book(id: u64) -> Problem {
    Problem::new(StatusCode::NOT_FOUND)
        .detail(format!("there is no book {id}"))
        .with("id", id)
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
        // What the extractors and the router refuse becomes a problem, too.
        .layer(ErrorPages::new())
        .state(Shelf::default())
        .build()
}

async fn list(State(shelf): State<Shelf>) -> Json<BTreeMap<u64, Book>> {
    Json(shelf.books().clone())
}

async fn create(
    State(shelf): State<Shelf>,
    Valid(Json(book)): Valid<Json<Book>>,
) -> Created<Json<Book>> {
    let mut books = shelf.books();
    let id = books.last_key_value().map_or(1, |(id, _)| id + 1);
    books.insert(id, book.clone());
    Created::at(format!("/books/{id}"), Json(book))
}

async fn read(State(shelf): State<Shelf>, Path(id): Path<u64>) -> Result<Json<Book>, Problem> {
    let book = shelf.books().get(&id).cloned();
    book.map(Json).ok_or_else(|| no_such_book(id))
}

async fn update(
    State(shelf): State<Shelf>,
    Path(id): Path<u64>,
    Valid(Json(book)): Valid<Json<Book>>,
) -> Result<Json<Book>, Problem> {
    let mut books = shelf.books();
    let place = books.get_mut(&id).ok_or_else(|| no_such_book(id))?;
    place.clone_from(&book);
    Ok(Json(book))
}

async fn delete(State(shelf): State<Shelf>, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    let removed = shelf.books().remove(&id);
    removed.ok_or_else(|| no_such_book(id))?;
    Ok(StatusCode::NO_CONTENT)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
