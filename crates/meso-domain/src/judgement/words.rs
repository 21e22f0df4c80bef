//! A finding in words: one line for the person with the gun.

use core::fmt;

use super::{Bound, Finding, Rule, Severity};

/// What the value of a rule counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Length,
    Volume,
    Interval,
    Mass,
    Units,
    Seconds,
    PerMille,
    /// Yes or no; the text says what is wrong.
    Check(&'static str),
    /// A count of this.
    Count(&'static str),
}

const fn kind(rule: Rule) -> Kind {
    match rule {
        Rule::NeedleDepth | Rule::NeedleLayer | Rule::NeedleLength => Kind::Length,
        Rule::VolumePerTrigger
        | Rule::SessionVolume
        | Rule::ZoneVolume
        | Rule::CourseVolume
        | Rule::SyringeBalance => Kind::Volume,
        Rule::ShotRate => Kind::Interval,
        Rule::DrugMass => Kind::Mass,
        Rule::DrugUnits => Kind::Units,
        Rule::SessionLength => Kind::Seconds,
        Rule::VolumeVariation | Rule::DepthVariation | Rule::VolumeDrift | Rule::DepthDrift => {
            Kind::PerMille
        }
        Rule::FailedInjections
        | Rule::DryShots
        | Rule::ZoneShots
        | Rule::Vacuum
        | Rule::BlockedNeedles
        | Rule::NeedleShots
        | Rule::Primes => Kind::Count("shots"),
        Rule::SessionPoints => Kind::Count("points"),
        Rule::DaysSinceSession | Rule::DrugInterval => Kind::Count("days"),
        Rule::CourseSessions => Kind::Count("sessions"),
        Rule::Age => Kind::Count("years"),
        Rule::NeedleGauge => Kind::Count("gauge"),
        Rule::Components => Kind::Count("components"),
        Rule::Zone => Kind::Check("the zone is none of the protocol's"),
        Rule::Technique => Kind::Check("the technique is none of the protocol's"),
        Rule::Certificate => Kind::Check("the operator's certificate is not valid"),
        Rule::Enrolment => Kind::Check("the gun is not enrolled"),
        Rule::Calibration => Kind::Check("the calibration of the gun is overdue"),
        Rule::Firmware => Kind::Check("the firmware of the gun is not on the allow-list"),
        Rule::Consumables => Kind::Check("needle, syringe or tube is not new for this patient"),
        Rule::Lots => Kind::Check("a lot is expired or recalled"),
        Rule::Preparation => Kind::Check("the cocktail is not a ready-made one"),
        Rule::CoursePhase => Kind::Check("the course phase is not the one that is due"),
        Rule::Cocktail => Kind::Check("a component does not belong to the course phase"),
    }
}

impl Rule {
    /// The unit of a finding's value and limit: `µm`, `nl`, `µs`, `pg`, `s`, `‰`, `nU` (billionths
    /// of the brand's unit), what is counted, or nothing for a rule that answers yes or no.
    pub const fn unit(self) -> &'static str {
        match kind(self) {
            Kind::Length => "µm",
            Kind::Volume => "nl",
            Kind::Interval => "µs",
            Kind::Mass => "pg",
            Kind::Units => "nU",
            Kind::Seconds => "s",
            Kind::PerMille => "‰",
            Kind::Check(_) => "",
            Kind::Count(what) => what,
        }
    }

    /// Whether the rule answers yes or no and has no value.
    pub const fn is_check(self) -> bool {
        matches!(kind(self), Kind::Check(_))
    }

    /// Writes a value of this rule as people read it: `0.02 ml`, `9 per second`, `300 mg`.
    pub fn amount(self, value: i64) -> impl fmt::Display {
        Amount(self, value)
    }
}

/// `needle depth 10.8 mm is above the hard limit of 10 mm`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule;
        let (Some(bound), Severity::Soft | Severity::Hard) = (self.bound, self.severity) else {
            write!(f, "{rule} could not be judged")?;
            return match self.reason {
                Some(reason) => write!(f, ": {reason}"),
                None => Ok(()),
            };
        };
        // The limit of an interval is the mirror image of the limit of a rate.
        let above = (bound == Bound::Maximum) != (rule == Rule::ShotRate);
        let side = if above { "above" } else { "below" };
        let (value, limit) = (Amount(rule, self.value), Amount(rule, self.limit));
        let severity = self.severity;
        match kind(rule) {
            Kind::Check(wrong) => write!(f, "{wrong}: a {severity} breach"),
            Kind::Count("shots") => write!(
                f,
                "{count} {rule} {verb} {side} the {severity} limit of {limit}",
                count = self.value,
                limit = self.limit,
                verb = if self.value == 1 { "is" } else { "are" }
            ),
            _ => write!(
                f,
                "{rule} {value} is {side} the {severity} limit of {limit}"
            ),
        }
    }
}

/// A value of a rule in the unit that people read: mm, ml, per second.
struct Amount(Rule, i64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Amount(rule, raw) = *self;
        match kind(rule) {
            Kind::Length => write!(f, "{} mm", Decimal(raw, 3)),
            Kind::Volume => write!(f, "{} ml", Decimal(raw, 6)),
            Kind::Interval => match 100_000_000_i64.checked_div(raw) {
                Some(hundredths) => write!(f, "{} per second", Decimal(hundredths, 2)),
                None => f.write_str("without any pause"),
            },
            Kind::Mass => write!(f, "{} mg", Decimal(raw, 9)),
            Kind::Units => write!(f, "{} U of its brand", Decimal(raw, 9)),
            Kind::Seconds => match (raw / 60, raw % 60) {
                (minutes, 0) => write!(f, "{minutes} min"),
                (minutes, seconds) => write!(f, "{minutes} min {} s", seconds.abs()),
            },
            Kind::PerMille => write!(f, "{} %", Decimal(raw, 1)),
            Kind::Check(_) => f.write_str(if raw == 0 { "yes" } else { "no" }),
            Kind::Count(what) => write!(f, "{raw} {what}"),
        }
    }
}

/// A whole number of 10^-`decimals` as exact decimal text without trailing zeros.
struct Decimal(i64, u32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decimal(raw, decimals) = *self;
        let scale = 10_u64.pow(decimals);
        let magnitude = raw.unsigned_abs();
        let (whole, fraction) = (magnitude / scale, magnitude % scale);
        if raw < 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:0width$}", width = decimals as usize);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotCheckable;

    fn text(rule: Rule, severity: Severity, bound: Bound, value: i64, limit: i64) -> String {
        let finding = Finding {
            rule,
            severity,
            bound: Some(bound),
            value,
            limit,
            reason: None,
        };
        finding.to_string()
    }

    #[test]
    fn a_finding_names_the_thing_the_value_and_the_limit() {
        assert_eq!(
            text(
                Rule::NeedleDepth,
                Severity::Hard,
                Bound::Maximum,
                10_800,
                10_000
            ),
            "needle depth 10.8 mm is above the hard limit of 10 mm"
        );
        assert_eq!(
            text(
                Rule::VolumePerTrigger,
                Severity::Soft,
                Bound::Minimum,
                5,
                20_000
            ),
            "volume per trigger 0.000005 ml is below the soft limit of 0.02 ml"
        );
        assert_eq!(
            text(Rule::FailedInjections, Severity::Soft, Bound::Maximum, 4, 3),
            "4 failed injections in a row are above the soft limit of 3"
        );
    }

    #[test]
    fn an_interval_that_is_too_short_reads_as_a_rate_that_is_too_high() {
        assert_eq!(
            text(
                Rule::ShotRate,
                Severity::Hard,
                Bound::Minimum,
                83_333,
                111_111
            ),
            "shot rate 12 per second is above the hard limit of 9 per second"
        );
        assert_eq!(
            text(Rule::ShotRate, Severity::Hard, Bound::Minimum, 0, 111_111),
            "shot rate without any pause is above the hard limit of 9 per second"
        );
    }

    #[test]
    fn a_rule_that_could_not_be_judged_says_why() {
        let finding = Finding {
            rule: Rule::NeedleDepth,
            severity: Severity::NotCheckable,
            bound: None,
            value: 0,
            limit: 0,
            reason: Some(NotCheckable::ValueMissing),
        };
        assert_eq!(
            finding.to_string(),
            "needle depth could not be judged: the gun did not say the value"
        );
    }
}
