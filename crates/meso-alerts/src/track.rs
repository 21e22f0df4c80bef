//! What is remembered of one gun in one session, beside its alerts.

use meso_domain::Rule;
use meso_units::{GunSerial, SessionId, Timestamp};

use crate::SeenShots;

/// One gun in one session (or outside any): which shots were seen, and which episodes there were.
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
    /// The rules with an episode, at most one entry each.
    pub rules: Vec<RuleTrack>,
}

/// The newest episode of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleTrack {
    /// The rule.
    pub rule: Rule,
    /// Its number, from 1.
    pub episode: u32,
    /// When a [`crate::TransitionKind::Counted`] was last given out.
    pub counted_at: Timestamp,
    /// Shots counted since then.
    pub uncounted: u64,
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
}
