//! Connections that have had their time, or their number of requests.

use crate::http1::driver::active::Active;
use crate::http1::state::Life;
use crate::resource::counters::Counter;
use crate::service::link::Link;

impl Active {
    /// Counts the present request, and makes it the last one when it is. A connection that waits is left
    /// alone: closing it could cross a request on its way.
    #[cold]
    pub(super) fn retire_when_due(&mut self, link: &Link) {
        let (worker, config) = (&link.shared.worker, &link.shared.config);
        let requests = link.slot.count_request();
        let is_last = link.slot.is_old(worker.now())
            || config.max_requests.is_some_and(|most| requests >= most);
        if is_last && self.protocol.state().life == Life::Persistent {
            worker.counters.add(Counter::ConnectionsRetired);
            self.protocol.last_request();
        }
    }
}
