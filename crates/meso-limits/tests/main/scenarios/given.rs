//! What a case gives, and the verdict on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use meso_domain::{
    Component, Delivery, Purpose, SessionEnded, SessionEvent, SessionOutcome, Shot, ShotFlags,
    Sourced, Technique,
};
use meso_limits::{
    CourseHistory, Dose, Judge, Library, LotFact, ManualInjection, SegmentFacts, SessionFacts,
    SessionVerdict, assemble_release,
};
use meso_units::{Micrometres, Microseconds, Nanolitres, NeedleCount, Timestamp, Uncertainty};
use serde::Deserialize;

use crate::sample::{
    OPENED_NS, SEGMENT, SESSION, TODAY, sample_segment, sample_session, sample_shot,
};

/// Everything that a case may give; what it leaves out is not known, or as in the samples.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Given {
    /// Whether the shots name the segment; without it nobody knows zone, technique and needle.
    without_segment: bool,
    ended: bool,
    history_missing: bool,
    clock_is_doubtful: bool,
    age: Option<u16>,
    weight_kg: Option<u32>,
    sessions_before: Option<u16>,
    volume_before: Option<String>,
    /// Days since the last session in the zone.
    days_since: Option<i64>,
    /// Days since each drug was last given.
    days_since_drug: BTreeMap<String, i64>,
    other_doses: Vec<(String, String)>,
    zone: Option<String>,
    technique: Option<String>,
    phase: Option<u8>,
    needle_length: Option<String>,
    needle_gauge: Option<u8>,
    /// Name and concentration.
    components: Vec<(String, String)>,
    compounded: bool,
    loaded: Option<String>,
    dead: Option<String>,
    by_hand: bool,
    manual: Option<Vec<(u32, String)>>,
    /// Days until a certificate, a calibration, a lot ends; negative for the past.
    certificate_days: Option<i64>,
    calibration_days: Option<i64>,
    lot_days: Vec<i64>,
    lots_recalled: bool,
    enrolled: Option<bool>,
    firmware_allowed: Option<bool>,
    new_consumables: Option<bool>,
    needle_shots_before: Option<u32>,
    angle: Option<u8>,
    residual: Option<String>,
    product_class: Option<String>,
    shots: Vec<Shots>,
}

/// Equal shots, one after the other.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shots {
    times: Option<u32>,
    /// What the gun measured.
    depth: Option<String>,
    volume: Option<String>,
    /// What it was told, where that is not as in the sample.
    depth_set: Option<String>,
    volume_set: Option<String>,
    /// Neither is told nor measured.
    no_depth: bool,
    no_volume: bool,
    interval_us: Option<u64>,
    no_interval: bool,
    needles: Option<u8>,
    flags: Vec<String>,
    purpose: Option<String>,
    /// Seconds after the begin of the session.
    after_s: Option<i64>,
    untrusted_clock: bool,
}

macro_rules! either {
    ($own:ident, $base:ident, $($field:ident),+) => {
        $(if $own.$field.is_none() { $own.$field.clone_from(&$base.$field); })+
    };
}

impl Given {
    /// This case, with what it leaves out from the file's own.
    pub(super) fn over(&self, base: &Given) -> Given {
        let mut own = self.clone();
        either!(
            own,
            base,
            age,
            weight_kg,
            sessions_before,
            volume_before,
            days_since,
            zone,
            technique,
            phase,
            needle_length,
            needle_gauge,
            loaded,
            dead,
            manual,
            certificate_days,
            calibration_days,
            enrolled,
            firmware_allowed,
            new_consumables,
            needle_shots_before,
            angle,
            residual,
            product_class
        );
        own.ended |= base.ended;
        own.by_hand |= base.by_hand;
        if own.components.is_empty() {
            own.components.clone_from(&base.components);
        }
        if own.shots.is_empty() {
            own.shots.clone_from(&base.shots);
        }
        own
    }
}

/// The verdict on the session that a case gives, under this protocol.
pub(super) fn verdict_of(protocol: &str, release: &str, given: &Given) -> SessionVerdict {
    let head = "[[protocols]]\nid = \"sample\"\ntitle = \"Sample\"\nindication = \"sample\"\n\
                zones = [\"cheek\"]\ntechniques = [\"nappage\", \"dry\"]\n";
    let text = assemble_release(1, true, &[&format!("{head}{protocol}"), release]);
    let library = Library::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let mut judge = Judge::new(Some(Arc::new(library)));
    judge.session_event(&SessionEvent::Opened(sample_session("sample")));
    if !given.without_segment {
        judge.session_event(&SessionEvent::SegmentOpened(segment_of(given)));
        assert!(judge.set_segment_facts(SEGMENT, segment_facts(given)));
    }
    judge.set_session_facts(SESSION, session_facts(given));
    if given.history_missing {
        judge.set_history_missing(SESSION);
    }
    let mut counter = 0;
    for shots in &given.shots {
        for _ in 0..shots.times.unwrap_or(1) {
            counter += 1;
            let mut shot = shots.shot(counter);
            if given.without_segment {
                shot.segment = None;
            }
            judge.weigh(&shot, Some(SESSION));
        }
    }
    if given.ended {
        judge.session_event(&SessionEvent::Ended(SessionEnded {
            session: SESSION,
            at: Timestamp::from_unix_ns(OPENED_NS + 1).unwrap(),
            outcome: SessionOutcome::Completed,
            last_counters: Vec::new(),
        }));
    }
    judge.verdict(SESSION).unwrap()
}

fn segment_of(given: &Given) -> meso_domain::SegmentOpened {
    let mut segment = sample_segment("sample");
    if let Some(zone) = &given.zone {
        segment.zone.clone_from(zone);
    }
    if let Some(technique) = &given.technique {
        segment.technique = Technique::parse(technique).unwrap();
    }
    segment.course_phase = given.phase;
    if let Some(length) = &given.needle_length {
        segment.needle.length = Micrometres::parse(length).unwrap();
    }
    if let Some(gauge) = given.needle_gauge {
        segment.needle.gauge = gauge;
    }
    let component = |(name, concentration): &(String, String)| Component {
        name: name.clone(),
        concentration: concentration.clone(),
        lot: "lot".to_owned(),
    };
    segment.syringe.components = given.components.iter().map(component).collect();
    segment.syringe.ready_made = !given.compounded;
    if let Some(loaded) = &given.loaded {
        segment.syringe.loaded = Nanolitres::parse(loaded).unwrap();
    }
    if let Some(dead) = &given.dead {
        segment.syringe.dead_volume = Nanolitres::parse(dead).unwrap();
    }
    if given.by_hand {
        segment.delivery = Delivery::ManualSyringe;
    }
    segment
}

fn session_facts(given: &Given) -> SessionFacts {
    let history = given.sessions_before.map(|sessions_before| CourseHistory {
        sessions_before,
        volume_before_nl: given
            .volume_before
            .as_ref()
            .map_or(0, |text| Nanolitres::parse(text).unwrap().get()),
        last_in_zone: given
            .days_since
            .map(|days| ("cheek".to_owned(), TODAY - days))
            .into_iter()
            .collect(),
        last_of_drug: given
            .days_since_drug
            .iter()
            .map(|(drug, days)| (drug.clone(), TODAY - days))
            .collect(),
    });
    let dose = |(name, amount): &(String, String)| (name.clone(), Dose::parse(amount).unwrap());
    SessionFacts {
        salt: None,
        age_years: given.age,
        weight_g: given.weight_kg.map(|kg| kg * 1_000),
        history,
        other_doses: Some(given.other_doses.iter().map(dose).collect()),
        clock_is_doubtful: given.clock_is_doubtful,
    }
}

fn segment_facts(given: &Given) -> SegmentFacts {
    let lot = |days: &i64| LotFact {
        usable_until: Some(TODAY + days),
        is_recalled: Some(given.lots_recalled),
    };
    let injection = |(points, volume): &(u32, String)| ManualInjection {
        points: *points,
        volume: Nanolitres::parse(volume).unwrap(),
    };
    let lots: Vec<LotFact> = given.lot_days.iter().map(lot).collect();
    SegmentFacts {
        certificate_until: given.certificate_days.map(|days| TODAY + days),
        gun_is_enrolled: given.enrolled,
        calibrated_until: given.calibration_days.map(|days| TODAY + days),
        firmware_is_allowed: given.firmware_allowed,
        product_class: given.product_class.clone(),
        lots: (!lots.is_empty()).then_some(lots),
        consumables_are_new: given.new_consumables,
        needle_shots_before: given.needle_shots_before,
        needle_angle_degrees: given.angle,
        residual: given
            .residual
            .as_ref()
            .map(|text| Nanolitres::parse(text).unwrap()),
        manual: given
            .manual
            .as_ref()
            .map(|list| list.iter().map(injection).collect()),
    }
}

impl Shots {
    fn shot(&self, counter: u32) -> Shot {
        let mut shot = sample_shot(counter);
        let depth = |text: &String| Micrometres::parse(text).unwrap();
        let volume = |text: &String| Nanolitres::parse(text).unwrap();
        if let Some(set) = &self.depth_set {
            shot.needle_depth.set = Some(depth(set));
        }
        if let Some(set) = &self.volume_set {
            shot.volume.set = Some(volume(set));
        }
        shot.needle_depth.actual = self.depth.as_ref().map(depth).map(Sourced::sensed);
        shot.volume.actual = self.volume.as_ref().map(volume).map(Sourced::sensed);
        if self.no_depth {
            shot.needle_depth.set = None;
        }
        if self.no_volume {
            shot.volume.set = None;
        }
        if let Some(us) = self.interval_us {
            shot.interval = Some(Microseconds::new(us).unwrap());
        }
        if self.no_interval {
            shot.interval = None;
            // The first shot of an epoch has no interval anyway.
            shot.identity.counter = meso_units::ShotCounter(counter + 1);
        }
        let needles = self.needles.map(|count| NeedleCount::new(count).unwrap());
        shot.needles_working = needles.map(Sourced::sensed);
        shot.flags = self.flags.iter().fold(ShotFlags::NONE, |flags, name| {
            let bit = (0..6)
                .filter_map(|bit| ShotFlags::from_bits(1 << bit).ok())
                .find(|flag| flag.names().next() == Some(name))
                .expect("the name of a flag");
            flags.union(bit)
        });
        if let Some(purpose) = &self.purpose {
            shot.purpose = Purpose::parse(purpose).unwrap();
        }
        if let Some(seconds) = self.after_s {
            shot.at = Timestamp::from_unix_ns(OPENED_NS + seconds * 1_000_000_000).unwrap();
        }
        if self.untrusted_clock {
            shot.uncertainty = Uncertainty::Unbounded;
        }
        shot
    }
}
