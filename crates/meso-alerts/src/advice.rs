//! What a person is told to do about a breach.

use meso_domain::{Rule, Severity};

/// What to do. It never advises stopping a medicine: that is the physician's decision.
pub(crate) const fn advice(rule: Rule, severity: Severity) -> &'static str {
    match (rule, severity) {
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
        (Rule::Components | Rule::Lots | Rule::Preparation, _) => "look at what is in the syringe",
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
    }
}
