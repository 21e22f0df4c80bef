//! Corrections and claims that come after the fact: the limit engine hears what is right, what was
//! stored stays as it is.

use meso_domain::{Said, SessionEvent, Shot, ShotIdentity, corrected};
use meso_limits::Judge;
use meso_units::{SessionId, ShotCounter};

use super::IngestError;
use super::late::note;
use super::pipeline::Ingest;
use super::shot_store::ShotStore;

/// Tells the engine a session's events in their order, and then the corrected ones in the place of
/// their originals.
pub(super) fn learn(judge: &mut Judge, events: &[SessionEvent]) {
    for event in events {
        judge.session_event(event);
    }
    learn_corrections(judge, events);
}

fn learn_corrections(judge: &mut Judge, events: &[SessionEvent]) {
    for event in events {
        if let SessionEvent::Stated(statement) = event
            && let Said::Amended(amendment) = &statement.said
        {
            match corrected(events.iter(), amendment.original) {
                Some(right) => judge.session_event(&right),
                None => tracing::warn!(
                    session = %statement.session,
                    original = %amendment.original,
                    "an amendment corrects an event that is not stored"
                ),
            }
        }
    }
}

/// Whether a statement changes what a session adds up to after the fact.
pub(super) const fn changes_sums(said: &Said) -> bool {
    matches!(said, Said::Amended(_) | Said::Claim(_))
}

/// The shots without a session that a session's events claim, each once, with the segment that they
/// are counted in.
///
/// # Errors
///
/// [`IngestError`] when the store cannot be read.
pub(super) fn claimed(
    store: &impl ShotStore,
    events: &[SessionEvent],
) -> Result<Vec<Shot>, IngestError> {
    let mut shots: Vec<Shot> = Vec::new();
    for event in events {
        let SessionEvent::Stated(statement) = event else {
            continue;
        };
        let Said::Claim(claim) = &statement.said else {
            continue;
        };
        for counter in claim.first.get()..=claim.last.get() {
            let identity = ShotIdentity {
                gun: claim.gun.clone(),
                epoch: claim.epoch,
                counter: ShotCounter(counter),
            };
            let is_known = shots.iter().any(|shot| shot.identity == identity);
            let Some(mut shot) = store.shot(&identity)?.filter(|_| !is_known) else {
                continue;
            };
            if shot.segment.is_some() {
                tracing::warn!(%identity, "a shot is claimed that has a session already");
                continue;
            }
            shot.segment = Some(claim.segment);
            shots.push(shot);
        }
    }
    Ok(shots)
}

impl<S: ShotStore> Ingest<S> {
    /// Judges the sessions again whose events were corrected, or which claimed shots, in this commit.
    /// What is stored must be readable: the caller has stored the commit.
    ///
    /// A session that is sealed is judged from the store, with its events as they came and as they
    /// are right. Says how many verdicts the corrections changed.
    pub(super) fn judge_amended_sessions(&mut self) -> Result<u64, IngestError> {
        let mut changed = 0;
        for session in std::mem::take(&mut self.amended) {
            self.settle()?;
            let events = self.store.session_events(session)?;
            changed += match self.judge.verdict(session) {
                Some(before) => {
                    learn_corrections(&mut self.judge, &events);
                    for shot in claimed(&self.store, &events)? {
                        self.judge.observe(&shot, Some(session));
                    }
                    let after = self.judge.verdict(session);
                    say(session, &before, after.as_ref())
                }
                None => self.judge_sealed(session, &events)?,
            };
        }
        Ok(changed)
    }

    fn judge_sealed(
        &self,
        session: SessionId,
        events: &[SessionEvent],
    ) -> Result<u64, IngestError> {
        let mut judge = Judge::new(self.options.library.clone());
        for event in events {
            judge.session_event(event);
        }
        judge.judge_again(session, self.own_shots_of(session)?);
        let Some(before) = judge.verdict(session) else {
            return Ok(0);
        };
        learn_corrections(&mut judge, events);
        for shot in claimed(&self.store, events)? {
            judge.observe(&shot, Some(session));
        }
        let after = judge.verdict(session);
        Ok(say(session, &before, after.as_ref()))
    }
}

fn say(
    session: SessionId,
    before: &meso_limits::SessionVerdict,
    after: Option<&meso_limits::SessionVerdict>,
) -> u64 {
    let findings = after.map_or_else(Vec::new, |after| before.changes_to(after));
    for finding in &findings {
        note(session, finding);
    }
    findings.len() as u64
}
