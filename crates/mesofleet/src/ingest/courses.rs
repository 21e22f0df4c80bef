//! What was done to patients: kept for their later sessions, and told to the rooms of the clinic.

use std::collections::{BTreeMap, BTreeSet};

use meso_contract::{PatientBody, PatientsMessage};
use meso_domain::{EarlierSession, PATIENT_LIST_COUNT, SessionEvent, SessionOpened};
use meso_limits::Judge;
use meso_store::{StoreError, TreatedRow};
use meso_units::{ClinicId, PatientCommitment, SessionId, Timestamp};

use super::pipeline::Ingest;
use super::shot_store::ShotStore;
use super::steps::PatientsTold;

/// How long after some lists further ones are told, in ns: 5 s, in which nobody is treated in another
/// room.
const LISTS_EVERY_NS: i64 = 5_000_000_000;

/// Whom a session that is not sealed is about.
#[derive(Clone, Debug)]
pub(super) struct Treatment {
    clinic: ClinicId,
    patient: PatientCommitment,
    /// What was written of it last.
    known: Option<EarlierSession>,
}

impl Treatment {
    /// `None` for a demonstration, which has no patient.
    fn of(opened: &SessionOpened) -> Option<Treatment> {
        let treatment = Treatment {
            clinic: opened.clinic.clone(),
            patient: opened.patient,
            known: None,
        };
        (!opened.demo).then_some(treatment)
    }

    fn row(&self, earlier: EarlierSession) -> TreatedRow {
        TreatedRow {
            clinic: self.clinic.clone(),
            patient: self.patient,
            earlier,
        }
    }
}

/// What a session amounts to by an engine that knows all of it; for one that is sealed.
pub(super) fn treated_by(
    judge: &Judge,
    session: SessionId,
    events: &[SessionEvent],
) -> Option<TreatedRow> {
    let treatment = events.iter().find_map(|event| match event {
        SessionEvent::Opened(opened) => Treatment::of(opened),
        _ => None,
    });
    Some(treatment?.row(judge.treated(session)?))
}

impl<S: ShotStore> Ingest<S> {
    /// Learns whom a session is about.
    pub(super) fn note_patient(&mut self, event: &SessionEvent) {
        if let SessionEvent::Opened(opened) = event
            && let Some(treatment) = Treatment::of(opened)
        {
            self.treatments.entry(opened.session).or_insert(treatment);
        }
    }

    /// What a session amounts to by now, where that is to be written: as soon as a zone or a drug is
    /// new, and with every shot once the session has ended, so that a treatment under way costs
    /// nothing.
    pub(super) fn treated(&mut self, session: SessionId) -> Option<TreatedRow> {
        let has_ended = self.ended.contains_key(&session);
        let treatment = self.treatments.get_mut(&session)?;
        let earlier = self.judge.treated(session)?;
        let is_due = match &treatment.known {
            None => true,
            Some(known) if has_ended => *known != earlier,
            Some(known) => (&known.zones, &known.drugs) != (&earlier.zones, &earlier.drugs),
        };
        if !is_due {
            return None;
        }
        treatment.known = Some(earlier.clone());
        Some(treatment.row(earlier))
    }

    /// Every list of every clinic.
    pub(super) fn all_lists(&self) -> impl Iterator<Item = (ClinicId, u8)> {
        let clinics = self.options.clinics.iter();
        clinics.flat_map(|clinic| (0..PATIENT_LIST_COUNT).map(|list| (clinic.clone(), list)))
    }

    /// What rooms are told by now of lists that changed. Those that change again soon, as in a backlog
    /// with a patient in every block, are told together by a later commit; the server's look at the
    /// time makes one each second.
    pub(super) fn tell_lists(
        &mut self,
        changed: BTreeSet<(ClinicId, u8)>,
        now: Timestamp,
    ) -> Result<Vec<PatientsTold>, StoreError> {
        self.lists_due.extend(changed);
        let since_ns = self.lists_told_at.map(|told_at| now.since_ns(told_at));
        if since_ns.is_some_and(|ns| (0..LISTS_EVERY_NS).contains(&ns)) || self.lists_due.is_empty()
        {
            return Ok(Vec::new());
        }
        let due = self.lists_due.iter();
        let told = due.map(|(clinic, list)| self.patients_told(clinic.clone(), *list));
        let told = told.collect::<Result<_, _>>()?;
        self.lists_due.clear();
        self.lists_told_at = Some(now);
        Ok(told)
    }

    fn patients_told(&self, clinic: ClinicId, list: u8) -> Result<PatientsTold, StoreError> {
        let mut sessions: BTreeMap<PatientCommitment, Vec<EarlierSession>> = BTreeMap::new();
        for (patient, earlier) in self.store.treated_in(&clinic, list)? {
            sessions.entry(patient).or_default().push(earlier);
        }
        self.add_sessions_of_other_ids(&clinic, list, &mut sessions)?;
        let bodies = sessions.iter();
        let bodies = bodies.map(|(patient, sessions)| PatientBody::new(patient, sessions));
        let message = PatientsMessage::new(list, bodies.collect());
        Ok(PatientsTold { clinic, message })
    }
}
