//! The answers to a questionnaire: they stay in the room, records carry their digest.

use core::fmt;

use meso_units::{OperatorId, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, coded, sha256};
use crate::{ScreeningDecision, ScreeningOutcome};

/// An answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// No.
    No,
    /// Yes.
    Yes,
    /// The patient does not know.
    Unknown,
}

coded!(Answer, "answer",
    No = 1, "no";
    Yes = 2, "yes";
    Unknown = 3, "unknown";
);

/// One question with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnsweredQuestion {
    /// The question's name, such as `pregnancy`.
    pub question: String,
    /// The answer.
    pub answer: Answer,
    /// What else was said; empty for nothing.
    pub note: String,
    /// Hours since the last dose, where the question is about a medicine with a washout.
    pub last_dose_hours: Option<u32>,
}

/// A questionnaire with its answers, as the room keeps it and can erase it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ScreeningAnswers {
    /// Random bytes, so that the digest says nothing of the answers.
    pub salt: [u8; 32],
    /// When they were given.
    pub at: Timestamp,
    /// Who asked.
    pub asked_by: OperatorId,
    /// The digest of the full questionnaire that a returning patient confirmed.
    pub confirms: Option<[u8; 32]>,
    /// The answers, in the order of the questionnaire.
    pub answers: Vec<AnsweredQuestion>,
    /// The prescriber's decision and its reason, where an answer was `yes` or `unknown`.
    pub decision: Option<(ScreeningDecision, String)>,
}

impl fmt::Debug for ScreeningAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of it belongs into a log.
        f.debug_struct("ScreeningAnswers").finish_non_exhaustive()
    }
}

impl ScreeningAnswers {
    /// What records carry: SHA-256 over the canonical bytes.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&[&self.canonical_bytes()])
    }
}

impl Canonical for ScreeningAnswers {
    const KIND: u8 = 8;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.fixed(&self.salt);
        encoder.timestamp(self.at);
        encoder.text(self.asked_by.as_str());
        encoder.option(self.confirms.as_ref(), |e, digest| e.fixed(digest));
        encoder.list(&self.answers, |e, one| {
            e.text(&one.question);
            e.u8(one.answer.code());
            e.text(&one.note);
            e.option(one.last_dose_hours.as_ref(), |e, hours| e.u32(*hours));
        });
        encoder.option(self.decision.as_ref(), |e, (decision, reason)| {
            e.u8(decision.outcome.code());
            e.text(decision.by.as_str());
            e.text(reason);
        });
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<ScreeningAnswers, CanonicalError> {
        Ok(ScreeningAnswers {
            salt: decoder.fixed()?,
            at: decoder.timestamp()?,
            asked_by: OperatorId::parse(decoder.text("asked by")?)?,
            confirms: decoder.option(|d| d.fixed())?,
            answers: decoder.list("answers", |d| {
                Ok(AnsweredQuestion {
                    question: d.text("question")?.to_owned(),
                    answer: Answer::from_code(d.u8()?)?,
                    note: d.text("note")?.to_owned(),
                    last_dose_hours: d.option(|d| d.u32())?,
                })
            })?,
            decision: decoder.option(|d| {
                let decision = ScreeningDecision {
                    outcome: ScreeningOutcome::from_code(d.u8()?)?,
                    by: OperatorId::parse(d.text("decided by")?)?,
                };
                Ok((decision, d.text("reason of a decision")?.to_owned()))
            })?,
        })
    }
}
