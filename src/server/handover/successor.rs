//! Starting another process in this one's place.

use crate::resource::counters::Counter;
use crate::server::handle::Handle;
use crate::server::handover::error::SuccessorError;
use crate::server::handover::heir::{PREDECESSOR, READY, turn};
use crate::server::handover::registry::Bequest;
use crate::server::handover::{alive, notify, pass};
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::time::Duration;

/// Another process that takes this server's place: a new version of the program, or new settings, without anybody being refused.
///
/// The other process gets the listeners as they are, with whoever waits in them. Once it is ready this one drains: responses say
/// `Connection: close`, HTTP/2 says GOAWAY, WebSockets are closed with 1012 ("Service restart") over two seconds, what was begun is finished,
/// and `shutdown_timeout` holds. If it does not become ready nothing has happened.
///
/// The other program has to be a wireline server with feature `handover` as well. It takes a listener for each place where it is told to listen in the same
/// words, closes those that it is not told of, and opens what is new. Standard input is its line to this process.
///
/// ```no_run
/// use wireline::server::{Handle, Successor};
///
/// # async fn on_sigusr2(handle: Handle) {
/// match Successor::of(&handle).take_over().await {
///     Ok(process) => eprintln!("process {process} goes on"),
///     Err(error) => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Successor {
    command: Command,
    handles: Vec<Handle>,
    patience: Duration,
}

impl Successor {
    /// The same program with the same arguments, for this server. The program is looked for anew where it was started from, so
    /// that a new version that was put there, or a link that points to one now, is what runs.
    pub fn of(handle: &Handle) -> Self {
        let mut words = std::env::args_os();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        Self {
            command,
            handles: vec![handle.clone()],
            patience: PATIENCE,
        }
    }

    /// Starts this instead of the same program. Its standard input is not for it to choose.
    #[must_use]
    pub fn command(mut self, command: Command) -> Self {
        self.command = command;
        self
    }

    /// Gives the listeners of this server, too, and drains it as well: another one of the same process.
    ///
    /// In the successor the first server that watches signals says that all of it is ready, and listeners that nobody has asked for by
    /// then are closed: start that one last, and the others with [`signals(false)`](crate::Server::signals); or all of them so, and
    /// call [`announce`](crate::server::announce).
    #[must_use]
    pub fn along(mut self, handle: &Handle) -> Self {
        // Twice the same would wait for itself.
        let is_known = |known: &Handle| std::ptr::eq(known.listeners(), handle.listeners());
        if !self.handles.iter().any(is_known) {
            self.handles.push(handle.clone());
        }
        self
    }

    /// How long it may take to become ready. Default 30 s.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it, waits until it is ready, and begins to drain. Gives its process's number.
    ///
    /// Under a service manager with `NOTIFY_SOCKET` (`Type=notify`) that one is told which process is the main one from now on.
    ///
    /// Dropping the future ends a successor that has not taken over.
    ///
    /// # Errors
    ///
    /// When it cannot be started, ends before it is ready, is not ready in time, or when one of the servers stops meanwhile. In all but the last
    /// case `handovers_failed` counts it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn take_over(self) -> Result<u32, SuccessorError> {
        let handles = self.handles.clone();
        let outcome = self.run().await;
        if outcome
            .as_ref()
            .is_err_and(|error| !matches!(error, SuccessorError::Stopping))
            && let Some(handle) = handles.first()
        {
            handle.count(Counter::HandoversFailed);
        }
        outcome
    }

    async fn run(self) -> Result<u32, SuccessorError> {
        let Self {
            command,
            mut handles,
            patience,
        } = self;
        // Who waits himself has listeners that nobody listens at yet.
        if let Some(handle) = handles.first()
            && handle.stop_signal().unless(turn()).await.is_none()
        {
            return Err(SuccessorError::Stopping);
        }
        // In the same order whoever asks: two that begin at different ends would wait for each other.
        handles.sort_by_key(|handle| std::ptr::from_ref(handle.listeners()));
        let mut turns = Vec::new();
        let mut bequests = Vec::new();
        for handle in &handles {
            turns.push(handle.listeners().turn().await);
            // Whoever had the turn before may have succeeded.
            if !handle.is_ready() {
                return Err(SuccessorError::Stopping);
            }
            bequests.extend(handle.listeners().bequests().await?);
        }
        let (ours, theirs) = UnixStream::pair()?;
        let hang_up = HangUp(ours.try_clone()?);
        let begun =
            tokio::task::spawn_blocking(move || begin(command, ours, theirs, &bequests, patience));
        let mut begun = pin!(begun);
        let mut stops: Vec<_> = handles
            .iter()
            .map(|handle| Box::pin(handle.stopping()))
            .collect();
        let begun = poll_fn(|cx| {
            if let Poll::Ready(begun) = begun.as_mut().poll(cx) {
                return Poll::Ready(Some(begun));
            }
            let stops = stops
                .iter_mut()
                .any(|stop| stop.as_mut().poll(cx).is_ready());
            if stops {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        })
        .await;
        drop(hang_up);
        let begun = begun.ok_or(SuccessorError::Stopping)?;
        let process = begun.map_err(io::Error::other)??.release();
        alive::end();
        let given = GivesWay(handles.clone());
        // It has to know before this process ends, and may keep whoever tells it waiting.
        let word = format!("MAINPID={process}\nREADY=1");
        let _ = tokio::task::spawn_blocking(move || notify::tell_in_turn(&word)).await;
        drop(given);
        Ok(process)
    }
}

/// Servers that another process has taken the place of: they drain when this goes, also when nobody waits for it any more.
struct GivesWay(Vec<Handle>);

impl Drop for GivesWay {
    fn drop(&mut self) {
        for handle in &self.0 {
            handle.give_way();
        }
    }
}

/// Starts the program, gives it the listeners, and waits for its word.
fn begin(
    mut command: Command,
    mut ours: UnixStream,
    theirs: UnixStream,
    bequests: &[Bequest],
    patience: Duration,
) -> Result<Started, SuccessorError> {
    command
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .env(PREDECESSOR, std::process::id().to_string())
        // What this process inherited it gives on itself.
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_FDNAMES")
        .env_remove("LISTEN_PID")
        // It names a process, which the next one is not.
        .env_remove("WATCHDOG_PID");
    let mut started = Started(Some(command.spawn()?));
    // It has the other end, without which its end would not show.
    drop(command);
    ours.set_write_timeout(Some(patience))?;
    ours.set_read_timeout(Some(patience))?;
    let mut word = [0];
    let said = pass::send(&ours, bequests).and_then(|()| ours.read_exact(&mut word));
    match said {
        Ok(()) if word == [READY] => Ok(started),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SuccessorError::Late(patience))
        }
        // Whatever else it says is not our protocol.
        _ => Err(started
            .end()
            .map_or_else(SuccessorError::from, SuccessorError::Ended)),
    }
}

/// A process that has not taken over yet. Without that it ends.
struct Started(Option<Child>);

impl Started {
    /// It has taken over.
    fn release(mut self) -> u32 {
        self.0.take().map_or(0, |child| child.id())
    }

    fn end(&mut self) -> io::Result<std::process::ExitStatus> {
        let Some(mut child) = self.0.take() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        // One that is ending keeps its status.
        let _ = child.kill();
        child.wait()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Ends the wait for a successor's word.
struct HangUp(UnixStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::budget::Budget;
    use crate::resource::counters::Counters;
    use crate::server::accept::Accepting;
    use crate::server::bind::{IntoBind, Listening};
    use crate::server::handover::asked::Asked;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn two_that_begin_at_different_ends_do_not_wait_for_each_other() {
        let server = || {
            let budget = Arc::new(Budget::new(1 << 20));
            let counters = Arc::new(Counters::default());
            let handle = Handle::new(budget, Vec::new(), counters, Vec::new(), || 0);
            // It is not open yet, so whoever has the turn waits.
            handle.listeners().expect(1);
            handle
        };
        let (one, other) = (server(), server());
        let successor = |first: &Handle, second: &Handle| {
            Successor::of(first)
                .along(second)
                .command(Command::new("false"))
                .take_over()
        };
        let mut begun = pin!(successor(&one, &other));
        let mut opposite = pin!(successor(&other, &one));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(begun.as_mut().poll(&mut cx).is_pending());
        assert!(opposite.as_mut().poll(&mut cx).is_pending());
        let mut open = Vec::new();
        for handle in [&one, &other] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let asked = Asked::of(&listener.local_addr().unwrap().into_bind());
            let accepting = Arc::new(Accepting::new(Listening::Tcp(listener)).unwrap());
            handle.listeners().add(asked, &accepting);
            open.push(accepting);
        }
        let both = async { tokio::join!(begun, opposite) };
        let both = tokio::time::timeout(Duration::from_secs(20), both).await;
        let (first, second) = both.expect("they wait for each other");
        for outcome in [first, second] {
            assert!(
                matches!(outcome, Err(SuccessorError::Ended(_))),
                "{outcome:?}"
            );
        }
        assert!(one.is_ready() && other.is_ready());
    }
}
