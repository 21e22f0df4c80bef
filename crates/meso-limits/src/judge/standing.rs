//! Rules about patient, course, operator, gun and material: they hold for a whole segment.
//!
//! A breach of one is a finding on every shot of the segment, so that it acts. That a fact is
//! missing is said once for the segment, in the session's verdict, and not again with each shot.

use meso_domain::{Bound, Finding, NotCheckable, Rule, Severity};

use super::compiled::{Bounds, Compiled, Value};
use super::rules::not_checkable;
use super::segment::Segment;
use super::session::Session;
use crate::{CourseHistory, Day, Limited};

/// A yes, a no, or why nobody knows.
type Answer = Result<bool, NotCheckable>;

pub(super) struct Standing<'a> {
    pub(super) session: &'a Session,
    pub(super) segment: &'a Segment,
    pub(super) compiled: &'a Compiled,
}

impl Standing<'_> {
    /// Everything that did not simply pass, in the order of the rules' codes.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = [
            self.course_history(),
            self.days_since_session(),
            self.course_sessions(),
            self.drug_interval(),
            self.check(Rule::Zone, || self.zone()),
            self.check(Rule::Technique, || self.technique()),
            self.age(),
            self.check(Rule::Certificate, || {
                self.until(self.segment.facts.certificate_until)
            }),
            self.check(Rule::Enrolment, || {
                known(self.segment.facts.gun_is_enrolled)
            }),
            self.check(Rule::Calibration, || {
                self.until(self.segment.facts.calibrated_until)
            }),
            self.check(Rule::Firmware, || {
                known(self.segment.facts.firmware_is_allowed)
            }),
            self.needle(Limited::NeedleLength, self.segment.needle_length_um),
            self.needle(Limited::NeedleGauge, self.segment.needle_gauge),
            self.check(Rule::Consumables, || {
                known(self.segment.facts.consumables_are_new)
            }),
            self.needle_history(),
            self.components(),
            self.check(Rule::Lots, || self.lots()),
            self.check(Rule::Preparation, || known(self.segment.ready_made)),
            self.check(Rule::CoursePhase, || self.course_phase()),
            self.check(Rule::Cocktail, || self.cocktail()),
        ]
        .into_iter()
        .flatten()
        .collect();
        found.sort_by_key(|finding| finding.rule.code());
        found
    }

    fn check(&self, rule: Rule, answer: impl FnOnce() -> Answer) -> Option<Finding> {
        let severity = *self.compiled.checks.get(&rule)?;
        // What a gun is says nothing of a hand.
        let of_gun = matches!(rule, Rule::Enrolment | Rule::Calibration | Rule::Firmware);
        if of_gun && self.segment.is_manual {
            return None;
        }
        match answer() {
            Ok(true) => None,
            Ok(false) => Some(Finding {
                rule,
                severity,
                bound: Some(Bound::Maximum),
                value: 1,
                limit: 0,
                reason: None,
            }),
            Err(reason) => Some(not_checkable(rule, reason)),
        }
    }

    fn limit(&self, quantity: Limited, value: Option<i64>) -> Option<Finding> {
        let bounds = self.compiled.bounds(quantity)?;
        let rule = quantity.rule();
        match value {
            Some(value) => bounds.judge(&Value::plain(rule, value)),
            None => Some(not_checkable(rule, NotCheckable::FactMissing)),
        }
    }

    fn age(&self) -> Option<Finding> {
        self.limit(Limited::Age, self.session.facts.age_years.map(i64::from))
    }

    fn needle(&self, quantity: Limited, value: Option<i64>) -> Option<Finding> {
        // A needle of length or gauge 0 is one that nobody described.
        self.limit(quantity, value.filter(|value| *value > 0))
    }

    fn needle_history(&self) -> Option<Finding> {
        self.compiled.bounds(Limited::NeedleShots)?;
        let before = self.segment.facts.needle_shots_before;
        let missing = not_checkable(Rule::NeedleShots, NotCheckable::FactMissing);
        before.is_none().then_some(missing)
    }

    fn components(&self) -> Option<Finding> {
        let count = i64::try_from(self.segment.contents.len()).unwrap_or(i64::MAX);
        let is_said = !self.segment.contents.is_empty();
        self.limit(Limited::Components, is_said.then_some(count))
    }

    fn zone(&self) -> Answer {
        let zone = self.segment.zone.and_then(|at| self.session.zones.get(at));
        let zone = zone.ok_or(NotCheckable::FactMissing)?;
        Ok(self.compiled.zones.contains(&zone.name))
    }

    fn technique(&self) -> Answer {
        let technique = self.segment.technique.ok_or(NotCheckable::FactMissing)?;
        Ok(self.compiled.techniques.contains(&technique))
    }

    /// Whether something that holds until a day still holds.
    fn until(&self, last: Option<Day>) -> Answer {
        let last = last.ok_or(NotCheckable::FactMissing)?;
        Ok(self.today()? <= last)
    }

    fn today(&self) -> Result<Day, NotCheckable> {
        if self.session.facts.clock_is_doubtful {
            return Err(NotCheckable::ClockUntrusted);
        }
        self.session.day().ok_or(NotCheckable::FactMissing)
    }

    fn lots(&self) -> Answer {
        let lots = self.segment.facts.lots.as_ref();
        let lots = lots.ok_or(NotCheckable::FactMissing)?;
        if lots.iter().any(|lot| lot.is_recalled == Some(true)) {
            return Ok(false);
        }
        let today = self.today();
        let mut answer = Ok(true);
        for lot in lots {
            match (lot.usable_until, lot.is_recalled, today) {
                (Some(last), _, Ok(today)) if today > last => return Ok(false),
                (Some(_), Some(_), Ok(_)) => {}
                (_, _, Err(reason)) => answer = Err(reason),
                _ => answer = Err(NotCheckable::FactMissing),
            }
        }
        answer
    }

    fn history(&self) -> Result<&CourseHistory, NotCheckable> {
        let history = self.session.facts.history.as_ref();
        history.ok_or(NotCheckable::CourseUnknown)
    }

    /// Which session of the course this is, counted from 1.
    fn number(&self) -> Result<i64, NotCheckable> {
        Ok(i64::from(self.history()?.sessions_before) + 1)
    }

    fn course_history(&self) -> Option<Finding> {
        self.compiled.bounds(Limited::CourseVolume)?;
        let session = self.session;
        let reason = self
            .history()
            .err()
            .or_else(|| session.lower_bound())
            .or((session.sums.unknown_volumes > 0).then_some(NotCheckable::ValueMissing))?;
        Some(not_checkable(Rule::CourseVolume, reason))
    }

    fn days_since_session(&self) -> Option<Finding> {
        let rule = Rule::DaysSinceSession;
        let own = self.compiled.bounds(Limited::DaysSinceSession);
        if own.is_none() && !self.compiled.has_courses {
            return None;
        }
        let history = match self.history() {
            Ok(history) => history,
            Err(reason) => return Some(not_checkable(rule, reason)),
        };
        let zone = self.segment.zone.and_then(|at| self.session.zones.get(at));
        let last = zone.and_then(|zone| history.last_in_zone.get(&zone.name));
        let Some(last) = last else {
            // The first session in this zone keeps no distance.
            return None;
        };
        let days = match self.today() {
            Ok(today) => today.saturating_sub(*last),
            Err(reason) => return Some(not_checkable(rule, reason)),
        };
        let number = i64::from(history.sessions_before) + 1;
        let phase = self
            .compiled
            .course_place(number)
            .0
            .and_then(|at| self.compiled.phases.get(at));
        let value = Value::plain(rule, days);
        let by_protocol = own.and_then(|bounds| bounds.judge(&value));
        let by_phase = phase
            .filter(|_| number > 1)
            .and_then(|phase| phase.interval.judge(&value));
        let worst = by_protocol.into_iter().chain(by_phase);
        worst
            .max_by_key(|finding| finding.severity)
            .or_else(|| self.lacks_course(rule, own))
    }

    fn course_sessions(&self) -> Option<Finding> {
        let rule = Rule::CourseSessions;
        let own = self.compiled.bounds(Limited::CourseSessions);
        if own.is_none() && !self.compiled.has_courses {
            return None;
        }
        let number = match self.number() {
            Ok(number) => number,
            Err(reason) => return Some(not_checkable(rule, reason)),
        };
        let value = Value::growing(rule, number, false);
        let by_protocol = own.and_then(|bounds| bounds.judge(&value));
        let by_course = self.compiled.course_place(number).1.and_then(|total| {
            let whole = Bounds::soft_maximum_of(total);
            whole.judge(&value)
        });
        let worst = by_protocol.into_iter().chain(by_course);
        worst
            .max_by_key(|finding| finding.severity)
            .or_else(|| self.lacks_course(rule, own))
    }

    /// A protocol with courses of which the clinic chose none says nothing of the interval.
    fn lacks_course(&self, rule: Rule, own: Option<&Bounds>) -> Option<Finding> {
        let lacks = own.is_none() && self.compiled.phases.is_empty();
        lacks.then(|| not_checkable(rule, NotCheckable::FactMissing))
    }

    fn drug_interval(&self) -> Option<Finding> {
        let rule = Rule::DrugInterval;
        let mut worst: Option<Finding> = None;
        for drug in &self.compiled.drugs {
            let contents = &self.segment.contents;
            let is_given = contents
                .iter()
                .any(|content| drug.names.contains(&content.name));
            if !drug.interval.is_any() || !is_given {
                continue;
            }
            let finding = match (self.history(), self.today()) {
                (Err(reason), _) | (_, Err(reason)) => Some(not_checkable(rule, reason)),
                (Ok(history), Ok(today)) => {
                    let last = drug
                        .names
                        .iter()
                        .filter_map(|name| history.last_of_drug.get(name))
                        .max();
                    last.and_then(|last| {
                        let days = today.saturating_sub(*last);
                        drug.interval.judge(&Value::plain(rule, days))
                    })
                }
            };
            let severity = |finding: &Option<Finding>| finding.map(|found| found.severity);
            if severity(&finding) > severity(&worst) {
                worst = finding;
            }
        }
        worst
    }

    fn course_phase(&self) -> Answer {
        let number = self.number()?;
        if self.compiled.phases.is_empty() {
            return Err(NotCheckable::FactMissing);
        }
        let said = self.segment.course_phase.ok_or(NotCheckable::FactMissing)?;
        let due = self.compiled.course_place(number).0;
        // Beyond the end of the course no phase is due; that it is beyond is another rule's.
        Ok(due.is_none_or(|due| usize::from(said) == due + 1))
    }

    fn cocktail(&self) -> Answer {
        let classes = &self.compiled.product_classes;
        if !classes.is_empty() {
            let class = self.segment.facts.product_class.as_ref();
            let class = class.ok_or(NotCheckable::FactMissing)?;
            if !classes.contains(&class.to_lowercase()) {
                return Ok(false);
            }
        }
        if self
            .compiled
            .phases
            .iter()
            .all(|phase| phase.cocktail.is_empty())
        {
            return Ok(true);
        }
        let place = self.compiled.course_place(self.number()?).0;
        let phase = place.and_then(|at| self.compiled.phases.get(at));
        let allowed = phase.map_or(&[][..], |phase| &phase.cocktail);
        let mut contents = self.segment.contents.iter();
        Ok(allowed.is_empty() || contents.all(|content| allowed.contains(&content.name)))
    }
}

fn known(fact: Option<bool>) -> Answer {
    fact.ok_or(NotCheckable::FactMissing)
}

/// Those that are breaches.
pub(super) fn breaches(findings: Vec<Finding>) -> Vec<Finding> {
    findings
        .into_iter()
        .filter(|finding| finding.severity != Severity::NotCheckable)
        .collect()
}
