//! What a receiver writes down of itself.

use meso_units::{Epoch, GunSerial};

use super::{Changes, CountersCheckpoint, Receiver, StreamCheckpoint, StreamKey};

impl Receiver {
    /// Everything that changed since this was last called, as plain data.
    pub fn take_changes(&mut self) -> Changes {
        let streams = std::mem::take(&mut self.changed_streams);
        let guns = std::mem::take(&mut self.changed_guns);
        Changes {
            streams: streams
                .into_iter()
                .filter_map(|key| self.stream_checkpoint(key))
                .collect(),
            counters: guns
                .into_iter()
                .filter_map(|key| self.counters_checkpoint(key))
                .collect(),
        }
    }

    fn stream_checkpoint(&self, key: StreamKey) -> Option<StreamCheckpoint> {
        let state = self.streams.get(&key)?;
        Some(StreamCheckpoint {
            key,
            settled: state.settled.ranges().collect(),
            head: state.head,
            expected: state.expected.iter().map(|(n, h)| (*n, *h)).collect(),
        })
    }

    fn counters_checkpoint(&self, key: (GunSerial, Epoch)) -> Option<CountersCheckpoint> {
        let counters = self.guns.get(&key)?;
        Some(CountersCheckpoint {
            gun: key.0,
            epoch: key.1,
            held: counters.held.ranges().collect(),
            declared: counters.declared.ranges().collect(),
            open_ended_from: counters.open_ended_from,
            known_to: counters.known_to,
            custody: counters.custody.values().cloned().collect(),
        })
    }
}
