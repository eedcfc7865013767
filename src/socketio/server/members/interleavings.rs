//! Every order in which clients may come to a namespace that is there for its sockets, and leave it: `tests/loom.sh` runs this.

use super::*;
use crate::sync::model;
use loom::thread;
use std::sync::Arc;

type Space = Arc<Members<()>>;

/// The namespaces of a server, of which there is one at the most.
#[derive(Default)]
struct Spaces(Mutex<Option<Space>>);

impl Spaces {
    /// The one that a client wants to be in.
    fn wanted(&self) -> Space {
        let mut known = self.0.lock().unwrap();
        let space = known.get_or_insert_default().clone();
        space.enter();
        space
    }

    fn knows(&self, space: &Space) -> bool {
        let known = self.0.lock().unwrap();
        known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, space))
    }

    fn forget_empty(&self, space: &Space) {
        if !space.is_left() {
            return;
        }
        let mut known = self.0.lock().unwrap();
        let is_this = known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, space));
        if is_this && space.is_left() {
            *known = None;
        }
    }

    /// Comes, stays for a moment, and goes.
    fn visit(&self, number: u64) {
        let space = self.wanted();
        space.insert(number, ());
        space.has_entered();
        assert!(self.knows(&space), "forgotten with somebody in it");
        assert_eq!(space.remove(number), Some(()));
        self.forget_empty(&space);
    }
}

#[test]
fn a_namespace_stays_while_somebody_is_in_it_and_no_longer() {
    model(|| {
        let spaces = Arc::new(Spaces::default());
        let other = {
            let spaces = spaces.clone();
            thread::spawn(move || spaces.visit(1))
        };
        spaces.visit(2);
        other.join().unwrap();
        assert!(spaces.0.lock().unwrap().is_none());
    });
}
