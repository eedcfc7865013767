//! Route patterns: the path part of a route as the program writes it, parsed once when the router
//! is built.
//!
//! A pattern begins with `/` and is a list of segments between slashes:
//!
//! | written | matches |
//! |---|---|
//! | `/users` | that segment, byte for byte |
//! | `/users/{id}` or `/users/:id` | one or more bytes without `/`, captured as `id` |
//! | `/v{major}`, `/{name}.json` | the same after a literal prefix, before a literal suffix |
//! | `/static/{*path}` | one or more bytes to the end of the path, slashes included |
//! | `/a{{b}}` | literal braces |
//!
//! Paths are matched raw, as the peer sent them: nothing is decoded before it is split at `/`. A
//! literal is therefore kept in the form in which a client sends it: `é` becomes `%C3%A9`, an
//! escape that was written as `%c3` becomes `%C3` (RFC 3986 section 6.2.2.1), and every other
//! escape stays what it is, so `%2F` never means a slash. A path that spells an escape in lower
//! case, or escapes a character that needs none, is another path. Empty segments, dot segments and
//! a trailing slash are literal segments like all others.

use std::error::Error;
use std::fmt;

/// A parsed route pattern.
///
/// ```
/// use wireline::router::pattern::Pattern;
///
/// let pattern = Pattern::parse("/users/{id}/files/{*path}")?;
/// assert_eq!(pattern.names().iter().map(|name| &**name).collect::<Vec<_>>(), ["id", "path"]);
/// assert_eq!(pattern.as_literal(), None);
/// // Literals are kept as clients send them.
/// assert_eq!(Pattern::parse("/café")?.as_literal().as_deref(), Some("/caf%C3%A9"));
/// # Ok::<(), wireline::router::pattern::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    source: Box<str>,
    segments: Box<[Segment]>,
    names: Box<[Box<str>]>,
}

/// What one segment of a path must look like. Parameter names are not part of it:
/// [`Pattern::names`] has them, in order.
///
/// ```
/// use wireline::router::pattern::{Pattern, Segment};
///
/// let pattern = Pattern::parse("/files/{name}.json")?;
/// let [Segment::Literal(folder), Segment::Param { prefix, suffix }] = pattern.segments() else {
///     panic!("two segments")
/// };
/// assert_eq!((&**folder, &**prefix, &**suffix), ("files", "", ".json"));
/// # Ok::<(), wireline::router::pattern::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly these octets, percent-encoded; may be empty.
    Literal(Box<str>),
    /// At least one octet between these two literals, percent-encoded and possibly empty.
    Param {
        /// What the segment begins with.
        prefix: Box<str>,
        /// What the segment ends with.
        suffix: Box<str>,
    },
    /// At least one octet and everything up to the end of the path; always the last segment.
    Rest,
}

impl Pattern {
    /// The most parameters one pattern may have; a match keeps their places in an array of this
    /// size.
    pub const MAX_PARAMS: usize = 16;

    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`] says which rule of the module page is broken and where.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        let mut parser = Parser {
            source,
            names: Vec::new(),
        };
        let segments = parser.segments()?;
        Ok(Self {
            source: source.into(),
            segments: segments.into(),
            names: parser.names.into(),
        })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The segments after the leading `/`; `/` itself is one empty literal.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The one path that the pattern matches, if it has no parameter.
    pub fn as_literal(&self) -> Option<String> {
        let mut path = String::new();
        for segment in &self.segments {
            let Segment::Literal(text) = segment else {
                return None;
            };
            path.push('/');
            path.push_str(text);
        }
        Some(path)
    }

    /// The parameter names, in the order in which they capture.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// Splits a route that carries its method, `":get/users/:id"`, into the method as written and the
/// path.
///
/// `None` when the route does not begin with `:`, has no `/`, or what stands between is not a
/// method (RFC 9110 section 9.1: a token). The path is not parsed; that is [`Pattern::parse`]'s
/// part.
///
/// ```
/// use wireline::router::pattern::split_method;
///
/// assert_eq!(split_method(":get/users/:id"), Some(("get", "/users/:id")));
/// assert_eq!(split_method("/users/:id"), None);
/// ```
pub fn split_method(route: &str) -> Option<(&str, &str)> {
    let rest = route.strip_prefix(':')?;
    let (method, path) = rest.split_at(rest.find('/')?);
    let is_token = !method.is_empty() && method.bytes().all(is_token_char);
    is_token.then_some((method, path))
}

/// A pattern that cannot be a route. The message shows the pattern, the byte offset and the reason.
///
/// ```
/// use wireline::router::pattern::Pattern;
///
/// let error = Pattern::parse("/users/{id}/{id}").unwrap_err();
/// assert_eq!(error.pattern(), "/users/{id}/{id}");
/// assert_eq!(&error.pattern()[error.offset()..], "id}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: Box<str>,
    offset: usize,
    fault: Fault,
}

impl PatternError {
    /// The pattern as it was written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where the fault begins, in bytes from the start of the pattern.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The rule that is broken.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pattern,
            offset,
            fault,
        } = self;
        write!(
            f,
            "invalid route pattern {pattern:?} at byte {offset}: {fault}"
        )
    }
}

impl Error for PatternError {}

/// The rules a pattern can break.
///
/// ```
/// use wireline::router::pattern::{Fault, Pattern};
///
/// let fault = |pattern: &str| Pattern::parse(pattern).unwrap_err().fault();
/// assert_eq!(fault("users"), Fault::NoLeadingSlash);
/// assert_eq!(fault("/search?q"), Fault::ForbiddenChar('?'));
/// assert_eq!(fault("/users/{}"), Fault::EmptyName);
/// assert_eq!(fault("/{*rest}/edit"), Fault::RestNotLast);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The first character is not `/`.
    NoLeadingSlash,
    /// A character that can never be in the path of a request: `?`, `#`, a space, a control
    /// character.
    ForbiddenChar(char),
    /// A `%` without two hexadecimal digits behind it.
    InvalidEscape,
    /// A `{` without its `}` in the same segment.
    UnclosedBrace,
    /// A `}` that closes nothing.
    UnopenedBrace,
    /// A parameter without a name: `{}`, `{*}`, or a segment `:`.
    EmptyName,
    /// A name that is not letters, digits and underscores (ASCII), or begins with a digit.
    InvalidName,
    /// A name that the pattern has already used.
    DuplicateName,
    /// A second parameter in one segment.
    SecondParam,
    /// `{*name}` with something before it in its segment, or anything after it.
    RestNotLast,
    /// More than [`Pattern::MAX_PARAMS`] parameters.
    TooManyParams,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoLeadingSlash => "a pattern begins with `/`",
            Self::ForbiddenChar(c) => {
                return write!(f, "{c:?} cannot be in a path; percent-encode it");
            }
            Self::InvalidEscape => {
                "`%` is followed by two hexadecimal digits; a literal `%` is written `%25`"
            }
            Self::UnclosedBrace => "`{` has no `}` in its segment; a literal brace is written `{{`",
            Self::UnopenedBrace => "`}` has no `{` before it; a literal brace is written `}}`",
            Self::EmptyName => "a parameter needs a name",
            Self::InvalidName => {
                "a parameter name has ASCII letters, digits and `_`, and no digit first"
            }
            Self::DuplicateName => "the name is used twice in the pattern",
            Self::SecondParam => "a segment has at most one parameter",
            Self::RestNotLast => "`{*name}` must be the whole last segment",
            Self::TooManyParams => "a pattern has at most 16 parameters",
        };
        f.write_str(text)
    }
}

struct Parser<'s> {
    source: &'s str,
    names: Vec<Box<str>>,
}

impl Parser<'_> {
    fn segments(&mut self) -> Result<Vec<Segment>, PatternError> {
        let Some(path) = self.source.strip_prefix('/') else {
            return Err(self.error(0, Fault::NoLeadingSlash));
        };
        if let Some((offset, c)) = self.source.char_indices().find(|&(_, c)| is_forbidden(c)) {
            return Err(self.error(offset, Fault::ForbiddenChar(c)));
        }
        let mut segments = Vec::new();
        let mut offset = 1;
        for text in path.split('/') {
            let segment = match text.strip_prefix(':') {
                Some(name) => {
                    self.name(name, offset + 1)?;
                    Segment::Param {
                        prefix: "".into(),
                        suffix: "".into(),
                    }
                }
                None => self.segment(text, offset)?,
            };
            segments.push(segment);
            offset += text.len() + 1;
        }
        Ok(segments)
    }

    fn segment(&mut self, text: &str, offset: usize) -> Result<Segment, PatternError> {
        let bytes = text.as_bytes();
        let mut literal = String::new();
        let mut prefix = None;
        let mut i = 0;
        while let Some(&byte) = bytes.get(i) {
            let next = bytes.get(i + 1).copied();
            match byte {
                b'{' | b'}' if next == Some(byte) => {
                    push_encoded(&mut literal, byte);
                    i += 2;
                }
                b'}' => return Err(self.error(offset + i, Fault::UnopenedBrace)),
                b'{' if prefix.is_some() => return Err(self.error(offset + i, Fault::SecondParam)),
                b'{' => {
                    let Some(end) = text[i..].find('}').map(|length| i + length) else {
                        return Err(self.error(offset + i, Fault::UnclosedBrace));
                    };
                    if next == Some(b'*') {
                        self.name(&text[i + 2..end], offset + i + 2)?;
                        let is_whole = i == 0 && end + 1 == text.len();
                        if !is_whole || offset + text.len() != self.source.len() {
                            return Err(self.error(offset + i, Fault::RestNotLast));
                        }
                        return Ok(Segment::Rest);
                    }
                    self.name(&text[i + 1..end], offset + i + 1)?;
                    prefix = Some(std::mem::take(&mut literal).into_boxed_str());
                    i = end + 1;
                }
                b'%' => {
                    let Some([high, low]) = bytes
                        .get(i + 1..i + 3)
                        .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                    else {
                        return Err(self.error(offset + i, Fault::InvalidEscape));
                    };
                    literal.push('%');
                    literal.push(char::from(high.to_ascii_uppercase()));
                    literal.push(char::from(low.to_ascii_uppercase()));
                    i += 3;
                }
                _ => {
                    push_encoded(&mut literal, byte);
                    i += 1;
                }
            }
        }
        let literal = literal.into_boxed_str();
        Ok(match prefix {
            None => Segment::Literal(literal),
            Some(prefix) => Segment::Param {
                prefix,
                suffix: literal,
            },
        })
    }

    fn name(&mut self, name: &str, offset: usize) -> Result<(), PatternError> {
        let is_identifier = name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
            && !name.starts_with(|c: char| c.is_ascii_digit());
        let fault = if name.is_empty() {
            Fault::EmptyName
        } else if !is_identifier {
            Fault::InvalidName
        } else if self.names.iter().any(|known| **known == *name) {
            Fault::DuplicateName
        } else if self.names.len() == Pattern::MAX_PARAMS {
            Fault::TooManyParams
        } else {
            self.names.push(name.into());
            return Ok(());
        };
        Err(self.error(offset, fault))
    }

    fn error(&self, offset: usize, fault: Fault) -> PatternError {
        PatternError {
            pattern: self.source.into(),
            offset,
            fault,
        }
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_ascii_control() || matches!(c, ' ' | '?' | '#')
}

/// Appends a literal octet as clients send it. Encoded is what RFC 3986 has no place for in a path
/// and every client encodes (the URL standard's path percent-encode set). `[`, `]`, `|` and `\` are
/// not in that set: browsers send them as they are, so they stay as they were written.
fn push_encoded(literal: &mut String, byte: u8) {
    if byte.is_ascii() && !matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}') {
        literal.push(char::from(byte));
    } else {
        literal.push('%');
        literal.push(char::from(HEX[usize::from(byte >> 4)]));
        literal.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests;
