//! From an attribute and its function to the function and an entry that a router finds.

use crate::arguments::{Arguments, Kind};
use crate::handler::{arguments, check, is_public, is_route, returns};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, Result, parse_quote};

/// The attributes of routes.
pub(crate) fn route(kind: Kind, tokens: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => return not_a_function(&item),
    };
    // The last attribute of a route takes `#[public]` away; until then it is there for all of them.
    let open = function.attrs.iter().any(is_public);
    if !function.attrs.iter().any(is_route) {
        function.attrs.retain(|attribute| !is_public(attribute));
    }
    let entry = Arguments::read(kind, tokens).and_then(|arguments| {
        check(&function)?;
        Ok(entry(kind, &arguments, open, &function))
    });
    // With a fault the function is still there: whoever calls it has no fault.
    let entry = entry.unwrap_or_else(Error::into_compile_error);
    quote! {
        #function
        #entry
    }
}

/// `#[public]`: below all attributes of routes it is seen by them.
pub(crate) fn public(tokens: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => return not_a_function(&item),
    };
    let placed = place_public(&tokens, &mut function);
    let fault = placed.err().map(Error::into_compile_error);
    quote! {
        #function
        #fault
    }
}

fn place_public(tokens: &TokenStream, function: &mut ItemFn) -> Result<()> {
    if !tokens.is_empty() {
        return Err(Error::new_spanned(tokens, "`#[public]` has no arguments"));
    }
    if !function.attrs.iter().any(is_route) {
        return Err(Error::new(
            proc_macro2::Span::call_site(),
            "`#[public]` opens a route: it stands with `#[get(...)]` or one of its like",
        ));
    }
    if !function.attrs.iter().any(is_public) {
        function.attrs.push(parse_quote!(#[public]));
    }
    Ok(())
}

pub(crate) fn not_a_function(item: &TokenStream) -> TokenStream {
    let fault =
        Error::new_spanned(item, "this attribute stands on an `async fn`").into_compile_error();
    quote! {
        #item
        #fault
    }
}

/// What `Router::discover` finds.
fn entry(kind: Kind, arguments: &Arguments, open: bool, function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    let Arguments {
        method,
        path,
        terms,
    } = arguments;
    // The compiler names the function, at its place, when it is no handler.
    let add = match (kind, terms) {
        (Kind::WebSocket, None) => quote_spanned!(name.span()=> router.websocket(#path, #name)),
        (Kind::WebSocket, Some(terms)) => {
            quote_spanned!(name.span()=> router.websocket_with(#path, #terms, #name))
        }
        _ => {
            quote_spanned!(name.span()=> router.route(::wireline::discover::method(#method), #path, #name))
        }
    };
    let open = open.then(|| quote!(.public_route(::wireline::discover::method(#method), #path)));
    let checks = checks(kind, function);
    let conditions = (function.attrs.iter()).filter(|attribute| attribute.path().is_ident("cfg"));
    quote! {
        #(#conditions)*
        const _: () = {
            fn add(router: ::wireline::router::Router) -> ::wireline::router::Router {
                #checks
                #add #open
            }
            ::wireline::discover::inventory::submit! {
                ::wireline::discover::Found::route(
                    #method,
                    #path,
                    add,
                    (::core::module_path!(), ::core::file!(), ::core::line!()),
                )
            }
        };
    }
}

/// Asks of each type by itself whether it can stand there, so that the compiler points at the one that cannot.
fn checks(kind: Kind, function: &ItemFn) -> TokenStream {
    let types = arguments(function);
    let is_websocket = matches!(kind, Kind::WebSocket);
    let (last, parts) = if is_websocket {
        (None, types.get(1..).unwrap_or_default())
    } else {
        let (last, parts) = types
            .split_last()
            .map_or((None, &[][..]), |(last, parts)| (Some(last), parts));
        (last, parts)
    };
    let ask = |what: &str, ty: &syn::Type, more: TokenStream| {
        let what = Ident::new(what, ty.span());
        quote_spanned!(ty.span()=> let _ = #what::<#ty #more>;)
    };
    let parts = parts.iter().map(|ty| ask("parts", ty, TokenStream::new()));
    let last = last.map(|ty| ask("last", ty, quote!(, _)));
    let returned = returns(function)
        .filter(|_| !is_websocket)
        .map(|ty| ask("response", ty, TokenStream::new()));
    quote! {
        #[allow(dead_code)]
        fn parts<T: ::wireline::service::handler::FromRequestParts>() {}
        #[allow(dead_code)]
        fn last<T: ::wireline::service::handler::FromRequest<Via>, Via>() {}
        #[allow(dead_code)]
        fn response<T: ::wireline::service::response::IntoResponse>() {}
        #(#parts)*
        #last
        #returned
    }
}
