//! What the engine remembers of sessions: protocol, segments, totals; bounded.

use std::collections::{BTreeMap, VecDeque};

use meso_domain::{SessionEvent, Shot};
use meso_units::{ProtocolId, SegmentId, SessionId};

use super::Judge;
use crate::Totals;

/// Where a shot belongs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) session: Option<SessionId>,
    pub(super) protocol: Option<ProtocolId>,
    /// Points that the trigger set: what the gun says, else the mounted head, else one.
    pub(super) points: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    known: BTreeMap<SessionId, Known>,
    by_segment: BTreeMap<SegmentId, SessionId>,
    /// Counts up with each new session: the order in which they are forgotten.
    next_order: u64,
}

#[derive(Clone, Debug, Default)]
struct Known {
    order: u64,
    ended: bool,
    protocol: Option<ProtocolId>,
    segments: VecDeque<Segment>,
    totals: Totals,
}

#[derive(Clone, Debug)]
struct Segment {
    id: SegmentId,
    protocol: ProtocolId,
    needle_count: u8,
}

impl Sessions {
    pub(super) fn learn(&mut self, event: &SessionEvent) {
        let known = self.entry(event.session());
        match event {
            SessionEvent::Opened(opened) => known.protocol = Some(opened.protocol.clone()),
            SessionEvent::SegmentOpened(opened) => {
                if known
                    .segments
                    .iter()
                    .any(|segment| segment.id == opened.segment)
                {
                    return;
                }
                known.segments.push_back(Segment {
                    id: opened.segment,
                    protocol: opened.protocol.clone(),
                    needle_count: opened.needle.count,
                });
                let forgotten = if known.segments.len() > Judge::SEGMENT_COUNT_MAX {
                    known.segments.pop_front()
                } else {
                    None
                };
                self.by_segment.insert(opened.segment, opened.session);
                if let Some(forgotten) = forgotten {
                    self.by_segment.remove(&forgotten.id);
                }
            }
            SessionEvent::Paused { .. } | SessionEvent::Resumed { .. } => {}
            SessionEvent::Ended(_) => known.ended = true,
        }
    }

    pub(super) fn place(&self, shot: &Shot, session: Option<SessionId>) -> Place {
        let by_segment = |segment: &SegmentId| self.by_segment.get(segment).copied();
        let session = session.or_else(|| shot.segment.as_ref().and_then(by_segment));
        let known = session.and_then(|id| self.known.get(&id));
        let segment = known.and_then(|known| {
            known
                .segments
                .iter()
                .find(|segment| Some(segment.id) == shot.segment)
        });
        let protocol = segment
            .map(|segment| &segment.protocol)
            .or_else(|| known.and_then(|known| known.protocol.as_ref()));
        let mounted = segment.map_or(1, |segment| u64::from(segment.needle_count.max(1)));
        Place {
            session,
            protocol: protocol.cloned(),
            points: if shot.needles_working.is_some() {
                shot.points()
            } else {
                mounted
            },
        }
    }

    pub(super) fn totals(&self, session: SessionId) -> Option<&Totals> {
        self.known.get(&session).map(|known| &known.totals)
    }

    pub(super) fn totals_mut(&mut self, session: SessionId) -> &mut Totals {
        &mut self.entry(session).totals
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        let Some(known) = self.known.remove(&session) else {
            return;
        };
        for segment in known.segments {
            self.by_segment.remove(&segment.id);
        }
    }

    fn entry(&mut self, session: SessionId) -> &mut Known {
        if !self.known.contains_key(&session) && self.known.len() >= Judge::SESSION_COUNT_MAX {
            let first = self
                .known
                .iter()
                .min_by_key(|(_, known)| (!known.ended, known.order))
                .map(|(id, _)| *id);
            if let Some(first) = first {
                self.forget(first);
            }
        }
        let next_order = &mut self.next_order;
        self.known.entry(session).or_insert_with(|| {
            *next_order += 1;
            Known {
                order: *next_order,
                ..Known::default()
            }
        })
    }
}
