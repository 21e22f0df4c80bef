//! Anything that a record block can carry.

use crate::canonical::{Canonical, CanonicalError, RecordHash};
use crate::{Amendment, Custody, Gap, InterlockEvent, PatientMerged, Said, SessionEvent, Shot};

/// One sealed record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// A shot.
    Shot(Shot),
    /// An event of a session.
    Session(SessionEvent),
    /// A hole.
    Gap(Gap),
    /// A correction.
    Amendment(Amendment),
    /// A driver has a gun.
    Custody(Custody),
    /// A gun was told to fire no more, or let go on.
    Interlock(InterlockEvent),
    /// Two ids are the same patient's.
    Patient(PatientMerged),
}

impl Record {
    /// The one byte string of the record.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        match self {
            Record::Shot(shot) => shot.canonical_bytes(),
            Record::Session(event) => event.canonical_bytes(),
            Record::Gap(gap) => gap.canonical_bytes(),
            Record::Amendment(amendment) => amendment.canonical_bytes(),
            Record::Custody(custody) => custody.canonical_bytes(),
            Record::Interlock(event) => event.canonical_bytes(),
            Record::Patient(merged) => merged.canonical_bytes(),
        }
    }

    /// Reads a record of any kind.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] for bytes that are not exactly one record of a known kind.
    pub fn from_canonical(bytes: &[u8]) -> Result<Record, CanonicalError> {
        match bytes.first().copied() {
            Some(Shot::KIND) => Shot::from_canonical(bytes).map(Record::Shot),
            Some(SessionEvent::KIND) => SessionEvent::from_canonical(bytes).map(Record::Session),
            Some(Gap::KIND) => Gap::from_canonical(bytes).map(Record::Gap),
            Some(Amendment::KIND) => Amendment::from_canonical(bytes).map(Record::Amendment),
            Some(Custody::KIND) => Custody::from_canonical(bytes).map(Record::Custody),
            Some(InterlockEvent::KIND) => {
                InterlockEvent::from_canonical(bytes).map(Record::Interlock)
            }
            Some(PatientMerged::KIND) => PatientMerged::from_canonical(bytes).map(Record::Patient),
            Some(kind) => Err(CanonicalError::UnknownCode {
                field: "record kind",
                code: kind.into(),
            }),
            None => Err(CanonicalError::Truncated { at: 0, wanted: 2 }),
        }
    }

    /// The hash that a block commits to.
    pub fn hash(&self) -> RecordHash {
        RecordHash::of_canonical(&self.canonical_bytes())
    }

    /// Whether its bytes can be erased while its block stays provable: it says what limits ask of a
    /// patient, and its hash is salted. Such a record leaves the clinic with no report.
    pub fn is_erasable(&self) -> bool {
        match self {
            Record::Session(SessionEvent::Stated(statement)) => {
                matches!(statement.said, Said::Patient(_))
            }
            _ => false,
        }
    }

    /// The shot, if it is one.
    pub const fn as_shot(&self) -> Option<&Shot> {
        match self {
            Record::Shot(shot) => Some(shot),
            _ => None,
        }
    }
}
