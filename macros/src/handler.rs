//! The function under an attribute: what can be said about it before types are known.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, ItemFn, Meta, Result, ReturnType, Type};

/// Says what keeps a function from being a handler, each fault at its place.
pub(crate) fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    let mut faults = Faults(None);
    if signature.asyncness.is_none() {
        faults.add(signature.fn_token.span(), "a handler is an `async fn`");
    }
    if !signature.generics.params.is_empty() {
        faults.add(
            signature.generics.params.span(),
            "a handler that is found has no generic parameters: nobody would say what they stand for",
        );
    }
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => faults.add(
                receiver.span(),
                "a method is no route by itself: give it to a router with `handler!(controller, method)`",
            ),
            FnArg::Typed(typed) if has_impl(&typed.ty) => faults.add(
                typed.ty.span(),
                "an argument of a handler that is found has a type of its own, no `impl Trait`",
            ),
            FnArg::Typed(_) => {}
        }
    }
    if signature.inputs.len() > MOST {
        faults.add(
            signature.inputs.span(),
            "a handler has at most 8 arguments, and the socket where there is one",
        );
    }
    faults.0.map_or(Ok(()), Err)
}

/// The types of the arguments.
pub(crate) fn arguments(function: &ItemFn) -> Vec<&Type> {
    let typed = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(&*typed.ty),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

/// The type that it returns, when it is written and has a name.
pub(crate) fn returns(function: &ItemFn) -> Option<&Type> {
    match &function.sig.output {
        ReturnType::Type(_, returned) if !has_impl(returned) => Some(returned),
        _ => None,
    }
}

/// Whether this is `#[public]`, by whatever path.
pub(crate) fn is_public(attribute: &Attribute) -> bool {
    matches!(attribute.meta, Meta::Path(_)) && last_name(attribute) == "public"
}

/// Whether this is an attribute of a route, by whatever path.
pub(crate) fn is_route(attribute: &Attribute) -> bool {
    ROUTES.contains(&last_name(attribute).as_str())
}

fn last_name(attribute: &Attribute) -> String {
    let last = attribute.path().segments.last();
    last.map_or_else(String::new, |segment| segment.ident.to_string())
}

fn has_impl(part: &Type) -> bool {
    fn anywhere(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => anywhere(group.stream()),
            _ => false,
        })
    }
    anywhere(part.to_token_stream())
}

/// Errors that are told together.
struct Faults(Option<Error>);

impl Faults {
    fn add(&mut self, place: Span, what: &str) {
        let error = Error::new(place, what);
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }
}

/// A socket and eight extractors.
const MOST: usize = 9;

const ROUTES: [&str; 9] = [
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "options",
    "route",
    "websocket",
];
