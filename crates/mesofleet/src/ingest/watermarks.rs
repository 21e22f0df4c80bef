//! What is said to drivers of how far their streams are settled.

use meso_contract::{NumberRange, NumberedHash, WatermarkMessage};
use meso_delivery::StreamKey;
use meso_domain::Stream;
use meso_units::{ClinicId, DriverId, JournalIncarnation};

use super::pipeline::Ingest;
use super::shot_store::ShotStore;
use super::steps::Watermark;

impl<S: ShotStore> Ingest<S> {
    /// How far a stream is settled, and by which blocks; `None` where the store cannot say which:
    /// without that a driver with an older copy of its journal would take them for its own.
    pub(super) fn watermark(&self, clinic: ClinicId, key: StreamKey) -> Option<Watermark> {
        let range_count_max = WatermarkMessage::RANGE_COUNT_MAX;
        let settled = self.receiver.settled(&key, range_count_max);
        let stored = |place: &_| self.store.block_hash(place);
        let blocks = match self.receiver.settled_blocks(&key, &settled, stored) {
            Ok(blocks) => blocks,
            Err(error) => {
                // The block comes again, and with it the question.
                tracing::warn!(driver = %key.driver, stream = %key.stream, %error, "a watermark waits for the store");
                return None;
            }
        };
        let mut message = WatermarkMessage::new(
            key.incarnation,
            self.options.store_incarnation,
            self.options.ingest_incarnation,
        );
        message.settled_to = settled.to;
        let ranges = settled.ranges.into_iter().map(|range| NumberRange {
            first: range.first,
            last: range.last,
        });
        message.settled_ranges = ranges.collect();
        let blocks = blocks
            .iter()
            .map(|block| NumberedHash::new(block.number, &block.hash));
        message.settled_hashes = blocks.collect();
        Some(Watermark {
            clinic,
            driver: key.driver,
            stream: key.stream,
            message,
        })
    }

    /// Every stream of one journal of which something is settled, and the room's in any case; for a
    /// driver that was just born and may have lost its watermarks, or may have settled what this
    /// store does not hold. From the room's it learns that this ingest is another one.
    pub fn watermarks_of(
        &self,
        clinic: &ClinicId,
        driver: &DriverId,
        incarnation: JournalIncarnation,
    ) -> Vec<Watermark> {
        let room = StreamKey {
            driver: driver.clone(),
            incarnation,
            stream: Stream::Room,
        };
        let keys = self.receiver.streams();
        let own = keys.filter(|key| key.driver == *driver && key.incarnation == incarnation);
        let guns = own.filter(|key| **key != room).cloned();
        guns.chain([room.clone()])
            .filter_map(|key| self.watermark(clinic.clone(), key))
            .collect()
    }
}
