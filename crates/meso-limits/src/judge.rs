//! The limit engine.
//!
//! # What is judged
//!
//! Only patient shots: a prime goes into a cup, so its depth and volume say nothing about a
//! patient, and a judgement of any other purpose has no findings. There are three kinds of rules.
//!
//! - **Of one shot** (needle depth, skin layer, volume per trigger, shot rate): the shot and its
//!   segment are all they need.
//! - **Of what adds up** (volumes, doses, counts, evenness, failures in a row, length): a shot is
//!   judged with what the session amounts to so far, with this shot.
//! - **Standing** (patient, course, operator, gun, material): they hold for a whole segment. A
//!   breach is a finding on each of its shots; that a fact is missing is said once, in the
//!   session's [`SessionVerdict`], which is never good while a rule is not checkable.
//!
//! A rule that lacks a fact is [`Severity::NotCheckable`](meso_domain::Severity) and never passes
//! as good, unless what is known breaks a limit already. A rule without limits in the protocol is
//! not judged, but for the two [`general`] limits, which always hold.
//!
//! # Order
//!
//! Sums are sums of a set: the order of shots changes nothing in a [`SessionVerdict`], and a shot
//! that comes twice counts once. The newest 128 counters of each gun may come in any order. An
//! older one that was not seen makes its session *stale*: its sums are lower bounds, and the
//! caller has it judged again from its store by [`Judge::judge_again`], which says what changed.

mod compiled;
mod digest;
mod even;
mod facts;
mod heard;
mod lane;
mod near;
mod reach;
mod rules;
mod segment;
mod session;
mod sessions;
mod standing;
mod tally;
mod treated;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use meso_domain::{Finding, Judgement, NotCheckable, Purpose, SessionEvent, Shot};
use meso_units::{ProtocolId, SegmentId, SessionId};

use crate::Library;
use compiled::{Compiled, compile};
pub use facts::{CourseHistory, Day, LotFact, ManualInjection, SegmentFacts, SessionFacts};
pub use lane::Arrival;
pub use near::{NEAR_PERCENT, Nearness, nearness, warning};
use rules::Measured;
use segment::{Held, Segment};
use session::Session;
use sessions::{Place, Sessions};
use standing::{Standing, breaches};
pub use verdict::{LateFinding, RuleVerdict, SessionVerdict, rules_of_protocol};

/// The version of the rules in this engine; any change of a verdict for equal facts raises it.
pub const ENGINE_VERSION: u16 = 2;

/// Shots from which a variation or a drift says something; of fewer it says nothing. A choice of
/// the house: ten shots are about a second of an automatic gun.
pub const EVEN_SHOT_COUNT_MIN: u64 = 10;

/// The limits that hold without any protocol: examples to be approved by a clinician.
pub mod general {
    /// The deepest needle, in µm: deeper than 10 mm is advised against for mesotherapy as such.
    pub const NEEDLE_DEPTH_MAX_UM: i64 = 10_000;
    /// The shortest time between two triggers, in µs: 9 a second, rounded down. It is the ceiling
    /// of the automatic guns, not a clinical figure.
    pub const INTERVAL_MIN_US: i64 = 111_111;
    /// How much shorter than its limit an interval may read, in µs, before it is a breach: a gun
    /// whose clock counts milliseconds reports 111 ms for exactly 9 a second. A breach of the
    /// general limit therefore begins at 110 110 µs, which is 9.08 a second.
    pub const INTERVAL_GRANULARITY_US: i64 = 1_000;
}

/// The limit engine with the sessions that it knows.
///
/// Equal calls in equal order give equal judgements, and the verdict on a session does not depend
/// on the order at all.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    library: Option<Arc<Library>>,
    compiled: BTreeMap<ProtocolId, Arc<Compiled>>,
    sessions: Sessions,
}

/// What the engine found about a shot, before it is made into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// The rules that did not simply pass, in the order of their codes.
    pub findings: Vec<Finding>,
    /// How the shot came.
    pub arrival: Arrival,
}

/// What a zone of a session amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZoneSum {
    /// The zone, in lower case.
    pub zone: String,
    /// Patient shots.
    pub shot_count: u64,
    /// Volume in nl, by guns and by hand, as far as it is known.
    pub volume_nl: u64,
}

impl Judge {
    /// The most sessions that are remembered. Beyond it the session that ended first is forgotten,
    /// or, where none has ended, the one that began first; a late shot of a forgotten session
    /// answers "not checkable". 16 384 are a week of a clinic group with 280 rooms, at most 64 MB.
    pub const SESSION_COUNT_MAX: usize = 16_384;
    /// The most segments of one session that are remembered; the shots of more are judged by the
    /// session's protocol.
    pub const SEGMENT_COUNT_MAX: usize = 256;
    /// The most epochs of guns in one session; shots of more make the session stale. A room has a
    /// handful of guns, and a gun begins an epoch when it loses its counter.
    pub const LANE_COUNT_MAX: usize = 64;

    /// An engine under this release, or under the general limits alone.
    pub fn new(library: Option<Arc<Library>>) -> Judge {
        Judge {
            compiled: compile(library.as_deref()),
            library,
            sessions: Sessions::default(),
        }
    }

    /// Brings another release into force, for the shots from now on.
    pub fn set_library(&mut self, library: Option<Arc<Library>>) {
        self.compiled = compile(library.as_deref());
        self.library = library;
        for session in self.sessions.all_mut() {
            prepare(session, &self.compiled);
        }
    }

    /// The release in force.
    pub fn library(&self) -> Option<&Arc<Library>> {
        self.library.as_ref()
    }

    /// Learns which protocol a session and its segments follow, and what is in syringe and needle.
    /// The same event again changes nothing; a corrected one takes the place of its original. What
    /// can be said of a session long after it, such as an addendum, is no fact for any rule.
    pub fn session_event(&mut self, event: &SessionEvent) {
        if let SessionEvent::Stated(statement) = event
            && !heard::is_fact(&statement.said)
        {
            return;
        }
        let slot = self.sessions.learn(event);
        if let Some(session) = self.sessions.at_mut(slot) {
            prepare(session, &self.compiled);
        }
    }

    /// Says what is known of a session's patient and course; replaces what was said before.
    pub fn set_session_facts(&mut self, session: SessionId, facts: SessionFacts) {
        let slot = self.sessions.entry(session);
        if let Some(session) = self.sessions.at_mut(slot) {
            session.facts = facts;
            prepare(session, &self.compiled);
        }
    }

    /// Says what is known of a segment's operator, gun and material; replaces what was said
    /// before. `false` where no such segment is known, and nothing was taken over then.
    pub fn set_segment_facts(&mut self, segment: SegmentId, facts: SegmentFacts) -> bool {
        let Some(place) = self.sessions.segment(segment) else {
            return false;
        };
        let Some(session) = self.sessions.at_mut(place.slot) else {
            return false;
        };
        session.segments[place.segment].facts = facts;
        prepare(session, &self.compiled);
        true
    }

    /// Says that older shots of a session are missing here, so that its sums are lower bounds.
    pub fn set_history_missing(&mut self, session: SessionId) {
        let slot = self.sessions.entry(session);
        if let Some(session) = self.sessions.at_mut(slot) {
            session.history_missing = true;
        }
    }

    /// Folds a shot into its session's sums and judges it.
    ///
    /// The session may be left out where the shot's segment is known from a
    /// [`Judge::session_event`].
    pub fn judge(&mut self, shot: &Shot, session: Option<SessionId>) -> Judgement {
        let place = self.sessions.place(shot, session);
        let Weighed { findings, .. } = self.weigh_at(shot, place, session.is_some());
        let known = place.and_then(|place| {
            let session = self.sessions.at(place.slot)?;
            Some((session, &session.segments[place.segment], place.segment))
        });
        let points = known.map_or_else(
            || shot.points(),
            |(session, _, segment)| session.folded(shot, segment).points,
        );
        let place = known.map(|(session, segment, _)| (session, segment));
        Judgement {
            library: self.library.as_ref().map(|library| library.version()),
            engine: ENGINE_VERSION,
            facts_digest: digest::of_shot(shot, points, place),
            findings,
        }
    }

    /// As [`Judge::judge`], without the digest that a record needs: for who only asks what is
    /// wrong.
    pub fn weigh(&mut self, shot: &Shot, session: Option<SessionId>) -> Weighed {
        let place = self.sessions.place(shot, session);
        self.weigh_at(shot, place, session.is_some())
    }

    fn weigh_at(&mut self, shot: &Shot, place: Option<Place>, has_session: bool) -> Weighed {
        let Some((session, place)) = place.and_then(|place| {
            let session = self.sessions.at_mut(place.slot)?;
            Some((session, place))
        }) else {
            let reason = match has_session || shot.segment.is_some() {
                true => NotCheckable::ProtocolUnknown,
                false => NotCheckable::NoSession,
            };
            let is_patient = shot.purpose == Purpose::Patient;
            let findings = is_patient.then(|| rules::in_general(shot, None, reason));
            return Weighed {
                findings: findings.unwrap_or_default(),
                arrival: Arrival::Unplaced,
            };
        };
        let arrival = session.fold(shot, place.segment);
        let findings = findings_of(shot, session, place.segment);
        if arrival == Arrival::New {
            findings.iter().for_each(|finding| session.note(finding));
        }
        Weighed { findings, arrival }
    }

    /// Folds a shot into its session's sums: to rebuild after a restart.
    pub fn observe(&mut self, shot: &Shot, session: Option<SessionId>) {
        self.weigh(shot, session);
    }

    /// The verdict on a session as far as its shots, events and facts have come; `None` for one
    /// that is not remembered.
    pub fn verdict(&self, session: SessionId) -> Option<SessionVerdict> {
        self.sessions.get(session).map(verdict::of)
    }

    /// What the zones of a session amount to so far, in the order in which they were begun; empty
    /// for a session that is not remembered.
    pub fn zone_sums(&self, session: SessionId) -> Vec<ZoneSum> {
        let zones = self.sessions.get(session).map(|session| &session.zones);
        let sum = |zone: &session::Zone| ZoneSum {
            zone: zone.name.clone(),
            shot_count: zone.sums.shots,
            volume_nl: zone.sums.volume_nl.saturating_add(zone.manual_nl),
        };
        zones.into_iter().flatten().map(sum).collect()
    }

    /// Sessions of which a shot came too late to be placed: each wants [`Judge::judge_again`].
    pub fn stale_sessions(&self) -> Vec<SessionId> {
        self.sessions.stale()
    }

    /// Judges a session again from all of its shots, in any order, and says what changed: the
    /// late findings. Events and facts stay.
    pub fn judge_again(&mut self, session: SessionId, mut shots: Vec<Shot>) -> Vec<LateFinding> {
        let Some(before) = self.verdict(session) else {
            return Vec::new();
        };
        let slot = self.sessions.entry(session);
        if let Some(known) = self.sessions.at_mut(slot) {
            known.forget_shots();
        }
        // Counters order the shots of a gun, so that none can come behind the window.
        shots.sort_by(|a, b| a.identity.cmp(&b.identity));
        for shot in &shots {
            self.observe(shot, Some(session));
        }
        let after = self.verdict(session);
        after.map_or_else(Vec::new, |after| verdict::changes(&before, &after))
    }

    /// Forgets a session that is sealed: no shot of it will come any more.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.forget(session);
    }
}

fn findings_of(shot: &Shot, session: &Session, segment: usize) -> Vec<Finding> {
    if shot.purpose != Purpose::Patient {
        return Vec::new();
    }
    let place = &session.segments[segment];
    let Some(compiled) = &place.compiled else {
        return rules::in_general(shot, Some(place), NotCheckable::ProtocolUnknown);
    };
    let measured = Measured {
        shot,
        points: session.folded(shot, segment).points,
        session,
        segment: place,
        compiled,
    };
    measured.findings()
}

/// Makes a session ready for its next shots, after its events, its facts or the library changed.
fn prepare(session: &mut Session, compiled: &BTreeMap<ProtocolId, Arc<Compiled>>) {
    for segment in &mut session.segments {
        let protocol = segment.protocol.as_ref();
        segment.compiled = protocol.and_then(|id| compiled.get(id)).cloned();
        segment.holds = holds(segment);
    }
    session.sum_manual();
    session.sum_doses();
    for at in 0..session.segments.len() {
        let segment = &session.segments[at];
        let standing = segment.compiled.as_ref().map(|compiled| {
            let standing = Standing {
                session,
                segment,
                compiled,
            };
            breaches(standing.findings())
        });
        let facts_digest = digest::of_segment(session, segment);
        let segment = &mut session.segments[at];
        segment.standing = standing.unwrap_or_default();
        segment.facts_digest = facts_digest;
    }
}

/// What of each drug of the protocol the syringe holds.
fn holds(segment: &Segment) -> Vec<(Held, usize)> {
    let Some(compiled) = &segment.compiled else {
        return Vec::new();
    };
    let drugs = compiled.drugs.iter().map(|drug| {
        let content = segment
            .contents
            .iter()
            .find(|content| drug.names.contains(&content.name));
        let held = match content.map(|content| content.concentration) {
            None => Held::Not,
            Some(Some(known)) if known.unit == drug.unit => Held::Milli(known.milli_per_ml),
            Some(_) => Held::Unknown,
        };
        // The place of its sum is found when the session sums up.
        (held, usize::MAX)
    });
    drugs.collect()
}

#[cfg(test)]
mod tests;
