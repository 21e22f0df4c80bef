//! What people do with an alert.

use meso_units::{OperatorId, Timestamp};

use super::{Alerts, Outcome};
use crate::{Alert, AlertError, AlertId, Reason, TransitionKind};

/// What a person does with an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// They have seen to it.
    Acknowledge {
        /// Who.
        by: OperatorId,
    },
    /// They say that it is over.
    Close {
        /// Who.
        by: OperatorId,
        /// Why.
        reason: Reason,
    },
    /// They want to hear nothing of it for a while.
    Silence {
        /// Who.
        by: OperatorId,
        /// For how long from now, in ns.
        for_ns: i64,
        /// Why.
        reason: Reason,
    },
}

impl Alerts {
    /// Does what a person asks for.
    ///
    /// # Errors
    ///
    /// As [`Alerts::acknowledge`], [`Alerts::close`] and [`Alerts::silence`].
    pub fn apply(
        &mut self,
        id: AlertId,
        deed: &Deed,
        now: Timestamp,
    ) -> Result<Outcome, AlertError> {
        match deed {
            Deed::Acknowledge { by } => self.acknowledge(id, by, now),
            Deed::Close { by, reason } => self.close(id, by, reason, now),
            Deed::Silence { by, for_ns, reason } => {
                let until = Timestamp::from_unix_ns(now.unix_ns().saturating_add(*for_ns));
                // Before 1970 is before now.
                self.silence(id, by, until.unwrap_or(now), reason, now)
            }
        }
    }

    /// A person has seen to an alert. The same again, by the same or another person, changes
    /// nothing: the first one counts.
    ///
    /// # Errors
    ///
    /// [`AlertError::Unknown`] for an alert that is not remembered, [`AlertError::Merged`] for one
    /// that is part of another since.
    pub fn acknowledge(
        &mut self,
        id: AlertId,
        by: &OperatorId,
        now: Timestamp,
    ) -> Result<Outcome, AlertError> {
        let mut outcome = Outcome::default();
        if self.known(id)?.is_waiting() {
            self.mark_seen(id, by, now);
            self.emit(
                id,
                TransitionKind::Acknowledged(by.clone()),
                now,
                &mut outcome,
            );
            self.refresh(id, now, &mut outcome);
        }
        Ok(outcome)
    }

    /// A person says that an alert is over. What comes after `now` brings it back; what comes late
    /// from before it does not. The same again changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Alerts::acknowledge`].
    pub fn close(
        &mut self,
        id: AlertId,
        by: &OperatorId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Outcome, AlertError> {
        let mut outcome = Outcome::default();
        let alert = self.known(id)?;
        if alert.is_done() {
            return Ok(outcome);
        }
        if alert.is_waiting() {
            self.mark_seen(id, by, now);
        }
        let closed = TransitionKind::Closed {
            by: by.clone(),
            reason: reason.clone(),
        };
        self.emit(id, closed, now, &mut outcome);
        self.take_for_over(id, now, &mut outcome);
        Ok(outcome)
    }

    /// A person wants to hear nothing of an alert until a moment. It stays where it stands and is
    /// shown; it ends early when the alert turns from soft to hard. A later silence takes the place
    /// of an earlier one.
    ///
    /// # Errors
    ///
    /// As [`Alerts::acknowledge`]; [`AlertError::Resolved`] for a resolved one,
    /// [`AlertError::SilenceLength`] for one that is over already or longer than
    /// [`Alerts::SILENCE_NS_MAX`].
    pub fn silence(
        &mut self,
        id: AlertId,
        by: &OperatorId,
        until: Timestamp,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Outcome, AlertError> {
        let mut outcome = Outcome::default();
        let length_ns = until.since_ns(now);
        if !(1..=Alerts::SILENCE_NS_MAX).contains(&length_ns) {
            let seconds = length_ns / 1_000_000_000;
            return Err(AlertError::SilenceLength { seconds });
        }
        if self.known(id)?.is_done() {
            return Err(AlertError::Resolved { id });
        }
        if let Some(alert) = self.alerts.get_mut(&id)
            && alert.silenced_until != Some(until)
        {
            alert.silenced_until = Some(until);
            let silenced = TransitionKind::Silenced {
                by: by.clone(),
                until,
                reason: reason.clone(),
            };
            self.emit(id, silenced, now, &mut outcome);
        }
        Ok(outcome)
    }

    pub(super) fn end_silence(&mut self, id: AlertId, now: Timestamp, outcome: &mut Outcome) {
        if let Some(alert) = self.alerts.get_mut(&id) {
            alert.silenced_until = None;
            self.emit(id, TransitionKind::SilenceEnded, now, outcome);
        }
    }

    /// An alert that a person may do something with.
    fn known(&self, id: AlertId) -> Result<&Alert, AlertError> {
        let alert = self.alerts.get(&id).ok_or(AlertError::Unknown { id })?;
        match alert.merged_into {
            Some(into) => Err(AlertError::Merged { id, into }),
            None => Ok(alert),
        }
    }

    fn mark_seen(&mut self, id: AlertId, by: &OperatorId, now: Timestamp) {
        if let Some(alert) = self.alerts.get_mut(&id) {
            alert.acknowledged_by = Some(by.clone());
            alert.acknowledged_at = Some(now);
            alert.waiting_since = None;
            // Its state follows with the next look.
        }
    }
}
