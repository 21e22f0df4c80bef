//! What an alert is about, and the name that follows from it.

use core::fmt;

use meso_domain::Rule;
use meso_units::{ClinicId, DriverId, GunSerial, SessionId};
use sha2::{Digest, Sha256};

use crate::{AlertError, FleetCause};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Shots past a limit.
    Breach {
        /// The rule.
        rule: Rule,
        /// The gun.
        gun: GunSerial,
        /// The session, if any.
        session: Option<SessionId>,
    },
    /// The fleet itself: a gun, a driver or the server.
    Fleet {
        /// What is wrong.
        cause: FleetCause,
        /// The clinic.
        clinic: ClinicId,
        /// The driver, where it is about one.
        driver: Option<DriverId>,
        /// The gun, where it is about one.
        gun: Option<GunSerial>,
    },
}

impl Subject {
    /// The gun, where it is about one.
    pub const fn gun(&self) -> Option<&GunSerial> {
        match self {
            Subject::Breach { gun, .. } => Some(gun),
            Subject::Fleet { gun, .. } => gun.as_ref(),
        }
    }

    /// The driver, where it is about one.
    pub const fn driver(&self) -> Option<&DriverId> {
        match self {
            Subject::Breach { .. } => None,
            Subject::Fleet { driver, .. } => driver.as_ref(),
        }
    }

    /// The session, where it is about one.
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Subject::Breach { session, .. } => *session,
            Subject::Fleet { .. } => None,
        }
    }

    /// The rule that was broken; `None` for the fleet itself.
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Subject::Breach { rule, .. } => Some(*rule),
            Subject::Fleet { .. } => None,
        }
    }

    /// The name of the rule or of what is wrong with the fleet.
    pub const fn name(&self) -> &'static str {
        match self {
            Subject::Breach { rule, .. } => rule.as_str(),
            Subject::Fleet { cause, .. } => cause.as_str(),
        }
    }
}

/// What an alert is about, and which time; equal keys are the same alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// What is wrong, and where.
    pub subject: Subject,
    /// Which time. Of breaches a count from 1 in the order in which they became known; of the fleet
    /// itself the second since 1970 in which it opened, because nothing else is remembered of it.
    pub episode: u32,
}

/// The name of an alert: a hash of its key, so that a replay gives the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(u64);

impl AlertId {
    /// The id of a key: the first 8 bytes of SHA-256 over its parts.
    pub fn of(key: &AlertKey) -> AlertId {
        let mut hasher = Sha256::new();
        match &key.subject {
            Subject::Breach { rule, gun, session } => {
                hasher.update(b"mesofleet/alert/v1\0");
                hasher.update([rule.code()]);
                hasher.update(gun.as_str().as_bytes());
                hasher.update([0, u8::from(session.is_some())]);
                if let Some(session) = session {
                    hasher.update(session.as_bytes());
                }
            }
            Subject::Fleet {
                cause,
                clinic,
                driver,
                gun,
            } => {
                hasher.update(b"mesofleet/alert/fleet/v1\0");
                hasher.update([cause.code()]);
                hasher.update(clinic.as_str().as_bytes());
                hasher.update([0]);
                hasher.update(driver.as_ref().map_or("", DriverId::as_str).as_bytes());
                hasher.update([0]);
                hasher.update(gun.as_ref().map_or("", GunSerial::as_str).as_bytes());
                hasher.update([0]);
            }
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
