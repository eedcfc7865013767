//! Members of problem details from whatever serde can write.

use crate::service::problem::Member;
use serde::Serialize;

impl Member {
    /// Any value that serde can write.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON: a map with keys that are no strings, for one.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self)
    }
}

/// As it stands.
impl From<serde_json::Value> for Member {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error::Error;
    use crate::service::problem::Problem;
    use http::StatusCode;
    use serde_json::{Value, json};

    #[test]
    fn every_text_reads_back() {
        for text in [
            "",
            "\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}",
            "ü€😀\u{2028}</script>",
        ] {
            let problem = Problem::new(StatusCode::BAD_REQUEST)
                .kind(text)
                .title(text)
                .detail(text)
                .instance(text)
                .with("own", text)
                .with(
                    "list",
                    [1, 2].into_iter().map(Member::from).collect::<Member>(),
                )
                .with("json", json!({ "a": [null, 1.5] }))
                .with("status", "ignored");
            let expected = json!({
                "type": text, "title": text, "status": 400, "detail": text, "instance": text,
                "own": text, "list": [1, 2], "json": { "a": [null, 1.5] },
            });
            let read: Value = serde_json::from_str(&problem.to_json()).unwrap();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn errors_keep_their_message_and_hide_their_source() {
        for (error, expected) in [
            (
                Error::internal("the password is wrong"),
                r#"{"title":"Internal Server Error","status":500}"#,
            ),
            (
                Error::new(StatusCode::NOT_FOUND, "no such book"),
                r#"{"title":"Not Found","status":404,"detail":"no such book"}"#,
            ),
            (
                Error::new(StatusCode::from_u16(599).unwrap(), ""),
                r#"{"status":599}"#,
            ),
        ] {
            assert_eq!(Problem::from(error).to_json(), expected);
        }
        assert_eq!(
            Problem::from(StatusCode::GONE).to_json(),
            r#"{"title":"Gone","status":410}"#
        );
    }
}
