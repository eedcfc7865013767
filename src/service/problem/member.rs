//! What problem details may have beside the members that RFC 9457 names.

/// A JSON value: of text, numbers and `bool` it is made by `into()`, of lists and objects by `collect()`.
///
/// ```
/// use wireline::service::problem::Member;
///
/// let accounts: Member = ["/account/1", "/account/2"].into_iter().map(Member::from).collect();
/// assert_eq!(accounts.as_json(), r#"["/account/1","/account/2"]"#);
/// let place: Member = [("line", Member::from(3)), ("quote", "\"".into())].into_iter().collect();
/// assert_eq!(place.as_json(), r#"{"line":3,"quote":"\""}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member(pub(super) String);

impl Member {
    /// The value as it is written.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Member {
    fn from(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        push_text(&mut json, text);
        Self(json)
    }
}

impl From<String> for Member {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

macro_rules! from_display {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Member {
            fn from(value: $kind) -> Self {
                Self(value.to_string())
            }
        }
    )*};
}

from_display!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl FromIterator<Self> for Member {
    fn from_iter<I: IntoIterator<Item = Self>>(values: I) -> Self {
        let mut json = String::from("[");
        for value in values {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&value.0);
        }
        json.push(']');
        Self(json)
    }
}

impl<N: AsRef<str>> FromIterator<(N, Self)> for Member {
    fn from_iter<I: IntoIterator<Item = (N, Self)>>(members: I) -> Self {
        let mut json = String::from("{");
        for (name, value) in members {
            push_member(&mut json, name.as_ref(), &value);
        }
        json.push('}');
        Self(json)
    }
}

/// Appends a member to an object that is open.
pub(super) fn push_member(json: &mut String, name: &str, value: &Member) {
    if json.len() > 1 {
        json.push(',');
    }
    push_text(json, name);
    json.push(':');
    json.push_str(&value.0);
}

/// Appends a string (RFC 8259 §7).
fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\0'..'\u{20}' => json.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => json.push(character),
        }
    }
    json.push('"');
}
