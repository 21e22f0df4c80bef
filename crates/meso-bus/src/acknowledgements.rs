//! Keeps acknowledgements in the order of arrival, and stale ones out.

use std::collections::VecDeque;

/// What was delivered over one connection and is not acknowledged yet.
///
/// A broker may refuse acknowledgements out of order, so the queue hands out only the prefix that
/// is done. It cannot hold more than 65,535 entries: packet identifiers have 16 bits and the
/// broker uses none twice before it is acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    epoch: u64,
    waiting: VecDeque<(u16, bool)>,
}

impl Acknowledgements {
    /// A new connection: whatever was delivered over the old one comes again.
    pub(crate) fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.waiting.clear();
    }

    /// Something was delivered over the current connection.
    pub(crate) fn delivered(&mut self, packet_id: u16) {
        self.waiting.push_back((packet_id, false));
    }

    /// Marks one as done and takes the identifiers that may now be acknowledged, in order.
    ///
    /// One of an older connection is ignored: its identifier may mean another message by now.
    pub(crate) fn done(&mut self, epoch: u64, packet_id: u16) -> Vec<u16> {
        if epoch == self.epoch {
            let entry = self.waiting.iter_mut().find(|(id, _)| *id == packet_id);
            if let Some((_, is_done)) = entry {
                *is_done = true;
            }
        }
        let count = self.waiting.iter().take_while(|(_, done)| *done).count();
        self.waiting.drain(..count).map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(ids: &[u16]) -> Acknowledgements {
        let mut acknowledgements = Acknowledgements::default();
        acknowledgements.begin(1);
        ids.iter().for_each(|id| acknowledgements.delivered(*id));
        acknowledgements
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_arrival() {
        let mut acknowledgements = delivered(&[5, 6, 7]);
        assert_eq!(acknowledgements.done(1, 6), Vec::<u16>::new());
        assert_eq!(acknowledgements.done(1, 5), vec![5, 6]);
        assert_eq!(acknowledgements.done(1, 7), vec![7]);
    }

    #[test]
    fn an_acknowledgement_of_an_old_connection_is_ignored() {
        let mut acknowledgements = delivered(&[5]);
        acknowledgements.begin(2);
        acknowledgements.delivered(5);
        assert_eq!(acknowledgements.done(1, 5), Vec::<u16>::new());
        assert_eq!(acknowledgements.done(2, 5), vec![5]);
    }

    #[test]
    fn an_unknown_identifier_changes_nothing() {
        let mut acknowledgements = delivered(&[5]);
        assert_eq!(acknowledgements.done(1, 9), Vec::<u16>::new());
        assert_eq!(acknowledgements.done(1, 5), vec![5]);
    }
}
