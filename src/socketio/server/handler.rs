//! Functions that take what sockets say.

use super::call::{Call, Data, FromCall};
use super::error::ConnectError;
use crate::extract::Json;
use crate::service::handler::RouteCheck;
use crate::socketio::packet::{Args, ArgsError, ToArgs};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::pin::Pin;

/// What a handler gives back: nothing; or the answer to the event, as [`Data`], [`Json`], [`Args`] or a `serde_json::Value`; or an
/// `Option` or a `Result` of those.
///
/// `Some` answers, `None` does not. An error answers `{"error": message}`, when an answer is waited for.
///
/// ```
/// use wireline::socketio::server::{Data, IntoAnswer};
///
/// let tuple = Data((1, "two")).into_answer().unwrap();
/// assert_eq!(tuple.unwrap().json(), r#"1,"two""#);
/// assert!(None::<Data<u8>>.into_answer().unwrap().is_none());
/// assert_eq!(Err::<(), _>("not now").into_answer().unwrap_err().to_string(), "not now");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler of Socket.IO gives back",
    note = "it is `()`, `Data`, `Json`, `Args`, a `serde_json::Value`, an `Option` or a `Result` of those whose error becomes a `ConnectError`"
)]
pub trait IntoAnswer {
    /// The answer, if there is one.
    ///
    /// # Errors
    ///
    /// What the handler says.
    fn into_answer(self) -> Result<Option<Args>, ConnectError>;
}

impl IntoAnswer for () {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        Ok(None)
    }
}

impl IntoAnswer for Args {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        Ok(Some(self))
    }
}

impl IntoAnswer for Value {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        answer(&self)
    }
}

impl<T: Serialize> IntoAnswer for Json<T> {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        // Whatever it is, it is one argument.
        answered(Args::list(std::slice::from_ref(&self.0)))
    }
}

impl<T: ToArgs> IntoAnswer for Data<T> {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        answer(self.0)
    }
}

fn answer(value: impl ToArgs) -> Result<Option<Args>, ConnectError> {
    answered(value.to_args())
}

fn answered(args: Result<Args, ArgsError>) -> Result<Option<Args>, ConnectError> {
    args.map(Some)
        .map_err(|_| "an answer that does not become JSON".into())
}

impl<T: IntoAnswer> IntoAnswer for Option<T> {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        self.map_or(Ok(None), T::into_answer)
    }
}

impl<T: IntoAnswer, E: Into<ConnectError>> IntoAnswer for Result<T, E> {
    fn into_answer(self) -> Result<Option<Args>, ConnectError> {
        self.map_err(Into::into)?.into_answer()
    }
}

/// An async function of up to eight arguments, each of which is a [`FromCall`].
///
/// The handlers of a socket begin in the order of its events, and are run in its session's task: one that waits does not hold up
/// the others, one that blocks does.
///
/// ```
/// use wireline::Router;
/// use wireline::socketio::server::{Data, SocketIo};
/// # use wireline::test::TestClient;
///
/// async fn divide(Data((a, b)): Data<(i64, i64)>) -> Result<Data<i64>, &'static str> {
///     a.checked_div(b).map(Data).ok_or("not by zero")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let io = SocketIo::new();
/// io.on("divide", divide);
/// # let client = TestClient::new(Router::new().socket_io(&io).build().unwrap());
/// # let mut socket = client.websocket("/socket.io/?EIO=4&transport=websocket").await;
/// # socket.recv().await.unwrap().unwrap();
/// # socket.send("40").await.unwrap();
/// # socket.recv().await.unwrap().unwrap();
/// socket.send(r#"421["divide",6,3]"#).await.unwrap();
/// assert_eq!(socket.recv().await.unwrap().unwrap().as_text(), Some("431[2]"));
/// socket.send(r#"422["divide",6,0]"#).await.unwrap();
/// let answer = socket.recv().await.unwrap().unwrap();
/// assert_eq!(answer.as_text(), Some(r#"432[{"error":"not by zero"}]"#));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of Socket.IO",
    note = "it is an async function of at most 8 of `Socket`, `Data`, `Args`, `Ack`, `Auth`, `EventName`, and what comes from the head of a request",
    note = "its future is `Send`: what is not, such as an `Rc` or the guard of a lock, does not live across an `await`",
    note = "it gives back `()`, `Data`, `Json`, `Args`, a `serde_json::Value`, an `Option` or a `Result` of those"
)]
pub trait EventHandler<Parts>: Clone + Send + Sync + 'static {
    /// Whether an argument needs the head of the request.
    const NEEDS_PARTS: bool;

    /// Takes a call.
    ///
    /// The future runs to its end, also when its session ends before. It is dropped when the server itself ends.
    ///
    /// # Errors
    ///
    /// What the handler says, or why an argument could not be had.
    fn handle(
        self,
        call: Call,
    ) -> impl Future<Output = Result<Option<Args>, ConnectError>> + Send + 'static;

    /// As [`FromCall::check`].
    ///
    /// # Errors
    ///
    /// What is missing.
    fn check(route: &RouteCheck<'_>) -> Result<(), String>;
}

macro_rules! event_handler {
    ($($part:ident $via:ident),*) => {
        impl<Fun, Fut, $($part, $via,)*> EventHandler<($(($part, $via),)*)> for Fun
        where
            Fun: Fn($($part,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: IntoAnswer,
            $($part: FromCall<$via> + 'static, $via: 'static,)*
        {
            const NEEDS_PARTS: bool = false $(|| $part::NEEDS_PARTS)*;

            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one macro for every number of arguments")]
            async fn handle(self, mut call: Call) -> Result<Option<Args>, ConnectError> {
                $(let $part = $part::from_call(&mut call).await.map_err(Into::into)?;)*
                drop(call);
                self($($part,)*).await.into_answer()
            }

            #[allow(unused_variables, reason = "a handler without arguments asks nothing")]
            fn check(route: &RouteCheck<'_>) -> Result<(), String> {
                $($part::check(route)?;)*
                Ok(())
            }
        }
    };
}

event_handler!();
event_handler!(A V);
event_handler!(A V, B W);
event_handler!(A V, B W, C X);
event_handler!(A V, B W, C X, D Y);
event_handler!(A V, B W, C X, D Y, E Z);
event_handler!(A V, B W, C X, D Y, E Z, F U);
event_handler!(A V, B W, C X, D Y, E Z, F U, G T);
event_handler!(A V, B W, C X, D Y, E Z, F U, G T, H S);

/// What becomes of a call.
pub(super) type Handling = Pin<Box<dyn Future<Output = Result<Option<Args>, ConnectError>> + Send>>;

/// A handler whose type is forgotten.
pub(super) struct Erased {
    handle: Box<dyn Fn(Call) -> Handling + Send + Sync>,
    pub(super) needs_parts: bool,
    pub(super) check: fn(&RouteCheck<'_>) -> Result<(), String>,
}

impl Erased {
    pub(super) fn new<H: EventHandler<Parts>, Parts: 'static>(handler: H) -> Self {
        Self {
            handle: Box::new(move |call| Box::pin(handler.clone().handle(call))),
            needs_parts: H::NEEDS_PARTS,
            check: H::check,
        }
    }

    pub(super) fn handle(&self, call: Call) -> Handling {
        (self.handle)(call)
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Erased")
    }
}
