//! What the room knows of its patients' earlier sessions, and what follows for those that are open.
//!
//! The server tells lists of patients; the journal keeps them as they came, and beside them what
//! this room did itself, so that courses and intervals are judged with the network down.

use meso_contract::{PatientBody, PatientsMessage, PayloadError};
use meso_domain::canonical::Canonical as _;
use meso_domain::{CanonicalError, EarlierSession, Said, SessionEvent, SessionOpened, Statement};
use meso_journal::JournalError;
use meso_sessions::{Histories, PatientHistory, PatientList};
use meso_units::{PatientCommitment, ProtocolId, SessionId};

use super::room::session_work;
use super::{Engine, JournalContents, Work};
use crate::machine::Now;

/// Under this and a list's number the journal keeps the list.
const LIST_VALUES: &str = "patients/";

/// Under this and a place the journal keeps a session of this room.
const OWN_VALUES: &str = "treated/";

/// Under this name the journal keeps how many there were.
const OWN_COUNT_VALUE: &str = "treated_count";

/// What the engine knows of earlier sessions.
#[derive(Debug, Default)]
pub(super) struct Courses {
    histories: Histories,
    /// How many sessions of its own the room has kept.
    own_count: u64,
}

impl Engine {
    /// Takes a list of patients; gives what is to be written of it, which is nothing where it is
    /// known. What it changes is said of open sessions by [`Engine::take_courses`].
    ///
    /// # Errors
    ///
    /// [`PayloadError`] where it is none, or is another list than that of its topic.
    pub(crate) fn take_patients(
        &mut self,
        list: u8,
        message: &PatientsMessage,
        payload: Vec<u8>,
    ) -> Result<Work, PayloadError> {
        if message.list != list {
            return Err(PayloadError::UnknownWord {
                field: "list",
                value: message.list.to_string(),
            });
        }
        let mut work = Work::default();
        if self.courses.histories.tell(list, list_of(message)?) {
            work.keep(format!("{LIST_VALUES}{list}"), payload);
        }
        Ok(work)
    }

    /// How many lists the server has told.
    pub(super) fn patient_list_count(&self) -> u32 {
        u32::try_from(self.courses.histories.told_count()).unwrap_or(u32::MAX)
    }

    /// What the room knows by now of the courses of open sessions; `None` where that is nothing new.
    pub(crate) fn take_courses(&self, now: Now) -> Option<(Work, Vec<SessionEvent>)> {
        let open = self.sessions.open_sessions();
        let known = open.filter_map(|open| {
            let opened = open.opened();
            let course = self.course_of(opened)?;
            self.sessions.course_known(now.utc, opened.session, course)
        });
        let events: Vec<SessionEvent> = known.collect();
        (!events.is_empty()).then(|| (session_work(&events), events))
    }

    /// Adds to the events of a step that begins a session what the room knows of the course, unless
    /// a person has said it.
    pub(super) fn add_course(&self, events: &mut Vec<SessionEvent>) {
        let is_course = |event: &SessionEvent| match event {
            SessionEvent::Stated(statement) => matches!(statement.said, Said::Course(_)),
            _ => false,
        };
        let Some(SessionEvent::Opened(opened)) = events.first() else {
            return;
        };
        if events.iter().any(is_course) {
            return;
        }
        let course = self.course_of(opened).map(|course| Statement {
            session: opened.session,
            at: opened.at,
            by: None,
            said: Said::Course(course),
        });
        events.extend(course.map(|said| SessionEvent::Stated(Box::new(said))));
    }

    fn course_of(&self, opened: &SessionOpened) -> Option<meso_domain::CourseFacts> {
        let library = self.judge.library()?;
        let ids = self.all_ids_of(&opened.patient)?;
        let histories = &self.courses.histories;
        histories.course_of(opened, &ids, library, &self.treated_now())
    }

    /// The course of a patient so far, for who prepares a session; `None` where the room cannot know.
    pub(super) fn course_so_far(
        &self,
        patient: PatientCommitment,
        protocol: &ProtocolId,
    ) -> Option<meso_domain::CourseFacts> {
        let protocol = self.judge.library()?.protocol(protocol)?;
        let histories = &self.courses.histories;
        let ids = self.all_ids_of(&patient)?;
        histories.course_so_far(&ids, protocol, &self.treated_now())
    }

    /// What was done so far in the sessions that are open.
    fn treated_now(&self) -> Vec<(PatientCommitment, EarlierSession)> {
        let open = self.sessions.open_sessions().map(|open| open.opened());
        let also = open.filter_map(|other| {
            let earlier = self.judge.treated(other.session)?;
            Some((other.patient, earlier))
        });
        also.collect()
    }

    /// What of ended sessions the journal keeps with the events that end them.
    pub(super) fn keep_treated(&self, events: &[SessionEvent], work: &mut Work) {
        let mut count = self.courses.own_count;
        for (patient, earlier) in self.treated_by(events) {
            let place = count % Histories::OWN_COUNT_MAX as u64;
            let mut value = patient.as_bytes().to_vec();
            value.extend(earlier.canonical_bytes());
            work.keep(format!("{OWN_VALUES}{place:04}"), value);
            count += 1;
        }
        if count > self.courses.own_count {
            work.keep(OWN_COUNT_VALUE.to_owned(), count.to_le_bytes().to_vec());
        }
    }

    /// Notes sessions before these events end them.
    pub(super) fn note_treated(&mut self, events: &[SessionEvent]) {
        for (patient, earlier) in self.treated_by(events) {
            self.courses.histories.note(patient, earlier);
            self.courses.own_count += 1;
        }
    }

    fn treated_by(&self, events: &[SessionEvent]) -> Vec<(PatientCommitment, EarlierSession)> {
        let ended = events.iter().filter_map(|event| match event {
            SessionEvent::Ended(ended) => Some(ended.session),
            _ => None,
        });
        let treated = ended.filter_map(|session| {
            let patient = self.patient_of_open(session)?;
            Some((patient, self.judge.treated(session)?))
        });
        treated.collect()
    }

    fn patient_of_open(&self, session: SessionId) -> Option<PatientCommitment> {
        let mut open = self.sessions.open_sessions();
        let open = open.find(|open| open.opened().session == session)?;
        Some(open.opened().patient)
    }

    /// Takes over what the journal kept.
    pub(super) fn recover_courses(
        &mut self,
        journal: &impl JournalContents,
    ) -> Result<(), JournalError> {
        let histories = &mut self.courses.histories;
        for (list, payload) in journal.values_under(LIST_VALUES)? {
            let read = PatientsMessage::decode(&payload)
                .and_then(|message| Ok((message.list, list_of(&message)?)));
            match read {
                Ok((list, patients)) => {
                    histories.tell(list, patients);
                }
                Err(error) => tracing::warn!(list, %error, "a list of patients does not decode"),
            }
        }
        let mut own = Vec::new();
        for (place, value) in journal.values_under(OWN_VALUES)? {
            match own_of(&value) {
                Ok(treated) => own.push(treated),
                Err(error) => tracing::warn!(place, %error, "an earlier session does not decode"),
            }
        }
        own.sort_by_key(|(_, earlier)| (earlier.opened_at, earlier.session));
        for (patient, earlier) in own {
            histories.note(patient, earlier);
        }
        let count = journal.value(OWN_COUNT_VALUE)?;
        let count = count.and_then(|bytes| bytes.try_into().ok());
        self.courses.own_count = count.map_or(0, u64::from_le_bytes);
        Ok(())
    }
}

fn list_of(message: &PatientsMessage) -> Result<PatientList, PayloadError> {
    let history = |body: &PatientBody| -> Result<_, PayloadError> {
        let sessions = body.earlier()?.into_iter();
        let history = PatientHistory {
            sessions: sessions.map(|earlier| (earlier.session, earlier)).collect(),
            is_cut: body.is_cut,
        };
        Ok((body.commitment()?, history))
    };
    Ok(PatientList {
        patients: message
            .patients
            .iter()
            .map(history)
            .collect::<Result<_, _>>()?,
        is_cut: message.is_cut,
    })
}

fn own_of(value: &[u8]) -> Result<(PatientCommitment, EarlierSession), CanonicalError> {
    let (patient, earlier) = value
        .split_first_chunk()
        .ok_or(CanonicalError::Truncated { at: 0, wanted: 32 })?;
    let earlier = EarlierSession::from_canonical(earlier)?;
    Ok((PatientCommitment::from_bytes(*patient), earlier))
}
