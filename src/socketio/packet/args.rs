//! What an event carries: the arguments as JSON, one behind the other, and their attachments.

mod shape;

use super::binary;
use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use shape::Shape;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The arguments of an event or of an answer, as they came or are to go; cheap to clone, and cheap to send on.
///
/// ```
/// use wireline::socketio::packet::Args;
///
/// // A tuple is several arguments, as is an array with a length of its own; the unit is none, everything else one.
/// assert_eq!(Args::new((1, "two", [3])).unwrap().json(), r#"1,"two",[3]"#);
/// assert_eq!(Args::new("one").unwrap().json(), r#""one""#);
/// assert_eq!(Args::new(()).unwrap().json(), "");
///
/// let args = Args::new((1, "two", [3])).unwrap();
/// assert_eq!(args.to::<u32>().unwrap(), 1);
/// assert_eq!(args.to::<(u32, String)>().unwrap(), (1, "two".to_owned()));
/// assert_eq!(args.values().unwrap().len(), 3);
/// ```
#[derive(Clone, Default)]
pub struct Args {
    /// The elements of an array, without its brackets.
    json: ByteString,
    attachments: Option<Arc<[Bytes]>>,
}

impl Args {
    /// The arguments that a value is: a tuple is several, the unit none, everything else one. Several values of one type are
    /// [`list`](Self::list).
    ///
    /// # Errors
    ///
    /// When the value does not become JSON.
    pub fn new(value: impl ToArgs) -> Result<Self, ArgsError> {
        value.to_args()
    }

    /// Each value is an argument.
    ///
    /// # Errors
    ///
    /// When one does not become JSON.
    pub fn list<T: Serialize>(values: &[T]) -> Result<Self, ArgsError> {
        Self::write(|| serde_json::to_string(values).map(within_brackets))
    }

    /// The arguments that stand in JSON, separated by commas. What reads this trusts that they are.
    pub(crate) fn from_json(json: ByteString, attachments: Vec<Bytes>) -> Self {
        let attachments = (!attachments.is_empty()).then(|| attachments.into());
        Self { json, attachments }
    }

    /// These, and one more argument: a string.
    pub(crate) fn and(&self, string: &str) -> Self {
        let mut json = String::with_capacity(self.json.len() + string.len() + 3);
        json.push_str(&self.json);
        if !json.is_empty() {
            json.push(',');
        }
        super::text::push_string(&mut json, string);
        Self {
            json: json.into(),
            attachments: self.attachments.clone(),
        }
    }

    fn write(write: impl FnOnce() -> serde_json::Result<String>) -> Result<Self, ArgsError> {
        let (json, attachments) = binary::writing(write);
        Ok(Self::from_json(json?.into(), attachments))
    }

    /// The arguments as JSON, separated by commas; an attachment is an object `{"_placeholder":true,"num":0}`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The attachments.
    pub fn attachments(&self) -> &[Bytes] {
        self.attachments.as_deref().unwrap_or_default()
    }

    /// What it takes to hold them.
    pub(crate) fn octets(&self) -> usize {
        let attachments = self.attachments().iter().map(Bytes::len);
        self.json.len() + attachments.sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// Reads them: a tuple takes several, and what it does not take is left out; everything else takes the first one, and `null`
    /// when there is none.
    ///
    /// # Errors
    ///
    /// When they have another shape.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        let read = || {
            if shape::takes_several::<T>() {
                self.several()
            } else if self.is_empty() {
                serde_json::from_str("null")
            } else {
                // What stands behind it is not looked at.
                T::deserialize(&mut serde_json::Deserializer::from_str(&self.json))
            }
        };
        let read = match &self.attachments {
            None => read(),
            Some(attachments) => binary::reading(attachments, read),
        };
        read.map_err(ArgsError)
    }

    /// All of them. Attachments are the objects that stand for them.
    ///
    /// # Errors
    ///
    /// When they are nested too deep, which those that came from a peer are not.
    pub fn values(&self) -> Result<Vec<serde_json::Value>, ArgsError> {
        serde_json::from_str(&self.array()).map_err(ArgsError)
    }

    fn several<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        let array = self.array();
        let mut deserializer = serde_json::Deserializer::from_str(&array);
        serde::Deserializer::deserialize_seq(&mut deserializer, Leading(PhantomData))
    }

    /// As one JSON array.
    pub fn array(&self) -> String {
        format!("[{}]", self.json)
    }
}

impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json && self.attachments() == other.attachments()
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.array())?;
        match self.attachments().len() {
            0 => Ok(()),
            some => write!(f, " and {some} attachments"),
        }
    }
}

/// What can be the arguments of an event: every [`Serialize`], and [`Args`] as they are.
///
/// ```
/// use wireline::socketio::packet::{ArgsError, ToArgs};
///
/// fn json(value: impl ToArgs) -> Result<String, ArgsError> {
///     Ok(value.to_args()?.json().to_owned())
/// }
/// assert_eq!(json((1, "two")).unwrap(), r#"1,"two""#);
/// assert_eq!(json(vec![1, 2]).unwrap(), "[1,2]");
/// ```
pub trait ToArgs {
    /// The arguments.
    ///
    /// # Errors
    ///
    /// When they do not become JSON.
    fn to_args(&self) -> Result<Args, ArgsError>;
}

impl<T: Serialize + ?Sized> ToArgs for T {
    fn to_args(&self) -> Result<Args, ArgsError> {
        match shape::of(self) {
            Shape::Nothing => Ok(Args::default()),
            Shape::Several => Args::write(|| serde_json::to_string(self).map(within_brackets)),
            Shape::One => Args::write(|| serde_json::to_string(self)),
        }
    }
}

impl ToArgs for Args {
    fn to_args(&self) -> Result<Args, ArgsError> {
        Ok(self.clone())
    }
}

impl ToArgs for &Args {
    fn to_args(&self) -> Result<Args, ArgsError> {
        Ok((*self).clone())
    }
}

fn within_brackets(mut array: String) -> String {
    array.pop();
    if !array.is_empty() {
        array.remove(0);
    }
    array
}

/// Reads the first elements of an array, as many as there are in `T`.
struct Leading<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Leading<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let read = T::deserialize(SeqAccessDeserializer::new(&mut seq))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(read)
    }
}

/// Arguments that do not become JSON, or not what was asked for.
///
/// ```
/// use wireline::socketio::packet::Args;
///
/// let error = Args::new("seven").unwrap().to::<u32>().unwrap_err();
/// assert!(error.to_string().contains("expected u32"), "{error}");
/// ```
#[derive(Debug)]
pub struct ArgsError(serde_json::Error);

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for ArgsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl From<serde_json::Error> for ArgsError {
    fn from(error: serde_json::Error) -> Self {
        Self(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::packet::Binary;
    use serde_json::{Value, json};

    #[test]
    fn a_tuple_is_several_arguments_and_everything_else_one() {
        #[derive(Serialize)]
        struct Pair(u8, u8);
        #[derive(Serialize)]
        struct New(u8);
        for (args, json) in [
            (Args::new(()), ""),
            (Args::new((1,)), "1"),
            (Args::new((1, "a", None::<u8>)), r#"1,"a",null"#),
            (Args::new(vec![1, 2]), "[1,2]"),
            (Args::new(json!({"a": [1]})), r#"{"a":[1]}"#),
            (Args::new("a"), r#""a""#),
            (Args::new(()), ""),
            (Args::new(Value::Null), "null"),
            (Args::new([1, 2]), "1,2"),
            (Args::new(None::<u8>), "null"),
            (Args::new(Some(1)), "1"),
            (Args::new(New(1)), "1"),
            (Args::new(Pair(1, 2)), "[1,2]"),
            (Args::list(&[1, 2]), "1,2"),
            (Args::list(&[Value::Null]), "null"),
            (Args::list::<u8>(&[]), ""),
        ] {
            assert_eq!(args.unwrap().json(), json);
        }
        let args = Args::new((1, 2)).unwrap();
        assert_eq!(Args::new(&args).unwrap(), args);
        assert_eq!(Args::new(args.clone()).unwrap(), args);
    }

    #[test]
    fn a_tuple_takes_several_and_everything_else_the_first() {
        let args = Args::new((1, "a", [true])).unwrap();
        assert_eq!(args.to::<u8>().unwrap(), 1);
        assert_eq!(args.to::<(u8,)>().unwrap(), (1,));
        let all: (u8, String, Vec<bool>) = args.to().unwrap();
        assert_eq!(all, (1, "a".to_owned(), vec![true]));
        assert!(args.to::<(u8, String, Vec<bool>, u8)>().is_err());
        assert!(args.to::<String>().is_err());

        let none = Args::default();
        none.to::<()>().unwrap();
        assert_eq!(none.to::<Option<u8>>().unwrap(), None);
        assert_eq!(none.to::<Value>().unwrap(), Value::Null);
        assert!(none.to::<u8>().is_err());
        assert!(none.values().unwrap().is_empty());
        let array = Args::new([[1, 2]]).unwrap();
        assert_eq!(array.to::<Vec<u8>>().unwrap(), [1, 2]);
    }

    #[test]
    fn octets_travel_beside_the_json() {
        let args = Args::new((Binary::from(vec![1]), vec![Binary::from(vec![2])])).unwrap();
        let first = r#"{"_placeholder":true,"num":0}"#;
        let second = r#"{"_placeholder":true,"num":1}"#;
        assert_eq!(args.json(), format!("{first},[{second}]"));
        let (a, b): (Binary, Vec<Binary>) = args.to().unwrap();
        assert_eq!((&*a, &*b[0]), (&[1][..], &[2][..]));

        // Nothing is left of it for who comes later.
        assert!(
            Args::from_json(first.into(), Vec::new())
                .to::<Binary>()
                .is_err()
        );
        assert!(serde_json::from_str::<Binary>(first).is_err());
        assert_eq!(serde_json::to_string(&a).unwrap(), "[1]");
        for wrong in [
            r#"{"_placeholder":true,"num":2}"#,
            r#"{"_placeholder":true,"num":-1}"#,
            r#"{"_placeholder":true,"num":"toString"}"#,
            r#"{"_placeholder":false,"num":0}"#,
            r#"{"_placeholder":true}"#,
            r#"{"num":0}"#,
        ] {
            let args = Args::from_json(wrong.into(), vec![Bytes::from_static(b"x"); 2]);
            assert!(args.to::<Binary>().is_err(), "{wrong}");
        }
    }
}
