//! A sliding window allows in no span of time more than the quota and what it gives in that time, and what it tells of a
//! refusal comes true.

use std::time::Duration;
use wireline::layer::rate_limit::window::Window;

/// Input: a quota, the length of its window in nanoseconds less one, and pairs: how much later, at what cost.
///
/// # Panics
///
/// When a log of all that was allowed says something else.
pub fn rate_limit(data: &[u8]) {
    let [quota, length, requests @ ..] = data else {
        return;
    };
    let (quota, length) = (u32::from(*quota), u64::from(*length) + 1);
    let nanos = Duration::from_nanos;
    let mut window = Window::default();
    let mut now = 0;
    let mut log: Vec<(u64, u64)> = Vec::new();
    for request in requests.chunks_exact(2).take(400) {
        now += u64::from(request[0]);
        let cost = u32::from(request[1]);
        let ask = |at: u64, cost| {
            let mut copy = window;
            copy.spend(nanos(at), cost, quota, nanos(length))
        };
        let told = ask(now, cost);
        if told.allowed {
            assert!(told.remaining <= quota - cost);
            assert!(ask(now, cost + told.remaining).allowed);
            assert!(!ask(now, cost + told.remaining + 1).allowed);
            log.push((now, cost.into()));
            // In all spans that end now.
            let mut spent = 0;
            for (then, cost) in log.iter().rev() {
                spent += cost;
                let most = u64::from(quota) * (length + now - then);
                assert!(spent * length <= most, "{spent} in {} ns", now - then);
            }
        } else {
            let idle = log.iter().all(|(then, _)| now - then >= 2 * length);
            assert!(cost > quota || !idle, "nothing of it counts any more");
            if cost <= quota {
                let reset = u64::try_from(told.reset.as_nanos()).unwrap_or_default();
                assert!(reset > 0 && reset <= 2 * length);
                assert!(ask(now + reset, cost).allowed);
                assert!(!ask(now + reset - 1, cost).allowed);
            }
        }
        let spent = window.spend(nanos(now), cost, quota, nanos(length));
        assert_eq!(spent, told);
    }
}
