//! What a protocol may limit: one entry for each table of a protocol file.

use meso_domain::{Rule, Shot};

use crate::amount;
use crate::judge::general;

/// A quantity that a protocol may limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limited {
    /// Needle depth, µm.
    NeedleDepth,
    /// Volume of one point, nl; a head of n working needles sets n points a trigger.
    VolumePerPoint,
    /// Volume of one trigger, all needles together, nl.
    VolumePerTrigger,
    /// Shot rate, kept as the time between two triggers, µs.
    ShotRate,
    /// Volume of a session, nl.
    SessionVolume,
    /// Volume in one zone of a session, nl.
    ZoneVolume,
    /// Volume of a course, nl.
    CourseVolume,
    /// Shots in one zone of a session.
    ZoneShots,
    /// Points of a session.
    SessionPoints,
    /// Failed injections in a row.
    FailedInjections,
    /// Dry shots of a segment.
    DryShots,
    /// Time from the begin of the session to its last shot, s.
    SessionLength,
    /// Calendar days since the last session of this protocol and zone.
    DaysSinceSession,
    /// Sessions of the course.
    CourseSessions,
    /// Coefficient of variation of the volume, ‰.
    VolumeVariation,
    /// Coefficient of variation of the needle depth, ‰.
    DepthVariation,
    /// Mean deviation of the volume from its set point, ‰, whichever way.
    VolumeDrift,
    /// Mean deviation of the needle depth from its set point, ‰, whichever way.
    DepthDrift,
    /// Shots of a segment with the vacuum out of its window.
    Vacuum,
    /// Shots of a segment with a blocked needle.
    BlockedNeedles,
    /// Loaded less residual less dead volume, against the sum of the shots, nl.
    SyringeBalance,
    /// Age of the patient in years.
    Age,
    /// Length of the needle, µm.
    NeedleLength,
    /// Gauge of the needle.
    NeedleGauge,
    /// Shots of one needle, of all its segments.
    NeedleShots,
    /// Components of a cocktail.
    Components,
    /// Prime shots of a segment.
    Primes,
}

/// How the limits of a quantity are written, and what they may be.
#[derive(Debug)]
pub(crate) struct Grammar {
    pub(crate) key: &'static str,
    pub(crate) rule: Rule,
    /// An amount as a person writes it, and its range.
    pub(crate) allowed: &'static str,
    pub(crate) read: fn(&str) -> Option<i64>,
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// A rate is kept as its interval, so its upper limits become lower ones.
    pub(crate) is_rate: bool,
    /// Whether it is measured, so that a tolerance says something; counts are exact.
    pub(crate) is_measured: bool,
}

/// A session longer than a day is two.
const SESSION_SECONDS_MAX: i64 = 24 * 3_600;
/// 10 syringes of 10 ml, the largest of the device class, by far above any figure found.
const SESSION_NL_MAX: i64 = 10 * Shot::VOLUME_NL_MAX as i64;
/// Ten years of days, of sessions, of anything that is counted by calendar.
const DAYS_MAX: i64 = 3_650;
/// Eight hours at 9 shots a second: what no gun fires in a session.
const SHOTS_MAX: i64 = 8 * 3_600 * 9;
/// 100 %: beyond it a mean says nothing.
const PER_MILLE_MAX: i64 = 1_000;

macro_rules! limited {
    ($($name:ident: $key:literal, $rule:ident, $allowed:literal, $read:expr, $min:expr, $max:expr;)+) => {
        impl Limited {
            /// Every quantity, in the order of the format's documentation.
            pub const ALL: &'static [Limited] = &[$(Limited::$name),+];

            /// How it is written.
            pub(crate) const fn grammar(self) -> &'static Grammar {
                match self {
                    $(Limited::$name => const { &Grammar {
                        key: $key,
                        rule: Rule::$rule,
                        allowed: $allowed,
                        read: $read,
                        min: $min,
                        max: $max,
                        is_rate: matches!(Rule::$rule, Rule::ShotRate),
                        is_measured: is_measured(Rule::$rule),
                    } },)+
                }
            }
        }
    };
}

limited!(
    NeedleDepth: "needle_depth", NeedleDepth, "a depth such as \"4 mm\", up to 13 mm", amount::depth, 0, 13_000;
    VolumePerPoint: "volume_per_point", VolumePerTrigger, "a volume such as \"0.02 ml\", up to 10 ml", amount::volume, 0, Shot::VOLUME_NL_MAX as i64;
    VolumePerTrigger: "volume_per_trigger", VolumePerTrigger, "a volume such as \"0.1 ml\", up to 10 ml", amount::volume, 0, Shot::VOLUME_NL_MAX as i64;
    ShotRate: "shot_rate", ShotRate, "a rate such as \"9 per second\" or \"60 per minute\", up to 9 per second", amount::rate_as_interval, general::INTERVAL_MIN_US, 60_000_000;
    SessionVolume: "session_volume", SessionVolume, "a volume such as \"10 ml\", up to 100 ml", amount::volume, 0, SESSION_NL_MAX;
    ZoneVolume: "zone_volume", ZoneVolume, "a volume such as \"5 ml\", up to 100 ml", amount::volume, 0, SESSION_NL_MAX;
    CourseVolume: "course_volume", CourseVolume, "a volume such as \"60 ml\", up to 1000 ml", amount::volume, 0, 10 * SESSION_NL_MAX;
    ZoneShots: "zone_shots", ZoneShots, "a count such as \"200 shots\"", |text| amount::count(text, &["shots", "shot"]), 0, SHOTS_MAX;
    SessionPoints: "session_points", SessionPoints, "a count such as \"50 points\"", |text| amount::count(text, &["points", "point"]), 0, SHOTS_MAX;
    FailedInjections: "failed_injections", FailedInjections, "a count such as \"3 in a row\", up to 128 in a row", |text| amount::count(text, &["in a row"]), 0, 128;
    DryShots: "dry_shots", DryShots, "a count such as \"5 shots\"", |text| amount::count(text, &["shots", "shot"]), 0, SHOTS_MAX;
    SessionLength: "session_length", SessionLength, "a time such as \"30 min\" or \"1 h\", up to 24 h", amount::seconds, 0, SESSION_SECONDS_MAX;
    DaysSinceSession: "days_since_session", DaysSinceSession, "days such as \"7 days\", up to 3650 days", |text| amount::count(text, &["days", "day"]), 0, DAYS_MAX;
    CourseSessions: "course_sessions", CourseSessions, "a count such as \"8 sessions\"", |text| amount::count(text, &["sessions", "session"]), 0, DAYS_MAX;
    VolumeVariation: "volume_variation", VolumeVariation, "a share such as \"10 %\", up to 100 %", amount::per_mille, 0, PER_MILLE_MAX;
    DepthVariation: "depth_variation", DepthVariation, "a share such as \"10 %\", up to 100 %", amount::per_mille, 0, PER_MILLE_MAX;
    VolumeDrift: "volume_drift", VolumeDrift, "a share such as \"10 %\", up to 100 %", amount::per_mille, 0, PER_MILLE_MAX;
    DepthDrift: "depth_drift", DepthDrift, "a share such as \"10 %\", up to 100 %", amount::per_mille, 0, PER_MILLE_MAX;
    Vacuum: "vacuum_out_of_window", Vacuum, "a count such as \"3 shots\"", |text| amount::count(text, &["shots", "shot"]), 0, SHOTS_MAX;
    BlockedNeedles: "blocked_needles", BlockedNeedles, "a count such as \"3 shots\"", |text| amount::count(text, &["shots", "shot"]), 0, SHOTS_MAX;
    SyringeBalance: "syringe_balance", SyringeBalance, "a volume such as \"0.5 ml\", up to 10 ml", amount::volume, 0, Shot::VOLUME_NL_MAX as i64;
    Age: "age", Age, "an age such as \"18 years\", up to 120 years", |text| amount::count(text, &["years", "year"]), 0, 120;
    NeedleLength: "needle_length", NeedleLength, "a length such as \"4 mm\", up to 13 mm", amount::depth, 0, 13_000;
    NeedleGauge: "needle_gauge", NeedleGauge, "a gauge such as \"30 G\", from 10 G to 40 G", |text| amount::count(text, &["G"]), 10, 40;
    NeedleShots: "needle_shots", NeedleShots, "a count such as \"1000 shots\"", |text| amount::count(text, &["shots", "shot"]), 0, SHOTS_MAX;
    Components: "components", Components, "a count such as \"5 components\"", |text| amount::count(text, &["components", "component"]), 0, 32;
    Primes: "primes", Primes, "a count such as \"10 shots\"", |text| amount::count(text, &["shots", "shot"]), 0, SHOTS_MAX;
);

const fn is_measured(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::NeedleDepth
            | Rule::VolumePerTrigger
            | Rule::ShotRate
            | Rule::SessionVolume
            | Rule::ZoneVolume
            | Rule::CourseVolume
            | Rule::SessionLength
            | Rule::SyringeBalance
            | Rule::VolumeVariation
            | Rule::DepthVariation
            | Rule::VolumeDrift
            | Rule::DepthDrift
    )
}

impl Limited {
    /// The key of its table in a protocol file.
    pub const fn key(self) -> &'static str {
        self.grammar().key
    }

    /// Whether a tolerance says something of it: it does of what is measured, not of counts.
    pub const fn takes_tolerance(self) -> bool {
        self.grammar().is_measured
    }

    /// The rule that judges it; the unit of its limits is the rule's.
    pub const fn rule(self) -> Rule {
        self.grammar().rule
    }
}
