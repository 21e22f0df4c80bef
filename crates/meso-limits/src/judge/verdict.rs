//! What is said of a whole session: every rule, whatever order its shots came in.

use std::collections::BTreeMap;

use meso_domain::{Finding, NotCheckable, Rule, Severity};

use super::EVEN_SHOT_COUNT_MIN;
use super::compiled::{Compiled, Value};
use super::rules::{Scope, not_checkable};
use super::session::Session;
use super::standing::Standing;
use super::tally::TALLIED;
use crate::{Limited, Protocol};

/// One rule over a whole session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: Rule,
    /// The worst finding; `None` where the rule passed with every fact that it needs.
    pub worst: Option<Finding>,
    /// Shots past a soft limit, of rules about single shots; else 0 or 1.
    pub soft_count: u32,
    /// Shots past a hard limit, of rules about single shots; else 0 or 1.
    pub hard_count: u32,
    /// Shots that could not be judged, of rules about single shots; else 0 or 1.
    pub not_checkable_count: u32,
}

/// The verdict on a session: the rules that apply to it, in the order of their codes.
///
/// It is a function of the *set* of shots, events and facts: order, duplicates and restarts change
/// nothing, once every shot has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionVerdict {
    /// Patient shots.
    pub patient_shot_count: u64,
    /// Points: patient shots times working needles, and points set by hand.
    pub point_count: u64,
    /// Volume in nl, by guns and by hand, as far as it is known.
    pub volume_nl: u64,
    /// Patient shots that said no volume at all; with any, the volume is a lower bound.
    pub unknown_volume_count: u64,
    /// The rules that apply.
    pub rules: Vec<RuleVerdict>,
}

impl SessionVerdict {
    /// What is said of one rule; `None` where it does not apply.
    pub fn rule(&self, rule: Rule) -> Option<&RuleVerdict> {
        self.rules.iter().find(|verdict| verdict.rule == rule)
    }

    /// The rules of which another verdict says something else.
    pub fn changes_to(&self, after: &SessionVerdict) -> Vec<LateFinding> {
        changes(self, after)
    }

    /// The worst severity; `None` where every rule passed.
    pub fn worst(&self) -> Option<Severity> {
        let findings = self.rules.iter().filter_map(|verdict| verdict.worst);
        findings.map(|finding| finding.severity).max()
    }
}

pub(super) fn of(session: &Session) -> SessionVerdict {
    let mut rules: BTreeMap<Rule, RuleVerdict> = BTreeMap::new();
    for (rule, tally) in TALLIED.iter().zip(&session.tallies) {
        let unknown = tally.reason.map(|reason| not_checkable(*rule, reason));
        let verdict = RuleVerdict {
            rule: *rule,
            worst: tally.worst.or(unknown),
            soft_count: tally.soft,
            hard_count: tally.hard,
            not_checkable_count: tally.not_checkable,
        };
        if verdict.worst.is_some() {
            rules.insert(*rule, verdict);
        }
    }
    // The place for shots without a segment counts only where there is no other, or shots are in it.
    let places = session
        .segments
        .iter()
        .filter(|place| place.id.is_some() || session.segments.len() == 1 || place.sums.shots > 0);
    for place in places {
        let Some(compiled) = &place.compiled else {
            let reason = NotCheckable::ProtocolUnknown;
            for rule in [Rule::VolumePerTrigger, Rule::SessionVolume] {
                add(&mut rules, not_checkable(rule, reason));
            }
            continue;
        };
        for rule in rules_of(compiled) {
            rules.entry(rule).or_insert_with(|| passed(rule));
        }
        let standing = Standing {
            session,
            segment: place,
            compiled,
        };
        let scope = Scope { session, compiled };
        let mut found = standing.findings();
        scope.sums(place, &mut found);
        scope.counts(place, &mut found);
        found.extend(at_the_end(session, place, compiled, &scope));
        for finding in found {
            add(&mut rules, finding);
        }
    }
    SessionVerdict {
        patient_shot_count: session.sums.shots,
        point_count: session.sums.points.saturating_add(session.manual_points),
        volume_nl: session.sums.volume_nl.saturating_add(session.manual_nl),
        unknown_volume_count: session.sums.unknown_volumes,
        rules: rules.into_values().collect(),
    }
}

const fn passed(rule: Rule) -> RuleVerdict {
    RuleVerdict {
        rule,
        worst: None,
        soft_count: 0,
        hard_count: 0,
        not_checkable_count: 0,
    }
}

/// Adds a finding about the session or a segment: of several the worst stays.
fn add(rules: &mut BTreeMap<Rule, RuleVerdict>, finding: Finding) {
    let verdict = rules
        .entry(finding.rule)
        .or_insert_with(|| passed(finding.rule));
    let counter = match finding.severity {
        Severity::Hard => &mut verdict.hard_count,
        Severity::Soft => &mut verdict.soft_count,
        Severity::NotCheckable => &mut verdict.not_checkable_count,
    };
    *counter = (*counter).max(1);
    let badness = |finding: &Finding| {
        let distance = finding.value.abs_diff(finding.limit);
        (finding.severity, distance, finding.reason)
    };
    let is_worse = verdict
        .worst
        .is_none_or(|worst| badness(&worst) < badness(&finding));
    if is_worse {
        verdict.worst = Some(finding);
    }
}

/// What can only be said of the session as it stands, and what no shot says.
fn at_the_end(
    session: &Session,
    place: &super::segment::Segment,
    compiled: &Compiled,
    scope: &Scope<'_>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(bounds) = compiled.bounds(Limited::SessionVolume) {
        let nl = session.sums.volume_nl.saturating_add(session.manual_nl);
        let value = Value {
            // Only the end shows that it was too little.
            has_minimum: session.ended,
            ..Value::measured(
                Rule::SessionVolume,
                i64::try_from(nl).unwrap_or(i64::MAX),
                session.sums.set_volumes == 0,
            )
        };
        let reason = session
            .lower_bound()
            .or_else(|| (session.sums.unknown_volumes > 0).then_some(NotCheckable::ValueMissing));
        let unknown = reason.map(|reason| not_checkable(Rule::SessionVolume, reason));
        found.extend(bounds.judge(&value).or(unknown));
    }
    if let Some(bounds) = compiled.bounds(Limited::FailedInjections) {
        let rule = Rule::FailedInjections;
        let longest = session.lanes.iter().map(|lane| lane.longest_run()).max();
        let value = Value::growing(rule, longest.unwrap_or(0).into(), false);
        let unknown = session.history_missing || session.is_stale;
        let unknown = unknown.then(|| not_checkable(rule, NotCheckable::HistoryMissing));
        found.extend(bounds.judge(&value).or(unknown));
    }
    found.extend(length(session, compiled));
    for (quantity, spread, set_too) in [
        (Limited::VolumeVariation, &place.volume, false),
        (Limited::DepthVariation, &place.depth, false),
        (Limited::VolumeDrift, &place.volume, true),
        (Limited::DepthDrift, &place.depth, true),
    ] {
        let count = if set_too {
            spread.set_count
        } else {
            spread.count
        };
        let applies = compiled.bounds(quantity).is_some() && !place.is_manual;
        if applies && count < EVEN_SHOT_COUNT_MIN {
            // Shots came and said nothing: another matter than too few shots.
            let reason = match place.sums.shots < EVEN_SHOT_COUNT_MIN {
                true => NotCheckable::TooFew,
                false => NotCheckable::ValueMissing,
            };
            found.push(not_checkable(quantity.rule(), reason));
        }
    }
    found.extend(scope.balance(place));
    found
}

fn length(session: &Session, compiled: &Compiled) -> Option<Finding> {
    let bounds = compiled.bounds(Limited::SessionLength)?;
    let rule = Rule::SessionLength;
    let Some(opened_at) = session.opened_at else {
        return Some(not_checkable(rule, NotCheckable::HistoryMissing));
    };
    let length_s = session
        .last_shot_at
        .map_or(0, |at| at.since_ns(opened_at).div_euclid(1_000_000_000));
    let value = Value {
        has_minimum: session.ended && session.untrusted_times == 0,
        ..Value::measured(rule, length_s, true)
    };
    let doubtful = session.untrusted_times > 0;
    bounds
        .judge(&value)
        .or_else(|| doubtful.then(|| not_checkable(rule, NotCheckable::ClockUntrusted)))
}

/// The rules that a protocol has something to say about.
fn rules_of(compiled: &Compiled) -> Vec<Rule> {
    let limited = Limited::ALL
        .iter()
        .filter(|quantity| compiled.bounds(**quantity).is_some())
        .map(|quantity| quantity.rule());
    let general = [Rule::NeedleDepth, Rule::ShotRate];
    let courses = compiled
        .has_courses
        .then_some([Rule::DaysSinceSession, Rule::CourseSessions]);
    let drugs = compiled.drugs.iter().flat_map(|drug| {
        let dose = match drug.unit {
            crate::DoseUnit::Milligram => Rule::DrugMass,
            crate::DoseUnit::BrandUnit => Rule::DrugUnits,
        };
        let has_dose = drug.session.is_any() || drug.per_kilogram.is_any();
        let interval = drug.interval.is_any().then_some(Rule::DrugInterval);
        has_dose.then_some(dose).into_iter().chain(interval)
    });
    let layer = compiled.layer_breach.map(|_| Rule::NeedleLayer);
    general
        .into_iter()
        .chain(limited)
        .chain(compiled.checks.keys().copied())
        .chain(courses.into_iter().flatten())
        .chain(drugs)
        .chain(layer)
        .collect()
}

/// What judging a session again changed: one rule, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LateFinding {
    /// What was said before; `None` where the rule had passed or did not apply.
    pub before: Option<Finding>,
    /// What is said now; `None` where the rule passes.
    pub after: Option<Finding>,
}

/// The rules whose worst finding changed.
pub(super) fn changes(before: &SessionVerdict, after: &SessionVerdict) -> Vec<LateFinding> {
    let all = Rule::ALL.iter().filter_map(|rule| {
        let worst = |verdict: &SessionVerdict| verdict.rule(*rule).and_then(|found| found.worst);
        let (before, after) = (worst(before), worst(after));
        (before != after).then_some(LateFinding { before, after })
    });
    all.collect()
}

/// The rules that a protocol is judged by, for people.
pub fn rules_of_protocol(library: &crate::Library, protocol: &Protocol) -> Vec<Rule> {
    let mut rules = rules_of(&Compiled::of(library, protocol));
    rules.sort_unstable();
    rules.dedup();
    rules
}
