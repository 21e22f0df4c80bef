//! What can be wrong with the fleet itself.

use core::fmt;

use meso_domain::Severity;
use meso_domain::canonical::CanonicalError;

/// What is wrong with a gun, a driver or the server, beside what shots do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FleetCause {
    /// Its driver is there, but has not spoken of a gun that is plugged in.
    GunSilent,
    /// A driver with guns is gone.
    DriverSilent,
    /// The clock of a treatment-room computer is not trusted.
    ClockUntrusted,
    /// A missing shot is awaited for too long.
    GapAwaited,
    /// Shots are declared to be gone.
    GapDeclared,
    /// The journal of a driver holds many shots that are not stored yet.
    JournalFilling,
    /// Room and server judged the same facts differently.
    VerdictsDiffer,
    /// A room works by an older release of the protocol library.
    LibraryLag,
    /// Records were refused and kept aside.
    Quarantine,
    /// Two records claim the same place and say different things.
    Conflict,
    /// The disk of the server is nearly full.
    DiskNearlyFull,
    /// A gun with a hard breach takes no command to stop.
    GunCannotBeStopped,
    /// Shots that came late changed a verdict.
    LateFinding,
    /// News of alerts does not arrive.
    ChannelFailing,
    /// A room sends what this server does not understand yet; it keeps it until then.
    ServerOutdated,
    /// What is refused can no longer be kept aside, and waits where it came from.
    QuarantineFull,
    /// The database lacks shots that it had taken.
    ShotsGone,
    /// The journal of a driver cannot be written: its guns keep their shots.
    JournalUnwritable,
    /// The ledger does not continue what its key has signed: the store was put back to an older copy.
    LedgerSetBack,
}

/// How a cause behaves.
struct Traits {
    cause: FleetCause,
    code: u8,
    name: &'static str,
    severity: Severity,
    unit: &'static str,
    is_event: bool,
    words: &'static str,
}

const fn lasting(
    cause: FleetCause,
    code: u8,
    name: &'static str,
    severity: Severity,
    unit: &'static str,
    words: &'static str,
) -> Traits {
    Traits {
        cause,
        code,
        name,
        severity,
        unit,
        is_event: false,
        words,
    }
}

const fn event(
    cause: FleetCause,
    code: u8,
    name: &'static str,
    severity: Severity,
    unit: &'static str,
    words: &'static str,
) -> Traits {
    Traits {
        is_event: true,
        ..lasting(cause, code, name, severity, unit, words)
    }
}

const TRAITS: [Traits; 19] = {
    use FleetCause::*;
    use Severity::{Hard, Soft};
    [
        lasting(
            GunSilent,
            1,
            "gun silent",
            Soft,
            "s",
            "look at its cable and its driver",
        ),
        lasting(
            DriverSilent,
            2,
            "driver silent",
            Soft,
            "s",
            "look at the treatment-room computer and its network",
        ),
        lasting(
            ClockUntrusted,
            3,
            "clock not trusted",
            Soft,
            "s",
            "let the computer's time service run: rules about time are not judged meanwhile",
        ),
        lasting(
            GapAwaited,
            4,
            "missing shots awaited",
            Soft,
            "s",
            "bring the computers and guns that had them back to the network",
        ),
        event(
            GapDeclared,
            5,
            "shots declared gone",
            Hard,
            "shots",
            "read the gap and its reason in the report",
        ),
        lasting(
            JournalFilling,
            6,
            "journal filling",
            Soft,
            "shots",
            "look at the way from this driver to the server",
        ),
        event(
            VerdictsDiffer,
            7,
            "verdicts differ",
            Hard,
            "shots",
            "one of the two programs is wrong: update both and report it to their makers",
        ),
        lasting(
            LibraryLag,
            8,
            "library lags",
            Soft,
            "s",
            "bring this room to the network: it works by an older release",
        ),
        event(
            Quarantine,
            9,
            "quarantine",
            Soft,
            "records",
            "look at it with `mesofleet quarantine list`",
        ),
        event(
            Conflict,
            10,
            "conflict",
            Hard,
            "records",
            "look at both records with `mesofleet quarantine list`",
        ),
        lasting(
            DiskNearlyFull,
            11,
            "disk nearly full",
            Hard,
            "MiB",
            "make room: nothing can be stored on a full disk",
        ),
        lasting(
            GunCannotBeStopped,
            12,
            "gun cannot be stopped",
            Hard,
            "shots",
            "this gun cannot be stopped: take it off the patient by hand",
        ),
        event(
            LateFinding,
            13,
            "late finding",
            Soft,
            "findings",
            "look at the session again: shots that came late changed a verdict",
        ),
        lasting(
            ChannelFailing,
            14,
            "notifications fail",
            Soft,
            "s",
            "people are not told of alerts: /readyz says by which channel, and why",
        ),
        lasting(
            ServerOutdated,
            15,
            "server outdated",
            Hard,
            "s",
            "update the server: this room speaks a newer version, and keeps what is not understood",
        ),
        lasting(
            QuarantineFull,
            16,
            "quarantine full",
            Hard,
            "records",
            "rooms keep what is refused now: look at `mesofleet quarantine list` and release what is sound",
        ),
        event(
            ShotsGone,
            17,
            "shots gone from the database",
            Hard,
            "blocks",
            "stop the server, run `mesofleet store repair` and start it again: rooms send them once more",
        ),
        lasting(
            JournalUnwritable,
            18,
            "journal cannot be written",
            Hard,
            "s",
            "see to the disk of this computer: its guns keep their shots, and no session begins",
        ),
        event(
            LedgerSetBack,
            19,
            "ledger set back",
            Hard,
            "entries",
            "keep `ledger-set-back-*.checkpoint` and tell whoever has a report of the time between",
        ),
    ]
};

impl FleetCause {
    /// Every cause, in the order of the codes.
    pub fn all() -> impl Iterator<Item = FleetCause> {
        TRAITS.iter().map(|traits| traits.cause)
    }

    const fn traits(self) -> &'static Traits {
        &TRAITS[self as usize]
    }

    /// The number in records.
    pub const fn code(self) -> u8 {
        self.traits().code
    }

    /// Reads a code.
    ///
    /// # Errors
    ///
    /// [`CanonicalError::UnknownCode`] for a number without a meaning.
    pub fn from_code(code: u8) -> Result<FleetCause, CanonicalError> {
        let found = TRAITS.iter().find(|traits| traits.code == code);
        found
            .map(|traits| traits.cause)
            .ok_or(CanonicalError::UnknownCode {
                field: "fleet cause",
                code: code.into(),
            })
    }

    /// The name in views.
    pub const fn as_str(self) -> &'static str {
        self.traits().name
    }

    /// How bad it is: a hard one stays until a person has seen to it.
    pub const fn severity(self) -> Severity {
        self.traits().severity
    }

    /// The unit of its value and limit.
    pub const fn unit(self) -> &'static str {
        self.traits().unit
    }

    /// Whether it happens, and does not last: it is over when it has not happened again for
    /// [`crate::Alerts::QUIET_NS`].
    pub const fn is_event(self) -> bool {
        self.traits().is_event
    }

    /// What to do.
    pub const fn advice(self) -> &'static str {
        self.traits().words
    }
}

impl fmt::Display for FleetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_cause_has_its_own_row_code_and_name() {
        for (index, cause) in FleetCause::all().enumerate() {
            assert_eq!(cause as usize, index, "{cause}");
            assert_eq!(FleetCause::from_code(cause.code()).unwrap(), cause);
        }
        let mut names: Vec<_> = FleetCause::all().map(FleetCause::as_str).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FleetCause::all().count());
        assert!(FleetCause::from_code(0).is_err());
    }
}
