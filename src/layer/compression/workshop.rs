//! Where encoders are made, kept and counted, and where they work when it takes long.

use super::encoder::{Effort, Encoder, Failed, Then};
use crate::wire::coding::Coding;
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// What all responses of a layer share.
pub(super) struct Workshop {
    effort: Effort,
    /// The most octets that are added at random.
    padding: u16,
    most_streams: usize,
    streams: AtomicUsize,
    /// Encoders that have done their work, for the next.
    kept: Mutex<Vec<Encoder>>,
}

impl Workshop {
    pub(super) const fn new(effort: Effort, padding: u16, most_streams: usize) -> Self {
        Self {
            effort,
            padding,
            most_streams,
            streams: AtomicUsize::new(0),
            kept: Mutex::new(Vec::new()),
        }
    }

    /// How much may be compressed on the event loop.
    pub(super) const fn inline(&self, coding: Coding) -> usize {
        self.effort.inline(coding)
    }

    /// All of the content at once, for content that may be compressed on the event loop.
    pub(super) fn compress(&self, coding: Coding, content: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(content.len() / 2 + 64);
        let mut encoder = self.begin(coding, Some(content.len()), &mut out).ok()?;
        encoder.write(content, Then::Finish, &mut out).ok()?;
        self.give_back(encoder);
        Some(out)
    }

    /// An encoder for other content; what stands before that is in `out`.
    pub(super) fn begin(
        &self,
        coding: Coding,
        size: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Result<Encoder, Failed> {
        let kept = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let place = kept.iter().rposition(|one| one.coding() == coding);
            place.map(|place| kept.remove(place))
        };
        let made = || Encoder::new(coding, self.effort);
        let mut encoder = kept.or_else(made).ok_or(Failed)?;
        encoder.expect(size);
        if self.padding > 0 {
            encoder.pad(random_up_to(self.padding), out)?;
        }
        Ok(encoder)
    }

    /// Keeps it for the next. Where there are enough the one goes that nobody has wanted for longest.
    pub(super) fn give_back(&self, mut encoder: Encoder) {
        if encoder.reset() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let is_full = kept.len() >= *MOST_KEPT;
            let oldest = is_full.then(|| kept.remove(0));
            kept.push(encoder);
            drop(kept);
            drop(oldest);
        }
    }

    /// A place for an encoder that lives as long as its response, unless all are taken.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Place> {
        let next = |taken| (taken < self.most_streams).then(|| taken + 1);
        self.streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .ok()
            .map(|_| Place(self.clone()))
    }
}

/// See [`Workshop::stream`].
pub(super) struct Place(Arc<Workshop>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What takes longer than the event loop has time for.
pub(super) struct Job {
    pub(super) workshop: Arc<Workshop>,
    pub(super) coding: Coding,
    /// None before the first.
    pub(super) encoder: Option<Encoder>,
    /// The size of the whole content, when it is known.
    pub(super) size: Option<usize>,
    pub(super) input: Bytes,
    pub(super) then: Then,
    /// Whoever wants it.
    pub(super) client: Weak<()>,
}

/// The encoder again, and what it gave.
pub(super) type Done = (Encoder, Vec<u8>);

impl Job {
    /// Whether there is another thread for it.
    pub(super) fn is_possible() -> bool {
        Handle::try_current().is_ok()
    }

    /// Runs on a thread for what blocks. `None` when it has failed, or nobody wants it any more.
    ///
    /// All jobs of a process together take no more threads than there are cores: more would only make each slower.
    pub(super) async fn run(self) -> Option<Done> {
        let permit = THREADS.clone().acquire_owned().await.ok()?;
        let work = move || {
            let _permit = permit;
            self.work()
        };
        tokio::task::spawn_blocking(work).await.ok()?
    }

    fn work(self) -> Option<Done> {
        let mut out = Vec::with_capacity(self.input.len() / 4 + 64);
        let mut encoder = match self.encoder {
            Some(encoder) => encoder,
            None => (self.workshop)
                .begin(self.coding, self.size, &mut out)
                .ok()?,
        };
        let mut rest = &self.input[..];
        loop {
            if self.client.strong_count() == 0 {
                return None;
            }
            let (piece, behind) = rest.split_at(rest.len().min(STEP));
            let then = if behind.is_empty() {
                self.then
            } else {
                Then::More
            };
            encoder.write(piece, then, &mut out).ok()?;
            rest = behind;
            if rest.is_empty() {
                return Some((encoder, out));
            }
        }
    }
}

/// From nothing to `most`, so that nobody can foretell it.
fn random_up_to(most: u16) -> u16 {
    let mut octets = [0; 4];
    if getrandom::fill(&mut octets).is_err() {
        return most;
    }
    let random = u32::from_le_bytes(octets) % (u32::from(most) + 1);
    u16::try_from(random).unwrap_or(most)
}

static THREADS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(cores().max(2))));

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// As many as jobs run at the same time, at least four. A kept encoder of gzip takes 270 KiB, one of zstd at level 3 1.8 MiB,
/// one of brotli up to 3 MiB.
static MOST_KEPT: LazyLock<usize> = LazyLock::new(|| cores().max(4));

/// How much is compressed between two looks whether the client is still there.
const STEP: usize = 64 * 1024;
