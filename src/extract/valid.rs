//! Values that were read, and checked.

mod inner;

pub use self::inner::Inner;

use crate::service::handler::{FromRequest, FromRequestParts, RouteCheck, ViaRequest};
use crate::service::optional::{OptionalFromRequest, OptionalFromRequestParts};
use crate::service::problem::{Member, Problem};
use crate::service::request::{Parts, Request};
use crate::service::response::{IntoResponse, Response};
use http::StatusCode;
use std::borrow::Cow;
use std::fmt;

/// An argument whose value was checked: `Valid<Json<T>>`, `Valid<Form<T>>`, `Valid<Query<T>>`, `Valid<Path<T>>`.
///
/// What [`Validate`] objects to is told to the client at once, all of it: 422 with problem details (RFC 9457), whose member
/// `errors` has a JSON pointer and a sentence for each. What cannot be read at all is refused as without `Valid`.
///
/// ```
/// use wireline::extract::{Objections, Valid, Validate};
/// # #[cfg(feature = "json")]
/// use wireline::extract::Json;
///
/// #[derive(serde::Deserialize)]
/// struct Book {
///     title: String,
///     pages: u32,
/// }
///
/// impl Validate for Book {
///     fn validate(&self, objections: &mut Objections) {
///         objections.unless(!self.title.is_empty(), "title", "a book has a title");
///         objections.unless((1..=10_000).contains(&self.pages), "pages", "a book has 1 to 10000 pages");
///     }
/// }
///
/// # #[cfg(feature = "json")]
/// async fn add(Valid(Json(book)): Valid<Json<Book>>) -> String {
///     format!("{} on {} pages", book.title, book.pages)
/// }
/// # #[cfg(feature = "json")]
/// assert!(wireline::router::Router::new().post("/books", add).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valid<E>(pub E);

/// A value that knows what may stand in it: what [`Valid`] asks.
///
/// ```
/// use wireline::extract::{Objections, Validate};
///
/// struct Address {
///     city: String,
/// }
///
/// struct Guest {
///     name: String,
///     address: Address,
/// }
///
/// impl Validate for Address {
///     fn validate(&self, objections: &mut Objections) {
///         objections.unless(!self.city.is_empty(), "city", "a city has a name");
///     }
/// }
///
/// impl Validate for Guest {
///     fn validate(&self, objections: &mut Objections) {
///         objections.unless(self.name.len() <= 100, "name", "a name has 100 octets at the most");
///         objections.inside("address", &self.address);
///     }
/// }
/// ```
pub trait Validate {
    /// Says everything that is wrong with it.
    fn validate(&self, objections: &mut Objections);
}

/// What is wrong with a value, field by field. The client gets all of it: 422 with problem details (RFC 9457).
///
/// ```
/// use wireline::extract::Objections;
/// use wireline::service::problem::Problem;
///
/// let mut objections = Objections::default();
/// objections.unless(3 < 2, "to", "a stay ends after it has begun");
/// objections.add("guests", "there are 2 beds");
/// assert_eq!(objections.iter().next(), Some(("/to", "a stay ends after it has begun")));
/// assert_eq!(objections.iter().count(), 2);
/// assert_eq!(objections.to_string(), "/to: a stay ends after it has begun; /guests: there are 2 beds");
/// // By hand, where a handler finds out itself:
/// let problem = Problem::from(objections);
/// # let _ = problem;
/// ```
#[doc(alias = "ValidationErrors")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objections {
    found: Vec<(String, Cow<'static, str>)>,
    /// What stands before the names of fields.
    prefix: String,
}

impl Objections {
    /// Objects to a field: its name, and a sentence for whoever filled it in. An empty name is the value as a whole. Beyond 100 objections
    /// none is kept.
    pub fn add(&mut self, field: &str, sentence: impl Into<Cow<'static, str>>) {
        if self.found.len() < MOST {
            let pointer = self.pointer(field);
            self.found.push((pointer, sentence.into()));
        }
    }

    /// Objects to a field unless `holds`.
    pub fn unless(&mut self, holds: bool, field: &str, sentence: impl Into<Cow<'static, str>>) {
        if !holds {
            self.add(field, sentence);
        }
    }

    /// Lets a value inside of this one say what is wrong: a field by its name, an element of a list by its index.
    pub fn inside(&mut self, field: impl fmt::Display, value: &impl Validate) {
        let inner = self.pointer(&field.to_string());
        let outer = std::mem::replace(&mut self.prefix, inner);
        value.validate(self);
        self.prefix = outer;
    }

    /// Whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Each JSON pointer (RFC 6901) with its sentence.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let found = self.found.iter();
        found.map(|(pointer, sentence)| (pointer.as_str(), &**sentence))
    }

    fn pointer(&self, field: &str) -> String {
        if field.is_empty() {
            return self.prefix.clone();
        }
        let field = field.replace('~', "~0").replace('/', "~1");
        format!("{}/{field}", self.prefix)
    }
}

/// Each after its pointer, those of the value as a whole alone.
impl fmt::Display for Objections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (pointer, sentence)) in self.iter().enumerate() {
            let between = if place == 0 { "" } else { "; " };
            let colon = if pointer.is_empty() { "" } else { ": " };
            write!(f, "{between}{pointer}{colon}{sentence}")?;
        }
        Ok(())
    }
}

/// 422 with all of them.
impl From<Objections> for Problem {
    fn from(objections: Objections) -> Self {
        let errors = objections.iter().map(|(pointer, sentence)| {
            let members = [
                ("pointer", Member::from(format!("#{pointer}"))),
                ("detail", sentence.into()),
            ];
            members.into_iter().collect::<Member>()
        });
        let errors: Member = errors.collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY)
            .detail("what was sent is not valid")
            .with("errors", errors)
    }
}

impl<E> FromRequest for Valid<E>
where
    E: FromRequest<ViaRequest> + Inner<Value: Validate>,
{
    type Rejection = ValidRejection<E::Rejection>;

    async fn from_request(request: Request) -> Result<Self, Self::Rejection> {
        let value = E::from_request(request).await;
        checked(value.map_err(ValidRejection::Unreadable)?)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        E::check(route)
    }
}

impl<E> FromRequestParts for Valid<E>
where
    E: FromRequestParts + Inner<Value: Validate>,
{
    type Rejection = ValidRejection<E::Rejection>;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Self::Rejection> {
        let value = E::from_request_parts(parts).await;
        checked(value.map_err(ValidRejection::Unreadable)?)
    }

    fn check(route: &RouteCheck<'_>) -> Result<(), String> {
        E::check(route)
    }
}

impl<E> OptionalFromRequest for Valid<E>
where
    E: OptionalFromRequest + Inner<Value: Validate>,
{
    type Rejection = ValidRejection<E::Rejection>;

    async fn optional_from_request(request: Request) -> Result<Option<Self>, Self::Rejection> {
        let value = E::optional_from_request(request).await;
        let value = value.map_err(ValidRejection::Unreadable)?;
        value.map(checked).transpose()
    }
}

impl<E> OptionalFromRequestParts for Valid<E>
where
    E: OptionalFromRequestParts + Inner<Value: Validate>,
{
    type Rejection = ValidRejection<E::Rejection>;

    async fn optional_from_request_parts(
        parts: &mut Parts,
    ) -> Result<Option<Self>, Self::Rejection> {
        let value = E::optional_from_request_parts(parts).await;
        let value = value.map_err(ValidRejection::Unreadable)?;
        value.map(checked).transpose()
    }
}

fn checked<E: Inner<Value: Validate>, R>(extracted: E) -> Result<Valid<E>, ValidRejection<R>> {
    let mut objections = Objections::default();
    extracted.value().validate(&mut objections);
    if objections.is_empty() {
        Ok(Valid(extracted))
    } else {
        Err(ValidRejection::Invalid(objections))
    }
}

/// Why there is no valid value.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{Objections, Path, PathRejection, Valid, ValidRejection, Validate};
/// use wireline::test::TestClient;
///
/// #[derive(serde::Deserialize)]
/// struct Seat(u32);
///
/// impl Validate for Seat {
///     fn validate(&self, objections: &mut Objections) {
///         objections.unless(self.0 <= 40, "", "there are 40 seats");
///     }
/// }
///
/// async fn book(seat: Result<Valid<Path<Seat>>, ValidRejection<PathRejection>>) -> String {
///     match seat {
///         Ok(Valid(Path(Seat(number)))) => format!("seat {number}"),
///         Err(ValidRejection::Unreadable(_)) => "a number, please".to_owned(),
///         Err(ValidRejection::Invalid(objections)) => format!("{} objection(s)", objections.iter().count()),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().get("/{seat}", book).build().unwrap());
/// assert_eq!(client.get("/7").await.text(), "seat 7");
/// assert_eq!(client.get("/41").await.text(), "1 objection(s)");
/// assert_eq!(client.get("/window").await.text(), "a number, please");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidRejection<R> {
    /// It could not be read.
    Unreadable(R),
    /// It was read, and this is wrong with it (422).
    Invalid(Objections),
}

impl<R: fmt::Display> fmt::Display for ValidRejection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(rejection) => rejection.fmt(f),
            Self::Invalid(objections) => write!(f, "not valid: {objections}"),
        }
    }
}

impl<R: std::error::Error + 'static> std::error::Error for ValidRejection<R> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(rejection) => Some(rejection),
            Self::Invalid(_) => None,
        }
    }
}

impl<R: IntoResponse> IntoResponse for ValidRejection<R> {
    fn into_response(self) -> Response {
        match self {
            Self::Unreadable(rejection) => rejection.into_response(),
            Self::Invalid(objections) => Problem::from(objections).into_response(),
        }
    }
}

const MOST: usize = 100;
