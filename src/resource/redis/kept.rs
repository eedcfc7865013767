//! A connection that is made again when it has ended.

use crate::resource::redis::{Connection, Pushes, RedisError, RedisServer};
use redis::{Pipeline, Value};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// A connection for questions that nobody waits long for. It is made when it is first asked, and made again in the background, at most
/// once a second.
#[derive(Debug)]
pub(crate) struct Kept {
    server: RedisServer,
    /// What is said first on each connection.
    hello: Arc<Pipeline>,
    state: watch::Sender<State>,
    /// The connection is of no use any more.
    lost: Arc<Notify>,
    keeper: Mutex<Option<Keeper>>,
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody has tried yet, or the first try is under way.
    New,
    Up(Arc<Ready>),
    Down(RedisError),
}

#[derive(Debug)]
struct Ready {
    connection: Connection,
    /// What was answered to the hello.
    answers: Vec<Value>,
}

/// The task that connects.
#[derive(Debug)]
struct Keeper(JoinHandle<()>);

impl Kept {
    pub(crate) fn new(server: RedisServer, hello: Pipeline) -> Self {
        Self {
            server,
            hello: Arc::new(hello),
            state: watch::Sender::new(State::New),
            lost: Arc::default(),
            keeper: Mutex::default(),
        }
    }

    pub(crate) const fn server(&self) -> &RedisServer {
        &self.server
    }

    /// Asks what is made of the answers to the hello, and gives the answers to that. Fails at once when the last try to connect
    /// did, and when it takes longer than this: then the connection is given up. Fails, too, when the server answers with an error.
    pub(crate) async fn ask(
        &self,
        question: impl Fn(&[Value]) -> Pipeline,
        patience: Duration,
    ) -> Result<Vec<Value>, RedisError> {
        self.keep();
        let mut asked = None;
        let answered = timeout(patience, async {
            let ready = self.ready().await?;
            let question = question(&ready.answers);
            asked = Some(ready.clone());
            sound(ready.connection.ask(&question).await?)
        });
        let answer = match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(RedisError::new(format_args!("no answer in {patience:?}"))),
        };
        if let (Err(why), Some(ready)) = (&answer, asked) {
            self.give_up(&ready, why);
        }
        answer
    }

    async fn ready(&self) -> Result<Arc<Ready>, RedisError> {
        let mut states = self.state.subscribe();
        loop {
            match &*states.borrow_and_update() {
                State::Up(ready) => return Ok(ready.clone()),
                State::Down(why) => return Err(why.clone()),
                State::New => {}
            }
            states.changed().await.map_err(RedisError::new)?;
        }
    }

    /// Another one is made, unless that has happened.
    fn give_up(&self, old: &Arc<Ready>, why: &RedisError) {
        let is_new = self.state.send_if_modified(|state| {
            let is_old = matches!(state, State::Up(ready) if Arc::ptr_eq(ready, old));
            if is_old {
                *state = State::Down(why.clone());
            }
            is_old
        });
        if is_new {
            self.lost.notify_one();
        }
    }

    /// Sees to it that somebody connects. A runtime may have ended, and its tasks with it.
    fn keep(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.as_ref().is_none_or(|keeper| keeper.0.is_finished()) {
            let (server, hello) = (self.server.clone(), self.hello.clone());
            let (state, lost) = (self.state.clone(), self.lost.clone());
            *keeper = Some(Keeper(tokio::spawn(keep(server, hello, state, lost))));
        }
    }
}

async fn keep(
    server: RedisServer,
    hello: Arc<Pipeline>,
    state: watch::Sender<State>,
    lost: Arc<Notify>,
) {
    loop {
        let begun = Instant::now();
        match connect(&server, &hello).await {
            Ok((ready, mut pushes)) => {
                state.send_replace(State::Up(Arc::new(ready)));
                let (mut lost, mut ended) = (pin!(lost.notified()), pin!(pushes.end()));
                let has_ended = poll_fn(|cx| match lost.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(false),
                    Poll::Pending => ended.as_mut().poll(cx).map(|()| true),
                });
                if has_ended.await {
                    let why = RedisError::new("the connection has ended");
                    state.send_replace(State::Down(why));
                }
            }
            Err(why) => {
                state.send_replace(State::Down(why));
            }
        }
        sleep_until(begun + PAUSE).await;
    }
}

async fn connect(server: &RedisServer, hello: &Pipeline) -> Result<(Ready, Pushes), RedisError> {
    let (connection, pushes) = server.connect().await?;
    let answers = if hello.is_empty() {
        Vec::new()
    } else {
        sound(connection.ask(hello).await?)?
    };
    let ready = Ready {
        connection,
        answers,
    };
    Ok((ready, pushes))
}

/// Answers without an error of the server among them.
fn sound(answers: Vec<Value>) -> Result<Vec<Value>, RedisError> {
    let error = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error.clone()),
        _ => None,
    });
    match error {
        Some(error) => Err(RedisError::new(redis::RedisError::from(error))),
        None => Ok(answers),
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Between two tries to connect, from the beginning of one to the beginning of the next.
const PAUSE: Duration = Duration::from_secs(1);
