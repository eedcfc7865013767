//! The request target in its four forms (RFC 9112 §3.2), and its agreement with Host.

use crate::wire::fields::Span;
use crate::wire::grammar;
use http::Method;

/// Which of the four forms a target has.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::http1::connection::Connection;
/// use wireline::http1::limits::Limits;
/// use wireline::wire::target::TargetForm;
///
/// let form = |line: &str| {
///     let mut buf = BytesMut::from(format!("{line} HTTP/1.1\r\nHost: a:1\r\n\r\n").as_str());
///     let mut connection = Connection::default();
///     connection.receive(&mut buf, &Limits::default()).ok()?;
///     Some(connection.head().target().form())
/// };
/// assert_eq!(form("GET /"), Some(TargetForm::Origin));
/// assert_eq!(form("OPTIONS *"), Some(TargetForm::Asterisk));
/// assert_eq!(form("CONNECT a:1"), Some(TargetForm::Authority));
/// // `*` asks about the server as a whole, which only OPTIONS does.
/// assert_eq!(form("GET *"), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query` (RFC 9112 §3.2.1).
    #[default]
    Origin,
    /// `http://authority/path?query`, as sent to proxies (§3.2.2).
    Absolute,
    /// `host:port`, only with CONNECT (§3.2.3).
    Authority,
    /// `*`, only with OPTIONS (§3.2.4).
    Asterisk,
}

/// A request target that was checked: where its parts lie in the head's block.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::http1::connection::Connection;
/// use wireline::http1::limits::Limits;
///
/// let block = b"GET http://example.com/search?q=a HTTP/1.1\r\nHost: example.com\r\n\r\n";
/// let mut connection = Connection::default();
/// connection.receive(&mut BytesMut::from(&block[..]), &Limits::default())?;
/// let target = connection.head().target();
/// assert_eq!(target.authority(block), Some(&b"example.com"[..]));
/// assert_eq!(target.path(block), b"/search");
/// assert_eq!(target.query(block), Some(&b"q=a"[..]));
/// # Ok::<(), wireline::http1::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTarget {
    pub(crate) form: TargetForm,
    pub(crate) whole: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    pub(crate) authority: Option<Span>,
}

impl RequestTarget {
    /// The target of a block that is `/` alone.
    pub(crate) const ROOT: Self = Self {
        form: TargetForm::Origin,
        whole: Span::FIRST,
        path: Span::FIRST,
        query: None,
        authority: None,
    };

    /// The block up to the end of the target: all that the offsets refer to.
    #[inline]
    pub(crate) fn up_to_end<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        block.get(..self.whole.range().end).unwrap_or_default()
    }

    /// Which form the target has.
    pub const fn form(&self) -> TargetForm {
        self.form
    }

    /// The whole target as it was sent.
    pub fn whole<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        self.whole.of(block)
    }

    /// The path: `/` for an absolute target without one, `*` for the asterisk form, empty for CONNECT.
    pub fn path<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        self.path.of(block)
    }

    /// The query without its question mark.
    pub fn query<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        self.query.map(|span| span.of(block))
    }

    /// The authority of the absolute and the authority form.
    pub fn authority<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        self.authority.map(|span| span.of(block))
    }
}

/// Judges the target at `start..end` of `block`, whose octets were already found to be target characters,
/// with the first `?` at `question`.
#[inline]
pub(crate) fn parse(
    block: &[u8],
    start: usize,
    end: usize,
    question: Option<usize>,
    method: &Method,
) -> Option<RequestTarget> {
    if block.get(start) == Some(&b'/') && *method != Method::CONNECT {
        return origin(start, end, question);
    }
    parse_rare(block, start, end, question, method)
}

/// A target that begins with `/`. `//host/x` in origin-form is a path, never an authority.
#[inline]
pub(crate) fn origin(start: usize, end: usize, question: Option<usize>) -> Option<RequestTarget> {
    with_path(start, start, end, question, TargetForm::Origin, None)
}

#[cold]
fn parse_rare(
    block: &[u8],
    start: usize,
    end: usize,
    question: Option<usize>,
    method: &Method,
) -> Option<RequestTarget> {
    let text = &block[start..end];
    let whole = Span::new(start, end)?;
    if *method == Method::CONNECT {
        // RFC 9112 §3.2.3: host and port, the port is not optional.
        let named_port = text
            .iter()
            .rposition(|octet| *octet == b':')
            .is_some_and(|colon| colon + 1 < text.len());
        if !grammar::is_host(text) || !named_port || text.ends_with(b"]") {
            return None;
        }
        let path = Span::new(end, end)?;
        return Some(RequestTarget {
            form: TargetForm::Authority,
            whole,
            path,
            query: None,
            authority: Some(whole),
        });
    }
    if text == b"*" {
        if *method != Method::OPTIONS {
            return None;
        }
        return Some(RequestTarget {
            form: TargetForm::Asterisk,
            whole,
            path: whole,
            query: None,
            authority: None,
        });
    }
    let scheme = [b"http://".as_slice(), b"https://"]
        .into_iter()
        .find(|scheme| {
            text.len() > scheme.len() && text[..scheme.len()].eq_ignore_ascii_case(scheme)
        })?;
    let authority_start = start + scheme.len();
    let authority_end = block[authority_start..end]
        .iter()
        .position(|octet| matches!(octet, b'/' | b'?'))
        .map_or(end, |offset| authority_start + offset);
    // RFC 9110 §4.2.4: userinfo in an http URI is to be treated as an error; `is_host` has no `@`.
    if !grammar::is_host(&block[authority_start..authority_end]) {
        return None;
    }
    let authority = Span::new(authority_start, authority_end);
    if block.get(authority_end) == Some(&b'/') && authority_end < end {
        return with_path(
            start,
            authority_end,
            end,
            question,
            TargetForm::Absolute,
            authority,
        );
    }
    // RFC 9110 §4.2.3: an empty path is `/`, which stands in the scheme's second slash.
    let slash = authority_start - 1;
    let query = if authority_end < end {
        Span::new(authority_end + 1, end)
    } else {
        None
    };
    let path = Span::new(slash, slash + 1)?;
    Some(RequestTarget {
        form: TargetForm::Absolute,
        whole,
        path,
        query,
        authority,
    })
}

#[inline]
fn with_path(
    start: usize,
    path: usize,
    end: usize,
    question: Option<usize>,
    form: TargetForm,
    authority: Option<Span>,
) -> Option<RequestTarget> {
    if end > usize::from(u16::MAX) {
        return None;
    }
    Some(RequestTarget {
        form,
        whole: Span::within(start, end),
        path: Span::within(path, question.unwrap_or(end)),
        query: question.map(|question| Span::within(question + 1, end)),
        authority,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(
        method: Method,
        target: &str,
    ) -> Option<(TargetForm, String, Option<String>, Option<String>)> {
        let block = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        let start = method.as_str().len() + 1;
        let question = target.find('?').map(|place| start + place);
        let found = parse(&block, start, start + target.len(), question, &method)?;
        assert_eq!(found.whole(&block), target.as_bytes());
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        Some((
            found.form(),
            text(found.path(&block)),
            found.query(&block).map(text),
            found.authority(&block).map(text),
        ))
    }

    #[test]
    fn four_forms() {
        use TargetForm::*;
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            judge(Method::GET, "/a/b?c=d?e"),
            Some((Origin, "/a/b".into(), some("c=d?e"), None))
        );
        assert_eq!(
            judge(Method::GET, "//host/x"),
            Some((Origin, "//host/x".into(), None, None))
        );
        assert_eq!(
            judge(Method::GET, "/?"),
            Some((Origin, "/".into(), some(""), None))
        );
        assert_eq!(
            judge(Method::GET, "http://a:80/x?y"),
            Some((Absolute, "/x".into(), some("y"), some("a:80")))
        );
        assert_eq!(
            judge(Method::GET, "HTTPS://a"),
            Some((Absolute, "/".into(), None, some("a")))
        );
        assert_eq!(
            judge(Method::GET, "http://a?q"),
            Some((Absolute, "/".into(), some("q"), some("a")))
        );
        assert_eq!(
            judge(Method::CONNECT, "a:443"),
            Some((Authority, String::new(), None, some("a:443")))
        );
        assert_eq!(
            judge(Method::CONNECT, "[::1]:443"),
            Some((Authority, String::new(), None, some("[::1]:443")))
        );
        assert_eq!(
            judge(Method::OPTIONS, "*"),
            Some((Asterisk, "*".into(), None, None))
        );
    }

    #[test]
    fn no_other_form() {
        for target in [
            "*",
            "a:443",
            "a",
            "ftp://a/",
            "http://",
            "http:///x",
            "http://u@a/",
            "http://a b/",
            "?q",
            "http:/a",
        ] {
            assert_eq!(judge(Method::GET, target), None, "{target}");
        }
        for target in [
            "/",
            "a",
            "a:",
            ":443",
            "http://a/",
            "*",
            "[::1]",
            "u@a:1",
            "a:99999",
        ] {
            assert_eq!(judge(Method::CONNECT, target), None, "{target}");
        }
    }
}
