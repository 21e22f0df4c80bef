//! How often the rules about single shots were passed or not.

use meso_domain::{Finding, NotCheckable, Rule, Severity};

/// How often a rule about single shots was passed or not, and by how much at worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tally {
    pub(super) soft: u32,
    pub(super) hard: u32,
    pub(super) not_checkable: u32,
    pub(super) reason: Option<NotCheckable>,
    pub(super) worst: Option<Finding>,
}

impl Tally {
    pub(super) fn add(&mut self, finding: &Finding) {
        let counter = match finding.severity {
            Severity::Hard => &mut self.hard,
            Severity::Soft => &mut self.soft,
            Severity::NotCheckable => &mut self.not_checkable,
        };
        *counter = counter.saturating_add(1);
        if finding.severity == Severity::NotCheckable {
            // Of several reasons the first by code, so that the order of shots does not matter.
            self.reason = [self.reason, finding.reason].into_iter().flatten().min();
            return;
        }
        let badness = |finding: &Finding| {
            let distance = finding.value.abs_diff(finding.limit);
            (finding.severity, distance, finding.value, finding.limit)
        };
        if self
            .worst
            .is_none_or(|worst| badness(&worst) < badness(finding))
        {
            self.worst = Some(*finding);
        }
    }
}

/// The rules about single shots, each with a tally; sums are judged as they stand.
pub(super) const TALLIED: [Rule; 4] = [
    Rule::NeedleDepth,
    Rule::VolumePerTrigger,
    Rule::ShotRate,
    Rule::NeedleLayer,
];
