//! What is remembered of one gun in one session, beside its alerts.

use meso_domain::{Finding, Rule, Severity};
use meso_units::{GunSerial, SessionId, Timestamp};

use crate::SeenShots;

/// One gun in one session (or outside any): which shots were seen, which episodes there were, and
/// when each rule last passed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Track {
    /// The gun.
    pub gun: GunSerial,
    /// The session, if any.
    pub session: Option<SessionId>,
    /// The shots that were seen.
    pub seen: SeenShots,
    /// When the session ended, once it has.
    pub ended_at: Option<Timestamp>,
    /// The time of the newest shot.
    pub active_at: Timestamp,
    /// The rules that did not always pass, in the order of their codes, at most one entry each. A
    /// rule that is not here passed with the newest shot.
    pub rules: Vec<RuleTrack>,
}

/// What is remembered of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleTrack {
    /// The rule.
    pub rule: Rule,
    /// How many episodes there were; 0 where it was only not checkable.
    pub episode: u32,
    /// The time of the newest shot with which it passed, if it ever did.
    pub clean_at: Option<Timestamp>,
}

impl Track {
    pub(crate) fn new(gun: GunSerial, session: Option<SessionId>, active_at: Timestamp) -> Track {
        Track {
            gun,
            session,
            seen: SeenShots::default(),
            ended_at: None,
            active_at,
            rules: Vec::new(),
        }
    }

    /// Takes the time of a new shot and what was found. It comes out the same in any order.
    pub(crate) fn note(&mut self, at: Timestamp, findings: &[Finding], is_first: bool) {
        let clean_until = (!is_first).then_some(self.active_at);
        for finding in findings {
            if let Err(index) = self.rules.binary_search_by_key(&finding.rule, |r| r.rule) {
                let of_rule = RuleTrack {
                    rule: finding.rule,
                    episode: 0,
                    clean_at: clean_until,
                };
                self.rules.insert(index, of_rule);
            }
        }
        for of_rule in &mut self.rules {
            if !findings.iter().any(|finding| finding.rule == of_rule.rule) {
                of_rule.clean_at = of_rule.clean_at.max(Some(at));
            }
        }
        self.active_at = self.active_at.max(at);
    }

    /// The time of the newest shot with which a rule passed.
    pub(crate) fn clean_at(&self, rule: Rule) -> Option<Timestamp> {
        match self.rules.binary_search_by_key(&rule, |r| r.rule) {
            Ok(index) => self.rules[index].clean_at,
            Err(_) => Some(self.active_at),
        }
    }

    /// Counts one more episode of a rule and gives its number.
    pub(crate) fn next_episode(&mut self, rule: Rule) -> u32 {
        let index = match self.rules.binary_search_by_key(&rule, |r| r.rule) {
            Ok(index) => index,
            Err(index) => {
                let clean_at = Some(self.active_at);
                let of_rule = RuleTrack {
                    rule,
                    episode: 0,
                    clean_at,
                };
                self.rules.insert(index, of_rule);
                index
            }
        };
        let episode = &mut self.rules[index].episode;
        *episode = episode.saturating_add(1);
        *episode
    }
}

/// Whether a finding says that a limit was passed.
pub(crate) fn is_breach(finding: &Finding) -> bool {
    finding.severity != Severity::NotCheckable
}
