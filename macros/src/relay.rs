//! `#[relay]`: a function that takes what happens in topics.

use crate::expand::not_a_function;
use crate::handler::check;
use crate::topic::Topic;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, LitStr, Result};

/// The function as it is, and an entry that `RelayConfig::discover` finds.
pub(crate) fn channel(tokens: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => return not_a_function(&item),
    };
    let entry = pattern(tokens).and_then(|pattern| {
        check(&function)?;
        if function.sig.inputs.len() < 2 {
            return Err(Error::new(
                function.sig.paren_token.span.join(),
                "it takes the event and the relay: `event: RelayEvent, relay: Relay`, then extractors",
            ));
        }
        Ok(entry(&pattern, &function))
    });
    // With a fault the function is still there: whoever calls it has no fault.
    let entry = entry.unwrap_or_else(Error::into_compile_error);
    quote! {
        #function
        #entry
    }
}

fn pattern(tokens: TokenStream) -> Result<LitStr> {
    if tokens.is_empty() {
        return Err(Error::new(Span::call_site(), USAGE));
    }
    let pattern: LitStr =
        syn::parse2(tokens.clone()).map_err(|_| Error::new_spanned(&tokens, USAGE))?;
    let text = pattern.value();
    let beginning = text.strip_suffix('*').unwrap_or(&text);
    // All topics have the empty beginning.
    if text != "*"
        && let Err(error) = Topic::new(beginning)
    {
        return Err(Error::new(pattern.span(), error));
    }
    Ok(pattern)
}

fn entry(pattern: &LitStr, function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    // The compiler names the function, at its place, when it is no handler.
    let add = quote_spanned! {name.span()=>
        config.channel_at(#pattern, ::core::option::Option::Some((::core::file!(), ::core::line!())), #name)
    };
    let conditions = (function.attrs.iter()).filter(|attribute| attribute.path().is_ident("cfg"));
    quote! {
        #(#conditions)*
        const _: () = {
            fn add(config: ::wireline::relay::RelayConfig) -> ::wireline::relay::RelayConfig {
                #add
            }
            ::wireline::relay::discover::inventory::submit! {
                ::wireline::relay::discover::Found::new(
                    #pattern,
                    add,
                    (::core::module_path!(), ::core::file!(), ::core::line!()),
                )
            }
        };
    }
}

const USAGE: &str =
    "a topic, or the beginning of topics with `*` behind it: `#[relay(\"room:*\")]`";
