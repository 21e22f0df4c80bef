//! What a session amounts to for the later sessions of its patient.

use std::collections::BTreeSet;

use meso_domain::EarlierSession;
use meso_units::{Nanolitres, SessionId};

use super::Judge;
use super::segment::Segment;
use super::session::Session;

impl Judge {
    /// What a session amounts to for the rules about courses and intervals of its patient's later
    /// sessions, as far as its shots and events have come; `None` where nobody was treated in it, or
    /// where its begin is not known here.
    pub fn treated(&self, session: SessionId) -> Option<EarlierSession> {
        self.sessions.get(session).and_then(of)
    }
}

fn of(session: &Session) -> Option<EarlierSession> {
    let has_treated = session.sums.shots > 0 || session.manual_points > 0 || session.manual_nl > 0;
    if !has_treated {
        return None;
    }
    let segments = || session.segments.iter().filter(|segment| is_used(segment));
    let zones = segments().filter_map(|segment| session.zones.get(segment.zone?));
    let gave =
        segments().filter(|segment| segment.given_nl() > 0 || segment.sums.unknown_volumes > 0);
    let drugs = gave
        .flat_map(|segment| &segment.contents)
        .map(|content| content.name.clone());
    let others = session.facts.other_doses.iter().flatten();
    let others = others.map(|(name, _)| name.trim().to_lowercase());
    let volume_nl = session.sums.volume_nl.saturating_add(session.manual_nl);
    let earlier = EarlierSession {
        session: session.id,
        opened_at: session.opened_at?,
        day: session.day()?,
        protocol: session.protocol.clone()?,
        volume: Nanolitres::new(volume_nl).unwrap_or(Nanolitres::MAX),
        zones: zones.map(|zone| zone.name.clone()).collect(),
        drugs: drugs.chain(others).collect::<BTreeSet<String>>(),
        is_cut: false,
    };
    Some(earlier.cut())
}

/// Whether anything was done to the patient in a segment.
const fn is_used(segment: &Segment) -> bool {
    segment.sums.shots > 0 || segment.manual_points > 0 || segment.manual_nl > 0
}
