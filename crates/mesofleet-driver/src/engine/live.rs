//! The room as its page shows it: the last shot of each gun against the limits in force, and what
//! open sessions amount to.

mod gauges;
mod history;

use std::collections::BTreeSet;

use meso_contract::room::{
    LiveBody, LiveGunBody, LiveSegmentBody, LiveSessionBody, LiveShotBody, RoomLibraryBody,
    RoomPhaseBody, RoomProtocolBody,
};
use meso_domain::{Delivery, Judgement, Said, SegmentOpened, Severity, Shot};
use meso_limits::{Library, Phase, Protocol, describe};
use meso_sessions::OpenSession;
use meso_units::{GunSerial, SessionId};

use super::gun::Gun;
use super::{Engine, Lane};
use crate::machine::Now;

/// The last shot of a gun since the start, and what was found of it.
#[derive(Debug)]
pub(super) struct LastShot {
    pub(super) shot: Shot,
    pub(super) judgement: Judgement,
}

impl Engine {
    /// The room as it stands.
    pub(crate) fn live(&self, now: Now, broker_connected: bool) -> LiveBody {
        let mut room = self.room_state(now, broker_connected);
        let bodies = std::mem::take(&mut room.guns);
        let guns = self.guns.iter().zip(bodies);
        let guns = guns.map(|((serial, gun), body)| LiveGunBody {
            gun: body,
            ..self.live_gun(serial, gun)
        });
        LiveBody {
            at_ms: now.utc.unix_ms(),
            room,
            clinic: self.config.clinic_id.to_string(),
            driver: self.config.driver_id.to_string(),
            single_signer: self.config.library.signatures_needed == 1,
            demo_library: self.judge.library().map(|library| library.demo()),
            waiting_record_count: self.lanes.values().map(Lane::backlog).sum(),
            guns: guns.collect(),
            sessions: self
                .sessions
                .open_sessions()
                .map(|open| self.live_session(open))
                .collect(),
        }
    }

    /// What may be chosen in the room.
    pub(crate) fn library_body(&self) -> RoomLibraryBody {
        let library = self.judge.library();
        RoomLibraryBody {
            version: library.map(|library| library.version().get()),
            protocols: library.map_or_else(Vec::new, |library| {
                let protocols = library.protocols().iter();
                protocols.map(|it| protocol_body(library, it)).collect()
            }),
        }
    }

    fn live_gun(&self, serial: &GunSerial, gun: &Gun) -> LiveGunBody {
        let session = self.sessions.session_of(serial);
        let last = gun.last_shot.as_deref();
        LiveGunBody {
            model: gun.model.clone(),
            can_be_stopped: gun.can_inhibit,
            session: session.map(|session| session.to_string()),
            last_shot: last.map(last_shot_body),
            gauges: gauges::of_gun(self.protocol_of(session), last),
            strays: gun.strays.bodies(),
            ..LiveGunBody::default()
        }
    }

    fn protocol_of(&self, session: Option<SessionId>) -> Option<&Protocol> {
        let mut open = self.sessions.open_sessions();
        let open = open.find(|open| Some(open.opened().session) == session)?;
        self.judge.library()?.protocol(&open.opened().protocol)
    }

    fn live_session(&self, open: &OpenSession) -> LiveSessionBody {
        let opened = open.opened();
        let protocol = self.protocol_of(Some(opened.session));
        let verdict = self.judge.verdict(opened.session);
        let zones = self.judge.zone_sums(opened.session);
        let rules = verdict.iter().flat_map(|verdict| &verdict.rules);
        LiveSessionBody {
            session: opened.session.to_string(),
            protocol: opened.protocol.to_string(),
            title: protocol.map_or_else(|| opened.protocol.to_string(), |it| it.title.clone()),
            operator: opened.operator.to_string(),
            opened_at_ms: opened.at.unix_ms(),
            paused: open.paused(),
            demo: opened.demo,
            segments: newest_segments(open.segments()),
            segment_count: u64::try_from(open.segments().len()).unwrap_or(u64::MAX),
            patient_shot_count: verdict.as_ref().map_or(0, |it| it.patient_shot_count),
            volume_nl: verdict.as_ref().map_or(0, |it| it.volume_nl),
            unknown_volume_count: verdict.as_ref().map_or(0, |it| it.unknown_volume_count),
            sums: protocol
                .zip(verdict.as_ref())
                .map_or_else(Vec::new, |(it, verdict)| gauges::sums(it, verdict, &zones)),
            findings: rules
                .filter_map(|rule| rule.worst)
                .map(|finding| describe(&finding))
                .collect(),
            overridden: overridden(open),
        }
    }
}

/// The rules beyond whose soft limit a person has chosen to go on, each once.
fn overridden(open: &OpenSession) -> Vec<String> {
    let rules = open.statements().iter().filter_map(|one| match &one.said {
        Said::Override(limit) => Some(limit.finding.rule.to_string()),
        _ => None,
    });
    let rules: BTreeSet<String> = rules.collect();
    rules.into_iter().collect()
}

fn last_shot_body(last: &LastShot) -> LiveShotBody {
    let LastShot { shot, judgement } = last;
    let verdict = match judgement.worst() {
        None => "none",
        Some(Severity::NotCheckable) => "not checkable",
        Some(Severity::Soft) => "soft",
        Some(Severity::Hard) => "hard",
    };
    LiveShotBody {
        counter: shot.identity.counter.get(),
        at_ms: shot.at.unix_ms(),
        purpose: shot.purpose.to_string(),
        verdict: verdict.to_owned(),
        findings: judgement.findings.iter().map(describe).collect(),
    }
}

/// The newest segment of each gun and of the manual syringe, the newest first.
fn newest_segments(segments: &[SegmentOpened]) -> Vec<LiveSegmentBody> {
    let mut newest: Vec<&SegmentOpened> = Vec::new();
    for segment in segments.iter().rev() {
        if newest.iter().all(|it| it.delivery != segment.delivery) {
            newest.push(segment);
        }
    }
    newest.into_iter().map(segment_body).collect()
}

pub(super) fn segment_body(segment: &SegmentOpened) -> LiveSegmentBody {
    let components = segment.syringe.components.iter();
    LiveSegmentBody {
        segment: segment.segment.to_string(),
        gun: match &segment.delivery {
            Delivery::Gun(serial) => Some(serial.to_string()),
            Delivery::ManualSyringe => None,
        },
        zone: segment.zone.clone(),
        technique: segment.technique.to_string(),
        operator: segment.operator.to_string(),
        components: components
            .map(|it| format!("{} {}, lot {}", it.name, it.concentration, it.lot))
            .collect(),
        course_phase: segment.course_phase,
    }
}

fn protocol_body(library: &Library, protocol: &Protocol) -> RoomProtocolBody {
    let course = library.course_of(protocol);
    let techniques = protocol.techniques.iter();
    RoomProtocolBody {
        id: protocol.id.to_string(),
        title: protocol.title.clone(),
        indication: protocol.indication.clone(),
        zones: protocol.zones.clone(),
        techniques: techniques.map(ToString::to_string).collect(),
        notes: protocol.notes.clone(),
        phases: course.map_or_else(Vec::new, |pack| {
            pack.phases.iter().map(phase_body).collect()
        }),
    }
}

fn phase_body(phase: &Phase) -> RoomPhaseBody {
    let (sessions, interval) = (&phase.sessions, &phase.interval);
    RoomPhaseBody {
        goal: phase.goal.clone(),
        session_count_min: sessions.soft_min.or(sessions.hard_min),
        session_count_max: sessions.soft_max.or(sessions.hard_max),
        interval_min_days: interval.soft_min.or(interval.hard_min),
        interval_max_days: interval.soft_max.or(interval.hard_max),
        cocktail: phase.cocktail.clone(),
    }
}
