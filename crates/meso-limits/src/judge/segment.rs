//! A segment of a session, and what its shots add up to.

use std::sync::Arc;

use meso_domain::{Delivery, Finding, NotCheckable, SegmentOpened, Shot, ShotFlags, Technique};
use meso_units::{ProtocolId, SegmentId};

use super::compiled::Compiled;
use crate::{Concentration, SegmentFacts};

/// Sums that do not depend on the order in which shots come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sums {
    /// Patient shots.
    pub(super) shots: u64,
    /// Their points: shots times working needles.
    pub(super) points: u64,
    /// Their volume in nl, by what the gun did, else by set point.
    pub(super) volume_nl: u64,
    /// Patient shots that said no volume at all.
    pub(super) unknown_volumes: u64,
    /// Patient shots whose volume is a set point only.
    pub(super) set_volumes: u64,
}

impl Sums {
    pub(super) fn add(&mut self, folded: &Folded) {
        self.shots = self.shots.saturating_add(1);
        self.points = self.points.saturating_add(folded.points);
        match folded.volume {
            Some((nl, is_measured)) => {
                self.volume_nl = self.volume_nl.saturating_add(nl);
                self.set_volumes += u64::from(!is_measured);
            }
            None => self.unknown_volumes += 1,
        }
    }
}

/// Count, sum and sum of squares: what a coefficient of variation needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) sum: u64,
    pub(super) squares: u128,
    /// Set points of the shots that had one, and how far those shots were off, with its sign.
    pub(super) set_sum: u64,
    pub(super) set_count: u64,
    pub(super) deviation: i64,
}

impl Spread {
    /// The most shots that are counted; what comes after says nothing new. With the largest volume
    /// of a shot, 10 ml, no product of the sums comes near the end of its type.
    const COUNT_MAX: u64 = 1 << 24;

    pub(super) fn add(&mut self, measured: u64, set: Option<u64>) {
        if self.count >= Spread::COUNT_MAX {
            return;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(measured);
        self.squares = self
            .squares
            .saturating_add(u128::from(measured) * u128::from(measured));
        if let Some(set) = set {
            self.set_count += 1;
            self.set_sum = self.set_sum.saturating_add(set);
            let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
            self.deviation = self
                .deviation
                .saturating_add(signed(measured))
                .saturating_sub(signed(set));
        }
    }
}

/// What is asked of every shot before it is folded in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded {
    pub(super) points: u64,
    /// nl, and whether it was measured.
    pub(super) volume: Option<(u64, bool)>,
}

/// One component of a syringe.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// In lower case.
    pub(super) name: String,
    pub(super) concentration: Option<Concentration>,
}

/// How much of one drug the session has had; kept for drugs with limits only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DoseSum {
    /// The drug's own name.
    pub(super) name: String,
    /// Billionths of its unit.
    pub(super) nano: i64,
    /// Some of it is not known.
    pub(super) unknown: Option<NotCheckable>,
}

/// A stretch of a session with one gun, zone, technique, syringe, needle and operator.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// `None` for the shots of the session that name no segment.
    pub(super) id: Option<SegmentId>,
    pub(super) protocol: Option<ProtocolId>,
    pub(super) compiled: Option<Arc<Compiled>>,
    pub(super) zone: Option<usize>,
    pub(super) technique: Option<Technique>,
    pub(super) is_manual: bool,
    pub(super) course_phase: Option<u8>,
    pub(super) needle_count: u64,
    pub(super) needle_length_um: Option<i64>,
    pub(super) needle_gauge: Option<i64>,
    pub(super) contents: Vec<Content>,
    pub(super) ready_made: Option<bool>,
    pub(super) loaded_nl: Option<u64>,
    pub(super) dead_nl: u64,
    pub(super) facts: SegmentFacts,
    /// What of each drug of the protocol one ml holds, by its place there, and where the session
    /// sums it up.
    pub(super) holds: Vec<(Held, usize)>,
    /// Breaches that hold for every shot of the segment.
    pub(super) standing: Vec<Finding>,
    pub(super) facts_digest: [u8; 32],
    pub(super) sums: Sums,
    pub(super) volume: Spread,
    pub(super) depth: Spread,
    /// Shots of any purpose: what the needle has fired.
    pub(super) needle_shots: u64,
    pub(super) primes: u64,
    pub(super) dry: u64,
    /// Shots that delivered product although the technique is dry.
    pub(super) wet: u64,
    pub(super) vacuum: u64,
    pub(super) blocked: u64,
    pub(super) manual_nl: u64,
    pub(super) manual_points: u64,
}

/// Whether a syringe holds a drug of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held {
    Not,
    /// Thousandths of the drug's unit per ml.
    Milli(i64),
    /// It does, nobody knows how much.
    Unknown,
}

impl Segment {
    pub(super) fn blank() -> Segment {
        Segment {
            id: None,
            protocol: None,
            compiled: None,
            zone: None,
            technique: None,
            is_manual: false,
            course_phase: None,
            needle_count: 1,
            needle_length_um: None,
            needle_gauge: None,
            contents: Vec::new(),
            ready_made: None,
            loaded_nl: None,
            dead_nl: 0,
            facts: SegmentFacts::default(),
            holds: Vec::new(),
            standing: Vec::new(),
            facts_digest: [0; 32],
            sums: Sums::default(),
            volume: Spread::default(),
            depth: Spread::default(),
            needle_shots: 0,
            primes: 0,
            dry: 0,
            wet: 0,
            vacuum: 0,
            blocked: 0,
            manual_nl: 0,
            manual_points: 0,
        }
    }

    pub(super) fn of(opened: &SegmentOpened, zone: usize) -> Segment {
        let contents = opened.syringe.components.iter().map(|component| Content {
            name: component.name.trim().to_lowercase(),
            concentration: Concentration::parse(&component.concentration),
        });
        Segment {
            id: Some(opened.segment),
            protocol: Some(opened.protocol.clone()),
            zone: Some(zone),
            technique: Some(opened.technique),
            is_manual: opened.delivery == Delivery::ManualSyringe,
            course_phase: opened.course_phase,
            needle_count: u64::from(opened.needle.count.max(1)),
            needle_length_um: Some(opened.needle.length.get().into()),
            needle_gauge: Some(opened.needle.gauge.into()),
            contents: contents.collect(),
            ready_made: Some(opened.syringe.ready_made),
            loaded_nl: Some(opened.syringe.loaded.get()),
            dead_nl: opened.syringe.dead_volume.get(),
            ..Segment::blank()
        }
    }

    /// Takes over what an amendment of the segment can correct; nothing else of it ever changes.
    pub(super) const fn correct(&mut self, opened: &SegmentOpened) {
        self.loaded_nl = Some(opened.syringe.loaded.get());
        self.dead_nl = opened.syringe.dead_volume.get();
    }

    /// Everything that went into the patient from its syringe, as far as it is known.
    pub(super) const fn given_nl(&self) -> u64 {
        self.sums.volume_nl.saturating_add(self.manual_nl)
    }

    /// Whether a hand injected here and nobody said how much.
    pub(super) const fn lacks_manual(&self) -> bool {
        self.is_manual && self.facts.manual.is_none()
    }

    pub(super) fn forget_shots(&mut self) {
        self.sums = Sums::default();
        self.volume = Spread::default();
        self.depth = Spread::default();
        self.needle_shots = 0;
        self.primes = 0;
        self.dry = 0;
        self.wet = 0;
        self.vacuum = 0;
        self.blocked = 0;
    }

    pub(super) fn fold(&mut self, shot: &Shot, folded: &Folded) {
        self.sums.add(folded);
        let has = |flag: ShotFlags| shot.flags.contains(flag);
        let is_dry = has(ShotFlags::DRY);
        self.dry += u64::from(is_dry);
        self.vacuum += u64::from(has(ShotFlags::VACUUM_OUT_OF_WINDOW));
        self.blocked += u64::from(has(ShotFlags::NEEDLE_BLOCKED));
        let delivers = folded.volume.is_some_and(|(nl, _)| nl > 0);
        self.wet += u64::from(delivers && self.technique == Some(Technique::Dry));
        // A shot that delivers nothing on purpose or by failure says nothing of evenness.
        if is_dry || has(ShotFlags::FAILED_INJECTION) {
            return;
        }
        if let Some(actual) = shot.volume.actual_value() {
            self.volume
                .add(actual.get(), shot.volume.set.map(|set| set.get()));
        }
        if let Some(actual) = shot.needle_depth.actual_value() {
            let set = shot.needle_depth.set.map(|set| set.get().into());
            self.depth.add(actual.get().into(), set);
        }
    }
}
