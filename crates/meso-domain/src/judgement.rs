//! What the limit engine said of one shot, and which facts it knew.

mod words;

use meso_units::LibraryVersion;

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, coded};

/// A rule of the limit engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Needle depth of one shot.
    NeedleDepth,
    /// Volume of one trigger.
    VolumePerTrigger,
    /// Time between two triggers, shown as a rate.
    ShotRate,
    /// Volume of the whole session.
    SessionVolume,
    /// Failed injections in a row.
    FailedInjections,
}

coded!(Rule, "rule",
    NeedleDepth = 1, "needle depth";
    VolumePerTrigger = 2, "volume per trigger";
    ShotRate = 3, "shot rate";
    SessionVolume = 4, "session volume";
    FailedInjections = 5, "failed injections in a row";
);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The rule could not be judged; that is never "good".
    NotCheckable,
    /// A soft limit was passed; a person may override it with a reason.
    Soft,
    /// A hard limit was passed; nobody can override it at the gun.
    Hard,
}

coded!(Severity, "severity",
    NotCheckable = 1, "not checkable";
    Soft = 2, "soft";
    Hard = 3, "hard";
);

/// Which side of a limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// Below the smallest allowed value.
    Minimum,
    /// Above the largest allowed value.
    Maximum,
}

coded!(Bound, "bound",
    Minimum = 1, "minimum";
    Maximum = 2, "maximum";
);

/// Why a rule could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotCheckable {
    /// The gun did not say the value.
    ValueMissing,
    /// The shot belongs to no session, so no protocol applies.
    NoSession,
    /// The protocol is not in the library that is known here.
    ProtocolUnknown,
    /// The clock is not trusted.
    ClockUntrusted,
    /// Older shots of the session are still missing.
    HistoryMissing,
}

coded!(NotCheckable, "reason",
    ValueMissing = 1, "the gun did not say the value";
    NoSession = 2, "the shot belongs to no session";
    ProtocolUnknown = 3, "the protocol is not in the library known here";
    ClockUntrusted = 4, "the clock is not trusted";
    HistoryMissing = 5, "older shots are still missing";
);

/// One rule that did not simply pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// Which side; `None` where nothing was compared.
    pub bound: Option<Bound>,
    /// The value judged, in the unit of the rule (µm, nl, µs or a count); 0 if not checkable.
    pub value: i64,
    /// The limit passed, in the same unit; 0 if not checkable.
    pub limit: i64,
    /// Why it could not be judged.
    pub reason: Option<NotCheckable>,
}

/// The verdict on one shot: which engine, which library, which facts, which findings.
///
/// Edge and server compare verdicts only where all three of library, engine and facts are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// The release of the protocol library; `None` where none is in force.
    pub library: Option<LibraryVersion>,
    /// The version of the limit engine.
    pub engine: u16,
    /// SHA-256 over the facts that the engine knew.
    pub facts_digest: [u8; 32],
    /// The rules that did not simply pass, in the order of their codes.
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// The worst severity, or `None` where every rule passed.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

impl Canonical for Judgement {
    const KIND: u8 = 5;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.option(self.library.as_ref(), |e, v| e.u32(v.get()));
        encoder.u16(self.engine);
        encoder.fixed(&self.facts_digest);
        encoder.list(&self.findings, |e, finding| {
            e.u8(finding.rule.code());
            e.u8(finding.severity.code());
            e.option(finding.bound.as_ref(), |e, bound| e.u8(bound.code()));
            e.i64(finding.value);
            e.i64(finding.limit);
            e.option(finding.reason.as_ref(), |e, reason| e.u8(reason.code()));
        });
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Judgement, CanonicalError> {
        Ok(Judgement {
            library: decoder.option(|d| Ok(LibraryVersion(d.u32()?)))?,
            engine: decoder.u16()?,
            facts_digest: decoder.fixed()?,
            findings: decoder.list("findings", |d| {
                Ok(Finding {
                    rule: Rule::from_code(d.u8()?)?,
                    severity: Severity::from_code(d.u8()?)?,
                    bound: d.option(|d| Bound::from_code(d.u8()?))?,
                    value: d.i64()?,
                    limit: d.i64()?,
                    reason: d.option(|d| NotCheckable::from_code(d.u8()?))?,
                })
            })?,
        })
    }
}
