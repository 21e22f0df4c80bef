//! Shots that were fired without a session and that a session claims.
//!
//! Which session a shot counts in follows from the set of claims: of several the one that was said
//! first, by its own time, wins, in whatever order they came. That more than one session claims a
//! shot, or one claims a shot of another, is named in the quarantine.

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::{Said, SessionEvent, Shot, ShotClaim, ShotIdentity, Statement};
use meso_limits::Judge;
use meso_store::{ClaimRow, SessionCounts, StoreError};
use meso_units::{SessionId, ShotCounter};

use super::shot_store::ShotStore;

/// What a session claims.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    /// The shots that count in it, each with the segment that it counts in.
    pub(super) shots: Vec<Shot>,
    /// Sessions that claim some of the same shots.
    pub(super) rivals: BTreeSet<SessionId>,
    /// What cannot be: where it is said, and why.
    pub(super) conflicts: BTreeSet<(String, String)>,
}

/// The claims among a session's events.
pub(super) fn claims_in(events: &[SessionEvent]) -> impl Iterator<Item = (&Statement, &ShotClaim)> {
    events.iter().filter_map(|event| match event {
        SessionEvent::Stated(statement) => match &statement.said {
            Said::Claim(claim) => Some((statement.as_ref(), claim)),
            _ => None,
        },
        _ => None,
    })
}

/// The claim that a shot counts under; the claims are in the order in which they were said.
fn winner(claims: &[ClaimRow], counter: ShotCounter) -> Option<&ClaimRow> {
    let covers = |claim: &&ClaimRow| claim.first <= counter && counter <= claim.last;
    claims.iter().find(covers)
}

/// What a session claims by its events. What is stored must be readable.
///
/// # Errors
///
/// [`StoreError`] when the store cannot be read.
pub(super) fn claimed(
    store: &impl ShotStore,
    session: SessionId,
    events: &[SessionEvent],
) -> Result<Claimed, StoreError> {
    let mut found = Claimed::default();
    let mut shots: BTreeMap<ShotIdentity, Shot> = BTreeMap::new();
    for (statement, claim) in claims_in(events) {
        let claims = store.claims_of(&claim.gun, claim.epoch)?;
        name_rivals(statement, claim, &claims, &mut found);
        for counter in (claim.first.get()..=claim.last.get()).map(ShotCounter) {
            let wins = winner(&claims, counter).filter(|winner| winner.session == session);
            let identity = ShotIdentity {
                gun: claim.gun.clone(),
                epoch: claim.epoch,
                counter,
            };
            let Some(wins) = wins.filter(|_| !shots.contains_key(&identity)) else {
                continue;
            };
            let Some(mut shot) = store.shot(&identity)? else {
                continue;
            };
            if let Some(segment) = shot.segment {
                let conflict = format!("session {session} claims it from segment {segment}");
                found.conflicts.insert((identity.to_string(), conflict));
                continue;
            }
            shot.segment = Some(wins.segment);
            shots.insert(identity, shot);
        }
    }
    found.shots = shots.into_values().collect();
    Ok(found)
}

fn name_rivals(statement: &Statement, claim: &ShotClaim, claims: &[ClaimRow], found: &mut Claimed) {
    let session = statement.session;
    for rival in claims.iter().filter(|rival| rival.session != session) {
        let (first, last) = (rival.first.max(claim.first), rival.last.min(claim.last));
        if first > last {
            continue;
        }
        found.rivals.insert(rival.session);
        // The same words from either side, so that it is named once.
        let (one, other) = (session.min(rival.session), session.max(rival.session));
        let place = format!("gun {} epoch {:016x}", claim.gun, claim.epoch.get());
        let conflict = format!(
            "shots {first} to {last} are claimed by sessions {one} and {other}: they count in the \
             one whose claim was said first"
        );
        found.conflicts.insert((place, conflict));
    }
}

/// What claimed shots add up to, by the engine that has taken them in.
pub(super) fn counts_of(judge: &mut Judge, session: SessionId, shots: &[Shot]) -> SessionCounts {
    let mut counts = SessionCounts::default();
    for shot in shots {
        let weighed = judge.weigh(shot, Some(session));
        let worst = weighed
            .findings
            .iter()
            .map(|finding| finding.severity)
            .max();
        counts.add(&SessionCounts::of(shot, worst));
    }
    counts
}
