//! The extractors whose value can be checked.

#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;

use crate::extract::path::Path;

/// An extractor that holds one value.
///
/// What [`Valid`](crate::extract::Valid) takes. An extractor of your own is checked, too, once it says what it holds:
///
/// ```
/// use std::convert::Infallible;
/// use wireline::Router;
/// use wireline::extract::{Inner, Objections, Valid, Validate};
/// use wireline::service::handler::FromRequestParts;
/// use wireline::service::request::Parts;
///
/// struct Page(u32);
///
/// impl Validate for Page {
///     fn validate(&self, objections: &mut Objections) {
///         objections.unless(self.0 > 0, "page", "pages are counted from 1");
///     }
/// }
///
/// struct Wanted(Page);
///
/// impl FromRequestParts for Wanted {
///     type Rejection = Infallible;
///
///     async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
///         let page = parts.query_value("page").and_then(|page| page.parse().ok());
///         Ok(Self(Page(page.unwrap_or(1))))
///     }
/// }
///
/// impl Inner for Wanted {
///     type Value = Page;
///
///     fn value(&self) -> &Page {
///         &self.0
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use wireline::test::TestClient;
///
/// let routes = Router::new().get("/", async |Valid(wanted): Valid<Wanted>| wanted.0.0.to_string());
/// let client = TestClient::new(routes.build().unwrap());
/// assert_eq!(client.get("/?page=2").await.text(), "2");
/// assert_eq!(client.get("/?page=0").await.status, 422);
/// # });
/// ```
pub trait Inner {
    /// What it holds.
    type Value;

    /// The value.
    fn value(&self) -> &Self::Value;
}

impl<T> Inner for Path<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.0
    }
}
