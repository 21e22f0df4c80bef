//! Why a step cannot be done now, and which step must come first.

use core::fmt;

use meso_units::{GunSerial, SegmentId, SessionId};

/// An item of the checklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequiredCheck {
    /// Contraindications and allergies asked.
    Screening,
    /// Consent given.
    Consent,
    /// Zone disinfected.
    Asepsis,
    /// Emergency kit at hand.
    EmergencyKit,
}

impl RequiredCheck {
    /// The name in messages and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            RequiredCheck::Screening => "screening",
            RequiredCheck::Consent => "consent",
            RequiredCheck::Asepsis => "asepsis",
            RequiredCheck::EmergencyKit => "emergency kit",
        }
    }
}

impl fmt::Display for RequiredCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Several items of the checklist, as text.
struct Items<'a>(&'a [RequiredCheck]);

impl fmt::Display for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Why a step is refused; the text names what must be done first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Items of the checklist are open.
    #[error(
        "the checklist is not complete: do {}, or skip with a reason",
        Items(missing)
    )]
    ChecklistIncomplete {
        /// The items without an answer, or skipped without a reason; all at once.
        missing: Vec<RequiredCheck>,
    },
    /// The session is not open.
    #[error("session {session} is not open: open a session first")]
    SessionNotOpen {
        /// The session.
        session: SessionId,
    },
    /// The session has this id already, with other content.
    #[error("session {session} exists already: draw a new session id")]
    SessionExists {
        /// The session.
        session: SessionId,
    },
    /// The segment has this id already, with other content.
    #[error("segment {segment} exists already: draw a new segment id")]
    SegmentExists {
        /// The segment.
        segment: SegmentId,
    },
    /// The gun works in another session.
    #[error("gun {gun} works in session {session}: end that session first")]
    GunBusy {
        /// The gun.
        gun: GunSerial,
        /// The session that it works in.
        session: SessionId,
    },
    /// A segment after the first needs a reason.
    #[error("a reason is missing: say why the segment before this one ended")]
    ReasonMissing,
    /// A text is empty or too long.
    #[error("{field} has {length} bytes: write 1 to {length_max}")]
    WrongLength {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most allowed.
        length_max: usize,
    },
    /// A number is out of range.
    #[error("{field} {value} is outside {min} to {max}")]
    OutOfRange {
        /// The field, with its unit.
        field: &'static str,
        /// The value.
        value: i64,
        /// The smallest allowed.
        min: i64,
        /// The largest allowed.
        max: i64,
    },
    /// More than a room or a session can hold.
    #[error("{count} {what} are the limit: {next}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        count: usize,
        /// What to do.
        next: &'static str,
    },
}

impl Refusal {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::ChecklistIncomplete { .. } => "checklist_incomplete",
            Refusal::SessionNotOpen { .. } => "session_not_open",
            Refusal::SessionExists { .. } => "session_exists",
            Refusal::SegmentExists { .. } => "segment_exists",
            Refusal::GunBusy { .. } => "gun_busy",
            Refusal::ReasonMissing => "reason_missing",
            Refusal::WrongLength { .. } => "wrong_length",
            Refusal::OutOfRange { .. } => "out_of_range",
            Refusal::TooMany { .. } => "too_many",
        }
    }

    /// Whether a value is bad, rather than a step missing: the one is mended by writing it
    /// differently, the other by doing something else first.
    pub const fn is_bad_value(&self) -> bool {
        matches!(
            self,
            Refusal::WrongLength { .. } | Refusal::OutOfRange { .. }
        )
    }
}
