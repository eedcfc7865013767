//! Functions that take events of the server, and where their arguments come from.

use crate::extract::Json;
use crate::socketio::client::BoxError;
use crate::socketio::client::handle::SocketIoClient;
use crate::socketio::packet::{Args, ToArgs};
use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An event of the server's, as it came.
///
/// An argument of a type of the program is taken from it:
///
/// ```
/// use wireline::socketio::client::{BoxError, Call, FromCall, SocketIoClient};
/// use wireline::socketio::packet::Args;
///
/// /// How many arguments there are.
/// struct Count(usize);
///
/// impl FromCall for Count {
///     fn from_call(call: &Call) -> Result<Self, BoxError> {
///         Ok(Self(Args::from_call(call)?.values()?.len()))
///     }
/// }
///
/// let builder = SocketIoClient::builder("http://localhost:3000")
///     .on("news", async |Count(count): Count| println!("{count} arguments"));
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) client: SocketIoClient,
    pub(super) name: ByteString,
    pub(super) args: Args,
    pub(super) ack: Ack,
}

/// What an event carries, as a type of the program; a tuple takes several arguments. As what a handler gives back, it is the
/// answer: a tuple is several arguments.
///
/// ```
/// use wireline::socketio::client::{Builder, Data, SocketIoClient};
///
/// fn handlers(builder: Builder) -> Builder {
///     builder
///         .on("news", async |Data((title, stars)): Data<(String, u32)>| println!("{title}: {stars}"))
///         .on("sum", async |Data((a, b)): Data<(i64, i64)>| Data(a + b))
/// }
/// # let _ = handlers(SocketIoClient::builder("http://localhost:3000"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// The name of an event, for a handler of several.
///
/// ```
/// use wireline::socketio::client::{EventName, SocketIoClient};
///
/// let builder = SocketIoClient::builder("http://localhost:3000")
///     .on_any(async |EventName(name): EventName| println!("{name}"));
/// # let _ = builder;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub String);

/// Answers an event, for a handler that does not answer by what it gives back.
///
/// Once: what comes later, of this handler or of another for the same event, is not sent. Nothing is sent either when the
/// server wants no answer, or when the connection over which it asked is lost.
///
/// ```
/// use wireline::socketio::client::{Ack, SocketIoClient};
///
/// let builder = SocketIoClient::builder("http://localhost:3000").on("work", async |ack: Ack| {
///     let _ = ack.send(("done", 1));
///     // What is left to do goes on behind the answer.
/// });
/// # let _ = builder;
/// ```
#[derive(Clone)]
pub struct Ack {
    pub(super) client: SocketIoClient,
    pub(super) connection: u64,
    pub(super) id: Option<u64>,
    pub(super) is_sent: Arc<AtomicBool>,
}

impl Ack {
    /// Whether the server wants an answer, and has none.
    pub fn is_wanted(&self) -> bool {
        self.id.is_some() && !self.is_sent.load(Ordering::Relaxed)
    }

    /// Answers; says whether the answer was wanted.
    ///
    /// # Errors
    ///
    /// When the value does not become JSON.
    pub fn send(&self, value: impl ToArgs) -> Result<bool, BoxError> {
        let args = value.to_args()?;
        let Some(id) = self.id else {
            return Ok(false);
        };
        if self.is_sent.swap(true, Ordering::Relaxed) {
            return Ok(false);
        }
        self.client.reply(self.connection, id, args);
        Ok(true)
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack")
            .field("is_wanted", &self.is_wanted())
            .finish_non_exhaustive()
    }
}

/// An argument of a handler: [`Data`], [`Args`] as they came, [`Ack`], [`EventName`], or the [`SocketIoClient`] itself.
///
/// ```
/// use wireline::socketio::client::{Ack, Data, EventName, SocketIoClient};
///
/// async fn take(EventName(name): EventName, Data(text): Data<String>, client: SocketIoClient, ack: Ack) {
///     println!("{name} in {}: {text}", client.namespace());
///     let _ = ack.send("thank you");
/// }
///
/// let builder = SocketIoClient::builder("http://localhost:3000").on_any(take);
/// # let _ = builder;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument of a handler of events",
    note = "it is `Data<T>`, `Args`, `Ack`, `EventName` or `SocketIoClient`"
)]
pub trait FromCall: Sized + Send {
    /// Takes it from the event.
    ///
    /// # Errors
    ///
    /// Why it cannot be had: then the handler does not run, and it is counted in
    /// [`Counters::rejected`](crate::socketio::client::Counters::rejected).
    fn from_call(call: &Call) -> Result<Self, BoxError>;
}

impl<T: DeserializeOwned + Send> FromCall for Data<T> {
    fn from_call(call: &Call) -> Result<Self, BoxError> {
        Ok(Self(call.args.to()?))
    }
}

impl FromCall for Args {
    fn from_call(call: &Call) -> Result<Self, BoxError> {
        Ok(call.args.clone())
    }
}

impl FromCall for Ack {
    fn from_call(call: &Call) -> Result<Self, BoxError> {
        Ok(call.ack.clone())
    }
}

impl FromCall for EventName {
    fn from_call(call: &Call) -> Result<Self, BoxError> {
        Ok(Self(call.name.to_string()))
    }
}

impl FromCall for SocketIoClient {
    fn from_call(call: &Call) -> Result<Self, BoxError> {
        Ok(call.client.clone())
    }
}

/// What a handler gives back: nothing, then there is no answer; [`Data`], [`Json`], [`Args`] or a
/// `Value`, which is the answer; or an
/// `Option` or a `Result` of those, where only `Some` and `Ok` answer.
///
/// ```
/// use wireline::extract::Json;
/// use wireline::socketio::client::{Data, IntoAnswer};
///
/// let tuple = Data((1, "two")).into_answer().unwrap();
/// assert_eq!(tuple.unwrap().json(), r#"1,"two""#, "two arguments");
/// let json = Json((1, "two")).into_answer().unwrap();
/// assert_eq!(json.unwrap().json(), r#"[1,"two"]"#, "one");
/// assert!(().into_answer().unwrap().is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a handler of events gives back",
    note = "it is `()`, `Data<T>`, `Json<T>`, `Args`, a `serde_json::Value`, or an `Option` or a `Result` of those"
)]
pub trait IntoAnswer {
    /// The answer, if there is one.
    ///
    /// # Errors
    ///
    /// Why there is none that could be sent.
    fn into_answer(self) -> Result<Option<Args>, BoxError>;
}

impl IntoAnswer for () {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        Ok(None)
    }
}

impl<T: ToArgs> IntoAnswer for Data<T> {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        Ok(Some(self.0.to_args()?))
    }
}

impl<T: Serialize> IntoAnswer for Json<T> {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        // Whatever it is, it is one argument.
        Ok(Some(Args::list(std::slice::from_ref(&self.0))?))
    }
}

impl IntoAnswer for Args {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        Ok(Some(self))
    }
}

impl IntoAnswer for serde_json::Value {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        Ok(Some(self.to_args()?))
    }
}

impl<T: IntoAnswer> IntoAnswer for Option<T> {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        self.map_or(Ok(None), T::into_answer)
    }
}

impl<T: IntoAnswer, E: Into<BoxError>> IntoAnswer for Result<T, E> {
    fn into_answer(self) -> Result<Option<Args>, BoxError> {
        self.map_err(Into::into)?.into_answer()
    }
}

/// An async function of up to four of [`FromCall`].
///
/// ```
/// use std::num::TryFromIntError;
/// use wireline::socketio::client::{Data, SocketIoClient};
///
/// // An error answers nothing.
/// async fn sum(Data((a, b)): Data<(u32, u32)>) -> Result<Data<u8>, TryFromIntError> {
///     u8::try_from(a + b).map(Data)
/// }
///
/// let builder = SocketIoClient::builder("http://localhost:3000").on("sum", sum);
/// # let _ = builder;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of events",
    note = "it is an async function of at most 4 of `Data<T>`, `Args`, `Ack`, `EventName`, `SocketIoClient`",
    note = "its future is `Send`: what is not, such as an `Rc` or the guard of a lock, does not live across an `await`",
    note = "it gives back `()`, `Data<T>`, `Json<T>`, `Args`, a `serde_json::Value`, or an `Option` or a `Result` of those"
)]
pub trait EventHandler<Parts>: Send + Sync + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// Why the function did not run: an argument of it could not be had.
    fn handle(&self, call: &Call) -> Result<Handling, BoxError>;
}

/// What a handler makes of an event.
pub type Handling = Pin<Box<dyn Future<Output = Result<Option<Args>, BoxError>> + Send>>;

macro_rules! event_handler {
    ($($part:ident)*) => {
        impl<Fun, Fut, $($part,)*> EventHandler<($($part,)*)> for Fun
        where
            Fun: Fn($($part,)*) -> Fut + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: IntoAnswer,
            $($part: FromCall,)*
        {
            #[allow(unused_variables, reason = "a function without arguments takes nothing from the event")]
            fn handle(&self, call: &Call) -> Result<Handling, BoxError> {
                let handling = self($($part::from_call(call)?,)*);
                Ok(Box::pin(async move { handling.await.into_answer() }))
            }
        }
    };
}

event_handler!();
event_handler!(A);
event_handler!(A B);
event_handler!(A B C);
event_handler!(A B C D);
