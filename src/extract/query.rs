//! The query.

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

/// The query, decoded as forms are (`application/x-www-form-urlencoded`), as any type that serde can
/// read.
///
/// Fields of type `Option` may be missing, and an empty text is `None` for numbers and `bool`; a key that
/// is repeated fills a `Vec`, and is a 400 where there is room for one value. `HashMap<String, String>`
/// takes any keys, `Vec<(String, String)>` keeps their order. Without a query `T` is read from an empty
/// one, so that a struct of optional fields always is; `Option<Query<T>>` is `None` instead.
///
/// What decodes forms is lenient as browsers are: `%` without two digits stands for itself, and octets
/// that are no UTF-8 become U+FFFD.
///
/// ```
/// use wireline::extract::Query;
/// use wireline::router::Router;
///
/// #[derive(serde::Deserialize)]
/// struct Search {
///     q: String,
///     page: Option<u32>,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// async fn search(Query(search): Query<Search>) -> String {
///     format!("{} in {:?}, page {}", search.q, search.tag, search.page.unwrap_or(1))
/// }
/// assert!(Router::new().get("/search", search).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts for Query<T> {
    type Rejection = QueryRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, QueryRejection> {
        read(parts.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

/// `None` without a question mark in the target.
impl<T: DeserializeOwned + Send> OptionalFromRequestParts for Query<T> {
    type Rejection = QueryRejection;

    async fn optional_from_request_parts(
        parts: &mut Parts,
    ) -> Result<Option<Self>, QueryRejection> {
        (parts.query())
            .map(|query| read(query.as_bytes()).map(Self))
            .transpose()
    }
}

/// The query is not what the handler takes (400).
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{Query, QueryRejection};
/// use wireline::test::TestClient;
///
/// #[derive(serde::Deserialize)]
/// struct Search {
///     page: u32,
/// }
///
/// async fn search(search: Result<Query<Search>, QueryRejection>) -> String {
///     match search {
///         Ok(Query(search)) => format!("page {}", search.page),
///         Err(rejection) => format!("look at {:?}", rejection.key()),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().get("/", search).build().unwrap());
/// assert_eq!(client.get("/?page=2").await.text(), "page 2");
/// assert_eq!(client.get("/?page=two").await.text(), "look at Some(\"page\")");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRejection {
    /// What it is called: a form has fields.
    is_field: bool,
    key: Option<String>,
    reason: String,
}

impl QueryRejection {
    /// The key whose value is at fault; `None` when one is missing.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// 400.
    pub const fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }

    /// The same about a form.
    pub(super) fn into_field(mut self) -> Self {
        self.is_field = true;
        self
    }
}

impl fmt::Display for QueryRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, all) = if self.is_field {
            ("form field", "form")
        } else {
            ("query parameter", "query")
        };
        match &self.key {
            Some(key) => write!(f, "{one} `{}`: {}", key.escape_debug(), self.reason),
            None => write!(f, "{all}: {}", self.reason),
        }
    }
}

rejection!(QueryRejection);

/// Reads `application/x-www-form-urlencoded`.
pub(super) fn read<T: DeserializeOwned>(query: &[u8]) -> Result<T, QueryRejection> {
    let (place, in_value) = (Cell::new(0), Cell::new(false));
    let form = serde_html_form::Deserializer::from_bytes(query);
    T::deserialize(Watched {
        form,
        place: &place,
        in_value: &in_value,
    })
    .map_err(|error| {
        let key = if in_value.get() {
            distinct_key(query, place.get())
        } else {
            None
        };
        QueryRejection {
            is_field: false,
            key,
            reason: error.to_string(),
        }
    })
}

/// The name of the key that came at this place, counted from 1, among the distinct ones.
fn distinct_key(query: &[u8], place: usize) -> Option<String> {
    let mut keys = HashSet::new();
    let pairs: Vec<(String, String)> = serde_html_form::from_bytes(query).ok()?;
    let mut distinct = pairs
        .into_iter()
        .filter(|(key, _)| keys.insert(key.clone()));
    distinct.nth(place.checked_sub(1)?).map(|(key, _)| key)
}

/// The form, with an eye on which key's value is being read: its errors do not name it.
struct Watched<'a, F> {
    form: F,
    place: &'a Cell<usize>,
    in_value: &'a Cell<bool>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.form.deserialize_map(Watched {
            form: visitor,
            place: self.place,
            in_value: self.in_value,
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.form.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.form.deserialize_tuple(len, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf tuple_struct map struct enum identifier
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.form.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.form.visit_map(Watched {
            form: map,
            place: self.place,
            in_value: self.in_value,
        })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.place.set(self.place.get() + 1);
        self.form.next_key_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.in_value.set(true);
        let value = self.form.next_value_seed(seed)?;
        self.in_value.set(false);
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        self.form.size_hint()
    }
}

#[cfg(test)]
mod tests;
