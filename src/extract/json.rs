//! JSON content, in and out.

use crate::service::body::BodyError;
use crate::service::error::Error;
use crate::service::handler::FromRequest;
use crate::service::optional::OptionalFromRequest;
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use crate::wire::fields::essence;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::fmt;

/// JSON content as any type that serde can read; as a response, any type that it can write.
///
/// The request must say that it is JSON: `Content-Type: application/json`, or a type that ends in `+json`
/// (RFC 6839 §3.1). That is also what keeps a foreign page's form from being read as JSON.
///
/// As a response it is 200 with `application/json`, and 500 when the value cannot be written.
///
/// ```
/// use wireline::extract::Json;
/// use wireline::router::Router;
///
/// #[derive(serde::Deserialize, serde::Serialize)]
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// async fn mirror(Json(point): Json<Point>) -> Json<Point> {
///     Json(Point { x: point.y, y: point.x })
/// }
/// assert!(Router::new().post("/mirror", mirror).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequest for Json<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: Request) -> Result<Self, JsonRejection> {
        if !has_json(&request) {
            return Err(JsonRejection::ContentType);
        }
        let content = request
            .into_parts()
            .1
            .collect()
            .await
            .map_err(JsonRejection::Body)?;
        serde_json::from_slice(&content)
            .map(Self)
            .map_err(|error| match error.classify() {
                Category::Data => JsonRejection::Data(error),
                Category::Syntax | Category::Eof | Category::Io => JsonRejection::Syntax(error),
            })
    }
}

/// `None` for a request that has neither a content type nor content.
impl<T: DeserializeOwned + Send> OptionalFromRequest for Json<T> {
    type Rejection = JsonRejection;

    async fn optional_from_request(request: Request) -> Result<Option<Self>, JsonRejection> {
        if request.headers().contains("content-type") || request.body().len() != Some(0) {
            return Self::from_request(request).await.map(Some);
        }
        Ok(None)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Response::json(&self.0).into_response()
    }
}

/// Why the content is not the JSON that the handler takes.
///
/// ```
/// use wireline::extract::{Json, JsonRejection};
/// use wireline::{Error, Router};
/// use wireline::test::TestClient;
///
/// // A sentence of our own for one of them, and the usual answers for the others.
/// async fn add(numbers: Result<Json<Vec<u32>>, JsonRejection>) -> Result<String, Error> {
///     match numbers {
///         Ok(Json(numbers)) => Ok(numbers.iter().sum::<u32>().to_string()),
///         Err(JsonRejection::Data(_)) => Ok("numbers, please".to_owned()),
///         Err(other) => Err(other.into()),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let client = TestClient::new(Router::new().post("/", add).build().unwrap());
/// assert_eq!(client.post("/").json(&[1, 2]).await.text(), "3");
/// assert_eq!(client.post("/").json(&["one"]).await.text(), "numbers, please");
/// assert_eq!(client.post("/").body("[1, 2]").await.status, 415);
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonRejection {
    /// The request does not say that it is JSON (415).
    ContentType,
    /// It is not JSON; the error knows line and column (400).
    Syntax(serde_json::Error),
    /// It is JSON of another shape than the handler takes; the error knows line and column (422).
    Data(serde_json::Error),
    /// It did not come whole (the body's own status: 413, 408, 400).
    Body(BodyError),
}

impl JsonRejection {
    /// The status that tells the client.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Syntax(_) => StatusCode::BAD_REQUEST,
            Self::Data(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Body(error) => error.status(),
        }
    }
}

impl fmt::Display for JsonRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContentType => f.write_str("expected `Content-Type: application/json`"),
            Self::Syntax(error) => write!(f, "invalid JSON: {error}"),
            Self::Data(error) => write!(f, "unexpected JSON: {error}"),
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JsonRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ContentType => None,
            Self::Syntax(error) | Self::Data(error) => Some(error),
            Self::Body(error) => Some(error),
        }
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            // It knows which of its texts are not for the client.
            JsonRejection::Body(error) => Self::from(error),
            other => Self::new(other.status(), other.to_string()).with_source(other),
        }
    }
}

impl IntoResponse for JsonRejection {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

/// Whether the content type is JSON's, whatever its parameters (RFC 9110 §8.3.1: in any case).
fn has_json(request: &Request) -> bool {
    let Some(content_type) = request.header("content-type") else {
        return false;
    };
    let essence = essence(content_type.as_bytes());
    let Some(slash) = essence.iter().position(|octet| *octet == b'/') else {
        return false;
    };
    let (kind, subtype) = (&essence[..slash], &essence[slash + 1..]);
    let suffixed = subtype.len() > SUFFIX.len()
        && subtype[subtype.len() - SUFFIX.len()..].eq_ignore_ascii_case(SUFFIX);
    suffixed || (kind.eq_ignore_ascii_case(b"application") && subtype.eq_ignore_ascii_case(b"json"))
}

const SUFFIX: &[u8] = b"+json";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::body::Body;
    use http::Method;
    use serde_json::{Value, json};
    use std::collections::HashMap;

    fn request(content_type: Option<&str>, content: impl Into<Body>) -> Request {
        let mut request = Request::get("/");
        request.set_method(Method::POST);
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .try_insert("content-type", content_type)
                .expect("a field");
        }
        *request.body_mut() = content.into();
        request
    }

    async fn status_of<T: DeserializeOwned + Send>(
        request: Request,
    ) -> Result<T, (StatusCode, String)> {
        match Json::from_request(request).await {
            Ok(Json(value)) => Ok(value),
            Err(rejection) => {
                let status = rejection.status();
                let response = rejection.into_response();
                assert_eq!(response.status(), status);
                Err((
                    status,
                    String::from_utf8_lossy(response.body().as_bytes().unwrap_or_default())
                        .into_owned(),
                ))
            }
        }
    }

    #[tokio::test]
    async fn s76_the_content_type_decides() {
        for (content_type, taken) in [
            (Some("application/json"), true),
            (Some("Application/JSON ; charset=utf-8"), true),
            (Some("application/problem+json"), true),
            (Some("model/gltf+JSON"), true),
            (Some("application/json;"), true),
            (Some("application/jsonp"), false),
            (Some("application/+json"), false),
            (Some("text/json"), false),
            (Some("text/plain"), false),
            (Some("json"), false),
            (Some("text/plain; application/json"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some(""), false),
            (None, false),
        ] {
            let outcome = status_of::<Value>(request(content_type, "[1]")).await;
            let expected = if taken {
                Ok(json!([1]))
            } else {
                Err((
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "expected `Content-Type: application/json`".to_owned(),
                ))
            };
            assert_eq!(outcome, expected, "{content_type:?}");
        }
    }

    #[tokio::test]
    async fn s76_malformed_is_400_and_another_shape_422() {
        let ask = |content: &'static str| {
            status_of::<HashMap<String, u8>>(request(Some("application/json"), content))
        };
        assert_eq!(
            ask("{\"a\": 1}").await,
            Ok(HashMap::from([("a".to_owned(), 1)]))
        );
        for (content, status, text) in [
            (
                "",
                400,
                "invalid JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{\"a\":\n 1",
                400,
                "invalid JSON: EOF while parsing an object at line 2 column 2",
            ),
            (
                "{\"a\": 1} x",
                400,
                "invalid JSON: trailing characters at line 1 column 10",
            ),
            (
                "{'a': 1}",
                400,
                "invalid JSON: key must be a string at line 1 column 2",
            ),
            (
                "[1]",
                422,
                "unexpected JSON: invalid type: sequence, expected a map at line 1 column 0",
            ),
            (
                "{\"a\":\n 300}",
                422,
                "unexpected JSON: invalid value: integer `300`, expected u8 at line 2 column 4",
            ),
        ] {
            let expected = (
                StatusCode::from_u16(status).expect("a status"),
                text.to_owned(),
            );
            assert_eq!(ask(content).await, Err(expected), "{content}");
        }
        let list =
            status_of::<Vec<Value>>(request(Some("application/json"), "[1, {\"a\": null}]")).await;
        assert_eq!(list, Ok(vec![json!(1), json!({ "a": null })]));
    }

    #[tokio::test]
    async fn s76_deep_nesting_is_refused_and_not_followed() {
        let outcome =
            status_of::<Value>(request(Some("application/json"), "[".repeat(1_000_000))).await;
        let (status, text) = outcome.expect_err("a million brackets");
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.contains("recursion limit"), "{text}");
    }

    #[tokio::test]
    async fn s76_errors_of_the_body_keep_their_status() {
        for (error, status, text) in [
            (BodyError::TooLarge, 413, "content too large"),
            (BodyError::Timeout, 408, "the content did not come in time"),
            (
                BodyError::Incomplete,
                400,
                "the client went away before the end of the content",
            ),
            (
                BodyError::Foreign("the disk is full".into()),
                500,
                "internal server error",
            ),
        ] {
            let (feed, body) = Body::fed(None);
            feed.end(Err(error));
            let outcome = status_of::<Value>(request(Some("application/json"), body)).await;
            assert_eq!(
                outcome,
                Err((
                    StatusCode::from_u16(status).expect("a status"),
                    text.to_owned()
                ))
            );
        }
    }

    #[tokio::test]
    async fn optional_json_is_none_without_content_type_and_content() {
        let ask = async |content_type, content: &'static str| {
            let outcome = Option::<Json<u8>>::from_request(request(content_type, content)).await;
            outcome
                .map(|value| value.map(|Json(value)| value))
                .map_err(|rejection| rejection.status().as_u16())
        };
        assert_eq!(ask(None, "").await, Ok(None));
        assert_eq!(ask(Some("application/json"), "7").await, Ok(Some(7)));
        assert_eq!(ask(Some("application/json"), "").await, Err(400));
        assert_eq!(ask(None, "7").await, Err(415));
    }

    #[test]
    fn s76_as_a_response() {
        let response = Json(vec![1, 2]).into_response();
        assert_eq!(
            (response.status(), response.body().as_bytes()),
            (StatusCode::OK, Some(b"[1,2]".as_slice()))
        );
        assert!(
            response
                .headers()
                .get("content-type")
                .is_some_and(|value| value == "application/json")
        );
        let unwritable = Json(HashMap::from([(vec![1], 1)])).into_response();
        assert_eq!(unwritable.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
