//! The limit engine.
//!
//! # What is judged
//!
//! Only patient shots: a prime goes into a cup, so its depth and volume say nothing about a
//! patient, and a judgement of any other purpose has no findings. For a patient shot each
//! [`Rule`] gives at most one finding, the worst:
//!
//! | rule | value | limits |
//! |---|---|---|
//! | needle depth | what the gun did, else its set point | the protocol's; hard above 10 mm in any case |
//! | volume per trigger | what the gun did, else its set point | the protocol's per point × working needles |
//! | shot rate | interval since the last trigger on the gun's clock | the protocol's; hard above 9 a second in any case |
//! | session volume | sum up to and with this shot | the protocol's |
//! | failed injections | in a row for this gun, with this shot | the protocol's |
//!
//! A rule that lacks a fact is [`Severity::NotCheckable`] and never passes as good, unless what is
//! known breaks a limit already.

mod rules;
mod sessions;

use std::sync::Arc;

use meso_domain::canonical::Encoder;
use meso_domain::{
    Finding, Judgement, NotCheckable, Purpose, Rule, SessionEvent, Severity, Shot, ShotFlags,
};
use meso_units::SessionId;
use sha2::{Digest, Sha256};

use crate::totals::volume_of;
use crate::{Library, Protocol, Totals};
use rules::Measured;
use sessions::{Place, Sessions};

/// The version of the rules in this engine; any change of a verdict for equal facts raises it.
pub const ENGINE_VERSION: u16 = 1;

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
/// Equal calls in equal order give equal judgements. The caller hands it every shot once.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    library: Option<Arc<Library>>,
    sessions: Sessions,
}

impl Judge {
    /// The most sessions that are remembered. Beyond it the session that ended first is forgotten,
    /// or, where none has ended, the one that began first; a late shot of a forgotten session
    /// answers "not checkable". 4096 are a week of a clinic group with 70 rooms.
    pub const SESSION_COUNT_MAX: usize = 4_096;
    /// The most segments of one session that are remembered; of more the oldest is forgotten and
    /// its shots are judged by the session's protocol.
    pub const SEGMENT_COUNT_MAX: usize = 256;

    /// An engine under this release, or under the general limits alone.
    pub fn new(library: Option<Arc<Library>>) -> Judge {
        Judge {
            library,
            sessions: Sessions::default(),
        }
    }

    /// Brings another release into force, for the shots from now on.
    pub fn set_library(&mut self, library: Option<Arc<Library>>) {
        self.library = library;
    }

    /// The release in force.
    pub fn library(&self) -> Option<&Arc<Library>> {
        self.library.as_ref()
    }

    /// Learns which protocol a session and its segments follow. The same event again changes
    /// nothing.
    pub fn session_event(&mut self, event: &SessionEvent) {
        self.sessions.learn(event);
    }

    /// Folds a shot into its session's totals and judges it.
    ///
    /// The session may be left out where the shot's segment is known from a
    /// [`Judge::session_event`].
    pub fn judge(&mut self, shot: &Shot, session: Option<SessionId>) -> Judgement {
        let place = self.sessions.place(shot, session);
        let totals = self.fold(shot, &place);
        let findings = self.findings(shot, &place, totals.as_ref());
        Judgement {
            library: self.library.as_ref().map(|library| library.version()),
            engine: ENGINE_VERSION,
            facts_digest: facts_digest(shot, &place, totals.as_ref()),
            findings,
        }
    }

    /// Folds a shot into its session's totals without judging it: to rebuild after a restart.
    pub fn observe(&mut self, shot: &Shot, session: Option<SessionId>) {
        let place = self.sessions.place(shot, session);
        self.fold(shot, &place);
    }

    /// The totals of a session; `None` for one that is not remembered.
    pub fn totals(&self, session: SessionId) -> Option<&Totals> {
        self.sessions.totals(session)
    }

    /// Sets the totals of a session: to rebuild after a restart.
    pub fn restore(&mut self, session: SessionId, totals: Totals) {
        *self.sessions.totals_mut(session) = totals;
    }

    /// Forgets a session that is sealed: no shot of it will come any more.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.forget(session);
    }

    /// The totals after the shot; `None` where no session is known for it.
    fn fold(&mut self, shot: &Shot, place: &Place) -> Option<Totals> {
        let totals = self.sessions.totals_mut(place.session?);
        totals.fold(shot);
        Some(totals.clone())
    }

    fn findings(&self, shot: &Shot, place: &Place, totals: Option<&Totals>) -> Vec<Finding> {
        if shot.purpose != Purpose::Patient {
            return Vec::new();
        }
        let protocol = self.protocol(shot, place);
        let measured = Measured {
            shot,
            points: place.points,
            totals,
        };
        // In the order of the rules' codes, as the judgement promises.
        Rule::ALL
            .iter()
            .filter_map(|rule| measured.judge(*rule, protocol))
            .collect()
    }

    fn protocol(&self, shot: &Shot, place: &Place) -> Result<&Protocol, NotCheckable> {
        if place.session.is_none() && shot.segment.is_none() {
            return Err(NotCheckable::NoSession);
        }
        let id = place
            .protocol
            .as_ref()
            .ok_or(NotCheckable::ProtocolUnknown)?;
        self.library
            .as_ref()
            .and_then(|library| library.protocol(id))
            .ok_or(NotCheckable::ProtocolUnknown)
    }
}

/// SHA-256 over everything that the verdict depends on but library and engine.
fn facts_digest(shot: &Shot, place: &Place, totals: Option<&Totals>) -> [u8; 32] {
    let mut facts = Encoder::default();
    facts.text("mesofleet/facts/v1");
    facts.text(shot.identity.gun.as_str());
    facts.u64(shot.identity.epoch.get());
    facts.u32(shot.identity.counter.get());
    facts.u8(shot.purpose.code());
    facts.u16(shot.flags.bits());
    facts.option(shot.needle_depth.set.as_ref(), |e, v| e.u32(v.get()));
    facts.option(shot.needle_depth.actual_value().as_ref(), |e, v| {
        e.u32(v.get())
    });
    facts.option(shot.volume.set.as_ref(), |e, v| e.u64(v.get()));
    facts.option(shot.volume.actual_value().as_ref(), |e, v| e.u64(v.get()));
    facts.option(shot.interval.as_ref(), |e, v| e.u64(v.get()));
    facts.u64(place.points);
    facts.u8(u8::from(shot.segment.is_some()));
    facts.option(place.session.as_ref(), |e, v| e.fixed(v.as_bytes()));
    facts.option(place.protocol.as_ref(), |e, v| e.text(v.as_str()));
    facts.option(totals, |e, totals| {
        e.u64(totals.volume_nl);
        e.u64(totals.unknown_volume_count);
        e.u32(totals.failed_in_a_row(&shot.identity.gun));
        e.u8(u8::from(totals.history_missing));
    });
    Sha256::digest(facts.into_bytes()).into()
}

/// A rule that could not be judged.
const fn not_checkable(rule: Rule, reason: NotCheckable) -> Finding {
    Finding {
        rule,
        severity: Severity::NotCheckable,
        bound: None,
        value: 0,
        limit: 0,
        reason: Some(reason),
    }
}

/// Whether the shot is one that delivers nothing, so that a minimum volume says nothing of it.
const fn delivers_nothing(shot: &Shot) -> bool {
    shot.flags.contains(ShotFlags::FAILED_INJECTION) || shot.flags.contains(ShotFlags::DRY)
}

/// The volume in nl and whether it was measured rather than set.
fn volume_and_source(shot: &Shot) -> Option<(i64, bool)> {
    let volume = volume_of(shot)?;
    Some((
        i64::try_from(volume.get()).ok()?,
        shot.volume.actual.is_some(),
    ))
}

#[cfg(test)]
mod tests;
