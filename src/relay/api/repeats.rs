//! Requests that were made before under the same key: they are answered as the first one was, and not done again.

use super::answer::Answer;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// The answers of a while, by the keys of their requests.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_key: HashMap<Arc<str>, Arc<Once>>,
    /// The oldest first.
    order: VecDeque<(Instant, Arc<str>)>,
    /// What their answers have.
    octets: usize,
}

/// A request that is done once.
struct Once {
    content: u64,
    answer: OnceCell<Answer>,
    counts: AtomicBool,
}

/// The same key came with other content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OtherContent;

impl Repeats {
    /// The answer of the first request with this key in five minutes; `act` makes it if this is the first one. Another one waits
    /// for the first, and acts in its place if that gives up.
    pub(super) async fn once<F, Fut>(
        &self,
        key: &str,
        content: &[u8],
        act: F,
    ) -> Result<Answer, OtherContent>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Answer>,
    {
        let content = self.hasher.hash_one(content);
        let once = self.lock().enter(key, content);
        if once.content != content {
            return Err(OtherContent);
        }
        let answer = once.answer.get_or_init(act).await.clone();
        self.lock().count(key, &once);
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn enter(&mut self, key: &str, content: u64) -> Arc<Once> {
        let now = Instant::now();
        while let Some((since, _)) = self.order.front()
            && now.duration_since(*since) >= REMEMBERED
        {
            self.forget_oldest();
        }
        if let Some(once) = self.by_key.get(key) {
            return once.clone();
        }
        if self.order.len() >= MOST {
            self.forget_oldest();
        }
        let key: Arc<str> = key.into();
        let once = Arc::new(Once {
            content,
            answer: OnceCell::new(),
            counts: AtomicBool::new(false),
        });
        self.by_key.insert(key.clone(), once.clone());
        self.order.push_back((now, key));
        once
    }

    /// Counts an answer that is there now, and forgets the oldest if all of them are too much.
    fn count(&mut self, key: &str, once: &Arc<Once>) {
        let is_known = (self.by_key.get(key)).is_some_and(|known| Arc::ptr_eq(known, once));
        if is_known && !once.counts.swap(true, Ordering::Relaxed) {
            self.octets += once.octets();
        }
        while self.octets > MOST_OCTETS {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front();
        let once = oldest.and_then(|(_, key)| self.by_key.remove(&key));
        if let Some(once) = once
            && once.counts.load(Ordering::Relaxed)
        {
            self.octets -= once.octets();
        }
        if self.order.is_empty() {
            *self = Self::default();
        }
    }
}

impl Once {
    fn octets(&self) -> usize {
        self.answer.get().map_or(0, |answer| answer.content.len())
    }
}

/// For how long an answer is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);

/// How many are, and how many octets they may have.
const MOST: usize = 4096;
const MOST_OCTETS: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::sync::atomic::AtomicUsize;
    use tokio::time::{advance, sleep, timeout};

    fn answer(text: impl Into<String>) -> Answer {
        Answer {
            status: StatusCode::OK,
            content: text.into().into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_one_waits_for_the_first_and_acts_if_that_gives_up() {
        let (repeats, acts) = (Repeats::default(), AtomicUsize::new(0));
        let act = || async {
            acts.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(5)).await;
            answer("done")
        };
        let begun = Instant::now();
        let both = tokio::join!(repeats.once("k", b"x", act), repeats.once("k", b"x", act));
        assert_eq!(both, (Ok(answer("done")), Ok(answer("done"))));
        assert_eq!(
            (acts.load(Ordering::Relaxed), begun.elapsed().as_secs()),
            (1, 5)
        );
        let gives_up = timeout(Duration::from_secs(1), repeats.once("l", b"x", act));
        assert!(gives_up.await.is_err());
        assert_eq!(repeats.once("l", b"x", act).await, Ok(answer("done")));
        assert_eq!(acts.load(Ordering::Relaxed), 3);
        assert_eq!(repeats.once("l", b"y", act).await, Err(OtherContent));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_forgotten_in_time_and_when_they_are_too_many() {
        let repeats = Repeats::default();
        let say = async |key: &str, text: &str| {
            let said = repeats.once(key, b"", async || answer(text)).await.unwrap();
            String::from_utf8(said.content.to_vec()).unwrap()
        };
        assert_eq!(say("k", "first").await, "first");
        advance(Duration::from_secs(299)).await;
        assert_eq!(say("k", "second").await, "first");
        advance(Duration::from_secs(1)).await;
        assert_eq!(say("k", "third").await, "third");
        for count in 0..MOST {
            say(&count.to_string(), "").await;
        }
        assert_eq!(repeats.lock().by_key.len(), MOST);
        assert_eq!(say("k", "fourth").await, "fourth");
        let long = "x".repeat(1 << 20);
        for count in 0..20 {
            say(&format!("long {count}"), &long).await;
        }
        let held = repeats.lock().octets;
        assert!(
            (MOST_OCTETS - (1 << 20)..=MOST_OCTETS).contains(&held),
            "{held}"
        );
        advance(Duration::from_secs(300)).await;
        say("last", "word").await;
        let known = repeats.lock();
        assert_eq!(
            (known.octets, known.by_key.len(), known.order.len()),
            (4, 1, 1)
        );
    }
}
