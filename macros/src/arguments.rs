//! What stands in the parentheses of an attribute.

use crate::router::pattern::Pattern;
use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Expr, Ident, LitStr, Result, Token};

/// Which attribute it is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// One with the name of a method, as it is written and as it is sent.
    Method(&'static str, &'static str),
    /// `#[route]`
    Route,
    /// `#[websocket]`
    WebSocket,
}

/// The arguments, checked.
pub(crate) struct Arguments {
    pub(crate) method: String,
    pub(crate) path: LitStr,
    /// The terms of a WebSocket.
    pub(crate) terms: Option<Expr>,
}

/// The arguments as they are written.
#[derive(Default)]
struct Written {
    path: Option<LitStr>,
    method: Option<LitStr>,
    terms: Option<Expr>,
}

impl Kind {
    /// How it is used.
    fn usage(self) -> String {
        match self {
            Self::Method(name, _) => format!("`#[{name}(\"/path\")]`"),
            Self::Route => "`#[route(method = \"GET\", path = \"/path\")]`".to_owned(),
            Self::WebSocket => {
                "`#[websocket(\"/path\")]` or `#[websocket(\"/path\", terms = function)]`"
                    .to_owned()
            }
        }
    }
}

impl Arguments {
    pub(crate) fn read(kind: Kind, tokens: TokenStream) -> Result<Self> {
        let written = (|input: ParseStream<'_>| Written::parse(kind, input)).parse2(tokens)?;
        let usage = kind.usage();
        let missing = |what| Error::new(Span::call_site(), format!("{what} is missing: {usage}"));
        let method = match kind {
            Kind::Method(_, method) => method.to_owned(),
            Kind::WebSocket => "GET".to_owned(),
            Kind::Route => {
                let method = written.method.ok_or_else(|| missing("the method"))?;
                check_method(&method)?;
                method.value()
            }
        };
        let path = written.path.ok_or_else(|| missing("the path"))?;
        Pattern::parse(&path.value()).map_err(|error| Error::new(path.span(), error))?;
        Ok(Self {
            method,
            path,
            terms: written.terms,
        })
    }
}

impl Written {
    fn parse(kind: Kind, input: ParseStream<'_>) -> Result<Self> {
        let mut written = Self::default();
        if !matches!(kind, Kind::Route) && !input.is_empty() {
            let place = input.span();
            let path: LitStr = input.parse().map_err(|_| {
                Error::new(place, format!("the path comes first: {}", kind.usage()))
            })?;
            written.path = Some(path);
            comma(input)?;
        }
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            let text = name.to_string();
            match (kind, text.as_str()) {
                (Kind::Route, "method") => once(&mut written.method, &name, input)?,
                (Kind::Route, "path") => once(&mut written.path, &name, input)?,
                (Kind::WebSocket, "terms") => once(&mut written.terms, &name, input)?,
                _ => {
                    let usage = kind.usage();
                    return Err(Error::new(
                        name.span(),
                        format!("unknown argument `{name}`: {usage}"),
                    ));
                }
            }
            comma(input)?;
        }
        Ok(written)
    }
}

/// What separates an argument from the next one, if there is one.
fn comma(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}

/// Reads `= value` into its place.
fn once<T: Parse>(place: &mut Option<T>, name: &Ident, input: ParseStream<'_>) -> Result<()> {
    input.parse::<Token![=]>()?;
    if place.replace(input.parse()?).is_some() {
        return Err(Error::new(name.span(), format!("`{name}` is there twice")));
    }
    Ok(())
}

/// RFC 9110 §9.1: a method is a token, and its case counts.
fn check_method(method: &LitStr) -> Result<()> {
    let text = method.value();
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(Error::new(
            method.span(),
            format!("{text:?} is no method (RFC 9110 9.1)"),
        ));
    }
    let upper = text.to_ascii_uppercase();
    if upper != text && STANDARD.contains(&upper.as_str()) {
        return Err(Error::new(
            method.span(),
            format!("methods are case-sensitive (RFC 9110 9.1): write {upper:?}"),
        ));
    }
    Ok(())
}

const STANDARD: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
