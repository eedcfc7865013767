//! The path's parameters as a serde data format: names with texts, which become whatever the type asks for.

use crate::extract::path::PathRejection;
use crate::service::route::decode;
use serde::de::value::CowStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

type Result<T> = std::result::Result<T, PathRejection>;

/// All parameters of a route, in the order of its pattern.
pub(super) struct Params<I>(pub(super) I);

/// One parameter, still percent-encoded.
#[derive(Clone, Copy)]
pub(super) struct Param<'de> {
    name: &'de str,
    octets: &'de [u8],
    /// Whether it stands in a sequence, where it may become the pair of its name and its text.
    in_sequence: bool,
}

impl<'de, I: ExactSizeIterator<Item = Param<'de>>> Params<I> {
    /// The only parameter, for types that are one value.
    fn single(mut self) -> Result<Param<'de>> {
        let found = self.0.len();
        self.0
            .next()
            .filter(|_| found == 1)
            .ok_or(PathRejection::WrongCount { expected: 1, found })
    }

    fn exactly(self, expected: usize) -> Result<Self> {
        let found = self.0.len();
        if found == expected {
            Ok(self)
        } else {
            Err(PathRejection::WrongCount { expected, found })
        }
    }
}

/// What there is, under whatever the type has around it, or nothing.
macro_rules! as_itself {
    () => {
        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.visit_some(self)
        }

        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            visitor: V,
        ) -> Result<V::Value> {
            visitor.visit_newtype_struct(self)
        }

        fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.visit_unit()
        }

        fn deserialize_unit_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            visitor: V,
        ) -> Result<V::Value> {
            visitor.visit_unit()
        }

        fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.visit_unit()
        }
    };
}

macro_rules! single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.single()?.$method(visitor)
        }
    )*};
}

impl<'de, I: ExactSizeIterator<Item = Param<'de>>> Deserializer<'de> for Params<I> {
    type Error = PathRejection;

    single! {
        deserialize_bool deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Entries {
            rest: self.0,
            current: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(Elements(self.0))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.exactly(len)?.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    as_itself!();
}

/// Parameters by name, for structs and maps.
struct Entries<'de, I> {
    rest: I,
    current: Option<Param<'de>>,
}

impl<'de, I: ExactSizeIterator<Item = Param<'de>>> MapAccess<'de> for Entries<'de, I> {
    type Error = PathRejection;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.current = self.rest.next();
        self.current
            .map(|param| seed.deserialize(text_deserializer(param.name.into())))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let param = self
            .current
            .take()
            .ok_or_else(|| PathRejection::custom("a value was asked for before its key"))?;
        seed.deserialize(param)
            .map_err(|rejection| rejection.of(param.name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// Parameters by place, for tuples and lists.
struct Elements<I>(I);

impl<'de, I: ExactSizeIterator<Item = Param<'de>>> SeqAccess<'de> for Elements<I> {
    type Error = PathRejection;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let element = self.0.next().map(|param| {
            let rejected = |rejection: PathRejection| rejection.of(param.name);
            seed.deserialize(Param {
                in_sequence: true,
                ..param
            })
            .map_err(rejected)
        });
        element.transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

impl<'de> Param<'de> {
    pub(super) const fn new(name: &'de str, octets: &'de [u8]) -> Self {
        Self {
            name,
            octets,
            in_sequence: false,
        }
    }

    fn text(self) -> Result<Cow<'de, str>> {
        decode(self.octets).ok_or_else(|| PathRejection::Undecodable {
            name: self.name.to_owned(),
        })
    }

    fn refuse(self, expected: fmt::Arguments<'_>) -> PathRejection {
        PathRejection::Invalid {
            name: Some(self.name.to_owned()),
            reason: format!("expected {expected}"),
        }
    }
}

macro_rules! integers {
    ($read:ident: $($integer:ident $method:ident $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let value = $read(&self.text()?).and_then(|value| $integer::try_from(value).ok());
            let refused = || self.refuse(format_args!("an integer from {} to {}", $integer::MIN, $integer::MAX));
            visitor.$visit(value.ok_or_else(refused)?)
        }
    )*};
}

macro_rules! unsupported {
    ($($method:ident($($argument:ty),*) $what:literal),*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _visitor: V) -> Result<V::Value> {
            Err(PathRejection::Unsupported { what: $what })
        }
    )*};
}

impl<'de> Deserializer<'de> for Param<'de> {
    type Error = PathRejection;

    integers!(unsigned: u8 deserialize_u8 visit_u8, u16 deserialize_u16 visit_u16, u32 deserialize_u32 visit_u32,
        u64 deserialize_u64 visit_u64, u128 deserialize_u128 visit_u128);
    integers!(signed: i8 deserialize_i8 visit_i8, i16 deserialize_i16 visit_i16, i32 deserialize_i32 visit_i32,
        i64 deserialize_i64 visit_i64, i128 deserialize_i128 visit_i128);
    unsupported!(deserialize_seq() "a list", deserialize_map() "a map", deserialize_tuple_struct(&'static str, usize) "a tuple",
        deserialize_struct(&'static str, &'static [&'static str]) "a struct");
    forward_to_deserialize_any! { str string identifier }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &*self.text()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.refuse(format_args!("`true` or `false`"))),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let text = self.text()?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => visitor.visit_char(character),
            _ => Err(self.refuse(format_args!("one character"))),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // Rounding twice can differ from rounding once in the last bit.
        #[expect(
            clippy::disallowed_methods,
            reason = "`is_decimal` has refused signs and names such as `+1` and `inf`"
        )]
        let value = self.text().map(|text| {
            if is_decimal(&text) {
                text.parse::<f32>().ok()
            } else {
                None
            }
        })?;
        visitor.visit_f32(
            value
                .filter(|value| value.is_finite())
                .ok_or_else(|| self.refuse(format_args!("a number")))?,
        )
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        #[expect(
            clippy::disallowed_methods,
            reason = "`is_decimal` has refused signs and names such as `+1` and `inf`"
        )]
        let value = self.text().map(|text| {
            if is_decimal(&text) {
                text.parse::<f64>().ok()
            } else {
                None
            }
        })?;
        visitor.visit_f64(
            value
                .filter(|value| value.is_finite())
                .ok_or_else(|| self.refuse(format_args!("a number")))?,
        )
    }

    as_itself!();

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        if !self.in_sequence || len != 2 {
            return Err(PathRejection::Unsupported { what: "a tuple" });
        }
        visitor.visit_seq(Pair {
            name: Some(self.name),
            param: Some(Self {
                in_sequence: false,
                ..self
            }),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self)
    }
}

/// A parameter with its name, as an element of a list of pairs.
struct Pair<'de> {
    name: Option<&'de str>,
    param: Option<Param<'de>>,
}

impl<'de> SeqAccess<'de> for Pair<'de> {
    type Error = PathRejection;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match (self.name.take(), self.param) {
            (Some(name), _) => seed.deserialize(text_deserializer(name.into())).map(Some),
            (None, Some(param)) => {
                self.param = None;
                seed.deserialize(param).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

impl<'de> EnumAccess<'de> for Param<'de> {
    type Error = PathRejection;
    type Variant = NameOnly;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, NameOnly)> {
        Ok((seed.deserialize(text_deserializer(self.text()?))?, NameOnly))
    }
}

/// A variant without content.
pub(super) struct NameOnly;

impl<'de> VariantAccess<'de> for NameOnly {
    type Error = PathRejection;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value> {
        Err(CONTENT)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value> {
        Err(CONTENT)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value> {
        Err(CONTENT)
    }
}

fn text_deserializer(text: Cow<'_, str>) -> CowStrDeserializer<'_, PathRejection> {
    CowStrDeserializer::new(text)
}

/// One digit or more.
fn unsigned(text: &str) -> Option<u128> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u128, |value, octet| {
        let digit = if octet.is_ascii_digit() {
            octet - b'0'
        } else {
            return None;
        };
        value.checked_mul(10)?.checked_add(u128::from(digit))
    })
}

/// As [`unsigned`], with `-` before it or not.
fn signed(text: &str) -> Option<i128> {
    match text.strip_prefix('-') {
        Some(digits) => 0i128.checked_sub_unsigned(unsigned(digits)?),
        None => 0i128.checked_add_unsigned(unsigned(text)?),
    }
}

/// Digits, then a fraction or not, then an exponent or not; `-` before them or not.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(mantissa, exponent)| {
            (mantissa, Some(exponent))
        });
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = mantissa
        .split_once('.')
        .map_or((mantissa, None), |(whole, fraction)| {
            (whole, Some(fraction))
        });
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    [Some(whole), fraction, exponent]
        .into_iter()
        .flatten()
        .all(|digits| !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()))
}

const CONTENT: PathRejection = PathRejection::Unsupported {
    what: "a variant with content",
};
