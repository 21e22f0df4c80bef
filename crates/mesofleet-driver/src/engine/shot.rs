//! From a shot of the link to a shot of the record.

use meso_delivery::Haste;
use meso_domain::{
    Judgement, Purpose, PurposeDecidedBy, Quantity, Record, Severity, Shot, ShotFlags,
    ShotIdentity, Sourced, Stream,
};
use meso_journal::NewRecord;
use meso_limits::Judge;
use meso_link_proto::{Measured, ShotEvent};
use meso_units::{ClockSegment, Epoch, GunSerial, SegmentId, SessionId, Timestamp, Uncertainty};

use super::clock::CLOCK_VALUES;
use super::live::LastShot;
use super::strays::STRAY_VALUES;
use super::{Engine, Work};

/// A breach of a rule that follows the last one within this time belongs to the same episode, whose
/// first shot alone, and the first one that is worse, seals its block at once: 10 s.
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
        self.note_clock_segment(clock_segment, work);
        let place = self.sessions.segment_at(serial, at);
        let session = place.map(|(session, _)| session);
        let shot = self.shot(serial, &event, (at, uncertainty, clock_segment), place);
        let counter = event.key.counter.get();
        let epoch = event.key.epoch;
        let is_new = self.counts_anew(serial, epoch, counter);
        let judgement = self.judge_once(is_new, &shot, session);
        if is_new && self.stops_its_gun(&judgement, &shot, session, received_at) {
            self.hold_for_breach(serial, &shot, &judgement, received_at, work);
        }
        let haste = self.haste_of(serial, at, &judgement);
        self.sessions.note_shot(serial, at);
        let gun = self.gun(serial);
        gun.take(epoch, event.key.counter, event.key.counter);
        gun.newest_counter = gun.newest_counter.max(counter);
        gun.is_changed = true;
        if is_new && session.is_none() && gun.strays.note(&shot) {
            work.keep(format!("{STRAY_VALUES}{serial}"), gun.strays.value());
        }
        if is_new {
            gun.last_shot = Some(Box::new(LastShot {
                shot: shot.clone(),
                judgement: judgement.clone(),
            }));
        }
        if let Some(clock) = gun.clock.take_value() {
            work.keep(format!("{CLOCK_VALUES}{serial}"), clock);
        }
        let record = NewRecord {
            stream: Stream::Gun(serial.clone()),
            record: Record::Shot(shot),
            judgement: Some(judgement),
            session,
        };
        work.push(record, Some(epoch), haste);
    }

    /// The time of a shot: by the mapping of the gun's clock in the start of the gun that fired
    /// it, or else when it arrived, which may be long after. Within a stretch of clock it only
    /// grows. A computer whose clock was never set gives no bound.
    fn time_of(
        &mut self,
        serial: &GunSerial,
        event: &ShotEvent,
        received_at: Timestamp,
    ) -> (Timestamp, Uncertainty, ClockSegment) {
        let present = self.clock_segment;
        let gun = self.gun(serial);
        let mapped = gun.clock.time_of(event.boot, event.tick);
        let unmapped = (received_at, Uncertainty::Unbounded, present);
        let (mut at, mut uncertainty, segment) = mapped.unwrap_or(unmapped);
        if let Some((newest_segment, newest_at)) = gun.newest_at
            && newest_segment == segment
            && at <= newest_at
        {
            at = newest_at.saturating_add_ns(1);
        }
        gun.newest_at = Some((segment, at));
        if at < Timestamp::PLAUSIBLE_FROM {
            uncertainty = Uncertainty::Unbounded;
        }
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

    /// Judges a shot, and counts it into its session where it is new.
    fn judge_once(&mut self, is_new: bool, shot: &Shot, session: Option<SessionId>) -> Judgement {
        if is_new {
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

    /// How soon a shot is to be told: those past a limit before others, and the first that passes a
    /// limit for a while, or passes a worse one, at once.
    pub(super) fn haste_of(
        &mut self,
        serial: &GunSerial,
        at: Timestamp,
        judgement: &Judgement,
    ) -> Haste {
        let alarms = &mut self.gun(serial).alarms;
        let breaches = judgement.findings.iter();
        let breaches = breaches.filter(|finding| finding.severity >= Severity::Soft);
        let haste = breaches.map(|finding| {
            let known = alarms.get(&finding.rule).copied();
            let known = known.filter(|(_, before)| at.since_ns(*before) <= EPISODE_NS);
            let worst = known.map_or(finding.severity, |(worst, _)| worst.max(finding.severity));
            alarms.insert(finding.rule, (worst, at));
            match known {
                Some((before, _)) if before >= worst => Haste::Soon,
                _ => Haste::AtOnce,
            }
        });
        haste.max().unwrap_or_default()
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
