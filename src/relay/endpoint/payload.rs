//! JSON that is passed on as it is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// What a message carries: JSON as it came, checked, and read when somebody wants to. Cloning is cheap.
///
/// ```
/// use wireline::relay::Payload;
///
/// let payload = Payload::new(&["a", "b"]).unwrap();
/// assert_eq!(payload.get(), r#"["a","b"]"#);
/// assert_eq!(payload.json::<Vec<String>>().unwrap(), ["a", "b"]);
/// ```
#[derive(Clone)]
pub struct Payload(Arc<RawValue>);

impl Payload {
    /// The JSON of a value.
    ///
    /// # Errors
    ///
    /// When it does not become JSON.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// When it has another shape.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.get())
    }

    pub(super) fn raw(&self) -> &RawValue {
        &self.0
    }
}

/// `null`.
impl Default for Payload {
    fn default() -> Self {
        RawValue::NULL.into()
    }
}

impl From<&RawValue> for Payload {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned().into())
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}
