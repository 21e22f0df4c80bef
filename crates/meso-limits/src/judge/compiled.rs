//! A protocol made ready for judging: numbers without their sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use meso_domain::{Bound, Finding, Rule, Severity, Technique};
use meso_units::ProtocolId;

use super::general;
use crate::{DoseUnit, Layer, Library, Limited, Limits, Protocol};

/// The limits of one quantity; an absent limit is one that no value passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    hard_min: i64,
    soft_min: i64,
    soft_max: i64,
    hard_max: i64,
    /// The tighter of the two minima, and of the two maxima.
    inner_min: i64,
    inner_max: i64,
    tolerance_percent: i64,
}

/// A value to be held against limits, in the unit of its rule.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) rule: Rule,
    pub(super) value: i64,
    /// Whether a soft limit's tolerance applies: it does to what was measured, not to what was set.
    pub(super) measured: bool,
    /// What the limits are multiplied by: the points of a trigger, else 1.
    pub(super) factor: i64,
    /// How far any limit may be missed because the value is only that finely counted.
    pub(super) granularity: i64,
    /// Whether minima say anything.
    pub(super) has_minimum: bool,
}

impl Value {
    pub(super) const fn plain(rule: Rule, value: i64) -> Value {
        Value {
            rule,
            value,
            measured: false,
            factor: 1,
            granularity: 0,
            has_minimum: true,
        }
    }

    pub(super) const fn measured(rule: Rule, value: i64, measured: bool) -> Value {
        Value {
            measured,
            ..Value::plain(rule, value)
        }
    }

    /// A sum that is still growing: that it is too small says nothing yet.
    pub(super) const fn growing(rule: Rule, value: i64, measured: bool) -> Value {
        Value {
            has_minimum: false,
            ..Value::measured(rule, value, measured)
        }
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

impl Bounds {
    pub(super) const NONE: Bounds = Bounds {
        hard_min: i64::MIN,
        soft_min: i64::MIN,
        soft_max: i64::MAX,
        hard_max: i64::MAX,
        inner_min: i64::MIN,
        inner_max: i64::MAX,
        tolerance_percent: 0,
    };

    /// With the tighter ones worked out.
    const fn ready(mut self) -> Bounds {
        self.inner_min = if self.hard_min > self.soft_min {
            self.hard_min
        } else {
            self.soft_min
        };
        self.inner_max = if self.hard_max < self.soft_max {
            self.hard_max
        } else {
            self.soft_max
        };
        self
    }

    pub(super) fn of(limits: &Limits) -> Bounds {
        Bounds {
            hard_min: limits.hard_min.unwrap_or(i64::MIN),
            soft_min: limits.soft_min.unwrap_or(i64::MIN),
            soft_max: limits.soft_max.unwrap_or(i64::MAX),
            hard_max: limits.hard_max.unwrap_or(i64::MAX),
            tolerance_percent: limits.tolerance_percent.into(),
            ..Bounds::NONE
        }
        .ready()
    }

    pub(super) const fn hard_maximum(limit: i64) -> Bounds {
        Bounds {
            hard_max: limit,
            ..Bounds::NONE
        }
        .ready()
    }

    pub(super) const fn soft_maximum_of(limit: i64) -> Bounds {
        Bounds {
            soft_max: limit,
            ..Bounds::NONE
        }
        .ready()
    }

    pub(super) const fn hard_minimum(limit: i64) -> Bounds {
        Bounds {
            hard_min: limit,
            ..Bounds::NONE
        }
        .ready()
    }

    /// The limits times a factor in thousandths: a dose for each kilogram times the weight in g.
    pub(super) fn times_thousandths(&self, thousandths: i64) -> Bounds {
        let scaled = |limit: i64| match limit {
            i64::MIN | i64::MAX => limit,
            limit => {
                let product = i128::from(limit) * i128::from(thousandths) / 1_000;
                i64::try_from(product).unwrap_or(i64::MAX)
            }
        };
        Bounds {
            hard_min: scaled(self.hard_min),
            soft_min: scaled(self.soft_min),
            soft_max: scaled(self.soft_max),
            hard_max: scaled(self.hard_max),
            tolerance_percent: self.tolerance_percent,
            ..Bounds::NONE
        }
        .ready()
    }

    pub(super) const fn soft_maximum(&self) -> Option<i64> {
        match (self.soft_max, self.hard_max) {
            (i64::MAX, i64::MAX) => None,
            (i64::MAX, hard) => Some(hard),
            (soft, _) => Some(soft),
        }
    }

    /// Whether there is any limit.
    pub(super) fn is_any(&self) -> bool {
        *self
            != Bounds {
                tolerance_percent: self.tolerance_percent,
                ..Bounds::NONE
            }
    }

    /// The worst that a value passes. A value equal to a limit is within it.
    #[inline]
    pub(super) fn judge(&self, value: &Value) -> Option<Finding> {
        // Nearly every value is within its limits: one comparison each says so.
        let scaled = |limit: i64| match limit {
            i64::MIN | i64::MAX => limit,
            limit => limit.saturating_mul(value.factor),
        };
        let above_minimum = !value.has_minimum || value.value >= scaled(self.inner_min);
        if above_minimum && value.value <= scaled(self.inner_max) {
            return None;
        }
        self.judge_closely(value)
    }

    #[cold]
    fn judge_closely(&self, value: &Value) -> Option<Finding> {
        let scaled = |limit: i64| match limit {
            i64::MIN | i64::MAX => limit,
            limit => limit.saturating_mul(value.factor),
        };
        let (soft_min, soft_max) = (scaled(self.soft_min), scaled(self.soft_max));
        let (hard_min, hard_max) = (scaled(self.hard_min), scaled(self.hard_max));
        let tolerance = if value.measured {
            self.tolerance_percent
        } else {
            0
        };
        let above = |limit: i64, tolerance: i64| {
            let margin = percent_of(limit, tolerance).saturating_add(value.granularity);
            limit != i64::MAX && value.value > limit.saturating_add(margin)
        };
        let below = |limit: i64, tolerance: i64| {
            let margin = percent_of(limit, tolerance).saturating_add(value.granularity);
            value.has_minimum && limit != i64::MIN && value.value < limit.saturating_sub(margin)
        };
        if below(hard_min, 0) {
            Some(value.finding(Severity::Hard, Bound::Minimum, hard_min))
        } else if above(hard_max, 0) {
            Some(value.finding(Severity::Hard, Bound::Maximum, hard_max))
        } else if below(soft_min, tolerance) {
            Some(value.finding(Severity::Soft, Bound::Minimum, soft_min))
        } else if above(soft_max, tolerance) {
            Some(value.finding(Severity::Soft, Bound::Maximum, soft_max))
        } else {
            None
        }
    }
}

/// A share of a limit, rounded down.
const fn percent_of(limit: i64, percent: i64) -> i64 {
    limit.saturating_mul(percent) / 100
}

/// A drug with its limits.
#[derive(Clone, Debug)]
pub(super) struct CompiledDrug {
    /// Every name of it in lower case; the first is its own.
    pub(super) names: Vec<String>,
    pub(super) unit: DoseUnit,
    pub(super) session: Bounds,
    pub(super) per_kilogram: Bounds,
    pub(super) interval: Bounds,
}

/// A phase of a course.
#[derive(Clone, Debug)]
pub(super) struct CompiledPhase {
    pub(super) sessions: Bounds,
    pub(super) interval: Bounds,
    pub(super) cocktail: Vec<String>,
}

/// One protocol of a release.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    bounds: Vec<Option<Bounds>>,
    pub(super) depth_in_general: Bounds,
    pub(super) layers: Vec<Layer>,
    pub(super) layer_breach: Option<Severity>,
    pub(super) checks: BTreeMap<Rule, Severity>,
    pub(super) zones: Vec<String>,
    pub(super) techniques: Vec<Technique>,
    pub(super) product_classes: Vec<String>,
    pub(super) drugs: Vec<CompiledDrug>,
    /// The phases of the chosen course; empty where none is chosen.
    pub(super) phases: Vec<CompiledPhase>,
    /// Whether the protocol has courses to choose from.
    pub(super) has_courses: bool,
}

impl Compiled {
    pub(super) fn of(library: &Library, protocol: &Protocol) -> Compiled {
        let bounds = Limited::ALL
            .iter()
            .map(|quantity| protocol.limits(*quantity).map(Bounds::of))
            .collect();
        let signed_off = protocol.deeper_than_10_mm.as_ref();
        let own_depth = protocol.limits(Limited::NeedleDepth);
        let deepest = signed_off
            .and(own_depth)
            .and_then(|limits| limits.hard_max.or(limits.soft_max))
            .map_or(general::NEEDLE_DEPTH_MAX_UM, |um| {
                um.max(general::NEEDLE_DEPTH_MAX_UM)
            });
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_lowercase()).collect();
        let phases = library.course_of(protocol).map_or_else(Vec::new, |pack| {
            let phases = pack.phases.iter().map(|phase| CompiledPhase {
                sessions: Bounds::of(&phase.sessions),
                interval: Bounds::of(&phase.interval),
                cocktail: phase.cocktail.clone(),
            });
            phases.collect()
        });
        let drugs = protocol.drugs.iter().map(|drug| CompiledDrug {
            names: std::iter::once(&drug.name)
                .chain(&drug.also)
                .cloned()
                .collect(),
            unit: drug.unit,
            session: Bounds::of(&drug.session_dose),
            per_kilogram: Bounds::of(&drug.dose_per_kilogram),
            interval: Bounds::of(&drug.interval),
        });
        let checks = protocol.checks.iter();
        Compiled {
            bounds,
            depth_in_general: Bounds::hard_maximum(deepest),
            layers: protocol.layers.clone(),
            layer_breach: protocol.layer_check.as_ref().map(|check| check.breach),
            checks: checks.map(|(rule, check)| (*rule, check.breach)).collect(),
            zones: lower(&protocol.zones),
            techniques: protocol.techniques.clone(),
            product_classes: lower(&protocol.product_classes),
            drugs: drugs.collect(),
            phases,
            has_courses: !protocol.course_packs.is_empty(),
        }
    }

    /// The limits of a quantity.
    #[inline]
    pub(super) fn bounds(&self, quantity: Limited) -> Option<&Bounds> {
        self.bounds.get(quantity as usize).and_then(Option::as_ref)
    }

    /// The phase in which the session of this number lies, counted from 0, and the sessions that
    /// the course has in all; `None` for an open end.
    pub(super) fn course_place(&self, number: i64) -> (Option<usize>, Option<i64>) {
        let mut total = (!self.phases.is_empty()).then_some(0_i64);
        let mut place = None;
        for (index, phase) in self.phases.iter().enumerate() {
            total = total
                .zip(phase.sessions.soft_maximum())
                .map(|(before, here)| before.saturating_add(here));
            if place.is_none() && total.is_none_or(|total| number <= total) {
                place = Some(index);
            }
        }
        (place, total)
    }
}

/// Every protocol of a release, made ready.
pub(super) fn compile(library: Option<&Library>) -> BTreeMap<ProtocolId, Arc<Compiled>> {
    let Some(library) = library else {
        return BTreeMap::new();
    };
    let protocols = library.protocols().iter();
    protocols
        .map(|protocol| {
            let compiled = Compiled::of(library, protocol);
            (protocol.id.clone(), Arc::new(compiled))
        })
        .collect()
}
