//! What is asked before a session, and whether the answers are complete.
//!
//! The questions are the contraindications of the clinic articles that the protocols are drawn
//! from: examples to be approved by a clinician. Where the articles disagree, on anticoagulants and
//! on cancer, the pack that the clinic chose in its protocol library decides the kind of the
//! question; without a choice the strictest view holds.
//!
//! Nothing here says what to do. An answer of `yes` or `unknown` asks for the prescriber's decision
//! and records it; nothing ever advises to stop a medicine.

use meso_domain::{Answer, AnsweredQuestion, Screening, ScreeningAnswers};
use meso_limits::{Library, Pack, PackTopic, Stance};
use meso_units::ProtocolId;

use crate::Refusal;

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuestionKind {
    /// An article names it a reason not to treat.
    DoNot,
    /// The prescriber must know.
    Disclose,
    /// A medicine whose last dose is asked for.
    Washout,
}

impl QuestionKind {
    /// The name in answers of the interface.
    pub const fn as_str(self) -> &'static str {
        match self {
            QuestionKind::DoNot => "do not",
            QuestionKind::Disclose => "disclose",
            QuestionKind::Washout => "washout",
        }
    }
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Its name in answers; it never changes its meaning.
    pub id: &'static str,
    /// The question, in words.
    pub text: &'static str,
    /// What it is for.
    pub kind: QuestionKind,
    /// The pack that the clinic chose, where sources disagree.
    pub pack: Option<ProtocolId>,
    /// Of a washout: hours since the last dose from which on the pack has nothing against a
    /// treatment. The longest that it gives for any group of medicines, since nobody asks which.
    pub washout_hours: Option<u32>,
}

impl Question {
    /// Whether the last dose was so long ago that the pack has nothing against a treatment.
    fn is_washed_out(&self, answer: &AnsweredQuestion) -> bool {
        let passed = answer.last_dose_hours.zip(self.washout_hours);
        answer.answer == Answer::Yes && passed.is_some_and(|(passed, needed)| passed >= needed)
    }
}

/// The question that a returning patient is asked beside [`CHANGES`].
const ALLERGY: &str = "allergy";
/// Whether anything has changed since the full questionnaire.
const CHANGES: &str = "changes";

const DO_NOT: [(&str, &str); 11] = [
    ("pregnancy", "Pregnant, or possibly so?"),
    ("breastfeeding", "Breastfeeding?"),
    ("uncontrolled_diabetes", "Diabetes that is not controlled?"),
    ("clotting_disorder", "A disorder of blood clotting?"),
    ("urticaria", "Urticaria?"),
    (
        ALLERGY,
        "An allergy or hypersensitivity to a drug? It may appear at any session.",
    ),
    ("acute_infection", "An acute infection?"),
    (
        "skin_infection",
        "An infection of the skin that is to be treated?",
    ),
    ("deep_vein_thrombosis", "A deep vein thrombosis?"),
    (
        "unstable_blood_pressure",
        "Blood pressure that is not stable?",
    ),
    ("kidney_failure", "Kidney failure?"),
];

const DISCLOSE: [(&str, &str); 6] = [
    ("liver_disease", "A disease of the liver?"),
    ("kidney_disease", "A disease of the kidneys?"),
    ("diabetes", "Diabetes?"),
    ("heart_disease", "A disease of the heart?"),
    ("other_allergies", "Any other allergy?"),
    ("regular_medicines", "Medicines that are taken regularly?"),
];

/// What is to be asked under a release of the protocol library.
///
/// ```
/// let questions = meso_sessions::Questionnaire::new(None);
/// assert_eq!(questions.full().len(), 19);
/// assert_eq!(questions.returning().len(), 2, "allergy and changes only");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Questionnaire {
    full: Vec<Question>,
    returning: Vec<Question>,
}

impl Questionnaire {
    /// The most text of one note or reason, in bytes; a longer one is refused.
    pub const TEXT_LENGTH_MAX: usize = 1_000;
    /// The longest time since a last dose that is asked for, in hours: a year.
    pub const LAST_DOSE_HOURS_MAX: u32 = 366 * 24;

    /// The questions under this release.
    pub fn new(library: Option<&Library>) -> Questionnaire {
        let question = |kind, (id, text)| Question {
            id,
            text,
            kind,
            pack: None,
            washout_hours: None,
        };
        let mut full: Vec<Question> = DO_NOT
            .into_iter()
            .map(|words| question(QuestionKind::DoNot, words))
            .collect();
        full.push(disputed(
            library,
            PackTopic::Cancer,
            ("cancer", "Cancer, now or before?"),
        ));
        full.push(disputed(
            library,
            PackTopic::Anticoagulants,
            ("anticoagulants", "Medicines against blood clotting?"),
        ));
        full.extend(
            DISCLOSE
                .into_iter()
                .map(|words| question(QuestionKind::Disclose, words)),
        );
        let allergy = full.iter().find(|question| question.id == ALLERGY).cloned();
        let changes = question(
            QuestionKind::Disclose,
            (
                CHANGES,
                "Has anything changed since the full questionnaire?",
            ),
        );
        Questionnaire {
            full,
            returning: allergy.into_iter().chain([changes]).collect(),
        }
    }

    /// For a patient who comes for the first time.
    pub fn full(&self) -> &[Question] {
        &self.full
    }

    /// For a returning patient whose full questionnaire is known by its digest.
    pub fn returning(&self) -> &[Question] {
        &self.returning
    }

    /// Checks that every question is answered and that there is a decision where one is needed.
    ///
    /// # Errors
    ///
    /// [`Refusal::QuestionsOpen`], [`Refusal::QuestionUnknown`], [`Refusal::LastDoseMissing`],
    /// [`Refusal::ScreeningChanged`] or [`Refusal::DecisionMissing`], each naming the questions.
    pub fn check(&self, answers: &ScreeningAnswers) -> Result<Screening, Refusal> {
        let asked = match answers.confirms {
            None => &self.full,
            Some(_) => &self.returning,
        };
        self.check_names(asked, answers)?;
        let answer_to = |id: &str| answers.answers.iter().find(|one| one.question == id);
        for question in asked {
            let Some(one) = answer_to(question.id) else {
                continue;
            };
            let wants_dose = question.kind == QuestionKind::Washout && one.answer == Answer::Yes;
            if wants_dose && one.last_dose_hours.is_none() {
                let question = question.id;
                return Err(Refusal::LastDoseMissing { question });
            }
            if question.id == CHANGES && one.answer != Answer::No {
                return Err(Refusal::ScreeningChanged);
            }
        }
        let concerns: Vec<&'static str> = asked
            .iter()
            .filter(|question| {
                let answer = answer_to(question.id);
                answer.is_some_and(|one| one.answer != Answer::No && !question.is_washed_out(one))
            })
            .map(|question| question.id)
            .collect();
        let decision = answers.decision.as_ref();
        let is_decided = decision.is_some_and(|(_, reason)| !reason.trim().is_empty());
        if !concerns.is_empty() && !is_decided {
            return Err(Refusal::DecisionMissing { concerns });
        }
        Ok(Screening {
            digest: answers.digest(),
            confirms: answers.confirms,
            decision: decision.map(|(decision, _)| decision.clone()),
        })
    }

    fn check_names(&self, asked: &[Question], answers: &ScreeningAnswers) -> Result<(), Refusal> {
        let mut seen: Vec<&str> = Vec::new();
        for one in &answers.answers {
            let is_asked = asked.iter().any(|question| question.id == one.question);
            if !is_asked || seen.contains(&one.question.as_str()) {
                let question = one.question.chars().take(64).collect();
                return Err(Refusal::QuestionUnknown { question });
            }
            seen.push(&one.question);
            text_length("note of an answer", &one.note)?;
            let hours = one.last_dose_hours.unwrap_or(0);
            if hours > Questionnaire::LAST_DOSE_HOURS_MAX {
                return Err(Refusal::OutOfRange {
                    field: "last dose in hours",
                    value: hours.into(),
                    min: 0,
                    max: Questionnaire::LAST_DOSE_HOURS_MAX.into(),
                });
            }
        }
        if let Some((_, reason)) = &answers.decision {
            text_length("reason of the decision", reason)?;
        }
        let open: Vec<&'static str> = asked
            .iter()
            .map(|question| question.id)
            .filter(|id| !seen.contains(id))
            .collect();
        match open.is_empty() {
            true => Ok(()),
            false => Err(Refusal::QuestionsOpen { open }),
        }
    }
}

fn text_length(field: &'static str, text: &str) -> Result<(), Refusal> {
    let length_max = Questionnaire::TEXT_LENGTH_MAX;
    match text.len() <= length_max {
        true => Ok(()),
        false => Err(Refusal::WrongLength {
            field,
            length: text.len(),
            length_max,
        }),
    }
}

/// A question on which sources disagree: the clinic's choice, else the strictest view.
fn disputed(
    library: Option<&Library>,
    topic: PackTopic,
    (id, text): (&'static str, &'static str),
) -> Question {
    let pack = library.and_then(|library| library.chosen(topic));
    let kind = match pack.and_then(|pack| pack.stance) {
        None | Some(Stance::Refuse) => QuestionKind::DoNot,
        Some(Stance::AskPhysician) => QuestionKind::Disclose,
        Some(Stance::Washout) => QuestionKind::Washout,
    };
    Question {
        id,
        text,
        kind,
        pack: pack.map(|pack| pack.id.clone()),
        washout_hours: pack
            .filter(|_| kind == QuestionKind::Washout)
            .and_then(washout_hours),
    }
}

/// The longest washout of a pack, by its soft limits where it has them.
fn washout_hours(pack: &Pack) -> Option<u32> {
    let seconds = pack
        .washout
        .values()
        .map(|limits| limits.soft_min.or(limits.hard_min));
    // A group without a limit says that there is none to wait for.
    let longest_s = seconds.flatten().max()?;
    u32::try_from(longest_s.div_euclid(3_600) + i64::from(longest_s.rem_euclid(3_600) > 0)).ok()
}

/// The age from which a patient consents alone. A choice of the house: it is the age of majority in
/// most countries; below it a session asks for a guardian's consent.
pub const CONSENT_AGE_YEARS: u16 = 18;
