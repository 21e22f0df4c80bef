//! An alert, what happens to it, and whom to tell.

use core::fmt;

use meso_domain::{Finding, Rule, Severity, ShotIdentity};
use meso_units::{ClinicId, GunSerial, OperatorId, SessionId, Timestamp};
use sha2::{Digest, Sha256};

use crate::AlertError;

/// What an alert is about; equal keys are the same alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The rule.
    pub rule: Rule,
    /// The gun.
    pub gun: GunSerial,
    /// The session, if any.
    pub session: Option<SessionId>,
    /// Counts breaches of the same rule, gun and session, from 1.
    pub episode: u32,
}

/// The name of an alert: a hash of its key, so that a replay gives the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(u64);

impl AlertId {
    /// The id of a key: the first 8 bytes of SHA-256 over its parts.
    pub fn of(key: &AlertKey) -> AlertId {
        let mut hasher = Sha256::new();
        hasher.update(b"mesofleet/alert/v1\0");
        hasher.update([key.rule.code()]);
        hasher.update(key.gun.as_str().as_bytes());
        hasher.update([0, u8::from(key.session.is_some())]);
        if let Some(session) = &key.session {
            hasher.update(session.as_bytes());
        }
        hasher.update(key.episode.to_le_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        AlertId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_number(number: u64) -> AlertId {
        AlertId(number)
    }

    /// Reads 16 lower-case hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`AlertError::NotAnId`] for anything else.
    pub fn parse(text: &str) -> Result<AlertId, AlertError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let number = (text.len() == 16 && text.bytes().all(is_digit))
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten();
        number.map(AlertId).ok_or_else(|| AlertError::NotAnId {
            text: text.chars().take(64).collect(),
        })
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// Nobody has seen to it.
    Open,
    /// A person has.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl AlertState {
    /// The name in views.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertState::Open => "open",
            AlertState::Acknowledged => "acknowledged",
            AlertState::Resolved => "resolved",
        }
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One episode of a breach.
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
    /// Shots past the limit, each counted once.
    pub shot_count: u64,
    /// The shot that opened it.
    pub first_shot: ShotIdentity,
    /// The time of the newest shot past the limit.
    pub last_breach_at: Timestamp,
    /// The worst finding: value, limit and bound, in the unit of the rule.
    pub worst: Finding,
    /// When it opened: the time of the shot that opened it.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Who acknowledged it.
    pub acknowledged_by: Option<OperatorId>,
    /// Since when the breach itself is over; a hard alert stays open all the same until it is
    /// acknowledged.
    pub breach_over_at: Option<Timestamp>,
}

impl Alert {
    /// One line for people: what, the limit, what to do.
    pub fn text(&self) -> String {
        let advice = match (self.key.rule, self.severity) {
            (Rule::NeedleDepth, Severity::Hard) => "stop and set the depth again",
            (Rule::NeedleDepth, _) => "check the depth that is set",
            (Rule::VolumePerTrigger, Severity::Hard) => "stop and set the volume again",
            (Rule::VolumePerTrigger, _) => "check the volume that is set",
            (Rule::ShotRate, _) => "stop and set the rate again",
            (Rule::SessionVolume, Severity::Hard) => "stop: this session has had too much",
            (Rule::SessionVolume, _) => "look at the total before you go on",
            (Rule::SessionPoints | Rule::ZoneShots | Rule::ZoneVolume | Rule::CourseVolume, _) => {
                "look at the total before you go on"
            }
            (Rule::DrugMass | Rule::DrugUnits, Severity::Hard) => {
                "stop: this patient has had too much of a drug"
            }
            (Rule::DrugMass | Rule::DrugUnits, _) => "look at the dose before you go on",
            (Rule::FailedInjections | Rule::DryShots | Rule::BlockedNeedles, _) => {
                "look at needle and syringe"
            }
            (Rule::VolumeVariation | Rule::VolumeDrift | Rule::SyringeBalance, _) => {
                "look at syringe, tube and needle"
            }
            (Rule::NeedleLayer | Rule::DepthVariation | Rule::DepthDrift, _) => {
                "check the depth that is set"
            }
            (Rule::Vacuum, _) => "look at the head and how it sits on the skin",
            (
                Rule::SessionLength
                | Rule::DaysSinceSession
                | Rule::CourseSessions
                | Rule::CoursePhase
                | Rule::DrugInterval
                | Rule::Age,
                _,
            ) => "ask the physician before you go on",
            (Rule::Zone | Rule::Technique | Rule::Cocktail, _) => {
                "check that this is the protocol that is meant"
            }
            (Rule::Components | Rule::Lots | Rule::Preparation, _) => {
                "look at what is in the syringe"
            }
            (Rule::Certificate, _) => "let a person with a valid certificate treat",
            (Rule::Enrolment | Rule::Calibration | Rule::Firmware, _) => "take another gun",
            (
                Rule::NeedleLength
                | Rule::NeedleGauge
                | Rule::Consumables
                | Rule::NeedleShots
                | Rule::Primes,
                _,
            ) => "change needle, tube or syringe",
        };
        format!("{}: {advice}", self.worst)
    }

    /// The unit of the worst value and its limit: `µm`, `nl`, `µs` or `shots`.
    pub const fn unit(&self) -> &'static str {
        self.key.rule.unit()
    }

    /// Whether a person still has to look at it.
    pub fn is_open(&self) -> bool {
        self.state == AlertState::Open
    }

    /// Whether nothing more happens to it.
    pub fn is_resolved(&self) -> bool {
        self.state == AlertState::Resolved
    }
}

/// What happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// The first breach of its kind.
    Opened,
    /// A new breach after an earlier one was over: a new episode, so a new alert.
    Reopened,
    /// More shots past the limit; at most once a second of shot time, and what is left over with
    /// the next [`crate::Alerts::tick`].
    Counted,
    /// From soft to hard.
    Escalated,
    /// A person has seen to it.
    Acknowledged(OperatorId),
    /// It is over.
    Resolved,
}

impl TransitionKind {
    /// The name in records and keys.
    pub const fn as_str(&self) -> &'static str {
        match self {
            TransitionKind::Opened => "opened",
            TransitionKind::Reopened => "reopened",
            TransitionKind::Counted => "counted",
            TransitionKind::Escalated => "escalated",
            TransitionKind::Acknowledged(_) => "acknowledged",
            TransitionKind::Resolved => "resolved",
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
    /// The same for every repetition of the same message: who gets it twice drops the second.
    pub idempotency_key: String,
    /// The alert.
    pub alert: AlertId,
    /// What happened.
    pub kind: TransitionKind,
    /// The severity.
    pub severity: Severity,
    /// One line for people.
    pub text: String,
}
