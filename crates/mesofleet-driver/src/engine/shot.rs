//! From a shot of the link to a shot of the record.

use meso_domain::{
    Judgement, Purpose, PurposeDecidedBy, Quantity, Record, Severity, Shot, ShotFlags,
    ShotIdentity, Sourced, Stream,
};
use meso_journal::NewRecord;
use meso_limits::Judge;
use meso_link_proto::{Measured, ShotEvent};
use meso_units::{ClockSegment, Epoch, GunSerial, SegmentId, SessionId, Timestamp, Uncertainty};

use super::{Engine, Work};

/// A breach that follows the last one within this time belongs to the same episode, whose first
/// shot alone seals its block at once: 10 s.
const EPISODE_NS: i64 = 10_000_000_000;

impl Engine {
    /// Gives a shot its time, its segment, its purpose and its verdict.
    pub(super) fn take_shot(
        &mut self,
        serial: &GunSerial,
        event: ShotEvent,
        received_at: Timestamp,
        work: &mut Work,
    ) {
        let (at, uncertainty, clock_segment) = self.time_of(serial, &event, received_at);
        let place = self.sessions.segment_at(serial, at);
        let session = place.map(|(session, _)| session);
        let shot = self.shot(serial, &event, (at, uncertainty, clock_segment), place);
        let counter = event.key.counter.get();
        let epoch = event.key.epoch;
        let judgement = self.judge_once(serial, &shot, session);
        let is_urgent = self.begins_episode(serial, at, &judgement);
        self.sessions.note_shot(serial, at);
        let gun = self.gun(serial);
        gun.newest_counter = gun.newest_counter.max(counter);
        gun.is_changed = true;
        let record = NewRecord {
            stream: Stream::Gun(serial.clone()),
            record: Record::Shot(shot),
            judgement: Some(judgement),
            session,
        };
        work.push(record, Some(epoch), is_urgent);
    }

    /// The time of a shot: by the mapping of the gun's clock, or else when it arrived, which may
    /// be long after it was fired. Within a stretch of clock it only grows.
    fn time_of(
        &mut self,
        serial: &GunSerial,
        event: &ShotEvent,
        received_at: Timestamp,
    ) -> (Timestamp, Uncertainty, ClockSegment) {
        let base = self.clock_segment_base;
        let gun = self.gun(serial);
        let steps = gun.mapping.map_or(0, |mapping| mapping.segment);
        let segment = ClockSegment(base.saturating_add(steps));
        let mapped = gun
            .mapping
            .and_then(|mapping| mapping.map(event.boot, event.tick));
        let (mut at, uncertainty) = mapped.unwrap_or((received_at, Uncertainty::Unbounded));
        if let Some((newest_segment, newest_at)) = gun.newest_at
            && newest_segment == segment
            && at <= newest_at
        {
            at = newest_at.saturating_add_ns(1);
        }
        gun.newest_at = Some((segment, at));
        (at, uncertainty, segment)
    }

    fn shot(
        &self,
        serial: &GunSerial,
        event: &ShotEvent,
        (at, uncertainty, clock_segment): (Timestamp, Uncertainty, ClockSegment),
        place: Option<(SessionId, SegmentId)>,
    ) -> Shot {
        let measured = &event.measured;
        let (purpose, purpose_decided_by) = purpose_of(measured);
        Shot {
            identity: ShotIdentity {
                gun: serial.clone(),
                epoch: event.key.epoch,
                counter: event.key.counter,
            },
            at,
            uncertainty,
            clock_segment,
            gun_tick: event.tick,
            needle_depth: Quantity {
                set: measured.depth_set,
                actual: measured.depth_sensed.map(Sourced::sensed),
            },
            volume: Quantity {
                set: measured.volume_set,
                actual: measured.volume_sensed.map(Sourced::sensed),
            },
            interval: event.interval,
            frequency_set: measured.frequency_set,
            needles_working: measured.needles_working.map(Sourced::sensed),
            pressure: measured.pressure,
            flags: flags_of(measured),
            purpose,
            purpose_decided_by,
            segment: place.map(|(_, segment)| segment),
            library: self.judge.library().map(|library| library.version()),
        }
    }

    /// Judges a shot, and counts it into its session unless it was counted before.
    fn judge_once(
        &mut self,
        serial: &GunSerial,
        shot: &Shot,
        session: Option<SessionId>,
    ) -> Judgement {
        let (epoch, counter) = (shot.identity.epoch, shot.identity.counter.get());
        if self.counts_anew(serial, epoch, counter) {
            return self.judge.judge(shot, session);
        }
        // Read once more: the journal will most likely know it. Its verdict must not be counted
        // into the session again, so an engine without any history gives it.
        Judge::new(self.judge.library().cloned()).judge(shot, None)
    }

    fn counts_anew(&mut self, serial: &GunSerial, epoch: Epoch, counter: u32) -> bool {
        let gun = self.gun(serial);
        if gun.epoch != Some(epoch) || counter <= gun.judged_to {
            return false;
        }
        gun.judged_to = counter;
        true
    }

    /// Whether this shot is the first beyond a limit for a while.
    fn begins_episode(&mut self, serial: &GunSerial, at: Timestamp, judgement: &Judgement) -> bool {
        if judgement.worst() < Some(Severity::Soft) {
            return false;
        }
        let gun = self.gun(serial);
        let before = gun.alarm_at.replace(at);
        before.is_none_or(|before| at.since_ns(before) > EPISODE_NS)
    }
}

/// What a shot was for. A gun that does not say is taken to have fired into a patient, in a
/// segment or not: of all purposes that is the one that is judged, so what is not known never
/// passes unseen. The record says that this was the driver's rule.
fn purpose_of(measured: &Measured) -> (Purpose, PurposeDecidedBy) {
    use meso_link_proto::Purpose as Said;
    let purpose = match measured.purpose {
        None => return (Purpose::Patient, PurposeDecidedBy::DriverRule),
        Some(Said::Patient) => Purpose::Patient,
        Some(Said::Prime) => Purpose::Prime,
        Some(Said::Test) => Purpose::Test,
        Some(Said::Cleaning) => Purpose::Cleaning,
        Some(Said::Calibration) => Purpose::Calibration,
    };
    (purpose, PurposeDecidedBy::Gun)
}

/// The flags of the link have the bits of the record; the link refuses a bit without a name.
fn flags_of(measured: &Measured) -> ShotFlags {
    let known = measured.flags.bits() & meso_link_proto::ShotFlags::ALL.bits();
    ShotFlags::from_bits(known).unwrap_or(ShotFlags::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_the_link_are_those_of_the_record() {
        use meso_link_proto::ShotFlags as Link;
        for (link, record) in [
            (Link::FAILED_INJECTION, ShotFlags::FAILED_INJECTION),
            (Link::OCCLUSION, ShotFlags::OCCLUSION),
            (Link::DRY, ShotFlags::DRY),
            (Link::AIR, ShotFlags::AIR),
            (Link::VACUUM_OUT_OF_WINDOW, ShotFlags::VACUUM_OUT_OF_WINDOW),
            (Link::NEEDLE_BLOCKED, ShotFlags::NEEDLE_BLOCKED),
        ] {
            let measured = Measured {
                flags: link,
                ..Measured::default()
            };
            assert_eq!(flags_of(&measured), record);
        }
        assert!(ShotFlags::from_bits(Link::ALL.bits()).is_ok());
    }
}
