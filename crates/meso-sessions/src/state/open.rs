//! What the room knows of one session, while it is open and for a while after.

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::{
    AskCause, CourseFacts, Delivery, ManualEntry, MaterialFacts, RecordHash, Said, Screening,
    ScreeningOutcome, SegmentOpened, SessionDetails, SessionEnded, SessionEvent, SessionOpened,
    Statement, corrected,
};
use meso_units::{GunSerial, SegmentId, Timestamp};

use super::said::stated;
use crate::{CONSENT_AGE_YEARS, Refusal};

/// A session that is open.
#[derive(Clone, Debug)]
pub struct OpenSession {
    pub(super) opened: SessionOpened,
    pub(super) segments: Vec<SegmentOpened>,
    pub(super) statements: Vec<Statement>,
    pub(super) paused: bool,
    pub(super) event_at: Timestamp,
    pub(super) active_at: Timestamp,
}

impl OpenSession {
    pub(super) const fn new(opened: SessionOpened) -> OpenSession {
        OpenSession {
            event_at: opened.at,
            active_at: opened.at,
            opened,
            segments: Vec::new(),
            statements: Vec::new(),
            paused: false,
        }
    }

    /// How it began.
    pub const fn opened(&self) -> &SessionOpened {
        &self.opened
    }

    /// Its segments, in the order in which they began.
    pub fn segments(&self) -> &[SegmentOpened] {
        &self.segments
    }

    /// What was said of it, in the order in which it was said.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Whether the operator paused it. Shots that are fired all the same belong to it.
    pub const fn paused(&self) -> bool {
        self.paused
    }

    /// The guns that have worked in it.
    pub fn guns(&self) -> BTreeSet<&GunSerial> {
        self.segments.iter().filter_map(gun_of).collect()
    }

    /// The newest statement of which `pick` makes something.
    fn newest<'a, T>(&'a self, pick: impl Fn(&'a Said) -> Option<T>) -> Option<T> {
        let mut newest = self.statements.iter().rev();
        newest.find_map(|one| pick(&one.said))
    }

    /// Why the room is asked whether this is still the same patient, where it is and nobody has
    /// answered.
    pub fn asked(&self) -> Option<AskCause> {
        let last = self.newest(|said| match said {
            Said::SamePatientAsked(cause) => Some(Some(*cause)),
            Said::SamePatientAnswered(_) => Some(None),
            _ => None,
        });
        last.flatten()
    }

    /// The questionnaire, as it was answered last.
    pub fn screening(&self) -> Option<&Screening> {
        self.newest(|said| match said {
            Said::Screening(screening) => Some(screening),
            _ => None,
        })
    }

    /// What the prescriber decided last, where the questionnaire gave cause.
    pub fn decision(&self) -> Option<ScreeningOutcome> {
        let decision = self.screening()?.decision.as_ref();
        decision.map(|decision| decision.outcome)
    }

    /// Papers, anaesthesia and other treatments, as they were said last.
    pub fn details(&self) -> Option<&SessionDetails> {
        self.newest(|said| match said {
            Said::Details(details) => Some(details),
            _ => None,
        })
    }

    /// The course so far, as it was said last.
    pub fn course(&self) -> Option<&CourseFacts> {
        self.newest(|said| match said {
            Said::Course(course) => Some(course),
            _ => None,
        })
    }

    /// What is known of the material of each segment, as it was said last, in the order of the
    /// segments.
    pub fn materials(&self) -> Vec<&MaterialFacts> {
        let said = self.statements.iter().filter_map(|one| match &one.said {
            Said::Material(material) => Some((material.segment, material)),
            _ => None,
        });
        let newest: BTreeMap<SegmentId, &MaterialFacts> = said.collect();
        let segments = self.segments.iter();
        segments
            .filter_map(|segment| newest.get(&segment.segment).copied())
            .collect()
    }

    /// The patient's age in whole years, as it was said last.
    pub fn age_years(&self) -> Option<u16> {
        let last = self.newest(|said| match said {
            Said::Patient(facts) => Some(facts.age_years),
            _ => None,
        });
        last.flatten()
    }

    /// Points set by hand, in the order of their numbers, as they were entered.
    pub fn manual(&self) -> impl Iterator<Item = &ManualEntry> {
        self.statements.iter().filter_map(|one| match &one.said {
            Said::Manual(entry) => Some(entry),
            _ => None,
        })
    }

    /// The segment that a gun, or the hand, works in.
    pub(super) fn present(&self, delivery: &Delivery) -> Option<&SegmentOpened> {
        let mut newest = self.segments.iter().rev();
        newest.find(|segment| segment.delivery == *delivery)
    }

    /// Whether a segment came of a hand-over: another operator went on with all else as it was.
    pub(super) fn was_handed_over(&self, segment: &SegmentOpened) -> bool {
        let of_same = self.segments.iter().rev();
        let of_same = of_same.filter(|one| one.delivery == segment.delivery);
        let mut before = of_same
            .skip_while(|one| one.segment != segment.segment)
            .skip(1);
        before.next().is_some_and(|before| {
            let same = SegmentOpened {
                segment: segment.segment,
                at: segment.at,
                operator: segment.operator.clone(),
                reason: segment.reason.clone(),
                ..before.clone()
            };
            before.operator != segment.operator && same == *segment
        })
    }

    /// The segment that a gun, or the hand, works in.
    pub fn present_segment(&self, delivery: &Delivery) -> Option<SegmentId> {
        self.present(delivery).map(|segment| segment.segment)
    }

    pub(super) fn segment(&self, segment: SegmentId) -> Result<&SegmentOpened, Refusal> {
        find_segment(&self.opened, &self.segments, segment)
    }

    pub(super) fn must_be_answered(&self) -> Result<(), Refusal> {
        match self.asked() {
            None => Ok(()),
            Some(_) => Err(Refusal::SamePatientUnanswered {
                session: self.opened.session,
            }),
        }
    }

    /// Whether a segment may begin.
    pub(super) fn may_be_treated(&self) -> Result<(), Refusal> {
        self.must_be_answered()?;
        if let Some(outcome) = self.decision().filter(|it| *it != ScreeningOutcome::Treat) {
            return Err(Refusal::NotTreated {
                session: self.opened.session,
                outcome,
            });
        }
        let is_minor = self.age_years().is_some_and(|age| age < CONSENT_AGE_YEARS);
        let guardian = self.details().and_then(|it| it.guardian_consent.as_ref());
        if is_minor && guardian.is_none() {
            return Err(Refusal::GuardianMissing);
        }
        Ok(())
    }

    /// When a statement of now is said: after every event before it, also where the clock stands
    /// still or went back, so that the same said again later is another statement.
    pub(super) fn next_at(&self, now: Timestamp) -> Timestamp {
        now.max(self.event_at.saturating_add_ns(1))
    }

    /// The question whether this is still the same patient, unless it is asked already.
    pub(super) fn question(&self, now: Timestamp, cause: AskCause) -> Option<SessionEvent> {
        let at = self.next_at(now);
        let said = Said::SamePatientAsked(cause);
        self.asked()
            .is_none()
            .then(|| stated(self.opened.session, at, None, said))
    }

    pub(super) fn state(&mut self, statement: &Statement) {
        add(&mut self.statements, statement);
    }
}

/// A session that has ended: it takes addenda, and a repeated step is known again.
#[derive(Clone, Debug)]
pub(super) struct EndedSession {
    pub(super) opened: SessionOpened,
    pub(super) segments: Vec<SegmentOpened>,
    pub(super) statements: Vec<Statement>,
    pub(super) end: SessionEnded,
}

impl EndedSession {
    pub(super) fn new(open: OpenSession, end: SessionEnded) -> EndedSession {
        EndedSession {
            opened: open.opened,
            segments: open.segments,
            statements: open.statements,
            end,
        }
    }

    pub(super) fn state(&mut self, statement: &Statement) {
        add(&mut self.statements, statement);
    }
}

/// A statement that was applied already changes nothing.
fn add(statements: &mut Vec<Statement>, statement: &Statement) {
    if !statements.contains(statement) {
        statements.push(statement.clone());
    }
}

/// A session, open or ended, as far as statements about it need it.
pub(super) struct Known<'a> {
    pub(super) opened: &'a SessionOpened,
    pub(super) segments: &'a [SegmentOpened],
    pub(super) statements: &'a [Statement],
    pub(super) event_at: Timestamp,
}

impl Known<'_> {
    pub(super) fn segment(&self, segment: SegmentId) -> Result<&SegmentOpened, Refusal> {
        find_segment(self.opened, self.segments, segment)
    }

    /// Whether the same was said by the same person already.
    pub(super) fn has(&self, statement: &Statement) -> bool {
        let is_same = |known: &Statement| known.by == statement.by && known.said == statement.said;
        self.statements.iter().any(is_same)
    }

    /// An event of the session with the corrections that were made of it so far.
    pub(super) fn corrected(&self, original: RecordHash) -> Option<SessionEvent> {
        let segments = self.segments.iter().cloned();
        let statements = self.statements.iter().cloned();
        let events: Vec<SessionEvent> = segments
            .map(SessionEvent::SegmentOpened)
            .chain(statements.map(|one| SessionEvent::Stated(Box::new(one))))
            .collect();
        corrected(events.iter(), original)
    }
}

fn find_segment<'a>(
    opened: &SessionOpened,
    segments: &'a [SegmentOpened],
    segment: SegmentId,
) -> Result<&'a SegmentOpened, Refusal> {
    let mut all = segments.iter();
    let session = opened.session;
    all.find(|known| known.segment == segment)
        .ok_or(Refusal::SegmentMissing { session, segment })
}

pub(super) const fn gun_of(segment: &SegmentOpened) -> Option<&GunSerial> {
    match &segment.delivery {
        Delivery::Gun(gun) => Some(gun),
        Delivery::ManualSyringe => None,
    }
}
