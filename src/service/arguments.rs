//! Taking the arguments of functions out of requests: what handlers, controllers and guards have in common.

/// Takes arguments out of the head of a request, each into a variable with the name of its type. A rejection is returned as `$answer` of it.
macro_rules! from_parts {
    ($parts:expr, $($part:ident)* => $answer:path) => {$(
        let $part = match $part::from_request_parts($parts).await {
            Ok(value) => value,
            Err(rejection) => return $answer(rejection.into_response()),
        };
    )*};
}

/// The same out of a whole request, of which the last argument may take the content.
macro_rules! from_request {
    ($request:ident, $($part:ident)* ; $($last:ident)?) => {
        let (mut parts, body) = $request.into_parts();
        $crate::service::arguments::from_parts!(&mut parts, $($part)* => std::convert::identity);
        $(let $last = match $last::from_request(Request::from_parts(parts, body)).await {
            Ok(value) => value,
            Err(rejection) => return rejection.into_response(),
        };)?
    };
}

/// Calls a macro for each number of arguments from one to eight; the last stands apart.
macro_rules! up_to_eight {
    ($each:ident) => {
        $each!(; A);
        $each!(A; B);
        $each!(A B; C);
        $each!(A B C; D);
        $each!(A B C D; E);
        $each!(A B C D E; F);
        $each!(A B C D E F; G);
        $each!(A B C D E F G; H);
    };
}

pub(crate) use {from_parts, from_request, up_to_eight};
