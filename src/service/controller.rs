//! Methods of a shared value as handlers.

use crate::service::arguments::{from_request, up_to_eight};
use crate::service::handler::{FromRequest, FromRequestParts, Handler, RouteCheck};
use crate::service::request::Request;
use crate::service::response::{IntoResponse, Response};
use std::marker::PhantomData;

/// A function of a shared value as a handler: its first argument is a clone of `controller`, the others are
/// extractors, up to eight.
///
/// The same as [`handler!`](crate::handler), where a closure says more than a name: its arguments stand there with their
/// types, and it may do more than to call one method. A method that takes `self` as an `Arc` needs no closure.
///
/// ```
/// use std::sync::Arc;
/// use wireline::extract::Path;
/// use wireline::service::controller::with;
/// use wireline::{Request, Router};
///
/// struct Users {
///     names: Vec<&'static str>,
/// }
///
/// impl Users {
///     async fn name(&self, id: usize) -> Option<&'static str> {
///         self.names.get(id).copied()
///     }
///
///     async fn rename(self: Arc<Self>, Path(id): Path<usize>, request: Request) -> String {
///         format!("{} of {id}", request.method())
///     }
/// }
///
/// let users = Arc::new(Users { names: vec!["Ada", "Grace"] });
/// let name = async |users: Arc<Users>, Path(id): Path<usize>| users.name(id).await.unwrap_or("nobody");
/// let routes = Router::new()
///     .get("/users/{id}", with(users.clone(), name))
///     .put("/users/{id}", with(users, Users::rename))
///     .build();
/// # routes.unwrap();
/// ```
pub const fn with<C, F>(controller: C, function: F) -> With<C, F> {
    With {
        controller,
        function,
    }
}

/// What [`with`] makes.
///
/// ```
/// use wireline::Router;
/// use wireline::service::controller::with;
///
/// let greet = with("ada", async |name: &'static str| format!("hello, {name}"));
/// // It is as cheap to clone as what is in it.
/// let routes = Router::new().get("/", greet.clone()).get("/hello", greet).build();
/// assert!(routes.is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct With<C, F> {
    controller: C,
    function: F,
}

/// Marks the arguments of a [`With`].
///
/// Code that takes any handler names it, or leaves it to the compiler:
///
/// ```
/// use wireline::Router;
/// use wireline::service::controller::{ViaController, with};
/// use wireline::service::handler::Handler;
///
/// fn twice<H: Handler<ViaController<Args>>, Args: 'static>(router: Router, handler: H) -> Router {
///     router.get("/a", handler.clone()).get("/b", handler)
/// }
/// let router = twice(Router::new(), with("ada", async |name: &'static str| name));
/// assert!(router.build().is_ok());
/// ```
#[derive(Debug)]
pub struct ViaController<Args>(PhantomData<fn() -> Args>);

macro_rules! with {
    ($($part:ident)* ; $($last:ident)?) => {
        impl<Con, Fun, Fut, Res, $($part,)* $($last, Via)?> Handler<ViaController<($(Via, $last,)? $($part,)*)>> for With<Con, Fun>
        where
            Con: Clone + Send + Sync + 'static,
            Fun: Fn(Con, $($part,)* $($last)?) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Res> + Send + 'static,
            Res: IntoResponse + 'static,
            $($part: FromRequestParts + 'static,)*
            $($last: FromRequest<Via> + 'static, Via: 'static)?
        {
            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one macro for every number of arguments")]
            async fn call(self, request: Request) -> Response {
                from_request!(request, $($part)*; $($last)?);
                (self.function)(self.controller, $($part,)* $($last)?).await.into_response()
            }

            #[allow(unused_variables, reason = "a function without arguments asks nothing")]
            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                $($part::check(route)?;)*
                $($last::check(route)?;)?
                Ok(())
            }
        }
    };
}

with!(;);
up_to_eight!(with);

/// A method of a controller as a handler.
///
/// A controller is a value behind an `Arc`, or anything else whose clones are the same value. Its method is an
/// `async fn` with `&self` whose other arguments are extractors, as those of any
/// [`Handler`](crate::service::handler::Handler).
///
/// `handler!(controller, method)` is for a method with one argument: the whole
/// [`Request`](crate::service::request::Request), or any extractor. For more of them, or none, name them:
/// `handler!(controller, method(id, content))`. For a closure in place of a name there is
/// [`with`](crate::service::controller::with).
///
/// ```
/// use std::sync::Arc;
/// use wireline::extract::Path;
/// use wireline::{Request, Router, handler};
///
/// struct Users {
///     names: Vec<&'static str>,
/// }
///
/// impl Users {
///     async fn count(&self) -> String {
///         self.names.len().to_string()
///     }
///
///     async fn name(&self, Path(id): Path<usize>) -> String {
///         self.names.get(id).copied().unwrap_or("nobody").to_owned()
///     }
///
///     async fn rename(&self, Path(id): Path<usize>, request: Request) -> String {
///         format!("{} of {id}", request.method())
///     }
/// }
///
/// let users = Arc::new(Users { names: vec!["Ada", "Grace"] });
/// let routes = Router::new()
///     .get("/users", handler!(users, count()))
///     .get("/users/{id}", handler!(users, name))
///     .put("/users/{id}", handler!(users, rename(id, request)))
///     .build();
/// # routes.unwrap();
/// ```
#[macro_export]
macro_rules! handler {
    ($controller:expr, $method:ident $(,)?) => {{
        let controller = $controller.clone();
        move |argument| {
            let controller = controller.clone();
            async move { controller.$method(argument).await }
        }
    }};
    ($controller:expr, $method:ident($($argument:ident),* $(,)?) $(,)?) => {{
        let controller = $controller.clone();
        move |$($argument),*| {
            let controller = controller.clone();
            async move { controller.$method($($argument),*).await }
        }
    }};
}
