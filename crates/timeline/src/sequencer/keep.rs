//! What a room needs of its log, and what leaves it with the log's beginning.

use super::Sequencer;
use crate::audit::Base;

impl Sequencer {
    /// From this entry on the log must stay: what is open or waits began there. `None` where nothing is.
    pub fn keep_from(&self) -> Option<u64> {
        let windows = self.state.windows.iter().map(|window| window.n);
        let offers = self.state.offers.iter().map(|stock| stock.n);
        let queues = self.state.queues.iter().filter_map(|(_, queue)| queue.first_n());
        windows.chain(offers).chain(queues).min()
    }

    /// The log begins behind `base` now: values and results from before leave the room as well, so that it is as it will be when it
    /// is read again.
    pub fn forget_until(&mut self, base: &Base) {
        self.state.latest.forget_until(base.seq);
        self.state.windows.forget_until(base.seq);
    }
}
