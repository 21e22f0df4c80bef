//! One function for each rule: a value against the limits of the protocol and the general ones.

use meso_domain::{Bound, Finding, NotCheckable, Rule, Severity, Shot};

use super::{delivers_nothing, general, not_checkable, volume_and_source};
use crate::{Limits, Protocol, Totals};

/// A patient shot with everything that the rules look at.
pub(super) struct Measured<'a> {
    pub(super) shot: &'a Shot,
    pub(super) points: u64,
    pub(super) totals: Option<&'a Totals>,
}

/// A value to be held against limits, in the unit of its rule.
struct Value {
    rule: Rule,
    value: i64,
    /// Whether a soft limit's tolerance applies: it does to what was measured, not to what was set.
    measured: bool,
    /// What the limits are multiplied by: the points of a trigger, else 1.
    factor: i64,
    /// How far any limit may be missed because the value is only that finely counted.
    granularity: i64,
    /// Whether minima say anything.
    has_minimum: bool,
}

impl Measured<'_> {
    pub(super) fn judge(
        &self,
        rule: Rule,
        protocol: Result<&Protocol, NotCheckable>,
    ) -> Option<Finding> {
        match rule {
            Rule::NeedleDepth => self.needle_depth(protocol),
            Rule::VolumePerTrigger => self.volume_per_trigger(protocol),
            Rule::ShotRate => self.shot_rate(protocol),
            Rule::SessionVolume => self.session_volume(protocol),
            Rule::FailedInjections => self.failed_injections(protocol),
        }
    }

    fn needle_depth(&self, protocol: Result<&Protocol, NotCheckable>) -> Option<Finding> {
        let rule = Rule::NeedleDepth;
        let depth = &self.shot.needle_depth;
        let Some(value) = depth.actual_value().or(depth.set) else {
            return Some(not_checkable(rule, NotCheckable::ValueMissing));
        };
        let value = Value {
            measured: depth.actual.is_some(),
            ..Value::plain(rule, value.get().into())
        };
        let hard_max = Some(general::NEEDLE_DEPTH_MAX_UM);
        let in_general = Limits {
            hard_max,
            ..Limits::default()
        };
        value.with_general(&in_general, protocol.map(|p| p.needle_depth.as_ref()))
    }

    fn volume_per_trigger(&self, protocol: Result<&Protocol, NotCheckable>) -> Option<Finding> {
        let rule = Rule::VolumePerTrigger;
        let limits = match protocol {
            Err(reason) => return Some(not_checkable(rule, reason)),
            Ok(protocol) => protocol.volume_per_point.as_ref()?,
        };
        let Some((volume, measured)) = volume_and_source(self.shot) else {
            return Some(not_checkable(rule, NotCheckable::ValueMissing));
        };
        let value = Value {
            measured,
            factor: i64::try_from(self.points).unwrap_or(i64::MAX),
            has_minimum: !delivers_nothing(self.shot),
            ..Value::plain(rule, volume)
        };
        value.against(limits)
    }

    fn shot_rate(&self, protocol: Result<&Protocol, NotCheckable>) -> Option<Finding> {
        let rule = Rule::ShotRate;
        let Some(interval) = self.shot.interval else {
            // The first shot of an epoch has no trigger before it; a later one should say.
            let first = self.shot.identity.counter.get() == 1;
            return (!first).then(|| not_checkable(rule, NotCheckable::ValueMissing));
        };
        let value = Value {
            granularity: general::INTERVAL_GRANULARITY_US,
            ..Value::plain(rule, i64::try_from(interval.get()).unwrap_or(i64::MAX))
        };
        let hard_min = Some(general::INTERVAL_MIN_US);
        let in_general = Limits {
            hard_min,
            ..Limits::default()
        };
        value.with_general(&in_general, protocol.map(|p| p.shot_rate.as_ref()))
    }

    fn session_volume(&self, protocol: Result<&Protocol, NotCheckable>) -> Option<Finding> {
        let rule = Rule::SessionVolume;
        let limits = match protocol {
            Err(reason) => return Some(not_checkable(rule, reason)),
            Ok(protocol) => protocol.session_volume.as_ref()?,
        };
        let Some(totals) = self.totals else {
            return Some(not_checkable(rule, NotCheckable::HistoryMissing));
        };
        let value = Value::plain(rule, i64::try_from(totals.volume_nl).unwrap_or(i64::MAX));
        // A lower bound that is too much already is too much; otherwise nobody can tell.
        value.against(limits).or_else(|| {
            let reason = match (totals.history_missing, totals.unknown_volume_count) {
                (true, _) => NotCheckable::HistoryMissing,
                (false, 0) => return None,
                (false, _) => NotCheckable::ValueMissing,
            };
            Some(not_checkable(rule, reason))
        })
    }

    fn failed_injections(&self, protocol: Result<&Protocol, NotCheckable>) -> Option<Finding> {
        let rule = Rule::FailedInjections;
        let limits = match protocol {
            Err(reason) => return Some(not_checkable(rule, reason)),
            Ok(protocol) => protocol.failed_injections.as_ref()?,
        };
        let Some(totals) = self.totals else {
            return Some(not_checkable(rule, NotCheckable::HistoryMissing));
        };
        let in_a_row = totals.failed_in_a_row(&self.shot.identity.gun);
        Value::plain(rule, in_a_row.into())
            .against(limits)
            .or_else(|| {
                let missing = totals.history_missing;
                missing.then(|| not_checkable(rule, NotCheckable::HistoryMissing))
            })
    }
}

impl Value {
    const fn plain(rule: Rule, value: i64) -> Value {
        Value {
            rule,
            value,
            measured: false,
            factor: 1,
            granularity: 0,
            has_minimum: true,
        }
    }

    /// The general limits hold whatever the protocol says or whether there is one.
    fn with_general(
        &self,
        in_general: &Limits,
        limits: Result<Option<&Limits>, NotCheckable>,
    ) -> Option<Finding> {
        let by_protocol = match limits {
            Err(reason) => Some(not_checkable(self.rule, reason)),
            Ok(limits) => limits.and_then(|limits| self.against(limits)),
        };
        match by_protocol {
            // The protocol is never looser than the general limit, so its finding says more.
            Some(finding) if finding.severity == Severity::Hard => Some(finding),
            other => self.against(in_general).or(other),
        }
    }

    fn against(&self, limits: &Limits) -> Option<Finding> {
        let tolerance = if self.measured {
            i64::from(limits.tolerance_percent)
        } else {
            0
        };
        self.below(limits.hard_min, Severity::Hard, 0)
            .or_else(|| self.above(limits.hard_max, Severity::Hard, 0))
            .or_else(|| self.below(limits.soft_min, Severity::Soft, tolerance))
            .or_else(|| self.above(limits.soft_max, Severity::Soft, tolerance))
    }

    fn above(&self, limit: Option<i64>, severity: Severity, tolerance: i64) -> Option<Finding> {
        let limit = limit?.saturating_mul(self.factor);
        let margin = percent_of(limit, tolerance).saturating_add(self.granularity);
        let passed = self.value > limit.saturating_add(margin);
        passed.then(|| self.finding(severity, Bound::Maximum, limit))
    }

    fn below(&self, limit: Option<i64>, severity: Severity, tolerance: i64) -> Option<Finding> {
        let limit = limit
            .filter(|_| self.has_minimum)?
            .saturating_mul(self.factor);
        let margin = percent_of(limit, tolerance).saturating_add(self.granularity);
        let passed = self.value < limit.saturating_sub(margin);
        passed.then(|| self.finding(severity, Bound::Minimum, limit))
    }

    const fn finding(&self, severity: Severity, bound: Bound, limit: i64) -> Finding {
        Finding {
            rule: self.rule,
            severity,
            bound: Some(bound),
            value: self.value,
            limit,
            reason: None,
        }
    }
}

/// A share of a limit, rounded down.
const fn percent_of(limit: i64, percent: i64) -> i64 {
    limit.saturating_mul(percent) / 100
}
