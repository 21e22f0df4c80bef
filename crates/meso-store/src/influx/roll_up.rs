//! What a block adds to the hours and days of its clinic: points of their own that are added up
//! when they are read, so that a year's dashboard does not read a year's shots.
//!
//! Measurements `clinic_hour` (hours of UTC) and `clinic_day` (the clinic's calendar days, drawn at
//! that day's midnight in UTC); tags `clinic`, `gun`, `journal`. Each point is keyed by its block: the
//! tag is the life of the journal that it came from, and its time the start of the hour or day plus
//! the block's number in ns. So no other block ever has that point, and a resend is the same one, also
//! after the registry's file was put back to an older copy. A gun has one more series for each journal
//! that ever sent a block of it; the receiver limits how many journals there are.

use std::collections::BTreeMap;

use meso_domain::{Purpose, Severity, Shot, ShotFlags};

use super::line::{LineError, Lines};
use crate::shelf::{BlockSpan, FreshShot};

/// What blocks add to an hour.
pub(crate) const HOUR: &str = "clinic_hour";

/// What blocks add to a day.
pub(crate) const DAY: &str = "clinic_day";

const SECOND_NS: i64 = 1_000_000_000;
const HOUR_NS: i64 = 3_600 * SECOND_NS;
const DAY_NS: i64 = 24 * HOUR_NS;

/// What some shots of a block add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Delta {
    shot_count: i64,
    patient_shot_count: i64,
    volume_nl: i64,
    failed_count: i64,
    soft_count: i64,
    hard_count: i64,
}

impl Delta {
    fn add(&mut self, shot: &Shot, worst: Option<Severity>) {
        let patient = shot.purpose == Purpose::Patient;
        let volume = shot.volume.actual_value().or(shot.volume.set);
        self.shot_count += 1;
        self.patient_shot_count += i64::from(patient);
        if let Some(volume) = volume.filter(|_| patient) {
            let nl = i64::try_from(volume.get()).unwrap_or(i64::MAX);
            self.volume_nl = self.volume_nl.saturating_add(nl);
        }
        self.failed_count += i64::from(shot.flags.contains(ShotFlags::FAILED_INJECTION));
        self.soft_count += i64::from(worst == Some(Severity::Soft));
        self.hard_count += i64::from(worst == Some(Severity::Hard));
    }
}

/// Where in the hour a block's own point lies: blocks of one journal never meet before they number
/// 3.6 · 10¹².
fn offset_ns(span: &BlockSpan) -> i64 {
    let hour = HOUR_NS.unsigned_abs();
    i64::try_from(span.number % hour).unwrap_or(0)
}

/// Writes the lines of a block.
pub(crate) fn write(
    lines: &mut Lines,
    span: &BlockSpan,
    shots: &[FreshShot<'_>],
) -> Result<(), LineError> {
    let mut hours: BTreeMap<i64, Delta> = BTreeMap::new();
    let mut days: BTreeMap<i64, Delta> = BTreeMap::new();
    for FreshShot { shot, worst, .. } in shots {
        let at_ns = shot.at.unix_ns();
        let local_ns = at_ns.saturating_add(span.utc_offset_s.saturating_mul(SECOND_NS));
        hours
            .entry(at_ns.div_euclid(HOUR_NS) * HOUR_NS)
            .or_default()
            .add(shot, *worst);
        days.entry(local_ns.div_euclid(DAY_NS).saturating_mul(DAY_NS))
            .or_default()
            .add(shot, *worst);
    }
    let journal = format!("{:016x}", span.incarnation);
    for (measurement, sums) in [(HOUR, hours), (DAY, days)] {
        for (start_ns, delta) in sums {
            lines
                .begin(measurement)
                .tag("clinic", span.clinic.as_str())
                .tag("gun", span.gun.as_str())
                .tag("journal", &journal)
                .integer("shot_count", delta.shot_count)
                .integer("patient_shot_count", delta.patient_shot_count)
                .integer("volume_nl", delta.volume_nl)
                .integer("failed_count", delta.failed_count)
                .integer("soft_count", delta.soft_count)
                .integer("hard_count", delta.hard_count)
                .at(start_ns.saturating_add(offset_ns(span)))?;
        }
    }
    Ok(())
}
