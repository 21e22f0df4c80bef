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
    /// Nominal skin layer that the needle reached.
    NeedleLayer,
    /// Shots without product.
    DryShots,
    /// Volume in one zone of the session.
    ZoneVolume,
    /// Volume of the whole course, this session included.
    CourseVolume,
    /// Mass of one drug in the session.
    DrugMass,
    /// Branded units of one drug in the session.
    DrugUnits,
    /// Time from the session's begin to its last shot.
    SessionLength,
    /// Calendar days since the last session of this protocol and zone.
    DaysSinceSession,
    /// Sessions of the course, this one included.
    CourseSessions,
    /// Calendar days since a drug with a minimum interval was last given.
    DrugInterval,
    /// Whether the zone is one of the protocol's.
    Zone,
    /// Whether the technique is one of the protocol's.
    Technique,
    /// Patient shots in one zone of the session.
    ZoneShots,
    /// Points of the session: shots times working needles.
    SessionPoints,
    /// Coefficient of variation of the volume in a segment.
    VolumeVariation,
    /// Coefficient of variation of the needle depth in a segment.
    DepthVariation,
    /// Mean deviation of the volume from its set point in a segment.
    VolumeDrift,
    /// Mean deviation of the needle depth from its set point in a segment.
    DepthDrift,
    /// Shots of a segment with the vacuum out of its window.
    Vacuum,
    /// Shots of a segment with at least one needle blocked.
    BlockedNeedles,
    /// Loaded minus residual minus dead volume, against the sum of the shots.
    SyringeBalance,
    /// Age of the patient.
    Age,
    /// Whether the operator's certificate is valid.
    Certificate,
    /// Whether the gun is enrolled.
    Enrolment,
    /// Whether the gun is calibrated.
    Calibration,
    /// Whether the firmware is on the allow-list.
    Firmware,
    /// Length of the needle.
    NeedleLength,
    /// Gauge of the needle.
    NeedleGauge,
    /// Whether needle, syringe and tube are new for this patient.
    Consumables,
    /// Shots that the needle has fired.
    NeedleShots,
    /// Components of the cocktail.
    Components,
    /// Whether a lot is expired or recalled.
    Lots,
    /// Whether the cocktail was mixed rather than bought ready-made.
    Preparation,
    /// Prime shots of a segment.
    Primes,
    /// Whether the course phase is the one that is due.
    CoursePhase,
    /// Whether every component belongs to the course phase.
    Cocktail,
}

coded!(Rule, "rule",
    NeedleDepth = 1, "needle depth";
    VolumePerTrigger = 2, "volume per trigger";
    ShotRate = 3, "shot rate";
    SessionVolume = 4, "session volume";
    FailedInjections = 5, "failed injections in a row";
    NeedleLayer = 6, "needle layer";
    DryShots = 7, "dry shots";
    ZoneVolume = 8, "zone volume";
    CourseVolume = 9, "course volume";
    DrugMass = 10, "drug mass";
    DrugUnits = 11, "drug units";
    SessionLength = 12, "session length";
    DaysSinceSession = 13, "days since the last session";
    CourseSessions = 14, "sessions of the course";
    DrugInterval = 15, "days since the last dose";
    Zone = 16, "zone";
    Technique = 17, "technique";
    ZoneShots = 18, "shots per zone";
    SessionPoints = 19, "points of the session";
    VolumeVariation = 20, "variation of volume";
    DepthVariation = 21, "variation of needle depth";
    VolumeDrift = 22, "drift of volume";
    DepthDrift = 23, "drift of needle depth";
    Vacuum = 24, "shots with the vacuum out of its window";
    BlockedNeedles = 25, "shots with a blocked needle";
    SyringeBalance = 26, "syringe balance";
    Age = 27, "age";
    Certificate = 28, "operator's certificate";
    Enrolment = 29, "enrolment of the gun";
    Calibration = 30, "calibration of the gun";
    Firmware = 31, "firmware of the gun";
    NeedleLength = 32, "needle length";
    NeedleGauge = 33, "needle gauge";
    Consumables = 34, "consumables";
    NeedleShots = 35, "shots of the needle";
    Components = 36, "components of the cocktail";
    Lots = 37, "lots";
    Preparation = 38, "preparation";
    Primes = 39, "prime shots";
    CoursePhase = 40, "course phase";
    Cocktail = 41, "cocktail";
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
    /// The patient's body weight is not known.
    WeightMissing,
    /// The concentration of a component is not known, or in another unit than the limit.
    ConcentrationMissing,
    /// A fact about patient, operator, gun or material is not recorded.
    FactMissing,
    /// Earlier sessions of the patient are not known here.
    CourseUnknown,
    /// Too few shots have come to judge.
    TooFew,
    /// The session has not ended.
    NotEnded,
}

coded!(NotCheckable, "reason",
    ValueMissing = 1, "the gun did not say the value";
    NoSession = 2, "the shot belongs to no session";
    ProtocolUnknown = 3, "the protocol is not in the library known here";
    ClockUntrusted = 4, "the clock is not trusted";
    HistoryMissing = 5, "older shots are still missing";
    WeightMissing = 6, "the body weight is not known";
    ConcentrationMissing = 7, "the concentration is not known";
    FactMissing = 8, "a fact that the rule needs is not recorded";
    CourseUnknown = 9, "earlier sessions of the patient are not known here";
    TooFew = 10, "there are too few shots to judge";
    NotEnded = 11, "the session has not ended";
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
    /// The value judged, in the unit of the rule, as [`Rule::unit`] says; 0 if not checkable. A rule
    /// that only answers yes or no has 1 here and 0 as its limit.
    pub value: i64,
    /// The limit passed, in the same unit; 0 if not checkable.
    pub limit: i64,
    /// Why it could not be judged.
    pub reason: Option<NotCheckable>,
}

impl Finding {
    pub(crate) fn write(&self, e: &mut Encoder) {
        e.u8(self.rule.code());
        e.u8(self.severity.code());
        e.option(self.bound.as_ref(), |e, bound| e.u8(bound.code()));
        e.i64(self.value);
        e.i64(self.limit);
        e.option(self.reason.as_ref(), |e, reason| e.u8(reason.code()));
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Finding, CanonicalError> {
        Ok(Finding {
            rule: Rule::from_code(d.u8()?)?,
            severity: Severity::from_code(d.u8()?)?,
            bound: d.option(|d| Bound::from_code(d.u8()?))?,
            value: d.i64()?,
            limit: d.i64()?,
            reason: d.option(|d| NotCheckable::from_code(d.u8()?))?,
        })
    }
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
        encoder.list(&self.findings, |e, finding| finding.write(e));
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Judgement, CanonicalError> {
        Ok(Judgement {
            library: decoder.option(|d| Ok(LibraryVersion(d.u32()?)))?,
            engine: decoder.u16()?,
            facts_digest: decoder.fixed()?,
            findings: decoder.list("findings", Finding::read)?,
        })
    }
}
