//! What the engine is told beside shots and session events.
//!
//! Nothing in here is ever guessed: what is `None` is not known, and the rules that need it answer
//! *not checkable*. Most come by statements in the session's record, which
//! [`Judge::session_event`](crate::Judge) takes in, so that room and server know the same. Whoever
//! knows more sets it by [`Judge::set_session_facts`](crate::Judge) or
//! [`Judge::set_segment_facts`](crate::Judge), in any order and as often as it changes; what was
//! said before is replaced as a whole.

use std::collections::BTreeMap;

use meso_units::Nanolitres;

use crate::Dose;

/// A calendar day in the clinic's time zone, counted from 1970-01-01.
pub type Day = i64;

/// What is known of a session's patient and course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionFacts {
    /// Random bytes that came with age and weight: they go into the digest of the facts, so that a
    /// digest in a sealed record does not tell them once their own record is erased.
    pub salt: Option<[u8; 32]>,
    /// Age in whole years.
    pub age_years: Option<u16>,
    /// Body weight in grams.
    pub weight_g: Option<u32>,
    /// Earlier sessions of this patient under the same protocol; `None` where they are not known
    /// here, which is not the same as none.
    pub history: Option<CourseHistory>,
    /// Drugs given by other ways than the guns' segments, such as an anaesthetic cream; their
    /// names as cocktails list them. `None` where nobody said.
    pub other_doses: Option<Vec<(String, Dose)>>,
    /// Whether the computer's clock is not trusted, so that days mean nothing.
    pub clock_is_doubtful: bool,
}

/// Earlier sessions of a patient, as their summaries say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CourseHistory {
    /// Sessions of the course before this one.
    pub sessions_before: u16,
    /// Volume of those sessions, in nl.
    pub volume_before_nl: u64,
    /// The last session of this protocol in each zone.
    pub last_in_zone: BTreeMap<String, Day>,
    /// When each drug with a minimum interval was last given, by its name in lower case.
    pub last_of_drug: BTreeMap<String, Day>,
}

/// What is known of one segment's operator, gun and material.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SegmentFacts {
    /// The last day on which the operator's certificate is valid.
    pub certificate_until: Option<Day>,
    /// Whether the gun is enrolled here.
    pub gun_is_enrolled: Option<bool>,
    /// The last day on which the gun's calibration holds.
    pub calibrated_until: Option<Day>,
    /// Whether the gun's firmware is on the allow-list.
    pub firmware_is_allowed: Option<bool>,
    /// The class of the product, as protocols name it.
    pub product_class: Option<String>,
    /// Each lot of the cocktail; `None` where nobody looked them up.
    pub lots: Option<Vec<LotFact>>,
    /// Whether needle, syringe and tube are new for this patient.
    pub consumables_are_new: Option<bool>,
    /// Shots that the needle had fired before this segment.
    pub needle_shots_before: Option<u32>,
    /// The angle of the needle to the skin in degrees, 1 to 90.
    pub needle_angle_degrees: Option<u8>,
    /// What was left in the syringe at the end.
    pub residual: Option<Nanolitres>,
    /// What was injected by hand in this segment; `None` where nobody said.
    pub manual: Option<Vec<ManualInjection>>,
}

/// What is known of a product lot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LotFact {
    /// The last day on which it may be used.
    pub usable_until: Option<Day>,
    /// Whether it was recalled.
    pub is_recalled: Option<bool>,
}

/// Points set with a syringe in the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ManualInjection {
    /// How many points.
    pub points: u32,
    /// Their volume together.
    pub volume: Nanolitres,
}
