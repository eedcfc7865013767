//! Every order in which requests of one client may come to its place in the table: `tests/loom.sh` runs this.

use super::*;
use crate::sync::model;
use loom::thread;

#[test]
fn no_more_are_let_in_than_there_may_be_and_no_fewer() {
    model(|| {
        let limiter = InMemoryRateLimiter::with_capacity(1);
        let quota = || Quota {
            name: "default".into(),
            max_requests: 2,
            window: Duration::from_secs(3_600),
        };
        let request = |limiter: &InMemoryRateLimiter, quota: &Quota| {
            limiter.0.spend(&Key::text("somebody"), 1, quota).allowed
        };
        let comes = || {
            let (limiter, quota) = (limiter.clone(), quota());
            thread::spawn(move || request(&limiter, &quota))
        };
        let others = [comes(), comes()];
        let own = request(&limiter, &quota());
        let came = others.map(|other| other.join().unwrap());
        let allowed = came.into_iter().chain([own]).filter(|allowed| *allowed);
        assert_eq!(allowed.count(), 2);
    });
}
