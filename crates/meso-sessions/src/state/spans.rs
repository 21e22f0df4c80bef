//! When which segment of one gun was open.

use std::collections::VecDeque;

use meso_units::{SegmentId, SessionId, Timestamp};

/// How many closed segments are kept: see [`crate::Sessions::CLOSED_COUNT_MAX`].
pub(super) const CLOSED_COUNT_MAX: usize = 256;

/// A segment of one gun, from its beginning up to, and without, its end.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) session: SessionId,
    pub(super) segment: SegmentId,
    pub(super) from: Timestamp,
    pub(super) until: Option<Timestamp>,
}

/// The segments of one gun, oldest first; only the last can be open.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    list: VecDeque<Span>,
}

impl Spans {
    pub(super) fn open(&self) -> Option<&Span> {
        self.list.back().filter(|span| span.until.is_none())
    }

    pub(super) fn at(&self, at: Timestamp) -> Option<(SessionId, SegmentId)> {
        let covers = |span: &&Span| span.from <= at && span.until.is_none_or(|until| at < until);
        self.list
            .iter()
            .rev()
            .find(covers)
            .map(|span| (span.session, span.segment))
    }

    pub(super) fn knows(&self, segment: SegmentId) -> bool {
        self.list.iter().any(|span| span.segment == segment)
    }

    pub(super) fn begin(&mut self, span: Span) {
        self.end(span.from);
        self.list.push_back(span);
        if self.list.len() > CLOSED_COUNT_MAX + 1 {
            self.list.pop_front();
        }
    }

    /// Ends the open segment, if any.
    pub(super) fn end(&mut self, at: Timestamp) {
        if let Some(last) = self.list.back_mut() {
            last.until.get_or_insert(at);
        }
    }

    /// When the last segment ended, or began if it is open.
    pub(super) fn free_from(&self) -> Timestamp {
        self.list.back().map_or(Timestamp::UNIX_EPOCH, |span| {
            span.until.unwrap_or(span.from)
        })
    }
}
