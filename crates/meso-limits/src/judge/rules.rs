//! The rules about a shot and what it adds up to: values against the limits of the protocol and
//! the general ones, in the order of the rules' codes.

use meso_domain::{Bound, Finding, NotCheckable, Rule, Severity, Shot, ShotFlags};
use meso_units::Uncertainty;

use super::compiled::{Bounds, Compiled, CompiledDrug, Value};
use super::even::{drift_permille, passes_drift, passes_variation, variation_permille};
use super::reach::reach_um;
use super::segment::{DoseSum, Segment, Spread};
use super::session::{Session, Zone};
use super::{EVEN_SHOT_COUNT_MIN, general};
use crate::{DoseUnit, Limited};

/// A patient shot with everything that the rules look at.
pub(super) struct Measured<'a> {
    pub(super) shot: &'a Shot,
    pub(super) points: u64,
    pub(super) session: &'a Session,
    pub(super) segment: &'a Segment,
    pub(super) compiled: &'a Compiled,
}

impl Measured<'_> {
    /// Everything that did not simply pass.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let depth = depth_of(self.shot, Some(self.segment));
        found.extend(self.needle_depth(depth));
        found.extend(self.volume_per_trigger());
        found.extend(rate(self.shot, Ok(self.compiled.bounds(Limited::ShotRate))));
        found.extend(self.session_volume());
        found.extend(self.failed_injections());
        found.extend(self.layer(depth));
        let scope = Scope {
            session: self.session,
            compiled: self.compiled,
        };
        scope.sums(self.segment, &mut found);
        found.extend(self.session_length());
        scope.counts(self.segment, &mut found);
        if !self.segment.standing.is_empty() {
            found.extend(&self.segment.standing);
            found.sort_by_key(|finding| finding.rule.code());
        }
        found
    }

    fn needle_depth(&self, depth: Option<(i64, bool)>) -> Option<Finding> {
        let Some((um, measured)) = depth else {
            return Some(not_checkable(Rule::NeedleDepth, NotCheckable::ValueMissing));
        };
        let value = Value::measured(Rule::NeedleDepth, um, measured);
        let by_protocol = self
            .compiled
            .bounds(Limited::NeedleDepth)
            .and_then(|bounds| bounds.judge(&value));
        with_general(by_protocol, self.compiled.depth_in_general.judge(&value))
    }

    fn volume_per_trigger(&self) -> Option<Finding> {
        let rule = Rule::VolumePerTrigger;
        let per_point = self.compiled.bounds(Limited::VolumePerPoint);
        let per_trigger = self.compiled.bounds(Limited::VolumePerTrigger);
        if per_point.is_none() && per_trigger.is_none() {
            return None;
        }
        let Some((volume, measured)) = volume_and_source(self.shot) else {
            return Some(not_checkable(rule, NotCheckable::ValueMissing));
        };
        let of_trigger = Value {
            has_minimum: !delivers_nothing(self.shot),
            ..Value::measured(rule, volume, measured)
        };
        let of_points = Value {
            factor: i64::try_from(self.points).unwrap_or(i64::MAX),
            ..of_trigger
        };
        let found = [
            per_point.and_then(|bounds| bounds.judge(&of_points)),
            per_trigger.and_then(|bounds| bounds.judge(&of_trigger)),
        ];
        // Of two equal ones the first.
        let [first, second] = found;
        match (first, second) {
            (Some(a), Some(b)) if b.severity > a.severity => Some(b),
            (Some(a), _) => Some(a),
            (None, second) => second,
        }
    }

    fn session_volume(&self) -> Option<Finding> {
        let bounds = self.compiled.bounds(Limited::SessionVolume)?;
        let session = self.session;
        let nl = signed(session.sums.volume_nl.saturating_add(session.manual_nl));
        let measured = session.sums.set_volumes == 0;
        let value = Value::growing(Rule::SessionVolume, nl, measured);
        // A lower bound that is too much already is too much; otherwise nobody can tell.
        bounds.judge(&value).or_else(|| {
            let reason = session.lower_bound().or_else(|| {
                (session.sums.unknown_volumes > 0).then_some(NotCheckable::ValueMissing)
            })?;
            Some(not_checkable(Rule::SessionVolume, reason))
        })
    }

    fn failed_injections(&self) -> Option<Finding> {
        let rule = Rule::FailedInjections;
        let bounds = self.compiled.bounds(Limited::FailedInjections)?;
        let counter = self.shot.identity.counter.get();
        let in_a_row = match self.shot.flags.contains(ShotFlags::FAILED_INJECTION) {
            true => self
                .session
                .lane(self.shot)
                .map_or(0, |lane| lane.run_at(counter)),
            false => 0,
        };
        bounds
            .judge(&Value::growing(rule, in_a_row.into(), false))
            .or_else(|| {
                let missing = self.session.history_missing || self.session.is_stale;
                missing.then(|| not_checkable(rule, NotCheckable::HistoryMissing))
            })
    }

    fn layer(&self, depth: Option<(i64, bool)>) -> Option<Finding> {
        let severity = self.compiled.layer_breach?;
        let rule = Rule::NeedleLayer;
        let Some((um, _)) = depth else {
            return Some(not_checkable(rule, NotCheckable::ValueMissing));
        };
        let layers = &self.compiled.layers;
        let is_in = |layer: &crate::Layer| um > layer.above_um() && um <= layer.to_um();
        if layers.iter().any(is_in) {
            return None;
        }
        // The nearest edge of an allowed layer, the deeper of two.
        let edge = layers
            .iter()
            .flat_map(|layer| [layer.above_um() + 1, layer.to_um()])
            .min_by_key(|edge| (edge.abs_diff(um), -edge))?;
        let bound = if um > edge {
            Bound::Maximum
        } else {
            Bound::Minimum
        };
        Some(Finding {
            rule,
            severity,
            bound: Some(bound),
            value: um,
            limit: edge,
            reason: None,
        })
    }

    fn session_length(&self) -> Option<Finding> {
        let bounds = self.compiled.bounds(Limited::SessionLength)?;
        let rule = Rule::SessionLength;
        let Some(opened_at) = self.session.opened_at else {
            return Some(not_checkable(rule, NotCheckable::HistoryMissing));
        };
        if self.shot.uncertainty == Uncertainty::Unbounded {
            return Some(not_checkable(rule, NotCheckable::ClockUntrusted));
        }
        let length_s = self.shot.at.since_ns(opened_at).div_euclid(1_000_000_000);
        bounds.judge(&Value::growing(rule, length_s, true))
    }
}

/// A session under the limits of one of its segments' protocols: what adds up over shots.
pub(super) struct Scope<'a> {
    pub(super) session: &'a Session,
    pub(super) compiled: &'a Compiled,
}

impl Scope<'_> {
    /// Rules 7 to 11: dry shots, volumes of zone and course, doses.
    pub(super) fn sums(&self, segment: &Segment, found: &mut Vec<Finding>) {
        found.extend(self.dry_shots(segment));
        if let Some(zone) = segment.zone.and_then(|at| self.session.zones.get(at)) {
            found.extend(self.zone_volume(zone));
        }
        found.extend(self.course_volume());
        for (drug, sum) in self.drugs(segment) {
            let finding = self.dose(drug, sum);
            merge(found, finding);
        }
    }

    /// Rules 18 to 26, 35 and 39: counts of shots and points, evenness, the syringe.
    pub(super) fn counts(&self, segment: &Segment, found: &mut Vec<Finding>) {
        if let Some(zone) = segment.zone.and_then(|at| self.session.zones.get(at)) {
            found.extend(self.count(Limited::ZoneShots, zone.sums.shots));
        }
        let session = self.session;
        let points = session.sums.points.saturating_add(session.manual_points);
        found.extend(self.count(Limited::SessionPoints, points));
        for (quantity, spread) in [
            (Limited::VolumeVariation, &segment.volume),
            (Limited::DepthVariation, &segment.depth),
        ] {
            found.extend(self.variation(quantity, spread));
        }
        for (quantity, spread) in [
            (Limited::VolumeDrift, &segment.volume),
            (Limited::DepthDrift, &segment.depth),
        ] {
            found.extend(self.drift(quantity, spread));
        }
        found.extend(self.count(Limited::Vacuum, segment.vacuum));
        found.extend(self.count(Limited::BlockedNeedles, segment.blocked));
        found.extend(self.overdrawn(segment));
        let before = segment.facts.needle_shots_before.unwrap_or(0);
        let needle = segment.needle_shots.saturating_add(before.into());
        found.extend(self.count(Limited::NeedleShots, needle));
        found.extend(self.count(Limited::Primes, segment.primes));
    }

    fn count(&self, quantity: Limited, count: u64) -> Option<Finding> {
        let bounds = self.compiled.bounds(quantity)?;
        let rule = quantity.rule();
        bounds
            .judge(&Value::growing(rule, signed(count), false))
            .or_else(|| {
                let missing = self.session.history_missing || self.session.is_stale;
                missing.then(|| not_checkable(rule, NotCheckable::HistoryMissing))
            })
    }

    fn dry_shots(&self, segment: &Segment) -> Option<Finding> {
        if segment.wet > 0 {
            // Needling without product: any product at all is wrong.
            let none = Bounds::hard_maximum(0);
            return none.judge(&Value::plain(Rule::DryShots, signed(segment.wet)));
        }
        if segment.technique == Some(meso_domain::Technique::Dry) {
            return None;
        }
        self.count(Limited::DryShots, segment.dry)
    }

    pub(super) fn zone_volume(&self, zone: &Zone) -> Option<Finding> {
        let bounds = self.compiled.bounds(Limited::ZoneVolume)?;
        let nl = signed(zone.sums.volume_nl.saturating_add(zone.manual_nl));
        let measured = zone.sums.set_volumes == 0;
        let rule = Rule::ZoneVolume;
        bounds
            .judge(&Value::growing(rule, nl, measured))
            .or_else(|| {
                let reason = self.session.lower_bound().or_else(|| {
                    (zone.sums.unknown_volumes > 0).then_some(NotCheckable::ValueMissing)
                })?;
                Some(not_checkable(rule, reason))
            })
    }

    /// The course with this session so far; that the history is not known stands elsewhere.
    pub(super) fn course_volume(&self) -> Option<Finding> {
        let bounds = self.compiled.bounds(Limited::CourseVolume)?;
        let session = self.session;
        let here = session.sums.volume_nl.saturating_add(session.manual_nl);
        let history = session.facts.history.as_ref();
        let before = history.map_or(0, |history| history.volume_before_nl);
        let measured = session.sums.set_volumes == 0;
        let nl = signed(here.saturating_add(before));
        bounds.judge(&Value::growing(Rule::CourseVolume, nl, measured))
    }

    /// The drugs of the protocol with what the session has had of each.
    fn drugs<'s>(
        &'s self,
        segment: &'s Segment,
    ) -> impl Iterator<Item = (&'s CompiledDrug, &'s DoseSum)> {
        let drugs = self.compiled.drugs.iter().zip(&segment.holds);
        drugs.filter_map(|(drug, (_, slot))| Some((drug, self.session.doses.get(*slot)?)))
    }

    fn dose(&self, drug: &CompiledDrug, sum: &DoseSum) -> Option<Finding> {
        let rule = match drug.unit {
            DoseUnit::Milligram => Rule::DrugMass,
            DoseUnit::BrandUnit => Rule::DrugUnits,
        };
        let value = Value::growing(rule, sum.nano, true);
        let by_session = drug.session.judge(&value);
        let weight_g = self.session.facts.weight_g;
        let by_weight = weight_g.and_then(|weight_g| {
            drug.per_kilogram
                .times_thousandths(weight_g.into())
                .judge(&value)
        });
        let worst = [by_session, by_weight]
            .into_iter()
            .flatten()
            .max_by_key(|finding| (finding.severity, -finding.limit));
        if worst.is_some_and(|finding| finding.severity == Severity::Hard) {
            return worst;
        }
        let lacks_weight = drug.per_kilogram.is_any() && weight_g.is_none() && sum.nano > 0;
        let reason = sum
            .unknown
            .or_else(|| self.session.lower_bound())
            .or(lacks_weight.then_some(NotCheckable::WeightMissing));
        worst.or_else(|| reason.map(|reason| not_checkable(rule, reason)))
    }

    pub(super) fn variation(&self, quantity: Limited, spread: &Spread) -> Option<Finding> {
        let bounds = self.compiled.bounds(quantity)?;
        if spread.count < EVEN_SHOT_COUNT_MIN {
            return None;
        }
        let tightest = bounds.soft_maximum()?;
        if !passes_variation(spread, tightest) {
            return None;
        }
        let value = variation_permille(spread);
        bounds.judge(&Value::growing(quantity.rule(), value, true))
    }

    pub(super) fn drift(&self, quantity: Limited, spread: &Spread) -> Option<Finding> {
        let bounds = self.compiled.bounds(quantity)?;
        if spread.set_count < EVEN_SHOT_COUNT_MIN {
            return None;
        }
        let tightest = bounds.soft_maximum()?;
        if !passes_drift(spread, tightest) {
            return None;
        }
        let value = drift_permille(spread);
        bounds.judge(&Value::growing(quantity.rule(), value, true))
    }

    /// More out of the syringe than was in it; the rest of the balance waits for the residual.
    fn overdrawn(&self, segment: &Segment) -> Option<Finding> {
        let bounds = self.compiled.bounds(Limited::SyringeBalance)?;
        if segment.facts.residual.is_some() {
            return self.balance(segment);
        }
        let loaded = segment.loaded_nl?;
        let over = segment
            .given_nl()
            .saturating_sub(loaded.saturating_sub(segment.dead_nl));
        let measured = segment.sums.set_volumes == 0;
        bounds.judge(&Value::growing(
            Rule::SyringeBalance,
            signed(over),
            measured,
        ))
    }

    /// Loaded less residual less dead volume, against the sum of the shots, whichever way.
    pub(super) fn balance(&self, segment: &Segment) -> Option<Finding> {
        let rule = Rule::SyringeBalance;
        let bounds = self.compiled.bounds(Limited::SyringeBalance)?;
        let (Some(loaded), Some(residual)) = (segment.loaded_nl, segment.facts.residual) else {
            return Some(not_checkable(rule, NotCheckable::FactMissing));
        };
        let gone = signed(loaded)
            .saturating_sub(signed(residual.get()))
            .saturating_sub(signed(segment.dead_nl));
        // While the session goes on, what is still in the syringe is not missing.
        let difference = gone.saturating_sub(signed(segment.given_nl()));
        let value = if self.session.ended {
            difference.saturating_abs()
        } else {
            difference.saturating_neg().max(0)
        };
        let measured = segment.sums.set_volumes == 0;
        bounds
            .judge(&Value::growing(rule, value, measured))
            .or_else(|| {
                let unknown = segment.sums.unknown_volumes > 0;
                unknown.then(|| not_checkable(rule, NotCheckable::ValueMissing))
            })
    }
}

/// Adds a finding of a rule that may have one already: the worse one stays.
fn merge(found: &mut Vec<Finding>, finding: Option<Finding>) {
    let Some(finding) = finding else {
        return;
    };
    match found.iter_mut().find(|known| known.rule == finding.rule) {
        Some(known) if known.severity < finding.severity => *known = finding,
        Some(_) => {}
        None => {
            found.push(finding);
            found.sort_by_key(|finding| finding.rule.code());
        }
    }
}

/// A shot without a session or without a known protocol: what the general limits alone can say.
pub(super) fn in_general(
    shot: &Shot,
    segment: Option<&Segment>,
    reason: NotCheckable,
) -> Vec<Finding> {
    let depth = match depth_of(shot, segment) {
        None => Some(not_checkable(Rule::NeedleDepth, NotCheckable::ValueMissing)),
        Some((um, measured)) => {
            let value = Value::measured(Rule::NeedleDepth, um, measured);
            let general = Bounds::hard_maximum(general::NEEDLE_DEPTH_MAX_UM);
            with_general(
                Some(not_checkable(Rule::NeedleDepth, reason)),
                general.judge(&value),
            )
        }
    };
    let rest = [
        Some(not_checkable(Rule::VolumePerTrigger, reason)),
        rate(shot, Err(reason)),
        Some(not_checkable(Rule::SessionVolume, reason)),
        Some(not_checkable(Rule::FailedInjections, reason)),
    ];
    depth
        .into_iter()
        .chain(rest.into_iter().flatten())
        .collect()
}

fn rate(shot: &Shot, bounds: Result<Option<&Bounds>, NotCheckable>) -> Option<Finding> {
    let rule = Rule::ShotRate;
    let Some(interval) = shot.interval else {
        // The first shot of an epoch has no trigger before it; a later one should say.
        let first = shot.identity.counter.get() == 1;
        return (!first).then(|| not_checkable(rule, NotCheckable::ValueMissing));
    };
    let value = Value {
        granularity: general::INTERVAL_GRANULARITY_US,
        ..Value::measured(
            rule,
            i64::try_from(interval.get()).unwrap_or(i64::MAX),
            true,
        )
    };
    let by_protocol = match bounds {
        Ok(bounds) => bounds.and_then(|bounds| bounds.judge(&value)),
        Err(reason) => Some(not_checkable(rule, reason)),
    };
    let in_general = Bounds::hard_minimum(general::INTERVAL_MIN_US);
    with_general(by_protocol, in_general.judge(&value))
}

/// The general limits hold whatever the protocol says or whether there is one. The protocol is
/// never looser, so a hard finding of it says more.
fn with_general(by_protocol: Option<Finding>, in_general: Option<Finding>) -> Option<Finding> {
    match by_protocol {
        Some(finding) if finding.severity == Severity::Hard => Some(finding),
        other => in_general.or(other),
    }
}

/// A rule that could not be judged.
pub(super) const fn not_checkable(rule: Rule, reason: NotCheckable) -> Finding {
    Finding {
        rule,
        severity: Severity::NotCheckable,
        bound: None,
        value: 0,
        limit: 0,
        reason: Some(reason),
    }
}

/// Whether the shot is one that delivers nothing, so that a minimum volume says nothing of it.
const fn delivers_nothing(shot: &Shot) -> bool {
    shot.flags.contains(ShotFlags::FAILED_INJECTION) || shot.flags.contains(ShotFlags::DRY)
}

/// The volume in nl and whether it was measured rather than set.
fn volume_and_source(shot: &Shot) -> Option<(i64, bool)> {
    let volume = shot.volume.actual_value().or(shot.volume.set)?;
    Some((signed(volume.get()), shot.volume.actual.is_some()))
}

/// The needle depth in µm and whether it was measured: what the gun did, else its set point, else
/// the needle's length at its angle to the skin.
fn depth_of(shot: &Shot, segment: Option<&Segment>) -> Option<(i64, bool)> {
    let depth = &shot.needle_depth;
    if let Some(um) = depth.actual_value().or(depth.set) {
        return Some((um.get().into(), depth.actual.is_some()));
    }
    let segment = segment?;
    let angle = segment.facts.needle_angle_degrees?;
    Some((reach_um(segment.needle_length_um?, angle)?, false))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
