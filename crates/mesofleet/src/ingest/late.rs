//! Sessions of which a shot came so late that the limit engine could not place it: they are judged
//! again from the store, and what that changes is a late finding.

use meso_alerts::LateBreach;
use meso_domain::{Finding, LateVerdict, SessionEvent, Severity, Shot};
use meso_limits::{ENGINE_VERSION, LateFinding, SessionVerdict};
use meso_units::{GunSerial, SessionId, Timestamp};

use super::IngestError;
use super::claims::claimed;
use super::pipeline::{Ingest, RECALL_PAGE};
use super::prepare::Preparation;
use super::shot_store::ShotStore;

/// The most shots of one session that are judged again: three hours at 9 a second. The sums of a
/// longer one stay lower bounds, so that its verdicts answer "not checkable" and never pass.
const SESSION_SHOTS_MAX: usize = 100_000;

/// Gun and time of a shot.
pub(super) type Newest = (GunSerial, Timestamp);

/// A session that was judged again from its shots.
pub(super) struct JudgedAgain {
    session: SessionId,
    newest: Option<Newest>,
    findings: Vec<LateFinding>,
}

impl<S: ShotStore> Preparation<'_, S> {
    /// Judges every session again that wants it. What is stored must be readable: the caller has
    /// stored the commit.
    pub(super) fn judge_late_sessions(&mut self) -> Result<(), IngestError> {
        for judged in self.ingest.judge_stale_sessions()? {
            let session = judged.session;
            self.rest.news.sessions.insert(session);
            let verdict = self.ingest.judge.verdict(session);
            self.say_late(session, &judged.findings, verdict.as_ref(), judged.newest)?;
        }
        Ok(())
    }

    /// Takes note of what changed: it is stored, and each breach of the verdict raises an alert or
    /// worsens one, unless there is one already that says as much. The alert is of the gun and the
    /// time of the newest shot, for which the shots are read where it is not known.
    pub(super) fn say_late(
        &mut self,
        session: SessionId,
        findings: &[LateFinding],
        verdict: Option<&SessionVerdict>,
        newest: Option<Newest>,
    ) -> Result<(), IngestError> {
        let library = self.ingest.judge.library().map(|library| library.version());
        for finding in findings {
            note(session, finding);
            self.commit.late.push(LateVerdict {
                session,
                at: self.now,
                library,
                engine: ENGINE_VERSION,
                before: finding.before,
                after: finding.after,
            });
        }
        self.rest.news.late_finding_count += findings.len() as u64;
        let breaches: Vec<Finding> = verdict
            .into_iter()
            .flat_map(|verdict| verdict.rules.iter().filter_map(|rule| rule.worst))
            .filter(|finding| finding.severity != Severity::NotCheckable)
            .collect();
        if breaches.is_empty() {
            return Ok(());
        }
        let newest = match newest {
            Some(newest) => Some(newest),
            None => newest_of(&self.ingest.shots_of(session)?),
        };
        let Some((gun, at)) = newest else {
            return Ok(());
        };
        let events = self.ingest.store.session_events(session)?;
        let clinic = events.iter().find_map(|event| match event {
            SessionEvent::Opened(opened) => Some(&opened.clinic),
            _ => None,
        });
        let Some(clinic) = clinic else {
            return Ok(());
        };
        for finding in breaches {
            let outcome = self.ingest.alerts.late(&LateBreach {
                clinic,
                gun: &gun,
                session,
                at,
                library,
                finding,
            });
            self.note(outcome);
        }
        Ok(())
    }
}

impl<S: ShotStore> Ingest<S> {
    /// Judges every session again that wants it, and says what that changed.
    pub(super) fn judge_stale_sessions(&mut self) -> Result<Vec<JudgedAgain>, IngestError> {
        let stale = self.judge.stale_sessions();
        let mut changed = Vec::new();
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
            changed.push(JudgedAgain {
                session,
                newest: newest_of(&shots),
                findings: self.judge.judge_again(session, shots),
            });
        }
        Ok(changed)
    }

    /// The shots of a session, with those that it claimed.
    fn shots_of(&self, session: SessionId) -> Result<Vec<Shot>, IngestError> {
        let mut shots = self.own_shots_of(session)?;
        let events = self.store.session_events(session)?;
        shots.extend(claimed(&self.store, session, &events)?.shots);
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

/// The gun and the time of the newest of these shots.
pub(super) fn newest_of<'s>(shots: impl IntoIterator<Item = &'s Shot>) -> Option<Newest> {
    let newest = shots
        .into_iter()
        .max_by(|a, b| (a.at, &a.identity).cmp(&(b.at, &b.identity)))?;
    Some((newest.identity.gun.clone(), newest.at))
}

fn note(session: SessionId, finding: &LateFinding) {
    let text = |finding: Option<Finding>| {
        finding.map_or_else(|| "passed".to_owned(), |finding| finding.to_string())
    };
    let (before, after) = (text(finding.before), text(finding.after));
    tracing::warn!(%session, before, after, "late finding: what came late changed a verdict");
}
