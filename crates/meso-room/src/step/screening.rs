//! The questionnaire as the room's interface says it, and its answers.

use meso_contract::room::{
    AnswerBody, QuestionBody, QuestionnaireBody, RoomStepBody, ScreeningAnswersBody,
};
use meso_domain::{
    Answer, AnsweredQuestion, Said, ScreeningAnswers, ScreeningDecision, ScreeningOutcome,
};
use meso_limits::Library;
use meso_sessions::{Question, Questionnaire};

use super::{bytes_of, operator, word};
use crate::{StepContext, StepFailure};

/// What is to be asked under the library in force.
pub fn questionnaire(library: Option<&Library>) -> QuestionnaireBody {
    let questionnaire = Questionnaire::new(library);
    let bodies = |questions: &[Question]| questions.iter().map(body_of).collect();
    QuestionnaireBody {
        full: bodies(questionnaire.full()),
        returning: bodies(questionnaire.returning()),
    }
}

fn body_of(question: &Question) -> QuestionBody {
    QuestionBody {
        id: question.id.to_owned(),
        text: question.text.to_owned(),
        kind: question.kind.as_str().to_owned(),
        pack: question.pack.as_ref().map(ToString::to_string),
        washout_hours: question.washout_hours,
    }
}

/// The answers that a step brings: whoever takes the step keeps them, erasably.
///
/// # Errors
///
/// [`StepFailure::BadValue`] for a value that is none.
pub fn answers_of(
    body: &RoomStepBody,
    context: &StepContext<'_>,
) -> Result<Option<ScreeningAnswers>, StepFailure> {
    let screening = match body {
        RoomStepBody::Open(open) => open.screening.as_ref(),
        RoomStepBody::Screening(body) => Some(&body.screening),
        _ => None,
    };
    screening.map(|body| answers(body, context)).transpose()
}

/// The statement that answers make, once they are complete.
pub(super) fn said(
    body: &ScreeningAnswersBody,
    context: &StepContext<'_>,
) -> Result<Said, StepFailure> {
    let answers = answers(body, context)?;
    let questionnaire = Questionnaire::new(context.library);
    Ok(Said::Screening(questionnaire.check(&answers)?))
}

fn answers(
    body: &ScreeningAnswersBody,
    context: &StepContext<'_>,
) -> Result<ScreeningAnswers, StepFailure> {
    let answer = |body: &AnswerBody| {
        Ok::<_, StepFailure>(AnsweredQuestion {
            question: body.question.clone(),
            answer: word("answer", &body.answer, Answer::parse)?,
            note: body.note.clone(),
            last_dose_hours: body.last_dose_hours,
        })
    };
    let decision = body.decision.as_ref().map(|body| {
        let decision = ScreeningDecision {
            outcome: word("decision", &body.outcome, ScreeningOutcome::parse)?,
            by: operator(&body.by)?,
        };
        Ok::<_, StepFailure>((decision, body.reason.clone()))
    });
    let confirms = body.confirms.as_deref();
    Ok(ScreeningAnswers {
        salt: context.salts[0],
        at: context.now,
        asked_by: operator(&body.asked_by)?,
        confirms: confirms
            .map(|text| bytes_of("confirms", text))
            .transpose()?,
        answers: body.answers.iter().map(answer).collect::<Result<_, _>>()?,
        decision: decision.transpose()?,
    })
}
