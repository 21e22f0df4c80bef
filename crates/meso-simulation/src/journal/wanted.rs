//! Looking for shots that somebody lacks.

use meso_delivery::{Range, RangeSet};
use meso_domain::Stream;
use meso_journal::Found;
use meso_units::{Epoch, GunSerial};

use super::JournalModel;

impl JournalModel {
    /// What is here of a gun and epoch, and where the wanted counters are.
    pub(crate) fn find(&self, stream: &Stream, epoch: Epoch, wanted: &[Range]) -> Found {
        let Some(rows) = self.streams.get(stream) else {
            return Found::default();
        };
        let held = rows.held.get(&epoch).cloned().unwrap_or_default();
        let wanted: RangeSet = wanted.iter().copied().collect();
        let wanted_shots = wanted.without(&wanted.without(&held.shots));
        let mut here = RangeSet::default();
        let mut blocks = Vec::new();
        for (sequence, row) in &rows.records {
            let Some(shot) = row.new.record.as_shot() else {
                continue;
            };
            let counter = shot.identity.counter.get().into();
            if shot.identity.epoch == epoch && wanted.contains(counter) {
                here.insert(counter);
                let mut of_block = rows.blocks.iter();
                let block = of_block.find(|(_, block)| *sequence <= block.last_sequence);
                blocks.extend(block.map(|(number, _)| *number));
            }
        }
        blocks.sort_unstable();
        blocks.dedup();
        Found {
            forgotten: wanted_shots.without(&here),
            shots: held.shots,
            gaps: held.gaps,
            blocks,
        }
    }

    /// Whether anything here tells of an epoch.
    pub(crate) fn knows_epoch(&self, gun: &GunSerial, epoch: Epoch) -> bool {
        let rows = self.streams.get(&Stream::Gun(gun.clone()));
        rows.is_some_and(|rows| {
            let mut contexts = rows.records.values().map(|row| row.context.epoch);
            rows.held.contains_key(&epoch) || contexts.any(|known| known == Some(epoch))
        })
    }
}
