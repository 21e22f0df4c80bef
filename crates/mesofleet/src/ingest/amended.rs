//! Corrections and claims that come after the fact: the limit engine hears what is right, what was
//! stored stays as it is.

use meso_alerts::FleetCause;
use meso_domain::{Said, SessionEvent, corrected};
use meso_limits::Judge;
use meso_units::SessionId;

use super::IngestError;
use super::arrival::quarantined;
use super::claims::{Claimed, claimed, claims_in, counts_of};
use super::courses::treated_by;
use super::late::newest_of;
use super::prepare::Preparation;
use super::shot_store::ShotStore;
use super::trouble::Trouble;

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

impl<S: ShotStore> Preparation<'_, S> {
    /// Judges the sessions again whose events were corrected, or whose claims or claimed shots came,
    /// since the last commit, with the sessions that claim the same shots.
    ///
    /// A session that is sealed is judged from the store, with its events as they came and as they
    /// are right.
    pub(super) fn judge_amended_sessions(&mut self) -> Result<(), IngestError> {
        let store = &self.ingest.store;
        for ((gun, epoch), came) in std::mem::take(&mut self.ingest.claimed_came) {
            let claims = store.claims_of(&gun, epoch)?.into_iter();
            let claims = claims.filter(|it| came.range(it.first..=it.last).next().is_some());
            self.ingest
                .amended
                .extend(claims.map(|claim| claim.session));
        }
        let mut left = std::mem::take(&mut self.ingest.amended);
        if left.is_empty() {
            return Ok(());
        }
        self.ingest.settle()?;
        let mut done = std::collections::BTreeSet::new();
        while let Some(session) = left.pop_first() {
            done.insert(session);
            let events = self.ingest.store.session_events(session)?;
            let claims = claimed(&self.ingest.store, session, &events)?;
            left.extend(claims.rivals.difference(&done));
            self.judge_amended(session, &events, &claims)?;
            self.name_conflicts(&events, claims)?;
        }
        Ok(())
    }

    fn judge_amended(
        &mut self,
        session: SessionId,
        events: &[SessionEvent],
        claims: &Claimed,
    ) -> Result<(), IngestError> {
        let has_claims = claims_in(events).next().is_some();
        let known = self.ingest.judge.verdict(session);
        let is_open = known.is_some();
        let own = match has_claims || !is_open {
            true => Some(self.ingest.own_shots_of(session)?),
            false => None,
        };
        let newest = own
            .as_ref()
            .and_then(|own| newest_of(own.iter().chain(&claims.shots)));
        let mut sealed;
        let judge = match is_open {
            true => &mut self.ingest.judge,
            false => {
                sealed = Judge::new(self.ingest.options.library.clone());
                for event in events {
                    sealed.session_event(event);
                }
                sealed.judge_again(session, own.clone().unwrap_or_default());
                &mut sealed
            }
        };
        let before = known.or_else(|| judge.verdict(session));
        learn_corrections(judge, events);
        if let Some(mut shots) = own.filter(|_| has_claims) {
            shots.extend(claims.shots.iter().cloned());
            judge.judge_again(session, shots);
            let counts = counts_of(judge, session, &claims.shots);
            self.commit.claimed.push((session, counts));
        }
        let after = judge.verdict(session);
        let findings = match (before, &after) {
            (Some(before), Some(after)) => before.changes_to(after),
            _ => Vec::new(),
        };
        if is_open {
            self.rest.news.sessions.insert(session);
        } else {
            let treated = treated_by(judge, session, events);
            self.add_treated(treated);
        }
        self.say_late(session, &findings, after.as_ref(), newest)
    }

    fn name_conflicts(
        &mut self,
        events: &[SessionEvent],
        claims: Claimed,
    ) -> Result<(), IngestError> {
        let clinic = events.iter().find_map(|event| match event {
            SessionEvent::Opened(opened) => Some(&opened.clinic),
            _ => None,
        });
        for (place, conflict) in claims.conflicts {
            let bytes = format!("{place}: {conflict}").into_bytes();
            let trouble = Trouble {
                cause: FleetCause::Conflict,
                clinic: clinic.cloned(),
                driver: None,
                gun: None,
            };
            self.quarantine(quarantined(&place, &conflict, bytes, self.now), trouble)?;
            self.rest.news.conflict_count += 1;
        }
        Ok(())
    }
}
