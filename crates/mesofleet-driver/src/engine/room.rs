//! What the people in the room do.

use std::sync::Arc;

use jiff::Timestamp as Moment;
use meso_contract::CourseBody;
use meso_contract::room::{PatientBody, QuestionnaireBody, RoomStepBody, StepTakenBody};
use meso_delivery::Haste;
use meso_domain::canonical::Canonical as _;
use meso_domain::{AskCause, Delivery, GunPosition, Record, Said, SessionEvent, Stream};
use meso_journal::NewRecord;
use meso_limits::SignerList;
use meso_room::{StepContext, StepFailure, answers_of, questionnaire, to_step};
use meso_sessions::Step;
use meso_units::{
    LibraryVersion, PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter,
};

use super::{Engine, Work};
use crate::library::{self, Checked, ReleaseRefused};
use crate::machine::Now;

/// Under this name the journal keeps the release in force, as it came.
pub(super) const LIBRARY_VALUE: &str = "library";

/// What the two clocks of a computer may differ by between two looks without one being set: 1 s.
const CLOCK_STEP_NS: i64 = 1_000_000_000;

/// Random bytes for what a step may make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    /// For a new session and a new segment.
    pub(crate) ids: [[u8; 16]; 2],
    /// For answers, and for age and weight.
    pub(crate) salts: [[u8; 32]; 2],
}

/// A step that may be taken: first write, then apply, then answer.
#[derive(Debug)]
pub(crate) struct StepTaken {
    pub(crate) work: Work,
    pub(crate) events: Vec<SessionEvent>,
    pub(crate) answer: StepTakenBody,
}

impl Engine {
    /// Decides on a step, with random bytes for what it may make.
    ///
    /// # Errors
    ///
    /// [`StepFailure`] naming what is wrong or missing; nothing has changed then.
    pub(crate) fn take_step(
        &self,
        now: Now,
        body: &RoomStepBody,
        drawn: Drawn,
    ) -> Result<StepTaken, StepFailure> {
        let context = StepContext {
            new_session: SessionId::from_bytes(drawn.ids[0]),
            new_segment: SegmentId::from_bytes(drawn.ids[1]),
            salts: drawn.salts,
            now: now.utc,
            judge: Some(&self.judge),
            clinic: &self.config.clinic_id,
            room: &self.config.driver_id,
            time_zone: self.config.time_zone.as_str(),
            utc_offset_s: self.utc_offset_s(now),
            library: self.judge.library().map(Arc::as_ref),
            positions: self.positions(),
        };
        let answers = answers_of(body, &context)?;
        let step = to_step(body, context)?;
        let mut answer = answer_of(&step);
        let handed_over = match &step {
            Step::HandOver(step) => Some((step.session, step.delivery.clone())),
            _ => None,
        };
        let mut events = self.sessions.decide(now.utc, step)?;
        if let Some((session, delivery)) = handed_over.filter(|_| events.is_empty()) {
            answer.segment = self.segment_of(session, &delivery);
        }
        self.add_course(&mut events);
        answer.records = events
            .iter()
            .map(|event| event.record_hash().to_string())
            .collect();
        let mut work = session_work(&events);
        self.keep_treated(&events, &mut work);
        self.keep_claimed(&events, &mut work);
        if let Some(answers) = answers {
            let patient = self.patient_of(&events);
            self.keep_screening(&answers, patient, &mut work)?;
        }
        Ok(StepTaken {
            work,
            events,
            answer,
        })
    }

    /// The segment that a gun, or the hand, works in, for who repeats a hand-over.
    fn segment_of(&self, session: SessionId, delivery: &Delivery) -> Option<String> {
        let mut open = self.sessions.open_sessions();
        let open = open.find(|open| open.opened().session == session)?;
        open.present_segment(delivery)
            .map(|segment| segment.to_string())
    }

    /// Ends the sessions that nobody ended, and asks whether it is still the same patient where that
    /// is in doubt; `None` where there are none.
    ///
    /// A clock that is set makes no session idle: the time that passed is that of the other clock.
    pub(crate) fn take_idle(&mut self, now: Now) -> Option<(Work, Vec<SessionEvent>)> {
        if let Some(before) = self.idle_looked_at.replace(now) {
            let passed_ms = now.monotonic_ms.saturating_sub(before.monotonic_ms);
            let passed_ns = i64::try_from(passed_ms.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
            let step_ns = now.utc.since_ns(before.utc).saturating_sub(passed_ns);
            if step_ns.abs() > CLOCK_STEP_NS {
                self.sessions.clock_stepped(step_ns);
            }
        }
        let mut events = self.sessions.idle(now.utc, &self.positions());
        for gun in std::mem::take(&mut self.unplugged) {
            let asked = self.sessions.ask(now.utc, &gun, AskCause::Unplugged);
            let is_new = |asked: &SessionEvent| {
                let mut others = events.iter();
                others.all(|event| event.session() != asked.session())
            };
            let asked = asked.filter(is_new);
            events.extend(asked);
        }
        if events.is_empty() {
            return None;
        }
        let mut work = session_work(&events);
        self.keep_treated(&events, &mut work);
        Some((work, events))
    }

    /// Takes over events that are on the disk.
    pub(crate) fn apply_events(&mut self, events: &[SessionEvent]) {
        self.note_treated(events);
        for event in events {
            if let Err(refusal) = self.sessions.apply(event) {
                tracing::warn!(session = %event.session(), %refusal, "a session event has no beginning");
            }
            self.judge.session_event(event);
            self.note_statement(event);
            if let SessionEvent::Ended(ended) = event {
                self.note_away(&ended.last_counters);
            }
        }
    }

    /// What follows from a statement beside the sessions.
    fn note_statement(&mut self, event: &SessionEvent) {
        let SessionEvent::Stated(statement) = event else {
            return;
        };
        match &statement.said {
            Said::Screening(screening) => {
                let mut recent = self.sessions.recent();
                let known = recent.find(|it| it.opened.session == statement.session);
                let patient = known.map(|it| it.opened.patient);
                self.screenings.note(screening, patient);
            }
            Said::Amended(amendment) => {
                let (session, original) = (statement.session, amendment.original);
                if let Some(corrected) = self.sessions.corrected(session, original) {
                    self.judge.session_event(&corrected);
                }
            }
            // The room reads no shots back; the server counts them in.
            Said::Claim(claim) => {
                self.judge.set_history_missing(statement.session);
                self.note_claimed(claim);
            }
            _ => {}
        }
    }

    /// Whom events are about that a step makes.
    fn patient_of(&self, events: &[SessionEvent]) -> Option<PatientCommitment> {
        let first = events.first()?;
        if let SessionEvent::Opened(opened) = first {
            return Some(opened.patient);
        }
        let mut open = self.sessions.open_sessions();
        let open = open.find(|open| open.opened().session == first.session())?;
        Some(open.opened().patient)
    }

    /// What the room knows of a patient, and of the course so far under a protocol.
    pub(crate) fn patient(
        &self,
        patient: PatientCommitment,
        protocol: Option<&ProtocolId>,
    ) -> PatientBody {
        let course = protocol.and_then(|protocol| self.course_so_far(patient, protocol));
        PatientBody {
            patient: patient.to_string(),
            screening_digest: self.screenings.of(&self.ids_of(&patient)).map(hex::encode),
            course: course.as_ref().map(CourseBody::from),
        }
    }

    /// What is to be asked before a session.
    pub(crate) fn questionnaire(&self) -> QuestionnaireBody {
        questionnaire(self.judge.library().map(Arc::as_ref))
    }

    /// Guns that were not here when a session ended: when they come back, that is written down, so
    /// that whoever waits for their last shots knows how many there are.
    fn note_away(&mut self, positions: &[GunPosition]) {
        for position in positions.iter().filter(|position| position.is_away) {
            self.gun(&position.gun).has_custody = false;
        }
    }

    /// Checks a release that the server published, or that the journal kept.
    ///
    /// # Errors
    ///
    /// [`ReleaseRefused`] saying why it does not come into force.
    pub(crate) fn check_release(
        &self,
        payload: &[u8],
        signers: Option<&SignerList>,
    ) -> Result<Checked, ReleaseRefused> {
        library::check(
            payload,
            signers,
            self.judge.library(),
            self.signer_list_version,
        )
    }

    /// What is to be written before a release comes into force.
    pub(crate) fn release_work(payload: Vec<u8>) -> Work {
        let mut work = Work::default();
        work.batch.values.push((LIBRARY_VALUE.to_owned(), payload));
        work
    }

    /// Brings a release into force.
    pub(crate) fn set_library(&mut self, checked: Checked) {
        let Checked {
            library,
            signer_list,
        } = checked;
        tracing::info!(version = %library.version(), signer_list, "protocol library in force");
        self.signer_list_version = signer_list;
        self.judge.set_library(Some(Arc::new(library)));
    }

    /// Whether a release is the one in force, under the same signer list.
    pub(crate) fn has_in_force(&self, checked: &Checked) -> bool {
        self.library_version() == Some(checked.library.version())
            && self.signer_list_version == checked.signer_list
    }

    /// The release in force.
    pub(crate) fn library_version(&self) -> Option<LibraryVersion> {
        self.judge.library().map(|library| library.version())
    }

    fn positions(&self) -> Vec<GunPosition> {
        let positions = self.guns.iter().filter_map(|(serial, gun)| {
            let epoch = gun.epoch?;
            let held = gun.held.get(&epoch).map_or(0, |held| held.get());
            Some(GunPosition {
                gun: serial.clone(),
                epoch,
                // What it has said of itself and nobody has read yet belongs to the session, too.
                counter: ShotCounter(held.max(gun.newest_counter)),
                is_away: !gun.is_attached,
            })
        });
        positions.collect()
    }

    fn utc_offset_s(&self, now: Now) -> i32 {
        let moment = Moment::from_nanosecond(now.utc.unix_ns().into());
        moment.map_or(0, |moment| self.time_zone.to_offset(moment).seconds())
    }
}

fn answer_of(step: &Step) -> StepTakenBody {
    let (session, segment) = match step {
        Step::Open(open) => (open.session, None),
        Step::Segment(segment) => (segment.session, Some(segment.segment)),
        Step::HandOver(step) => (step.session, Some(step.segment)),
        Step::Pause { session, .. } | Step::Resume { session } => (*session, None),
        Step::Say(step) => (step.session, None),
        Step::Amend(step) => (step.session, None),
        Step::SamePatient(step) => (step.session, None),
        Step::End(end) => (end.session, None),
    };
    StepTakenBody {
        session: session.to_string(),
        segment: segment.map(|segment| segment.to_string()),
        records: Vec::new(),
    }
}

pub(super) fn session_work(events: &[SessionEvent]) -> Work {
    let mut work = Work::default();
    for event in events {
        let record = NewRecord {
            stream: Stream::Room,
            record: Record::Session(event.clone()),
            judgement: None,
            session: Some(event.session()),
        };
        work.push(record, None, Haste::AtOnce);
    }
    work
}
