//! Tokens that were taken back, known to all nodes through Redis.

use crate::resource::redis::{Connection, Kept, Pushes, RedisError, RedisServer};
use crate::service::user::CurrentUser;
use redis::{PushKind, Value};
use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Tokens that were taken back, by their `jti`: a list in Redis, of which each node has a copy. Clones share theirs.
///
/// A check looks at the copy alone. What is revoked anywhere is pushed to every node; with each connection the whole list is read,
/// and what a node knows and the list does not have is written to it. The connection is made by the first check in a runtime, or by
/// [`ready`](Self::ready), and made again at most once a second. A copy takes some 100 octets for each token that is revoked and has not
/// expired.
///
/// While Redis is away, each node goes by the list that it knew last, however old it is; [`refuse_after`](Self::refuse_after) changes that.
///
/// ```no_run
/// use wireline::layer::auth::{AuthConfig, RevokedTokens};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let revoked = RevokedTokens::new("redis://127.0.0.1")?;
/// let tokens = AuthConfig::new("an example: thirty-two octets or more", 3600)
///     .revoked(revoked.check())
///     .build()?;
/// revoked.ready(std::time::Duration::from_secs(5)).await?;
/// # let _ = tokens;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RevokedTokens {
    own: Arc<Own>,
    refuse_after: Option<Duration>,
}

struct Own {
    shared: Arc<Shared>,
    /// For what is revoked here.
    commands: Kept,
    follower: Mutex<Option<Follower>>,
}

/// What the task that follows the list knows, too.
struct Shared {
    server: RedisServer,
    /// Of the list, and of the channel.
    name: Box<str>,
    copy: RwLock<Copy>,
    standing: watch::Sender<Standing>,
}

#[derive(Default)]
struct Copy {
    /// Until when each is kept, in seconds since 1970.
    until: HashMap<Box<str>, u64>,
    /// How many there may be until those are looked for that can go.
    swept_at: usize,
}

#[derive(Clone, Debug)]
enum Standing {
    /// There never was a list.
    New { since: Instant },
    /// The copy is the list.
    Up,
    /// It may not be.
    Down { since: Instant, why: RedisError },
}

/// The task that follows the list.
struct Follower(JoinHandle<()>);

impl RevokedTokens {
    /// The list at the server of a URL, as [`RedisServer::new`] takes it. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`RedisError`] for what is no such URL.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self::at(RedisServer::new(url)?, "wireline"))
    }

    /// A server that needs more than a URL, and what the name of the list begins with; it is `wireline` else. Those who share a list need
    /// the same.
    pub fn at(server: RedisServer, prefix: &str) -> Self {
        let since = Instant::now();
        let shared = Shared {
            server: server.clone(),
            name: format!("{{{prefix}:revoked}}").into(),
            copy: RwLock::default(),
            standing: watch::Sender::new(Standing::New { since }),
        };
        Self {
            own: Arc::new(Own {
                shared: Arc::new(shared),
                commands: Kept::new(server, redis::pipe()),
                follower: Mutex::default(),
            }),
            refuse_after: None,
        }
    }

    /// Refuses every token when the list has been out of reach for longer than this. Without it, the last list that was known counts for as
    /// long as it takes.
    #[must_use]
    pub const fn refuse_after(mut self, time: Duration) -> Self {
        self.refuse_after = Some(time);
        self
    }

    /// What [`AuthConfig::revoked`](crate::layer::auth::AuthConfig::revoked) takes.
    pub fn check(&self) -> impl Fn(&CurrentUser) -> bool + Send + Sync + 'static + use<> {
        let own = self.clone();
        move |user| own.is_revoked(user)
    }

    /// Whether the token by which a user is known was taken back; one without a `jti` counts as such.
    pub fn is_revoked(&self, user: &CurrentUser) -> bool {
        self.follow();
        let claims = user.claims();
        let Some(jti) = claims.get("jti").and_then(|jti| jti.as_str()) else {
            return true;
        };
        let is_stale = self.refuse_after.is_some_and(|most| {
            let since = match &*self.own.shared.standing.borrow() {
                Standing::Up => return false,
                Standing::New { since } | Standing::Down { since, .. } => *since,
            };
            since.elapsed() >= most
        });
        is_stale || self.own.shared.read().until.contains_key(jti)
    }

    /// Takes back the token with this `jti`, which expires (`exp`) at this time, in seconds since 1970: here at once, and everywhere else
    /// when Redis has passed it on.
    ///
    /// Cancel safe: here it is revoked in any case.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when Redis could not be told, in 5 s at the most. It is told when it is there again.
    pub async fn revoke(&self, jti: &str, until: u64) -> Result<(), RedisError> {
        self.follow();
        let until = until.saturating_add(LEEWAY).min(LAST);
        self.own.shared.add(jti, until);
        let name = &*self.own.shared.name;
        let question = |_: &[Value]| {
            let mut all = redis::pipe();
            all.cmd("EVAL")
                .arg(REVOKE)
                .arg(1)
                .arg(name)
                .arg(until)
                .arg(jti);
            all
        };
        self.own.commands.ask(question, PATIENCE).await?;
        Ok(())
    }

    /// Waits until the copy is the list, for so long at the most.
    ///
    /// Cancel safe: the list goes on being read.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when that has not happened in time, with the reason.
    pub async fn ready(&self, patience: Duration) -> Result<(), RedisError> {
        self.follow();
        let mut standing = self.own.shared.standing.subscribe();
        let is_up = standing.wait_for(|standing| matches!(standing, Standing::Up));
        let waited = timeout(patience, is_up).await.map(|up| up.is_ok());
        match (waited, &*self.own.shared.standing.borrow()) {
            (Ok(true), _) => Ok(()),
            (_, Standing::Down { why, .. }) => Err(why.clone()),
            _ => Err(RedisError::new(format_args!("no answer in {patience:?}"))),
        }
    }

    /// How many tokens are known to be revoked.
    pub fn known(&self) -> usize {
        self.own.shared.read().until.len()
    }

    /// Sees to it that somebody follows the list. Where there is no runtime, nobody can; and one may have ended, with its tasks.
    fn follow(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let follower = self.own.follower.lock();
        let mut follower = follower.unwrap_or_else(PoisonError::into_inner);
        if follower.as_ref().is_none_or(|task| task.0.is_finished()) {
            let shared = self.own.shared.clone();
            *follower = Some(Follower(runtime.spawn(follow(shared))));
        }
    }
}

impl fmt::Debug for RevokedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokedTokens")
            .field("server", &self.own.shared.server)
            .field("standing", &*self.own.shared.standing.borrow())
            .field("refuse_after", &self.refuse_after)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Copy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, jti: &str, until: u64) {
        let mut copy = self.copy.write().unwrap_or_else(PoisonError::into_inner);
        if copy.until.len() >= copy.swept_at {
            let now = now();
            copy.until.retain(|_, until| *until > now);
            copy.swept_at = (copy.until.len() * 2).max(LEAST_SWEPT);
        }
        let known = copy.until.entry(jti.into()).or_default();
        *known = until.max(*known);
    }

    /// Follows the list for as long as a connection lasts; gives why it ended.
    async fn session(&self) -> Result<RedisError, RedisError> {
        let (connection, pushes) = self.server.connect().await?;
        // Whatever is said from here on comes; then the list has all that was said before.
        let mut all = redis::pipe();
        all.cmd("SUBSCRIBE").arg(&*self.name);
        let read = all.cmd("ZRANGE").arg(&*self.name);
        read.arg(now()).arg("+inf").arg("BYSCORE").arg("WITHSCORES");
        let mut answers = ask(&connection, &all).await?.into_iter().skip(1);
        let Some(Value::Array(list)) = answers.next() else {
            return Err(not_understood());
        };
        let mut listed = HashMap::new();
        for entry in list {
            let Value::Array(entry) = entry else {
                return Err(not_understood());
            };
            let [Value::BulkString(jti), Value::Double(until)] = &entry[..] else {
                return Err(not_understood());
            };
            let jti = str::from_utf8(jti).map_err(RedisError::new)?;
            let until = Duration::try_from_secs_f64(*until).map_err(RedisError::new)?;
            self.add(jti, until.as_secs());
            listed.insert(jti.to_owned(), until.as_secs());
        }
        self.tell_what_is_missing(&connection, &listed).await?;
        drop(listed);
        self.standing.send_replace(Standing::Up);

        let (mut heard, mut asked) = (
            pin!(self.hear(pushes)),
            pin!(ask_again_and_again(&connection)),
        );
        Ok(std::future::poll_fn(|cx| {
            let ended = heard.as_mut().poll(cx);
            if ended.is_ready() {
                return ended;
            }
            asked.as_mut().poll(cx)
        })
        .await)
    }

    /// The server may have come back with less than it had, and may not have been there.
    async fn tell_what_is_missing(
        &self,
        connection: &Connection,
        listed: &HashMap<String, u64>,
    ) -> Result<(), RedisError> {
        let now = now();
        let missing: Vec<(Box<str>, u64)> = (self.read().until.iter())
            .filter(|(jti, until)| **until > now && !listed.contains_key(&***jti))
            .map(|(jti, until)| (jti.clone(), *until))
            .collect();
        for some in missing.chunks(MOST_AT_ONCE) {
            let mut all = redis::pipe();
            for (jti, until) in some {
                let revoke = all.cmd("EVAL").arg(REVOKE).arg(1).arg(&*self.name);
                revoke.arg(until).arg(&**jti);
            }
            ask(connection, &all).await?;
        }
        Ok(())
    }

    async fn hear(&self, mut pushes: Pushes) -> RedisError {
        while let Some(push) = pushes.next().await {
            if push.kind == PushKind::Message {
                let Some((until, jti)) = said(&push.data) else {
                    return not_understood();
                };
                self.add(jti, until);
            }
        }
        RedisError::new("the connection has ended")
    }
}

async fn follow(shared: Arc<Shared>) {
    loop {
        let begun = Instant::now();
        let (Ok(why) | Err(why)) = shared.session().await;
        shared.standing.send_modify(|standing| {
            let since = match standing {
                Standing::Up => Instant::now(),
                Standing::New { since } | Standing::Down { since, .. } => *since,
            };
            *standing = Standing::Down { since, why };
        });
        sleep_until(begun + PAUSE).await;
    }
}

/// Notices that nobody is there.
async fn ask_again_and_again(connection: &Connection) -> RedisError {
    loop {
        sleep(PAUSE).await;
        let mut ping = redis::pipe();
        ping.cmd("PING");
        if let Err(why) = ask(connection, &ping).await {
            return why;
        }
    }
}

async fn ask(connection: &Connection, all: &redis::Pipeline) -> Result<Vec<Value>, RedisError> {
    let answers = connection.ask(all).await?;
    for answer in &answers {
        if let Value::ServerError(error) = answer {
            return Err(RedisError::new(redis::RedisError::from(error.clone())));
        }
    }
    Ok(answers)
}

/// `until:jti`, on the channel.
fn said(push: &[Value]) -> Option<(u64, &str)> {
    let [_, Value::BulkString(message)] = push else {
        return None;
    };
    let (until, jti) = str::from_utf8(message).ok()?.split_once(':')?;
    Some((crate::wire::number::decimal(until.as_bytes())?, jti))
}

fn not_understood() -> RedisError {
    RedisError::new("the answer was not understood")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Key: the list, which is a channel, too. Arguments: until when, in seconds since 1970, and the `jti`. The list goes with its last token.
const REVOKE: &str = r"
redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then redis.call('EXPIREAT', KEYS[1], string.format('%.0f', last[2])) end
redis.call('PUBLISH', KEYS[1], ARGV[1] .. ':' .. ARGV[2])
return 1
";

/// So much longer than they say tokens may be accepted.
const LEEWAY: u64 = 600;

/// Some 3,000 years: a time that the server takes for one.
const LAST: u64 = 100_000_000_000;

/// Between two tries to connect, from the beginning of one to the beginning of the next; and between two questions whether the server is there.
const PAUSE: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(5);
const LEAST_SWEPT: usize = 1024;
const MOST_AT_ONCE: usize = 500;
