//! What the engine keeps of one session: its segments, what they add up to, and what was found.

use std::collections::BTreeSet;

use meso_domain::{Finding, NotCheckable, Purpose, SessionEvent, Shot, ShotFlags};
use meso_units::{ProtocolId, SegmentId, SessionId, Timestamp, Uncertainty};

use super::compiled::CompiledDrug;
use super::heard::HeardOf;
use super::lane::{Arrival, Lane};
use super::segment::{DoseSum, Folded, Held, Segment, Sums};
use super::tally::{TALLIED, Tally};
use crate::{Day, Judge, SessionFacts};

/// A zone of a session.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    /// In lower case.
    pub(super) name: String,
    pub(super) sums: Sums,
    pub(super) manual_nl: u64,
}

/// One session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) order: u64,
    pub(super) ended: bool,
    pub(super) opened_at: Option<Timestamp>,
    pub(super) utc_offset_s: i64,
    pub(super) protocol: Option<ProtocolId>,
    pub(super) facts: SessionFacts,
    pub(super) sums: Sums,
    pub(super) manual_nl: u64,
    pub(super) manual_points: u64,
    /// Segments by hand of which nobody said what was injected.
    pub(super) manual_unknown: u32,
    pub(super) zones: Vec<Zone>,
    /// The first is for shots that name no segment.
    pub(super) segments: Vec<Segment>,
    pub(super) lanes: Vec<Lane>,
    /// Of each drug with limits, by the order of their names.
    pub(super) doses: Vec<DoseSum>,
    pub(super) last_shot_at: Option<Timestamp>,
    pub(super) untrusted_times: u64,
    pub(super) tallies: [Tally; TALLIED.len()],
    /// A shot came behind the window, so that the sums are a lower bound.
    pub(super) is_stale: bool,
    /// The caller knows that older shots are missing here.
    pub(super) history_missing: bool,
    /// Segments that shots name and that have not begun here yet.
    unplaced: BTreeSet<SegmentId>,
    pub(super) said: HeardOf,
}

impl Session {
    pub(super) fn new(id: SessionId, order: u64) -> Session {
        Session {
            id,
            order,
            ended: false,
            opened_at: None,
            utc_offset_s: 0,
            protocol: None,
            facts: SessionFacts::default(),
            sums: Sums::default(),
            manual_nl: 0,
            manual_points: 0,
            manual_unknown: 0,
            zones: Vec::new(),
            segments: vec![Segment::blank()],
            lanes: Vec::new(),
            doses: Vec::new(),
            last_shot_at: None,
            untrusted_times: 0,
            tallies: [Tally::default(); TALLIED.len()],
            is_stale: false,
            history_missing: false,
            unplaced: BTreeSet::new(),
            said: HeardOf::default(),
        }
    }

    /// Takes an event; the place of a segment that it began.
    pub(super) fn learn(&mut self, event: &SessionEvent) -> Option<usize> {
        match event {
            SessionEvent::Opened(opened) => {
                // What came before it was judged without a protocol.
                self.is_stale |= self.opened_at.is_none() && !self.lanes.is_empty();
                self.opened_at = Some(opened.at);
                self.utc_offset_s = opened.utc_offset_s.into();
                self.protocol = Some(opened.protocol.clone());
                self.segments[0].protocol = Some(opened.protocol.clone());
                None
            }
            SessionEvent::SegmentOpened(opened) => {
                let is_known = |segment: &&mut Segment| segment.id == Some(opened.segment);
                if let Some(known) = self.segments.iter_mut().find(is_known) {
                    known.correct(opened);
                    return None;
                }
                if self.segments.len() > Judge::SEGMENT_COUNT_MAX {
                    return None;
                }
                // Its shots came before it and were counted in no segment.
                self.is_stale |= self.unplaced.remove(&opened.segment);
                let zone = self.zone(&opened.zone);
                self.segments.reserve_exact(1);
                self.segments.push(Segment::of(opened, zone));
                self.recall_said(opened.segment);
                Some(self.segments.len() - 1)
            }
            SessionEvent::Paused { .. } | SessionEvent::Resumed { .. } => None,
            SessionEvent::Ended(_) => {
                self.ended = true;
                None
            }
            SessionEvent::Stated(statement) => {
                self.hear(statement);
                None
            }
        }
    }

    /// Notes that a shot names a segment that is not known here; of more than can be remembered the
    /// sums stay without a segment.
    pub(super) fn note_unplaced(&mut self, segment: SegmentId) {
        if self.unplaced.len() < Judge::SEGMENT_COUNT_MAX {
            self.unplaced.insert(segment);
        }
    }

    fn zone(&mut self, name: &str) -> usize {
        let name = name.trim().to_lowercase();
        let known = self.zones.iter().position(|zone| zone.name == name);
        known.unwrap_or_else(|| {
            self.zones.reserve_exact(1);
            self.zones.push(Zone {
                name,
                sums: Sums::default(),
                manual_nl: 0,
            });
            self.zones.len() - 1
        })
    }

    /// The day on which the session began, in the clinic's time zone.
    pub(super) fn day(&self) -> Option<Day> {
        let at_s = self.opened_at?.unix_ns().div_euclid(1_000_000_000);
        Some((at_s + self.utc_offset_s).div_euclid(86_400))
    }

    /// Whether sums are lower bounds, and why.
    pub(super) const fn lower_bound(&self) -> Option<NotCheckable> {
        if self.history_missing || self.is_stale {
            return Some(NotCheckable::HistoryMissing);
        }
        if self.manual_unknown > 0 {
            return Some(NotCheckable::FactMissing);
        }
        None
    }

    /// Points that the trigger set: what the gun says, else the mounted head, else one.
    pub(super) fn folded(&self, shot: &Shot, segment: usize) -> Folded {
        let points = if shot.needles_working.is_some() {
            shot.points()
        } else {
            self.segments[segment].needle_count
        };
        let measured = shot.volume.actual_value().map(|nl| (nl.get(), true));
        let volume = measured.or_else(|| shot.volume.set.map(|nl| (nl.get(), false)));
        Folded { points, volume }
    }

    /// Folds a shot in, once.
    pub(super) fn fold(&mut self, shot: &Shot, segment: usize) -> Arrival {
        let arrival = self.arrive(shot);
        if arrival != Arrival::New {
            self.is_stale |= arrival == Arrival::Late;
            return arrival;
        }
        let folded = self.folded(shot, segment);
        let place = &mut self.segments[segment];
        place.needle_shots += 1;
        if shot.purpose != Purpose::Patient {
            place.primes += u64::from(shot.purpose == Purpose::Prime);
            return arrival;
        }
        place.fold(shot, &folded);
        self.sums.add(&folded);
        if let Some(zone) = place.zone {
            self.zones[zone].sums.add(&folded);
        }
        if !place.holds.is_empty() {
            self.add_doses(segment, &folded);
        }
        match shot.uncertainty {
            Uncertainty::Unbounded => self.untrusted_times += 1,
            Uncertainty::Within(_) => {
                self.last_shot_at = self.last_shot_at.max(Some(shot.at));
            }
        }
        arrival
    }

    fn arrive(&mut self, shot: &Shot) -> Arrival {
        let identity = &shot.identity;
        let counter = identity.counter.get();
        let is_failed = shot.flags.contains(ShotFlags::FAILED_INJECTION);
        let is_patient = shot.purpose == Purpose::Patient;
        let known = self
            .lanes
            .iter_mut()
            .find(|lane| lane.is_of(&identity.gun, identity.epoch));
        if let Some(lane) = known {
            return lane.take(counter, is_patient, is_failed);
        }
        if self.lanes.len() >= Judge::LANE_COUNT_MAX {
            return Arrival::Late;
        }
        let mut lane = Lane::new(&identity.gun, identity.epoch, counter);
        lane.take(counter, is_patient, is_failed);
        // A session has one or two of each: no room is kept for more.
        self.lanes.reserve_exact(1);
        self.lanes.push(lane);
        Arrival::New
    }

    pub(super) fn lane(&self, shot: &Shot) -> Option<&Lane> {
        let identity = &shot.identity;
        self.lanes
            .iter()
            .find(|lane| lane.is_of(&identity.gun, identity.epoch))
    }

    fn add_doses(&mut self, segment: usize, folded: &Folded) {
        for (held, slot) in &self.segments[segment].holds {
            if let Some(sum) = self.doses.get_mut(*slot) {
                add_dose(sum, *held, folded.volume.map(|(nl, _)| nl));
            }
        }
    }

    pub(super) fn note(&mut self, finding: &Finding) {
        let at = TALLIED.iter().position(|rule| *rule == finding.rule);
        if let Some(tally) = at.and_then(|at| self.tallies.get_mut(at)) {
            tally.add(finding);
        }
    }

    /// Forgets every shot, to fold them all in again.
    pub(super) fn forget_shots(&mut self) {
        self.sums = Sums::default();
        self.lanes.clear();
        self.last_shot_at = None;
        self.untrusted_times = 0;
        self.tallies = [Tally::default(); TALLIED.len()];
        self.is_stale = false;
        for zone in &mut self.zones {
            zone.sums = Sums::default();
        }
        for segment in &mut self.segments {
            segment.forget_shots();
        }
        self.sum_doses();
    }

    /// Sums the doses up again from what each segment gave.
    pub(super) fn sum_doses(&mut self) {
        let compiled = self
            .segments
            .iter()
            .filter_map(|place| place.compiled.as_ref());
        let names: BTreeSet<&String> = compiled
            .flat_map(|compiled| &compiled.drugs)
            .map(|drug| &drug.names[0])
            .collect();
        let none = |name: &&String| DoseSum {
            name: (*name).clone(),
            nano: 0,
            unknown: None,
        };
        self.doses = names.iter().map(none).collect();
        for segment in &mut self.segments {
            let drugs = segment.compiled.iter().flat_map(|compiled| &compiled.drugs);
            for (drug, (held, slot)) in drugs.zip(&mut segment.holds) {
                let at = self
                    .doses
                    .binary_search_by(|sum| sum.name.cmp(&drug.names[0]));
                *slot = at.unwrap_or(usize::MAX);
                if let Some(sum) = self.doses.get_mut(*slot) {
                    add_segment(sum, *held, &segment.sums, segment.manual_nl);
                    let lacks = segment.is_manual && segment.facts.manual.is_none();
                    if *held != Held::Not && lacks {
                        sum.unknown = sum.unknown.max(Some(NotCheckable::FactMissing));
                    }
                }
            }
        }
        self.add_other_doses();
    }

    /// Adds what was given by other ways, an anaesthetic cream for one.
    fn add_other_doses(&mut self) {
        let compiled = self
            .segments
            .iter()
            .filter_map(|place| place.compiled.as_ref());
        let drugs: Vec<&CompiledDrug> = compiled.flat_map(|compiled| &compiled.drugs).collect();
        for (name, dose) in self.facts.other_doses.iter().flatten() {
            let name = name.trim().to_lowercase();
            let Some(drug) = drugs.iter().find(|drug| drug.names.contains(&name)) else {
                continue;
            };
            let mut sums = self.doses.iter_mut();
            let Some(sum) = sums.find(|sum| sum.name == drug.names[0]) else {
                continue;
            };
            if dose.unit == drug.unit {
                sum.nano = sum.nano.saturating_add(dose.nano);
            } else {
                sum.unknown = sum.unknown.max(Some(NotCheckable::ConcentrationMissing));
            }
        }
    }

    /// Sums up what hands injected.
    pub(super) fn sum_manual(&mut self) {
        (self.manual_nl, self.manual_points, self.manual_unknown) = (0, 0, 0);
        for zone in &mut self.zones {
            zone.manual_nl = 0;
        }
        for segment in &mut self.segments {
            let manual = segment.facts.manual.iter().flatten();
            segment.manual_nl = manual.clone().map(|one| one.volume.get()).sum();
            segment.manual_points = manual.map(|one| u64::from(one.points)).sum();
            self.manual_nl = self.manual_nl.saturating_add(segment.manual_nl);
            self.manual_points = self.manual_points.saturating_add(segment.manual_points);
            self.manual_unknown += u32::from(segment.lacks_manual());
            if let Some(zone) = segment.zone {
                let zone = &mut self.zones[zone];
                zone.manual_nl = zone.manual_nl.saturating_add(segment.manual_nl);
            }
        }
    }
}

fn add_segment(sum: &mut DoseSum, held: Held, sums: &Sums, manual_nl: u64) {
    let given_nl = sums.volume_nl.saturating_add(manual_nl);
    if given_nl > 0 {
        add_dose(sum, held, Some(given_nl));
    }
    if sums.unknown_volumes > 0 {
        add_dose(sum, held, None);
    }
}

fn add_dose(sum: &mut DoseSum, held: Held, nl: Option<u64>) {
    let unknown = match (held, nl) {
        (Held::Not, _) => return,
        (_, None) => NotCheckable::ValueMissing,
        (Held::Unknown, Some(0)) => return,
        (Held::Unknown, Some(_)) => NotCheckable::ConcentrationMissing,
        (Held::Milli(milli), Some(nl)) => {
            let dose = i128::from(milli) * i128::from(nl);
            sum.nano = sum
                .nano
                .saturating_add(i64::try_from(dose).unwrap_or(i64::MAX));
            return;
        }
    };
    // Of several reasons the last by code, so that the order of shots does not matter.
    sum.unknown = sum.unknown.max(Some(unknown));
}
