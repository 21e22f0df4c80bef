//! Sessions of which a shot came so late that the limit engine could not place it: they are judged
//! again from the store, and what that changes is a late finding.

use meso_domain::Shot;
use meso_limits::LateFinding;
use meso_units::SessionId;

use super::IngestError;
use super::amended::claimed;
use super::pipeline::{Ingest, RECALL_PAGE};
use super::shot_store::ShotStore;

/// The most shots of one session that are judged again: three hours at 9 a second. The sums of a
/// longer one stay lower bounds, so that its verdicts answer "not checkable" and never pass.
const SESSION_SHOTS_MAX: usize = 100_000;

impl<S: ShotStore> Ingest<S> {
    /// Judges every session again that wants it. What is stored must be readable: the caller has
    /// stored the commit.
    ///
    /// Says how many verdicts that changed.
    pub(super) fn judge_late_sessions(&mut self) -> Result<u64, IngestError> {
        let stale = self.judge.stale_sessions();
        let mut changed = 0;
        if stale.is_empty() {
            return Ok(changed);
        }
        self.settle()?;
        for session in stale {
            let shots = self.shots_of(session)?;
            if shots.len() >= SESSION_SHOTS_MAX {
                tracing::error!(%session, limit = SESSION_SHOTS_MAX, "too many shots to be judged again");
                self.judge.set_history_missing(session);
            }
            for finding in self.judge.judge_again(session, shots) {
                note(session, &finding);
                changed += 1;
            }
        }
        Ok(changed)
    }

    /// The shots of a session, with those that it claimed.
    fn shots_of(&self, session: SessionId) -> Result<Vec<Shot>, IngestError> {
        let mut shots = self.own_shots_of(session)?;
        let events = self.store.session_events(session)?;
        shots.extend(claimed(&self.store, &events)?);
        Ok(shots)
    }

    pub(super) fn own_shots_of(&self, session: SessionId) -> Result<Vec<Shot>, IngestError> {
        let mut shots = Vec::new();
        let mut after = None;
        while shots.len() < SESSION_SHOTS_MAX {
            let page = self.store.session_shots(session, after, RECALL_PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some((last.shot.at.unix_ns(), last.arrival));
            shots.extend(page.into_iter().map(|stored| stored.shot));
        }
        Ok(shots)
    }
}

pub(super) fn note(session: SessionId, finding: &LateFinding) {
    let text = |finding: Option<meso_domain::Finding>| {
        finding.map_or_else(|| "passed".to_owned(), |finding| finding.to_string())
    };
    let (before, after) = (text(finding.before), text(finding.after));
    tracing::warn!(%session, before, after, "late finding: what came late changed a verdict");
}
