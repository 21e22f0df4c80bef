//! The ingest lacks shots of a gun: what this room has of them, and what it does about it.

use meso_contract::{HeldMessage, NumberRange};
use meso_delivery::{Range, RangeSet, SenderEvent};
use meso_domain::Stream;
use meso_journal::{ForgottenShots, Found};
use meso_units::{Epoch, GunSerial, ShotCounter};

use super::gun::Gun;
use super::{Call, Engine, Work};
use crate::machine::Now;

/// What follows a question of the ingest: first what is to be written, then the blocks, then the
/// answer.
#[derive(Debug)]
pub(crate) struct WantedAnswer {
    /// Names of what is gone here for good, and what the gun is asked for again.
    pub(crate) work: Work,
    /// Blocks that go out once more.
    pub(crate) resend: SenderEvent,
    /// To be published.
    pub(crate) answer: HeldMessage,
}

impl Engine {
    /// Answers what this room has of a gun and epoch; `found` is what its journal says.
    ///
    /// What lies in sealed blocks is sent again, whatever a watermark says of them. What the gun
    /// still holds and the journal knows by a gap only is read from the gun once more; if that did
    /// not help, it is not promised a second time.
    pub(crate) fn take_wanted(
        &mut self,
        now: Now,
        serial: &GunSerial,
        epoch: Epoch,
        wanted: &[Range],
        found: &Found,
    ) -> WantedAnswer {
        let stream = Stream::Gun(serial.clone());
        let forgotten = found
            .forgotten
            .ranges()
            .map(|counters| ForgottenShots { epoch, counters });
        let forgotten: Vec<ForgottenShots> = forgotten.collect();
        let mut work = self.declare_forgotten(now, &stream, &forgotten);
        let mut held = found.shots.without(&found.forgotten);
        let gun = self.guns.get_mut(serial);
        let present = gun.as_ref().and_then(|gun| gun.present_epoch());
        if let Some(gun) = gun.filter(|gun| gun.present_epoch() == Some(epoch)) {
            let next = u64::from(gun.next_counter(epoch).get());
            let to_come = gun.ring().filter(|ring| ring.last >= next);
            held.extend(to_come.map(|ring| Range {
                first: ring.first.max(next),
                last: ring.last,
            }));
            if let Some(again) = read_again(gun, wanted, found) {
                tracing::info!(gun = %serial, first = again.first, last = again.last, "shots are read from the gun once more");
                let first = ShotCounter(u32::try_from(again.first).unwrap_or(u32::MAX));
                gun.read_again_from = Some(first);
                let call = Call::ExpectFrom(serial.clone(), epoch, first);
                work.last.push(call);
                held.insert_range(again);
            }
        }
        let numbers = held.ranges().map(|range| NumberRange {
            first: range.first,
            last: range.last,
        });
        let incarnation = self.incarnation();
        WantedAnswer {
            work,
            answer: HeldMessage::new(incarnation, epoch, numbers.collect(), present),
            resend: SenderEvent::Wanted {
                stream,
                numbers: found.blocks.clone(),
            },
        }
    }
}

/// The stretch of the gun's ring that is wanted and that the journal knows by gaps only, where it
/// was not read again already since the gun greeted.
fn read_again(gun: &Gun, wanted: &[Range], found: &Found) -> Option<Range> {
    let ring = gun.ring()?;
    let wanted: RangeSet = wanted.iter().copied().collect();
    let by_gap_only = found.gaps.without(&found.shots);
    let wanted_gaps = wanted.without(&wanted.without(&by_gap_only));
    let mut in_ring = wanted_gaps.ranges().filter_map(|range| {
        let first = range.first.max(ring.first);
        let last = range.last.min(ring.last);
        (first <= last).then_some(Range { first, last })
    });
    let first = in_ring.next()?;
    let last = in_ring.next_back().unwrap_or(first).last;
    let is_tried = gun
        .read_again_from
        .is_some_and(|tried| u64::from(tried.get()) <= first.first);
    (!is_tried).then_some(Range {
        first: first.first,
        last,
    })
}
