//! Methods of a shared value as handlers.

/// A method of a controller as a handler (S51).
///
/// A controller is a value behind an `Arc`, or anything else whose clones are the same value. Its method is an
/// `async fn` with `&self` whose other arguments are extractors, as those of any
/// [`Handler`](crate::service::handler::Handler).
///
/// `handler!(controller, method)` is for a method with one argument: the whole
/// [`Request`](crate::service::request::Request), or any extractor. For more of them, or none, name them:
/// `handler!(controller, method(id, content))`.
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
