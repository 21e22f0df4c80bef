//! What people say of a session, while it is open and after it.

use meso_domain::{
    Amendment, Delivery, LimitOverride, ManualEntry, RecordHash, Said, SegmentOpened, SessionEvent,
    SessionOutcome, Severity, ShotClaim, Statement, correct,
};
use meso_units::{OperatorId, SessionId, Timestamp};

use super::open::Known;
use super::{Sessions, check, end_of};
use crate::{AmendStep, HandOverStep, Refusal, SamePatientStep, SayStep};

pub(super) fn stated(
    session: SessionId,
    at: Timestamp,
    by: Option<OperatorId>,
    said: Said,
) -> SessionEvent {
    SessionEvent::Stated(Box::new(Statement {
        session,
        at,
        by,
        said,
    }))
}

impl Sessions {
    pub(super) fn decide_hand_over(
        &self,
        now: Timestamp,
        step: HandOverStep,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        let open = self.open(step.session)?;
        let Some(present) = open.present(&step.delivery) else {
            return Err(Refusal::NothingToHandOver {
                session: step.session,
                delivery: match step.delivery {
                    Delivery::Gun(gun) => format!("gun {gun}"),
                    Delivery::ManualSyringe => "the manual syringe".to_owned(),
                },
            });
        };
        // A caller that never got the answer draws another id: the hand-over is known by its words.
        let is_repeated = present.operator == step.operator
            && (present.segment == step.segment || present.reason == step.reason)
            && open.was_handed_over(present);
        if is_repeated {
            return Ok(Vec::new());
        }
        if present.operator == step.operator {
            return Err(Refusal::SameOperator {
                operator: step.operator,
            });
        }
        check::text("reason", &step.reason, 1)?;
        let segment = SegmentOpened {
            segment: step.segment,
            at: now.max(open.event_at),
            operator: step.operator,
            reason: step.reason,
            ..present.clone()
        };
        self.decide_begin(open, segment)
    }

    pub(super) fn decide_pause(
        &self,
        now: Timestamp,
        session: SessionId,
        reason: Option<(OperatorId, String)>,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        let open = self.open(session)?;
        if open.paused {
            return Ok(Vec::new());
        }
        let at = now.max(open.event_at);
        let mut events = vec![SessionEvent::Paused { session, at }];
        if let Some((by, reason)) = reason {
            check::text("reason of a pause", &reason, 1)?;
            let at = open.next_at(now);
            events.push(stated(session, at, Some(by), Said::PauseReason(reason)));
        }
        Ok(events)
    }

    pub(super) fn decide_same_patient(
        &self,
        now: Timestamp,
        step: SamePatientStep,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        let session = step.session;
        let open = self.open(session)?;
        if open.asked().is_none() {
            return Err(Refusal::NothingAsked { session });
        }
        let at = open.next_at(now);
        let said = Said::SamePatientAnswered(step.is_same);
        let mut events = vec![stated(session, at, Some(step.by), said)];
        if !step.is_same {
            let outcome = SessionOutcome::TimedOut;
            events.push(end_of(open, at, outcome, &step.last_counters));
        }
        Ok(events)
    }

    pub(super) fn decide_say(
        &self,
        now: Timestamp,
        step: SayStep,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        check::said(&step.said)?;
        let known = self.known(step.session)?;
        if !lasts(&step.said) {
            self.open(step.session)?;
        }
        match &step.said {
            Said::Manual(entry) => return self.decide_manual(now, &step, *entry),
            Said::Material(material) => {
                known.segment(material.segment)?;
            }
            Said::Override(limit) => may_override(limit)?,
            Said::Claim(claim) => may_claim(&known, claim)?,
            _ => {}
        }
        self.decide_statement(&known, now, step)
    }

    fn decide_statement(
        &self,
        known: &Known<'_>,
        now: Timestamp,
        step: SayStep,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        let at = now.max(known.event_at.saturating_add_ns(1));
        let statement = Statement {
            session: step.session,
            at,
            by: Some(step.by),
            said: step.said,
        };
        let is_repeated = match lasts(&statement.said) || is_counted(&statement.said) {
            true => known.has(&statement),
            // What replaces what was said before is repeated only where it is what holds.
            false => newest_like(known, &statement).is_some_and(|said| *said == statement.said),
        };
        if is_repeated {
            return Ok(Vec::new());
        }
        if known.statements.len() >= Sessions::STATEMENT_COUNT_MAX {
            return Err(Refusal::TooMany {
                what: "statements of a session",
                count: Sessions::STATEMENT_COUNT_MAX,
                next: "end this session and open another",
            });
        }
        Ok(vec![SessionEvent::Stated(Box::new(statement))])
    }

    fn decide_manual(
        &self,
        now: Timestamp,
        step: &SayStep,
        entry: ManualEntry,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        let open = self.open(step.session)?;
        open.may_be_treated()?;
        let segment = open.segment(entry.segment)?;
        if segment.delivery != Delivery::ManualSyringe {
            return Err(Refusal::NotByHand {
                segment: entry.segment,
            });
        }
        if open.manual().any(|known| *known == entry) {
            return Ok(Vec::new());
        }
        let next = open.manual().map(|known| known.number).max().unwrap_or(0) + 1;
        if entry.number != next {
            return Err(Refusal::EntryOutOfOrder {
                number: entry.number,
                next,
            });
        }
        let known = self.known(step.session)?;
        self.decide_statement(&known, now, step.clone())
    }

    pub(super) fn decide_amend(
        &self,
        now: Timestamp,
        step: &AmendStep,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        check::text("reason", &step.reason, 1)?;
        check::text("new value", &step.new_value, 0)?;
        let known = self.known(step.session)?;
        let is_repeated = known.statements.iter().any(|one| match &one.said {
            Said::Amended(amendment) => {
                amendment.original == step.original
                    && amendment.by == step.by
                    && amendment.field == step.field
                    && amendment.new_value == step.new_value
                    && amendment.reason == step.reason
            }
            _ => false,
        });
        if is_repeated {
            return Ok(Vec::new());
        }
        let original = step.original;
        let event = known
            .corrected(original)
            .ok_or(Refusal::OriginalUnknown { original })?;
        let (_, old_value) = correct(&event, &step.field, &step.new_value)?;
        let amendment = Amendment {
            original,
            by: step.by.clone(),
            at: now.max(known.event_at),
            reason: step.reason.clone(),
            field: step.field.clone(),
            old_value,
            new_value: step.new_value.clone(),
            signature: Amendment::UNSIGNED,
        };
        let say = SayStep {
            session: step.session,
            by: step.by.clone(),
            said: Said::Amended(amendment),
        };
        self.decide_statement(&known, now, say)
    }

    /// An event of a session, which may have ended, with the corrections that were made of it.
    pub fn corrected(&self, session: SessionId, original: RecordHash) -> Option<SessionEvent> {
        self.known(session).ok()?.corrected(original)
    }

    /// A session that is open, or ended not long ago.
    fn known(&self, session: SessionId) -> Result<Known<'_>, Refusal> {
        if let Some(open) = self.open.get(&session) {
            return Ok(Known {
                opened: &open.opened,
                segments: &open.segments,
                statements: &open.statements,
                event_at: open.event_at,
            });
        }
        let mut ended = self.ended.iter();
        let ended = ended
            .find(|known| known.end.session == session)
            .ok_or(Refusal::SessionUnknown { session })?;
        let statements = ended.statements.iter().map(|statement| statement.at);
        Ok(Known {
            opened: &ended.opened,
            segments: &ended.segments,
            statements: &ended.statements,
            event_at: statements.max().unwrap_or(ended.end.at).max(ended.end.at),
        })
    }
}

/// What may still be said of a session that has ended.
const fn lasts(said: &Said) -> bool {
    matches!(
        said,
        Said::AdverseEvent(_) | Said::Addendum(_) | Said::Amended(_) | Said::Claim(_)
    )
}

/// What adds to what was said before, rather than to take its place.
const fn is_counted(said: &Said) -> bool {
    matches!(said, Said::Manual(_) | Said::Override(_))
}

/// What holds now of the kind of a statement that takes the place of the one before.
fn newest_like<'a>(known: &'a Known<'_>, statement: &Statement) -> Option<&'a Said> {
    let is_like = |one: &Said| match (one, &statement.said) {
        (Said::Material(one), Said::Material(other)) => one.segment == other.segment,
        (one, other) => core::mem::discriminant(one) == core::mem::discriminant(other),
    };
    let mut newest = known.statements.iter().rev();
    newest.find(|one| is_like(&one.said)).map(|one| &one.said)
}

fn may_override(limit: &LimitOverride) -> Result<(), Refusal> {
    let rule = limit.finding.rule;
    match limit.finding.severity {
        Severity::Soft => Ok(()),
        Severity::Hard => Err(Refusal::HardLimit { rule }),
        Severity::NotCheckable => Err(Refusal::NothingToOverride { rule }),
    }
}

fn may_claim(known: &Known<'_>, claim: &ShotClaim) -> Result<(), Refusal> {
    let segment = known.segment(claim.segment)?;
    match &segment.delivery {
        Delivery::Gun(gun) if *gun == claim.gun => Ok(()),
        _ => Err(Refusal::ClaimOfOtherGun {
            segment: claim.segment,
            gun: claim.gun.clone(),
        }),
    }
}
