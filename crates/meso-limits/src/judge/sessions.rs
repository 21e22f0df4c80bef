//! Which sessions the engine remembers, and where a shot belongs; bounded.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use meso_domain::{SessionEvent, Shot};
use meso_units::{SegmentId, SessionId};

use super::Judge;
use super::session::Session;

/// A map whose hash needs no random number, so that a run repeats exactly.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// Where a shot belongs: the session's slot and the segment's place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) segment: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<usize>,
    by_id: Map<SessionId, usize>,
    by_segment: Map<SegmentId, Place>,
    /// Counts up with each new session: the order in which they are forgotten.
    next_order: u64,
}

impl Sessions {
    /// Takes an event; the slot of its session.
    pub(super) fn learn(&mut self, event: &SessionEvent) -> usize {
        let slot = self.entry(event.session());
        let Some(session) = self.at_mut(slot) else {
            return slot;
        };
        let begun = session.learn(event);
        if let (Some(segment), SessionEvent::SegmentOpened(opened)) = (begun, event) {
            let place = Place { slot, segment };
            self.by_segment.insert(opened.segment, place);
        }
        slot
    }

    /// The place of a shot; a session that is not known yet is made where its id is given.
    pub(super) fn place(&mut self, shot: &Shot, session: Option<SessionId>) -> Option<Place> {
        let by_segment = shot
            .segment
            .and_then(|segment| self.by_segment.get(&segment).copied());
        let Some(id) = session else {
            return by_segment;
        };
        if let Some(place) = by_segment
            && self.at(place.slot).is_some_and(|session| session.id == id)
        {
            return Some(place);
        }
        let slot = self.entry(id);
        if let (Some(segment), Some(session)) = (shot.segment, self.at_mut(slot)) {
            session.note_unplaced(segment);
        }
        Some(Place { slot, segment: 0 })
    }

    pub(super) fn segment(&self, segment: SegmentId) -> Option<Place> {
        self.by_segment.get(&segment).copied()
    }

    pub(super) fn slot(&self, session: SessionId) -> Option<usize> {
        self.by_id.get(&session).copied()
    }

    #[inline]
    pub(super) fn at(&self, slot: usize) -> Option<&Session> {
        self.slots.get(slot)?.as_deref()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, slot: usize) -> Option<&mut Session> {
        self.slots.get_mut(slot)?.as_deref_mut()
    }

    pub(super) fn get(&self, session: SessionId) -> Option<&Session> {
        self.at(self.slot(session)?)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.slots.iter_mut().filter_map(Option::as_deref_mut)
    }

    pub(super) fn stale(&self) -> Vec<SessionId> {
        let all = self.slots.iter().filter_map(Option::as_deref);
        let mut stale: Vec<(u64, SessionId)> = all
            .filter(|session| session.is_stale)
            .map(|session| (session.order, session.id))
            .collect();
        stale.sort_unstable();
        stale.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        let Some(slot) = self.by_id.remove(&session) else {
            return;
        };
        let Some(known) = self.slots.get_mut(slot).and_then(Option::take) else {
            return;
        };
        self.free.push(slot);
        for segment in known.segments.iter().filter_map(|segment| segment.id) {
            self.by_segment.remove(&segment);
        }
    }

    /// The slot of a session, made where it is new.
    pub(super) fn entry(&mut self, session: SessionId) -> usize {
        if let Some(slot) = self.slot(session) {
            return slot;
        }
        if self.by_id.len() >= Judge::SESSION_COUNT_MAX {
            let known = self.slots.iter().filter_map(Option::as_deref);
            let first = known
                .min_by_key(|session| (!session.ended, session.order))
                .map(|session| session.id);
            if let Some(first) = first {
                self.forget(first);
            }
        }
        self.next_order += 1;
        let made = Some(Box::new(Session::new(session, self.next_order)));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = made;
                slot
            }
            None => {
                self.slots.push(made);
                self.slots.len() - 1
            }
        };
        self.by_id.insert(session, slot);
        slot
    }
}
