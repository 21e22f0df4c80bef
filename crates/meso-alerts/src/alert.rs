//! An alert.

use core::cmp::Reverse;
use core::fmt;

use meso_domain::{Bound, Finding, Severity, ShotIdentity};
use meso_units::{ClinicId, LibraryVersion, OperatorId, Timestamp};

use crate::advice::advice;
use crate::{AlertId, AlertKey, Subject};

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// Nobody has seen to it.
    Open,
    /// A person has.
    Acknowledged,
    /// What it is about is over, but nobody has seen to it, and it is hard.
    Latched,
    /// It is over.
    Resolved,
    /// Another alert goes on for it.
    Merged,
}

impl AlertState {
    /// The name in views.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertState::Open => "open",
            AlertState::Acknowledged => "acknowledged",
            AlertState::Latched => "latched",
            AlertState::Resolved => "resolved",
            AlertState::Merged => "merged",
        }
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first or the last of what an alert counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// The shot; `None` for the fleet itself.
    pub shot: Option<ShotIdentity>,
    /// The value, in the unit of the alert.
    pub value: i64,
}

/// The worst of what an alert counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Worst {
    /// What the limit engine said of a shot, and by which release of the protocol library.
    Breach {
        /// Value, limit and bound, in the unit of the rule.
        finding: Finding,
        /// The release; `None` where none was in force.
        library: Option<LibraryVersion>,
    },
    /// A number of the fleet and the threshold that it passed, in the unit of the cause.
    Fleet {
        /// The number.
        value: i64,
        /// The threshold.
        limit: i64,
    },
}

impl Worst {
    /// The value, in the unit of the alert.
    pub const fn value(&self) -> i64 {
        match self {
            Worst::Breach { finding, .. } => finding.value,
            Worst::Fleet { value, .. } => *value,
        }
    }

    /// The limit, in the same unit.
    pub const fn limit(&self) -> i64 {
        match self {
            Worst::Breach { finding, .. } => finding.limit,
            Worst::Fleet { limit, .. } => *limit,
        }
    }

    /// The release of the protocol library whose limit it is.
    pub const fn library(&self) -> Option<LibraryVersion> {
        match self {
            Worst::Breach { library, .. } => *library,
            Worst::Fleet { .. } => None,
        }
    }

    /// A harder one is worse; of equal ones, the one further past its limit. All the rest only
    /// makes the order total, so that the worst of a set is the same in whatever order it came.
    pub(crate) fn is_worse_than(&self, other: &Worst) -> bool {
        let rank = |worst: &Worst| match worst {
            Worst::Breach { finding, library } => (
                Some(finding.severity),
                finding.value.abs_diff(finding.limit),
                finding.bound.map(Bound::code),
                finding.value,
                Reverse(library.map(LibraryVersion::get)),
            ),
            Worst::Fleet { value, limit } => {
                (None, value.abs_diff(*limit), None, *value, Reverse(None))
            }
        };
        rank(self) > rank(other)
    }
}

/// One episode of something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alert {
    /// Its name.
    pub id: AlertId,
    /// What it is about.
    pub key: AlertKey,
    /// The clinic.
    pub clinic: ClinicId,
    /// The worst severity of the episode: soft or hard.
    pub severity: Severity,
    /// Where it stands.
    pub state: AlertState,
    /// Shots past the limit, each counted once; of the fleet itself, how often it happened.
    pub shot_count: u64,
    /// The first by time.
    pub first: Sighting,
    /// The last by time.
    pub last: Sighting,
    /// The worst.
    pub worst: Worst,
    /// The time of what opened it; it stays when an earlier shot comes late.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Who has seen to it, at the severity that it has now.
    pub acknowledged_by: Option<OperatorId>,
    /// When they did.
    pub acknowledged_at: Option<Timestamp>,
    /// Since when that which it is about is over.
    pub breach_over_at: Option<Timestamp>,
    /// When it was last taken for over: by a person, because it was quiet for long, or because the
    /// fleet was well again. What happened before that is covered.
    pub closed_at: Option<Timestamp>,
    /// The alert that goes on for it.
    pub merged_into: Option<AlertId>,
    /// Until when nobody wants to hear of it.
    pub silenced_until: Option<Timestamp>,
    /// Since when it waits for a person, by the server's clock.
    pub waiting_since: Option<Timestamp>,
    /// When it had waited for too long.
    pub escalated_at: Option<Timestamp>,
    /// How many transitions it has had; the number of the last one.
    pub transition_count: u32,
    /// The count that was last given out in a transition.
    pub told_count: u64,
    /// The time of the shot with which it was given out.
    pub told_at: Timestamp,
}

impl Alert {
    /// One line for people: what, the limit, what to do.
    pub fn text(&self) -> String {
        match (&self.key.subject, &self.worst) {
            (Subject::Breach { rule, .. }, Worst::Breach { finding, .. }) => {
                format!("{finding}: {}", advice(*rule, self.severity))
            }
            (subject, worst) => fleet_text(subject, worst),
        }
    }

    /// The unit of its values and its limit, such as `µm`, `nl`, `µs`, `shots` or `s`.
    pub const fn unit(&self) -> &'static str {
        match &self.key.subject {
            Subject::Breach { rule, .. } => rule.unit(),
            Subject::Fleet { cause, .. } => cause.unit(),
        }
    }

    /// Whether a person still has to look at it.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, AlertState::Open | AlertState::Latched)
    }

    /// Whether nothing more happens to it, unless it comes again.
    pub fn is_done(&self) -> bool {
        matches!(self.state, AlertState::Resolved | AlertState::Merged)
    }

    /// Whether it is over.
    pub fn is_resolved(&self) -> bool {
        self.state == AlertState::Resolved
    }

    /// Whether a person wants to hear nothing of it.
    pub const fn is_silenced(&self) -> bool {
        self.silenced_until.is_some()
    }
}

fn fleet_text(subject: &Subject, worst: &Worst) -> String {
    let Subject::Fleet {
        cause, driver, gun, ..
    } = subject
    else {
        return subject.name().to_owned();
    };
    let place = match (gun, driver) {
        (Some(gun), _) => format!(" (gun {gun})"),
        (None, Some(driver)) => format!(" (room {driver})"),
        (None, None) => String::new(),
    };
    let (value, limit, unit) = (worst.value(), worst.limit(), cause.unit());
    let numbers = match limit {
        0 => format!("{value} {unit}"),
        _ => format!("{value} {unit}, the limit is {limit} {unit}"),
    };
    format!("{cause}{place}: {numbers}: {}", cause.advice())
}
