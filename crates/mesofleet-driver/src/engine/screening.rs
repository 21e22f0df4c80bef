//! The answers to questionnaires, which stay in the room.
//!
//! Records carry their digest only; the journal keeps the answers themselves under names of their
//! own, so that they can be erased and no record changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meso_domain::canonical::Canonical as _;
use meso_domain::{Screening, ScreeningAnswers};
use meso_journal::JournalError;
use meso_room::StepFailure;
use meso_units::PatientCommitment;

use super::{Engine, JournalContents, Work};

/// Under this and a number the journal keeps answers.
const SCREENING_VALUES: &str = "screening/";

/// Under this and the same number the journal keeps whose they are: the commitment to the patient
/// and the digest of the answers.
const PATIENT_VALUES: &str = "screening_patient/";

/// Under this name the journal keeps how many there were.
const SCREENING_COUNT_VALUE: &str = "screening_count";

/// Questionnaires that the room keeps; a further one takes the place of the oldest, whose digest
/// stays in its record. At 2 KB each they take 8 MB.
const SCREENINGS_MAX: usize = 4_096;

/// What the room knows of earlier questionnaires.
#[derive(Debug, Default)]
pub(super) struct Screenings {
    /// How often answers were kept.
    count: u64,
    /// Digests of full questionnaires, oldest first.
    order: VecDeque<[u8; 32]>,
    known: BTreeSet<[u8; 32]>,
    /// The newest full questionnaire of each patient.
    of_patient: BTreeMap<PatientCommitment, [u8; 32]>,
}

impl Screenings {
    /// A questionnaire whose digest is in a record: a returning patient may confirm it.
    pub(super) fn note(&mut self, screening: &Screening, patient: Option<PatientCommitment>) {
        self.count += 1;
        if screening.confirms.is_some() {
            return;
        }
        if let Some(patient) = patient {
            self.of_patient.insert(patient, screening.digest);
        }
        if !self.known.insert(screening.digest) {
            return;
        }
        self.order.push_back(screening.digest);
        if self.order.len() > SCREENINGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.of_patient.retain(|_, digest| *digest != oldest);
        }
    }

    /// The newest full questionnaire that the room knows of a patient who has these ids.
    pub(super) fn of(&self, ids: &[PatientCommitment]) -> Option<&[u8; 32]> {
        let digests = ids.iter().filter_map(|id| self.of_patient.get(id));
        digests.max_by_key(|digest| self.order.iter().position(|one| one == *digest))
    }
}

impl Engine {
    /// How many questionnaires a returning patient may confirm here.
    #[cfg(test)]
    pub(super) fn screenings_kept(&self) -> usize {
        self.screenings.known.len()
    }

    /// Has the journal keep answers with the step that they belong to.
    ///
    /// # Errors
    ///
    /// [`StepFailure::StepMissing`] where a returning patient confirms a questionnaire that this
    /// room does not know.
    pub(super) fn keep_screening(
        &self,
        answers: &ScreeningAnswers,
        patient: Option<PatientCommitment>,
        work: &mut Work,
    ) -> Result<(), StepFailure> {
        if let Some(earlier) = answers.confirms
            && !self.screenings.known.contains(&earlier)
        {
            return Err(StepFailure::StepMissing {
                code: "screening_unknown",
                message: format!(
                    "questionnaire {} is not known in this room: ask the full questionnaire",
                    hex::encode(earlier)
                ),
            });
        }
        let place = self.screenings.count % SCREENINGS_MAX as u64;
        let name = format!("{SCREENING_VALUES}{place:04}");
        work.keep(name, answers.canonical_bytes());
        // A place that is used again must not go on naming whoever was there before.
        let whose = patient.map_or_else(Vec::new, |patient| {
            [*patient.as_bytes(), answers.digest()].concat()
        });
        work.keep(format!("{PATIENT_VALUES}{place:04}"), whose);
        let count = (self.screenings.count + 1).to_le_bytes().to_vec();
        work.keep(SCREENING_COUNT_VALUE.to_owned(), count);
        Ok(())
    }

    /// Takes the place of what replaying the journal has counted.
    pub(super) fn recover_screenings(
        &mut self,
        journal: &impl JournalContents,
    ) -> Result<(), JournalError> {
        let mut kept: Vec<ScreeningAnswers> = Vec::new();
        for (place, bytes) in journal.values_under(SCREENING_VALUES)? {
            match ScreeningAnswers::from_canonical(&bytes) {
                Ok(answers) => kept.push(answers),
                Err(error) => tracing::warn!(place, %error, "answers in the journal do not decode"),
            }
        }
        kept.sort_by_key(|answers| answers.at);
        let whose = patients_by_digest(journal)?;
        for answers in kept {
            let digest = answers.digest();
            let screening = Screening {
                digest,
                confirms: answers.confirms,
                decision: None,
            };
            self.screenings
                .note(&screening, whose.get(&digest).copied());
        }
        let count = journal.value(SCREENING_COUNT_VALUE)?;
        let count = count.and_then(|bytes| bytes.try_into().ok());
        self.screenings.count = count.map_or(0, u64::from_le_bytes);
        Ok(())
    }
}

/// Whose answers of a digest are, as far as the journal says.
fn patients_by_digest(
    journal: &impl JournalContents,
) -> Result<BTreeMap<[u8; 32], PatientCommitment>, JournalError> {
    let mut whose = BTreeMap::new();
    for (place, bytes) in journal.values_under(PATIENT_VALUES)? {
        match <[[u8; 32]; 2]>::try_from(bytes.as_chunks().0) {
            Ok([patient, digest]) => {
                whose.insert(digest, PatientCommitment::from_bytes(patient));
            }
            Err(_) if bytes.is_empty() => {}
            Err(_) => tracing::warn!(place, "whose answers these are is not readable"),
        }
    }
    Ok(whose)
}
