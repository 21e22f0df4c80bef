//! What a room knows of the earlier sessions of its patients, with the network up or down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meso_domain::{
    CourseFacts, CourseSource, Day, EarlierSession, LastDay, SessionOpened, patient_list_of,
};
use meso_limits::{Library, Protocol};
use meso_units::{Nanolitres, PatientCommitment, SessionId};

use crate::Sessions;

/// The earlier sessions of one patient, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatientHistory {
    /// The sessions.
    pub sessions: BTreeMap<SessionId, EarlierSession>,
    /// There are older ones that were left out.
    pub is_cut: bool,
}

/// A list of patients, as the server tells it: who is not in it was not treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatientList {
    /// The patients.
    pub patients: BTreeMap<PatientCommitment, PatientHistory>,
    /// There are further ones that were left out: of who is not in it nothing is known.
    pub is_cut: bool,
}

/// Everything that a room knows of earlier sessions: what the server told, and what the room did
/// itself and may not have told the server yet.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    told: BTreeMap<u8, PatientList>,
    own: VecDeque<(PatientCommitment, EarlierSession)>,
}

impl Histories {
    /// Sessions of its own that a room remembers; a further one takes the place of the oldest. A
    /// room that treats all day has some 30, so they bridge a month without the server.
    pub const OWN_COUNT_MAX: usize = 1_024;

    /// Takes a list in the place of what was told before of it; says whether anything changed.
    pub fn tell(&mut self, list: u8, patients: PatientList) -> bool {
        if self.told.get(&list) == Some(&patients) {
            return false;
        }
        self.told.insert(list, patients);
        true
    }

    /// Notes a session of this room.
    pub fn note(&mut self, patient: PatientCommitment, earlier: EarlierSession) {
        let known = |(_, one): &(_, EarlierSession)| one.session == earlier.session;
        if let Some(at) = self.own.iter().position(known) {
            self.own.remove(at);
        }
        self.own.push_back((patient, earlier));
        if self.own.len() > Histories::OWN_COUNT_MAX {
            self.own.pop_front();
        }
    }

    /// How many lists the server has told.
    pub fn told_count(&self) -> usize {
        self.told.len()
    }

    /// The course so far of a session's patient, under its protocol. `ids` are all that the patient has,
    /// the session's among them; `also` are sessions of the room that are still open.
    ///
    /// `None` where the room cannot know: nobody has told it of the list of one of the ids, something
    /// was left out of what it was told, the protocol is not in the library, or the session is a
    /// demonstration without a patient.
    pub fn course_of(
        &self,
        opened: &SessionOpened,
        ids: &[PatientCommitment],
        library: &Library,
        also: &[(PatientCommitment, EarlierSession)],
    ) -> Option<CourseFacts> {
        let protocol = library
            .protocol(&opened.protocol)
            .filter(|_| !opened.demo)?;
        let mut sessions = self.sessions_of(ids, also)?;
        sessions.retain(|_, one| (one.opened_at, one.session) < (opened.at, opened.session));
        facts(sessions.values(), protocol)
    }

    /// The course of a patient with these ids so far, for who prepares a session that has not begun;
    /// `None` as for [`Histories::course_of`].
    pub fn course_so_far(
        &self,
        ids: &[PatientCommitment],
        protocol: &Protocol,
        also: &[(PatientCommitment, EarlierSession)],
    ) -> Option<CourseFacts> {
        facts(self.sessions_of(ids, also)?.values(), protocol)
    }

    fn sessions_of(
        &self,
        ids: &[PatientCommitment],
        also: &[(PatientCommitment, EarlierSession)],
    ) -> Option<BTreeMap<SessionId, EarlierSession>> {
        let mut sessions: BTreeMap<SessionId, EarlierSession> = BTreeMap::new();
        let mut add = |earlier: &EarlierSession| {
            let known = sessions.entry(earlier.session);
            known.or_insert_with(|| earlier.clone()).join(earlier);
        };
        for id in ids {
            let told = self.told.get(&patient_list_of(id))?;
            match told.patients.get(id) {
                Some(history) if !history.is_cut => history.sessions.values().for_each(&mut add),
                None if !told.is_cut => {}
                _ => return None,
            }
        }
        let here = self.own.iter().chain(also);
        let of_patient = here.filter(|(patient, _)| ids.contains(patient));
        of_patient.for_each(|(_, earlier)| add(earlier));
        Some(sessions)
    }
}

fn facts<'a>(
    sessions: impl Iterator<Item = &'a EarlierSession> + Clone,
    protocol: &Protocol,
) -> Option<CourseFacts> {
    if sessions.clone().any(|session| session.is_cut) {
        return None;
    }
    let of_course = || {
        sessions
            .clone()
            .filter(|session| session.protocol == protocol.id)
    };
    let volume_nl = of_course().fold(0_u64, |sum, one| sum.saturating_add(one.volume.get()));
    let last_in_zone = last_days(of_course().map(|one| (&one.zones, one.day)));
    // What was given counts under every protocol; it is kept where this one asks for it.
    let asked: BTreeSet<String> = protocol
        .drugs
        .iter()
        .flat_map(|drug| std::iter::once(&drug.name).chain(&drug.also))
        .map(|name| name.to_lowercase())
        .collect();
    let mut last_of_drug = last_days(sessions.clone().map(|one| (&one.drugs, one.day)));
    last_of_drug.retain(|last| asked.contains(&last.name));
    if last_in_zone.len() + last_of_drug.len() > Sessions::LIST_LENGTH_MAX {
        return None;
    }
    Some(CourseFacts {
        source: CourseSource::Summaries,
        sessions_before: u16::try_from(of_course().count()).unwrap_or(u16::MAX),
        volume_before: Nanolitres::new(volume_nl).unwrap_or(Nanolitres::MAX),
        last_in_zone,
        last_of_drug,
    })
}

/// The newest day of each name.
fn last_days<'a>(named: impl Iterator<Item = (&'a BTreeSet<String>, Day)>) -> Vec<LastDay> {
    let mut days: BTreeMap<&String, Day> = BTreeMap::new();
    for (names, day) in named {
        for name in names {
            let last = days.entry(name).or_insert(day);
            *last = day.max(*last);
        }
    }
    let last = |(name, day): (&String, Day)| LastDay {
        name: name.clone(),
        day,
    };
    days.into_iter().map(last).collect()
}
