//! What happens to an alert, and whom to tell.

use core::fmt;

use meso_domain::Severity;
use meso_units::{OperatorId, Timestamp};

use crate::{AlertError, AlertId};

/// Why a person does something with an alert: 1 to [`Reason::LENGTH_MAX`] characters.
///
/// It is kept beside the ledger, whose leaves hold its hash only. It must name no patient, as the
/// places that ask for it say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason(String);

impl Reason {
    /// The longest reason, in characters; a longer one is refused, never cut.
    pub const LENGTH_MAX: usize = 200;

    /// Reads a reason; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`AlertError::NotAReason`] for an empty or too long one, or one with control characters.
    pub fn parse(text: &str) -> Result<Reason, AlertError> {
        let trimmed = text.trim();
        let length = trimmed.chars().count();
        if length == 0 || length > Reason::LENGTH_MAX || trimmed.contains(char::is_control) {
            return Err(AlertError::NotAReason { length });
        }
        Ok(Reason(trimmed.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// The first episode of its kind.
    Opened,
    /// It came again after it was over: a further episode, which is an alert of its own, or shots
    /// of an episode that was taken for over, or for seen.
    Reopened,
    /// More shots past the limit; at most once a second of shot time, and what is left over with
    /// the next [`crate::Alerts::tick`].
    Counted,
    /// From soft to hard.
    Worsened,
    /// A person has seen to it.
    Acknowledged(OperatorId),
    /// It is over.
    Resolved,
    /// The breach is over, but nobody has seen to a hard alert.
    Latched,
    /// Late shots closed the hole between it and an earlier episode, which goes on for both.
    Merged(AlertId),
    /// A person wants to hear nothing of it for a while.
    Silenced {
        /// Who.
        by: OperatorId,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// The silence is over.
    SilenceEnded,
    /// Nobody has seen to it in time.
    Escalated,
    /// A person said that it is over.
    Closed {
        /// Who.
        by: OperatorId,
        /// Why.
        reason: Reason,
    },
}

impl TransitionKind {
    /// The name in records and views.
    pub const fn as_str(&self) -> &'static str {
        match self {
            TransitionKind::Opened => "opened",
            TransitionKind::Reopened => "reopened",
            TransitionKind::Counted => "counted",
            TransitionKind::Worsened => "worsened",
            TransitionKind::Acknowledged(_) => "acknowledged",
            TransitionKind::Resolved => "resolved",
            TransitionKind::Latched => "latched",
            TransitionKind::Merged(_) => "merged",
            TransitionKind::Silenced { .. } => "silenced",
            TransitionKind::SilenceEnded => "silence ended",
            TransitionKind::Escalated => "escalated",
            TransitionKind::Closed { .. } => "closed",
        }
    }

    /// Whether people are told: what they did themselves, and counts, are no news.
    pub const fn is_news(&self) -> bool {
        match self {
            TransitionKind::Opened
            | TransitionKind::Reopened
            | TransitionKind::Worsened
            | TransitionKind::Resolved
            | TransitionKind::SilenceEnded
            | TransitionKind::Escalated
            | TransitionKind::Closed { .. } => true,
            TransitionKind::Counted
            | TransitionKind::Acknowledged(_)
            | TransitionKind::Latched
            | TransitionKind::Merged(_)
            | TransitionKind::Silenced { .. } => false,
        }
    }
}

impl fmt::Display for TransitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change of an alert, as registry and ledger keep it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The alert.
    pub alert: AlertId,
    /// What happened.
    pub kind: TransitionKind,
    /// When.
    pub at: Timestamp,
    /// The severity after it.
    pub severity: Severity,
    /// The shots counted by then.
    pub shot_count: u64,
}

/// Something to tell people, at least once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// `alert-number of the transition`: the same for every repetition of the same message. Who
    /// gets it twice drops the second.
    pub idempotency_key: String,
    /// The alert.
    pub alert: AlertId,
    /// What happened.
    pub kind: TransitionKind,
    /// When.
    pub at: Timestamp,
    /// The severity.
    pub severity: Severity,
    /// One line for people.
    pub text: String,
}
