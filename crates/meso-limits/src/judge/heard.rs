//! What statements say of a session, as facts of the engine.
//!
//! Statements may come in any order and more than once: of those that take each other's place the
//! one that was said last holds, and points set by hand are known by their number. So the facts are
//! a function of the set of statements, like everything else of a session.

use std::collections::BTreeMap;

use meso_domain::{
    CourseFacts, LastDay, ManualEntry, MaterialFacts, PatientFacts, Said, SessionDetails, Statement,
};
use meso_units::{SegmentId, Timestamp};

use super::session::Session;
use crate::{CourseHistory, Day, Dose, Judge, LotFact, ManualInjection, SegmentFacts};

/// Whether a statement says what a rule asks for.
pub(super) const fn is_fact(said: &Said) -> bool {
    matches!(
        said,
        Said::Patient(_) | Said::Course(_) | Said::Details(_) | Said::Material(_) | Said::Manual(_)
    )
}

/// Which statements take each other's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Patient,
    Course,
    Details,
    Material(SegmentId),
}

/// What was heard of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct HeardOf {
    /// When what holds was said.
    at: BTreeMap<Place, Timestamp>,
    /// Points set by hand, by their number; of a corrected entry what is right.
    manual: BTreeMap<u32, ManualEntry>,
    /// Material of segments that are not known yet.
    waiting: BTreeMap<SegmentId, MaterialFacts>,
}

/// The most entries by hand that are summed up; of more the sums are lower bounds.
const MANUAL_COUNT_MAX: usize = 1_024;

impl Session {
    /// Takes a statement over.
    pub(super) fn hear(&mut self, statement: &Statement) {
        let at = statement.at;
        match &statement.said {
            Said::Patient(facts) if self.is_newest(Place::Patient, at) => self.hear_patient(facts),
            Said::Course(course) if self.is_newest(Place::Course, at) => {
                self.facts.history = Some(history_of(course));
            }
            Said::Details(details) if self.is_newest(Place::Details, at) => {
                self.facts.other_doses = other_doses(details);
            }
            Said::Material(material) if self.is_newest(Place::Material(material.segment), at) => {
                self.said.waiting.insert(material.segment, material.clone());
                self.recall_said(material.segment);
            }
            Said::Manual(entry) => self.hear_manual(*entry),
            _ => {}
        }
    }

    fn is_newest(&mut self, place: Place, at: Timestamp) -> bool {
        let is_full = self.said.at.len() >= Judge::SEGMENT_COUNT_MAX + 3;
        if is_full && !self.said.at.contains_key(&place) {
            return false;
        }
        let known = self.said.at.entry(place).or_insert(at);
        let is_newest = at >= *known;
        *known = at.max(*known);
        is_newest
    }

    fn hear_patient(&mut self, facts: &PatientFacts) {
        self.facts.salt = Some(facts.salt);
        self.facts.age_years = facts.age_years;
        self.facts.weight_g = facts.weight_g;
    }

    fn hear_manual(&mut self, entry: ManualEntry) {
        let manual = &mut self.said.manual;
        if manual.len() >= MANUAL_COUNT_MAX && !manual.contains_key(&entry.number) {
            self.history_missing = true;
            return;
        }
        manual.insert(entry.number, entry);
        self.recall_said(entry.segment);
    }

    /// Hands a segment what was said of it, also before it was known.
    pub(super) fn recall_said(&mut self, segment: SegmentId) {
        let mut segments = self.segments.iter_mut();
        let Some(place) = segments.find(|place| place.id == Some(segment)) else {
            return;
        };
        if let Some(material) = self.said.waiting.remove(&segment) {
            place.facts = SegmentFacts {
                manual: place.facts.manual.take(),
                ..facts_of(&material)
            };
        }
        let entries = self.said.manual.values();
        let of_this = entries.filter(|entry| entry.segment == segment);
        let manual: Vec<ManualInjection> = of_this
            .map(|entry| ManualInjection {
                points: entry.points,
                volume: entry.volume,
            })
            .collect();
        if !manual.is_empty() {
            place.facts.manual = Some(manual);
        }
    }
}

fn history_of(course: &CourseFacts) -> CourseHistory {
    let days = |list: &[LastDay]| -> BTreeMap<String, Day> {
        let mut days = BTreeMap::new();
        for last in list {
            let day = days
                .entry(last.name.trim().to_lowercase())
                .or_insert(last.day);
            *day = last.day.max(*day);
        }
        days
    };
    CourseHistory {
        sessions_before: course.sessions_before,
        volume_before_nl: course.volume_before.get(),
        last_in_zone: days(&course.last_in_zone),
        last_of_drug: days(&course.last_of_drug),
    }
}

/// `None` where nobody said, or where a dose is none that can be read: then it is not known.
fn other_doses(details: &SessionDetails) -> Option<Vec<(String, Dose)>> {
    let anaesthetics = details.anaesthetics.as_ref()?;
    anaesthetics
        .iter()
        .map(|one| Some((one.drug.clone(), Dose::parse(&one.dose)?)))
        .collect()
}

fn facts_of(material: &MaterialFacts) -> SegmentFacts {
    let lots = material.lots.as_ref().map(|lots| {
        lots.iter()
            .map(|lot| LotFact {
                usable_until: lot.usable_until,
                is_recalled: lot.is_recalled,
            })
            .collect()
    });
    SegmentFacts {
        certificate_until: material.certificate_until,
        gun_is_enrolled: material.gun_is_enrolled,
        calibrated_until: material.calibrated_until,
        firmware_is_allowed: material.firmware_is_allowed,
        product_class: material.product_class.clone(),
        lots,
        consumables_are_new: material.consumables_are_new,
        needle_shots_before: material.needle_shots_before,
        needle_angle_degrees: material.needle_angle_degrees,
        residual: material.residual,
        manual: None,
    }
}
